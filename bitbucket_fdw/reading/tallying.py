"""Rows of a listing that are made from the sizes of its parts, where these are fewer requests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any, Protocol

from ..api import Answer, whole
from ..errors import BadResponse, Forbidden, Gone, NotFound, Rejected, ServerFailure
from ..pushdown.local_filter import meets
from ..pushdown.plan import Part, Plan, Query
from .items import Items, Row

# Reading the pages tells what of it is so for them, too.
_DOUBTS = (BadResponse, Forbidden, Gone, NotFound, Rejected, ServerFailure)


class SizeRequests(Protocol):
    """Those of a scan; see ``streams.ScanRequests``."""

    @property
    def reads_all(self) -> bool: ...
    def expected(self, plan: Plan, path: str) -> float: ...
    def answered_path(self, endpoint: str, path: str) -> str: ...
    def url(self, path: str, query: Query) -> str: ...
    def submit(self, url: str) -> Future[Answer]: ...
    def wait(self, future: Future[Answer]) -> Any: ...


class Tally:
    """The sizes of the parts of one listing.

    The first page of a listing tells how many items there are. If more pages are left than there
    are parts, the parts' sizes are asked for instead. Where that is likely, they are asked for
    beside the first page. What is odd about an answer, or sizes that do not add up, lead to the
    pages themselves.

    :param parts: those of the plan, with the queries of this listing.
    """

    def __init__(
        self, requests: SizeRequests, plan: Plan, parts: tuple[Part, ...], path: str
    ) -> None:
        self._requests = requests
        self._plan = plan
        self._parts = parts
        self._path = path
        self._asked: list[Future[Answer]] = []

    def start_if_likely(self) -> None:
        """Ask for the sizes beside the first page, if they are likely to pay, and not too many."""
        if self._parts:
            size = self._requests.expected(self._plan, self._path)
            if self.pays(size, self._plan.pagelen or 0):
                self.start()

    def pays(self, size: float | None, read: int) -> bool:
        """Whether the sizes are fewer requests than the pages that are left."""
        pagelen = self._plan.pagelen
        if not self._parts or not self._requests.reads_all or not size or not pagelen:
            return False
        left = math.ceil((size - read) / pagelen)
        return left > (0 if self._asked else len(self._parts))

    def start(self) -> None:
        """Ask for the sizes now, although they are wanted later."""
        if not self._asked:
            path = self._requests.answered_path(self._plan.path, self._path)
            urls = [self._requests.url(path, part.query) for part in self._parts]
            self._asked = [self._requests.submit(url) for url in urls]

    def rows(self, size: int | None, page: list[Any], items: Items) -> Iterator[Row] | None:
        """The rows of the whole listing, with its ``size``; ``None`` if it has to be read.

        :param page: its first items, each of which has to be one of a part.
        """
        if size is None or not self.pays(size, len(page)):
            for asked in self._asked:
                asked.cancel()  # if its request has not begun
            return None
        self.start()
        if not all(_is_of_any(item, self._parts, items) for item in page):
            return None
        sizes = []
        for part, future in zip(self._parts, self._asked, strict=True):
            try:
                found = _believed(self._requests.wait(future), part, items)
            except _DOUBTS:
                return None
            if found is None:
                return None
            sizes.append(found)
        return self._repeated(sizes) if sum(sizes) == size else None

    def _repeated(self, sizes: list[int]) -> Iterator[Row]:
        for part, size in zip(self._parts, sizes, strict=True):
            row = dict(part.values)
            for _ in range(size):
                yield row


def _believed(envelope: Any, part: Part, items: Items) -> int | None:
    """A part's size; ``None`` if the items beside it do not show that it is that of the part."""
    if not isinstance(envelope, dict):
        return None
    size, values = whole(envelope.get("size")), envelope.get("values")
    if size is None or not isinstance(values, list) or len(values) > size:
        return None
    if size and not values:
        return None
    return size if all(_is_of_any(item, (part,), items) for item in values) else None


def _is_of_any(item: Any, parts: Iterable[Part], items: Items) -> bool:
    """Whether what a listing has is an item, and shows that it belongs to one of the parts."""
    if not isinstance(item, dict):
        return False
    try:
        row = items.row(item)
        return any(meets(row, part.looks) for part in parts)
    except (BadResponse, ValueError):
        return False
