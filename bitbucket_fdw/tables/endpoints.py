"""The endpoints that a table is read from: a paginated listing, and single items."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass, field

_PARAMETER = re.compile(r"\{(\w+)\}")


SLUGS = ("workspace", "repository")
"""Path parameters of the places that schemas are imported from, from left to right."""

GUARDED = ("workspace", "project", "repository")
"""Path parameters of what has administrators of its own. A foreign table's options can fix them.

One of these may refuse what others beside it answer. A scan over several leaves it out then."""


class Paging(enum.Enum):
    """How a listing leads from one page to the next.

    The documentation promises only the link ``next``. A listing is declared to have numbered pages
    where users have seen that it has them. Such a listing can be read on if ``next`` is missing.
    """

    NEXT = "next"
    NUMBERS = "next, or by number where it is missing"
    OWN_NUMBERS = "by number"
    WHOLE = "all at once, or by number where there is more"


class Shape(enum.Enum):
    """What an endpoint of a collection answers.

    An array, an object and a text have neither pages nor ``size``. A 404 of an object or a text
    means that it does not exist, as long as what it belongs to does. Some settings, for example,
    only exist once somebody has made them, and a log once a step has begun.

    A text is read as an object with members ``body`` and ``content_length`` (in bytes). ``fields``
    is not sent for it. Of a long text the body is the beginning, and the length of the whole is
    there if the answer says it.

    Items of several kinds need no shape of their own. A column of ``type`` tells the kind where
    the items have such a member, a column with ``union`` where they do not, and members that a
    kind lacks are NULL.
    """

    PAGES = "pages, whose items are in a list of values"
    ARRAY = "an array of the items, or a page of them"
    OBJECT = "the one item there is"
    TEXT = "a text, or the text of a file"

    @property
    def is_one(self) -> bool:
        """Whether there is at most one item."""
        return self in (Shape.OBJECT, Shape.TEXT)


@dataclass(frozen=True, slots=True)
class Collection:
    """An endpoint that answers items.

    :param path: template whose ``{names}`` are path parameters.
    :param selects: query parameters that take the value of a path parameter, as pairs: the query
        parameter's name, the path parameter's name.
    :param pagelen: the most items a page can hold; ``None`` where the endpoint takes no
        ``pagelen``.
    :param q: whether the endpoint applies ``q``.
    :param size: whether the envelope (the JSON around a page's items) tells the number of items.
    :param without_q: query parameters to send when there is no ``q``, for endpoints that would
        otherwise hide items.
    :param q_if_sorted: the ``q`` to send instead of ``without_q`` if there is a ``sort`` and no
        other ``q``.
    :param explode: the member of each item that is a list with one element for each row. In the
        JSON of a row, the row's element stands in the place of the list.
    :param shape: what the endpoint answers.
    :param paging: how one page leads to the next.
    :param unique: whether no two items of one listing have the same key.
    :param redirects: whether it answers by a redirect to another path of the API, so that the first
        page takes two requests. (Stated for the price; redirects are followed anywhere. Used by the
        diffstat of pull requests alone so far: their diffs and patches are answered in that way.)
    :param accept: the media types to ask for where it answers a text; stated for those alone.
    :param elsewhere: whether a redirect of a text may lead to another host, which is asked without
        the credential.
    """

    path: str
    pagelen: int | None = 100
    q: bool = False
    size: bool = True
    without_q: tuple[tuple[str, str], ...] = ()
    q_if_sorted: str | None = None
    selects: tuple[tuple[str, str], ...] = ()
    explode: str | None = None
    shape: Shape = Shape.PAGES
    paging: Paging = Paging.NEXT
    unique: bool = True
    redirects: bool = False
    accept: str | None = None
    elsewhere: bool = False

    def __post_init__(self) -> None:
        if (self.shape is Shape.TEXT) != (self.accept is not None):
            raise ValueError(f"{self.path} has media types to ask for if it is a text, and only so")
        if self.elsewhere and self.shape is not Shape.TEXT:
            raise ValueError(f"{self.path} is no text, and its redirects stay within the API")
        if self.shape is not Shape.PAGES and (self.size or self.pagelen or self.q):
            raise ValueError(f"{self.path} has no pages, and so no size, pagelen or q")

    @property
    def address(self) -> str:
        """The path with the query parameters that belong to it, as a template."""
        chosen = "&".join(f"{name}={{{parameter}}}" for name, parameter in self.selects)
        return f"{self.path}?{chosen}" if chosen else self.path


@dataclass(frozen=True, slots=True)
class Item:
    """An endpoint for one item, found by the value of a column.

    ``key`` is the column, and ``parameter`` is the path parameter that takes its value. The other
    path parameters are those of the collection. ``lacks`` are columns that the items of the listing
    have, and this one has not. For a query that needs one of them, the item is looked up in the
    listing, too, if ``q`` can name its key. Otherwise the item is not read, since rows would depend
    on the plan.
    """

    path: str
    key: str
    parameter: str
    lacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Narrower(Item):
    """An endpoint that lists the rows with one value of a column, its ``key``.

    ``rows`` is a guess of the items of such a listing, as :attr:`Table.rows` is of the whole one.
    """

    rows: float = field(kw_only=True)

    def is_at(self, path: str) -> bool:
        """Whether a path, with the values of its parameters filled in, is that of this endpoint."""
        return re.fullmatch(_PARAMETER.sub("[^/]+", self.path), path) is not None


def path_parameters(template: str) -> tuple[str, ...]:
    """The names in braces of a path template, from left to right."""
    return tuple(_PARAMETER.findall(template))
