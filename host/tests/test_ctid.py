"""A row's ctid, which the wrapper gives: in conditions, joins and RETURNING; rows changed once."""

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("hands over no system columns")

ROWS = (
    "[{'id': n, 'name': 'n%d' % (n // 2), 'ctid': '(%d,%d)' % (n // 3, n % 3 + 1)}"
    " for n in range(9)]"
)
RETURNS = "{**(values or {}), 'ctid': '(77,7)'}"


@pytest.fixture
def server(session: Session) -> str:
    session.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'with_ctid') THEN"
        " CREATE SERVER with_ctid FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'contract.CtidWrapper'); END IF; END $$"
    )
    return "with_ctid"


@pytest.fixture
def table(session: Session, server: str) -> str:
    return session.table("id int, name text", server, rows=ROWS, size="(10**6, 100)")


@pytest.mark.parametrize(
    ("where", "ids"),
    [
        ("ctid = '(1,2)'", [4]),
        ("'(1,2)' = ctid", [4]),
        ("ctid IN ('(0,1)', '(2,3)', '(9,9)')", [0, 8]),
        ("ctid = ANY (ARRAY['(0,1)', '(2,3)']::tid[])", [0, 8]),
        ("ctid > '(2,1)'", [7, 8]),
        ("ctid <= '(0,2)'", [0, 1]),
        ("ctid <> '(1,2)' AND id < 6", [0, 1, 2, 3, 5]),
        ("ctid BETWEEN '(1,1)' AND '(1,2)'", [3, 4]),
        ("ctid NOT IN ('(0,1)', '(2,3)')", [1, 2, 3, 4, 5, 6, 7]),
        ("ctid = '(4294967295,0)'", []),
        ("ctid = NULL", []),
        ("ctid IS NULL", []),
        ("ctid IS NOT NULL AND id > 7", [8]),
        ("ctid::text = '(1,2)'", [4]),
        ("ctid = '(0,1)' OR id = 4", [0, 4]),
        ("NOT ctid = '(0,1)' AND id < 2", [1]),
        ("(id, ctid) = (4, '(1,2)'::tid)", [4]),
    ],
)
def test_conditions(session: Session, table: str, where: str, ids: list[int]) -> None:
    query = f"SELECT id FROM {table} t WHERE {where} ORDER BY id"
    assert [i for (i,) in session.rows(query)] == ids
    for t in ("t.ctid", "t . CTID", 't."ctid"'):
        spelled = query.replace("ctid", t, 1)
        assert [i for (i,) in session.rows(spelled)] == ids


def test_a_condition_reaches_the_wrapper(session: Session, table: str) -> None:
    assert session.quals(f"SELECT id FROM {table} WHERE ctid = '(1,2)'") == [
        ["ctid", "=", "(1,2)", "str"]
    ]
    assert session.quals(f"SELECT id FROM {table} WHERE ctid IN ('(1,2)', '(1,3)')") == [
        ["ctid", ["=", True], ["(1,2)", "(1,3)"], "list"]
    ]


def test_nothing_is_asked_for_where_no_ctid_is(session: Session, table: str) -> None:
    session.journal()
    session.rows(f"SELECT *, tableoid FROM {table} t")
    session.rows(f"SELECT count(t) FROM {table} t WHERE name = 'n1'")
    assert {c for call in session.calls("execute") for c in call["columns"]} == {"id", "name"}


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_prepared_statements(session: Session, table: str, mode: str) -> None:
    session.execute(f"SET plan_cache_mode = {mode}")
    session.execute(f"PREPARE one(tid) AS SELECT id FROM {table} WHERE ctid = $1")
    session.execute(f"PREPARE two(tid, tid) AS SELECT id FROM {table} WHERE ctid IN ($1, $2)")
    session.execute(f"PREPARE several(tid[]) AS SELECT id FROM {table} WHERE ctid = ANY ($1)")
    for n in range(9):
        ctid = f"({n // 3},{n % 3 + 1})"
        assert session.rows(f"EXECUTE one('{ctid}')") == [(n,)]
        assert session.rows(f"EXECUTE two('(8,8)', '{ctid}')") == [(n,)]
        assert session.rows(f"EXECUTE several('{{\"{ctid}\"}}')") == [(n,)]
    assert session.rows("EXECUTE one(NULL)") == []


