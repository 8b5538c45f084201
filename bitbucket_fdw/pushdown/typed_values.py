"""Values of rows as Python values of their columns' types, to be compared and sent.

Rows that were read have text for many types, and hosts hand over changed rows in other forms. This
module makes the same Python value from both.
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
    """The typed value of one from the host, or of a row that was read.

    Raises :class:`InvalidValue` for a value that its column cannot have.
    """
    if value is None:
        return None
    try:
        return column.data_type.value(value)
    except ValueError as error:
        raise InvalidValue(f"{column.name} {error}") from None


def typed_row(table: type[Table], row: Row) -> dict[str, Any]:
    """A row with all of its values typed."""
    return {name: typed(table.column(name), value) for name, value in row.items()}


def row_shown(row: Row) -> dict[str, Any]:
    """A typed row in the form of rows that were read: UUIDs, JSON and times are text for hosts."""
    return {name: shown(value) for name, value in row.items()}
