"""Reads the values that hosts hand over, in conditions and in rows to write, as Python values.

Hosts hand over numbers, dates and texts as Python's own; booleans as ``'t'`` or ``'f'``; a numeric
as a float; a UUID, a time with a zone and an interval as text, the latter two in the session's
DateStyle, TimeZone and IntervalStyle; an array as a list.

There are two kinds of functions, because a doubtful value means different things:

- ``…_condition`` reads the value of a condition. It returns ``None`` if there is any doubt, and
  then PostgreSQL alone checks the condition.
- ``…_value`` reads a value to compare or to send. A value that it cannot read is returned
  unchanged.

:mod:`.types` says which function reads which type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from .json_readers import instant

_INTEGER = re.compile(r"-?\d{1,19}", re.ASCII)

# PostgreSQL compares a date or a timestamp with a timestamptz in the session's TimeZone, which is
# not known here. It accepts zones of up to 167 hours. The extra second is for the fraction of a
# second that Multicorn2 drops.
ZONE_SLACK = timedelta(days=7, seconds=1)

# Multicorn2 reads an expression that is not a constant as if it had the column's type. A date then
# looks like a moment within an hour of 2000-01-01, and such moments are not used. A timestamp looks
# as if it was in UTC, which is wrong by the zone's offset, perhaps that of another season.
_MISREAD_DATES = timedelta(hours=1)
_EPOCH = datetime(2000, 1, 1, tzinfo=timezone.utc)  # PostgreSQL's
_SEASONS = timedelta(hours=3)

# ISO output of timestamptz: '2024-01-01 00:00:00.123456+05:30'. Other DateStyles, 'infinity' and
# years beyond 9999 do not match and stay local.
_TIMESTAMP = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[ T](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?"
    r"([+-])(\d\d)(?::?(\d\d))?(?::?(\d\d))?"
)
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# IntervalStyle 'postgres' without months and years, whose length is not certain. What
# json_readers.duration writes matches as well.
_INTERVAL = re.compile(r"(?:(-?\d+) days?)?\s*(?:(-?)(\d+):(\d\d):(\d\d(?:\.\d+)?))?", re.ASCII)
_SECONDS = re.compile(r"(-?\d+(?:\.\d+)?) seconds", re.ASCII)
_BOOLEANS = {"t": True, "true": True, "f": False, "false": False}


def certain(_: Any) -> timedelta:
    """By how much a value that was read may be wrong: not at all, for types with exact values."""
    return timedelta(0)


def text_condition(value: Any) -> str | None:
    """Text as it is."""
    return value if isinstance(value, str) else None


def text_value(value: Any) -> Any:
    """Text. A number becomes text, too: it comes from a foreign table with another column type."""
    return str(value) if isinstance(value, int) else value


def whole_condition(value: Any) -> int | None:
    """A whole number, also from text, because Multicorn2 hands over a bigint as text."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, (float, Decimal)) and value % 1 == 0:
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


def decimal_condition(value: Any) -> Decimal | None:
    """A number that was not rounded. Hosts hand over floats, which are rounded: ``None``."""
    if isinstance(value, float):
        return None
    found = decimal_value(value)
    return found if isinstance(found, Decimal) and found.is_finite() else None


def decimal_value(value: Any) -> Any:
    """A number. Of a float, the digits that Python shows are taken."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str, Decimal)):
        return value
    try:
        found = Decimal(str(value))
    except (InvalidOperation, ValueError):
        return value
    return found if found.is_finite() else value


def boolean_condition(value: Any) -> bool | None:
    """True or false."""
    return {True: True, False: False, "t": True, "f": False}.get(value)


def boolean_value(value: Any) -> Any:
    """True or false, also as the words."""
    if isinstance(value, str):
        return _BOOLEANS.get(value.lower(), value)
    return otherwise_as_it_is(boolean_condition)(value)


def uuid_condition(value: Any) -> UUID | None:
    """A UUID."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def time_condition(value: Any) -> datetime | None:
    """A moment. One without a zone is read as if it was in UTC (see :func:`time_doubt`)."""
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


def time_doubt(value: Any) -> timedelta:
    """By how much the result of :func:`time_condition` may be wrong, for lack of a zone."""
    if isinstance(value, date):
        return timedelta(0) if getattr(value, "tzinfo", None) else ZONE_SLACK
    match = _TIMESTAMP.fullmatch(value) if isinstance(value, str) else None
    return 2 * abs(_offset(match)) + _SEASONS if match else timedelta(0)


def _offset(match: re.Match[str]) -> timedelta:
    """The zone's offset in a time's text."""
    sign, hours, minutes, seconds = match.groups()[-4:]
    size = timedelta(hours=int(hours), minutes=int(minutes or 0), seconds=int(seconds or 0))
    return -size if sign == "-" else size


def time_value(value: Any) -> Any:
    """A time as the API or the host writes it; the text itself if it is in another form."""
    if isinstance(value, date) and getattr(value, "tzinfo", None) is None:
        return str(value)  # from a foreign table whose column type has no time zone
    known = time_condition(value)
    if known is None and isinstance(value, str):
        try:
            return instant(value)[0]
        except ValueError:
            return value
    return known or value


def date_condition(value: Any) -> date | None:
    """A date. ``None`` for a time, because its comparison depends on the session's time zone."""
    if isinstance(value, date):
        return None if isinstance(value, datetime) else value
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def interval_condition(value: Any) -> timedelta | None:
    """An interval in PostgreSQL's default IntervalStyle, without months and years."""
    if isinstance(value, timedelta):
        return value
    if not isinstance(value, str) or not value:
        return None
    try:
        match = _SECONDS.fullmatch(value)
        if match:
            return timedelta(microseconds=round(Decimal(match[1]) * 1_000_000))
        match = _INTERVAL.fullmatch(value)
        if not match:
            return None
        days, sign, hours, minutes, seconds = match.groups()
        micros = round(Decimal(seconds or 0) * 1_000_000)
        clock = timedelta(hours=int(hours or 0), minutes=int(minutes or 0), microseconds=micros)
        return timedelta(days=int(days or 0)) + (-clock if sign else clock)
    except OverflowError:
        return None


def texts_condition(value: Any) -> tuple[str | None, ...] | None:
    """An array of texts in one dimension."""
    if not isinstance(value, (list, tuple)):
        return None
    known = all(member is None or isinstance(member, str) for member in value)
    return tuple(value) if known else None


def document_value(value: Any) -> Any:
    """A JSON document, from its text. Raises :class:`ValueError` for text that is not JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("is no JSON") from None


def otherwise_as_it_is(condition: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Make a ``…_value`` function of a ``…_condition`` function."""

    def value_of(value: Any) -> Any:
        known = condition(value)
        return value if known is None else known

    return value_of


# --- the other way: from typed values to rows and to the bodies of requests ---


def shown(value: Any) -> Any:
    """A value that this module has read, in the form it has in rows from the API."""
    if isinstance(value, (UUID, Decimal)):
        return str(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{_decimal_seconds(value):f} seconds"
    if isinstance(value, tuple):
        return list(value)
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def in_body(value: Any) -> Any:
    """A value that this module has read, in the form it has in the JSON of a request."""
    if isinstance(value, UUID):
        return f"{{{value}}}"
    if isinstance(value, timedelta):
        value = _decimal_seconds(value)
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, date):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


def _decimal_seconds(value: timedelta) -> Decimal:
    return Decimal(value // timedelta(microseconds=1)) / 1_000_000
