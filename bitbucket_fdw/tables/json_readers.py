"""A value of the API's JSON as a value of a PostgreSQL type.

Each function takes a value of the JSON that is not ``null``, and returns what is handed to the
host. It raises :class:`BadValue` for a value that is not of the type. Times, UUIDs, numbers with a
fraction, durations and JSON are handed over as text, which every host passes to the input function
of the PostgreSQL type.

:mod:`.types` says which function reads which type.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from ..plain_text import whole_characters

_WEB_USER = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?"
    r"\s*([Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
# The forms of a UUID that PostgreSQL accepts, except those with braces.
_UUID = re.compile(r"(?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}")
# The forms that Bitbucket writes. They are a part of the forms above, and what has them needs no
# further check: there is such a day and such an hour, in every year and zone that is matched.
_USUAL_TIME = re.compile(
    r"[12]\d{3}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])"
    r"|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|1\d|2[0-8]))"
    r"T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:0\d|1[0-4]):[0-5]\d)",
    re.ASCII,
)
_USUAL_UUID = re.compile(r"\{?([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\}?")
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")
# This is far within the limits of numeric: 131,072 digits before the point and 16,383 after it.
_DECIMAL = re.compile(r"[+-]?\d{1,1000}(?:\.\d{1,1000})?(?:[Ee][+-]?\d{1,3})?", re.ASCII)
# ISO 8601, in the form with letters. At least one part follows the P.
_DURATION = re.compile(
    r"P(?=.)(?:\d{1,4}Y)?(?:\d{1,5}M)?(?:\d{1,6}W)?(?:\d{1,7}D)?"
    r"(?:T(?=.)(?:\d{1,8}H)?(?:\d{1,9}M)?(?:\d{1,11}(?:\.\d{1,9})?S)?)?",
    re.ASCII,
)
_LONGEST = 9 * 10**12  # seconds of an interval, which counts microseconds in 64 bits


class BadValue(ValueError):
    """A value that is not of its column's type; the message shows the value."""


def instant(text: Any) -> tuple[datetime, str]:
    """A time of the API as a value that can be ordered, with all digits of its fraction.

    As in PostgreSQL, hour 24 is the start of the next day, and second 60 that of the next minute.
    Raises :class:`ValueError` for text that is not a time.
    """
    match = _TIME.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise ValueError(f"{json.dumps(text)[:60]} is no time")
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
    fraction, zone = match[7] or "", match[8] or "Z"
    if hour > 24 or minute > 59 or second > 60 or (hour == 24 and (minute or second)):
        raise ValueError(f'"{text}" is no time')
    offset = timedelta(0)
    if zone not in "Zz":
        digits = zone[1:].replace(":", "")
        offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:4] or 0))
    try:
        start = datetime(year, month, day, tzinfo=timezone.utc)
        passed = timedelta(hours=hour, minutes=minute, seconds=second)
        whole = start + passed - (-offset if zone[0] == "-" else offset)
    except (ValueError, OverflowError):
        raise ValueError(f'"{text}" is no time') from None
    return whole, fraction.ljust(9, "0")


def text(value: Any) -> str:
    """Text as it is; anything else as JSON."""
    if not isinstance(value, str):
        return document(value)
    if value.isascii() and "\x00" not in value:  # most are, and that is quickly seen
        return value
    # PostgreSQL's texts cannot contain the character U+0000.
    return whole_characters(value.replace("\x00", "\ufffd"))


def as_it_is(value: Any) -> Any:
    """The value unchanged, for the host to convert."""
    return value


def _number(lowest: int, highest: int) -> Callable[[Any], int]:
    def number(value: Any) -> int:
        if type(value) is int and lowest <= value <= highest:
            return value
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise BadValue(f"{_shown(value)}, which is no whole number of its range")
        return value

    return number


whole_number = _number(-(2**63), 2**63 - 1)
"""A whole number in the range of bigint, also from text or a float."""

small_number = _number(-(2**31), 2**31 - 1)
"""A whole number in the range of integer, also from text or a float."""


def decimal(value: Any) -> str:
    """A number, also from text, with all the digits that it has in the JSON."""
    written = ""
    if isinstance(value, (int, float, Decimal, str)) and not isinstance(value, bool):
        try:
            written = str(value)
        except ValueError:  # Python refuses to write integers of more than some thousand digits
            written = ""
    if not _DECIMAL.fullmatch(written):
        raise BadValue(f"{_shown(value)}, which is no number")
    return written


def boolean(value: Any) -> bool:
    """True or false, also from text."""
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise BadValue(f"{_shown(value)}, which is not true or false")
    return value


def time(value: Any) -> str:
    """A moment."""
    if isinstance(value, str) and _USUAL_TIME.fullmatch(value):
        return value
    try:
        instant(value)
    except ValueError:
        raise BadValue(f"{_shown(value)}, which is no time") from None
    return loose_time(value)


def loose_time(value: Any) -> str:
    """Text. UTC is added to a time without a zone.

    Some times of the API come without a zone and are in UTC. PostgreSQL would read them in the
    session's time zone.
    """
    written = text(value)
    return written if _ZONE.search(written) else f"{written}+00:00"


def day(value: Any) -> str:
    """A date. Of a time, the date as it is written, without converting its zone."""
    try:
        instant(value)
    except ValueError:
        raise BadValue(f"{_shown(value)}, which is no date") from None
    return str(value)[:10]


def duration(value: Any) -> str:
    """A duration: a number of seconds, which is what the API gives, or text by ISO 8601."""
    if isinstance(value, str) and _DURATION.fullmatch(value):
        return value
    try:
        seconds = Decimal(decimal(value))
    except BadValue:
        seconds = Decimal(_LONGEST)
    if abs(seconds) >= _LONGEST:
        raise BadValue(f"{_shown(value)}, which is no number of seconds")
    return f"{seconds:f} seconds"


def uuid(value: Any) -> str:
    """A UUID, with the braces that the API writes around it or without."""
    usual = _USUAL_UUID.fullmatch(value) if isinstance(value, str) else None
    if usual:
        return usual[1]
    bare = loose_uuid(value)
    if not _UUID.fullmatch(bare):
        raise BadValue(f"{_shown(value)}, which is no UUID")
    return bare


def loose_uuid(value: Any) -> str:
    """Text without the braces around it."""
    return text(value).strip("{}")


def text_list(value: Any) -> list[str | None]:
    """A list of texts. Elements that are not texts are written as JSON."""
    if not isinstance(value, list):
        raise BadValue(f"{_shown(value)}, which is no list")
    return [None if member is None else text(member) for member in value]


def loose_list(value: Any) -> list[str | None] | str:
    """A list of texts, or text."""
    return text_list(value) if isinstance(value, list) else text(value)


def document(value: Any) -> str:
    """Anything, as JSON."""
    written = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in written:
        written = json.dumps(_without_nul(value), ensure_ascii=False)
    return whole_characters(written)


def without_users(value: Any) -> Any:
    """JSON without the user names, and passwords, in the web addresses in it.

    Addresses of other kinds keep theirs: ``git@`` is a part of how one clones by SSH.
    """
    if isinstance(value, str):
        return _WEB_USER.sub(r"\1", value)
    if isinstance(value, list):
        return [without_users(member) for member in value]
    if isinstance(value, dict):
        return {name: without_users(member) for name, member in value.items()}
    return value


def _shown(value: Any) -> str:
    shown = text(value)
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(member) for member in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(member) for name, member in value.items()}
    return value
