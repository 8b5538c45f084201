"""A foreign table as it was created: its entity, its bound slugs, its columns' names and types."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from .. import options, tables
from ..errors import DeclarationError, InvalidValue, OptionError
from ..pushdown.conditions import Qual, conditions_of, without_implied
from ..pushdown.plan import Sort
from ..pushdown.planner import sort_column
from ..pushdown.request import NONE_REFUSED, Refusals, Request
from ..tables import Table
from ..tables.columns import Column, names
from ..tables.endpoints import GUARDED, SLUGS


@dataclass(frozen=True)
class TableBinding:
    """What a foreign table's definition says.

    :param bound: path parameters fixed by table options.
    :param shown: SQL column name to declared column.
    :param pushable: the same, only for columns whose conditions may be sent to Bitbucket.
    :param hidden: a column with a value; rows that have it do not belong to the table.
    """

    table: type[Table]
    bound: dict[str, str]
    shown: dict[str, Column]
    pushable: dict[str, Column]
    _renamed: dict[str, list[str]] = field(default_factory=dict)
    hidden: tuple[str, Any] | None = None

    @classmethod
    def of(
        cls, values: Mapping[str, Any], columns: Mapping[str, tuple[Mapping[str, str], str]]
    ) -> TableBinding:
        """From parsed options and ``{column name: (its options, its type's name)}``.

        Raises :class:`OptionError` for a missing or unknown table, :class:`DeclarationError` for a
        column that the table does not have.
        """
        table = _table(values.get("table"))
        shown, pushable = {}, {}
        for name, (column_options, type_name) in columns.items():
            options.validate(column_options, "column")
            try:
                column = _column(table, column_options.get("column_name", name))
            except DeclarationError as error:
                error.hint = f"{error.hint} {_import_again(name, values)}"
                if "column_name" not in column_options:
                    error.hint = f"{error.hint} {_renamed(name, table, columns)}"
                raise
            shown[name] = column
            if type_name.split("(")[0].strip() in column.data_type.same_meaning:
                pushable[name] = column
        bound = {p: values[p] for p in GUARDED if values.get(p) is not None}
        _check_project(table, bound)
        renamed: dict[str, list[str]] = {}
        for name, column in shown.items():
            renamed.setdefault(column.name, []).append(name)
        hidden = (table.drafts, True) if table.drafts and not values.get("drafts") else None
        return cls(table, bound, shown, pushable, renamed, hidden)

    def request(
        self,
        quals: Sequence[Qual],
        columns: Iterable[str],
        sort: Sequence[tuple[str, bool]],
        limit: int | None,
        offset: int,
        refused: Refusals = NONE_REFUSED,
        unseen: frozenset[str] = frozenset(),
    ) -> Request:
        """What the host asks for, under the names and types of the table's declaration."""
        columns = [name for name in columns if name in self.shown]
        asked, seen = (
            frozenset(self.shown[name].name for name in names)
            for names in (columns, (name for name in columns if name not in unseen))
        )
        conditions, left = conditions_of(quals, self.pushable)
        return Request(
            self.table,
            self.bound,
            without_implied(conditions, self.table.never_null()),
            tuple(f"{qual.field_name} {operator_name(qual.operator)} …" for qual in left),
            asked,
            self.sort(*sort[0]) if sort else None,
            limit,
            offset,
            refused,
            self._loose,
            hidden=self.hidden,
            unseen=asked - seen,
        )

    def sort(self, name: str, descending: bool, refused: Refusals = NONE_REFUSED) -> Sort | None:
        """The order by one column; ``None`` if Bitbucket cannot keep it exactly, or refused it."""
        column = self.pushable.get(name)
        if column is None or sort_column(self.table, column.name) is None:
            return None
        if (self.table.name, column.name) in refused.sorts:
            return None
        return Sort(column.name, descending)

    @cached_property
    def _loose(self) -> frozenset[str]:
        """The declared columns that the foreign table shows with another type than declared."""
        others = (column for name, column in self.shown.items() if name not in self.pushable)
        return frozenset(column.name for column in others)

    @cached_property
    def _plain(self) -> bool:
        """Whether every declared column is shown under its own name, as an import does it."""
        return all(self._renamed.get(column.name) == [column.name] for column in self.table.columns)

    def spelled(self, column: str) -> str:
        """The name that a declared column has in the foreign table."""
        return self._renamed[column][0]

    def not_given(self) -> tuple[str, ...]:
        """The columns that lead to the table's listing, as far as no option gives their values."""
        open_columns = (
            self.table.column_of(parameter)
            for parameter in self.table.parameters()
            if parameter not in self.bound
        )
        names = {column.name for column in open_columns if column is not None}
        return tuple(name for name, column in self.pushable.items() if column.name in names)

    def declared(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Values of the foreign table's columns under their declared names.

        Raises :class:`InvalidValue` if two columns show the same declared column and their values
        differ.
        """
        found: dict[str, Any] = {}
        for name, value in values.items():
            column = self.shown[name].name
            if found.setdefault(column, value) != value:
                same = " and ".join(self._renamed[column])
                raise InvalidValue(
                    f"columns {same} are the same one at Bitbucket, and differ",
                    hint="Set all of them to the new value.",
                )
        return found

    def rename(self, row: dict[str, Any]) -> dict[str, Any]:
        """A row under the foreign table's own column names."""
        if self._plain:
            return row
        return {
            name: value for column, value in row.items() for name in self._renamed.get(column, ())
        }


def operator_name(operator: Any) -> str:
    """A condition's operator as SQL writes it."""
    if isinstance(operator, tuple):
        return f"{operator[0]} {'ANY' if operator[1] else 'ALL'}"
    return str(operator)


def check_table(name: str) -> None:
    """Raise :class:`OptionError`, with the likely name, unless there is a table of this name."""
    _table(name)


def _table(name: str | None) -> type[Table]:
    if name is None:
        raise OptionError(
            'option "table" is missing',
            hint="Name the Bitbucket table: CREATE FOREIGN TABLE … OPTIONS (table "
            f"'…'), one of: {', '.join(tables.BY_NAME)}.",
        )
    found = tables.find(name)
    if found is None:
        known = tuple(tables.BY_NAME)
        raise OptionError(
            f'there is no Bitbucket table "{name}"', hint=_suggest(_snake(name), known)
        )
    return found


def _check_project(table: type[Table], bound: Mapping[str, str]) -> None:
    """Raise :class:`OptionError` for a project that the table's rows would not be of."""
    if "project" in bound and table.column_of("project") is None:
        raise OptionError(
            f'option "project" does not apply to {table.name}: its rows do not belong to projects',
            hint="Leave it out, and select by a column, such as project_key of repositories.",
        )


def _snake(name: str) -> str:
    """The name of a table that is given without underscores, or in capitals; else as it is."""
    flat = {table.flat_name(): table.name for table in tables.TABLES}
    flat |= {known.replace("_", ""): known for known in tables.BY_NAME}
    return flat.get(name.replace("_", "").lower(), name)


def _column(table: type[Table], name: str) -> Column:
    try:
        return table.column(name)
    except KeyError:
        raise DeclarationError(
            f'{table.name} has no column "{name}"', hint=_suggest(name, names(table.columns))
        ) from None


def _import_again(name: str, values: Mapping[str, Any]) -> str:
    """What to do about a column of an import by an older version, which had it.

    Bitbucket takes members away, and a declaration then loses its column.
    """
    workspace, repository = (values.get(slug) for slug in SLUGS)
    call = "import_repository" if repository else "import_workspace"
    places = ", ".join(f"'{place}'" for place in (workspace or "…", repository) if place)
    select = "SELECT * FROM"
    return (
        "If an import by an older version has made it, drop it and import again, which adds what "
        f'is new: ALTER FOREIGN TABLE … DROP COLUMN "{name}"; {select} bitbucket.{call}'
        f"('…', {places});"
    )


def _renamed(
    name: str, table: type[Table], columns: Mapping[str, tuple[Mapping[str, str], str]]
) -> str:
    """What to do about a column that ALTER FOREIGN TABLE has renamed.

    An import makes all columns, so that the one that is not there is likely to be the renamed one.
    """
    there = {options.get("column_name", column) for column, (options, _) in columns.items()}
    gone = [column for column in names(table.columns) if column not in there]
    former = gone[0] if len(gone) == 1 else "…"
    return (
        "If it was renamed, tell what it shows: ALTER FOREIGN TABLE … ALTER COLUMN "
        f"\"{name}\" OPTIONS (ADD column_name '{former}')."
    )


def _suggest(name: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(name, known, 1)
    perhaps = f'Perhaps you meant "{close[0]}". ' if close else ""
    return f"{perhaps}It has: {', '.join(known)}." if perhaps == "" else perhaps.strip()
