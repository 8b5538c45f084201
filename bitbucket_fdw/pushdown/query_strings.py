"""The query strings of listings."""

from __future__ import annotations

from collections.abc import Iterable

from ..tables.columns import Column
from ..tables.endpoints import Collection, Paging, Shape
from . import bbql
from .conditions import Condition
from .plan import Query

# How many items are fetched with a count to check that the filter was applied. A single item might
# meet the filter by chance.
_LOOK = "10"


def query(
    collection: Collection,
    terms: tuple[str, ...],
    selected: tuple[tuple[str, str], ...],
    parameters: tuple[tuple[str, str], ...],
    only: Condition | None = None,
) -> Query:
    q = bbql.conjunction(terms) or None
    if q is None and any(name == "sort" for name, _ in parameters):
        q = collection.q_if_sorted
    # Some listings hide items by default, but not if there is a q.
    shown = () if q else collection.without_q
    return Query((*selected, *shown, *parameters), q, only)


def size_query(
    collection: Collection,
    terms: tuple[str, ...],
    selected: tuple[tuple[str, str], ...],
    looked_at: Iterable[Column],
    sort: str | None = None,
) -> Query:
    """The query for a listing's size, and for a few items with the columns to look at.

    :param sort: in which order these few are the first; in any without it.
    """
    paths = list(dict.fromkeys(column.path or "" for column in looked_at))
    fields = ",".join(("size", *(in_values(collection, path) for path in paths)))
    parameters = (("fields", fields), *((("pagelen", _LOOK),) if paths else ()))
    if sort is not None:
        parameters = (*parameters, ("sort", sort))
    return query(collection, terms, selected, parameters)


def envelope(collection: Collection) -> tuple[str, ...]:
    """The members of the envelope to ask for: the link to the next page, and what tells whether
    everything was read.
    """
    if collection.shape is not Shape.PAGES:
        return ()
    if not collection.size:
        return ("next",)
    if collection.paging is Paging.NEXT:
        return ("next", "size", "pagelen")
    return ("next", "size", "page", "pagelen")


def in_values(collection: Collection, path: str) -> str:
    """The path of a member of the items, as the parameter ``fields`` names it."""
    values = "values" if collection.shape is Shape.PAGES else None
    return ".".join(filter(None, (values, path)))


def pagelen(collection: Collection, enough: int | None) -> int | None:
    if collection.pagelen is None or enough is None:
        return collection.pagelen
    return max(1, min(collection.pagelen, enough))
