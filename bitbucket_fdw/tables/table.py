"""What a table declaration is made of. Data only: nothing here makes a request.

A foreign table is a subclass of :class:`Table`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from .columns import Column, without_underscores
from .endpoints import Collection, Item, path_parameters
from .writing import Writes

FAMILIES = {
    "workspace": "the workspace itself: its members, projects and repositories",
    "code": "branches, tags and commits, with comments and build statuses",
    "pull_requests": "pull requests and what belongs to them",
    "issues": "the issue tracker",
    "pipelines": "pipelines, their steps and deployments",
}
"""What tables are about, by the words of Bitbucket's menus."""


@dataclass(frozen=True, slots=True)
class Count:
    """A column of the parent that counts those of its rows below whose ``column`` is ``value``."""

    counted_in: str
    column: str
    value: Any


@dataclass(frozen=True, slots=True)
class Parent:
    """The table whose rows supply path parameters that the query leaves open.

    ``supplies`` maps path parameters to columns of the parent. ``where`` keeps those parents
    only whose boolean column is true (a repository without an issue tracker has no issues).
    ``counts`` are columns that tell beforehand that there is nothing to be asked for.
    """

    table: type[Table]
    supplies: tuple[tuple[str, str], ...]
    where: str | None = None
    counts: tuple[Count, ...] = ()


@dataclass(frozen=True, slots=True)
class Scopes:
    """What a credential needs to read the table: classic scopes, and the names of 2025 on."""

    classic: tuple[str, ...] = ()
    granular: tuple[str, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class Reach:
    """How to tell whether a listing of commits has one that was found by its hash.

    :param refs: template of the listing of all refs.
    :param target: where in a ref the hash of what it reaches stands.
    :param log: template of a listing that takes ``include`` and ``exclude``.
    :param hash: where in an item of that listing its hash stands.
    """

    refs: str
    target: str
    log: str
    hash: str


class Table:
    """Base of all foreign tables. Subclasses are declarations; they are never instantiated.

    ``family`` is one of :data:`FAMILIES`; an import can be kept to some of them.
    ``level`` says in which imported schema the table stands: ``workspace`` or ``repository``.
    ``narrower`` are listings of the rows that have one value of their ``key`` column: of one pull
    request, where ``collection`` has those of all. They are read where a condition gives the value.
    ``primary_key`` is empty where rows have nothing that identifies them; the rows of such a table
    cannot be changed. ``always`` then names a column that every item has, by which it is known to
    be one.
    ``rows`` is the planner's guess of items per collection until a real size was seen.
    ``flat`` is the name under ``names 'flat'``, as for a column.
    ``removed`` tells what happened to an endpoint that Bitbucket has taken away, and
    ``removed_hint`` what to do about its 404.
    ``imported_by`` is the import option that decides whether the table is imported: ``always``,
    ``never``, or ``auto``, which is if there is a place that :meth:`switch` tells of.
    ``feature`` is what a repository has to have turned on: without, the endpoints answer 404 or
    410, and the table has no rows.
    ``reached`` is stated where the listing has only what some ref reaches, and an item's endpoint
    finds others as well.
    ``absent_without`` is a column of the parent: while it is NULL, a 404 of the listing is none.
    ``drafts`` is the boolean column that is true in rows which only their author sees: they are
    left out unless the option of that name asks for them.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    family: ClassVar[str]
    level: ClassVar[str] = "repository"
    scopes: ClassVar[Scopes]
    collection: ClassVar[Collection]
    items: ClassVar[tuple[Item, ...]] = ()
    narrower: ClassVar[tuple[Item, ...]] = ()
    parent: ClassVar[Parent | None] = None
    columns: ClassVar[tuple[Column, ...]]
    primary_key: ClassVar[tuple[str, ...]]
    always: ClassVar[str | None] = None
    rows: ClassVar[int] = 100
    flat: ClassVar[str | None] = None
    removed: ClassVar[str | None] = None
    removed_hint: ClassVar[str | None] = None
    imported_by: ClassVar[str | None] = None
    feature: ClassVar[str | None] = None
    absent_without: ClassVar[str | None] = None
    reached: ClassVar[Reach | None] = None
    drafts: ClassVar[str | None] = None
    writes: ClassVar[Writes] = Writes()
    examples: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def column(cls, name: str) -> Column:
        """The column of that name; :class:`KeyError` if there is none."""
        for column in cls.columns:
            if column.name == name:
                return column
        raise KeyError(name)

    @classmethod
    def flat_name(cls) -> str:
        """The table's name under the import option ``names 'flat'``."""
        return cls.flat or without_underscores(cls.name)

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """The collection's path parameters, from left to right, and those that its query takes."""
        selected = tuple(parameter for _, parameter in cls.collection.selects)
        return (*path_parameters(cls.collection.path), *selected)

    @classmethod
    def key_column(cls) -> Column:
        """The column that tells the items of one listing apart, or that all of them have."""
        if cls.always:
            return cls.column(cls.always)
        columns = [cls.column(name) for name in reversed(cls.primary_key)]
        listed = [column for column in columns if column.path]
        return next(c for c in listed if c.keys[0] != cls.collection.explode)

    @classmethod
    def read_by(cls) -> tuple[str, ...]:
        """The columns by whose values an endpoint of their own can be read, each once."""
        return tuple(dict.fromkeys(item.key for item in (*cls.items, *cls.narrower)))

    @classmethod
    def page(cls) -> Column | None:
        """The column of the address of a row's page, if the table has one."""
        return next((column for column in cls.columns if column.page), None)

    @classmethod
    def switch(cls) -> tuple[type[Table], str] | None:
        """A table above, with its boolean column that is true where this one can have rows."""
        above = cls.parent
        while above is not None and above.where is None:
            above = above.table.parent
        return None if above is None or above.where is None else (above.table, above.where)

    @classmethod
    def column_of(cls, parameter: str) -> Column | None:
        """The column that supplies a path parameter, if one does."""
        return next((c for c in cls.columns if c.param == parameter), None)
