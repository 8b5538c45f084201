"""What is listed, and how its pages are read, as a table declares it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..api import (
    JSON,
    Envelope,
    Listing,
    NextLinks,
    Numbers,
    OwnNumbers,
    Strategy,
    Wanted,
    Whole,
)
from ..pushdown.plan import Plan, Query
from ..tables.endpoints import Collection, Paging, Shape

_STRATEGIES: dict[Paging, Strategy] = {
    Paging.NEXT: NextLinks(),
    Paging.NUMBERS: Numbers(),
    Paging.OWN_NUMBERS: OwnNumbers(),
    Paging.WHOLE: Whole(),
}


_SHAPES: dict[Shape, Callable[[Any], Envelope]] = {
    Shape.PAGES: Envelope.read,
    Shape.ARRAY: Envelope.read_array,
    Shape.OBJECT: Envelope.read_object,
    Shape.TEXT: Envelope.read_object,
}


def listing_of(plan: Plan, path: str, query: Query, mark: Callable[[Any], Any]) -> Listing:
    """A listing of a plan, at a path.

    :param mark: tells its items apart.
    """
    collection = plan.table.collection
    filters = {column.query for column in plan.table.columns}
    return Listing(
        path,
        query.pairs(),
        _STRATEGIES[collection.paging],
        plan.path,
        mark if collection.unique else None,
        _SHAPES[collection.shape],
        # It is not known whether the size takes account of parameters other than q.
        counted=not any(name in filters for name, _ in query.parameters),
        wanted=_wanted(collection),
    )


def _wanted(collection: Collection) -> Wanted:
    if collection.accept is None:
        return JSON
    return Wanted(collection.accept, text=True, elsewhere=collection.elsewhere)
