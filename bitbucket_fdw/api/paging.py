"""Pages of a listing, lazily, and whether they are all that there is.

Where the next page is, a strategy says (see ``strategies``). This module sends the requests, ahead
of the consumer and side by side where the pages have numbers (see ``ahead``). It checks what the
pages say: items that come twice, pages that were read before, and at the end whether as many items
came as the listing is said to have.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ..errors import BadResponse, NotFound, Rejected, RequestError
from .addresses import absolute
from .ahead import Asked, PagesAhead, Window
from .client import Client
from .endpoints import Parameters
from .envelope import Envelope, Unreadable, complaint
from .exchange import Answer
from .scan import ScanContext
from .strategies import (
    Contradiction,
    Following,
    Link,
    NextLinks,
    Number,
    Progress,
    Strategy,
    page_in,
)
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

CHANGES = 3
"""After how many changes a listing is read on page by page: each has requests made once more."""


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

    Nothing is requested before :meth:`start` or the first page is asked for. A consumer that stops
    after a page has cost a page. One that comes back is likely to come back again: the next page is
    requested while it works on the second one, two are on the way at the third, and so on.

    :param enough: how many items the consumer may be content with, if that is known: nothing is
        read ahead beyond them.
    :param doubt: told in a sentence if fewer items came than the listing is said to have.
    :param every: whether nothing is known to end the consumer's reading: as many pages are
        requested as ``window`` has room for, once it comes back for the second one.
    :param window: shared with other listings of the scan; by default for this one alone.
    :param between: called before a further page is waited for, once that was asked for.

    Raises :class:`BadResponse` for pages that cannot be those of one listing.
    """

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        listing: Listing,
        enough: int | None = None,
        doubt: Callable[[str], None] = lambda _: None,
        *,
        every: bool = False,
        window: Window | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._scan = scan
        self._listing = listing
        self._enough = enough
        self._doubt = doubt
        self._every = every
        self._window = window or Window(client.settings.concurrency)
        self._between = between
        self._url = ""  # of the page read last
        self._first: Asked | None = None
        self._ahead: PagesAhead | None = None
        self._changes = 0  # how often the listing was seen to change while it was read
        self._anew = False  # whether what was answered before may be out of date
        self._sent: Parameters = ()
        self._read: set[int] = set()  # hashes of the addresses, as many as the budget allows
        self._seen = _SeenKeys(REMEMBERED)
        self.size: int | None = None

    def start(self) -> None:
        """Request the first page now, for a consumer that will come later."""
        if not self._first:
            self._sent = self._parameters
            self._first = self._submit(self._address())

    def go_on(self) -> None:
        """Request further pages for a consumer that will come later, if the first one is there."""
        page = self.first_if_there() if self._every else None
        if page is not None:
            self._fill(Progress(page, 1, len(page.values), page.size, self._pagelen))

    def expect(self, items: int | None) -> None:
        """Read no further ahead than so many items, as far as that is known now."""
        self._enough = items

    def first_if_there(self) -> Envelope | None:
        """The first page, if it was answered already and is no fault, which the reader is told."""
        first = self._first
        if first is None or not first.answer.done() or first.answer.cancelled():
            return None
        if first.answer.exception() is not None or complaint(first.answer.result().json):
            return None
        try:
            return self._listing.read(first.answer.result().json)
        except Unreadable:
            return None

    def __iter__(self) -> Iterator[list[Any]]:
        asked = self._first_page()
        page = self._envelope(self._scan.wait(asked.answer))
        values = self._new(page.values)
        number = items = 0
        try:
            while True:
                number += 1
                items += len(page.values)
                if page.size is not None:
                    self.size = page.size
                progress = Progress(page, number, items, self.size, self._pagelen)
                pending = None
                # Whoever is content with this page is not to be told of a fault of the next one,
                # and many stop within the first one without having said so.
                hungry = number > 1 and (self._enough is None or items < self._enough)
                if hungry:
                    following = self._following(progress)
                    pending = self._pending(following, progress)
                yield values
                if not hungry:
                    following = self._following(progress)
                    pending = self._pending(following, progress)
                if following is None or pending is None:
                    break
                self._between()
                page, values = self._next(following, pending)
        finally:
            if self._ahead is not None:
                self._ahead.forget(go_on=False)
        if self._listing.counted and self.size is not None and items < self.size:
            self._doubt(
                f"GET {self._listing.path} gave {items} items and says that it has {self.size}: "
                "something may have changed meanwhile, or is not shown"
            )

    # --- pages side by side ---

    def _fill(self, progress: Progress) -> None:
        """Ask for as many pages ahead as a consumer that has come so far is worth."""
        if self._ahead is None:
            numbers = self._listing.strategy.ahead(progress)
            if self._enough is not None and progress.page.values:
                pages = math.ceil(self._enough / len(progress.page.values))
                numbers = numbers[: max(0, pages - 1)]
            self._ahead = PagesAhead(numbers, self._ask_ahead, self._window)
        self._ahead.fill(self._window.size if self._every else progress.number - 1)

    def _ask_ahead(self, number: int) -> Asked:
        return self._submit(self._address(("page", str(number))), ahead=True)

    def _pending(self, following: Following, progress: Progress) -> Asked | None:
        """The next page, asked for at the latest now; and others after it."""
        if following is None:
            return None
        self._fill(progress)
        assert self._ahead is not None
        number = following.page if isinstance(following, Number) else page_in(following.address)
        if number == progress.number + 1:
            asked = self._ahead.take(number)
            if self._every:
                self._fill(progress)  # in its place, before other listings come to the window
        else:
            self._ahead.forget(go_on=False)  # it goes on in another way than by its numbers
            asked = None
        return asked or self._follow(following)

    def _next(self, following: Link | Number, asked: Asked) -> tuple[Envelope, list[Any]]:
        """The next page, and what is new of it."""
        if asked.ahead:
            taken = self._taken_ahead(asked, following)
            if taken is not None:
                return taken
            self._anew = True  # what the execution keeps of that address is what was doubted
            asked = self._follow(following)
        return self._taken(asked, following)

    def _taken_ahead(
        self, asked: Asked, following: Link | Number
    ) -> tuple[Envelope, list[Any]] | None:
        """A page that was asked for by its number; ``None`` if it has to be asked for once more.

        Numbers may be ignored or refused. Then the listing is read on page by page. And what is new
        moves other items on, to a page that may have been answered before: items between two pages
        are lost if the first was answered after the second. The size shows that it was so.
        """
        assert self._ahead is not None
        try:
            page = self._envelope(self._scan.wait(asked.answer))
            if self._is_meant(page, following):
                if page.size != self.size:
                    self._changes += 1
                    self._ahead.forget(go_on=self._changes <= CHANGES)
                    return None
                values = self._new(page.values)
                self._read_from(asked.url, following)
                return page, values
        except (BadResponse, Rejected, NotFound):
            pass
        self._ahead.forget(go_on=False)
        return None

    def _is_meant(self, page: Envelope, following: Link | Number) -> bool:
        """Whether a page that was asked for ahead looks as if it were the following one."""
        if not page.values or page.size is None:
            return False
        if isinstance(following, Number):
            return page.page in (None, following.page)
        return page.page == page_in(following.address)

    def _read_from(self, url: str, following: Following) -> None:
        """Note where the page that is read now came from."""
        if isinstance(following, Link):
            self._read.add(hash(self._linked(following)))
        self._read.add(hash(url))
        self._url = url

    def _taken(self, asked: Asked, following: Following) -> tuple[Envelope, list[Any]]:
        page = self._envelope(self._scan.wait(asked.answer))
        self._read_from(asked.url, following)
        self._check_number(following, page)
        return page, self._new(page.values)

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

    def _first_page(self) -> Asked:
        listing = self._listing
        while True:
            self.start()
            assert self._first is not None
            try:
                self._scan.wait(self._first.answer)
                self._read_from(self._first.url, None)
                return self._first
            except RequestError as error:
                if not self._client.endpoints.learn(listing.endpoint, self._sent, error):
                    raise
                self._first = None

    def _follow(self, following: Link | Number) -> Asked:
        if isinstance(following, Number):
            return self._submit(self._address(("page", str(following.page))))
        return self._submit(self._linked(following))

    def _submit(self, url: str, *, ahead: bool = False) -> Asked:
        answer = self._client.ask(url, self._scan, self._listing.wanted, anew=self._anew)
        return Asked(url, answer, ahead)

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
        if isinstance(following, Link) and hash(self._linked(following)) in self._read:
            raise self._bad("Its link to the next page leads back to a page already read.")
        return following

    def _linked(self, link: Link) -> str:
        return absolute(link.address, self._url)

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
