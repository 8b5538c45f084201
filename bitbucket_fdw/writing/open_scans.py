"""Scans that are under way while the backend writes.

A listing is read page by page, as the statement asks for rows. A change to what is listed moves
rows from one page to another: a DELETE would leave every other page untouched, and an INSERT …
SELECT from the same table could go on for ever. So what is still to come of such a scan is read
before the first change is sent, and the statement works on the rows as they were.
"""

from __future__ import annotations

import itertools
import weakref
from collections.abc import Iterator
from typing import Any

from ..tables import Table

Row = dict[str, Any]


class OpenScan:
    """The rows of one scan, which can be read ahead."""

    def __init__(self, table: type[Table], rows: Iterator[Row]) -> None:
        self._listings = frozenset(_listings(table))
        self._rows = rows
        self._settled = False

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        return next(self._rows)

    def settle(self, changed: frozenset[str]) -> None:
        """Read the rest now if a listing is among the ``changed`` ones."""
        if self._settled or not changed & self._listings:
            return
        self._settled = True
        rest: list[Row] = []
        try:
            rest.extend(self._rows)
        except Exception as error:
            # The error is also kept behind the rows that were read. Code that catches it and reads
            # on meets it again, and does not take these rows for all of them.
            self._rows = itertools.chain(rest, _failing(error))
            raise
        self._rows = iter(rest)


class OpenScans:
    """The backend's scans that have not ended."""

    def __init__(self) -> None:
        self._open: weakref.WeakSet[OpenScan] = weakref.WeakSet()

    def track(self, table: type[Table], rows: Iterator[Row]) -> OpenScan:
        """Iterate over the rows, such that :meth:`settle` can read the rest of them."""
        scan = OpenScan(table, rows)
        self._open.add(scan)
        return scan

    def settle(self, table: type[Table]) -> None:
        """Read the rest of every open scan that a change of the table would disturb."""
        changed = frozenset((table.name, *table.writes.disturbs))
        for scan in list(self._open):
            scan.settle(changed)


def _listings(table: type[Table]) -> Iterator[str]:
    """The names of the table and of its parents, whose rows lead to its rows."""
    yield table.name
    if table.parent is not None:
        yield from _listings(table.parent.table)


def _failing(error: Exception) -> Iterator[Row]:
    yield from ()  # makes this a generator, which raises only when a row is asked for
    raise error
