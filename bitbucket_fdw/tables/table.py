"""What a table declaration is made of. Data only: nothing here makes a request.

A foreign table is a subclass of :class:`Table`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from .columns import Column, in_capitals
from .endpoints import Collection, Item, Narrower, Shape, path_parameters
from .types import Comparison
from .writing import Writes

FAMILIES = {
    "workspace": "the workspace itself: its members, projects and repositories",
    "code": "branches, tags and commits, with comments and build statuses",
    "pull_requests": "pull requests and what belongs to them",
    "issues": "the issue tracker",
    "pipelines": "pipelines, their steps and deployments",
    "settings": "how repositories and projects are set up: rules and models for branches",
    "permissions": "who may do what, and by which explicit permission",
    "account": "the account that the credential acts for",
}
"""Groups of tables for imports, named as in Bitbucket's menus."""


class Count(NamedTuple):
    """A column of the parent that counts its rows in the child table with one value of a column.

    :param counted_in: the parent's column.
    :param column: the child's column, and ``value`` the value that it has in the counted rows.
    """

    counted_in: str
    column: str
    value: Any


@dataclass(frozen=True, slots=True)
class Parent:
    """The table whose rows supply path parameters that the query's conditions do not give.

    ``supplies`` maps path parameters to columns of the parent. ``where`` is a boolean column of the
    parent: nothing is asked for parents in which it is false (a repository without an issue tracker
    has no issues). ``counts`` are columns of the parent that count certain rows of the child: if a
    query is about such rows only, nothing is asked for parents that count none.
    """

    table: type[Table]
    supplies: tuple[tuple[str, str], ...]
    where: str | None = None
    counts: tuple[Count, ...] = ()


class Scopes(NamedTuple):
    """What a credential needs to read the table: its classic scopes, and its granular scopes.

    ``access_tokens`` is whether access tokens can read it, if they have the classic scopes.
    """

    classic: tuple[str, ...] = ()
    granular: tuple[str, ...] = ()
    access_tokens: bool = True


class Reach(NamedTuple):
    """How to find out whether the listing of commits has a commit that was found by its hash.

    :param refs: path template of the listing of all refs.
    :param target: path in a ref's JSON to the hash of the commit that it points at.
    :param log: path template of a listing of commits that takes ``include`` and ``exclude``.
    :param hash: path in an item of that listing to its hash.
    """

    refs: str
    target: str
    log: str
    hash: str


class Unlistable(NamedTuple):
    """Refusals of a listing which mean that there is nothing to list, though its parent is there.

    :param statuses: the HTTP statuses of these refusals.
    :param what: what such parents are, in the plural, for a warning.
    """

    statuses: tuple[int, ...]
    what: str


