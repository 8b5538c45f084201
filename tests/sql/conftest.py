"""A database with the sample workspace imported beside plain copies of its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator

import psycopg
import pytest
from devkit.emulator import Control, Request

from bitbucket_fdw.tables import TABLES
from tests.sql import reference
from tests.sql.querying import Both
from tests.support.database import Database, drop_database
from tests.support.fixtures import DatabaseFactory, EmulatorFactory


@pytest.fixture(scope="session")
def workspace_db(shared_emulator: Control, db_factory: DatabaseFactory) -> Iterator[Database]:
    """Foreign schemas ``acme``, ``website``, ``flat``; plain copies ``acme_x``, ``website_x``."""
    shared_emulator.reset()
    database = db_factory(emulator=shared_emulator)
    import_all(database)
    reference.load(database, shared_emulator)
    yield database
    drop_database(database)


@pytest.fixture(scope="session")
def large_emulator(emulator_factory: EmulatorFactory) -> Control:
    """One with ten thousand pull requests, which takes its time to start."""
    return emulator_factory(scale="large")


def import_all(database: Database) -> None:
    """The foreign schemas of the sample workspace and of its repository ``website``."""
    database.execute("CREATE SCHEMA acme; CREATE SCHEMA website; CREATE SCHEMA flat")
    database.execute('IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO acme')
    database.execute('IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO website')
    database.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO flat '
        "OPTIONS (names 'flat')"
    )
    # Read whole by many tests, although the sample has too many pull requests and commits for that.
    for table in TABLES:
        of_commits = table.parent is not None and table.parent.table.name == "commits"
        if table.collection.redirects or of_commits:
            for name in (
                f"acme.{table.name}",
                f"website.{table.name}",
                f"flat.{table.flat_name()}",
            ):
                database.execute(f"ALTER FOREIGN TABLE {name} OPTIONS (ADD preview_requests '0')")


@pytest.fixture
def sql(emulator: Control, workspace_db: Database) -> Iterator[Both]:
    """The imported workspace on the emulator's initial state, in a session with default settings.

    The session's backend is that of the test before, which may know sizes of tables.
    """
    workspace_db.connection.prepare_threshold = None  # DISCARD ALL would take them away unseen
    yield Both(workspace_db)
    try:
        workspace_db.execute("DISCARD ALL")
    except psycopg.Error:  # an open transaction, a broken connection
        workspace_db.close()


@pytest.fixture
def fresh(workspace_db: Database, sql: Both) -> Iterator[Both]:
    """The same in a backend that has learned nothing, and that nothing learns from."""
    workspace_db.close()
    workspace_db.connection.prepare_threshold = None
    yield sql
    workspace_db.close()


@pytest.fixture
def refusals_expected() -> None:
    """For tests that provoke an answer of 400; all others must not leave one behind."""


@pytest.fixture(autouse=True)
def _no_unexpected_refusal(
    request: pytest.FixtureRequest, shared_emulator: Control
) -> Iterator[None]:
    """No statement may lead to a request that Bitbucket would refuse as malformed."""
    yield
    if "refusals_expected" in request.fixturenames:
        return
    assert malformed(shared_emulator.requests()) == []


def malformed(requests: list[Request]) -> list[str]:
    """The requests that were refused for what they asked."""
    refused = [request.line for request in requests if request.status == 400]
    return [line for line in refused if not any(path.search(line) for path in _MAY_REFUSE)]


# Listings that answer 400 where there is nothing to list, whatever is asked of them.
_MAY_REFUSE = [
    re.compile(re.sub(r"\{\w+\}", "[^/]+", table.collection.path) + r"\b")
    for table in TABLES
    if table.unlistable and 400 in table.unlistable.statuses
]
