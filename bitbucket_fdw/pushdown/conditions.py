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
"""The ``instant`` of a :class:`Qual` on a host that does not tell it."""


class Qual(NamedTuple):
    """A condition as the host gives it: ``operator`` is a name, or a pair of a name and whether
    any (rather than every) element of the list value has to match.

    ``plain`` is whether the comparison is what the operator's name says. It is false if another
    type (``citext``) or a collation makes different texts equal. ``None`` means that the host
    cannot tell and that the statement gives reason for doubt.

    ``instant`` is the exact moment that a column of times is compared with, a datetime with a time
    zone. For a list it has the moments of all elements that are not NULL. ``None`` means that the
    year is outside of Python's range.
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
    tuple of these for ``in`` and ``not in``, and ``None`` for the null tests. ``slack`` is by how
    much a time may be wrong that was read without its time zone.
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


def without_implied(
    conditions: Iterable[Condition], filled: Iterable[Column]
) -> tuple[Condition, ...]:
    """The conditions without each IS NOT NULL that another one implies.

    No value but NULL fails that test, and no other operator is true for NULL. Spark adds such a
    test to each condition that it sends.

    :param filled: columns that are NULL in no row, which pass the test anyway.
    """
    found = tuple(conditions)
    passed = {column.name for column in filled}
    passed |= {c.column.name for c in found if c.op not in ("is null", "is not null")}
    return tuple(c for c in found if c.op != "is not null" or c.column.name not in passed)


def _is_plain(column: Column, qual: Qual) -> bool:
    if qual.plain is None:
        # Slugs are always in lower case. So a slug is equal to a value in lower case only if both
        # are the same text. It is worth to know this, since a scan without such conditions reads
        # everything.
        return not column.data_type.collated or (column.param in SLUGS and _is_slug(qual))
    return qual.plain


def _is_slug(qual: Qual) -> bool:
    """Whether a condition tests equality with slugs in lower case."""
    values = qual.value if isinstance(qual.value, (list, tuple)) else (qual.value,)
    return qual.operator in ("=", ("=", True)) and all(
        isinstance(value, str) and value == value.lower() for value in values
    )


def _condition(column: Column, qual: Qual) -> Condition | None:
    operator, value = qual.operator, qual.value
    if isinstance(operator, tuple):
        return _list_condition(column, qual)
    if value is None:
        # "= NULL" with a parameter looks the same. It is never true, but PostgreSQL checks the
        # rows again, and drops those that this test lets through.
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
    """The test that the column is one of the elements (IN), or none of them (NOT IN).

    NULL elements never make IN true, so that they are left out. A NOT IN with a NULL element is
    never true.
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
    """Whether the host tells which moment the value is, or that Python cannot represent it."""
    return column.data_type.comparison is Comparison.TIME and qual.instant is not NOT_TOLD


def _slack(column: Column, values: Iterable[Any]) -> timedelta:
    """By how much the values may be wrong, because a time without a zone was read."""
    return max(map(column.data_type.doubt, values), default=timedelta(0))
