"""What tests over all tables take from the declarations, so that a new table is tested as well."""

from __future__ import annotations

import re

from bitbucket_fdw.tables import TABLES, Table
from bitbucket_fdw.tables.columns import Column
from bitbucket_fdw.tables.endpoints import SLUGS

Join = tuple[str, str, tuple[tuple[str, str], ...]]
"""Two tables, and the columns by which they are joined."""

KEYED = [table for table in TABLES if table.primary_key]
"""Tables whose rows have something that identifies them."""


def required(table: type[Table]) -> list[Column]:
    """The columns without a condition on which a table is not read."""
    return [column for column in table.columns if column.required]


def identity(table: type[Table]) -> tuple[str, ...]:
    """Columns that tell rows apart as well as can be: the key, or all that can be ordered by."""
    ordered = tuple(column.name for column in table.columns if column.type != "jsonb")
    return table.primary_key or ordered


def looked_up_in(table: type[Table]) -> str:
    """The table that reads its items at the addresses by which another one is looked up."""

    def shape(path: str) -> str:
        return re.sub(r"\{\w+\}", "{}", path)

    return next(
        other.name
        for other in TABLES
        for item in other.items
        if shape(item.path) == shape(table.collection.path)
    )


def is_deep(table: type[Table]) -> bool:
    """Whether a repository has many listings of the table: one for each row of its parent."""
    return table.parent is not None and table.parent.table.level == "repository"


def parents_columns(table: type[Table]) -> list[tuple[str, Column]]:
    """The parent's columns that the table has as well, each beside the table's own."""
    assert table.parent is not None
    supplied = ((supplier, table.column_of(p)) for p, supplier in table.parent.supplies)
    return [(supplier, column) for supplier, column in supplied if column is not None]


def joins_to_parents(*, wide: bool) -> list[Join]:
    """Each table with the one whose rows lead to it.

    :param wide: in the schema of a workspace, by the whole place, without the deep tables whose
        join would take hundreds of requests; or else in the schema of a repository.
    """
    found = []
    for table in TABLES:
        if table.parent is None or is_deep(table) is wide:
            continue
        pairs = [
            (supplier, column.name)
            for supplier, column in parents_columns(table)
            if wide or column.param not in SLUGS
        ]
        found.append((table.parent.table.name, table.name, tuple(pairs)))
    return found


def joins_by_values(values: dict[tuple[str, str], list[str]], *, wide: bool) -> list[Join]:
    """Tables of which a column of one has values that are keys of the other.

    :param values: texts of a column's values, by names of table and column.
    """
    known = [t for t in TABLES if not is_deep(t)] if wide else _of_repository()
    found = []
    for table in known:
        for other in known:
            places = [(p, p) for p in SLUGS if wide and _has(table, p) and _has(other, p)]
            for key in map(other.column, other.read_by()):
                keys = set(values[other.name, key.name])
                found += [
                    (table.name, other.name, (*places, (column.name, key.name)))
                    for column in table.columns
                    if column.type == key.type and column.name not in SLUGS
                    if (table, column) != (other, key)
                    if keys.intersection(values[table.name, column.name])
                ]
    return found


def _of_repository() -> list[type[Table]]:
    return [table for table in TABLES if table.level == "repository"]


def _has(table: type[Table], name: str) -> bool:
    return any(column.name == name for column in table.columns)


def listed_in(table: type[Table]) -> str:
    """The table whose items hold the rows of one that is a list within each of them."""
    return next(
        other.name
        for other in TABLES
        if other.collection.path == table.collection.path and other.collection.explode is None
    )
