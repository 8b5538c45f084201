"""INSERT, UPDATE, DELETE, RETURNING, batches and COPY FROM."""

import pytest
from cluster import Session

ROWS = "[{'id': n, 'name': 'n%d' % n, 'tags': ['a', 'b']} for n in range(5)]"
COLUMNS = "id int, name text, tags text[]"


@pytest.fixture
def table(session: Session) -> str:
    return session.table(COLUMNS, rows=ROWS)


def test_insert(session: Session, table: str) -> None:
    assert (
        session.execute(f"INSERT INTO {table} VALUES (1, 'x', '{{a,b}}'), (2, NULL, NULL)").rowcount
        == 2
    )
    first, second = session.calls("insert")
    assert first["values"] == {"id": 1, "name": "x", "tags": ["a", "b"]}
    assert second["values"] == {"id": 2, "name": None, "tags": None}


def test_insert_calls(session: Session, table: str) -> None:
    session.execute(f"INSERT INTO {table} VALUES (1), (2)")
    hooks = [c["hook"] for c in session.journal() if c["hook"] not in ("init", "modify_batch_size")]
    assert hooks == [
        "begin", "rowid_column", "insert", "insert", "end_modify", "pre_commit", "commit",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("type_name", "literal", "value", "python_type"),
    [
        ("int", "5", 5, "int"),
        ("bigint", "5", "5", "str"),
        ("bool", "true", "t", "str"),
        ("numeric", "1.25", 1.25, "float"),
        ("float8", "1.25", "1.25", "str"),
        ("text", "'x'", "x", "str"),
        ("char(4)", "'x'", "x", "str"),
        ("bytea", "'\\x61'", "b'a'", "bytes"),
        ("date", "'2024-02-29'", "datetime.date(2024, 2, 29)", "date"),
        (
            "timestamp",
            "'2024-02-29 01:02:03'",
            "datetime.datetime(2024, 2, 29, 1, 2, 3)",
            "datetime",
        ),
        ("timestamptz", "'2024-02-29 01:02:03Z'", "2024-02-29 01:02:03+00", "str"),
        ("jsonb", "'{\"a\":1}'", '{"a": 1}', "str"),
        ("int[]", "'{1,2}'", [1, 2], "list"),
    ],
)
def test_types_of_written_values(
    session: Session, type_name: str, literal: str, value: object, python_type: str
) -> None:
    table = session.table(f"id {type_name}")
    session.execute(f"INSERT INTO {table} VALUES ({literal})")
    (call,) = session.calls("insert")
    assert (call["values"]["id"], call["types"]["id"]) == (value, python_type)


@pytest.mark.beyond("flattens it")
def test_written_array_of_two_dimensions(session: Session) -> None:
    table = session.table("id int[]")
    session.execute(f"INSERT INTO {table} VALUES ('{{{{1,2}},{{3,NULL}}}}')")
    (call,) = session.calls("insert")
    assert call["values"] == {"id": [[1, 2], [3, None]]}


def test_insert_returning_what_was_given(session: Session, table: str) -> None:
    assert session.rows(f"INSERT INTO {table} VALUES (1, 'x') RETURNING id, name") == [(1, "x")]


def test_insert_returning_what_the_wrapper_made_of_it(session: Session) -> None:
    returns = "{'id': 7, 'name': values['name'].upper(), 'tags': None}"
    table = session.table(COLUMNS, returns=returns)
    query = f"INSERT INTO {table} (name) VALUES ('x'), ('y') RETURNING *"
    assert session.rows(query) == [(7, "X", None), (7, "Y", None)]


def test_insert_returning_a_partial_row(session: Session) -> None:
    table = session.table(COLUMNS, returns="{'id': 7}")
    query = f"INSERT INTO {table} (name) VALUES ('x') RETURNING *"
    assert session.rows(query) == [(7, None, None)]


def test_insert_select_and_defaults(session: Session) -> None:
    table = session.table("id int, name text DEFAULT 'none'")
    session.execute(f"INSERT INTO {table} (id) SELECT * FROM generate_series(1, 3)")
    assert [c["values"] for c in session.calls("insert")] == [
        {"id": n, "name": "none"} for n in (1, 2, 3)
    ]


def test_wrong_returned_value(session: Session) -> None:
    table = session.table("id int", returns="{'id': 'x'}")
    assert session.error(f"INSERT INTO {table} VALUES (1) RETURNING id").sqlstate == "22P02"


def test_update(session: Session, table: str) -> None:
    query = f"UPDATE {table} SET name = upper(name) WHERE id IN (2, 3)"
    assert session.execute(query).rowcount == 2
    calls = session.calls("execute", "update")
    assert calls[0]["quals"] == [["id", ["=", True], [2, 3], "list"]]
    assert calls[1:] == [
        {
            "hook": "update",
            "table": None,
            "rowid": n,
            "values": {"id": n, "name": f"N{n}", "tags": ["a", "b"]},
        }
        for n in (2, 3)
    ]


