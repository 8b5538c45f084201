"""The statements that change rows of one foreign table, and the rows that each of them has read.

Several statements may run at a time, one within the other: a trigger on the table, or a function
that a statement calls, may change the same table. When the inner statement ends, what the outer one
has read must still be known.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from ..tables.table import Table
from .changed_columns import ColumnMarks, changed
from .earlier_rows import EarlierRows

Row = dict[str, Any]
Key = tuple[str, ...]

WHOLE = 2_000
"""How many rows of a statement are kept whole; these are the latest ones.

Of each earlier row, 500 to 800 bytes are kept, whatever its size was: the key, and marks of the
columns, by which changes of the statement are recognized. A scan reads no more rows than
``max_requests`` pages hold, 100,000 by default. So this takes 80 MB at most.
"""


class StatementRow:
    """A row as the statement found it: the typed row, or only its key and marks of its columns."""

    __slots__ = ("_kept", "_marks", "_row")

    def __init__(self, row: Row) -> None:
        self._row: Row | None = row
        self._kept: tuple[Any, ...] = ()
        self._marks: ColumnMarks | None = None

    @property
    def whole(self) -> bool:
        """Whether all values that were read are still here."""
        return self._row is not None

    def known(self, table: type[Table]) -> Row:
        """The row, or what is left of it: its key, and the columns that every UPDATE needs."""
        if self._row is not None:
            return self._row
        return dict(zip(_kept(table), self._kept, strict=True))

    def key(self, table: type[Table]) -> Key:
        """The row's key as text, since values that were read and written may differ in type."""
        known = self.known(table)
        return tuple(
            str(known.get(name)) for name in (*table.primary_key, *table.writes.told_apart)
        )

    def changed(self, table: type[Table], new: Row) -> Row | None:
        """The columns of ``new`` that differ; ``None`` if some of them were not read."""
        if self._marks is not None:
            return self._marks.changed(table, new) if {*new} <= {*self._marks.names} else None
        assert self._row is not None
        return changed(table, self._row, new) if new.keys() <= self._row.keys() else None

    def reduce(self, table: type[Table], names: tuple[str, ...]) -> None:
        """Keep only marks of the columns. Several rows may share the tuple ``names``."""
        if self._row is not None:
            self._kept = tuple(self._row.get(name) for name in _kept(table))
            self._marks = ColumnMarks.of(table, names, self._row)
            self._row = None


def _kept(table: type[Table]) -> tuple[str, ...]:
    return (*table.primary_key, *table.writes.kept)


