"""From the host's quals to typed conditions.

The host hands over ``column operator constant`` triples, with values as it renders them. The
column's type reads them (``tables/types.py``). A condition whose value cannot be read without doubt
is left to PostgreSQL, which rechecks every qual anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from ..tables.columns import Column
from ..tables.endpoints import SLUGS
from ..tables.types import Comparison

Operator = str | tuple[str, bool]

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_PATTERNS = ("~~", "~~*", "!~~", "~", "!~")
_LISTS: dict[Operator, str] = {("=", True): "in", ("<>", False): "not in"}
NOT_TOLD: Any = object()
"""In place of a :class:`Qual`'s moment on a host that tells none."""


class Qual(NamedTuple):
    """A condition as the host gives it: ``operator`` is a name, or a pair of a name and whether
    any (rather than every) element of the list value has to match.

    ``plain`` is whether the comparison is what the operator's name says, and not that of another
    type (``citext``) or collation to which texts are equal that differ; ``None`` if the host cannot
    tell and the statement gives reason for doubt.

    ``instant`` is what a column of times is compared with, exactly: an aware datetime, or for a
    list those of its elements but for NULLs; ``None`` if there is none in Python's years.
    """

    field_name: str
    operator: Operator
    value: Any
    plain: bool | None = True
    instant: Any = NOT_TOLD


@dataclass(frozen=True, slots=True)
class Condition:
    """A typed condition on one column.

    ``op`` is ``=``, ``<>``, ``<``, ``<=``, ``>``, ``>=``, ``~~`` (LIKE), ``~~*`` (ILIKE), ``!~~``
    (NOT LIKE), ``~``, ``!~`` (regular expressions), ``in``, ``not in``, ``is null`` or ``is not
    null``; ``value`` is what the column's type makes of a condition's value (``types.DataType``), a
    tuple of these for ``in`` and ``not in``, and ``None`` for the null tests. A time may stand for
    any that is at most ``slack`` away from it.
    """

    column: Column
    op: str
    value: Any
    slack: timedelta = timedelta(0)


def conditions_of(
    quals: Iterable[Qual], columns: dict[str, Column]
) -> tuple[tuple[Condition, ...], tuple[Qual, ...]]:
    """Split quals into typed conditions and those that only PostgreSQL can judge.

    :param columns: the columns that may take part, by SQL name; a column that was declared with
        another type than Bitbucket's is left out, since its comparisons mean something else.
    """
    typed: list[Condition] = []
    left: list[Qual] = []
    for qual in quals:
        column = columns.get(qual.field_name)
        condition = _condition(column, qual) if column and _is_plain(column, qual) else None
        if condition is None:
            left.append(qual)
        else:
            typed.append(condition)
    return tuple(typed), tuple(left)


def _is_plain(column: Column, qual: Qual) -> bool:
    if qual.plain is None:
        # Slugs are in lower case: a value that is, too, has no other spelling that is one. Without
        # such conditions a scan reads everything.
        return not column.data_type.collated or (column.param in SLUGS and _is_slug(qual))
    return qual.plain


def _is_slug(qual: Qual) -> bool:
    """Whether a condition asks for slugs in lower case, by equality."""
    values = qual.value if isinstance(qual.value, (list, tuple)) else (qual.value,)
    return qual.operator in ("=", ("=", True)) and all(
        isinstance(value, str) and value == value.lower() for value in values
    )


def _condition(column: Column, qual: Qual) -> Condition | None:
    operator, value = qual.operator, qual.value
    if isinstance(operator, tuple):
        return _list_condition(column, qual)
    if value is None:
        # A parameter that is NULL comes as "= None" too; the row it could let through is dropped
        # by the recheck.
        null_tests = {"=": "is null", "<>": "is not null"}
        return Condition(column, null_tests[operator], None) if operator in null_tests else None
    if operator in _PATTERNS:
        if column.data_type.patterns and isinstance(value, str):
            return Condition(column, operator, value)
        return None
    if operator not in _COMPARISONS:
        return None
    if _has_instant(column, qual):
        return Condition(column, operator, qual.instant) if qual.instant else None
    typed = column.data_type.condition(value)
    if typed is None:
        return None
    if operator == "<>" and column.data_type.comparison is Comparison.FLAG:
        return Condition(column, "=", not typed)
    return Condition(column, operator, typed, _slack(column, [value]))


def _list_condition(column: Column, qual: Qual) -> Condition | None:
    """That the column is one of the elements, or none of them.

    An element that is NULL can never make the test for one true; that for none, it always fails.
    """
    op = _LISTS.get(qual.operator)
    if op is None or (op == "not in" and not column.data_type.not_in):
        return None
    if _has_instant(column, qual):
        moments = qual.instant
        return None if moments is None else Condition(column, "in", tuple(dict.fromkeys(moments)))
    if not isinstance(qual.value, (list, tuple)) or (op == "not in" and None in qual.value):
        return None
    read = column.data_type.condition
    elements = [read(element) for element in qual.value if element is not None]
    if any(element is None for element in elements):
        return None
    return Condition(column, op, tuple(dict.fromkeys(elements)), _slack(column, qual.value))


def _has_instant(column: Column, qual: Qual) -> bool:
    """Whether the host tells what moment the value is, or that it is none."""
    return column.data_type.comparison is Comparison.TIME and qual.instant is not NOT_TOLD


def _slack(column: Column, values: Iterable[Any]) -> timedelta:
    """How far the values may be from where they were read, for lack of a zone."""
    return max(map(column.data_type.doubt, values), default=timedelta(0))
