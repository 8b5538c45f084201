"""IMPORT FOREIGN SCHEMA: the foreign tables of a workspace or a repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multicorn import ColumnDefinition, TableDefinition

from .. import options
from ..connection import client_of
from ..foreign_tables import importing
from ..postgres import interrupts
from ..reading.execution import Execution
from .backend_state import STATE
from .mapping_user import mapping_user
from .reports import warn


def import_schema(
    schema: str,
    srv_options: Mapping[str, str],
    import_options: Mapping[str, str],
    restriction_type: str | None,
    restricts: list[str],
) -> list[Any]:
    values = options.parse(import_options, options.IMPORT)
    families = importing.known_families(values["families"])
    server = options.parse(srv_options, options.SERVER, options.MAPPING)
    client = client_of(server, mapping_user(srv_options), STATE.clients)
    workspace, repository = importing.parse_schema(schema)
    _warn_of_unknown_tables(schema, restricts, repository, values["names"])
    wanted = importing.restriction(restriction_type, restricts)
    issues = values["issues"] == "always"
    if values["issues"] == "auto":
        scan, observed = client.scan(interrupts.pending), STATE.observations.of(client)
        issues = Execution(client, scan, observed).has_issues(workspace, repository)
    tables = importing.foreign_tables(
        workspace,
        repository,
        names=values["names"],
        families=families,
        wanted=lambda name: wanted(name) and (issues or not importing.is_issue_table(name)),
    )
    return [
        TableDefinition(
            table.name,
            columns=[
                ColumnDefinition(c.name, type_name=c.column.type, options=c.options)
                for c in table.columns
            ],
            options=table.options,
        )
        for table in tables
    ]


def _warn_of_unknown_tables(
    schema: str, listed: list[str], repository: str | None, names: str
) -> None:
    """No error: LIMIT TO and EXCEPT may name what is not there, as with any wrapper."""
    for name, meant in importing.unknown_tables(listed, repository, names).items():
        warn(
            f'schema "{schema}" has no table "{name}"',
            hint=f'Perhaps you meant "{meant}".' if meant else "See bitbucket.tables.",
        )
