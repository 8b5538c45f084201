"""The foreign tables, one class each: every class with a name in a module of this folder is one."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator

from .repositories import Repositories
from .table import FAMILIES, Table
from .workspaces import Workspaces


def _declared() -> Iterator[type[Table]]:
    """The classes in this folder that have a name; those without one are what tables share."""
    for found in pkgutil.iter_modules(__path__):
        module = importlib.import_module(f"{__name__}.{found.name}")
        for thing in vars(module).values():
            is_table = (
                isinstance(thing, type) and issubclass(thing, Table) and hasattr(thing, "name")
            )
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


TABLES: tuple[type[Table], ...] = tuple(sorted(_declared(), key=_place))

BY_NAME: dict[str, type[Table]] = {table.name: table for table in TABLES}

PLACES: tuple[type[Table], type[Table]] = (Workspaces, Repositories)
"""The tables whose rows are the workspaces and repositories that options name.

Their order is that of the path parameters in ``SLUGS``.
"""

__all__ = ["BY_NAME", "PLACES", "TABLES", "Table"]
