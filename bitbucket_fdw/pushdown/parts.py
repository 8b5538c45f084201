"""Listings whose rows are known once it is known how many there are of each kind.

For ``SELECT state, count(*) … GROUP BY state`` the host asks for the column alone. All of its
values are declared, so that a listing's rows follow from the size of each part: that many with
``OPEN``, that many with ``MERGED``. The sizes are believed only if they add up to the listing's
own. Then no row has another value, or none.

The same proves a count with a condition that is not sent exactly, such as one on a time. The
listing is asked for a little more than the condition says, and its parts for a little less. If
these have the same size, then no row is in between, and each of them meets the condition.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from ..tables.columns import Column
from ..tables.endpoints import Shape
from ..tables.types import Comparison
from .conditions import Condition
from .local_filter import looks_of, meets_value
from .plan import Part, Plan
from .query_strings import size_query
from .request import Request
from .request_line import length
from .sample_values import sample_values
from .shippable import ship, ship_narrower

MOST_PARTS = 16
"""With more parts than these, the rows are read: so many sizes are no small answer any more."""


def parts_of(
    request: Request,
    result: Plan,
    conditions: Iterable[Condition],
    known: Iterable[str],
    room: int,
) -> tuple[Part, ...]:
    """The parts whose sizes say what the rows of a listing are; none if they do not say it.

    :param conditions: those that the path does not fulfil.
    :param known: columns whose values need not be asked for: those of the path.
    :param room: how many bytes of the address all terms may take.
    """
    if not _may_be_counted(request, result):
        return ()
    conditions = tuple(conditions)
    narrower = [ship_narrower(c) if request.may_filter(c.column) else None for c in conditions]
    terms = tuple(term for term in narrower if term is not None)
    if len(terms) < len(conditions):
        return ()
    times = [c for c in conditions if c.column.data_type.comparison is Comparison.TIME]
    constants = {c.column.name: c.value for c in request.conditions if c.op == "="}
    constants |= sample_values(request, set(result.columns).difference(known, constants))
    given = {*known, *constants}
    open_columns = [request.table.column(name) for name in result.columns if name not in given]
    values = [_values(request, column) for column in open_columns]
    count = 1
    for some in values:
        count *= len(some)
    if not (open_columns or times) or not 0 < count <= MOST_PARTS:
        return ()
    found = []
    looks = (*looks_of(conditions), *times)
    for combination in itertools.product(*values):
        own = [Condition(c, "=", v) for c, v in zip(open_columns, combination, strict=True)]
        own_terms = [shipment.term for c in own if (shipment := ship(c)) and shipment.exact]
        every = (*terms, *own_terms)
        if len(own_terms) < len(own) or sum(map(length, every)) > room:
            return ()
        seen = (*looks, *own)
        row = {**constants, **{c.column.name: c.value for c in own}}
        columns = [c.column for c in seen]
        size = size_query(
            request.table.collection, every, (), columns, _telling_sort(request, times)
        )
        found.append(Part(tuple(row.items()), size, seen))
    return tuple(found)


def _may_be_counted(request: Request, result: Plan) -> bool:
    """Whether the rows may be made from sizes: all of them are wanted, in any order."""
    collection = request.table.collection
    return (
        not request.unread
        and collection.q
        and collection.size
        and collection.shape is Shape.PAGES
        and collection.explode is None
        and request.sort is None
        and not request.counted_off
        and not request.leads
        and not result.hidden
        and result.pagelen is not None
    )


def _telling_sort(request: Request, times: Iterable[Condition]) -> str | None:
    """The order in which the first items show best whether a condition on a time was applied."""
    for condition in times:
        column = condition.column
        if column.sort and (request.table.name, column.name) not in request.refused.sorts:
            return column.sort if condition.op in (">", ">=") else f"-{column.sort}"
    return None


def _values(request: Request, column: Column) -> list[Any]:
    """The values of a closed set that the conditions leave; none if they are not all known."""
    test = column.filter
    if test is None or test.of_list or column.name in request.loose:
        return []
    if not request.may_filter(column) or column.param:
        return []
    # Not true and false: a server may find those false that show nothing, which are NULL here.
    every: tuple[Any, ...] = test.values
    own = [c for c in request.conditions if c.column.name == column.name]
    return [value for value in every if all(meets_value(value, c) for c in own)]
