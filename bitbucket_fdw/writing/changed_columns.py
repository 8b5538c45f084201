"""Pure: which columns of a row a statement changes.

Hosts hand over every column of a changed row, most of them as they were read. What was read is
compared with that: either the values themselves, or :class:`Marks` of them, where they would take
too much memory.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ..tables.columns import Column
from ..tables.table import Table

Row = Mapping[str, Any]

_ROUNDING = timedelta(seconds=1)  # ``typed`` drops the API's fraction, which has up to nine digits
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_ANY = -(2**63)  # the mark of a time that cannot be read


def changed(table: type[Table], found: Row, new: Row) -> dict[str, Any]:
    """The columns of ``new`` that differ from a row as it was read; both are typed."""
    return {
        name: value
        for name, value in new.items()
        if not _same(table.column(name), found.get(name), value)
    }


@dataclass(frozen=True, slots=True)
class Marks:
    """What is enough of a row to tell changes by: eight bytes a column.

    :param names: the columns, in the order of the marks; rows of one scan share it.
    """

    names: tuple[str, ...]
    values: bytes

    @classmethod
    def of(cls, table: type[Table], names: tuple[str, ...], row: Row) -> Marks:
        """The marks of a typed row's columns."""
        marks = array("q", (_mark(table.column(name), row.get(name)) for name in names))
        return cls(names, marks.tobytes())

    def changed(self, table: type[Table], new: Row) -> dict[str, Any]:
        """The columns of ``new`` that differ from the row. A difference is missed once in 2⁶⁰."""
        marks = dict(self._marks())
        return {
            name: value
            for name, value in new.items()
            if name not in marks or not _marked(table.column(name), marks[name], value)
        }

    def _marks(self) -> Iterator[tuple[str, int]]:
        return zip(self.names, memoryview(self.values).cast("q"), strict=True)


def _mark(column: Column, value: Any) -> int:
    """A number for a value: a time's is when it was, since a rounded time is the same one."""
    if column.type == "timestamptz" and value is not None:
        # Text is a time in a form that cannot be read; a plain date has no zone.
        return _micros(value) if isinstance(value, datetime) and value.tzinfo else _ANY
    if isinstance(value, (list, dict)):
        return hash(json.dumps(value, sort_keys=True))
    return hash((type(value).__name__, value))


def _micros(time: datetime) -> int:
    return (time - _EPOCH) // _MICROSECOND


def _marked(column: Column, mark: int, value: Any) -> bool:
    """``_same``, of a value that only its mark is known of."""
    other = _mark(column, value)
    if column.type == "timestamptz":
        nothing = _mark(column, None)
        if nothing not in (mark, other):
            return _ANY in (mark, other) or abs(mark - other) < _ROUNDING // _MICROSECOND
    return mark == other


def _same(column: Column, old: Any, new: Any) -> bool:
    """Whether a value is the one that was read.

    PostgreSQL rounds the API's times, and hosts show them in the session's DateStyle: one that
    cannot be read is taken to be unchanged.
    """
    if column.type != "timestamptz" or old is None or new is None:
        return bool(old == new)
    if not (isinstance(old, datetime) and isinstance(new, datetime)):
        return True
    return abs(old - new) < _ROUNDING
