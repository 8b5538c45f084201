"""The endpoints that a table is read from: a paginated listing, and single items."""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

_PARAMETER = re.compile(r"\{(\w+)\}")


SLUGS = ("workspace", "repository")
"""Path parameters that a foreign table's options can fix, from left to right."""


class Paging(enum.Enum):
    """How a listing leads from one page to the next.

    Only ``next`` is promised. Numbered pages were seen where it says so: a listing that has them
    can be read on where ``next`` is missing.
    """

    NEXT = "next"
    NUMBERS = "next, or by number where it is missing"
    OWN_NUMBERS = "by number"
    WHOLE = "all at once, or by number where there is more"


class Shape(enum.Enum):
    """What an endpoint of a collection answers.

    An array and an object have neither pages nor ``size``. A 404 of an object means that there is
    none, as long as what it belongs to is there: some settings exist once they were made.
    """

    PAGES = "pages, whose items are in a list of values"
    ARRAY = "an array of the items, or a page of them"
    OBJECT = "the one item there is"


@dataclass(frozen=True, slots=True)
class Collection:
    """An endpoint that answers items.

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
    :param shape: what it answers.
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
    shape: Shape = Shape.PAGES
    paging: Paging = Paging.NEXT
    unique: bool = True

    def __post_init__(self) -> None:
        if self.shape is not Shape.PAGES and (self.size or self.pagelen or self.q):
            raise ValueError(f"{self.path} has no pages, and so no size, pagelen or q")

    @property
    def address(self) -> str:
        """The path with the query parameters that belong to it, as a template."""
        chosen = "&".join(f"{name}={{{parameter}}}" for name, parameter in self.selects)
        return f"{self.path}?{chosen}" if chosen else self.path


@dataclass(frozen=True, slots=True)
class Item:
    """An endpoint for one item, or for a narrower listing, found by the value of a column.

    The column is ``key``; the path's other parameters are the collection's.

    ``parameter`` is the template's name for the key's value.
    """

    path: str
    key: str
    parameter: str


def path_parameters(template: str) -> tuple[str, ...]:
    """The names in braces of a path template, from left to right."""
    return tuple(_PARAMETER.findall(template))
