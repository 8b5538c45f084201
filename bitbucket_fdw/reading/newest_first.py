"""Where the reading of a listing ends that is sorted by a time, the newest item first."""

from __future__ import annotations

import math
from datetime import datetime, timezone
from typing import Any

from ..errors import BadResponse
from ..pushdown.conditions import Condition
from .items import Items, Row


class NewestFirst:
    """What the items of a listing have shown of its order.

    The reading may end at an item that is older than all that is wanted, if the items so far came
    in the order that was asked for. It is believed once one of them was older than the one before.

    :param until: ``>=`` on the column that the listing is sorted by.
    """

    def __init__(self, until: Condition, items: Items) -> None:
        self._column = until.column
        self._bound = _key(until.value)
        self._until: datetime = until.value
        self._items = items
        self._first: Any = None
        self._last: Any = None
        self._read = 0
        self._falls = False
        self._in_order = True

    def ends_with(self, page: list[Row]) -> bool:
        """Whether nothing that is wanted comes after the items of this page."""
        for item in page:
            try:
                key = self._items.sort_key(item, self._column)
            except BadResponse:  # it has none, of which nothing is to be concluded
                self._in_order = False
                return False
            if self._last is None:
                self._first = key
            else:
                self._in_order = self._in_order and key <= self._last
                self._falls = self._falls or key < self._last
            self._last = key
        self._read += len(page)
        believed = self._in_order and self._falls
        return bool(believed and self._last < self._bound)

    def likely(self) -> int | None:
        """How many items are likely to be wanted, if they come as fast as so far; ``None`` if the
        order is not to be believed.
        """
        if not (self._in_order and self._falls):
            return None
        passed: float = (self._first[0] - self._last[0]).total_seconds()
        left: float = (self._last[0] - self._until).total_seconds()
        more = self._read * max(0.0, left) / max(1.0, passed)
        return self._read + math.ceil(more)


def _key(moment: datetime) -> tuple[datetime, str]:
    """A moment in the form of :func:`json_readers.instant`, by which items are compared."""
    utc = moment.astimezone(timezone.utc)
    return utc.replace(microsecond=0), f"{utc.microsecond:06}000"
