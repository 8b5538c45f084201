"""What the bundled host's C code leaves to Python: checking what a wrapper returns.

Private to the host; Multicorn2 has no such module.
"""

from __future__ import annotations

import json
import traceback
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from . import ColumnDefinition, Qual, SortKey, get_class
from .utils import CRITICAL, ERROR, REPORT_CODES, MulticornException

__all__ = [
    "MulticornException",
    "Qual",
    "SortKey",
    "get_class",
    "hstore_text",
    "json_text",
    "lookup_keys",
    "make_instance",
    "rel_size",
    "report",
    "rowid_column",
    "sort_order",
]

SQLSTATE_CHARACTERS = frozenset("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
# Successful completion, warning, no data: these are no errors.
CLASSES_OF_SUCCESS = ("00", "01", "02")


def _fail(message: str) -> MulticornException:
    return MulticornException(message, REPORT_CODES[ERROR], None, None)


def _text(value: object) -> str:
    try:
        return str(value)
    except Exception:
        return "(not printable)"


def report(exc: BaseException) -> tuple[bool, str | None, str, str | None, str | None, str | None]:
    """Say how an exception is reported: fatal, SQLSTATE, message, detail, hint, detail for the log.

    None is for what is not reported, or for the SQLSTATE of any FDW error.
    """
    sqlstate: object = getattr(exc, "sqlstate", None)
    if not (
        isinstance(sqlstate, str)
        and len(sqlstate) == 5
        and SQLSTATE_CHARACTERS.issuperset(sqlstate)
        and not sqlstate.startswith(CLASSES_OF_SUCCESS)
    ):
        sqlstate = None
    # The mark of Multicorn2's own class; also of a subclass, or of a copy, of it.
    if getattr(exc, "_is_multicorn_exception", False):
        fatal = getattr(exc, "code", None) == REPORT_CODES[CRITICAL]
        message = getattr(exc, "message", exc)
        detail, hint = (
            None if value is None else _text(value)
            for value in (getattr(exc, "detail", None), getattr(exc, "hint", None))
        )
        return fatal, sqlstate, _text(message), detail, hint, None
    name = type(exc).__name__
    log = "".join(traceback.format_exception(exc))
    return False, sqlstate, f"Error in python: {name}", _text(exc) or None, None, log


def make_instance(
    wrapper: str, options: dict[str, str], columns: list[tuple[str, int, int, str, str, Any]]
) -> Any:
    """Instantiate a wrapper class; ``columns`` are the arguments of their ColumnDefinitions."""
    definitions = OrderedDict((column[0], ColumnDefinition(*column)) for column in columns)
    return get_class(wrapper)(options, definitions)


def rel_size(instance: Any, quals: list[Qual], columns: set[str]) -> tuple[float, float, float]:
    """Return the wrapper's estimates: rows, width of a row in bytes, startup cost."""
    size = instance.get_rel_size(quals, columns)
    try:
        rows, width = size
    except (TypeError, ValueError):
        message = "get_rel_size must return a tuple of two numbers, rows and width"
        raise _fail(message) from None
    return float(rows), float(width), float(instance._startup_cost)


def lookup_keys(instance: Any, attnums: dict[str, int]) -> list[tuple[list[int], float]]:
    """Return the wrapper's path keys as attribute numbers and rows, those of known columns."""
    return [
        ([attnums[column] for column in columns], float(rows))
        for columns, rows in instance.get_path_keys()
        if columns and all(column in attnums for column in columns)
    ]


def sort_order(instance: Any, wanted: list[SortKey]) -> list[int]:
    """Return which of the wanted sort keys, by index, the wrapper sorts by, in its order."""
    index = {key.attnum: i for i, key in enumerate(wanted)}
    return [index[key.attnum] for key in instance.can_sort(wanted) or () if key.attnum in index]


def rowid_column(instance: Any) -> str:
    """Return the name of the wrapper's rowid column."""
    name = instance.rowid_column
    if name is None:
        raise _fail("This FDW does not support the writable API")
    return str(name)


def json_text(value: object) -> str:
    """Write JSON; what that has no form for (dates, Decimal) becomes its text."""
    return json.dumps(value, default=str, ensure_ascii=False)


def hstore_text(value: Mapping[object, object]) -> str:
    """Write a mapping as hstore's input function reads it."""

    def quote(item: object) -> str:
        return '"' + str(item).replace("\\", "\\\\").replace('"', '\\"') + '"'

    pairs = ((quote(k), "NULL" if v is None else quote(v)) for k, v in value.items())
    return ", ".join(f"{key}=>{item}" for key, item in pairs)
