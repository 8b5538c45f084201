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
from dataclasses import replace
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
    # If a list is spread over several requests, each of them brings a part of the rows. The whole
    # listing is read instead, if it has fewer pages.
    each = max(each, len(plan.queries))
    if plan.whole and plan.pagelen and plan.selectivity > 0:
        each = min(each, max(1, math.ceil(found / plan.selectivity / plan.pagelen)))
    return each


def width(planned: Plan, guess: Guess) -> int:
    """The row width that makes a scan's cost proportional to its requests."""
    return max(1, round(requests(planned, guess) * REQUEST_COST / max(1.0, rows(planned, guess))))


def path_keys(binding: TableBinding, guess: Guess) -> list[tuple[tuple[str, ...], int]]:
    """Sets of columns by which the table can be read directly, each with a number of rows.

    The number is that of the rows which a full scan would bring by as many requests as one lookup
    takes.
    """
    lookups = _Lookups(binding, guess, Request(binding.table, binding.bound))
    each = lookups.rows_per_request
    return [
        (lookups.spelled(key), max(1, round(taken * each)))
        for key in _keys(binding)
        if (taken := lookups.requests(key, 1)) is not None
    ]


def list_keys(
    binding: TableBinding, guess: Guess, joined: frozenset[str], asked: Request
) -> list[tuple[tuple[str, ...], int, float, float]]:
    """Sets of columns by which the table can be read with a list of values of the last one.

    They are the keys, and each column of a join that Bitbucket filters by: alone, and together with
    the columns of path parameters that the join gives too. A column that is no key is left out
    where it saves no request, since it may be looked up several times.

    Each comes with the most values of a list, and with the numbers of rows which stand for the
    requests that a list of one value takes, and one of the most.

    :param joined: the columns that a join compares with others.
    :param asked: what else is asked of the table's rows.
    """
    lookups = _Lookups(binding, guess, asked)
    keys = _keys(binding)
    filtered = [key for key in _filtered(binding, joined, asked) if key not in keys]
    result = []
    for key in (*keys, *filtered):
        one, most = lookups.requests(key, 1), lookups.requests(key, MOST_IN_LIST)
        if one is None or most is None or most > one * MOST_IN_LIST:
            continue
        if key in filtered and one >= lookups.everything:
            continue
        each = lookups.rows_per_request
        result.append((lookups.spelled(key), MOST_IN_LIST, one * each, most * each))
    return result


class _Lookups:
    """How many requests look-ups by key take, beside those of a scan without a key.

    :param asked: what is asked of the rows of either.
    """

    def __init__(self, binding: TableBinding, guess: Guess, asked: Request) -> None:
        self._binding = binding
        self._guess = guess
        everything = frozenset(column.name for column in binding.table.columns)
        self._asked = replace(asked, columns=everything)
        self._spelled = {column.name: name for name, column in binding.pushable.items()}
        whole = plan(self._asked)
        self.everything = requests(whole, guess)
        self.rows_per_request = rows(whole, guess) / max(1, self.everything)

    def spelled(self, key: tuple[str, ...]) -> tuple[str, ...]:
        """The names that a key's columns have in the foreign table."""
        return tuple(self._spelled[name] for name in key)

    def requests(self, key: tuple[str, ...], count: int) -> int | None:
        """The requests of a look-up; ``None`` if it cannot be made.

        :param count: how many values of a key's last column are looked up at once.
        """
        if not all(name in self._spelled for name in key):
            return None
        columns = [self._binding.table.column(name) for name in key]
        conditions = [Condition(column, "=", _sample(column)) for column in columns]
        if count > 1:
            last = columns[-1]
            conditions[-1] = Condition(last, "in", (_sample(last),) * count)
        others = [c for c in self._asked.conditions if c.column not in columns]
        lookup = plan(replace(self._asked, conditions=(*others, *conditions)))
        return None if lookup.kind is Kind.REFUSED else requests(lookup, self._guess)


def _filtered(
    binding: TableBinding, joined: frozenset[str], asked: Request
) -> list[tuple[str, ...]]:
    """The columns of a join that Bitbucket filters by; see :func:`list_keys`."""
    columns = [binding.pushable[name] for name in sorted(joined) if name in binding.pushable]
    given = {column.name for column in columns}
    places = tuple(name for name in _open_columns(binding) if name in given)
    filters = [
        column.name for column in columns if asked.may_filter(column) or asked.may_select(column)
    ]
    found: list[tuple[str, ...]] = [(name,) for name in filters]
    if places and not _passed_over(binding.table).intersection(places):
        found += [(*places, name) for name in filters if name not in places]
    return found


def _keys(binding: TableBinding) -> list[tuple[str, ...]]:
    """The sets of columns that are the key of an item or of a collection.

    Each is given alone, and together with the columns of path parameters that are not fixed.
    """
    table = binding.table
    collection = _open_columns(binding)
    passed_over = _passed_over(table)
    keys = [tuple(collection), *((name,) for name in collection)]
    for item in (*table.items, *table.narrower):
        outer = tuple(p for p in path_parameters(item.path) if p != item.parameter)
        opened = _open_columns(binding, outer)
        keys += [(*(name for name in opened if name != item.key), item.key), (item.key,)]
    return [key for key in dict.fromkeys(keys) if key and not passed_over.intersection(key)]


def _open_columns(binding: TableBinding, parameters: tuple[str, ...] | None = None) -> list[str]:
    """The columns of path parameters, by default the listing's, that no option fixes."""
    table = binding.table
    wanted = table.parameters() if parameters is None else parameters
    left = (parameter for parameter in wanted if parameter not in binding.bound)
    return [column.name for p in left if (column := table.column_of(p)) is not None]


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
    known = column.filter.values if column.filter else ()
    return column.sample or next(iter(known), None) or column.data_type.sample
