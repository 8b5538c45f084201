"""The foreign tables, one class each: every class with a name in a module of this folder is one.

A session that reads one table loads the module of that table, and those that it builds on. All are
loaded when ``TABLES`` or ``BY_NAME`` is first asked for.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import pkgutil
import re
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from .repositories import Repositories
from .table import FAMILIES, Table
from .workspaces import Workspaces


def _declared() -> Iterator[type[Table]]:
    """The classes in this folder that have a name; those without one are what tables share."""
    for found in pkgutil.iter_modules(__path__):
        yield from _declared_in(importlib.import_module(f"{__name__}.{found.name}"))


def _declared_in(module: ModuleType) -> Iterator[type[Table]]:
    for thing in vars(module).values():
        is_table = isinstance(thing, type) and issubclass(thing, Table) and hasattr(thing, "name")
        if is_table and thing.__module__ == module.__name__:
            yield thing


def _place(table: type[Table]) -> tuple[int, int, str]:
    """Where a table stands in lists: by family, then below the table that leads to it."""
    above = 0
    parent = table.parent
    while parent is not None:
        above += 1
        parent = parent.table.parent
    return list(FAMILIES).index(table.family), above, table.name


TABLES: tuple[type[Table], ...]
"""All tables, in the order of lists."""

BY_NAME: dict[str, type[Table]]


@functools.cache
def _all() -> dict[str, type[Table]]:
    return {table.name: table for table in sorted(_declared(), key=_place)}


def __getattr__(name: str) -> Any:
    if name == "TABLES":
        return tuple(_all().values())
    if name == "BY_NAME":
        return _all()
    raise AttributeError(f"module {__name__} has no {name}")


def find(name: str) -> type[Table] | None:
    """The table of that name; ``None`` if there is none.

    Most are in a module that is called like them, so that no other one has to be loaded.
    """
    if re.fullmatch("[a-z_]+", name):
        with contextlib.suppress(ModuleNotFoundError):
            for table in _declared_in(importlib.import_module(f"{__name__}.{name}")):
                if table.name == name:
                    return table
    return _all().get(name)


PLACES: tuple[type[Table], type[Table]] = (Workspaces, Repositories)
"""The tables whose rows are the workspaces and repositories that options name.

Their order is that of the path parameters in ``SLUGS``.
"""

__all__ = ["BY_NAME", "PLACES", "TABLES", "Table", "find"]
