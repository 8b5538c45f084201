"""A preview of any table: a few hundred requests at most, or refused with the first ones."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from devkit.emulator import Control, Request

from bitbucket_fdw.tables import TABLES, Table
from tests.support.database import Database
from tests.support.fixtures import DatabaseFactory, EmulatorFactory

MOST = 200  # requests of a preview
EARLY = 5  # requests of a preview that is refused
LIMITS = (1, 200, 1000)  # as grids and BI tools write them
SCHEMAS = ("acme", "website")


@pytest.fixture(scope="module")
def busy(db_factory: DatabaseFactory, emulator_factory: EmulatorFactory) -> Iterator[Database]:
    """Both schemas on an emulator with thousands of pull requests and commits."""
    emulator: Control = emulator_factory(scale="small")
    database = db_factory(emulator=emulator)
    for schema, place in (("acme", "acme"), ("website", "acme/website")):
        database.execute(f"CREATE SCHEMA {schema}")
        database.execute(
            f'IMPORT FOREIGN SCHEMA "{place}" FROM SERVER bitbucket INTO {schema} '
            "OPTIONS (issues 'always')"
        )
    return database


@pytest.fixture(autouse=True)
def _new_session(busy: Database) -> None:
    """Without the sizes that an earlier preview has seen."""
    busy.close()


def tried(
    database: Database, statement: str
) -> tuple[list[tuple[object, ...]], list[Request], psycopg.Error | None]:
    """The rows, the requests, and the error if there is one."""
    before = len(database.emulator.requests())
    rows: list[tuple[object, ...]] = []
    refusal = None
    try:
        rows = database.rows(statement)
    except psycopg.Error as error:
        refusal = error
    return rows, database.emulator.requests()[before:], refusal


def imported(database: Database, schema: str) -> set[str]:
    return set(
        database.column(
            "SELECT foreign_table_name FROM information_schema.foreign_tables "
            f"WHERE foreign_table_schema = '{schema}'"
        )
    )


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_preview_takes_few_requests_or_is_refused_at_once(
    busy: Database, table: type[Table], schema: str, limit: int
) -> None:
    if table.name not in imported(busy, schema):
        pytest.skip("it is not imported there")
    rows, requests, refusal = tried(busy, f"SELECT * FROM {schema}.{table.name} LIMIT {limit}")
    print(f"PV {schema}.{table.name} {limit} {len(rows)} {len(requests)} {refusal} {refusal and refusal.diag.message_hint}")
    if refusal is None:
        assert len(requests) <= MOST
        return
    assert len(requests) <= EARLY, refusal
    assert table.name in str(refusal)
    choosing = [c.name for c in table.columns if c.required or c.param]
    assert any(name in (refusal.diag.message_hint or "") for name in choosing)
