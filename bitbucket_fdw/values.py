"""From the API's JSON to column values.

Times, UUIDs and JSON are handed over as text, which every host turns into the column's type by
PostgreSQL's own input functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from .tables.base import Column
from .wording import whole_characters

_FRACTION = re.compile(r"\.(\d+)")
_ZONE = re.compile(r"(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")


def column_value(item: Any, keys: tuple[str, ...]) -> Any:
    """The member at a path; ``None`` once something on the way is absent or not an object."""
    for key in keys:
        if not isinstance(item, dict):
            return None
        item = item.get(key)
    return item


def extractor(columns: Iterable[Column]) -> Callable[[Any], dict[str, Any]]:
    """A function from an item's JSON to ``{column name: value}`` for these columns."""
    columns = list(columns)
    plan = [
        (column.name, column.keys, _presence if column.present else _CONVERTERS[column.type])
        for column in columns
        if column.path
    ]
    # Columns that are only written have nothing to read.
    blank: dict[str, Any] = {column.name: None for column in columns if not column.path}

    def extract(item: Any) -> dict[str, Any]:
        row = dict(blank)
        for name, keys, convert in plan:
            value = column_value(item, keys)
            row[name] = convert(value) if value is not None or convert is _presence else None
        return row

    return extract


def instant(text: str) -> tuple[datetime, str]:
    """A time of the API as something that orders; all of its fraction digits count."""
    fraction = _FRACTION.search(text)
    whole = _FRACTION.sub("", _timestamp(text)).replace("Z", "+00:00").replace("z", "+00:00")
    return datetime.fromisoformat(whole), (fraction.group(1) if fraction else "").ljust(9, "0")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        return _json(value)
    # PostgreSQL has no character zero.
    return whole_characters(value.replace("\x00", "\ufffd"))


def _presence(value: Any) -> bool:
    return value is not None


def _as_is(value: Any) -> Any:
    return value


def _timestamp(value: Any) -> str:
    # Some times come without a zone; the API's are UTC, the session's may be another.
    text = _text(value)
    return text if _ZONE.search(text) else f"{text}+00:00"


def _uuid(value: Any) -> str:
    return _text(value).strip("{}")


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


_CONVERTERS: dict[str, Callable[[Any], Any]] = {
    "text": _text,
    "bigint": _as_is,
    "integer": _as_is,
    "boolean": _as_is,
    "timestamptz": _timestamp,
    "uuid": _uuid,
    "jsonb": _json,
}
