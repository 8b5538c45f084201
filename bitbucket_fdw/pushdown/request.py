"""What PostgreSQL asks of a table, in the table's own terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ..tables.base import Table
from .conditions import Condition
from .plan import Sort


@dataclass(frozen=True, slots=True)
class Request:
    """What PostgreSQL asks of a table.

    :param bound: path parameters fixed by table options.
    :param conditions: what all rows must meet, typed.
    :param unread: conditions that could not be typed, as text; PostgreSQL keeps them.
    :param columns: names of the columns needed, those of conditions among them.
    :param sort: an order that :func:`sort_column` has agreed to.
    :param limit: rows wanted after ``offset``, only given when no row will be dropped later.
    :param refused: columns whose filter Bitbucket was seen to refuse.
    """

    table: type[Table]
    bound: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    unread: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    sort: Sort | None = None
    limit: int | None = None
    offset: int = 0
    refused: frozenset[str] = frozenset()
