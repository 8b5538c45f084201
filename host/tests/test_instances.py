"""When a wrapper instance is made, kept and replaced."""

from collections.abc import Iterator

import pytest
from cluster import Session


def inits(session: Session, query: str) -> list[dict[str, object]]:
    session.journal()
    session.execute(query)
    return session.calls("init")


@pytest.fixture
def table(session: Session) -> str:
    return session.table('id int, "odd name" varchar(12)', rows="[]", extra="from table")


def test_what_an_instance_is_made_from(session: Session, table: str) -> None:
    session.execute(f"ALTER FOREIGN TABLE {table} ALTER id OPTIONS (ADD key 'it''s')")
    (call,) = inits(session, f"SELECT * FROM {table}")
    assert call["options"] == {"rows": "[]", "extra": "from table"}
    assert call["columns"] == [
        ["id", 23, -1, "integer", "integer", {"key": "it's"}],
        ["odd name", 1043, 16, "character varying(12)", "character varying", {}],
    ]


def test_options_of_all_levels(session: Session) -> None:
    session.execute(
        "CREATE SERVER levels FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'contract.Wrapper', a 'server', b 'server', c 'server');"
        "CREATE USER MAPPING FOR PUBLIC SERVER levels OPTIONS (c 'public', d 'public')"
    )
    table = session.table("id int", "levels", a="table", b="table", e="table")
    (call,) = inits(session, f"SELECT * FROM {table}")
    expected = {"a": "server", "b": "server", "c": "public", "d": "public", "e": "table"}
    assert call["options"] == expected
    session.execute("CREATE USER MAPPING FOR CURRENT_USER SERVER levels OPTIONS (c 'own')")
    (call,) = inits(session, f"SELECT * FROM {table}")
    assert call["options"] == {"a": "server", "b": "server", "c": "own", "e": "table"}
    session.execute("DROP SERVER levels CASCADE")


LEVELS = (
    "CREATE SERVER apart FOREIGN DATA WRAPPER multicorn"
    " OPTIONS (wrapper 'contract.LevelsWrapper', a 'server')"
)


@pytest.fixture
def apart(session: Session) -> Iterator[str]:
    """A table of a wrapper that looks at the levels, for role `erin` too."""
    session.execute(f"CREATE ROLE erin; {LEVELS}; GRANT USAGE ON FOREIGN SERVER apart TO erin")
    table = session.table("id int", "apart", a="table", b="table")
    session.execute(f"GRANT SELECT ON {table} TO erin")
    yield table
    session.execute("RESET ROLE; DROP SERVER apart CASCADE; DROP ROLE erin")


def levels(session: Session, statement: str) -> dict[str, object]:
    session.journal()
    session.execute(statement)
    (call,) = session.calls("levels")
    return call["levels"]


@pytest.mark.beyond("hands all options over as one")
def test_options_by_level(session: Session, apart: str) -> None:
    query = f"SELECT * FROM {apart}"
    assert levels(session, query) == {
        "server": {"a": "server"},
        "user_mapping": None,
        "table": {"a": "table", "b": "table"},
        "user": "postgres",
        "is_public": True,
        "owns_server": True,
    }
    session.execute("CREATE USER MAPPING FOR PUBLIC SERVER apart OPTIONS (a 'public')")
    session.execute("CREATE USER MAPPING FOR erin SERVER apart; SET ROLE erin")
    found = levels(session, query)
    assert (found["user"], found["user_mapping"], found["is_public"]) == ("erin", {}, False)
    assert found["owns_server"] is False
    session.execute("RESET ROLE")
    found = levels(session, query)
    assert (found["user_mapping"], found["is_public"]) == ({"a": "public"}, True)


@pytest.mark.beyond("hands all options over as one")
def test_an_option_that_moves_to_another_level(session: Session, apart: str) -> None:
    """The options are the same together, and still not the same."""
    query = f"SELECT * FROM {apart}"
    levels(session, query)
    session.execute(
        f"ALTER FOREIGN TABLE {apart} OPTIONS (DROP b); ALTER SERVER apart OPTIONS (ADD b 'table')"
    )
    assert levels(session, query)["table"] == {"a": "table"}


