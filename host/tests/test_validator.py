"""What CREATE and ALTER refuse."""

from collections.abc import Iterator

import pytest
from cluster import Session

SERVER = "CREATE SERVER v FOREIGN DATA WRAPPER multicorn"


@pytest.fixture(autouse=True)
def no_servers(session: Session) -> Iterator[None]:
    """The rule for tables depends on all servers of the database."""
    session.execute("DROP SERVER IF EXISTS v CASCADE; DROP SERVER IF EXISTS s CASCADE")
    yield
    session.execute("DROP SERVER IF EXISTS v CASCADE")


def test_server_without_wrapper(session: Session) -> None:
    for statement in (SERVER, f"{SERVER} OPTIONS (a 'b')"):
        error = session.error(statement)
        assert error.message_primary == (
            "The wrapper parameter is mandatory, specify a valid class name"
        )


def test_wrapper_taken_away(session: Session) -> None:
    session.execute(f"{SERVER} OPTIONS (wrapper 'contract.Wrapper')")
    session.error("ALTER SERVER v OPTIONS (DROP wrapper)")


@pytest.mark.parametrize(
    ("wrapper", "exception"),
    [
        ("nowhere.Wrapper", "ModuleNotFoundError"),
        ("contract.Nothing", "AttributeError"),
        ("contract.nothing.Wrapper", "ModuleNotFoundError"),
    ],
)
def test_class_that_cannot_be_imported(session: Session, wrapper: str, exception: str) -> None:
    error = session.error(f"{SERVER} OPTIONS (wrapper '{wrapper}')")
    assert error.message_primary == f"Error in python: {exception}"
    session.execute(f"{SERVER} OPTIONS (wrapper 'contract.Wrapper')")
    session.error(f"ALTER SERVER v OPTIONS (SET wrapper '{wrapper}')")


@pytest.mark.parametrize("wrapper", ["Wrapper", "", ".", "contract."])
def test_wrapper_that_is_no_path(session: Session, wrapper: str) -> None:
    error = session.error(f"{SERVER} OPTIONS (wrapper '{wrapper}')")
    assert error.message_primary.startswith("Error in python: ")


def test_wrapper_on_a_table(session: Session) -> None:
    session.execute(f"{SERVER} OPTIONS (wrapper 'contract.Wrapper')")
    statement = "CREATE FOREIGN TABLE vt (id int) SERVER v"
    error = session.error(f"{statement} OPTIONS (wrapper 'contract.Wrapper')")
    assert error.message_primary == "Cannot set the wrapper class on the table"
    assert error.message_hint == "Set it on the server"
    session.execute(statement)
    session.error("ALTER FOREIGN TABLE vt OPTIONS (ADD wrapper 'contract.Wrapper')")


@pytest.mark.beyond("allows it")
def test_wrapper_elsewhere(session: Session) -> None:
    session.execute(f"{SERVER} OPTIONS (wrapper 'contract.Wrapper')")
    for statement, level in (
        ("CREATE USER MAPPING FOR PUBLIC SERVER v OPTIONS (wrapper 'x')", "user mapping"),
        ("CREATE FOREIGN TABLE vt (id int OPTIONS (wrapper 'x')) SERVER v", "column"),
    ):
        error = session.error(statement)
        assert error.sqlstate == "HV00D"
        assert error.message_primary == f"Cannot set the wrapper class on the {level}"


def test_wrapper_without_the_hook_takes_any_option(session: Session) -> None:
    session.execute(f"{SERVER} OPTIONS (wrapper 'contract.Wrapper', any 'x')")
    session.execute("CREATE USER MAPPING FOR PUBLIC SERVER v OPTIONS (any 'x')")
    session.execute("CREATE FOREIGN TABLE vt (id int OPTIONS (any 'x')) SERVER v OPTIONS (any 'x')")


VALIDATING = f"{SERVER} OPTIONS (wrapper 'contract.ValidatingWrapper')"
TABLE = "CREATE FOREIGN TABLE vt (id int{}) SERVER v"


