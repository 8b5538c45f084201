"""The values that a query's conditions leave possible for path parameters and keys.

``repository IN ('a', 'b') AND repository <> 'b'`` leaves ``a``; where nothing is left, no request
is made.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ..tables.columns import Column
from ..tables.types import Comparison
from .parent_filter import may_meet, sieve_of
from .plan import Binding, Never
from .request import Request
from .request_line import fits

EQUALITY = ("=", "in")


def contradiction(request: Request) -> str | None:
    """Why no row can match, if that is clear from the conditions alone; else ``None``."""
    for column in request.table.columns:
        values = values_of(request, column)
        if values is not None and not values:
            return f"no value of {column.name} meets its conditions"
    filled = request.table.never_null()
    for condition in request.conditions:
        # "= NULL" looks the same, from a join or a parameter. It must not read a listing in vain.
        if condition.op == "is null" and condition.column in filled:
            return f"{condition.column.name} is never NULL"
    return None


def never_met(request: Request) -> tuple[Never, ...]:
    """The values of equality conditions that no row has by the declaration of their column."""
    found = []
    for condition in request.conditions:
        if condition.op not in EQUALITY or request.leads:
            continue  # what a parent is asked for comes from the conditions of its child
        column = condition.column
        for value in condition.value if condition.op == "in" else (condition.value,):
            spelled = column.respelled(value)
            if spelled is not None or (column.form and not _fits_pattern(column, value)):
                found.append(Never(column.name, str(value), spelled, column.form))
    return tuple(dict.fromkeys(found))


def values_of(request: Request, column: Column) -> tuple[Any, ...] | None:
    """The values that equality conditions and table options allow a column to have.

    ``None`` if they allow all values.
    """
    wanted: list[Any] | None = None
    option = request.bound.get(column.param) if column.param else None
    if option is not None:
        wanted = [option]
    for condition in request.conditions:
        if condition.column.data_type.comparison is Comparison.LOCAL:
            continue  # values that PostgreSQL takes for equal may differ here
        if condition.column.name == column.name and condition.op in EQUALITY:
            values = condition.value if condition.op == "in" else (condition.value,)
            wanted = [v for v in (values if wanted is None else wanted) if v in values]
    if wanted is None:
        return None
    in_path = column.param is not None or column.name in request.table.read_by()
    others = sieve_of(c for c in request.conditions if c.column.name == column.name)
    return tuple(
        value
        for value in wanted
        if _possible(column, value, in_path) and all(may_meet(value, other) for other in others)
    )


def _fits_pattern(column: Column, value: Any) -> bool:
    return column.pattern is None or re.fullmatch(column.pattern, str(value)) is not None


def _possible(column: Column, value: Any, in_path: bool) -> bool:
    if not _fits_pattern(column, value) or column.respelled(value) is not None:
        return False
    # No slug, key or ref name is empty or has a part that is "." or ".."; in a path these would
    # name another resource. None is so long that a request could not hold it.
    if column.param is not None and not fits(value):
        return False
    parts = str(value).replace("\\", "/").split("/")
    return not (in_path and (value in ("", ".") or ".." in parts))


def bindings_of(request: Request, parameters: Iterable[str]) -> tuple[Binding, ...] | None:
    """Values for every path parameter; ``None`` if the parent's rows have to supply one of them."""
    bindings = []
    for parameter in parameters:
        column = request.table.column_of(parameter)
        values = values_of(request, column) if column else None
        if values is None:
            return None
        bindings.append(Binding(parameter, column.name if column else None, values))
    return tuple(bindings)
