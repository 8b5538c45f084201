"""Listings of which only the number of items is wanted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..api import whole
from ..errors import Rejected, ServerFailure
from .not_found import REFUSALS
from .scan_requests import Row
from .single_answers import SingleStream
from .streams import carried_value


class CountStream(SingleStream):
    """Rows for ``count(*)``: as many as the envelope's ``size`` says there are items.

    One request is enough, since the rows have no values but those of the conditions. With a filter,
    a few items are fetched along and looked at first: some listings ignore ``q`` without saying so.
    """

    def start(self) -> None:
        if self._future is None and not self._is_skipped():
            path = self._requests.answered_path(self.plan.path, self._path)
            self._future = self._requests.submit(self._requests.url(path, self._query))

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        if self._is_skipped():
            return
        try:
            envelope = self._answer()
        except REFUSALS as error:
            if self._requests.learns(self.plan.path, self._query, error):
                self._future = None
                yield from self
                return
            self._absent(error)
            return
        except (Rejected, ServerFailure) as error:
            if not self._may_be_empty(error):
                raise self._refused(error) from None
            self._absent(error)
            return
        self._answered()
        constants = {name: carried_value(value) for name, value in self.plan.constants}
        row = {**constants, **self.place.carried}
        self.size = self._believed(envelope)
        self._learn_size()
        for _ in self._counted() if self.size is None else range(self.size):
            yield None, row

    def _believed(self, envelope: Row) -> int | None:
        """The envelope's size; ``None`` if it has none that can be relied on, or no items to check
        the filter by.
        """
        size, values = whole(envelope.get("size")), envelope.get("values")
        if isinstance(values, list) and size is not None and len(values) > size:
            return None  # it is that of something else
        if not size or not self.plan.looks:
            return size
        if not isinstance(values, list) or not values:
            return None
        for item in values:
            if not isinstance(item, dict):
                return None
            self.look(self._items.row(item))
        return size

    def _counted(self) -> Iterator[Any]:
        """The items themselves, to be counted: the documentation does not promise a ``size``."""
        listing = self.listing(self.plan.uncounted(self._query))
        for values in self._requests.pages(listing):
            for item in self._items.listed(values):
                self.look(self._items.row(item))
                yield item
