"""Who may import, and what is said to those who cannot: each error tells what to do."""

from __future__ import annotations

import pytest

from tests.sql.extension import imported, raises, role_of, rows
from tests.support.database import WRAPPER, Database

IMPORT = "SELECT bitbucket.import_workspace('{}', 'acme', repositories => '{{}}')"


def test_a_server_that_is_not_there(db: Database) -> None:
    with raises() as error:
        db.rows(IMPORT.format("elsewhere"))
    assert (error.sqlstate, error.message) == ("42704", 'server "elsewhere" does not exist')
    assert f"OPTIONS (wrapper '{WRAPPER}')" in error.hint


def test_a_server_of_another_wrapper(db: Database) -> None:
    db.execute("CREATE FOREIGN DATA WRAPPER other; CREATE SERVER other FOREIGN DATA WRAPPER other")
    for server in ("other", "bitbucket_catalog"):
        with raises() as error:
            db.rows(IMPORT.format(server))
        assert error.sqlstate == "42809"
        assert error.message == f'server "{server}" is not one of Bitbucket'
        assert WRAPPER in error.hint


def test_a_user_without_a_mapping(db: Database) -> None:
    db.execute("DROP USER MAPPING FOR CURRENT_USER SERVER bitbucket")

    for call in (
        IMPORT.format("bitbucket"),
        "SELECT bitbucket.import_repository('bitbucket', 'acme', 'website')",
        "SELECT bitbucket.schemas('bitbucket')",
    ):
        with raises() as error:
            db.rows(call)
        assert error.sqlstate == "42704"
        assert error.message == 'user "postgres" has no user mapping for server "bitbucket"'
        assert "CREATE USER MAPPING FOR postgres SERVER bitbucket" in error.hint

    db.execute("CREATE USER MAPPING FOR PUBLIC SERVER bitbucket OPTIONS (auth 'none')")
    # Anonymous: what is public shows.
    assert set(imported(db, "'acme'")) == {None, "design-system", "orphan-fork"}


def test_options_that_do_not_exist(db: Database) -> None:
    with raises() as error:
        imported(db, "'acme', names => 'camel'")
    assert error.sqlstate == "22023"
    assert error.hint == "It is one of: snake, flat, cdata."
    with raises() as error:
        imported(db, "'acme', issues => 'maybe'")
    assert error.sqlstate == "22023"
    assert error.hint == "It is one of: auto, always, never."
    for capitals in ("names => 'CData'", "issues => 'Never'"):
        with raises() as error:
            imported(db, f"'acme', {capitals}")
        assert error.hint.endswith(", in lower case.")


@pytest.mark.parametrize(
    ("call", "parameter"),
    [
        ("SELECT bitbucket.import_workspace(NULL, 'acme')", "server"),
        ("SELECT bitbucket.import_workspace('bitbucket', NULL)", "workspace"),
        (
            "SELECT bitbucket.import_workspace('bitbucket', 'acme', repositories => '{x,NULL}')",
            None,
        ),
        ("SELECT bitbucket.import_repository(NULL, 'acme', 'website')", "server"),
        ("SELECT bitbucket.import_repository('bitbucket', NULL, 'website')", "workspace"),
        ("SELECT bitbucket.import_repository('bitbucket', 'acme', NULL)", "repository"),
        ("CALL bitbucket.import_repositories(NULL, 'acme')", "server"),
        ("CALL bitbucket.import_repositories('bitbucket', NULL)", "workspace"),
        ("CALL bitbucket.import_repositories('bitbucket', 'acme', repositories => '{NULL}')", None),
        ("SELECT bitbucket.schemas(NULL)", "server"),
    ],
)
def test_a_parameter_that_is_null(db: Database, call: str, parameter: str | None) -> None:
    with raises() as error:
        db.execute(call)
    assert error.sqlstate == "22004"
    assert error.message == f'parameter "{parameter or "repositories"}" must not be null'


def test_a_role_without_usage_of_the_server(db: Database) -> None:
    with role_of(db) as role:
        db.execute(f"REVOKE USAGE ON FOREIGN SERVER bitbucket FROM {role}")
        with raises() as error:
            rows(db.connect(role), IMPORT.format("bitbucket"))
    assert error.sqlstate == "42501"
    assert error.hint == f"Its owner can GRANT USAGE ON FOREIGN SERVER bitbucket TO {role}."


def test_a_role_that_may_not_make_schemas(db: Database) -> None:
    with role_of(db) as role:
        connection = db.connect(role)
        with raises() as error:
            rows(connection, IMPORT.format("bitbucket"))
        assert error.sqlstate == "42501"
        assert f"GRANT CREATE ON DATABASE {db.name} TO {role}" in error.hint

        db.execute(f"CREATE SCHEMA acme AUTHORIZATION {role}")
        rows(connection, IMPORT.format("bitbucket"))
        assert rows(connection, "SELECT count(*) FROM acme.repositories") == [(9,)]


def test_a_role_that_may_not_make_temporary_tables(db: Database) -> None:
    db.execute(f"REVOKE TEMP ON DATABASE {db.name} FROM PUBLIC")
    with role_of(db) as role, raises() as error:
        rows(db.connect(role), "SELECT bitbucket.schemas('bitbucket')")
    assert error.sqlstate == "42501"
    assert "temporary" in error.message
    assert '"repositories"' in error.hint


def test_a_schema_of_somebody_else_is_taken_only_when_it_is_named(db: Database) -> None:
    with role_of(db) as role:
        # Its owner could put a view of their own in the place of a table.
        db.execute("CREATE SCHEMA acme; GRANT ALL ON SCHEMA acme TO PUBLIC")
        connection = db.connect(role)
        with raises() as error:
            rows(connection, IMPORT.format("bitbucket"))
        assert error.sqlstate == "42501"
        assert error.message == 'schema "acme" belongs to role "postgres"'
        assert 'parameter "schema"' in error.hint

        named = IMPORT.format("bitbucket").replace("'acme'", "'acme', schema => 'acme'")
        assert len(rows(connection, named)) == 1


def test_what_somebody_else_imported_can_be_read_with_ones_own_mapping(db: Database) -> None:
    imported(db, "'acme', repositories => '{}'")
    with role_of(db) as role:
        db.execute(f"GRANT USAGE ON SCHEMA acme TO {role}")
        db.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA acme TO {role}")
        connection = db.connect(role)
        assert rows(connection, "SELECT count(*) FROM acme.repositories") == [(9,)]
        assert len(rows(connection, "SELECT * FROM bitbucket.imported_tables")) > 10


def test_listing_in_a_read_only_transaction(db: Database) -> None:
    db.execute("SET default_transaction_read_only = on")

    with raises() as error:
        db.rows("SELECT * FROM bitbucket.schemas('bitbucket')")
    assert error.sqlstate == "25006"
    assert '"repositories"' in error.hint


def test_objects_of_the_caller_do_not_stand_in_for_those_of_the_system(db: Database) -> None:
    # Each would be found first if a function looked names up along the caller's search path.
    db.execute("CREATE SCHEMA trap; SET search_path TO trap, pg_catalog")
    for function in ("lower(text)", "format(text, VARIADIC text[])", "quote_ident(text)"):
        db.execute(
            f"CREATE FUNCTION trap.{function} RETURNS text LANGUAGE plpgsql "
            "AS 'BEGIN RAISE ''trapped''; END'"
        )
    db.execute("CREATE TEMP TABLE pg_foreign_server (srvname name)")

    assert imported(db, "'acme', repositories => '{website}'")["website"][2] == "created"
    assert db.rows("SELECT * FROM bitbucket.schemas('bitbucket', 'acme')") != []
