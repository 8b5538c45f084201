"""Values of rows as Python values of their columns' types, to be compared and sent.

Rows that were read have text for many types, and hosts give changed rows in their own way. Both
become the same Python value here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InvalidValue
from ..tables.columns import Column
from ..tables.host_values import shown
from ..tables.table import Table

Row = Mapping[str, Any]


def typed(column: Column, value: Any) -> Any:
    """A value from the host, or of a row that was read, as what is compared and sent.

    :class:`InvalidValue` for one that its column cannot have.
    """
    if value is None:
        return None
    try:
        return column.data_type.value(value)
    except ValueError as error:
        raise InvalidValue(f"{column.name} {error}") from None


def typed_row(table: type[Table], row: Row) -> dict[str, Any]:
    """``typed``, of a row."""
    return {name: typed(table.column(name), value) for name, value in row.items()}


def row_shown(row: Row) -> dict[str, Any]:
    """A typed row as rows are that were read: hosts take UUIDs, JSON and times as text."""
    return {name: shown(value) for name, value in row.items()}
