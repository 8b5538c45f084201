"""Rows of a listing that are made from the sizes of its parts, where these are fewer requests."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any, Protocol

from ..api import Answer, whole
from ..errors import BadResponse, Forbidden, Gone, NotFound, Rejected, ServerFailure
from ..pushdown.local_filter import meets
from ..pushdown.plan import Part, Query
from .items import Items, Row

# Reading the pages tells what of it is so for them, too.
_DOUBTS = (BadResponse, Forbidden, Gone, NotFound, Rejected, ServerFailure)


class SizeRequests(Protocol):
    """Those of a scan; see ``streams.ScanRequests``."""

    @property
    def reads_all(self) -> bool: ...
    def answered_path(self, endpoint: str, path: str) -> str: ...
    def url(self, path: str, query: Query) -> str: ...
    def submit(self, url: str) -> Future[Answer]: ...
    def wait(self, future: Future[Answer]) -> Any: ...


class Tally:
    """The sizes of the parts of one listing.

    The first page of a listing tells how many items there are. If more pages are left than there
    are parts, the parts' sizes are asked for instead. What is odd about an answer, or sizes that do
    not add up, lead to the pages themselves.

    :param parts: those of the plan, with the queries of this listing.
    """

    def __init__(
        self, requests: SizeRequests, parts: tuple[Part, ...], template: str, path: str
    ) -> None:
        self._requests = requests
        self._parts = parts
        self._template = template
        self._path = path
        self._asked: list[Future[Answer]] = []

    def pays(self, size: int | None, read: int, pagelen: int | None) -> bool:
        """Whether the sizes are fewer requests than the pages that are left."""
        if not self._parts or not self._requests.reads_all or not size or not pagelen:
            return False
        return math.ceil((size - read) / pagelen) > len(self._parts)

    def start(self) -> None:
        """Ask for the sizes now, although they are wanted later."""
        if not self._asked:
            path = self._requests.answered_path(self._template, self._path)
            urls = [self._requests.url(path, part.query) for part in self._parts]
            self._asked = [self._requests.submit(url) for url in urls]

    def rows(self, size: int, items: Items, carried: Row) -> Iterator[Row] | None:
        """The rows of the whole listing, with its ``size``; ``None`` if it has to be read."""
        self.start()
        sizes = []
        for part, future in zip(self._parts, self._asked, strict=True):
            try:
                found = _believed(self._requests.wait(future), part, items)
            except _DOUBTS:
                return None
            if found is None:
                return None
            sizes.append(found)
        return self._repeated(sizes, carried) if sum(sizes) == size else None

    def _repeated(self, sizes: list[int], carried: Row) -> Iterator[Row]:
        for part, size in zip(self._parts, sizes, strict=True):
            row = {**dict(part.values), **carried}
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
    try:
        seen = all(isinstance(item, dict) and meets(items.row(item), part.looks) for item in values)
    except ValueError:
        return None
    return size if seen else None