def test_update_of_the_rowid(session: Session, table: str) -> None:
    assert session.rows(f"UPDATE {table} SET id = 40 WHERE id = 4 RETURNING id, name") == [
        (40, "n4")
    ]
    (call,) = session.calls("update")
    assert (call["rowid"], call["values"]["id"]) == (4, 40)


def test_update_returning_what_the_wrapper_made_of_it(session: Session) -> None:
    table = session.table(COLUMNS, rows=ROWS, returns="{**values, 'name': 'made'}")
    query = f"UPDATE {table} SET name = 'given' WHERE id = 1 RETURNING *"
    assert session.rows(query) == [(1, "made", ["a", "b"])]


def test_update_from_a_join(session: Session, table: str) -> None:
    session.execute("CREATE TEMP TABLE changes AS SELECT 2 AS id, 'new' AS name")
    query = f"UPDATE {table} t SET name = c.name FROM changes c WHERE c.id = t.id RETURNING t.*"
    assert session.rows(query) == [(2, "new", ["a", "b"])]


def test_rowid_of_another_type(session: Session) -> None:
    table = session.table("id int, key uuid", rows="[(1, uuid.UUID(int=1))]", rowid="key")
    session.execute(f"UPDATE {table} SET id = 2")
    session.execute(f"DELETE FROM {table}")
    key = "00000000-0000-0000-0000-000000000001"
    assert [c["rowid"] for c in session.calls("update", "delete")] == [key, key]


@pytest.mark.beyond("crashes")
def test_rowid_that_is_null(session: Session) -> None:
    table = session.table("id int, key text", rows="[(1, None)]", rowid="key")
    session.execute(f"DELETE FROM {table}")
    (call,) = session.calls("delete")
    assert call["rowid"] is None


def test_delete(session: Session, table: str) -> None:
    assert session.execute(f"DELETE FROM {table} WHERE id < 2").rowcount == 2
    assert [c["rowid"] for c in session.calls("delete")] == [0, 1]


def test_delete_returning(session: Session, table: str) -> None:
    query = f"DELETE FROM {table} WHERE id = 3 RETURNING id, name"
    assert session.rows(query) == [(3, "n3")]
    assert session.rows(f"DELETE FROM {table} WHERE id = 3 RETURNING *") == [(3, "n3", ["a", "b"])]


@pytest.mark.beyond("takes expressions for columns, or crashes")
@pytest.mark.parametrize(
    ("returning", "row"),
    [
        ("upper(name), 5", ("N3", 5)),
        ("tags[1], tableoid::regclass::text <> ''", ("a", True)),
    ],
)
def test_delete_returning_expressions(
    session: Session, table: str, returning: str, row: tuple[object, ...]
) -> None:
    assert session.rows(f"DELETE FROM {table} WHERE id = 3 RETURNING {returning}") == [row]


def test_delete_using_a_join(session: Session, table: str) -> None:
    session.execute("CREATE TEMP TABLE doomed AS SELECT 2 AS id")
    session.execute(f"DELETE FROM {table} t USING doomed d WHERE d.id = t.id")
    assert [c["rowid"] for c in session.calls("delete")] == [2]


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("UPDATE {} SET id = 1", marks=pytest.mark.beyond("lets it pass")),
        "DELETE FROM {}",
    ],
)
def test_rowid_column_that_is_not_there(session: Session, statement: str) -> None:
    table = session.table("id int", rowid="other")
    error = session.error(statement.format(table))
    assert error.message_primary == "The rowid attribute does not exist"


def test_dropped_columns(session: Session) -> None:
    table = session.table("a int, id int, b int, name text", rows="[(3, 'x')]", returns="values")
    session.execute(f"ALTER FOREIGN TABLE {table} DROP COLUMN a, DROP COLUMN b")
    assert session.rows(f"INSERT INTO {table} VALUES (1, 'y') RETURNING *") == [(1, "y")]
    assert session.rows(f"UPDATE {table} SET name = 'z' RETURNING *") == [(3, "z")]
    session.execute(f"DELETE FROM {table}")
    values = [c.get("values") for c in session.calls("insert", "update", "delete")]
    assert values == [{"id": 1, "name": "y"}, {"id": 3, "name": "z"}, None]


# Batches


def test_batches(session: Session) -> None:
    table = session.table("id int", batch="3")
    session.execute(f"INSERT INTO {table} SELECT * FROM generate_series(1, 7)")
    batches = [[v["id"] for v in c["values"]] for c in session.calls("bulk_insert")]
    assert batches == [[1, 2, 3], [4, 5, 6], [7]]


