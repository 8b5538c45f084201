"""Scans: rows in every form, what the wrapper is asked, and plans."""

import pytest
from cluster import Session

ROWS = "[{'id': n, 'name': 'n%d' % n} for n in range(5)]"


def test_names_for_older_wrappers(session: Session) -> None:
    compat = "__import__('multicorn.compat').compat"
    rows = f"[({compat}.unicode_('ä') + {compat}.basestring_(1), {compat}.bytes_('ä').hex())]"
    table = session.table("a text, b text", rows=rows)
    assert session.rows(f"SELECT * FROM {table}") == [("ä1", "c3a4")]


def test_rows_of_dicts(session: Session) -> None:
    table = session.table("id int, name text", rows=ROWS)
    assert session.rows(f"SELECT * FROM {table}") == [(n, f"n{n}") for n in range(5)]


@pytest.mark.parametrize(
    "rows",
    [
        "[(1, 'a'), [2, None]]",
        "iter([(1, 'a'), (2, None)])",
        "((n, v) for n, v in [(1, 'a'), (2, None)])",
        "[{'id': 1, 'name': 'a', 'other': 3}, {'id': 2}]",
        "[(1, 'a'), {'id': 2, 'name': None}]",
        "[OrderedDict(id=1, name='a'), defaultdict(lambda: None, id=2)]",
        "[namedtuple('Row', 'id name')(1, 'a'), (2, None)]",
        "[UserList([1, 'a']), UserList([2, None])]",
    ],
)
def test_rows_in_other_forms(session: Session, rows: str) -> None:
    table = session.table("id int, name text", rows=rows)
    assert session.rows(f"SELECT * FROM {table}") == [(1, "a"), (2, None)]


@pytest.mark.beyond("takes any object with __getitem__ for a sequence")
@pytest.mark.parametrize("row", ["UserDict(id=1, name='a')", "ChainMap({'id': 1}, {'name': 'a'})"])
def test_rows_of_other_mappings(session: Session, row: str) -> None:
    table = session.table("id int, name text, missing int", rows=f"[{row}]")
    assert session.rows(f"SELECT * FROM {table}") == [(1, "a", None)]


@pytest.mark.parametrize("rows", ["None", "[]", "[None]", "[None, (1, 'a')]"])
def test_no_rows(session: Session, rows: str) -> None:
    table = session.table("id int, name text", rows=rows)
    assert session.rows(f"SELECT * FROM {table}") == []
    assert session.rows(f"SELECT * FROM {table}") == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("(1,)", "has 1 values, but the table has 2 columns"),
        ("5", "must be a mapping or a sequence, not int"),
        ("'ab'", "must be a mapping or a sequence, not str"),
        ("UserList([1])", "has 1 values, but the table has 2 columns"),
        ("iter((1, 2))", "must be a mapping or a sequence, not tuple_iterator"),
    ],
)
@pytest.mark.beyond("other errors, or none")
def test_rows_of_wrong_form(session: Session, row: str, message: str) -> None:
    table = session.table("id int, name text", rows=f"[{row}]")
    error = session.error(f"SELECT * FROM {table}")
    assert message in error.message_primary
    assert error.sqlstate == "HV000"


def test_execute_is_lazy(session: Session) -> None:
    table = session.table("id int", rows="({'id': n} for n in itertools.count())", noted="1")
    assert session.rows(f"SELECT id FROM {table} LIMIT 3") == [(0,), (1,), (2,)]
    assert len(session.calls("iterate")) == 3


def test_iterator_is_closed_at_the_end_of_a_partial_scan(session: Session) -> None:
    table = session.table("id int", rows=ROWS, noted="1")
    session.rows(f"SELECT id FROM {table} LIMIT 1")
    assert [c["hook"] for c in session.calls("end_scan", "close")] == ["end_scan", "close"]


