"""Statements that every table gets, derived from what its declaration says that it can do."""

from __future__ import annotations

from collections.abc import Iterator

from devkit.cluster import identifier, literal

from bitbucket_fdw.tables import TABLES, Table
from bitbucket_fdw.tables.columns import Column
from tests.sql.comparison import POOL
from tests.sql.statements import PLACES, Statement, Values
from tests.support.declared import identity, is_deep, required

UTC = ("SET TimeZone = 'UTC'",)


def of_all_tables(values: Values) -> Iterator[Statement]:
    """Whole tables, counts, keys, filters, and the first rows in an order, table by table."""
    for table in TABLES:
        schema = "acme" if table.level == "workspace" else "website"
        for text, ordered in _of(table, values):
            yield Statement(text, ordered, schema, UTC)
        if table.level == "repository" and not is_deep(table):
            where = _where(required(table), table, values)
            yield Statement(f"SELECT {_keys(table)} FROM {table.name}{where}", False, "acme", UTC)


def _of(table: type[Table], values: Values) -> Iterator[tuple[str, bool]]:
    name = table.name
    given = required(table)
    if is_deep(table) and not given:
        given = [c for c in table.columns if c.param and c.param not in PLACES][:1]
    terms = [_equals(column, values[name, column.name][0]) for column in given]
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    joined = f"{where} AND" if where else " WHERE"
    keys = _keys(table)
    columns = ", ".join(identifier(column.name) for column in table.columns)
    yield f"SELECT {columns} FROM {name}{where}", False
    yield f"SELECT count(*) FROM {name}{where}", False
    for column in [column for column in table.columns if column.sort][-1:]:
        order = f"{identifier(column.name)} DESC NULLS LAST, {keys}"
        yield f"SELECT {keys} FROM {name}{where} ORDER BY {order} LIMIT 3", True
    # The column whose values repeat most: some rows have one of them, and some have not.
    able = [column for column in table.columns if column.filter or column.query]
    for column in sorted(able, key=lambda column: len(values[name, column.name]) or POOL)[:1]:
        condition = _equals(column, values[name, column.name][0])
        yield f"SELECT {keys} FROM {name}{joined} {condition}", False
        yield f"SELECT count(*) FROM {name}{joined} {condition}", False
    # Lists that take a long address, where they travel.
    for column in sorted(able, key=lambda column: len(values[name, column.name]))[-1:]:
        many = ", ".join(f"{literal(value)}::{column.type}" for value in values[name, column.name])
        if many:
            yield f"SELECT {keys} FROM {name}{joined} {identifier(column.name)} IN ({many})", False
    for item in table.items[:1]:
        known = values[name, item.key]
        if known:
            condition = _equals(table.column(item.key), known[0])
            yield f"SELECT {columns} FROM {name}{joined} {condition}", False


def _where(columns: list[Column], table: type[Table], values: Values) -> str:
    """A WHERE clause that gives columns a value each; nothing without columns."""
    terms = [_equals(column, values[table.name, column.name][0]) for column in columns]
    return f" WHERE {' AND '.join(terms)}" if terms else ""


def _keys(table: type[Table]) -> str:
    return ", ".join(map(identifier, identity(table)))


def _equals(column: Column, value: str) -> str:
    return f"{identifier(column.name)} = {literal(value)}::{column.type}"
