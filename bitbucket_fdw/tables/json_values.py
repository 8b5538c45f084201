"""From the API's JSON to column values.

Times, UUIDs and JSON are handed over as text, which every host turns into the column's type by
PostgreSQL's own input functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta, timezone
from typing import Any

from ..plain_text import whole_characters
from .columns import Column

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?)?"
    r"\s*([Zz]|[+-]\d\d(?::?\d\d)?)?",
    re.ASCII,
)
# What PostgreSQL takes for a UUID, the braces aside.
_UUID = re.compile(r"(?:[0-9a-fA-F]{4}-?){7}[0-9a-fA-F]{4}")
_WHOLE = re.compile(r"[+-]?\d{1,19}", re.ASCII)
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")


def column_value(item: Any, keys: tuple[str, ...]) -> Any:
    """The member at a path; ``None`` once something on the way is absent or not an object."""
    for key in keys:
        if not isinstance(item, dict):
            return None
        item = item.get(key)
    return item


def has_member(item: Any, keys: tuple[str, ...]) -> bool:
    """Whether there is a member at a path, ``null`` or not; of an absent object: yes.

    Whoever has no author has no author's name either, and that is known.
    """
    *above, last = keys
    holder = column_value(item, tuple(above)) if above else item
    return not isinstance(holder, dict) or last in holder


class BadValue(ValueError):
    """A value that is not of its column's type; the text names the column."""


LEFT_OUT = ""
"""Where a row names the columns whose value was left out, if there are any: no column is called
so."""


def extractor(
    columns: Iterable[Column],
    loose: frozenset[str] = frozenset(),
    keys: frozenset[str] = frozenset(),
) -> Callable[[Any], dict[str, Any]]:
    """A function from an item's JSON to ``{column name: value}`` for these columns.

    It raises :class:`BadValue` for a value that is not of the column's type. A UUID is an
    exception: Bitbucket masks those of some accounts (``{masked}``, seen live), and one account
    must not hide all rows. It is left out, unless the column is one of ``keys``, and named under
    :data:`LEFT_OUT`. Nothing is checked of ``loose`` columns.
    """
    columns = list(columns)
    plan = [(column.name, column.keys, _converter(column, loose)) for column in columns]
    plan = [(name, path, convert) for name, path, convert in plan if path]
    within = {c.name: (c.within,) for c in columns if c.within}
    # Columns that are only written have nothing to read.
    blank: dict[str, Any] = {column.name: None for column in columns if not column.path}

    def extract(item: Any) -> dict[str, Any]:
        row = dict(blank)
        left_out = None
        for name, path, convert in plan:
            value = column_value(item, path)
            if value is None and name in within:
                value = _last_part(column_value(item, within[name]))
            if value is None and convert is not _presence:
                row[name] = None
                continue
            try:
                row[name] = convert(value)
            except BadValue as bad:
                if convert is not _uuid or name in keys:
                    raise BadValue(f"{name} is {bad}") from None
                row[name] = None
                left_out = (*(left_out or ()), name)
        if left_out:
            row[LEFT_OUT] = left_out
        return row

    return extract


def _converter(column: Column, loose: frozenset[str]) -> Callable[[Any], Any]:
    if column.present:
        return _presence
    return (_LOOSE if column.name in loose else _CONVERTERS)[column.type]


def _last_part(text: Any) -> str | None:
    return text.rpartition("/")[2] or None if isinstance(text, str) else None


def instant(text: Any) -> tuple[datetime, str]:
    """A time of the API as something that orders; all of its fraction digits count.

    As in PostgreSQL, hour 24 and second 60 lead on to what follows. Raises :class:`ValueError`
    for what is no time.
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


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return _json(value)
    # PostgreSQL has no character zero.
    return whole_characters(value.replace("\x00", "\ufffd"))


def _presence(value: Any) -> bool:
    return value is not None


def _as_is(value: Any) -> Any:
    return value


def _number(lowest: int, highest: int) -> Callable[[Any], int]:
    def number(value: Any) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, str) and _WHOLE.fullmatch(value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise BadValue(f"{_shown(value)}, which is no whole number of its range")
        return value

    return number


whole_number = _number(-(2**63), 2**63 - 1)
"""A number of PostgreSQL's bigint, also from text or a float; :class:`BadValue` for others."""


def _boolean(value: Any) -> bool:
    if value in ("true", "false"):
        return bool(value == "true")
    if not isinstance(value, bool):
        raise BadValue(f"{_shown(value)}, which is not true or false")
    return value


def _time(value: Any) -> str:
    try:
        instant(value)
    except ValueError:
        raise BadValue(f"{_shown(value)}, which is no time") from None
    return _timestamp(value)


def _timestamp(value: Any) -> str:
    # Some times come without a zone; the API's are UTC, the session's may be another.
    text = _text(value)
    return text if _ZONE.search(text) else f"{text}+00:00"


def _uuid(value: Any) -> str:
    text = _bare(value)
    if not _UUID.fullmatch(text):
        raise BadValue(f"{_shown(value)}, which is no UUID")
    return text


def _bare(value: Any) -> str:
    return _text(value).strip("{}")


def _shown(value: Any) -> str:
    text = _text(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    if "\\u0000" in text:
        text = json.dumps(_without_nul(value), ensure_ascii=False)
    return whole_characters(text)


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\x00", "\ufffd")
    if isinstance(value, list):
        return [_without_nul(member) for member in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(member) for name, member in value.items()}
    return value


_LOOSE: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "bigint": _as_is,
    "integer": _as_is,
    "boolean": _as_is,
    "timestamptz": _timestamp,
    "uuid": _bare,
    "jsonb": _json,
}
_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    **_LOOSE,
    "bigint": whole_number,
    "integer": _number(-(2**31), 2**31 - 1),
    "boolean": _boolean,
    "timestamptz": _time,
    "uuid": _uuid,
}
