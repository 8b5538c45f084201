"""The table declarations as rows, for ``bitbucket.tables`` and ``bitbucket.columns``.

Pure: no request is made. Whether a condition reaches Bitbucket is computed by the planner's own
rules, so that these rows cannot claim more than a query does.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ..errors import OptionError
from ..foreign_tables.binding import check_table
from ..options import UNSEEN
from ..pushdown.conditions import Condition
from ..pushdown.shippable import ship
from ..sign_in.schemes import check_options
from ..tables import TABLES, Table
from ..tables.columns import Column
from ..tables.endpoints import path_parameters
from ..writing.requests import verbs, writable

Row = Mapping[str, Any]

OPTION_CHECKS = "option_checks"

# The planner's spelling of each operator, and SQL's.
_OPERATORS = {
    "=": "=",
    "in": "IN",
    "<>": "<>",
    "<": "<",
    "<=": "<=",
    ">": ">",
    ">=": ">=",
    "~~": "LIKE",
    "~~*": "ILIKE",
    "is null": "IS NULL",
    "is not null": "IS NOT NULL",
}

_PATTERNS = ("~~", "~~*")


def rows(table: str) -> tuple[Row, ...]:
    """The rows of the catalog table ``tables`` or ``columns``; :class:`OptionError` for others."""
    if table not in _CATALOG:
        raise OptionError(
            f'there is no catalog table "{table}"', hint=f"There are: {', '.join(_CATALOG)}."
        )
    return _collected(table)


def table_rows() -> Iterator[Row]:
    """One row per foreign table: what it shows, its endpoints, and what is sent to Bitbucket."""
    for table in TABLES:
        yield {
            "name": table.name,
            "flat_name": table.flat_name(),
            "level": table.level,
            "family": table.family,
            "description": table.description,
            "endpoint": f"GET {table.collection.address}",
            "item_endpoints": list(dict.fromkeys(f"GET {item.path}" for item in table.items)),
            "classic_scopes": list(table.scopes.classic),
            "granular_scopes": list(table.scopes.granular),
            "primary_key": list(table.primary_key),
            "filter_columns": [c.name for c in table.columns if operators(table, c)],
            "sort_columns": [c.name for c in table.columns if c.sort],
            "item_keys": [item.key for item in table.items],
            "writes": list(verbs(table)),
            "needs_issue_tracker": table.switch() is not None,
            "removed": table.removed,
            "label": table.label(),
            "below_project": table.column_of("project") is not None,
        }


def column_rows() -> Iterator[Row]:
    """One row per column of each foreign table."""
    for table in TABLES:
        filled = table.never_null()
        above = referenced(table)
        writing = {verb: writable(table, verb) for verb in verbs(table) if verb != "DELETE"}
        for position, column in enumerate(table.columns, 1):
            yield {
                "table_name": table.name,
                "position": position,
                "name": column.name,
                "flat_name": column.flat_name,
                "type": column.type,
                "description": column.description,
                "operators": operators(table, column),
                "sortable": column.sort is not None,
                "request_per_row": not column.listed,
                "required": column.required,
                "nullable": column not in filled,
                "writes": [verb for verb, columns in writing.items() if column.name in columns],
                "label": column.label,
                "referenced_table": above.get(column.name, (None, None))[0],
                "referenced_column": above.get(column.name, (None, None))[1],
            }


def referenced(table: type[Table]) -> Mapping[str, tuple[str, str]]:
    """The columns that name the row above: each with the table and the column of that row.

    A column that a table further above has as well refers to the same as there: the repository of
    a pull request's comment is that of the pull request, and both refer to ``repositories``.
    """
    if table.parent is None:
        return {}
    parent = table.parent.table
    further, found = referenced(parent), {}
    for parameter, supplier in table.parent.supplies:
        column = table.column_of(parameter)
        if column is not None:
            found[column.name] = further.get(supplier, (parent.name, supplier))
    return found


def operators(table: type[Table], column: Column) -> list[str]:
    """The operators whose conditions on ``column`` make Bitbucket send fewer rows."""
    reaching = {op for op in _OPERATORS if table.collection.q and _ships(column, op)}
    in_path = column.param is not None and column.param in path_parameters(table.collection.path)
    if in_path or column.name in table.read_by():
        reaching |= {"=", "in"}
    if column.query is not None:
        reaching |= {"=", "in"}
    return [spelled for op, spelled in _OPERATORS.items() if op in reaching]


def _ships(column: Column, op: str) -> bool:
    sample = column.filter.values[0] if column.filter and column.filter.values else None
    value = column.data_type.sample if sample is None else sample
    if value is None:
        return False
    if op == "in":
        value = (value,)
    elif op in _PATTERNS:
        if not column.data_type.patterns:
            return False
        value = f"%{value}%"
    return ship(Condition(column, op, value)) is not None


def option_faults(level: str | None, given: str | None) -> Iterator[Row]:
    """Check the options of one object: one row that says what is wrong, or no row.

    This belongs to the catalog because it needs no request and no user mapping.

    :param level: what the options belong to, such as ``server``; as in ``options.LEVELS``.
    :param given: the options as a JSON object, as text. A null in it stands for a value that must
        not be looked at, such as a secret.
    """
    if level is None or given is None:
        return
    try:
        values = json.loads(given)
        check_options({k: UNSEEN if v is None else v for k, v in values.items()}, level)
        if level == "table" and values.get("table") is not None:
            check_table(values["table"])
    except OptionError as error:
        yield {
            "level": level,
            "options": given,
            "message": error.message,
            "hint": error.hint,
        }


_CATALOG: dict[str, Callable[[], Iterator[Row]]] = {
    "tables": table_rows,
    "columns": column_rows,
    OPTION_CHECKS: lambda: iter(()),  # has rows only for given options: see option_faults
}
NAMES = tuple(_CATALOG)


@functools.cache
def _collected(table: str) -> tuple[Row, ...]:
    return tuple(_CATALOG[table]())