@pytest.mark.beyond("hands all options over as one")
def test_a_role_that_is_renamed_or_becomes_the_owner(session: Session, apart: str) -> None:
    session.execute("SET SESSION AUTHORIZATION erin")
    query = f"SELECT * FROM {apart}"
    assert levels(session, query)["user"] == "erin"
    other = Session(session.cluster, session.dbname)
    other.execute("ALTER ROLE erin RENAME TO emma")
    try:
        assert levels(session, query)["user"] == "emma"
        other.execute("CREATE ROLE owner; GRANT owner TO emma; ALTER SERVER apart OWNER TO owner")
        assert levels(session, query)["owns_server"] is True
        other.execute("REVOKE owner FROM emma")
        assert levels(session, query)["owns_server"] is False
    finally:
        session.execute("RESET SESSION AUTHORIZATION")
        other.execute("ALTER SERVER apart OWNER TO postgres; DROP ROLE IF EXISTS owner")
        other.execute("ALTER ROLE emma RENAME TO erin")
        other.close()


@pytest.mark.beyond("hands all options over as one")
def test_options_by_level_of_an_import(session: Session, apart: str) -> None:
    found = levels(session, "IMPORT FOREIGN SCHEMA x FROM SERVER apart INTO public")
    assert (found["server"], found["table"]) == ({"a": "server"}, {})


def test_instance_is_kept(session: Session, table: str) -> None:
    assert len(inits(session, f"SELECT * FROM {table}")) == 1
    assert inits(session, f"SELECT * FROM {table} WHERE id = 1") == []
    assert inits(session, f"BEGIN; SELECT * FROM {table}; ROLLBACK") == []
    # Another table's changes, and changes that make no difference, do not matter.
    other = session.table("id int")
    session.execute(f"ALTER FOREIGN TABLE {other} OPTIONS (ADD x 'y')")
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (SET rows '[]')")
    session.execute(f"ALTER FOREIGN TABLE {table} OWNER TO CURRENT_USER")
    assert inits(session, f"SELECT * FROM {table}") == []


@pytest.mark.parametrize(
    "change",
    [
        "ALTER FOREIGN TABLE {} OPTIONS (ADD more 'x')",
        "ALTER FOREIGN TABLE {} OPTIONS (DROP extra)",
        "ALTER FOREIGN TABLE {} OPTIONS (SET extra 'other')",
        "ALTER FOREIGN TABLE {} ADD COLUMN more int",
        'ALTER FOREIGN TABLE {} DROP COLUMN "odd name"',
        "ALTER FOREIGN TABLE {} RENAME COLUMN id TO key",
        "ALTER FOREIGN TABLE {} ALTER id TYPE bigint",
        'ALTER FOREIGN TABLE {} ALTER "odd name" TYPE varchar(13)',
        "ALTER FOREIGN TABLE {} ALTER id OPTIONS (ADD x 'y')",
        "ALTER SERVER s OPTIONS (ADD temporary 'x')",
        "CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (temporary 'x')",
    ],
)
def test_instance_is_replaced(session: Session, table: str, change: str) -> None:
    assert len(inits(session, f"SELECT * FROM {table}")) == 1
    session.execute(change.format(table))
    assert len(inits(session, f"SELECT * FROM {table}")) == 1
    assert inits(session, f"SELECT * FROM {table}") == []
    if "SERVER s" in change:
        session.execute("DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER s")
        if "ALTER" in change:
            session.execute("ALTER SERVER s OPTIONS (DROP temporary)")
        assert len(inits(session, f"SELECT * FROM {table}")) == 1


def test_change_from_another_session(session: Session, table: str) -> None:
    other = Session(session.cluster, session.dbname)
    assert len(inits(session, f"SELECT * FROM {table}")) == 1
    other.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (SET extra 'other')")
    assert len(inits(session, f"SELECT * FROM {table}")) == 1
    other.close()


def test_change_of_a_prepared_statement_s_table(session: Session, table: str) -> None:
    session.execute(f"PREPARE p AS SELECT count(*) FROM {table}")
    assert session.rows("EXECUTE p") == [(0,)]
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (SET rows '[(1, 2)]')")
    assert session.rows("EXECUTE p") == [(1,)]
    session.execute(f"ALTER FOREIGN TABLE {table} RENAME COLUMN id TO key")
    assert session.rows("EXECUTE p") == [(1,)]


def test_change_rolled_back(session: Session, table: str) -> None:
    session.execute(f"SELECT * FROM {table}")
    session.execute(f"BEGIN; ALTER FOREIGN TABLE {table} OPTIONS (SET extra 'other')")
    (call,) = inits(session, f"SELECT * FROM {table}")
    assert call["options"]["extra"] == "other"  # type: ignore[index]
    session.execute("ROLLBACK")
    (call,) = inits(session, f"SELECT * FROM {table}")
    assert call["options"]["extra"] == "from table"  # type: ignore[index]