class StatementRows:
    """The rows that a statement has read, by the value that the host identifies a row with.

    If the value is not unique, it may stand for several rows: for example the id of an issue, in a
    table that spans repositories. All of them are candidates for the row to change.
    """

    def __init__(self, table: type[Table]) -> None:
        self._table = table
        self._rows: dict[Any, tuple[StatementRow, ...]] = {}
        self._whole: OrderedDict[tuple[Any, Key], StatementRow] = OrderedDict()
        self._gone: set[Any] = set()
        self._updated: set[tuple[Any, Key]] = set()
        self._names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, rowid: Any, row: Row) -> None:
        """Remember a typed row. It replaces what was known of the row before."""
        seen = StatementRow(row)
        key = self._put(rowid, seen)
        self._whole.pop((rowid, key), None)
        self._whole[rowid, key] = seen
        if len(self._whole) > WHOLE:
            _, oldest = self._whole.popitem(last=False)
            oldest.reduce(self._table, self._shared_names(oldest))

    def replace(self, rowid: Any, row: Row) -> None:
        """Remember a row as it is after a change, in as much detail as the row before."""
        seen = StatementRow(row)
        key = self._put(rowid, seen)
        if (rowid, key) in self._whole:
            self._whole[rowid, key] = seen
        else:
            seen.reduce(self._table, self._shared_names(seen))

    def _put(self, rowid: Any, seen: StatementRow) -> Key:
        """Replace what was known of a row; returns its key."""
        self._gone.discard(rowid)
        key = seen.key(self._table)
        others = (s for s in self._rows.get(rowid, ()) if s.key(self._table) != key)
        self._rows[rowid] = (*others, seen)
        return key

    def _shared_names(self, seen: StatementRow) -> tuple[str, ...]:
        names = tuple(seen.known(self._table))
        if names != self._names:
            self._names = names
        return self._names

    def candidates(self, rowid: Any) -> tuple[StatementRow, ...]:
        """The rows that the value may stand for."""
        return self._rows.get(rowid, ())

    def mark_updated(self, rowid: Any, row: Row) -> None:
        """Note that the row was updated, even if that changed nothing."""
        self._updated.add((rowid, StatementRow(row).key(self._table)))

    def updated(self, rowid: Any) -> list[StatementRow]:
        """The candidates that the statement has updated."""
        return [
            seen
            for seen in self.candidates(rowid)
            if (rowid, seen.key(self._table)) in self._updated
        ]

    def delete(self, rowid: Any) -> None:
        """Note that the row is not there any more."""
        for seen in self._rows.pop(rowid, ()):
            self._whole.pop((rowid, seen.key(self._table)), None)
        self._gone.add(rowid)

    def deleted(self, rowid: Any) -> bool:
        """Whether the row was deleted since it was last read. (A join may give a row twice.)"""
        return rowid in self._gone


@dataclass
class Statement:
    """A statement that changes rows.

    :param depth: how many triggers deep it runs.
    :param level: how deep in subtransactions it runs.
    :param since: the journal's position when it began, since it does not see its own changes.
    :param rows: how many rows it has changed, including the present one.
    :param admitted: whether its clauses have been checked.
    :param execution: what identifies its scans, on a host that tells.
    :param earlier_rows: the rows that it has changed, as they were before.
    """

    seen: StatementRows
    depth: int
    level: int
    since: int
    rows: int = 0
    admitted: bool = False
    execution: Any = None
    earlier_rows: EarlierRows | None = None

    @property
    def used(self) -> bool:
        return self.rows > 0 or len(self.seen) > 0


@dataclass
class Statements:
    """The statements on one foreign table that have begun and not ended; the innermost is last."""

    table: type[Table]
    _stack: list[Statement] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self._stack)

    @property
    def current(self) -> Statement | None:
        return self._stack[-1] if self._stack else None

    @property
    def admitted(self) -> bool:
        """Whether the clauses of the present statement have been checked."""
        return self.current is not None and self.current.admitted

    def admit(self) -> None:
        """Note that the clauses of the present statement have been checked."""
        if self.current is not None:
            self.current.admitted = True

    def begin(self, depth: int, level: int, since: int) -> None:
        """Note that a statement begins or is planned.

        Hosts do not say which, and not every planned statement begins. So if the current statement
        has the same trigger depth and has done nothing yet, it is taken to be the same one.
        """
        current = self.current
        if current is not None and current.depth == depth and not current.used:
            self._stack.pop()
        self._stack.append(Statement(StatementRows(self.table), depth, level, since))

    def end(self, depth: int) -> None:
        """Note that the innermost statement of that depth has ended.

        Statements within it that were only planned are forgotten as well.
        """
        while self._stack and self._stack[-1].depth > depth:
            self._stack.pop()
        # With two changes of the table in its WITH, a statement ends twice.
        if self._stack and self._stack[-1].depth == depth:
            self._stack.pop()

    def rolled_back(self, level: int) -> None:
        """Forget the statements of a rolled back subtransaction, and of deeper ones."""
        self._stack = [statement for statement in self._stack if statement.level < level]

    def candidates(self, rowid: Any) -> tuple[StatementRow, ...]:
        """The candidates of the innermost statement that has read such a row."""
        found = (statement.seen.candidates(rowid) for statement in reversed(self._stack))
        return next(filter(None, found), ())
