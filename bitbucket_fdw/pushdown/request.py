"""What PostgreSQL asks of a table, in the names and types of the table's declaration.

A foreign table may have other names and types. ``foreign_tables`` translates them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..tables.columns import Column
from ..tables.table import Table
from .conditions import Condition
from .plan import Sort


class Refusals(NamedTuple):
    """Filters and orders that Bitbucket was seen to refuse, as pairs of table and column name."""

    filters: frozenset[tuple[str, str]] = frozenset()
    sorts: frozenset[tuple[str, str]] = frozenset()

    def __or__(self, more: Refusals) -> Refusals:
        return Refusals(self.filters | more.filters, self.sorts | more.sorts)


NONE_REFUSED = Refusals()


@dataclass(frozen=True, slots=True)
class Request:
    """What PostgreSQL asks of a table.

    :param bound: path parameters fixed by table options.
    :param conditions: the typed conditions that all rows must meet.
    :param unread: conditions that could not be typed, as text. PostgreSQL checks them.
    :param columns: names of the needed columns, including those of conditions.
    :param sort: an order that :func:`sort_column` allows.
    :param limit: how many rows are wanted after ``offset``. Only given if PostgreSQL will not drop
        any of these rows.
    :param loose: columns that the foreign table shows with another type than the declared one.
        Their values are not checked.
    :param leads: whether the table is read as a parent, to find its children. The conditions may
        then be checked on its rows before anything is asked for the children.
    :param refused: filters and orders that must not be sent, for this table and its parents.
    :param hidden: a column with a value; rows that have it do not belong to the table.
    :param unseen: columns of which only the conditions see a value, as far as the host tells: any
        value will do that meets them.
    :param untold: columns that may stay NULL, since nobody tells the credential what they are.
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
    hidden: tuple[str, Any] | None = None
    unseen: frozenset[str] = frozenset()
    untold: frozenset[str] = frozenset()

    @property
    def counted_off(self) -> bool:
        """Whether LIMIT or OFFSET count rows here, before PostgreSQL checks them again."""
        return self.limit is not None or self.offset > 0

    @property
    def of_listing_alone(self) -> frozenset[str]:
        """The wanted columns without a condition that a listing has, and the single item has not.

        A condition on such a column needs its value, and no row may be found without it.
        """
        lacking = {name for item in self.table.items for name in item.lacks}
        return frozenset(lacking & self.columns - {c.column.name for c in self.conditions})

    def may_filter(self, column: Column) -> bool:
        """Whether a condition on the column may go into ``q``."""
        takes_q = self.table.collection.q and column.filter is not None
        return takes_q and not self._is_refused(column)

    def may_select(self, column: Column) -> bool:
        """Whether a value of the column may be a query parameter."""
        return column.query is not None and not self._is_refused(column)

    def _is_refused(self, column: Column) -> bool:
        return (self.table.name, column.name) in self.refused.filters
