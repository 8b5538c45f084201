"""Listings without filters that are sorted by a time, so that their reading may end early.

``WHERE created_on >= …`` needs the newest items alone. Where Bitbucket does not filter by the
column, and sorts by it, the listing is asked for with the newest items first. Reading ends past the
bound, if the items that were read show that the order was kept.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..tables.types import Comparison
from .conditions import Condition
from .request import Request
from .shippable import TIME_SLACK


def reading_ends_at(request: Request) -> Condition | None:
    """The condition that is met as long as items may be wanted; ``None`` if all are to be read."""
    if request.counted_off or request.leads:
        return None
    bounds = list(_bounds(request))
    return max(bounds, key=lambda bound: bound.value, default=None)


def _bounds(request: Request) -> Iterator[Condition]:
    for condition in request.conditions:
        column, values = condition.column, condition.value
        if column.data_type.comparison is not Comparison.TIME or column.sort is None:
            continue
        if request.may_filter(column) or (request.table.name, column.name) in request.refused.sorts:
            continue
        sort = request.sort
        if sort is not None and not (sort.descending and sort.column == column.name):
            continue
        if condition.op in (">", ">=", "=") or (condition.op == "in" and values):
            least = min(values) if condition.op == "in" else values
            try:
                # Bitbucket may sort by other digits of the fraction than it shows.
                yield Condition(column, ">=", least - TIME_SLACK - condition.slack)
            except OverflowError:  # at the ends of the calendar
                continue
