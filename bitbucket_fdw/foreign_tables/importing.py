"""From table declarations to foreign tables, for one workspace or one repository."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from .. import options
from ..errors import BitbucketError, OptionError
from ..tables import TABLES, Table
from ..tables.columns import Column
from ..tables.table import FAMILIES

_LONGEST_NAME = 63  # bytes of an identifier (NAMEDATALEN - 1); PostgreSQL cuts longer ones


class SchemaNameError(BitbucketError):
    """The remote schema is neither a workspace nor a repository of one."""

    sqlstate = "HV00Q"  # fdw_schema_not_found


@dataclass(frozen=True, slots=True)
class ForeignColumn:
    """A column to create: its SQL name, the Bitbucket column it shows, whether it can be NULL."""

    name: str
    column: Column
    nullable: bool

    @property
    def options(self) -> dict[str, str]:
        return {} if self.name == self.column.name else {"column_name": self.column.name}


@dataclass(frozen=True, slots=True)
class ForeignTable:
    """A foreign table to create."""

    name: str
    table: type[Table]
    columns: tuple[ForeignColumn, ...]
    options: dict[str, str]


def parse_schema(schema: str) -> tuple[str, str | None]:
    """Split ``acme`` or ``acme/website`` into workspace and repository.

    Raises :class:`SchemaNameError` for anything else.
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
    return workspace, repository or None


def foreign_tables(
    workspace: str,
    repository: str | None,
    *,
    names: str,
    wanted: Callable[[str], bool],
    families: Collection[str] = tuple(FAMILIES),
) -> Iterable[ForeignTable]:
    """The tables of a schema.

    The schema of a workspace has every table. Tables below a repository then span all repositories.
    The schema of a repository has only the tables below a repository, bound to that repository.

    :param names: ``snake`` or ``flat``.
    :param wanted: whether a table is to be imported, by its SQL name.
    :param families: the families whose tables are to be imported.
    """
    flat = names == "flat"
    for name, table in _offered(repository, names).items():
        if table.family not in families or not wanted(name):
            continue
        options = {"table": table.name, "workspace": workspace}
        if repository is not None:
            options["repository"] = repository
        filled = table.never_null()
        columns = tuple(
            ForeignColumn(
                column.flat_name if flat else column.name, column, nullable=column not in filled
            )
            for column in table.columns
        )
        yield ForeignTable(name, table, columns, options)


def _offered(repository: str | None, names: str) -> dict[str, type[Table]]:
    """The tables that a schema can have, by their SQL names."""
    return {
        table.flat_name() if names == "flat" else table.name: table
        for table in TABLES
        if repository is None or table.level == "repository"
    }


def unknown_tables(
    listed: Iterable[str], repository: str | None, names: str
) -> dict[str, str | None]:
    """Names in LIMIT TO or EXCEPT that no table of the schema has, each with a suggestion."""
    offered = _offered(repository, names)
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


def deciding_options() -> list[str]:
    """The import options that decide about some tables."""
    return list(dict.fromkeys(table.imported_by for table in TABLES if table.imported_by))


def switches(option: str) -> list[tuple[type[Table], str]]:
    """The places that tell whether the tables that an import option decides about can have rows.

    Each place is a table with the name of its boolean column.
    """
    found = (table.switch() for table in TABLES if table.imported_by == option)
    return list(dict.fromkeys(switch for switch in found if switch is not None))
