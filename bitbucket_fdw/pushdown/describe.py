"""Conditions as text, for EXPLAIN, and a guess of the share of rows that meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..tables.columns import Column
from .conditions import Condition


def texts(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """The texts of :func:`describe` for each condition."""
    return tuple(describe(condition) for condition in conditions)


def describe(condition: Condition) -> str:
    """A condition in SQL, with its values, as EXPLAIN shows it."""
    name = condition.column.name
    if condition.op in ("is null", "is not null"):
        return f"{name} {condition.op.upper()}"
    if condition.op in ("in", "not in"):
        return f"{name} {condition.op.upper()} ({', '.join(map(_show, condition.value[:5]))}" + (
            ", …)" if len(condition.value) > 5 else ")"
        )
    return f"{name} {condition.op} {_show(condition.value)}"


def _show(value: Any) -> str:
    return str(value) if isinstance(value, (int, bool)) else f"'{value}'"


def selectivity(conditions: list[Condition]) -> float:
    """A guess of the share of rows, from 0 to 1, that meet the conditions sent to Bitbucket."""
    share = 1.0
    for condition in conditions:
        guess: Callable[[Condition], float] = _GUESSES.get(condition.op, lambda _: 0.3)
        share *= guess(condition)
    return share


def _share_of(column: Column, values: Iterable[Any]) -> float:
    """The share of rows in which a column is likely to have one of some values."""
    shares: dict[Any, float] = dict(column.shares)
    closed = column.filter.values if column.filter else ()
    other = 1 / (len(closed) or column.distinct)
    return min(1.0, sum(shares.get(value, other) for value in values))


_GUESSES: dict[str, Callable[[Condition], float]] = {
    "=": lambda condition: _share_of(condition.column, (condition.value,)),
    "in": lambda condition: _share_of(condition.column, condition.value),
    "<>": lambda condition: max(0.1, 1 - _share_of(condition.column, (condition.value,))),
    "not in": lambda condition: max(0.1, 1 - _share_of(condition.column, condition.value)),
}
