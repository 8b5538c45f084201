"""Pages of a listing, lazily, and whether they are all that there is.

Where the next page is, a strategy says (see ``strategies``). This module sends the requests, one
page ahead of the consumer, and checks what the pages say: items that come twice, pages that were
read before, and at the end whether as many items came as the listing is said to have.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from ..errors import BadResponse, RequestError
from .client import Client
from .endpoints import Parameters
from .envelope import Envelope, Unreadable, complaint
from .exchange import Answer
from .scan import ScanContext
from .strategies import Contradiction, Following, Link, NextLinks, Number, Progress, Strategy
from .wanted import JSON, Wanted

NEXT = NextLinks()

REMEMBERED = 10_000
"""Keys of items that are remembered of a listing, whatever its length: those of its first page,
and of its latest ones.

An item comes again where new ones have moved it on to the next page, or to a later one if there
are many: it was among the latest. An answer that stands still is the latest page again, and one
that begins anew, in a circle of any length, is the first one. What may come again from further
back is an item that was changed while a listing was read that is sorted by the time of the change.
"""


@dataclass(frozen=True, slots=True)
class Listing:
    """What is listed, and how.

    :param path: below the API's address.
    :param endpoint: the path's template, which tells endpoints apart.
    :param key: tells items apart, hashable, ``None`` for one that has no key; without it, items
        that come twice are not noticed.
    :param read: from an answer's JSON to its page; raises :class:`Unreadable`.
    :param counted: whether the envelope's size is known to be that of what was asked for.
    :param wanted: what kind of answer its requests ask for.
    """

    path: str
    parameters: Parameters = ()
    strategy: Strategy = NEXT
    endpoint: str = ""
    key: Callable[[Any], Any] | None = None
    read: Callable[[Any], Envelope] = Envelope.read
    counted: bool = True
    wanted: Wanted = JSON


class Pages:
    """The pages of one listing, in order.

    Nothing is requested before :meth:`start` or the first page is asked for. From the second page
    on, the next one is requested while the consumer works on the last: a consumer that came back
    once is likely to come back again, one that stops after a page has cost a page.

    :param enough: how many items the consumer may be content with, if that is known: nothing is
        read ahead beyond them.
    :param doubt: told in a sentence if fewer items came than the listing is said to have.

    Raises :class:`BadResponse` for pages that cannot be those of one listing.
    """

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        listing: Listing,
        enough: int | None = None,
        doubt: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._scan = scan
        self._listing = listing
        self._enough = enough
        self._doubt = doubt
        self._url = ""
        self._first: Future[Answer] | None = None
        self._sent: Parameters = ()
        self._asked: set[int] = set()  # hashes of the addresses, as many as the budget allows
        self._seen = _SeenKeys(REMEMBERED)
        self.size: int | None = None

    def start(self) -> None:
        """Request the first page now, for a consumer that will come later."""
        if not self._first:
            self._sent = self._parameters
            self._first = self._submit(self._address())

    def __iter__(self) -> Iterator[list[Any]]:
        page = self._envelope(self._first_answer())
        number = items = 0
        while True:
            number += 1
            items += len(page.values)
            values = self._new(page.values)
            if page.size is not None:
                self.size = page.size
            progress = Progress(page, number, items, self.size, self._pagelen)
            pending = None
            # Whoever is content with this page is not to be told of a fault of the next one.
            hungry = number > 1 and (self._enough is None or items < self._enough)
            if hungry:
                following = self._following(progress)
                pending = self._follow(following) if following else None
            yield values
            if not hungry:
                following = self._following(progress)
            if following is None:
                break
            page = self._envelope(self._scan.wait(pending or self._follow(following)))
            self._check_number(following, page)
        if self._listing.counted and self.size is not None and items < self.size:
            self._doubt(
                f"GET {self._listing.path} gave {items} items and says that it has {self.size}: "
                "something may have changed meanwhile, or is not shown"
            )

    # --- requests ---

    @property
    def _parameters(self) -> Parameters:
        listing = self._listing
        return self._client.endpoints.parameters(listing.endpoint, listing.parameters)

    @property
    def _pagelen(self) -> int | None:
        asked = dict(self._parameters).get("pagelen")
        return int(asked) if asked else None

    def _address(self, *more: tuple[str, str]) -> str:
        listing = self._listing
        path = self._client.endpoints.path(listing.endpoint, listing.path)
        return self._client.url(path, (*self._parameters, *more))

    def _first_answer(self) -> Answer:
        listing = self._listing
        while True:
            self.start()
            assert self._first is not None
            try:
                return self._scan.wait(self._first)
            except RequestError as error:
                if not self._client.endpoints.learn(listing.endpoint, self._sent, error):
                    raise
                self._first = None

    def _follow(self, following: Link | Number) -> Future[Answer]:
        if isinstance(following, Number):
            return self._submit(self._address(("page", str(following.page))))
        return self._submit(self._linked(following))

    def _submit(self, url: str) -> Future[Answer]:
        self._url = url
        self._asked.add(hash(url))
        return self._client.ask(url, self._scan, self._listing.wanted)

    # --- what the answers say ---

    def _envelope(self, answer: Answer) -> Envelope:
        said = complaint(answer.json)
        if said is not None:
            raise self._error("was answered with an error under status 200", said)
        try:
            return self._listing.read(answer.json)
        except Unreadable as why:
            raise self._bad(str(why)) from None

    def _following(self, progress: Progress) -> Following:
        try:
            following = self._listing.strategy.following(progress)
        except Contradiction as why:
            raise self._bad(str(why)) from None
        if isinstance(following, Link) and hash(self._linked(following)) in self._asked:
            raise self._bad("Its link to the next page leads back to a page already read.")
        return following

    def _linked(self, link: Link) -> str:
        return urljoin(self._url, link.address)

    def _check_number(self, following: Following, page: Envelope) -> None:
        if isinstance(following, Number) and page.page not in (None, following.page):
            raise self._bad(f"It is page {page.page} where page {following.page} was asked for.")

    def _new(self, values: list[Any]) -> list[Any]:
        """The page's items without those of earlier pages: what is new shifts the others on.

        A page that has nothing new at all is one that was read before.
        """
        key = self._listing.key
        if key is None:
            return values
        keys = [key(value) for value in values]
        news = self._seen.news(keys)
        if values and not any(news):
            raise self._bad("All of its items have been on earlier pages.")
        return [value for value, is_new in zip(values, news, strict=True) if is_new]

    def _bad(self, why: str) -> BadResponse:
        return self._error("was answered with an unexpected page", why)

    def _error(self, what: str, why: str) -> BadResponse:
        path = self._listing.path
        return BadResponse(
            f"GET {path} {what}", method="GET", path=path, status=200, detail=why, hint=_HINT
        )


class _SeenKeys:
    """The keys of the items of pages, those of the first page and of the latest ones."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._first: frozenset[Any] = frozenset()  # of the first page that has any
        self._pages: deque[list[Any]] = deque()
        self._latest: set[Any] = set()

    def __len__(self) -> int:
        return len(self._latest) + len(self._first)

    def news(self, keys: list[Any]) -> list[bool]:
        """Of a page's keys, which have not been seen; ``None`` is no key, and always new."""
        news, fresh = [], []
        for key in keys:
            is_new = key is None or (key not in self._latest and key not in self._first)
            news.append(is_new)
            if is_new and key is not None:
                fresh.append(key)
                self._latest.add(key)
        if not self._first:
            self._first, self._latest = frozenset(self._latest), set()
        elif fresh:
            self._pages.append(fresh)
        while len(self) > self._most and len(self._pages) > 1:
            self._latest.difference_update(self._pages.popleft())
        return news


_HINT = (
    "Check base_url, and whether a proxy answers in Bitbucket's place. If it is Bitbucket itself "
    "that answers so, it has changed: no rows are better than wrong ones."
)
