"""Rows as the changes that wait for COMMIT will leave them.

In mode ``commit`` nothing is sent before. A scan shows the transaction its own changes all the
same, as it would with a local table: a row that waits to be deleted is not there, one that waits to
be updated has its new values. What Bitbucket will make of them, such as the time of the change or
a new row's number, is not known yet.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..pushdown.local_filter import checks_of, meets
from ..pushdown.request import Request
from ..pushdown.typed_values import row_shown, typed, typed_row
from ..tables.table import Table
from .journal import ApiAccount, Journal

Row = dict[str, Any]


class WaitingRows:
    """The changes that wait for rows of one foreign table.

    :param journal: the backend's journal, which holds the waiting requests.
    :param place: the API's base URL, and the identity of the credential.
    :param bound: the values that the table's options fix, by column.
    """

    def __init__(self, table: type[Table], journal: Journal, place: ApiAccount, bound: Row) -> None:
        self._table = table
        self._journal = journal
        self._place = place
        self._bound = bound

    def __bool__(self) -> bool:
        """Whether a change waits for any row of the table."""
        return next(self._journal.queued(self._place, self._table), None) is not None

    def as_queued(self, row: Row, until: int | None = None) -> Row | None:
        """A typed row as the waiting changes will leave it; ``None`` if they delete it.

        :param until: the journal's position when a statement began, to leave out its own changes.
        """
        found: Row | None = row
        for request in self._journal.queued_for(self._place, self._table, self.key(row), until):
            if request.verb == "DELETE":
                found = None
            else:
                found = {**(found or request.identity), **request.values}
        return found

    def key(self, row: Row) -> tuple[str, ...]:
        """A row's primary key as text."""
        known = {**row, **self._bound}
        key = self._table.primary_key
        return tuple(str(typed(self._table.column(name), known.get(name))) for name in key)

    def seen_by(
        self, request: Request, until: int
    ) -> tuple[Request, Callable[[Iterator[Row]], Iterator[Row]]]:
        """For a scan: the request to read, and a function that applies waiting changes to its rows.

        Bitbucket would check conditions on the rows without the waiting changes. So conditions on
        columns that a waiting change sets are not sent, and LIMIT and OFFSET are counted here.
        """
        touched = self._touched(until)
        known = [c for c in request.conditions if c.column.name not in touched]
        others = tuple(c for c in request.conditions if c.column.name in touched)
        needed = {*self._table.primary_key, *(c.column.name for c in others)}
        checks = checks_of(request, False, others)
        asked = replace(
            request,
            conditions=tuple(known),
            columns=request.columns | needed,
            limit=None,
            offset=0,
            unseen=frozenset(),  # the rows are found by their keys
        )
        enough = None if request.limit is None else request.offset + request.limit

        def shown(rows: Iterator[Row]) -> Iterator[Row]:
            seen = filter(None, (self._seen(row, until) for row in rows))
            met = (row for row in seen if meets(row, checks))
            return itertools.islice(met, request.offset, enough)

        return asked, shown

    def _touched(self, until: int) -> set[str]:
        """The columns that waiting changes set in rows that exist already."""
        return {
            name
            for request in self._journal.queued(self._place, self._table, until)
            if "None" not in request.key
            for name in request.values
        } - {*self._table.primary_key}

    def _seen(self, row: Row, until: int) -> Row | None:
        found = typed_row(self._table, row)
        waiting = self.as_queued(found, until)
        if waiting is None:
            return None
        new = {n: v for n, v in waiting.items() if n in row and v != found[n]}
        return {**row, **row_shown(new)} if new else row
