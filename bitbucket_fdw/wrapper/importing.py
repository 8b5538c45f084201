"""IMPORT FOREIGN SCHEMA: the foreign tables of a workspace or a repository."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from multicorn import ColumnDefinition, TableDefinition

from .. import options
from ..api import Client
from ..connection import client_of
from ..errors import Forbidden
from ..foreign_tables import importing
from ..postgres import interrupts
from ..reading.execution import Execution
from ..tables import Table
from .backend_state import STATE
from .mapping_user import mapping_user
from .reports import warn


class _Column(ColumnDefinition):  # type: ignore[misc, unused-ignore]
    """A column that can be NOT NULL, for which hosts have no word."""

    def __init__(self, name: str, *, nullable: bool, **definition: Any) -> None:
        super().__init__(name, **definition)
        self._constraint = "" if nullable else " NOT NULL"

    def to_statement(self) -> str:
        return f"{super().to_statement()}{self._constraint}"


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
    place = importing.parse_schema(schema, values["project"])
    _warn_of_unknown_tables(schema, restricts, place, values["names"])
    if place.project is not None and importing.may_look_up(values):
        _check_project(client, place)
    wanted = importing.restriction(restriction_type, restricts)
    left_out = {
        option
        for option in importing.deciding_options(place, values["names"])
        if not _is_wanted(values[option], importing.switches(option), client, place.bound)
    }
    tables = importing.foreign_tables(
        place,
        names=values["names"],
        families=families,
        wanted=lambda name: (
            wanted(name) and not any(importing.is_decided_by(option, name) for option in left_out)
        ),
    )
    return [
        TableDefinition(
            table.name,
            columns=[
                _Column(c.name, type_name=c.column.type, options=c.options, nullable=c.nullable)
                for c in table.columns
            ],
            options=table.options,
        )
        for table in tables
    ]


def _check_project(client: Client, place: importing.Place) -> None:
    """Raise :class:`SchemaNameError` if there is no such project; makes one request.

    A credential that may not see projects is no obstacle.
    """
    scan, observed = client.scan(interrupts.pending, about="import"), STATE.observations.of(client)
    try:
        found = list(Execution(client, scan, observed).rows(importing.project_plan(place)))
    except Forbidden:
        return
    if not found:
        raise importing.no_project(place)


def _is_wanted(
    chosen: str,
    switches: Iterable[tuple[type[Table], str]],
    client: Client,
    place: Mapping[str, str],
) -> bool:
    """Whether to import tables, by what their option says; for ``auto``, Bitbucket is asked."""
    if chosen != "auto":
        return chosen == "always"
    scan, observed = client.scan(interrupts.pending, about="import"), STATE.observations.of(client)
    execution = Execution(client, scan, observed, may_stop=True)
    return any(execution.any_is_true(table, column, place) for table, column in switches)


def _warn_of_unknown_tables(
    schema: str, listed: list[str], place: importing.Place, names: str
) -> None:
    """No error: LIMIT TO and EXCEPT may name what is not there, as with any wrapper."""
    for name, meant in importing.unknown_tables(listed, place, names).items():
        warn(
            f'schema "{schema}" has no table "{name}"',
            hint=f'Perhaps you meant "{meant}".' if meant else "See bitbucket.tables.",
        )
