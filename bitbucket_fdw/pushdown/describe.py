"""Conditions as text, for EXPLAIN, and a guess of the share of rows that meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

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


_GUESSES: dict[str, Callable[[Condition], float]] = {
    "=": lambda _: 0.1,
    "in": lambda condition: min(1.0, 0.1 * len(condition.value)),
    "<>": lambda _: 0.9,
}