def test_joins_and_grouping(session: Session, table: str) -> None:
    everything = [(n, n) for n in range(9)]
    join = f"SELECT a.id, b.id FROM {table} a JOIN {table} b ON a.ctid = b.ctid ORDER BY 1"
    for disabled in ("hashjoin", "mergejoin", "nestloop"):
        session.execute(f"SET enable_{disabled} = off")
        assert session.rows(join) == everything
    assert session.rows(
        f"SELECT id FROM {table} WHERE ctid IN (SELECT ctid FROM {table} WHERE name = 'n2')"
    ) == [(4,), (5,)]
    assert session.rows(
        f"SELECT id FROM {table} WHERE ctid = ANY"
        f" (ARRAY(SELECT ctid FROM {table} WHERE name = 'n2'))"
    ) == [(4,), (5,)]
    assert session.value(f"SELECT count(DISTINCT ctid) FROM {table}") == 9
    assert len(session.rows(f"SELECT ctid, count(*) FROM {table} GROUP BY ctid")) == 9
    ordered = session.rows(f"SELECT id FROM {table} ORDER BY ctid DESC")
    assert ordered == [(n,) for n in range(8, -1, -1)]


def test_lookup_by_ctid(session: Session, server: str) -> None:
    session.execute("CREATE TEMP TABLE wanted AS SELECT '(1,2)'::tid AS c; ANALYZE wanted")
    table = session.table(
        "id int", server, rows=ROWS, path_keys="[(('ctid',), 1)]", size="(10**6, 100)"
    )
    session.journal()
    assert session.rows(f"SELECT t.id FROM wanted w JOIN {table} t ON t.ctid = w.c") == [(4,)]
    assert [call["quals"] for call in session.calls("execute")] == [[["ctid", "=", "(1,2)", "str"]]]


def test_writing_by_ctid(session: Session, table: str) -> None:
    session.execute(f"DELETE FROM {table} WHERE ctid = '(1,2)'")
    session.execute(f"UPDATE {table} SET name = 'x' WHERE ctid IN ('(0,1)', '(2,3)')")
    session.execute(
        f"DELETE FROM {table} WHERE ctid IN (SELECT ctid FROM {table} ORDER BY id LIMIT 2)"
    )
    assert [c["rowid"] for c in session.calls("update", "delete")] == [4, 0, 8, 0, 1]


def test_returning(session: Session, server: str, table: str) -> None:
    update = f"UPDATE {table} SET name = 'x' WHERE id < 2 RETURNING ctid, id"
    assert session.rows(update) == [("(0,1)", 0), ("(0,2)", 1)]
    delete = f"DELETE FROM {table} WHERE id < 2 RETURNING id, ctid::text, name"
    assert session.rows(delete) == [(0, "(0,1)", "n0"), (1, "(0,2)", "n0")]
    error = session.error(f"INSERT INTO {table} VALUES (1) RETURNING ctid")
    assert (error.sqlstate, error.message_primary) == (
        "HV000",
        f'a row of foreign table "{table}" has no valid ctid',
    )
    telling = session.table("id int, name text", server, rows=ROWS, returns=RETURNS)
    for statement in (
        f"INSERT INTO {telling} VALUES (1) RETURNING ctid",
        f"UPDATE {telling} SET name = 'x' WHERE id = 1 RETURNING ctid",
    ):
        assert session.rows(statement) == [("(77,7)",)]
    # A ctid of another table's in RETURNING asks nothing of this one.
    session.execute("CREATE TEMP TABLE other AS SELECT 1 AS id")
    joined = f"UPDATE {table} t SET name = 'x' FROM other o WHERE o.id = t.id RETURNING o.ctid"
    assert session.rows(joined) == [("(0,1)",)]


