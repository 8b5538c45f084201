"""From table declarations to foreign tables, for one workspace or one repository."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .. import options
from ..errors import BitbucketError, OptionError
from ..pushdown.conditions import Condition
from ..pushdown.plan import Plan
from ..pushdown.planner import plan
from ..pushdown.request import Request
from ..tables import TABLES, Table
from ..tables.columns import Column
from ..tables.table import FAMILIES

_LONGEST_NAME = 63  # bytes of an identifier (NAMEDATALEN - 1); PostgreSQL cuts longer ones


class SchemaNameError(BitbucketError):
    """The remote schema is neither a workspace nor a repository of one."""

    sqlstate = "HV00Q"  # fdw_schema_not_found


@dataclass(frozen=True, slots=True)
class ForeignColumn:
    """A column to create: its SQL name, the Bitbucket column it shows, whether it can be NULL.

    ``labelled`` is whether results are to give it the name that CData's driver has for it.
    """

    name: str
    column: Column
    nullable: bool
    labelled: bool = False

    @property
    def options(self) -> dict[str, str]:
        shown = {} if self.name == self.column.name else {"column_name": self.column.name}
        return {**shown, "label": self.column.label} if self.labelled else shown


@dataclass(frozen=True, slots=True)
class ForeignTable:
    """A foreign table to create."""

    name: str
    table: type[Table]
    columns: tuple[ForeignColumn, ...]
    options: dict[str, str]


@dataclass(frozen=True, slots=True)
class Place:
    """Where tables are imported from: a workspace, or one repository or project of it."""

    workspace: str
    repository: str | None = None
    project: str | None = None

    @property
    def bound(self) -> dict[str, str]:
        """The path parameters that it fixes."""
        named = {
            "workspace": self.workspace,
            "project": self.project,
            "repository": self.repository,
        }
        return {parameter: value for parameter, value in named.items() if value is not None}

    def has(self, table: type[Table], names: str) -> bool:
        """Whether its schema has the table.

        The schema of a workspace has every table. Tables below a repository then span all
        repositories. But under ``names 'cdata'`` it has, as with that driver, only those that are
        not below a repository. The schema of a repository has the tables below a repository, and
        that of a project the tables below a project.
        """
        if self.project is not None:
            return table.column_of("project") is not None
        if self.repository is not None:
            return table.level == "repository"
        return table.level == "workspace" or names != "cdata"

    def options(self, table: type[Table], names: str) -> dict[str, str]:
        """The options of one of its tables.

        Under ``names 'cdata'``, what is listed without naming a workspace is not bound to one: that
        driver's table ``Workspaces`` has all that the credential can see.
        """
        unbound = names == "cdata" and "workspace" not in table.parameters()
        return {"table": table.name} if unbound else {"table": table.name, **self.bound}


def parse_schema(schema: str, project: str | None = None) -> Place:
    """Split ``acme`` or ``acme/website`` into workspace and repository.

    Raises :class:`SchemaNameError` for anything else, and for a repository beside a project.
    """
    if len(schema.encode()) >= _LONGEST_NAME:
        raise SchemaNameError(
            f'"{schema}" may have been cut short by PostgreSQL',
            hint="Names in IMPORT FOREIGN SCHEMA hold 63 bytes at most: use "
            "bitbucket.import_repository(server, workspace, repository) instead.",
        )
    of_page = options.slugs_of_page(schema)
    if of_page:
        raise SchemaNameError(
            f'"{schema}" is the address of a page, and no remote schema',
            hint=f'IMPORT FOREIGN SCHEMA "{"/".join(of_page)}" imports it.',
        )
    workspace, slash, repository = schema.partition("/")
    valid = workspace and (repository or not slash) and "/" not in repository
    if not valid or {workspace, repository} & {".", ".."}:
        raise SchemaNameError(
            f'"{schema}" is no remote schema',
            hint='Name a workspace, such as "acme", or a repository, such as "acme/website".',
        )
    for slug in filter(None, (workspace, repository)):
        try:
            options.read("workspace", slug)
        except ValueError as error:
            raise SchemaNameError(f'"{schema}" is no remote schema: "{slug}" {error}') from None
    if repository and project is not None:
        raise SchemaNameError(
            f'"{schema}" is a repository, and option "project" names a project',
            hint=f'IMPORT FOREIGN SCHEMA "{workspace}" with this option has its tables.',
        )
    return Place(workspace, repository or None, project)


def may_look_up(values: Mapping[str, Any]) -> bool:
    """Whether an import may ask Bitbucket something, as its options say.

    It may not if those which decide about tables are given: then it makes no request for them.
    """
    deciding = {table.imported_by for table in TABLES if table.imported_by}
    return all(values[option] == "auto" for option in deciding)


def project_plan(place: Place) -> Plan:
    """A plan that reads the one project of a place."""
    table, key = next(
        (table.parent.table, supplier)
        for table in TABLES
        if table.parent is not None
        for parameter, supplier in table.parent.supplies
        if parameter == "project"
    )
    wanted = (Condition(table.column(key), "=", place.project),)
    return plan(Request(table, {"workspace": place.workspace}, wanted, columns=frozenset({key})))


def no_project(place: Place) -> SchemaNameError:
    """The error for a project that is not there."""
    return SchemaNameError(
        f'workspace "{place.workspace}" has no project "{place.project}"',
        hint=f'Check option "project": is "{place.project}" the key, in capitals as the address of '
        "the project's page has it? Projects that the credential may not see are not found either.",
    )


def foreign_tables(
    place: Place,
    *,
    names: str,
    wanted: Callable[[str], bool],
    families: Collection[str] = tuple(FAMILIES),
) -> Iterable[ForeignTable]:
    """The tables of a schema.

    :param names: ``snake``, ``flat`` or ``cdata``.
    :param wanted: whether a table is to be imported, by its SQL name.
    :param families: the families whose tables are to be imported.
    """
    for name, table in _offered(place, names).items():
        if table.family not in families or not wanted(name):
            continue
        filled = table.never_null()
        columns = tuple(
            ForeignColumn(
                column.name if names == "snake" else column.flat_name,
                column,
                nullable=column not in filled,
                labelled=names == "cdata",
            )
            for column in _in_order(table, place, names)
        )
        yield ForeignTable(name, table, columns, place.options(table, names))


def _in_order(table: type[Table], place: Place, names: str) -> list[Column]:
    """The columns of a foreign table.

    Under ``names 'cdata'``, those that are the same in each row come last: CData's driver does not
    have them, and who reads ``SELECT *`` by position begins at the first.
    """
    bound = place.options(table, names)
    return sorted(table.columns, key=lambda column: names == "cdata" and column.param in bound)


def _offered(place: Place, names: str) -> dict[str, type[Table]]:
    """The tables that a schema can have, by their SQL names."""
    return {
        table.name if names == "snake" else table.flat_name(): table
        for table in TABLES
        if place.has(table, names)
    }


def unknown_tables(listed: Iterable[str], place: Place, names: str) -> dict[str, str | None]:
    """Names in LIMIT TO or EXCEPT that no table of the schema has, each with a suggestion."""
    offered = _offered(place, names)
    return {
        name: next(iter(difflib.get_close_matches(name, offered, 1)), None)
        for name in listed
        if name not in offered
    }


def restriction(kind: str | None, names: Iterable[str]) -> Callable[[str], bool]:
    """LIMIT TO or EXCEPT as a function that says whether a table is wanted, by its SQL name."""
    listed = frozenset(names)
    if kind == "limit":
        return listed.__contains__
    if kind == "except":
        return lambda name: name not in listed
    return lambda _: True


def known_families(named: Collection[str] | None) -> Collection[str]:
    """The families that the option ``families`` names, or all if it is not given.

    Raises :class:`OptionError` for an unknown family.
    """
    if named is None:
        return tuple(FAMILIES)
    for family in named:
        if family not in FAMILIES:
            close = difflib.get_close_matches(family, FAMILIES, 1)
            meant = f'Perhaps you meant "{close[0]}". ' if close else ""
            raise OptionError(
                f'option "families" names "{family}", which is no family of tables',
                hint=f"{meant}There are: {', '.join(FAMILIES)}.",
            )
    return named


def is_decided_by(option: str, name: str) -> bool:
    """Whether an import option decides if a table is imported.

    :param name: the table's name, or its flat name.
    """
    tables = (table for table in TABLES if table.imported_by == option)
    return any(name in (table.name, table.flat_name()) for table in tables)


def deciding_options(place: Place, names: str) -> list[str]:
    """The import options that decide about some tables of a schema."""
    tables = _offered(place, names).values()
    return list(dict.fromkeys(table.imported_by for table in tables if table.imported_by))


def switches(option: str) -> list[tuple[type[Table], str]]:
    """The places that tell whether the tables that an import option decides about can have rows.

    Each place is a table with the name of its boolean column.
    """
    found = (table.switch() for table in TABLES if table.imported_by == option)
    return list(dict.fromkeys(switch for switch in found if switch is not None))