def test_roles(session: Session) -> None:
    session.execute(
        "CREATE SERVER roles FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'contract.Wrapper');"
        "CREATE ROLE alice; CREATE ROLE bob; GRANT USAGE ON FOREIGN SERVER roles TO alice, bob;"
        "CREATE USER MAPPING FOR alice SERVER roles OPTIONS (secret 'a');"
        "CREATE USER MAPPING FOR bob SERVER roles OPTIONS (secret 'b')"
    )
    table = session.table("id int, secret text", "roles", rows="[(1, self.options['secret'])]")
    session.execute(f"GRANT ALL ON {table} TO PUBLIC")
    for role, secret in (("alice", "a"), ("bob", "b"), ("alice", "a")):
        session.execute(f"SET ROLE {role}")
        assert session.rows(f"SELECT secret FROM {table}") == [(secret,)]
    # A prepared statement runs as whoever executes it.
    session.execute(f"PREPARE p AS SELECT secret FROM {table}")
    assert session.rows("EXECUTE p") == [("a",)]
    session.execute("SET ROLE bob")
    assert session.rows("EXECUTE p") == [("b",)]
    session.execute("RESET ROLE; ALTER USER MAPPING FOR bob SERVER roles OPTIONS (SET secret 'c')")
    session.execute("SET ROLE bob")
    assert session.rows("EXECUTE p") == [("c",)]
    # Behind a view it is the view's owner's; on Multicorn2 the current user's, as anywhere else.
    session.execute(f"RESET ROLE; CREATE VIEW secrets AS SELECT secret FROM {table}")
    session.execute("ALTER VIEW secrets OWNER TO bob; GRANT SELECT ON secrets TO alice")
    session.execute("SET ROLE alice")
    expected = "c" if session.cluster.host == "bundled" else "a"
    assert session.rows("SELECT * FROM secrets") == [(expected,)]
    session.execute("RESET ROLE; DROP SERVER roles CASCADE; DROP ROLE alice, bob")


@pytest.mark.beyond("has one instance, and makes it again for each change of user")
def test_an_instance_per_user(session: Session, table: str) -> None:
    session.execute(
        f"CREATE ROLE carol; GRANT ALL ON {table} TO carol;"
        "CREATE USER MAPPING FOR carol SERVER s OPTIONS (secret 'c')"
    )
    session.execute(f"SELECT * FROM {table}; SET ROLE carol; SELECT * FROM {table}; RESET ROLE")
    assert inits(session, f"SELECT * FROM {table}") == []
    session.execute("SET ROLE carol")
    assert inits(session, f"SELECT * FROM {table}") == []
    session.execute("RESET ROLE; DROP USER MAPPING FOR carol SERVER s")
    session.execute("DROP OWNED BY carol; DROP ROLE carol")


def test_constructor_that_fails(session: Session) -> None:
    table = session.table("id int", rows="[(1,)]", fail="init")
    for _ in range(3):
        error = session.error(f"SELECT * FROM {table}")
        assert error.message_detail == "failed in init"
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (DROP fail)")
    assert session.rows(f"SELECT * FROM {table}") == [(1,)]


def test_constructor_that_fails_after_a_change(session: Session, table: str) -> None:
    session.execute(f"SELECT * FROM {table}")
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (ADD fail 'init')")
    session.error(f"SELECT * FROM {table}")
    session.error(f"SELECT * FROM {table}")
    session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (DROP fail)")
    assert session.rows(f"SELECT * FROM {table}") == []


def test_table_dropped_and_made_again(session: Session) -> None:
    for n in range(20):
        session.execute(f"CREATE FOREIGN TABLE again (v int) SERVER s OPTIONS (rows '[({n},)]')")
        assert session.rows("SELECT * FROM again") == [(n,)]
        session.execute("DROP FOREIGN TABLE again")


def test_table_dropped_in_its_transaction(session: Session, table: str) -> None:
    session.execute(f"BEGIN; SELECT * FROM {table}; DROP FOREIGN TABLE {table}")
    other = session.table("id int")
    session.execute(f"SELECT * FROM {other}")
    session.execute("COMMIT")
    assert [c["hook"] for c in session.calls("begin", "commit")] == ["begin"] * 2 + ["commit"] * 2


@pytest.mark.beyond("lets a user mapping choose the code that runs")
def test_wrapper_is_the_server_s_alone(session: Session) -> None:
    error = session.error(
        "CREATE USER MAPPING FOR CURRENT_USER SERVER s OPTIONS (wrapper 'other.Class')"
    )
    assert error.message_primary == "Cannot set the wrapper class on the user mapping"