def test_returning_old_and_new(session: Session, table: str) -> None:
    if session.connection.info.server_version < 180000:
        pytest.skip("RETURNING has had old and new since 18")
    update = f"UPDATE {table} SET name = 'x' WHERE id < 2 RETURNING id, old.ctid, new.ctid"
    assert session.rows(update) == [(0, "(0,1)", "(0,1)"), (1, "(0,2)", "(0,2)")]
    delete = f"DELETE FROM {table} WHERE id < 2 RETURNING id, old.ctid, new.ctid"
    assert session.rows(delete) == [(0, "(0,1)", None), (1, "(0,2)", None)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT ctid FROM {}",
        "SELECT id FROM {} WHERE ctid = '(0,1)'",
        "SELECT id FROM {} WHERE ctid > '(0,1)'",
        "DELETE FROM {0} WHERE ctid IN (SELECT ctid FROM {0} LIMIT 1)",
        "UPDATE {0} a SET name = 'x' FROM {0} b WHERE a.ctid = b.ctid",
        "SELECT DISTINCT ctid FROM {}",
        "SELECT count(*) FROM {} GROUP BY ctid",
        "INSERT INTO {} VALUES (1) RETURNING ctid",
        "UPDATE {} SET name = 'x' RETURNING ctid",
        "DELETE FROM {} RETURNING ctid",
    ],
)
def test_refused_where_the_wrapper_has_none(session: Session, server: str, statement: str) -> None:
    silent = session.table("id int, name text", server, rows=ROWS, ctid="False")
    unaware = session.table("id int, name text", rows=ROWS)
    for table in (silent, unaware):
        error = session.error(statement.format(table))
        assert (error.sqlstate, error.message_primary) == (
            "0A000",
            "the ctid of this foreign table's rows is not known",
        )
        assert error.message_hint
        assert session.calls("insert", "update", "delete") == []
        assert session.execute(f"DELETE FROM {table} WHERE id < 2").rowcount == 2
        session.journal()


@pytest.mark.parametrize(
    ("rows", "sqlstate"),
    [
        ("[{'id': 1}]", "HV000"),
        ("[{'id': 1, 'ctid': None}]", "HV000"),
        ("[{'id': 1, 'ctid': '(5,0)'}]", "HV000"),
        ("[(1, 'x')]", "HV000"),
        ("[{'id': 1, 'ctid': 'five'}]", "22P02"),
        ("[{'id': 1, 'ctid': 5}]", "22P02"),
    ],
)
def test_row_without_a_valid_ctid(session: Session, server: str, rows: str, sqlstate: str) -> None:
    table = session.table("id int, name text", server, rows=rows)
    assert session.rows(f"SELECT id FROM {table}") == [(1,)]
    assert session.error(f"SELECT ctid FROM {table}").sqlstate == sqlstate


def test_ctid_is_no_rowid_column(session: Session, server: str) -> None:
    table = session.table("id int", server, rows=ROWS, rowid="ctid")
    assert session.error(f"DELETE FROM {table}").sqlstate == "HV005"


# Rows that a join gives twice


@pytest.fixture
def twice(session: Session) -> str:
    session.execute("CREATE TEMP TABLE twice AS SELECT id, n FROM (VALUES (1), (2)) v(id), "
                    "generate_series(1, 3) n")  # fmt: skip
    return "twice"


def test_a_row_is_changed_once(session: Session, table: str, twice: str) -> None:
    delete = session.execute(f"DELETE FROM {table} t USING {twice} w WHERE w.id = t.id")
    update = session.execute(f"UPDATE {table} t SET name = w.n FROM {twice} w WHERE w.id = t.id")
    assert (delete.rowcount, update.rowcount) == (2, 2)
    assert sorted(c["rowid"] for c in session.calls("delete", "update")) == [1, 1, 2, 2]
    session.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    gone = session.rows(f"DELETE FROM {table} t USING {twice} w WHERE w.id = t.id RETURNING t.id")
    assert sorted(gone) == [(1,), (2,)]
    made = session.rows(
        f"UPDATE {table} t SET name = 'x' FROM {twice} w WHERE w.id = t.id RETURNING t.id"
    )
    assert sorted(made) == [(1,), (2,)]
    assert len(session.calls("update", "delete")) == 4


