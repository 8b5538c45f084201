"""Importing many repositories: a procedure that commits after some of them at a time."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from tests.sql.extension import call_api, raises, role_of, shape
from tests.support.database import Database
from tests.support.fixtures import DatabaseFactory, EmulatorFactory

CALL = "CALL bitbucket.import_repositories('bitbucket', 'acme'"

# An event trigger that does something in the middle of an import: when a certain schema is made.
TRIGGER = """
CREATE FUNCTION stop() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM pg_event_trigger_ddl_commands() WHERE object_identity = '{schema}') THEN
        {action};
    END IF;
END $$;
CREATE EVENT TRIGGER stop ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA')
    EXECUTE FUNCTION stop();
"""

# One that notes the transaction in which each schema is made.
NOTE = """
CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.made
    SELECT object_identity, pg_current_xact_id() FROM pg_event_trigger_ddl_commands();
END $$;
CREATE EVENT TRIGGER note ON ddl_command_end WHEN TAG IN ('CREATE SCHEMA')
    EXECUTE FUNCTION note();
"""


def schemas(db: Database) -> list[str]:
    return db.column("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'acme%' ORDER BY 1")


def slugs(db: Database) -> list[str]:
    return sorted(
        db.column(
            "SELECT repository FROM bitbucket.schemas('bitbucket', 'acme') "
            "WHERE repository IS NOT NULL"
        )
    )


def test_it_makes_what_import_workspace_makes(db: Database, db_factory: DatabaseFactory) -> None:
    other = db_factory(emulator=db.emulator)
    other.rows("SELECT bitbucket.import_workspace('bitbucket', 'acme')")

    result = db.query(f"{CALL})")

    number = len(slugs(db))
    assert len(result.requests) == 1
    assert result.notices == [f'NOTICE: {number} of {number} repositories of workspace "acme"']
    assert schemas(db) == schemas(other)
    for schema in schemas(db):
        assert shape(db, schema) == shape(other, schema)


def test_it_commits_each_batch(db: Database) -> None:
    db.execute("CREATE TABLE made (schema text, transaction xid8)")
    db.execute(NOTE)
    result = db.query(f"{CALL}, batch => 4, families => '{{code}}')")

    number = len(slugs(db))
    assert number > 8
    assert result.notices == [
        f'NOTICE: {done} of {number} repositories of workspace "acme"'
        for done in [*range(4, number, 4), number]
    ]
    made = dict(db.rows("SELECT schema, transaction::text FROM made"))
    assert sorted(made) == schemas(db)
    assert len(set(made.values())) == len(result.notices) + 1  # and the workspace's own


def test_a_session_that_is_killed_loses_one_batch_and_the_next_goes_on(db: Database) -> None:
    fifth = slugs(db)[4]
    schema = db.value("SELECT bitbucket.schema_name('acme', %s)", (fifth,))
    action = "PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(60)"
    db.execute(TRIGGER.format(schema=schema, action=action))
    victim = db.connect()

    with pytest.raises(psycopg.OperationalError):
        victim.execute(f"{CALL}, batch => 2)".encode())

    # Five schemas stay: the workspace's, and two batches of two. The third batch is gone.
    before = schemas(db)
    assert len(before) == 5
    assert schema not in before
    tables = "SELECT relation FROM bitbucket.imported_tables WHERE schema = ANY (%s) ORDER BY 1"
    stayed = db.rows(tables, (before,))
    db.execute("DROP EVENT TRIGGER stop")

    db.execute(f"{CALL}, batch => 2)")

    assert len(schemas(db)) == len(slugs(db)) + 1
    assert db.rows(tables, (before,)) == stayed
    assert db.column("SELECT status FROM bitbucket.import_workspace('bitbucket', 'acme')") == [
        "unchanged"
    ] * len(schemas(db))


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_it_goes_on_with_what_another_session_made_meanwhile(db: Database, isolation: str) -> None:
    other = db.connect()
    other.execute(f"SET default_transaction_isolation = '{isolation}'".encode())
    notices: list[str] = []
    other.add_notice_handler(lambda notice: notices.append(str(notice.severity)))
    call = f"{CALL}, repositories => '{{website,empty}}', batch => 1)"
    waiting = (
        "SELECT count(*) FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'",
        (other.info.backend_pid,),
    )
    with ThreadPoolExecutor(1) as pool:
        with db.connection.transaction():
            db.rows("SELECT bitbucket.import_workspace('bitbucket', 'acme')")
            called = pool.submit(other.execute, call.encode())
            until = time.monotonic() + 60
            with db.connect() as watcher:
                while watcher.execute(*waiting).fetchone() != (1,):
                    assert not called.done()
                    assert time.monotonic() < until
                    time.sleep(0.05)
        called.result(60)

    assert notices == ["NOTICE", "NOTICE"]
    assert len(schemas(db)) == len(slugs(db)) + 1


def test_a_cancelled_run_keeps_its_batches(db: Database) -> None:
    third = db.value("SELECT bitbucket.schema_name('acme', %s)", (slugs(db)[2],))
    db.execute(
        TRIGGER.format(
            schema=third,
            action="PERFORM pg_cancel_backend(pg_backend_pid()); PERFORM pg_sleep(60)",
        )
    )

    with pytest.raises(psycopg.errors.QueryCanceled):
        db.execute(f"{CALL}, batch => 1)")

    assert len(schemas(db)) == 3


@pytest.mark.parametrize("batch", [1, 3, 2147483647])
def test_a_repository_that_fails_is_told_by_a_warning_and_the_rest_goes_on(
    db: Database, batch: int
) -> None:
    db.execute("CREATE SCHEMA acme__website CREATE TABLE customers ()")
    number = len(slugs(db))

    result = db.query(f"{CALL}, batch => {batch})")

    warnings = [notice for notice in result.notices if notice.startswith("WARNING")]
    assert warnings == [
        'WARNING: repository "acme/website" was not imported: schema "acme__website" exists, and '
        "holds other tables"
    ]
    assert len(schemas(db)) == number + 1
    shown = "SELECT count(DISTINCT repository) FROM bitbucket.imported_tables"
    assert db.value(shown) == number - 1


def test_an_error_if_no_repository_can_be_imported(db: Database) -> None:
    db.execute("CREATE SCHEMA acme__website CREATE TABLE customers ()")

    with raises() as error:
        db.execute(f"{CALL}, repositories => '{{website}}')")

    assert (error.sqlstate, error.message) == (
        "55000",
        "the last 1 repositories could not be imported",
    )


@pytest.mark.parametrize("begin", ["BEGIN", "BEGIN; SAVEPOINT s"])
def test_it_refuses_to_run_inside_a_transaction_block(db: Database, begin: str) -> None:
    db.execute(begin)
    before = len(db.emulator.requests())

    with raises() as error:
        db.execute(f"{CALL})")

    assert (error.sqlstate, error.message) == (
        "25001",
        "import_repositories cannot run inside a transaction block",
    )
    assert "bitbucket.import_workspace" in error.hint
    assert len(db.emulator.requests()) == before
    db.execute("ROLLBACK")
    assert schemas(db) == []


def test_it_refuses_to_run_beside_other_statements_of_a_string(db: Database) -> None:
    # They are one transaction, though nobody wrote BEGIN.
    with raises() as error:
        db.execute(f"SELECT 1; {CALL})")
    assert error.sqlstate == "25001"


def test_a_function_cannot_call_it(db: Database) -> None:
    db.execute(f"CREATE FUNCTION f() RETURNS void LANGUAGE plpgsql AS $$ BEGIN {CALL}); END $$")
    before = len(db.emulator.requests())

    with raises() as error:
        db.execute("SELECT f()")

    assert error.sqlstate == "2D000"  # invalid_transaction_termination
    assert len(db.emulator.requests()) == before
    db.execute(f"DO $$ BEGIN {CALL}, repositories => '{{website}}'); END $$")
    assert schemas(db) == ["acme", "acme__website"]


def test_the_caller_keeps_the_search_path_and_may_have_any(db: Database) -> None:
    db.execute("CREATE SCHEMA own; SET search_path = own, pg_catalog")
    # Would be taken for PostgreSQL's own in a body that goes by the caller's search path.
    db.execute(
        "CREATE FUNCTION own.cardinality(anyarray) RETURNS integer LANGUAGE sql AS 'SELECT 1000000'"
    )
    db.execute(
        "CREATE FUNCTION own.never(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT false'"
    )
    db.execute("CREATE OPERATOR own.< (LEFTARG = int4, RIGHTARG = int4, FUNCTION = own.never)")

    db.execute(f"{CALL}, repositories => '{{website,empty}}', batch => 1)")

    assert db.value("SHOW search_path") == "own, pg_catalog"
    assert schemas(db) == ["acme", "acme__empty", "acme__website"]


@pytest.mark.parametrize("batch", [0, -1])
def test_a_batch_holds_at_least_one(db: Database, batch: int) -> None:
    with raises() as error:
        db.execute(f"{CALL}, batch => {batch})")
    assert error.sqlstate == "22023"


def test_the_size_of_a_batch_follows_from_the_locks_that_there_are(db: Database) -> None:
    [(settings, tables, pipelines)] = db.rows(
        "SELECT current_setting('max_locks_per_transaction')::int * ("
        "current_setting('max_connections')::int "
        "+ current_setting('max_prepared_transactions')::int), "
        "count(*), count(*) FILTER (WHERE family = 'pipelines') "
        "FROM bitbucket.tables WHERE level = 'repository'"
    )
    size = "SELECT bitbucket_private.batch_size('snake', {})"
    assert db.value(size.format("NULL")) == min(200, settings // 4 // tables)
    assert db.value(size.format("'{pipelines}'")) == min(200, settings // 4 // pipelines)
    assert db.value(size.format("'{workspace}'")) == 200


def test_an_ordinary_role_may_call_it(db: Database) -> None:
    db.execute(f"GRANT CREATE ON DATABASE {db.name} TO PUBLIC")
    with role_of(db) as role:
        connection = db.connect(role)
        connection.execute(f"{CALL}, repositories => '{{website}}')".encode())
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relkind = 'f' AND "
        assert db.column(owners + "relname = 'pull_requests'") == [role]


def test_more_repositories_than_one_transaction_can_hold(
    db_factory: DatabaseFactory, emulator_factory: EmulatorFactory
) -> None:
    emulator = emulator_factory()
    for number in range(560):
        call_api(emulator, "POST", f"/repositories/acme/many-{number}", {"scm": "git"})
    db = db_factory(emulator=emulator)
    with raises() as error:
        db.rows("SELECT bitbucket.import_workspace('bitbucket', 'acme')")
    assert error.sqlstate == "54000"
    assert "bitbucket.import_repositories" in error.hint

    result = db.query(f"{CALL})")

    assert len(result.requests) == 6  # one for each hundred repositories
    assert len(result.notices) > 3
    statuses = "SELECT status, count(*) FROM bitbucket.schemas('bitbucket', 'acme') GROUP BY 1"
    assert db.rows(statuses) == [("imported", len(schemas(db)))]
    assert len(schemas(db)) > 561
