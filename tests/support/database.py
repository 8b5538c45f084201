"""A test database, and what a statement did in it: rows, notices and HTTP requests."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from devkit.cluster import SUPERUSER, Cluster, identifier, literal
from devkit.emulator import Control, Request
from psycopg import sql

WRAPPER = "bitbucket_fdw.wrapper.BitbucketFdw"
SERVER = "bitbucket"

Parameters = Sequence[Any] | None

_names = itertools.count(1)


@dataclass
class Result:
    """What one statement returned and did."""

    rows: list[tuple[Any, ...]]
    columns: list[str]
    requests: list[Request]
    notices: list[str] = field(default_factory=list)

    @property
    def lines(self) -> list[str]:
        """The requests as ``METHOD path?query`` lines."""
        return [request.line for request in self.requests]


class Database:
    """A database with the extension, a server and a user mapping for the emulator."""

    def __init__(self, cluster: Cluster, emulator: Control, name: str) -> None:
        self.cluster = cluster
        self.emulator = emulator
        self.name = name
        self.notices: list[str] = []
        self._connections: list[psycopg.Connection[tuple[Any, ...]]] = []
        self._main: psycopg.Connection[tuple[Any, ...]] | None = None

    def conninfo(self, role: str = SUPERUSER) -> str:
        """A libpq connection string over the Unix socket, which asks for no password."""
        return psycopg.conninfo.make_conninfo(
            host=str(self.cluster.sockets), port=self.cluster.port, dbname=self.name, user=role
        )

    def connect(
        self, role: str = SUPERUSER, *, autocommit: bool = True
    ) -> psycopg.Connection[tuple[Any, ...]]:
        """A new connection, that is a backend with empty caches; closed with the database."""
        connection = psycopg.connect(self.conninfo(role), autocommit=autocommit)
        connection.add_notice_handler(self._keep_notice)
        self._connections.append(connection)
        return connection

    def _keep_notice(self, diagnostic: psycopg.errors.Diagnostic) -> None:
        self.notices.append(f"{diagnostic.severity}: {diagnostic.message_primary}")

    @property
    def connection(self) -> psycopg.Connection[tuple[Any, ...]]:
        """The database's own connection, in autocommit mode."""
        if self._main is None or self._main.closed:
            self._main = self.connect()
        return self._main

    def query(self, statement: str, parameters: Parameters = None) -> Result:
        """Run a statement; its rows (empty where it returns none), notices and requests."""
        before = len(self.emulator.requests())
        self.notices.clear()
        with self.connection.cursor() as cursor:
            cursor.execute(statement.encode(), parameters)
            columns = [column.name for column in cursor.description or ()]
            rows = cursor.fetchall() if cursor.description else []
        requests = self.emulator.requests()[before:]
        return Result(rows, columns, requests, list(self.notices))

    def rows(self, statement: str, parameters: Parameters = None) -> list[tuple[Any, ...]]:
        """The rows of a statement."""
        return self.query(statement, parameters).rows

    def column(self, statement: str, parameters: Parameters = None) -> list[Any]:
        """The first column of a statement's rows."""
        return [row[0] for row in self.rows(statement, parameters)]

    def value(self, statement: str, parameters: Parameters = None) -> Any:
        """The only value of a statement that returns one row and one column."""
        [[value]] = self.rows(statement, parameters)
        return value

    def requests(self, statement: str, parameters: Parameters = None) -> list[Request]:
        """The HTTP requests that a statement made."""
        return self.query(statement, parameters).requests

    def execute(self, statement: str, parameters: Parameters = None) -> None:
        """Run a statement for its effect."""
        self.connection.execute(statement.encode(), parameters)

    def explain(self, statement: str, *, options: str = "VERBOSE, COSTS OFF") -> str:
        """The plan of a statement as text."""
        return "\n".join(self.column(f"EXPLAIN ({options}) {statement}"))

    def has_icu(self) -> bool:
        """Whether PostgreSQL was built with ICU, which collations that are not exact need."""
        # One collation of that provider is always in the catalog; initdb asks ICU for the others.
        count = "SELECT count(*) FROM pg_collation WHERE collname LIKE '%-x-icu'"
        return bool(self.value(count))

    def require_icu(self) -> None:
        """Skip the test where PostgreSQL was built without ICU."""
        if not self.has_icu():
            pytest.skip("this PostgreSQL was built without ICU")

    def create_server(
        self,
        name: str = SERVER,
        *,
        credentials: dict[str, str] | None = None,
        **options: str,
    ) -> None:
        """A server for the emulator with a user mapping for the current user.

        ``credentials`` are the mapping's options, none for an anonymous one; ``options`` are
        the server's, besides ``wrapper`` and ``base_url``.
        """
        settings = {"wrapper": WRAPPER, "base_url": self.emulator.base_url, **options}
        self.execute(
            f"CREATE SERVER {identifier(name)} FOREIGN DATA WRAPPER multicorn{_options(settings)}"
        )
        self.execute(
            f"CREATE USER MAPPING FOR CURRENT_USER SERVER {identifier(name)}"
            f"{_options(credentials or {'auth': 'none'})}"
        )

    def close(self) -> None:
        """Close every connection."""
        for connection in self._connections:
            connection.close()
        self._connections.clear()
        self._main = None

    def close_and_wait(self) -> None:
        """Close every connection, and wait until their backends have ended.

        A backend that is ending may still send what one of its threads was about to send.
        """
        self.close()
        others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname = "
        until = time.monotonic() + 30
        while self.rows(f"SELECT 1 {others} current_database() AND pid <> pg_backend_pid()"):
            assert time.monotonic() < until, "a backend does not end"
            time.sleep(0.05)


def _options(options: dict[str, str]) -> str:
    if not options:
        return ""
    return " OPTIONS (" + ", ".join(f"{k}{literal(v)}" for k, v in options.items()) + ")"


def create_database(cluster: Cluster, emulator: Control, template: str) -> Database:
    """A fresh database made from ``template``."""
    name = f"test_{next(_names)}"
    with psycopg.connect(
        host=str(cluster.sockets),
        port=cluster.port,
        user=SUPERUSER,
        dbname=SUPERUSER,
        autocommit=True,
    ) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                sql.Identifier(name), sql.Identifier(template)
            )
        )
    return Database(cluster, emulator, name)


def drop_database(database: Database) -> None:
    """Close its connections and drop it."""
    database.close()
    with psycopg.connect(
        host=str(database.cluster.sockets),
        port=database.cluster.port,
        user=SUPERUSER,
        dbname=SUPERUSER,
        autocommit=True,
    ) as connection:
        connection.execute(
            sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name))
        )
