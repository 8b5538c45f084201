"""Numbers for PostgreSQL's planner: how many rows and requests a plan has, and lookups by key.

Multicorn computes the cost of a scan as its number of rows times their width, and the cost of a
parameterized path as its number of rows times the same width. But a scan really costs its requests.
So two of the numbers are chosen to make the costs proportional to requests: the width, and the
number of rows of a lookup by key, which is the number of rows that as many requests would bring in
a full scan. Then PostgreSQL reads items one by one as long as this takes fewer requests than
reading everything.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from ..foreign_tables.binding import TableBinding
from ..pushdown.conditions import Condition
from ..pushdown.describe import selectivity
from ..pushdown.plan import Kind, Plan
from ..pushdown.planner import plan
from ..pushdown.request import Request
from ..tables import Table
from ..tables.columns import Column
from ..tables.endpoints import path_parameters

REQUEST_COST = 1000  # in units of the planner's costs
STARTUP_COST = 10
MOST_IN_LIST = 50  # as MAX_LIST and MAX_ITEMS: a list is one request, or one for each value
AHEAD = 8  # collections that are under way at a time; as many as concurrency is by default
REFUSED = 1_000_000  # rows and requests of a scan that will be refused: any other way is better

Guess = Callable[[Plan, float], float]
"""A function that guesses how many items the filters of a plan leave of each collection.

The number is that of the collections which the plan reads.
"""


def rows(plan: Plan, guess: Guess) -> float:
    """About how many rows the plan gives."""
    if plan.kind is Kind.NOTHING:
        return 0
    if plan.kind is Kind.REFUSED:
        return REFUSED
    each = 1.0 if plan.kind is Kind.ITEM else _found(plan, guess)
    return places(plan, guess) * each


def _found(plan: Plan, guess: Guess) -> float:
    """About how many items of one collection meet the conditions that are shipped."""
    found = guess(plan, places(plan, guess))
    return found if plan.at_most is None else min(found, plan.at_most)


def places(plan: Plan, guess: Guess) -> float:
    """About how many collections or items the plan asks."""
    if plan.parent is None:
        return plan.combinations
    parents = rows(plan.parent, guess) * selectivity(list(plan.parent.sieve))
    return max(1.0, parents) * plan.combinations


def requests(plan: Plan, guess: Guess, wanted: float | None = None) -> int:
    """About how many requests the plan takes.

    :param wanted: after how many rows the reading ends; without it, the plan's own LIMIT says so,
        or else it is read to its end.
    """
    if plan.kind is Kind.NOTHING:
        return 0
    if plan.kind is Kind.REFUSED:
        return REFUSED
    found = _found(plan, guess)
    wanted = _wanted(plan, wanted)
    every = places(plan, guess)
    asked = every if wanted is None or plan.sort else _places_for(plan, wanted, found, every)
    own = math.ceil(asked * _requests_of_one(plan, found, wanted))
    if plan.parent is None:
        return own
    if asked == every:
        return own + requests(plan.parent, guess)
    led = asked / plan.combinations / max(selectivity(list(plan.parent.sieve)), 0.001)
    return own + requests(plan.parent, guess, led)


def _wanted(plan: Plan, wanted: float | None) -> float | None:
    """After how many rows the reading of a plan is likely to end; ``None`` if at its end."""
    if wanted is None:
        wanted = plan.enough
    if wanted is None or plan.sort_here:
        return None
    return wanted / max(selectivity(list(plan.checks)), 0.001)


def _places_for(plan: Plan, wanted: float, found: float, every: float) -> float:
    """How many of the places are asked until the wanted rows are likely to be found.

    Further ones are under way by then: as many as the number of those before it allows, which
    doubles with each.
    """
    each = 1.0 if plan.kind is Kind.ITEM else found
    if each <= 0:
        return every
    needed = max(1, math.ceil(wanted / each))
    ahead = AHEAD if needed > AHEAD else min(1 << (needed - 1), AHEAD)
    return min(every, needed + ahead - 1.0)


def _requests_of_one(plan: Plan, found: float, wanted: float | None) -> float:
    """About how many requests one of the places takes."""
    if wanted is not None:
        found = min(found, wanted)
    each = 1.0
    if plan.kind is Kind.COLLECTION and plan.pagelen:
        read = found if plan.until is None else found * selectivity([plan.until])
        each = max(1, math.ceil(read / plan.pagelen))
        if plan.parts:
            each = min(each, 1 + len(plan.parts))
    each += plan.first_requests - 1
    if plan.hydrate:
        each += found
    if plan.beside:
        each += 1
    if plan.reach is not None:
        each += 1  # one request for the refs
    # If a list is spread over several requests, each of them brings a part of the rows.
    return each if plan.whole else max(each, len(plan.queries))


def width(planned: Plan, guess: Guess) -> int:
    """The row width that makes a scan's cost proportional to its requests."""
    return max(1, round(requests(planned, guess) * REQUEST_COST / max(1.0, rows(planned, guess))))


