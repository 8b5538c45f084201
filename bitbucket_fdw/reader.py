"""Answers a request of PostgreSQL's, reading wider where Bitbucket refuses what was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import ClassVar

from .api import Client, ScanContext
from .errors import Rejected
from .execution import Execution
from .pushdown.planner import plan
from .pushdown.request import Request
from .streams import Row, Sizes


class Reader:
    """Answers a request of PostgreSQL: plans it, runs it, and reads wider where it has to.

    Which fields ``q`` takes is documented for few endpoints. Since PostgreSQL rechecks every
    condition, one that Bitbucket refuses is simply left out: the first answer of 400 to a request
    with ``q`` has it asked again without, and the backend remembers.
    """

    _refused: ClassVar[dict[tuple[str, str], frozenset[str]]] = {}

    def __init__(
        self, client: Client, scan: ScanContext, sizes: Sizes, warn: Callable[[str], None]
    ) -> None:
        self._client = client
        self._scan = scan
        self._sizes = sizes
        self._warn = warn

    def rows(self, request: Request) -> Iterator[Row]:
        """The rows that answer ``request``, lazily."""
        table = request.table
        key = (self._client.settings.base_url, table.name)
        request = replace(request, refused=self._refused.get(key, frozenset()))
        began = False
        try:
            for row in Execution(self._client, self._scan, self._sizes).rows(plan(request)):
                began = True
                yield row
        except Rejected as error:
            shipped = _filtered_columns(request)
            if began or error.status != 400 or not shipped:
                raise
            self._refused[key] = request.refused | shipped
            self._warn(
                f"{table.name}: Bitbucket refused to filter by {', '.join(sorted(shipped))}; "
                f"reading without ({error.detail or error.message})"
            )
            retried = replace(request, refused=self._refused[key])
            yield from Execution(self._client, self._scan, self._sizes).rows(plan(retried))


def _filtered_columns(request: Request) -> frozenset[str]:
    """Columns of the request whose conditions went into ``q``."""
    if not request.table.collection.q:
        return frozenset()
    tried = {c.column.name for c in request.conditions if c.column.filter}
    return frozenset(tried - request.refused)
