"""A column of a foreign table: its type, its place in the JSON, and what Bitbucket can do with it.

Every ability (filter, sort, query parameter, part of a path) is off unless it is stated.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from .types import TYPES, DataType


@dataclass(frozen=True, slots=True)
class Filter:
    """How a column may appear in the query language ``q``.

    ``field`` is BBQL's dotted path. ``values`` lists all values of a closed set, which makes
    equality exact whatever Bitbucket's rules for letter case are. ``absent`` is the BBQL test
    that holds at least whenever the column is NULL, where one is known.
    """

    field: str
    values: tuple[str, ...] = ()
    absent: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a foreign table.

    :param name: SQL name: the JSON path's words joined by underscores.
    :param type: PostgreSQL type name, one of those in ``types.TYPES``.
    :param path: dotted path in the item's JSON; ``None`` if the value only stands in the URL.
    :param description: becomes the column's comment and its line in the documentation.
    :param param: the path parameter this column supplies.
    :param filter: how ``q`` can test it.
    :param query: the query parameter that selects rows by equality, for endpoints without ``q``.
    :param query_values: all values of that parameter, where they are a closed set.
    :param sort: the ``sort`` field; only stated for columns that are never NULL and whose order
        is the same in PostgreSQL and at Bitbucket (numbers and times).
    :param pattern: what every value matches in full; other values cannot exist.
    :param sample: some value that matches ``pattern``, for plans that have none yet.
    :param longest: the most bytes that a value takes in an address, percent-encoded. Slugs have at
        most 62 characters, UUIDs 38, hashes 40.
    :param page: whether it is the address of the row's page, which no two rows of any workspace or
        repository share.
    :param listed: whether the collection's items have it, or just the item read alone.
    :param flat: its name under ``names 'flat'``, where CData's driver has another than the column's
        own name without underscores.
    :param present: the value is whether there is something at ``path``.
    :param asked: listings leave it out unless ``fields`` names it.
    :param within: the path of a text whose last part, after a slash, is the value as well.
    :param others: paths at which the value stands where there is none at ``path``; the first that
        has one counts.
    :param union: the members of which an item has one, which says what kind of item it is. The
        value is that member's name, or ``other`` for an item with none of them. Each stands here as
        the path of something small in the member, which is what is asked for; ``path`` is one of
        the members.
    """

    name: str
    type: str
    path: str | None
    description: str
    param: str | None = None
    filter: Filter | None = None
    query: str | None = None
    query_values: tuple[str, ...] = ()
    sort: str | None = None
    pattern: str | None = None
    sample: str | None = None
    longest: int = 80
    page: bool = False
    listed: bool = True
    present: bool = False
    flat: str | None = None
    asked: bool = False
    within: str | None = None
    others: tuple[str, ...] = ()
    union: tuple[str, ...] = ()

    @property
    def data_type(self) -> DataType:
        """What is known of its type."""
        return TYPES[self.type]

    @property
    def keys(self) -> tuple[str, ...]:
        """The JSON path, split."""
        return tuple(self.path.split(".")) if self.path else ()

    @property
    def asked_paths(self) -> tuple[str, ...]:
        """All JSON paths that a request has to bring for the column; none for one of the URL."""
        if self.union:
            return self.union
        return tuple(path for path in (self.path, *self.others, self.within) if path)

    @property
    def flat_name(self) -> str:
        """Its name under the import option ``names 'flat'``."""
        return self.flat or without_underscores(self.name)


def without_underscores(name: str) -> str:
    """A name as CData's driver has it, apart from letter case."""
    return name.replace("_", "")


def column(
    path: str,
    type: str,
    description: str,
    *,
    name: str | None = None,
    q: bool | str = False,
    values: tuple[str, ...] = (),
    absent: str | None = None,
    sort: bool | str = False,
    **rest: Any,
) -> Column:
    """A column of the item's JSON.

    Its name is the path's words joined by underscores, unless ``name`` says otherwise. ``q`` and
    ``sort`` are true where Bitbucket's field is the path, or else name the field; ``values`` and
    ``absent`` are the :class:`Filter`'s. ``rest`` goes to :class:`Column`.
    """
    return Column(
        name or path.replace(".", "_"),
        type,
        path,
        description,
        filter=Filter(path if q is True else q, values, absent) if q else None,
        sort=path if sort is True else sort or None,
        **rest,
    )


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    """The columns' names, in order."""
    return tuple(column.name for column in columns)