@pytest.mark.beyond("loses the rows, or calls the trigger with other ones")
def test_no_batches_where_each_row_is_needed(session: Session) -> None:
    table = session.table("id int", batch="3", returns="values")
    query = f"INSERT INTO {table} SELECT * FROM generate_series(1, 4) RETURNING id"
    assert session.rows(query) == [(1,), (2,), (3,), (4,)]
    assert len(session.calls("insert")) == 4


@pytest.mark.parametrize("returns", ["None", "[dict(v, name='made') for v in values]"])
def test_batches_before_a_trigger_that_sees_the_rows(session: Session, returns: str) -> None:
    table = session.table("id int, name text", batch="3", returns=returns)
    session.execute(
        f"CREATE FUNCTION see_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " RAISE NOTICE '% % %', TG_RELID::regclass, NEW.id, NEW.name; RETURN NULL; END $$;"
        f"CREATE TRIGGER see AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION see_{table}()"
    )
    session.notices.clear()
    session.execute(f"INSERT INTO {table} SELECT n, 'n' || n FROM generate_series(1, 4) n")
    assert [len(call["values"]) for call in session.calls("bulk_insert")] == [3, 1]
    names = ["made"] * 4 if "made" in returns else ["n1", "n2", "n3", "n4"]
    if session.cluster.host == "bundled" or returns == "None":
        seen = [notice.message for notice in session.notices]
        assert seen == [f"{table} {n} {name}" for n, name in enumerate(names, 1)]
    session.execute(f"DROP FUNCTION see_{table}() CASCADE")


def test_wrong_number_of_returned_rows(session: Session) -> None:
    table = session.table("id int", batch="3", returns="[{'id': 1}]")
    error = session.error(f"INSERT INTO {table} SELECT * FROM generate_series(1, 3)")
    assert error.message_primary == "Returned list size does not match number of inserted values"


# What a statement wants


@pytest.mark.beyond("does not tell")
def test_clauses_are_told_to_a_wrapper_that_asks(session: Session) -> None:
    session.execute(
        "CREATE SERVER curious FOREIGN DATA WRAPPER multicorn "
        "OPTIONS (wrapper 'contract.CuriousWrapper')"
    )
    table = session.table("id int, t text", server="curious", rows="[{'id': 1}]", returns="values")
    session.execute(
        f"CREATE FUNCTION add_to_{table}() RETURNS int LANGUAGE plpgsql AS "
        f"$$DECLARE n int; BEGIN INSERT INTO {table} VALUES (1) RETURNING id INTO n; RETURN n; "
        "END$$"
    )
    told = []
    for statement in (
        f"INSERT INTO {table} VALUES (1)",
        f"WITH new AS (INSERT INTO {table} VALUES (1) RETURNING id) SELECT * FROM new",
        f"SELECT add_to_{table}()",
        f"UPDATE {table} SET id = 2",
        f"DELETE FROM {table} RETURNING 1",
        f"UPDATE {table} AS a SET t = 'x' FROM (VALUES (1)) AS b (n) RETURNING a, b.n",
        f"UPDATE {table} AS a SET t = 'x' FROM (VALUES (1)) AS b (id) RETURNING b.id, upper(a.t)",
        f"COPY {table} (id) FROM PROGRAM 'echo 1'",
        f"EXPLAIN INSERT INTO {table} VALUES (1) RETURNING id",
    ):
        session.execute(statement)
        told += [call["clauses"] for call in session.calls("begin_modify")]
    assert told == [
        ["insert", None, False],
        ["insert", ["id"], False],
        ["insert", ["id"], False],
        ["update", None, False],
        ["delete", [], False],
        ["update", ["id", "t"], False],
        ["update", ["t"], False],
        ["insert", None, False],
    ]
    error = session.error(f"INSERT INTO {table} VALUES (1) ON CONFLICT DO NOTHING")
    assert error.message_detail == "no conflicts, please"
    assert session.calls("insert") == []


# Triggers


def test_row_triggers_see_the_rows(session: Session, table: str) -> None:
    session.execute(
        "CREATE TEMP TABLE seen (op text, old text, new text);"
        "CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " IF TG_OP = 'INSERT' THEN INSERT INTO seen VALUES (TG_OP, NULL, NEW.name);"
        " ELSIF TG_OP = 'DELETE' THEN INSERT INTO seen VALUES (TG_OP, OLD.name, NULL);"
        " ELSE INSERT INTO seen VALUES (TG_OP, OLD.name, NEW.name); END IF;"
        " RETURN coalesce(NEW, OLD); END $$;"
        f"CREATE TRIGGER after AFTER INSERT OR UPDATE OR DELETE ON {table}"
        " FOR EACH ROW EXECUTE FUNCTION see()"
    )
    session.execute(f"INSERT INTO {table} VALUES (1, 'new')")
    session.execute(f"UPDATE {table} SET name = 'changed' WHERE id = 2")
    session.execute(f"DELETE FROM {table} WHERE id = 3")
    expected = [("INSERT", None, "new"), ("UPDATE", "n2", "changed"), ("DELETE", "n3", None)]
    if session.cluster.host == "multicorn2":  # it does not fetch whole old rows
        expected = [(op, None if op != "INSERT" else old, new) for op, old, new in expected]
        assert [row[0] for row in session.rows("SELECT * FROM seen")] == [e[0] for e in expected]
    else:
        assert session.rows("SELECT * FROM seen") == expected
    session.execute("DROP FUNCTION see() CASCADE")


