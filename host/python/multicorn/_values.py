"""Values and rows in forms that the C code does not read itself; private to the host."""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping, Sequence
from typing import Any

from ._reports import failure

__all__ = ["array_parts", "date_value", "instant", "nested", "plain_row", "text", "timestamp_value"]

# From PostgreSQL's catalog pg_type.
JSON_TYPES = (114, 3802)
INTERVAL_TYPE = 1186

MAX_ARRAY_DIMENSIONS = 6

# Day zero of PostgreSQL's dates and timestamps.
EPOCH = datetime.datetime(2000, 1, 1)


def text(value: Any, type_oid: int) -> str:
    """Write a value as the input function of its column's type reads it."""
    if type_oid in JSON_TYPES:
        # What JSON has no form for (dates, Decimal) becomes its text.
        return json.dumps(value, default=str, ensure_ascii=False)
    if type_oid == INTERVAL_TYPE and isinstance(value, datetime.timedelta):
        # ISO 8601's form means the same whatever IntervalStyle is.
        return f"P{value.days}DT{value.seconds}.{value.microseconds:06}S"
    if isinstance(value, dict):
        return _hstore_text(value)
    if isinstance(value, datetime.date):
        return value.isoformat()
    return str(value)


def _hstore_text(value: Mapping[object, object]) -> str:
    def quote(item: object) -> str:
        return '"' + str(item).replace("\\", "\\\\").replace('"', '\\"') + '"'

    pairs = ((quote(k), "NULL" if v is None else quote(v)) for k, v in value.items())
    return ", ".join(f"{key}=>{item}" for key, item in pairs)


def array_parts(value: Sequence[Any], dimensions: int) -> tuple[list[int], list[Any]]:
    """Return an array's lengths, outermost first, and its elements; no lengths for an empty one.

    Lists that are nested deeper than ``dimensions`` are elements; 0 is as deep as they go.
    """
    lengths: list[int] = []
    first: Any = value
    # The first element, and its first one, and so on, tell the dimensions.
    while isinstance(first, (list, tuple)) and first and not 0 < dimensions <= len(lengths):
        if len(lengths) == MAX_ARRAY_DIMENSIONS:
            raise failure("an array has too many dimensions", "54000")
        lengths.append(len(first))
        first = first[0]
    items = list(value)
    for length in lengths[1:]:
        if not all(isinstance(item, (list, tuple)) and len(item) == length for item in items):
            raise failure("the nested lists of an array must all have the same length", "2202E")
        items = [inner for item in items for inner in item]
    return lengths, items


def nested(items: list[Any], lengths: list[int]) -> list[Any]:
    """Return an array's elements as lists in lists, of these lengths, outermost first."""
    for length in reversed(lengths[1:]):
        items = [items[start : start + length] for start in range(0, len(items), length)]
    return items


def date_value(days: int) -> datetime.date | None:
    """Return PostgreSQL's date; None for infinity and for years that Python has not."""
    try:
        return datetime.date.fromordinal(EPOCH.toordinal() + days)
    except (ValueError, OverflowError):
        return None


def timestamp_value(microseconds: int) -> datetime.datetime | None:
    """Return PostgreSQL's timestamp; None for infinity and for years that Python has not."""
    try:
        return EPOCH + datetime.timedelta(microseconds=microseconds)
    except OverflowError:
        return None


def instant(
    microseconds: int | list[int | None],
) -> datetime.datetime | list[datetime.datetime] | None:
    """Return moments in UTC, counted from 2000; None if one is infinite or not in Python's years.

    An infinite one comes as None.
    """
    if not isinstance(microseconds, list):
        moment = timestamp_value(microseconds)
        return None if moment is None else moment.replace(tzinfo=datetime.timezone.utc)
    moments = [None if one is None else instant(one) for one in microseconds]
    return [one for one in moments if isinstance(one, datetime.datetime)] if all(moments) else None


def plain_row(
    row: Any, names: list[str], count: int, table: str
) -> dict[str, Any] | tuple[Any, ...]:
    """Return a row that is none of dict, tuple and list as one of these.

    ``names`` are the columns that are wanted, ``count`` how many the table has. Raises
    MulticornException for what is neither a mapping nor a sequence of so many values.
    """
    is_sequence = isinstance(row, (tuple, list))
    if isinstance(row, dict) or (not is_sequence and _has(row, "keys", "__getitem__")):
        return _wanted_items(row, names)
    if isinstance(row, (str, bytes)) or not _has(row, "__len__", "__getitem__"):
        what = type(row).__name__
        raise failure(
            f'a row of foreign table "{table}" must be a mapping or a sequence, not {what}'
        )
    if len(row) < count:
        raise failure(
            f'a row of foreign table "{table}" has {len(row)} values,'
            f" but the table has {count} columns"
        )
    return tuple(row[position] for position in range(count))


def _has(row: object, *methods: str) -> bool:
    return all(hasattr(row, method) for method in methods)


def _wanted_items(row: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    items = {}
    for name in names:
        try:
            items[name] = row[name]
        except KeyError:
            continue
    return items
