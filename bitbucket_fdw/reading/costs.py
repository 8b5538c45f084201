"""Numbers for PostgreSQL's planner: rows and requests of a plan, and the ways to a row.

Multicorn takes the cost of a scan to be its rows times their width, and a parameterized path's to
be the rows it promises times the same width. What a scan really costs is its requests. So the
width is stated such that rows times width is proportional to the requests, and a key's path
promises as many rows as its requests would bring in a full scan. With that, PostgreSQL reads items
one by one as long as they take fewer requests than reading everything.
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

Guess = Callable[[Plan, float], float]
"""From a plan, and the number of collections it asks, to the items that each of them has."""


def rows(plan: Plan, guess: Guess) -> float:
    """About how many rows the plan gives."""
    if plan.kind is Kind.NOTHING:
        return 0
    each = 1.0 if plan.kind is Kind.ITEM else _found(plan, guess)
    return places(plan, guess) * each


def _found(plan: Plan, guess: Guess) -> float:
    """About how many items of one collection meet the conditions that are shipped."""
    found = guess(plan, places(plan, guess)) * plan.selectivity
    return found if plan.at_most is None else min(found, plan.at_most)


def places(plan: Plan, guess: Guess) -> float:
    """About how many collections or items the plan asks."""
    if plan.parent is None:
        return plan.combinations
    parents = rows(plan.parent, guess) * selectivity(list(plan.parent.sieve))
    return max(1.0, parents) * plan.combinations


def requests(plan: Plan, guess: Guess) -> int:
    """About how many requests the plan takes, read to its end."""
    if plan.kind is Kind.NOTHING:
        return 0
    each = 1.0
    found = _found(plan, guess)
    if plan.kind is Kind.COLLECTION and plan.pagelen:
        wanted = found if plan.stop_after is None else min(found, plan.stop_after)
        each = max(1, math.ceil(wanted / plan.pagelen))
    if plan.hydrate:
        each += found
    if plan.reach is not None:
        each += 1  # and the refs, once
    # A list that is spread over requests shares its rows among them.
    own = places(plan, guess) * max(each, len(plan.queries))
    return math.ceil(own) + (requests(plan.parent, guess) if plan.parent else 0)


def width(planned: Plan, guess: Guess) -> int:
    """The row width that makes a scan's cost proportional to its requests."""
    return max(1, round(requests(planned, guess) * REQUEST_COST / max(1.0, rows(planned, guess))))


def path_keys(binding: TableBinding, guess: Guess) -> list[tuple[tuple[str, ...], int]]:
    """Column sets by which the table can be read directly, with the rows a request of a full scan
    would have brought for the requests that one lookup takes.
    """
    needed = frozenset(column.name for column in binding.table.columns)
    everything = plan(Request(binding.table, binding.bound, columns=needed))
    rows_per_request = rows(everything, guess) / max(1, requests(everything, guess))
    spelled = {column.name: name for name, column in binding.pushable.items()}
    keys = []
    for key in _keys(binding):
        if not all(name in spelled for name in key):
            continue
        columns = [binding.table.column(name) for name in key]
        conditions = tuple(Condition(column, "=", _sample(column)) for column in columns)
        lookup = plan(Request(binding.table, binding.bound, conditions, columns=needed))
        promised = max(1, round(requests(lookup, guess) * rows_per_request))
        keys.append((tuple(spelled[name] for name in key), promised))
    return keys


def _keys(binding: TableBinding) -> list[tuple[str, ...]]:
    """Keys of items and of collections, alone and beside the path parameters left open."""
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
    """Columns that name a parent which may lack the collection, and is then passed over.

    Asked for directly, that collection is an error (a repository without an issue tracker): a
    join must not run into it just because its plan looks parents up one by one.
    """
    parent = table.parent
    if parent is None:
        return frozenset()
    if parent.where is None:
        return _passed_over(parent.table)
    columns = (table.column_of(parameter) for parameter, _ in parent.supplies)
    return frozenset(column.name for column in columns if column)


def _sample(column: Column) -> Any:
    """Some value of the column's type, to plan a lookup that has none yet."""
    return column.sample or column.data_type.sample
