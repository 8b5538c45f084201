"""Reads as PostgreSQL has them made, in this process: conditions in, rows and warnings out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bitbucket_fdw.api import Client
from bitbucket_fdw.api.scan import Budget, PreviewBudget
from bitbucket_fdw.pushdown import Qual, Request, conditions_of
from bitbucket_fdw.pushdown.plan import Sort
from bitbucket_fdw.reading.fallback import Reader
from bitbucket_fdw.reading.observations import Observations
from bitbucket_fdw.reading.omissions import Notice, Omissions
from bitbucket_fdw.tables import BY_NAME
from tests.support.fake_api import FakeApi

WORKSPACE = {"workspace": "acme"}
REPOSITORY = {"workspace": "acme", "repository": "website"}
AT = "/repositories/acme/website"


@dataclass
class Session:
    """One backend's reads, and what it was told."""

    api: FakeApi
    client: Client
    observations: Observations = field(default_factory=Observations)
    omissions: Omissions = field(default_factory=Omissions)
    warnings: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, api: FakeApi, **settings: Any) -> Session:
        return cls(api, api.client(**settings))

    def request(
        self,
        table: str,
        *quals: tuple[str, Any, Any],
        columns: Iterable[str] = (),
        sort: str = "",
        bound: Mapping[str, str] = REPOSITORY,
        key: bool = True,
        **more: Any,
    ) -> Request:
        """What PostgreSQL asks for; ``sort`` is a column's name, ``-`` before it for descending.

        ``key`` is whether the last column of the primary key is wanted, whatever else is.
        """
        declared = BY_NAME[table]
        conditions, unread = conditions_of(
            [Qual(*qual) for qual in quals], {c.name: c for c in declared.columns}
        )
        assert not unread
        wanted = declared.primary_key[-1:] if key else ()
        return Request(
            declared,
            bound,
            conditions,
            columns=frozenset({*wanted, *columns, *(q[0] for q in quals)}),
            sort=Sort(sort.lstrip("-"), sort.startswith("-")) if sort else None,
            refused=self.observations.of(self.client).refused,
            **more,
        )

    def rows(
        self,
        table: str,
        *quals: tuple[str, Any, Any],
        strict: bool = False,
        may_stop: bool = False,
        budget: Budget | None = None,
        preview: PreviewBudget | None = None,
        **asked: Any,
    ) -> Iterable[dict[str, Any]]:
        """Rows, lazily; see :meth:`request`."""
        reader = self.reader(strict, may_stop, budget, preview)
        return reader.rows(self.request(table, *quals, **asked))

    def reader(
        self,
        strict: bool = False,
        may_stop: bool = False,
        budget: Budget | None = None,
        preview: PreviewBudget | None = None,
    ) -> Reader:
        """What reads the rows of one scan."""
        return Reader(
            self.client,
            self.client.scan(budget=budget, preview=preview),
            self.observations.of(self.client),
            self.warnings.append,
            self.omissions,
            strict,
            may_stop,
            self.doubts.append,
        )

    def sent_at_once(
        self,
        table: str,
        *quals: tuple[str, Any, Any],
        preview: PreviewBudget | None = None,
        **asked: Any,
    ) -> int:
        """How many requests a scan sends before it waits for the first answer. It is then read."""
        sent: list[str] = []
        reader, request = self.reader(preview=preview), self.request(table, *quals, **asked)
        ask = self.client.ask

        def noted(url: str, *more: Any, **others: Any) -> Any:
            sent.append(url)
            return ask(url, *more, **others)

        self.client.ask = noted  # type: ignore[method-assign]
        try:
            reader.start(request)
        finally:
            self.client.ask = ask  # type: ignore[method-assign]
        for _ in reader.rows(request):
            pass
        return len(sent)

    def count(self, table: str, *quals: tuple[str, Any, Any], **asked: Any) -> list[dict[str, Any]]:
        """The rows of a statement that wants none of their columns but those of conditions."""
        return list(self.rows(table, *quals, key=False, **asked))

    def values(
        self, column: str, table: str, *quals: tuple[str, Any, Any], **asked: Any
    ) -> list[Any]:
        """The values of one column, in the order of the rows."""
        rows = self.rows(table, *quals, **{"columns": (column,), **asked})
        return [row[column] for row in rows]

    def notices(self) -> list[Notice]:
        """What the statement has left out, told once."""
        return self.omissions.take(set())
