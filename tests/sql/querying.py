"""Statements on foreign tables and on their plain copies, and the requests that were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, unquote

from devkit.cluster import identifier, literal
from devkit.emulator import Request

from bitbucket_fdw.tables import Table
from tests.support.database import Database, Result
from tests.support.declared import required


@dataclass(frozen=True)
class Asked:
    """One request to the API, taken apart. ``path`` is decoded and below the base address."""

    path: str
    parameters: tuple[tuple[str, str], ...]
    status: int

    @classmethod
    def of(cls, request: Request) -> Asked:
        pairs = parse_qsl(request.query, keep_blank_values=True, strict_parsing=bool(request.query))
        return cls(unquote(request.path.removeprefix("/2.0")), tuple(pairs), request.status)

    def every(self, name: str) -> list[str]:
        """All values of a parameter."""
        return [value for key, value in self.parameters if key == name]

    def one(self, name: str) -> str | None:
        """The value of a parameter that comes once, if it comes."""
        values = self.every(name)
        assert len(values) < 2, f"{name} was sent more than once"
        return values[0] if values else None

    @property
    def q(self) -> str | None:
        return self.one("q")

    @property
    def sort(self) -> str | None:
        return self.one("sort")

    @property
    def pagelen(self) -> str | None:
        return self.one("pagelen")

    @property
    def fields(self) -> set[str]:
        """The fields asked for, the envelope's left out."""
        asked = set((self.one("fields") or "").split(","))
        return {name.removeprefix("values.") for name in asked if name not in ENVELOPE}


def schema_of(table: type[Table]) -> str:
    """The schema of the tests in which the foreign table stands."""
    return "website" if table.level == "repository" else "acme"


FEW = 3  # values of a column that requires a condition


def wanted(db: Database, table: type[Table], schema: str = "website") -> str:
    """A condition that lets a table be read that requires one, for a few values; else ``true``.

    :param schema: the values are those of the plain table of this schema.
    """
    terms = ["true"]
    for column in required(table):
        name = identifier(column.name)
        values = db.column(
            f"SELECT {name}::text FROM {schema}_x.{table.name} GROUP BY 1 "
            f"ORDER BY count(*) DESC, 1 LIMIT {FEW}"
        )
        terms.append(f"{name} IN ({', '.join(map(literal, values))})")
    return " AND ".join(terms[1:] or terms)


ENVELOPE = ("next", "size", "page", "pagelen")


def asked(result: Result) -> list[Asked]:
    """The requests that a statement made."""
    return [Asked.of(request) for request in result.requests]


def paths(result: Result) -> list[str]:
    """The paths that a statement asked for, in the order they came in."""
    return [one.path for one in asked(result)]


def only(result: Result) -> Asked:
    """The one request that a statement made."""
    requests = asked(result)
    assert len(requests) == 1, requests
    return requests[0]


class Both:
    """A database with foreign schemas and their plain copies; a fresh session.

    Statements name tables alone: the schema is chosen by ``search_path``.
    """

    def __init__(self, db: Database) -> None:
        self.db = db

    def run(self, statement: str, parameters: Sequence[Any] | None = None, *, on: str) -> Result:
        """Run a statement with ``on`` as the schema."""
        self.db.connection.execute(f"SET search_path = {on}".encode())
        return self.db.query(statement, parameters)

    def query(
        self, statement: str, parameters: Sequence[Any] | None = None, *, on: str = "website"
    ) -> Result:
        """Run a statement on foreign tables; its rows must be those of the plain copies.

        They are compared in order if the statement orders them.
        """
        result = self.run(statement, parameters, on=on)
        expected = self.run(statement, parameters, on=f"{on}_x")
        assert expected.requests == []
        assert expected.columns == result.columns
        if "ORDER BY" in statement.upper():
            assert result.rows == expected.rows
        else:
            assert sorted(map(repr, result.rows)) == sorted(map(repr, expected.rows))
        return result

    def explain(self, statement: str, *, on: str = "website", **options: str) -> str:
        """The plan of a statement on foreign tables."""
        self.db.connection.execute(f"SET search_path = {on}".encode())
        return self.db.explain(statement, **options)


OFF, ON = "SET multicorn.start_together = off", "RESET multicorn.start_together"


def both_ways(both: Both, statement: str, on: str) -> tuple[Result, Result]:
    """One after another, and side by side, when all is known that one run tells the next."""
    both.run(statement, on=on)
    both.db.execute(OFF)
    apart = both.run(statement, on=on)
    both.db.execute(ON)
    return apart, both.run(statement, on=on)
