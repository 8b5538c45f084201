"""The rows that the scan of a changing statement has found, by the value the host tells them by."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

Row = dict[str, Any]

WHOLE = 2_000  # rows that are kept whole; of those before, only the key


class SeenRows:
    """Candidates for a row that is to change.

    One value may stand for several rows, where it is not unique (the id of an issue, in a table
    that spans repositories). Whole rows save reading them again; a key is enough to delete by.
    """

    def __init__(self, key: tuple[str, ...]) -> None:
        self._key = key
        self._rows: dict[Any, list[Row]] = {}
        self._whole: OrderedDict[tuple[Any, ...], None] = OrderedDict()
        self._gone: set[Any] = set()

    def add(self, rowid: Any, row: Row) -> None:
        """Remember a row, in place of what was known of it."""
        self._gone.discard(rowid)
        key = self.key_of(row)
        rows = self._rows.setdefault(rowid, [])
        rows[:] = [other for other in rows if self.key_of(other) != key]
        rows.append(row)
        self._whole.pop((rowid, key), None)
        self._whole[rowid, key] = None
        if len(self._whole) > WHOLE:
            self._reduce(*self._whole.popitem(last=False)[0])

    def _reduce(self, rowid: Any, key: tuple[Any, ...]) -> None:
        rows = self._rows.get(rowid, [])
        rows[:] = [
            {name: row.get(name) for name in self._key} if self.key_of(row) == key else row
            for row in rows
        ]

    def candidates(self, rowid: Any) -> list[Row]:
        """What is known of the rows that the value may stand for."""
        return list(self._rows.get(rowid, ()))

    def delete(self, rowid: Any) -> None:
        """Note that the row is not there any more."""
        for row in self._rows.pop(rowid, ()):
            self._whole.pop((rowid, self.key_of(row)), None)
        self._gone.add(rowid)

    def deleted(self, rowid: Any) -> bool:
        """Whether it was deleted since it was last seen: a join may give a row twice."""
        return rowid in self._gone

    def clear(self) -> None:
        """Forget everything: the statement has ended."""
        self._rows.clear()
        self._whole.clear()
        self._gone.clear()

    def key_of(self, row: Row) -> tuple[Any, ...]:
        """The row's key, as text: what was read may have other types than what was written."""
        return tuple(str(row.get(name)) for name in self._key)
