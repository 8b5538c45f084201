"""Conditions as text, for EXPLAIN, and the share of rows that they are likely to keep."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .conditions import Condition


def texts(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """Each condition as :func:`describe` has it."""
    return tuple(describe(condition) for condition in conditions)


def describe(condition: Condition) -> str:
    """A condition in SQL's words, values and all, as EXPLAIN shows it."""
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
    """The share of rows that shipped conditions are guessed to keep."""
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
