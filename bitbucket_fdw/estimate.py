"""Numbers for PostgreSQL's planner: rows and requests of a plan, costs of the ways to a row.

Multicorn takes a path's cost as ``startup cost + rows x width``. A request is worth as much as a
page of rows here, so that reading a whole collection costs its pages, an item costs one request,
and a join on a key is done by item reads as long as they are fewer than the pages.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from .binding import TableBinding
from .pushdown.plan import Kind, Plan
from .tables import Table
from .tables.base import path_parameters

WIDTH = 100
PAGE = 50
REQUEST_COST = PAGE * WIDTH

Guess = Callable[[type[Table]], int]


def rows(plan: Plan, guess: Guess) -> float:
    """About how many rows the plan gives."""
    if plan.kind is Kind.NOTHING:
        return 0
    each = 1.0 if plan.kind is Kind.ITEM else guess(plan.table) * plan.selectivity
    return places(plan, guess) * each


def places(plan: Plan, guess: Guess) -> float:
    """About how many collections or items the plan asks."""
    return max(1.0, rows(plan.parent, guess)) if plan.parent else plan.combinations


def requests(plan: Plan, guess: Guess) -> int:
    """About how many requests the plan takes, read to its end."""
    if plan.kind is Kind.NOTHING:
        return 0
    each = 1.0
    found = guess(plan.table) * plan.selectivity
    if plan.kind is Kind.COLLECTION and plan.pagelen:
        wanted = found if plan.limit is None else min(found, plan.limit + plan.offset)
        each = max(1, math.ceil(wanted / plan.pagelen))
    if plan.hydrate:
        each += found
    own = places(plan, guess) * each * max(1, len(plan.queries))
    return math.ceil(own) + (requests(plan.parent, guess) if plan.parent else 0)


def path_keys(binding: TableBinding, guess: Guess) -> list[tuple[tuple[str, ...], int]]:
    """Column sets by which the table can be read directly, with the rows each gives.

    An item's key beside the path parameters left open gives one row; the path parameters alone
    give one collection.
    """
    table = binding.table
    spelled = {column.name: name for name, column in binding.pushable.items()}

    def columns(parameters: tuple[str, ...]) -> list[str]:
        open_ones = (p for p in parameters if p not in binding.bound)
        return [c.name for p in open_ones if (c := table.column_of(p)) is not None]

    keys: dict[tuple[str, ...], int] = {}
    collection = columns(path_parameters(table.collection.path))
    if collection:
        keys[tuple(collection)] = guess(table)
        if len(collection) > 1:  # a parent's key alone narrows the fan-out, too
            keys[tuple(collection[-1:])] = guess(table)
    for item in table.items:
        inner = [p for p in path_parameters(item.path) if p != item.parameter]
        keys[tuple(dict.fromkeys([*columns(tuple(inner)), item.key]))] = 1
        keys.setdefault((item.key,), 1)
    return [
        (tuple(spelled[name] for name in key), count)
        for key, count in keys.items()
        if all(name in spelled for name in key)
    ]
