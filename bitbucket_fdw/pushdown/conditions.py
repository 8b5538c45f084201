"""From the host's quals to typed conditions.

The host hands over ``column operator constant`` triples. Values arrive as the host renders them:
booleans as ``'t'`` or ``'f'``, UUIDs and timestamps as text, the latter in the session's DateStyle
and TimeZone. A condition whose value cannot be read without doubt is left to PostgreSQL, which
rechecks every qual anyway.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from ..tables.columns import Column
from ..tables.endpoints import SLUGS

Operator = str | tuple[str, bool]

_COMPARISONS = ("=", "<>", "<", "<=", ">", ">=")
_PATTERNS = ("~~", "~~*", "!~~", "~", "!~")
_LISTS: dict[Operator, str] = {("=", True): "in", ("<>", False): "not in"}
_LISTED_OUT = ("text", "bigint", "integer", "uuid")  # types of columns that NOT IN is read for

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)

# A date or a timestamp compares with a timestamptz as of the session's TimeZone, which is not known
# here. PostgreSQL takes zones of up to a week less an hour; the second is for the fraction that
# Multicorn2 drops.
ZONE_SLACK = timedelta(days=7, seconds=1)

# Multicorn2 reads an expression that is no constant as if it were of the column's type. A date then
# looks like a moment within an hour of 2000, which is not believed; a timestamp's hours seem to be
# UTC's, which is off by the zone's offset, or by that of another season.
_MISREAD_DATES = timedelta(hours=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)  # PostgreSQL's
_SEASONS = timedelta(hours=3)

# ISO output of timestamptz: '2024-01-01 00:00:00.123456+05:30'. Other DateStyles, 'infinity' and
# years beyond 9999 do not match and stay local.
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
    r"([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?"
)


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
    null``; ``value`` is an int, str, bool, UUID or aware datetime, a tuple of these for ``in`` and
    ``not in``, and ``None`` for the null tests. A time may stand for any that is at most ``slack``
    away from it.
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
        return column.type != "text" or (column.param in SLUGS and _is_slug(qual))
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
        if column.type == "text" and isinstance(value, str):
            return Condition(column, operator, value)
        return None
    if operator not in _COMPARISONS:
        return None
    if _has_instant(column, qual):
        return Condition(column, operator, qual.instant) if qual.instant else None
    typed = read(column.type, value)
    if typed is None:
        return None
    if operator == "<>" and column.type == "boolean":
        return Condition(column, "=", not typed)
    return Condition(column, operator, typed, _slack([value]))


def _list_condition(column: Column, qual: Qual) -> Condition | None:
    """That the column is one of the elements, or none of them.

    An element that is NULL can never make the test for one true; that for none, it always fails.
    """
    op = _LISTS.get(qual.operator)
    if op is None or (op == "not in" and column.type not in _LISTED_OUT):
        return None
    if _has_instant(column, qual):
        moments = qual.instant
        return None if moments is None else Condition(column, "in", tuple(dict.fromkeys(moments)))
    if not isinstance(qual.value, (list, tuple)) or (op == "not in" and None in qual.value):
        return None
    elements = [read(column.type, element) for element in qual.value if element is not None]
    if any(element is None for element in elements):
        return None
    return Condition(column, op, tuple(dict.fromkeys(elements)), _slack(qual.value))


def _has_instant(column: Column, qual: Qual) -> bool:
    """Whether the host tells what moment the value is, or that it is none."""
    return column.type == "timestamptz" and qual.instant is not NOT_TOLD


def read(pg_type: str, value: Any) -> Any:
    """A qual's value as a Python value of the column's type, or ``None`` if in doubt."""
    reader = _READERS.get(pg_type)
    return reader(value) if reader else None


def _slack(values: Iterable[Any]) -> timedelta:
    """How far the instants may be from where :func:`read` puts them, for lack of a zone."""
    return max(map(_doubt, values), default=timedelta(0))


def _doubt(value: Any) -> timedelta:
    if isinstance(value, date):
        return timedelta(0) if getattr(value, "tzinfo", None) else ZONE_SLACK
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    return 2 * abs(_offset(match)) + _SEASONS if match else timedelta(0)


def _offset(match: re.Match[str]) -> timedelta:
    """The zone's offset in a time's text."""
    sign, hours, minutes, seconds = match.groups()[-4:]
    size = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return -size if sign == "-" else size


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, (float, Decimal)) and value % 1 == 0:
        return int(value)
    # Multicorn2 hands over a bigint as text.
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


def _boolean(value: Any) -> bool | None:
    return {True: True, False: False, "t": True, "f": False}.get(value)


def _uuid(value: Any) -> uuid.UUID | None:
    if isinstance(value, uuid.UUID):
        return value
    try:
        return uuid.UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _timestamp(value: Any) -> datetime | None:
    if isinstance(value, date):
        moment = value if isinstance(value, datetime) else datetime.combine(value, time())
        return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    if not match:
        return None
    *date_time, fraction, _, _, _, _ = match.groups()
    year, month, day, hour, minute, second = map(int, date_time)
    microsecond = int((fraction or "").ljust(6, "0"))
    try:
        zone = timezone(_offset(match))
        local = datetime(year, month, day, hour, minute, second, microsecond, zone)
        moment = local.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
    return None if abs(moment - _EPOCH) < _MISREAD_DATES else moment


_READERS = {
    "text": _text,
    "bigint": _integer,
    "integer": _integer,
    "boolean": _boolean,
    "uuid": _uuid,
    "timestamptz": _timestamp,
}
