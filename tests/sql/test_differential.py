"""Random statements give the same rows on foreign tables as on plain tables of the same data.

By default a fixed set of examples; BITBUCKET_FDW_EXAMPLES=2000 draws that many new ones.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from devkit.cluster import identifier
from hypothesis import HealthCheck, Phase, assume, event, given, settings
from hypothesis import strategies as st
from psycopg.types.string import TextLoader

from bitbucket_fdw.tables import TABLES
from tests.sql import reference
from tests.sql.conftest import import_all
from tests.sql.statements import Statement, Values, statements
from tests.support.database import Database, drop_database

EXAMPLES = int(os.environ.get("BITBUCKET_FDW_EXAMPLES", "0"))
POOL = 80  # values of each column that constants are drawn from


class Comparison:
    """One session, in which each statement runs on foreign tables and on plain ones."""

    def __init__(self, db: Database) -> None:
        self.emulator = db.emulator
        self.db = db
        self.connection = self.connected()
        self.values = self._values()

    def connected(self) -> psycopg.Connection[tuple[Any, ...]]:
        """A new session, as the comparison needs it."""
        connection = self.db.connect()
        connection.prepare_threshold = None
        # psycopg reads times in DateStyle ISO only; as text they compare in all.
        connection.adapters.register_loader("timestamptz", TextLoader)
        return connection

    def _values(self) -> Values:
        found = {}
        for table in TABLES:
            schema = "acme_x" if table.level == "workspace" else "website_x"
            for column in table.columns:
                name = identifier(column.name)
                distinct = (
                    f"SELECT DISTINCT {name}::text FROM {schema}.{table.name} "
                    f"WHERE {name} IS NOT NULL"
                )
                rows = self.connection.execute(f"{distinct} ORDER BY 1 LIMIT {POOL}".encode())
                found[table.name, column.name] = [row[0] for row in rows]
        return found

    def run(self, statement: Statement, schema: str) -> list[tuple[Any, ...]]:
        """The rows of a statement in a schema, under the statement's settings."""
        self.connection.execute("RESET ALL")
        for command in (f"SET search_path = {schema}", *statement.settings):
            self.connection.execute(command.encode())
        self.connection.execute("SET plan_cache_mode = force_generic_plan")
        *before, last = statement.commands()
        for command in before:
            self.connection.execute(command.encode())
        return self.connection.execute(last.encode()).fetchall()

    def check(self, statement: Statement) -> None:
        plain = self.run(statement, f"{statement.schema}_x")
        foreign = self.run(statement, statement.schema)
        if not statement.ordered:
            plain, foreign = (sorted(rows, key=repr) for rows in (plain, foreign))
        event(f"rows: {'none' if not plain else 'some'}")
        assert foreign == plain


@pytest.fixture(
    scope="module",
    params=[
        {"text_equality": "sensitive", "committers": "absent"},
        {"text_equality": "insensitive", "committers": "present"},
    ],
    ids=lambda options: "-".join(options.values()),
)
def comparison(
    request: pytest.FixtureRequest, emulator_factory: Any, db_factory: Any
) -> Iterator[Comparison]:
    """Both answers to what is not established: whether ``=`` minds letter case, and so on."""
    emulator = emulator_factory(**request.param)
    database = db_factory(emulator=emulator)
    import_all(database)
    reference.load(database, emulator)
    yield Comparison(database)
    drop_database(database)


@settings(
    max_examples=EXAMPLES or 200,
    derandomize=not EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.generate, Phase.shrink],
    print_blob=bool(EXAMPLES),
)
@given(data=st.data())
def test_foreign_tables_give_the_rows_of_plain_ones(comparison: Comparison, data: Any) -> None:
    statement = data.draw(statements(comparison.values), label="statement")
    try:
        comparison.check(statement)
    except psycopg.Error as error:
        # Asked for by name, a repository without an issue tracker is an error, and meant to be.
        assume("has no issue tracker" not in str(error))
        pytest.fail(f"{type(error).__name__}: {error}")


def test_no_statement_led_to_a_request_that_bitbucket_would_refuse(comparison: Comparison) -> None:
    requests = comparison.emulator.requests()
    assert requests
    assert [r.line for r in requests if r.status == 400] == []