@pytest.mark.beyond("keeps the iterator for ever")
def test_iterator_is_closed_when_the_query_fails(session: Session) -> None:
    table = session.table("id int", rows=ROWS, noted="1")
    session.error(f"SELECT 1 / (id - 1) FROM {table}")
    assert len(session.calls("close")) == 1


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT id FROM {}", ["id"]),
        ("SELECT count(*) FROM {}", []),
        ("SELECT count(*) FROM {} WHERE name = 'a'", ["name"]),
        ("SELECT id FROM {} WHERE lower(name) = 'a' ORDER BY flag", ["flag", "id", "name"]),
        ("SELECT * FROM {}", ["flag", "id", "name"]),
        ("SELECT tableoid::regclass::text, id FROM {}", ["id"]),
    ],
)
def test_columns(session: Session, query: str, columns: list[str]) -> None:
    table = session.table("id int, name text, flag bool", rows=ROWS)
    session.rows(query.format(table))
    calls = session.calls("get_rel_size", "execute")
    names = [[c for c in call["columns"] if c != "tableoid"] for call in calls]
    assert names == [columns, columns]


@pytest.mark.beyond("asks for no columns, or for system columns")
@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("SELECT {0} FROM {0}", ["id", "name"]),
        ("SELECT tableoid FROM {}", []),
        ("SELECT id FROM {0} GROUP BY id, {0}.*", ["id", "name"]),
    ],
)
def test_columns_of_whole_rows_and_system_columns(
    session: Session, query: str, columns: list[str]
) -> None:
    table = session.table("id int, name text", rows=ROWS)
    session.rows(query.format(table))
    (call,) = session.calls("execute")
    assert call["columns"] == columns


def test_whole_row_value(session: Session) -> None:
    table = session.table("id int, name text", rows="[(1, 'a')]")
    assert session.value(f"SELECT {table}::text FROM {table}") == "(1,a)"


def test_tableoid(session: Session) -> None:
    table = session.table("id int", rows="[(1,)]")
    assert session.value(f"SELECT tableoid::regclass::text FROM {table}") == table


def test_dropped_columns(session: Session) -> None:
    rows = "[{'a': 1, 'c': 'x', 'd': 4}, (1, 'x', 4)]"
    table = session.table("a int, b int, c text, d int", rows=rows)
    session.execute(f"ALTER FOREIGN TABLE {table} DROP COLUMN b")
    assert session.rows(f"SELECT * FROM {table}") == [(1, "x", 4), (1, "x", 4)]
    assert session.rows(f"SELECT d FROM {table} WHERE d > 3") == [(4,), (4,)]
    session.execute(f"ALTER FOREIGN TABLE {table} DROP COLUMN d, ADD COLUMN e int")
    assert session.rows(f"SELECT a, c FROM {table} LIMIT 1") == [(1, "x")]


def test_table_of_1600_columns(session: Session) -> None:
    columns = ", ".join(f"c{n} int" for n in range(1600))
    table = session.table(columns, rows="[list(range(1600)), {'c%d' % n: n for n in range(1600)}]")
    expected = tuple(range(1600))
    assert session.rows(f"SELECT * FROM {table}") == [expected, expected]
    assert session.rows(f"SELECT c1599 FROM {table} WHERE c7 = 7") == [(1599,), (1599,)]


@pytest.mark.beyond("crashes")
def test_table_without_columns(session: Session) -> None:
    table = session.table("", rows="[(), {}]")
    assert session.value(f"SELECT count(*) FROM {table}") == 2


def test_rescan(session: Session) -> None:
    outer = session.table("id int", rows="[(1,), (2,), (3,)]")
    inner = session.table("id int, v int", rows="[(n, 10 * n) for n in range(10)]", noted="1")
    query = f"SELECT id, (SELECT sum(v) FROM {inner} i WHERE i.id < o.id) FROM {outer} o"
    assert session.rows(query) == [(1, 0), (2, 10), (3, 30)]
    calls = session.journal()
    inner_calls = [c for c in calls if c["hook"] == "execute" and c["columns"] == ["id", "v"]]
    assert [c["quals"] for c in inner_calls] == [[["id", "<", n, "int"]] for n in (1, 2, 3)]
    assert len([c for c in calls if c["hook"] == "close"]) == 3


