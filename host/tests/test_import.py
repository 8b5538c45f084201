"""IMPORT FOREIGN SCHEMA."""

import pytest
from cluster import Session


@pytest.fixture
def schema(session: Session) -> str:
    session.execute("DROP SCHEMA IF EXISTS imported CASCADE; CREATE SCHEMA imported")
    return "imported"


def tables(session: Session) -> list[str]:
    rows = session.rows(
        "SELECT relname FROM pg_class WHERE relnamespace = 'imported'::regnamespace"
    )
    return sorted(name for (name,) in rows)


def test_import(session: Session, schema: str) -> None:
    session.execute(f"IMPORT FOREIGN SCHEMA remote FROM SERVER s INTO {schema}")
    assert tables(session) == ["Three and more", "one", "two"]
    (call,) = session.calls("import_schema")
    assert call == {
        "hook": "import_schema",
        "schema": "remote",
        "srv_options": {},
        "options": {},
        "restriction_type": None,
        "restricts": [],
    }
    columns = session.rows(
        "SELECT attname, format_type(atttypid, atttypmod), attfdwoptions FROM pg_attribute"
        " WHERE attrelid = 'imported.\"Three and more\"'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert columns == [
        ("id", "integer", ["key=it's"]),
        ('odd "name"', "character varying(12)", None),
    ]
    options = session.value(
        "SELECT ftoptions FROM pg_foreign_table WHERE ftrelid = 'imported.one'::regclass"
    )
    assert options == ["label=remote's one"]
    assert session.rows("SELECT * FROM imported.one") == []


@pytest.mark.parametrize(
    ("clause", "kind", "result"),
    [
        ('LIMIT TO (one, "Three and more")', "limit", ["Three and more", "one"]),
        ("EXCEPT (one)", "except", ["Three and more", "two"]),
    ],
)
def test_restrictions(
    session: Session, schema: str, clause: str, kind: str, result: list[str]
) -> None:
    session.execute(f"IMPORT FOREIGN SCHEMA remote {clause} FROM SERVER s INTO {schema}")
    assert tables(session) == result
    (call,) = session.calls("import_schema")
    assert call["restriction_type"] == kind
    assert call["restricts"] == (["one", "Three and more"] if kind == "limit" else ["one"])


def test_options_and_names(session: Session, schema: str) -> None:
    session.execute(
        'CREATE SERVER "odd server" FOREIGN DATA WRAPPER multicorn'
        " OPTIONS (wrapper 'contract.Wrapper', a 'server', b 'server');"
        "CREATE USER MAPPING FOR CURRENT_USER SERVER \"odd server\" OPTIONS (b 'user')"
    )
    session.execute(
        f'IMPORT FOREIGN SCHEMA "Re/mote" FROM SERVER "odd server" INTO {schema}'
        " OPTIONS (c 'statement', a 'statement')"
    )
    (call,) = session.calls("import_schema")
    assert call["schema"] == "Re/mote"
    assert call["srv_options"] == {"a": "server", "b": "user"}
    assert call["options"] == {"a": "statement", "c": "statement"}
    assert len(tables(session)) == 3
    session.execute('DROP SERVER "odd server" CASCADE')


def test_wrapper_without_import(session: Session, schema: str) -> None:
    session.execute(
        "CREATE SERVER noimport FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'contract.PlainWrapper')"
    )
    error = session.error(f"IMPORT FOREIGN SCHEMA x FROM SERVER noimport INTO {schema}")
    assert error.message_primary == "Error in python: NotImplementedError"
    assert error.message_detail == "This FDW does not support IMPORT FOREIGN SCHEMA"


def test_failing_import(session: Session, schema: str) -> None:
    error = session.error(f"IMPORT FOREIGN SCHEMA x FROM SERVER s INTO {schema} OPTIONS (fail 'x')")
    assert error.message_detail == "failed in import_schema"
    assert tables(session) == []
