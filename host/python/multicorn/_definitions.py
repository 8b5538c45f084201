"""Foreign tables and columns as IMPORT FOREIGN SCHEMA is told of them, and their statements."""

from __future__ import annotations

from collections.abc import Mapping


def quote_identifier(value: str) -> str:
    """Quote an SQL identifier."""
    return '"' + value.replace('"', '""') + '"'


def quote_option(value: str) -> str:
    """Quote the value of an option as an SQL string constant."""
    quoted = "'" + value.replace("'", "''") + "'"
    # With standard_conforming_strings off, a plain constant would read a backslash as an escape.
    return "E" + quoted.replace("\\", "\\\\") if "\\" in value else quoted


def _options_clause(options: Mapping[str, str]) -> str:
    pairs = (f"{quote_identifier(k)} {quote_option(v)}" for k, v in sorted(options.items()))
    return f" OPTIONS ({', '.join(pairs)})"


class ColumnDefinition:
    """A column of a foreign table.

    ``type_name`` has the modifier (``character varying(12)``), ``base_type_name`` has not;
    ``type_oid`` and ``typmod`` are the system catalogs' numbers. To import a schema, only the
    name, ``type_name`` and ``options`` are needed.
    """

    def __init__(
        self,
        column_name: str,
        type_oid: int = 0,
        typmod: int = 0,
        type_name: str = "",
        base_type_name: str = "",
        options: dict[str, str] | None = None,
    ) -> None:
        self.column_name = column_name
        self.type_oid = type_oid
        self.typmod = typmod
        self.type_name = type_name
        self.base_type_name = base_type_name
        self.options = options or {}

    def __repr__(self) -> str:
        return f"ColumnDefinition({self.column_name}, {self.type_oid}, {self.type_name})"

    def to_statement(self) -> str:
        """Return the column's part of CREATE FOREIGN TABLE."""
        options = _options_clause(self.options) if self.options else ""
        return f"{quote_identifier(self.column_name)} {self.type_name}{options}"


class TableDefinition:
    """A foreign table for IMPORT FOREIGN SCHEMA to create."""

    def __init__(
        self,
        table_name: str,
        schema: str | None = None,
        columns: list[ColumnDefinition] | None = None,
        options: dict[str, str] | None = None,
    ) -> None:
        self.table_name = table_name
        self.columns = columns or []
        self.options = options or {}

    def to_statement(self, schema_name: str, server_name: str) -> str:
        """Return the CREATE FOREIGN TABLE statement."""
        name = f"{quote_identifier(schema_name)}.{quote_identifier(self.table_name)}"
        columns = ",\n  ".join(column.to_statement() for column in self.columns)
        options = _options_clause(self.options) if self.options else ""
        return (
            f"CREATE FOREIGN TABLE {name} (\n  {columns}\n)"
            f" SERVER {quote_identifier(server_name)}{options}"
        )
