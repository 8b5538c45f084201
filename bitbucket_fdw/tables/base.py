"""What a table declaration is made of. Data only: nothing here makes a request.

A foreign table is a subclass of :class:`Table`. Its columns state where their value stands in the
API's JSON and, one by one, what Bitbucket can do with them (filter, sort, query parameter, part of
a path). Every such ability is off unless it is stated.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

from .writing import Asked as Asked
from .writing import Field as Field
from .writing import Transition as Transition
from .writing import Unique as Unique
from .writing import Write as Write
from .writing import Writes as Writes

_PARAMETER = re.compile(r"\{(\w+)\}")

SLUGS = ("workspace", "repository")
"""Path parameters that a foreign table's options can fix, from left to right."""


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
    :param type: PostgreSQL type name.
    :param path: dotted path in the item's JSON; ``None`` if the value only stands in the URL.
    :param description: becomes the column's comment and its line in the documentation.
    :param param: the path parameter this column supplies.
    :param filter: how ``q`` can test it.
    :param query: the query parameter that selects rows by equality, for endpoints without ``q``.
    :param query_values: all values of that parameter, where they are a closed set.
    :param sort: the ``sort`` field; only stated for columns that are never NULL and whose order
        is the same in PostgreSQL and at Bitbucket (numbers and times).
    :param pattern: what every value matches in full; other values cannot exist.
    :param listed: whether the collection's items have it, or just the item read alone.
    :param flat: its name under ``names 'flat'``, where CData's driver has another than the column's
        own name without underscores.
    :param present: the value is whether there is something at ``path``.
    :param asked: listings leave it out unless ``fields`` names it.
    :param within: the path of a text whose last part, after a slash, is the value as well.
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
    listed: bool = True
    present: bool = False
    flat: str | None = None
    asked: bool = False
    within: str | None = None

    @property
    def keys(self) -> tuple[str, ...]:
        """The JSON path, split."""
        return tuple(self.path.split(".")) if self.path else ()

    @property
    def flat_name(self) -> str:
        """Its name under the import option ``names 'flat'``."""
        return self.flat or without_underscores(self.name)


class Paging(enum.Enum):
    """How a listing leads from one page to the next.

    Only ``next`` is promised. Numbered pages were seen where it says so: a listing that has them
    can be read on where ``next`` is missing.
    """

    NEXT = "next"
    NUMBERS = "next, or by number where it is missing"
    OWN_NUMBERS = "by number"
    WHOLE = "all at once, or by number where there is more"


@dataclass(frozen=True, slots=True)
class Collection:
    """A paginated endpoint.

    :param path: template whose ``{names}`` are path parameters.
    :param selects: query parameters that take path parameters' values: ``(query's, path's)``.
    :param pagelen: the most items a page can hold; ``None`` where the endpoint takes no
        ``pagelen``.
    :param q: whether ``q`` is honoured.
    :param size: whether the envelope tells the number of items.
    :param without_q: query parameters to send when there is no ``q``, for endpoints that would
        otherwise hide items.
    :param q_if_sorted: what to send as ``q`` in their place beside a ``sort``, if there is no
        other.
    :param unwrap: the member of each item that holds the entity.
    :param explode: the member of each item that lists the rows; in the rows' JSON one element
        takes the list's place.
    :param paging: how one page leads to the next.
    :param unique: whether no two items of one listing have the same key.
    """

    path: str
    pagelen: int | None = 100
    q: bool = False
    size: bool = True
    without_q: tuple[tuple[str, str], ...] = ()
    q_if_sorted: str | None = None
    selects: tuple[tuple[str, str], ...] = ()
    unwrap: str | None = None
    explode: str | None = None
    paging: Paging = Paging.NEXT
    unique: bool = True

    @property
    def address(self) -> str:
        """The path with the query parameters that belong to it, as a template."""
        chosen = "&".join(f"{name}={{{parameter}}}" for name, parameter in self.selects)
        return f"{self.path}?{chosen}" if chosen else self.path