def test_scan_twice_in_a_query(session: Session) -> None:
    table = session.table("id int", rows="[(1,), (2,)]")
    query = f"SELECT a.id, b.id FROM {table} a, {table} b ORDER BY 1, 2"
    assert session.rows(query) == [(1, 1), (1, 2), (2, 1), (2, 2)]


def test_cursor(session: Session) -> None:
    table = session.table("id int", rows=ROWS, noted="1")
    session.execute("BEGIN")
    session.execute(f"DECLARE c CURSOR FOR SELECT id FROM {table}")
    assert session.rows("FETCH 2 FROM c") == [(0,), (1,)]
    assert session.rows("FETCH ALL FROM c") == [(2,), (3,), (4,)]
    assert session.rows("FETCH 1 FROM c") == []
    session.execute("COMMIT")
    assert len(session.calls("close")) == 1


def test_cursor_left_open_at_rollback(session: Session) -> None:
    table = session.table("id int", rows=ROWS)
    session.execute("BEGIN")
    session.execute(f"DECLARE c CURSOR FOR SELECT id FROM {table}")
    session.rows("FETCH 1 FROM c")
    session.execute("ROLLBACK")
    assert session.rows(f"SELECT id FROM {table} LIMIT 1") == [(0,)]


def test_cursor_with_hold(session: Session) -> None:
    table = session.table("id int", rows=ROWS)
    session.execute(f"BEGIN; DECLARE c SCROLL CURSOR WITH HOLD FOR SELECT id FROM {table}")
    session.execute("COMMIT")
    assert session.rows("FETCH ALL FROM c") == [(n,) for n in range(5)]
    assert session.rows("FETCH BACKWARD 1 FROM c") == [(4,)]
    session.execute("CLOSE c")


def test_recheck_of_every_qual(session: Session) -> None:
    table = session.table("id int, name text", rows=ROWS)
    assert session.rows(f"SELECT id FROM {table} WHERE name = 'n3'") == [(3,)]


def test_in_function_and_subquery(session: Session) -> None:
    table = session.table("id int", rows="[(1,), (2,)]")
    session.execute(
        f"CREATE FUNCTION f_{table}() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE r record;"
        f" total bigint := 0; BEGIN FOR r IN SELECT id FROM {table} LOOP total := total + r.id;"
        " END LOOP; RETURN total; END $$"
    )
    assert session.value(f"SELECT f_{table}()") == 3
    assert session.rows(f"SELECT (SELECT max(id) FROM {table}) FROM {table}") == [(2,), (2,)]


def test_estimates(session: Session) -> None:
    table = session.table("id int", size="(1234, 56)", startup_cost="78")
    plan = session.plan(f"SELECT * FROM {table}", "costs on")
    assert f"cost=78.00..{1234 * 56}.00 rows=1234 width=56" in plan


@pytest.mark.beyond("other words")
@pytest.mark.parametrize("size", ["None", "(1,)", "5", "(1, 2, 3)"])
def test_wrong_estimates(session: Session, size: str) -> None:
    table = session.table("id int", size=size)
    assert "get_rel_size must return" in session.error(f"SELECT * FROM {table}").message_primary


def test_defaults_of_the_base_class(session: Session, database: str) -> None:
    session.execute(
        "CREATE SERVER plain FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'contract.PlainWrapper')"
    )
    table = session.table("id int, name text", server="plain", rows=ROWS)
    assert session.rows(f"SELECT id FROM {table} ORDER BY id DESC LIMIT 1") == [(4,)]
    assert "rows=100000000 width=200" in session.plan(f"SELECT * FROM {table}", "costs on")
    assert "Multicorn" not in session.plan(f"SELECT * FROM {table}")
    error = session.error(f"INSERT INTO {table} VALUES (1, 'a')")
    assert error.message_primary == "Error in python: NotImplementedError"
    assert error.message_detail == "This FDW does not support the writable API"