# COPY and partitions


@pytest.mark.beyond("crashes")
def test_copy_from(session: Session, table: str) -> None:
    with session.connection.cursor().copy(f"COPY {table} (id, name) FROM STDIN") as copy:
        copy.write_row((1, "a"))
        copy.write_row((2, None))
    assert [c["values"] for c in session.calls("insert")] == [
        {"id": 1, "name": "a", "tags": None},
        {"id": 2, "name": None, "tags": None},
    ]


@pytest.mark.beyond("crashes")
def test_partitions(session: Session) -> None:
    session.execute(
        "CREATE TABLE whole (id int, name text) PARTITION BY RANGE (id);"
        "CREATE TABLE whole_plain PARTITION OF whole FOR VALUES FROM (0) TO (10);"
        "CREATE FOREIGN TABLE whole_foreign PARTITION OF whole FOR VALUES FROM (10) TO (20)"
        """ SERVER s OPTIONS (rows '[{''id'': 12, ''name'': ''foreign''}]')"""
    )
    session.execute("INSERT INTO whole VALUES (1, 'plain'), (11, 'routed')")
    assert [c["values"] for c in session.calls("insert")] == [{"id": 11, "name": "routed"}]
    assert sorted(session.rows("SELECT * FROM whole")) == [(1, "plain"), (12, "foreign")]
    session.execute("UPDATE whole SET name = 'both'")
    assert [c["rowid"] for c in session.calls("update")] == [12]
    # A row that moves into the foreign partition, which the condition leaves out of the update.
    session.execute("UPDATE whole SET id = 15 WHERE id = 1")
    assert [c["values"]["id"] for c in session.calls("insert")] == [15]
    session.execute("DELETE FROM whole")
    assert [c["rowid"] for c in session.calls("delete")] == [12]
    session.execute("DROP TABLE whole")


@pytest.mark.beyond("crashes")
def test_partitions_of_other_row_types(session: Session) -> None:
    session.execute(
        "CREATE TABLE mixed (id int, name text) PARTITION BY RANGE (id);"
        "CREATE FOREIGN TABLE mixed_a (name text, gone bigint, id int) SERVER s"
        """ OPTIONS (rows '[("a", 1)]', rowid 'name');"""
        "ALTER FOREIGN TABLE mixed_a DROP COLUMN gone;"
        "CREATE FOREIGN TABLE mixed_b (id int, name text) SERVER s"
        """ OPTIONS (rows '[(11, "b")]');"""
        "ALTER TABLE mixed ATTACH PARTITION mixed_a FOR VALUES FROM (0) TO (10);"
        "ALTER TABLE mixed ATTACH PARTITION mixed_b FOR VALUES FROM (10) TO (20)"
    )
    everything = [(1, "a"), (11, "b")]
    assert sorted(session.rows("DELETE FROM mixed RETURNING *")) == everything
    assert sorted(session.rows("UPDATE mixed SET name = name RETURNING *")) == everything
    assert [c["rowid"] for c in session.calls("delete", "update")] == ["a", 11, "a", 11]
    session.execute("DROP TABLE mixed")


@pytest.mark.parametrize(
    "statement", ["INSERT INTO {} VALUES (1)", "UPDATE {} SET name = 'x'", "DELETE FROM {}"]
)
def test_explain_does_not_write(session: Session, table: str, statement: str) -> None:
    session.plan(statement.format(table))
    assert session.calls("insert", "update", "delete", "execute") == []


def test_transaction_aware_wrapper(session: Session) -> None:
    session.execute(
        "CREATE SERVER collecting FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'contract.CollectingWrapper')"
    )
    table = session.table("id int, name text", server="collecting")
    session.execute(
        f"BEGIN; INSERT INTO {table} VALUES (5); DELETE FROM {table} WHERE name IS NULL"
    )
    session.execute("COMMIT")
    (call,) = session.calls("collected")
    assert call["changes"] == [["insert", {"id": 5, "name": None}], ["delete", 1]]


@pytest.mark.beyond("crashes")
def test_delete_from_a_table_of_one_column(session: Session) -> None:
    table = session.table("id int", rows="[(1,)]")
    session.execute(f"DELETE FROM {table}")
    assert [c["rowid"] for c in session.calls("delete")] == [1]
