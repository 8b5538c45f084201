"""Pages of a collection, lazily.

Source: the API's "Pagination" page. Only ``values`` and ``next`` are promised; ``next`` is opaque
and its absence is the end, except for listings known to leave it out (BCLOUD-20639).
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import Any
from urllib.parse import urljoin

from ..errors import BadResponse
from .client import Client
from .exchange import Answer
from .scan import ScanContext

Parameters = tuple[tuple[str, str], ...]


class Pages:
    """The pages of one collection, in order.

    Nothing is requested before :meth:`start` or the first page is asked for. From the second page
    on, the next one is requested while the consumer works on the last: a consumer that came back
    once is likely to come back again, one that stops after a page has cost a page.

    :param enough: how many items the consumer may be content with, if that is known: nothing is
        read ahead beyond them.
    """

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        path: str,
        parameters: Parameters,
        lossy_next: bool = False,
        enough: int | None = None,
    ) -> None:
        self._client = client
        self._scan = scan
        self._path = path
        self._parameters = parameters
        self._lossy_next = lossy_next
        self._enough = enough
        self._url = client.url(path, parameters)
        self._first: Future[Answer] | None = None
        self._asked: set[int] = set()  # hashes of the addresses, as many as the budget allows
        self.size: int | None = None

    def start(self) -> None:
        """Request the first page now, for a consumer that will come later."""
        if self._first is None:
            self._first = self._submit(self._url)

    def __iter__(self) -> Iterator[list[Any]]:
        self.start()
        pending = self._first
        page_number = items = 0
        while pending is not None:
            envelope = self._envelope(self._scan.wait(pending))
            page_number += 1
            items += len(envelope["values"])
            following = self._next(envelope)
            if page_number == 1:
                self.size = _count(envelope.get("size"))
            hungry = page_number > 1 and (self._enough is None or items < self._enough)
            if hungry:
                pending = self._submit(following) if following else None
            yield envelope["values"]
            if not hungry:
                pending = self._submit(following) if following else None

    def _submit(self, url: str) -> Future[Answer]:
        self._url = url
        self._asked.add(hash(url))
        return self._scan.submit(self._client.get, url, self._scan)

    def _envelope(self, answer: Answer) -> dict[str, Any]:
        envelope = answer.json
        if not isinstance(envelope, dict) or not isinstance(envelope.get("values"), list):
            raise self._bad("the answer has no list of values")
        return envelope

    def _next(self, envelope: dict[str, Any]) -> str | None:
        link = envelope.get("next")
        if link is None:
            return self._next_by_number(envelope) if self._lossy_next else None
        if not isinstance(link, str):
            raise self._bad("its link to the next page is not an address")
        link = urljoin(self._url, link)
        if hash(link) in self._asked:
            raise self._bad("its link to the next page leads back to a page already read")
        return link

    def _next_by_number(self, envelope: dict[str, Any]) -> str | None:
        """The next page by its number, until the envelope's size is reached or a page is empty."""
        page, pagelen = _count(envelope.get("page")), _count(envelope.get("pagelen"))
        size = _count(envelope.get("size"))
        if not page or not envelope["values"]:
            return None
        if size is not None and pagelen and page * pagelen >= size:
            return None
        return self._client.url(self._path, (*self._parameters, ("page", str(page + 1))))

    def _bad(self, why: str) -> BadResponse:
        return BadResponse(
            f"GET {self._path} was answered with an unexpected page",
            method="GET",
            path=self._path,
            status=200,
            detail=f"In the answer {why}.",
        )


def _count(value: Any) -> int | None:
    """A whole number from an envelope, if it is one."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
