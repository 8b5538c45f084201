"""The tables as sources of dbt: ``docs/dbt/sources.yml``."""

from __future__ import annotations

import json
from collections.abc import Iterator

from ..tables import TABLES
from ..tables.columns import Column
from ..tables.endpoints import SLUGS
from ..tables.table import Table

WORKSPACE = SLUGS[0]


def sources() -> str:
    """All tables and columns, for the schema of a workspace.

    Texts are quoted as in JSON, which is valid YAML. What dbt asks of a source goes to Bitbucket.
    So the file has tests, and limits of freshness, only for tables that one listing answers.
    """
    lines = [
        "# Written by python -m bitbucket_fdw.reference from bitbucket_fdw/tables.",
        "version: 2",
        "",
        "sources:",
        "  - name: bitbucket",
        "    schema: acme  # the schema of your workspace",
        "    tables:",
    ]
    for table in TABLES:
        lines += _table(table)
    return "\n".join(lines) + "\n"


def _table(table: type[Table]) -> Iterator[str]:
    yield f"      - name: {table.name}"
    yield f"        description: {_quoted(table.description)}"
    changed = table.changed()  # dbt asks for the largest value: a row of each listing
    if changed:
        yield "        config:"
        yield f"          loaded_at_field: {changed.name}"
        if in_one_listing(table):
            yield "          freshness:"
            yield "            warn_after: {count: 30, period: day}"
    yield "        columns:"
    key = unique_column(table)
    for column in table.columns:
        yield f"          - name: {column.name}"
        yield f"            data_type: {column.type}"
        yield f"            description: {_quoted(column.description)}"
        if column == key:
            yield "            data_tests: [unique]"


def in_one_listing(table: type[Table]) -> bool:
    """Whether one listing has all rows that belong to a workspace."""
    return set(table.parameters()) <= {WORKSPACE} and not any(
        column.required for column in table.columns
    )


def unique_column(table: type[Table]) -> Column | None:
    """The column that alone identifies a row in the schema of a workspace.

    ``None`` where it takes several columns, or where a test would make more than one listing.
    """
    own = [name for name in table.primary_key if name != WORKSPACE]
    return table.column(own[0]) if len(own) == 1 and in_one_listing(table) else None


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)
