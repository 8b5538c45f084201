"""What PostgreSQL asks of a table, in the names and types of the table's declaration.

A foreign table may have other names and types; ``foreign_tables`` has translated them by then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..tables.columns import Column
from ..tables.table import Table
from .conditions import Condition
from .plan import Sort


@dataclass(frozen=True, slots=True)
class Refusals:
    """What Bitbucket was seen to refuse: columns, each beside its table's name."""

    filters: frozenset[tuple[str, str]] = frozenset()
    sorts: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, more: Refusals) -> Refusals:
        return Refusals(self.filters | more.filters, self.sorts | more.sorts)


NONE_REFUSED = Refusals()


@dataclass(frozen=True, slots=True)
class Request:
    """What PostgreSQL asks of a table.

    :param bound: path parameters fixed by table options.
    :param conditions: what all rows must meet, typed.
    :param unread: conditions that could not be typed, as text; PostgreSQL keeps them.
    :param columns: names of the columns needed, those of conditions among them.
    :param sort: an order that :func:`sort_column` has agreed to.
    :param limit: rows wanted after ``offset``, only given when no row will be dropped later.
    :param loose: columns that the foreign table shows under another type: what they hold is read as
        that.
    :param leads: whether the rows lead to another table's, whose conditions these are: they may be
        tested before that is asked.
    :param refused: what not to ask of Bitbucket, of this table or those that lead to it.
    :param hidden: a boolean column; rows in which it is true do not belong to the table.
    """

    table: type[Table]
    bound: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    unread: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    sort: Sort | None = None
    limit: int | None = None
    offset: int = 0
    refused: Refusals = NONE_REFUSED
    loose: frozenset[str] = frozenset()
    leads: bool = False
    hidden: str | None = None

    @property
    def counted_off(self) -> bool:
        """Whether the rows are counted before PostgreSQL checks the conditions again."""
        return self.limit is not None or self.offset > 0

    def may_filter(self, column: Column) -> bool:
        """Whether a condition on the column may go into ``q``."""
        takes_q = self.table.collection.q and column.filter is not None
        return takes_q and (self.table.name, column.name) not in self.refused.filters