@dataclass(frozen=True, slots=True)
class Item:
    """An endpoint for one item, found by ``key`` columns beside the collection's parameters.

    ``parameter`` is the template's name for the key's value.
    """

    path: str
    key: str
    parameter: str


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

    :param refs: template of the listing of all refs, whose ``target.hash`` are what is reached.
    :param log: template of a listing that takes ``include`` and ``exclude``.
    """

    refs: str
    log: str


class Table:
    """Base of all foreign tables. Subclasses are declarations; they are never instantiated.

    ``level`` says in which imported schema the table stands: ``workspace`` or ``repository``.
    ``rows`` is the planner's guess of items per collection until a real size was seen.
    ``flat`` is the name under ``names 'flat'``, as for a column.
    ``removed`` tells what happened to an endpoint that Bitbucket has taken away.
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
    level: ClassVar[str] = "repository"
    scopes: ClassVar[Scopes]
    collection: ClassVar[Collection]
    items: ClassVar[tuple[Item, ...]] = ()
    parent: ClassVar[Parent | None] = None
    columns: ClassVar[tuple[Column, ...]]
    primary_key: ClassVar[tuple[str, ...]]
    rows: ClassVar[int] = 100
    flat: ClassVar[str | None] = None
    removed: ClassVar[str | None] = None
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
        """The column that tells the items of one listing apart."""
        columns = [cls.column(name) for name in reversed(cls.primary_key)]
        listed = [column for column in columns if column.path]
        return next(c for c in listed if c.keys[0] != cls.collection.explode)

    @classmethod
    def column_of(cls, parameter: str) -> Column | None:
        """The column that supplies a path parameter, if one does."""
        return next((c for c in cls.columns if c.param == parameter), None)


def path_parameters(template: str) -> tuple[str, ...]:
    """The names in braces of a path template, from left to right."""
    return tuple(_PARAMETER.findall(template))


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


def account(
    prefix: str, path: str, who: str, *, filters: str | None = None
) -> tuple[Column, Column, Column, Column]:
    """The four columns every account is flattened to.

    :param prefix: of the column names (``author`` gives ``author_uuid`` and so on).
    :param path: where the account stands in the JSON.
    :param who: for the descriptions.
    :param filters: BBQL path of the account, where ``q`` can reach into it.
    """

    def test(name: str) -> Filter | None:
        return Filter(f"{filters}.{name}") if filters else None

    return (
        Column(f"{prefix}_uuid", "uuid", f"{path}.uuid", f"UUID of {who}", filter=test("uuid")),
        Column(
            f"{prefix}_account_id",
            "text",
            f"{path}.account_id",
            f"Atlassian account id of {who}",
            filter=test("account_id"),
        ),
        Column(
            f"{prefix}_nickname",
            "text",
            f"{path}.nickname",
            f"Nickname of {who}",
            filter=test("nickname"),
        ),
        Column(f"{prefix}_display_name", "text", f"{path}.display_name", f"Display name of {who}"),
    )


def workspace_column() -> Column:
    """The ``workspace`` column of every table below a workspace."""
    return Column("workspace", "text", None, "Workspace slug", param="workspace")


def repository_columns() -> tuple[Column, Column]:
    """The ``workspace`` and ``repository`` columns of every table below a repository."""
    return (
        workspace_column(),
        Column("repository", "text", None, "Repository slug", param="repository"),
    )


def inline_columns() -> tuple[Column, Column, Column]:
    """Where a comment on code stands."""
    return (
        column("inline.path", "text", "File it stands at"),
        column("inline.from", "bigint", "Line in the old version"),
        column("inline.to", "bigint", "Line in the new version"),
    )


COMMENT_FIELDS = (
    Field("content_raw", required=True),
    Field("inline_path"),
    Field("inline_from"),
    Field("inline_to"),
    Field("parent_id"),
)
"""What a new comment on code can say."""

PARENT_OR_PLACE = (("parent_id",), ("inline_path", "inline_from", "inline_to"))
"""An answer stands where the comment does that it answers: both are a 400 (seen live by users)."""


def html_link() -> Column:
    """The item's page on the web site."""
    return Column("links_html_href", "text", "links.html.href", "Address of its page")


def names(columns: Iterable[Column]) -> tuple[str, ...]:
    """The columns' names, in order."""
    return tuple(column.name for column in columns)
