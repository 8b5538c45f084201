"""A value that meets all conditions on a column, for rows of which nobody sees the value.

For ``SELECT count(*) … WHERE id > 100`` the rows need an ``id`` only so that PostgreSQL's check of
the condition lets them through. Some hosts tell such columns (``Request.unseen``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any

from ..tables.columns import Column
from ..tables.types import Comparison
from .conditions import Condition
from .local_filter import COMPARISONS, meets_value
from .request import Request

_STEPS: dict[Comparison, Any] = {
    Comparison.NUMBER: 1,
    Comparison.TIME: timedelta(microseconds=1),  # PostgreSQL's smallest
}


def sample_values(request: Request, names: Iterable[str]) -> dict[str, Any]:
    """Of the columns that nobody sees, those with such a value, and the value."""
    found = {}
    hidden = {pair[0] for pair in (request.hidden, request.table.nothing) if pair}
    for name in names:
        if name in request.unseen and name not in hidden and name not in request.loose:
            value = _sample(request.table.column(name), request.conditions)
            if value is not None:
                found[name] = value
    return found


def _sample(column: Column, conditions: Iterable[Condition]) -> Any:
    own = [condition for condition in conditions if condition.column.name == column.name]
    if not own or any(condition.op not in COMPARISONS for condition in own):
        return None
    fitting = (v for v in _near(own) if all(meets_value(v, condition) for condition in own))
    return next(fitting, None)


def _near(conditions: Iterable[Condition]) -> Iterator[Any]:
    """The values of the conditions, and those beside them."""
    for condition in conditions:
        yield from condition.value if condition.op == "in" else (condition.value,)
        step = _STEPS.get(condition.column.data_type.comparison)
        if step is not None and condition.op != "in":
            try:
                yield condition.value + step
                yield condition.value - step
            except OverflowError:  # at the ends of the calendar
                pass
