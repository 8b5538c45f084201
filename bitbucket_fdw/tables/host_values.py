"""A value as hosts render it, in a condition or in a row that is written, as a Python value.

Hosts give numbers, dates and texts as Python's own; booleans as ``'t'`` or ``'f'``; a numeric as
a float; a UUID, a time with a zone and an interval as text, the latter two in the session's
DateStyle, TimeZone and IntervalStyle; an array as a list.

A condition is taken at its word: a function ``…_condition`` returns ``None`` for a value that
cannot be read without doubt, and PostgreSQL alone then judges the condition. A value to compare or
to send is read as well as can be: a function ``…_value`` returns what it cannot read as it is.

Which function reads which type stands in :mod:`.types`.
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
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
# IntervalStyle 'postgres' without months and years, whose length is not certain; and what
# json_readers.duration writes.
_INTERVAL = re.compile(r"(?:(-?\d+) days?)?\s*(?:(-?)(\d+):(\d\d):(\d\d(?:\.\d+)?))?", re.ASCII)
_SECONDS = re.compile(r"(-?\d+(?:\.\d+)?) seconds", re.ASCII)
_BOOLEANS = {"t": True, "true": True, "f": False, "false": False}


def certain(_: Any) -> timedelta:
    """How far a value may be from where it was read, for types whose values are exact."""
    return timedelta(0)


def text_condition(value: Any) -> str | None:
    """Text as it is."""
    return value if isinstance(value, str) else None


def text_value(value: Any) -> Any:
    """Text; a number is one where the foreign table was made with another type."""
    return str(value) if isinstance(value, int) else value


def whole_condition(value: Any) -> int | None:
    """A whole number, also as text: Multicorn2 hands over a bigint so."""
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
    """A number as long as nothing of it was rounded: not from a float, as hosts give it."""
    if isinstance(value, float):
        return None
    found = decimal_value(value)
    return found if isinstance(found, Decimal) and found.is_finite() else None


def decimal_value(value: Any) -> Any:
    """A number, from a float with the digits that Python shows of it."""
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
    """A moment; one without a zone is put as if it were UTC's (see :func:`time_doubt`)."""
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
    """How far a moment may be from where :func:`time_condition` puts it, for lack of a zone."""
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
    """A time as the API or the host writes it; text where its form is another."""
    if isinstance(value, date) and getattr(value, "tzinfo", None) is None:
        return str(value)  # of a foreign table made with a type that has no zone
    known = time_condition(value)
    if known is None and isinstance(value, str):
        try:
            return instant(value)[0]
        except ValueError:
            return value
    return known or value


def date_condition(value: Any) -> date | None:
    """A date. A time is none: what it compares as depends on the session's zone."""
    if isinstance(value, date):
        return None if isinstance(value, datetime) else value
    if not isinstance(value, str) or not _DATE.fullmatch(value):
        return None
    try:
        return date.fromisoformat(value)
    except ValueError:
        return None


def interval_condition(value: Any) -> timedelta | None:
    """An interval, in the IntervalStyle that PostgreSQL begins with, without months and years."""
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
    """A JSON document, from its text; :class:`ValueError` for what is none."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        raise ValueError("is no JSON") from None


def otherwise_as_it_is(condition: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A reader of conditions as one of values to compare or send."""

    def value_of(value: Any) -> Any:
        known = condition(value)
        return value if known is None else known

    return value_of


# --- back: typed values as rows and as bodies of requests have them ---


def shown(value: Any) -> Any:
    """A value that was read by this module as rows have it that were read from the API."""
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
    """A value that was read by this module as the JSON of a request has it."""
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