@pytest.mark.beyond("has no such hook")
@pytest.mark.parametrize(
    ("level", "prepare", "statement"),
    [
        ("server", "SELECT 1", VALIDATING.replace(")", ", {} 'x')")),
        ("server", VALIDATING, "ALTER SERVER v OPTIONS (ADD {} 'x')"),
        ("user_mapping", VALIDATING, "CREATE USER MAPPING FOR PUBLIC SERVER v OPTIONS ({} 'x')"),
        ("table", VALIDATING, TABLE.format("") + " OPTIONS ({} 'x')"),
        (
            "table",
            f"{VALIDATING};{TABLE.format('')}",
            "ALTER FOREIGN TABLE vt OPTIONS (ADD {} 'x')",
        ),
        ("column", VALIDATING, TABLE.format(" OPTIONS ({} 'x')")),
        (
            "column",
            f"{VALIDATING};{TABLE.format('')}",
            "ALTER FOREIGN TABLE vt ALTER id OPTIONS (ADD {} 'x')",
        ),
    ],
)
def test_validate_options(session: Session, level: str, prepare: str, statement: str) -> None:
    session.execute(prepare)
    session.journal()
    error = session.error(statement.format("wrong"))
    assert error.message_primary == 'invalid option "wrong"'
    assert error.message_hint == f"Options of a {level} start with {level}."
    session.execute(statement.format(f"{level}_x"))
    calls = [c for c in session.calls("validate_options") if c["options"]]
    assert [(c["level"], c["options"]) for c in calls] == [
        (level, {"wrong": "x"}),
        (level, {f"{level}_x": "x"}),
    ]


@pytest.mark.beyond("has no such hook")
def test_tables_are_not_validated_where_servers_differ(session: Session) -> None:
    session.execute(VALIDATING)
    session.execute(SERVER.replace(" v ", " w ") + " OPTIONS (wrapper 'contract.Wrapper')")
    session.execute(f"{TABLE.format('')} OPTIONS (wrong 'x')")
    session.execute("DROP SERVER w")
    session.error("ALTER FOREIGN TABLE vt OPTIONS (ADD wrong2 'x')")
    # Servers of another foreign data wrapper, and equal ones, do not matter.
    session.execute("CREATE FOREIGN DATA WRAPPER other; CREATE SERVER o FOREIGN DATA WRAPPER other")
    session.execute(VALIDATING.replace(" v ", " w "))
    session.error("ALTER FOREIGN TABLE vt OPTIONS (ADD wrong2 'x')")
    session.execute("DROP SERVER w; DROP FOREIGN DATA WRAPPER other CASCADE")


@pytest.mark.beyond("has no such hook")
def test_tables_are_refused_what_no_server_takes(session: Session) -> None:
    """A validator is not told the server, so that options of each have to pass."""
    session.execute(VALIDATING)
    session.execute(SERVER.replace(" v ", " w ") + " OPTIONS (wrapper 'contract.OtherValidating')")
    error = session.error(f"{TABLE.format('')} OPTIONS (wrong 'x')")
    assert error.message_primary in ('invalid option "wrong"', "not other_")
    session.execute(f"{TABLE.format('')} OPTIONS (table_x 'x')")
    session.execute("ALTER FOREIGN TABLE vt OPTIONS (DROP table_x, ADD other_x 'x')")
    session.error("ALTER FOREIGN TABLE vt OPTIONS (ADD table_x 'x')")
    session.execute("DROP SERVER w")


@pytest.mark.beyond("has no such hook")
def test_validated_through_a_second_foreign_data_wrapper(session: Session) -> None:
    session.execute(
        "CREATE FOREIGN DATA WRAPPER second HANDLER multicorn_handler VALIDATOR multicorn_validator"
    )
    session.execute(VALIDATING.replace("multicorn", "second"))
    session.error(f"{TABLE.format('')} OPTIONS (wrong 'x')")
    session.execute("DROP FOREIGN DATA WRAPPER second CASCADE")


def test_unprivileged_role(session: Session) -> None:
    session.execute("CREATE ROLE dave; GRANT USAGE ON FOREIGN DATA WRAPPER multicorn TO dave")
    session.execute(
        "GRANT ALL ON SCHEMA public TO dave; GRANT CREATE ON DATABASE test_validator TO dave"
    )
    session.execute("SET ROLE dave")
    session.execute(f"{SERVER} OPTIONS (wrapper 'contract.Wrapper')")
    session.execute(f"{TABLE.format('')} OPTIONS (rows '[(1,)]')")
    assert session.rows("SELECT * FROM vt") == [(1,)]
    session.execute("RESET ROLE; DROP OWNED BY dave; DROP ROLE dave")
