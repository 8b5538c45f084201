"""A session in which statements run on foreign tables and on plain ones of the same data."""

from __future__ import annotations

from typing import Any

import psycopg
from devkit.cluster import identifier
from hypothesis import event
from psycopg.types.string import TextLoader

from bitbucket_fdw.tables import TABLES
from tests.sql.statements import Statement, Values
from tests.support.database import Database

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
