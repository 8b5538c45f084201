"""Conditions that are checked on rows here, before LIMIT and OFFSET count the rows.

PostgreSQL hands LIMIT and OFFSET to the wrapper only if Bitbucket applies every condition exactly.
If Bitbucket then refuses a condition, it has to be applied here instead, just as exactly.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..errors import BitbucketError
from ..tables.types import Comparison
from .conditions import Condition
from .request import Request

COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "in": lambda value, wanted: value in wanted,
}


def checks_of(request: Request, exact: bool, rest: Iterable[Condition]) -> tuple[Condition, ...]:
    """The conditions to check before rows are counted; conditions on the path need no check.

    Raises :class:`BitbucketError` if one of them cannot be checked here as PostgreSQL would do it.
    This does not happen on a host that calls ``exact_quals`` first.
    """
    if exact or not request.counted_off:
        return ()
    conditions = tuple(rest)
    if request.unread or not all(map(_is_certain, conditions)):
        raise BitbucketError(
            "LIMIT or OFFSET was left to this scan, and its conditions cannot be checked before",
            hint="Plan the statement again: DISCARD PLANS, or a new session.",
        )
    return conditions


def looks_of(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Of the conditions that Bitbucket applies, those that can be checked on a row here.

    A filter of a list's elements says nothing of a single element.
    """
    return tuple(c for c in conditions if _is_certain(c) and not _is_of_list(c))


def _is_of_list(condition: Condition) -> bool:
    return condition.column.filter is not None and condition.column.filter.of_list


def meets(row: Mapping[str, Any], conditions: Iterable[Condition]) -> bool:
    """Whether a row meets conditions; :class:`ValueError` for a value not of its column's type."""
    return all(_holds(row[condition.column.name], condition) for condition in conditions)


def meets_value(value: Any, condition: Condition) -> bool:
    """Whether a value of the column's type may meet a condition on the column."""
    compare = COMPARISONS.get(condition.op)
    return value is not None and (compare is None or compare(value, condition.value))


def _is_certain(condition: Condition) -> bool:
    """Whether the comparison gives the same here as in PostgreSQL, in every collation."""
    column, equality = condition.column, condition.op in ("=", "in")
    comparison = column.data_type.comparison
    if comparison is Comparison.NUMBER:
        return condition.op in COMPARISONS
    closed_set = column.filter is not None and bool(column.filter.values)
    return equality and (comparison in (Comparison.FLAG, Comparison.IDENTITY) or closed_set)


def _holds(value: Any, condition: Condition) -> bool:
    if value is None:
        return False
    typed = condition.column.data_type.condition(value)
    if typed is None:
        raise ValueError(f"{condition.column.name} is not of type {condition.column.type}")
    return COMPARISONS[condition.op](typed, condition.value)