class Table:
    """Base of all foreign tables. Subclasses are declarations; they are never instantiated.

    ``family`` is one of :data:`FAMILIES`. An import can be restricted to some families.
    ``level`` says in which imported schema the table is: ``workspace`` or ``repository``.
    ``narrower`` are listings of the rows with one value of a column, their ``key``. For example,
    where ``collection`` lists the entries of all pull requests, a narrower listing has those of
    one. It is read if a condition gives the value.
    ``primary_key`` is empty if nothing identifies a row. Rows of such a table cannot be changed.
    ``always`` names a column that every item has, so that something else in the place of an item is
    noticed. It is stated where an item need not have the key: there is none, it only stands in the
    address, or it is that of an account which may be gone. Rows without a key cannot be changed.
    ``typed`` is stated where even that column can be lacking, because it is in an object that may
    be null or absent, and every item says its ``type``. An item is then known by its type.
    ``nothing`` is a column with the value that it has in an item which stands for no row. Some
    endpoints answer such an item where others answer 404.
    ``for_whom`` says who can read the table, if it takes more than to see the place.
    ``rows`` is a guess of the items per collection, for estimates until a real size was seen.
    ``cdata`` is the name that CData's driver gives the table, as for a column.
    ``removed`` says what happened to an endpoint that Bitbucket has removed, and ``removed_hint``
    what to do about its 404.
    ``imported_by`` is the import option that decides whether the table is imported. Its values are
    ``always``, ``never``, and ``auto``: if a repository has what :meth:`switch` tells of.
    ``feature`` is what a repository must have turned on. Otherwise the endpoints answer 404 or 410,
    and the table has no rows.
    ``reached`` is stated if the listing has only commits that some ref reaches, although the
    endpoint for a single item finds others as well.
    ``absent_without`` is a column of the parent. While it is NULL, a 404 of the listing means that
    there are no rows, and is not an error.
    ``completed_by`` is an endpoint for the whole of a listed item, where the listing may lack
    members that were asked for. Without it, that is the first of ``items``. (Stated where the whole
    item stands at an address that does not tell which listing it was in, as for the pull requests
    of a commit, so that no condition may be answered by it.)
    ``unlistable`` says which refusals of the listing mean that there is nothing to list. A warning
    names the parents of which that is so.
    ``set_up`` is what somebody has to do once in each repository. Until then the listing answers
    404, which does not mean that there are no rows. (Used by ``commit_pull_requests`` alone: the
    links between commits and pull requests are the one thing that somebody sets up by using it.)
    ``every_parent`` is stated for an object that each parent has. A 404 then does not say that it
    was never made: the parent is not there, or not to be seen.
    ``drafts`` is a boolean column that is true in rows which only their author sees. They are left
    out unless the option of that name asks for them.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    family: ClassVar[str]
    level: ClassVar[str] = "repository"
    scopes: ClassVar[Scopes]
    collection: ClassVar[Collection]
    items: ClassVar[tuple[Item, ...]] = ()
    narrower: ClassVar[tuple[Narrower, ...]] = ()
    parent: ClassVar[Parent | None] = None
    columns: ClassVar[tuple[Column, ...]]
    primary_key: ClassVar[tuple[str, ...]]
    always: ClassVar[str | None] = None
    typed: ClassVar[bool] = False
    nothing: ClassVar[tuple[str, Any] | None] = None
    for_whom: ClassVar[str | None] = None
    rows: ClassVar[float] = 100
    cdata: ClassVar[str | None] = None
    removed: ClassVar[str | None] = None
    removed_hint: ClassVar[str | None] = None
    imported_by: ClassVar[str | None] = None
    feature: ClassVar[str | None] = None
    absent_without: ClassVar[str | None] = None
    completed_by: ClassVar[Item | None] = None
    unlistable: ClassVar[Unlistable | None] = None
    set_up: ClassVar[str | None] = None
    reached: ClassVar[Reach | None] = None
    every_parent: ClassVar[bool] = False
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
    def label(cls) -> str:
        """The table's name as CData's driver writes it, such as ``PullRequests``."""
        return cls.cdata or in_capitals(cls.name)

    @classmethod
    def flat_name(cls) -> str:
        """The table's name under the import options ``names 'flat'`` and ``names 'cdata'``."""
        return cls.label().lower()

    @classmethod
    def parameters(cls) -> tuple[str, ...]:
        """The collection's path parameters, from left to right, and those that its query takes."""
        selected = tuple(parameter for _, parameter in cls.collection.selects)
        return (*path_parameters(cls.collection.path), *selected)

    @classmethod
    def key_column(cls) -> Column:
        """The column that tells the items of one listing apart, or else one that all items have."""
        return cls.column(cls.always) if cls.always else cls._listed_key()[0]

    @classmethod
    def mark_column(cls) -> Column:
        """The column that tells the items of one listing apart, as far as they have it."""
        return next(iter(cls._listed_key()), cls.key_column())

    @classmethod
    def _listed_key(cls) -> list[Column]:
        """The parts of the key that the items of a listing have, the last one first."""
        columns = [cls.column(name) for name in reversed(cls.primary_key)]
        return [c for c in columns if c.path and c.keys[0] != cls.collection.explode]

    @classmethod
    def may_be_none(cls) -> bool:
        """Whether a 404 of the one item can say that it was never made."""
        return cls.collection.shape.is_one and not cls.every_parent

    @classmethod
    def never_null(cls) -> tuple[Column, ...]:
        """The columns that are NULL in no row. They are NOT NULL in imported tables.

        These are the parts of the address that only stand there, and the column that every item is
        checked for, unless it can be lacking. Other columns of a key can be NULL, such as the UUID
        of an account that was deleted.
        """
        told = cls.collection.shape is not Shape.TEXT and not cls.typed
        checked = cls.key_column() if told else None
        return tuple(
            column
            for column in cls.columns
            if column is checked or (column.param and not column.asked_paths)
        )

    @classmethod
    def changed(cls) -> Column | None:
        """The column that tells when a row last changed, if Bitbucket can sort by it.

        Where that is not known, it is when the row was made. Declarations list that column before
        the other one.
        """
        times = [c for c in cls.columns if c.sort and c.data_type.comparison is Comparison.TIME]
        return times[-1] if times else None

    @classmethod
    def read_by(cls) -> tuple[str, ...]:
        """The columns whose values lead to an endpoint for one item or a narrower listing."""
        return tuple(dict.fromkeys(item.key for item in (*cls.items, *cls.narrower)))

    @classmethod
    def page(cls) -> Column | None:
        """The column that has the address of a row's page on the web site, if there is one."""
        return next((column for column in cls.columns if column.page), None)

    @classmethod
    def switch(cls) -> tuple[type[Table], str] | None:
        """A table above, and its boolean column that is true where this table can have rows."""
        above = cls.parent
        while above is not None and above.where is None:
            above = above.table.parent
        return None if above is None or above.where is None else (above.table, above.where)

    @classmethod
    def column_of(cls, parameter: str) -> Column | None:
        """The column that supplies a path parameter, if one does."""
        return next((c for c in cls.columns if c.param == parameter), None)
