"""Values of rows and of the host, typed: as they are compared and sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from ..errors import InvalidValue
from ..tables.columns import Column
from ..tables.json_values import instant
from ..tables.table import Table
from .conditions import read

Row = Mapping[str, Any]


def typed(column: Column, value: Any) -> Any:
    """A value from the host, or of a row that was read, as what is compared and sent."""
    if value is None:
        return None
    if column.type == "jsonb":
        return _document(column, value) if isinstance(value, str) else value
    if column.type == "timestamptz":
        return _time(value)
    if column.type == "text" and isinstance(value, int):
        return str(value)  # the foreign table was made with another type
    if column.type == "boolean" and isinstance(value, str):
        return _BOOLEANS.get(value.lower(), value)
    known = read(column.type, value)
    return value if known is None else known


def typed_row(table: type[Table], row: Row) -> dict[str, Any]:
    """``typed``, of a row."""
    return {name: typed(table.column(name), value) for name, value in row.items()}


_BOOLEANS = {"t": True, "true": True, "f": False, "false": False}


def _time(value: Any) -> Any:
    """A time as the API or the host writes it; text where its form is another."""
    if isinstance(value, date) and getattr(value, "tzinfo", None) is None:
        return str(value)  # of a foreign table made with a type that has no zone
    known = read("timestamptz", value)
    if known is None and isinstance(value, str):
        try:
            return instant(value)[0]
        except ValueError:
            return value
    return known or value


def _document(column: Column, value: str) -> Any:
    try:
        return json.loads(value)
    except ValueError:
        raise InvalidValue(f"{column.name} is no JSON") from None