def path_keys(binding: TableBinding, guess: Guess) -> list[tuple[tuple[str, ...], int]]:
    """Sets of columns by which the table can be read directly, each with a number of rows.

    The number is that of the rows which a full scan would bring by as many requests as one lookup
    takes.
    """
    each, lookups = _lookups(binding, guess, 1)
    return [(columns, max(1, round(taken * each))) for columns, taken in lookups]


def list_keys(
    binding: TableBinding, guess: Guess
) -> list[tuple[tuple[str, ...], int, float, float]]:
    """The same sets of columns, for lookups by a list of values of the last one.

    Each comes with the most values of a list, and with the numbers of rows which stand for the
    requests that a list of one value takes, and one of the most.
    """
    each, ones = _lookups(binding, guess, 1)
    _, lists = _lookups(binding, guess, MOST_IN_LIST)
    taken = dict(lists)
    return [
        (columns, MOST_IN_LIST, one * each, taken[columns] * each)
        for columns, one in ones
        if taken.get(columns, math.inf) <= one * MOST_IN_LIST
    ]


def _lookups(
    binding: TableBinding, guess: Guess, count: int
) -> tuple[float, list[tuple[tuple[str, ...], int]]]:
    """How many rows a request of a full scan brings, and how many requests lookups take.

    :param count: how many values of a key's last column are looked up at once.
    """
    needed = frozenset(column.name for column in binding.table.columns)
    everything = plan(Request(binding.table, binding.bound, columns=needed))
    rows_per_request = rows(everything, guess) / max(1, requests(everything, guess))
    spelled = {column.name: name for name, column in binding.pushable.items()}
    found = []
    for key in _keys(binding):
        if not all(name in spelled for name in key):
            continue
        columns = [binding.table.column(name) for name in key]
        conditions = [Condition(column, "=", _sample(column)) for column in columns]
        if count > 1:
            last = columns[-1]
            conditions[-1] = Condition(last, "in", (_sample(last),) * count)
        lookup = plan(Request(binding.table, binding.bound, tuple(conditions), columns=needed))
        if lookup.kind is not Kind.REFUSED:
            found.append((tuple(spelled[name] for name in key), requests(lookup, guess)))
    return rows_per_request, found


def _keys(binding: TableBinding) -> list[tuple[str, ...]]:
    """The sets of columns that are the key of an item or of a collection.

    Each is given alone, and together with the columns of path parameters that are not fixed.
    """
    table = binding.table

    def open_columns(parameters: tuple[str, ...]) -> list[str]:
        left = [p for p in parameters if p not in binding.bound]
        return [column.name for p in left if (column := table.column_of(p)) is not None]

    collection = open_columns(table.parameters())
    passed_over = _passed_over(table)
    keys = [tuple(collection), *((name,) for name in collection)]
    for item in (*table.items, *table.narrower):
        outer = tuple(p for p in path_parameters(item.path) if p != item.parameter)
        keys += [(*(c for c in open_columns(outer) if c != item.key), item.key), (item.key,)]
    return [key for key in dict.fromkeys(keys) if key and not passed_over.intersection(key)]


def _passed_over(table: type[Table]) -> frozenset[str]:
    """Columns that name a parent which may not have the collection.

    A scan over all parents skips such a parent (a repository without an issue tracker). If its
    collection is read directly, that is an error. A join must not fail just because PostgreSQL
    chose to look up the parents one by one, so that no lookup by these columns is offered.
    """
    parent = table.parent
    if parent is None:
        return frozenset()
    if parent.where is None:
        return _passed_over(parent.table)
    columns = (table.column_of(parameter) for parameter, _ in parent.supplies)
    return frozenset(column.name for column in columns if column)


def _sample(column: Column) -> Any:
    """Some value of the column's type, to estimate a lookup before its value is known."""
    return column.sample or column.data_type.sample