def test_two_changes_in_one_statement(session: Session, table: str) -> None:
    query = (
        f"WITH gone AS (DELETE FROM {table} WHERE id < 3 RETURNING id)"
        f" UPDATE {table} SET name = 'x' WHERE id < 5"
    )
    session.journal()
    session.execute(query)
    changed = sorted(c["rowid"] for c in session.calls("delete", "update"))
    assert changed == [0, 1, 2, 3, 4]
    # Each statement for itself.
    session.execute(f"BEGIN; DELETE FROM {table} WHERE id = 1; DELETE FROM {table} WHERE id = 1;"
                    "COMMIT")  # fmt: skip
    assert len(session.calls("delete")) == 2


def test_changes_within_a_trigger_are_another_statement(session: Session, server: str) -> None:
    inner = session.table("id int, name text", server, rows=ROWS)
    outer = session.table("id int, name text", server, rows=ROWS)
    session.execute(
        "CREATE FUNCTION pg_temp.inner_change() RETURNS trigger LANGUAGE plpgsql AS"
        f" $$ BEGIN UPDATE {inner} SET name = 'x' WHERE id = 1; RETURN NULL; END $$;"
        f"CREATE TRIGGER inner_change AFTER UPDATE ON {outer}"
        " FOR EACH ROW EXECUTE FUNCTION pg_temp.inner_change()"
    )
    session.journal()
    session.execute(f"UPDATE {outer} SET name = 'y' WHERE id < 3")
    assert sorted(c["rowid"] for c in session.calls("update")) == [0, 1, 1, 1, 1, 2]


def test_after_a_failed_statement(session: Session, server: str) -> None:
    table = session.table("id int, name text", server, rows=ROWS)
    for _ in range(3):
        session.error(f"UPDATE {table} SET name = 1 / (id - 2)")
        session.journal()
        assert session.execute(f"UPDATE {table} SET name = 'x' WHERE id < 2").rowcount == 2


def test_rows_without_ctid_are_changed_as_often_as_given(session: Session, twice: str) -> None:
    table = session.table("id int, name text", rows=ROWS)
    delete = session.execute(f"DELETE FROM {table} t USING {twice} w WHERE w.id = t.id")
    assert delete.rowcount == 6


# Partitions


@pytest.fixture
def whole(session: Session, server: str) -> str:
    session.execute(
        "DROP TABLE IF EXISTS parts;"
        "CREATE TABLE parts (id int, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE parts_local PARTITION OF parts FOR VALUES FROM (0) TO (10);"
        "CREATE TABLE parts_other PARTITION OF parts FOR VALUES FROM (20) TO (30);"
        "CREATE FOREIGN TABLE parts_foreign PARTITION OF parts FOR VALUES FROM (10) TO (20)"
        """ SERVER with_ctid OPTIONS (rows '[{"id": 12, "ctid": "(12,1)"}]');"""
        "INSERT INTO parts VALUES (1, 'a'), (2, 'b'), (21, 'c')"
    )
    return "parts"


def test_local_and_foreign_partitions(session: Session, whole: str) -> None:
    assert session.rows(f"SELECT id FROM {whole} WHERE ctid = '(12,1)'") == [(12,)]
    updated = session.rows(
        f"UPDATE {whole} SET name = 'x' RETURNING tableoid::regclass::text, ctid"
    )
    assert ("parts_foreign", "(12,1)") in updated
    assert len(updated) == 4
    deleted = session.rows(f"DELETE FROM {whole} RETURNING id, ctid")
    assert (12, "(12,1)") in deleted
    assert len(deleted) == 4


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE parts SET id = id + 10",
        "UPDATE parts SET id = 13 WHERE id IN (1, 12)",
        "UPDATE parts SET id = id + 10 WHERE name IS DISTINCT FROM 'c'",
    ],
)
def test_no_row_moves_to_where_it_is_updated_again(
    session: Session, whole: str, statement: str
) -> None:
    error = session.error(statement)
    assert error.sqlstate == "0A000"
    assert error.message_primary == (
        'cannot route tuples into foreign table to be updated "parts_foreign"'
    )
    assert session.calls("insert") == []


def test_a_row_moves_to_where_nothing_is_updated(session: Session, whole: str) -> None:
    session.execute(f"UPDATE {whole} SET id = id + 10 WHERE id < 10")
    assert sorted(c["values"]["id"] for c in session.calls("insert", "update")) == [11, 12]
