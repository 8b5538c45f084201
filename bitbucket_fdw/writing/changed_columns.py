"""Pure: which columns of a row a statement changes.

Hosts hand over every column of a changed row, and most of them still have the value that was read.
Only columns that differ are sent to Bitbucket. They are found by comparing with the values that
were read or, where keeping those would take too much memory, with :class:`ColumnMarks` of them.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..tables.table import Table

Row = Mapping[str, Any]


def changed(table: type[Table], found: Row, new: Row) -> dict[str, Any]:
    """The columns of ``new`` that differ from a row as it was read; both are typed."""
    return {
        name: value
        for name, value in new.items()
        if not table.column(name).data_type.same.same(found.get(name), value)
    }


class ColumnMarks(NamedTuple):
    """Eight bytes for each column of a row, which are enough to tell whether a value was changed.

    :param names: the columns, in the order of the marks. Rows of one scan share this tuple.
    """

    names: tuple[str, ...]
    values: bytes

    @classmethod
    def of(cls, table: type[Table], names: tuple[str, ...], row: Row) -> ColumnMarks:
        """The marks of a typed row's columns."""
        marks = array(
            "q", (table.column(name).data_type.same.mark_of(row.get(name)) for name in names)
        )
        return cls(names, marks.tobytes())

    def changed(self, table: type[Table], new: Row) -> dict[str, Any]:
        """The columns of ``new`` that differ from the row.

        A difference is overlooked with a probability of about 1 in 2⁶⁰.
        """
        marks = dict(self._marks())
        return {
            name: value
            for name, value in new.items()
            if name not in marks or not table.column(name).data_type.same.marked(marks[name], value)
        }

    def _marks(self) -> Iterator[tuple[str, int]]:
        return zip(self.names, memoryview(self.values).cast("q"), strict=True)
