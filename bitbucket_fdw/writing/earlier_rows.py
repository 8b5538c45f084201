"""Rows as they were before the statement that changes them.

A statement's changes are sent one by one, while it may still read: a subquery, or the inner side of
a nested loop, is run for each row. It has to find the rows as they were, as it would in a local
table. Otherwise ``DELETE … WHERE NOT EXISTS (SELECT … the next one)`` would delete all of them, one
after the other, and an UPDATE would copy what it has just written.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from ..errors import RowUnknown
from ..pushdown.local_filter import checks_of, looks_of, meets
from ..pushdown.request import Request
from ..pushdown.typed_values import row_shown, typed
from ..tables.table import Table

Row = dict[str, Any]
Key = tuple[str, ...]


class EarlierRows:
    """What one statement has changed at Bitbucket so far, of one foreign table.

    :param key: a row's primary key as text.
    """

    def __init__(self, table: type[Table], key: Callable[[Row], Key]) -> None:
        self._table = table
        self._key = key
        self._rows: dict[Key, Row | None] = {}  # rows before the statement; None: did not exist

    def __bool__(self) -> bool:
        return bool(self._rows)

    def changed(self, old: Row) -> None:
        """Note a row that was updated or deleted.

        :param old: the typed row as it was before.
        """
        self._rows.setdefault(self._key(old), row_shown(old))

    def made(self, row: Row) -> None:
        """Note a row that was inserted, if its key is known."""
        if all(row.get(name) is not None for name in self._table.primary_key):
            self._rows.setdefault(self._key(row), None)

    def seen_by(self, request: Request) -> tuple[Request, Callable[[Iterator[Row]], Iterator[Row]]]:
        """For a scan of the same statement: the request to read, and a function for its rows.

        The function puts the rows back to what they were before the statement. PostgreSQL then
        checks the conditions on each row, except where LIMIT and OFFSET are counted here.
        """
        columns = {*request.columns, *(c.column.name for c in request.conditions)}
        checks = checks_of(request, False, request.conditions)
        asked = replace(
            request,
            columns=frozenset({*columns, *self._table.primary_key}),
            limit=None,
            offset=0,
            unseen=frozenset(),  # the rows are found by their keys
        )
        enough = None if request.limit is None else request.offset + request.limit

        def shown(rows: Iterator[Row]) -> Iterator[Row]:
            before = self._as_they_were(rows, request, columns)
            found = (row for row in before if meets(row, checks))
            return itertools.islice(self._in_order(found, request), request.offset, enough)

        return asked, shown

    def _as_they_were(
        self, rows: Iterator[Row], request: Request, columns: set[str]
    ) -> Iterator[Row]:
        missed = dict(self._rows)
        for row in rows:
            key = self._key(row)
            if key not in self._rows:
                yield row
                continue
            old = missed.pop(key, None)
            if old is not None:
                yield {**row, **_needed(old, columns)}
        looks = looks_of(request.conditions)
        for old in filter(None, missed.values()):
            known = [look for look in looks if look.column.name in old]
            if meets(old, known):
                yield {**old, **_needed(old, columns)}

    def _in_order(self, rows: Iterator[Row], request: Request) -> Iterator[Row]:
        if request.sort is None:
            return rows
        column = self._table.column(request.sort.column)

        def value(row: Row) -> tuple[bool, Any]:
            found = typed(column, row[column.name])
            return found is None, found if found is not None else 0

        return iter(sorted(rows, key=value, reverse=request.sort.descending))


def _needed(old: Row, columns: set[str]) -> Row:
    unknown = sorted(columns - old.keys())
    if unknown:
        raise RowUnknown(
            "the statement reads rows again that it has changed, and what they were is not known",
            detail=f"It needs {', '.join(unknown)} of them.",
            hint="SET bitbucket_fdw.write_mode = 'commit', or gather the keys first: "
            "… = ANY (ARRAY(SELECT …)).",
        )
    return {name: old[name] for name in columns}
