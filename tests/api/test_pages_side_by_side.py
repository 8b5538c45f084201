"""Pages that are asked for side by side: the same items as page by page, whatever a server does."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from bitbucket_fdw.api import (
    KeptAnswers,
    Listing,
    NextLinks,
    Numbers,
    OwnNumbers,
    Pages,
    Strategy,
    Window,
    WriteCount,
)
from bitbucket_fdw.api.paging import CHANGES
from bitbucket_fdw.errors import BitbucketError
from tests.api.helpers import client_of, scan_of
from tests.api.scripted import Answer

LENGTH = 10
LATER = 0.02  # seconds, so that requests made together are under way together


@dataclass
class Numbered:
    """A listing in numbered pages, and what is odd about it.

    ``marked_links`` is whether links have more in them than the addresses that the client makes.
    ``bend`` is given the number that was asked for, whether it was asked for by a link, and the
    page; it gives what is answered instead.
    """

    items: list[Any] = field(default_factory=lambda: list(range(95)))
    bend: Callable[[Numbered, int, bool, dict[str, Any]], Any] = lambda _, __, ___, page: page
    delay: float = 0.0
    marked_links: bool = True
    under_way: int = 0
    most: int = 0
    asked: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def page(self, number: int) -> dict[str, Any]:
        found = self.items[(number - 1) * LENGTH : number * LENGTH]
        page = {"values": found, "size": len(self.items), "page": number, "pagelen": LENGTH}
        if number * LENGTH < len(self.items):
            marks = {"linked": 1} if self.marked_links else {}
            page["next"] = "?" + urlencode({"page": number + 1, **marks})
        return page

    def __call__(self, target: str) -> Answer:
        query = dict(parse_qsl(urlsplit(target).query))
        number = int(query.get("page", 1)) if query.get("page", "1").isdigit() else 0
        with self.lock:
            self.asked.append(number)
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        time.sleep(self.delay)
        said = self.bend(self, number, "linked" in query, self.page(number))
        with self.lock:
            self.under_way -= 1
        return said if isinstance(said, Answer) else Answer(said)


def pages_of(server: Any, strategy: Strategy, *, kept: bool = False, **more: Any) -> Pages:
    client = client_of(server, concurrency=8)
    listing = Listing("/things", strategy=strategy, key=lambda value: value)
    answers = KeptAnswers(WriteCount()) if kept else None
    return Pages(client, scan_of(client, kept=answers), listing, **more)


def read(server: Any, strategy: Strategy, **more: Any) -> tuple[list[Any], type[Exception] | None]:
    """The items, and the kind of the error that ended them."""
    found: list[Any] = []
    try:
        for values in pages_of(server, strategy, **more):
            found.extend(values)
    except BitbucketError as error:
        return found, type(error)
    return found, None


def changed(**members: Any) -> Callable[..., Any]:
    """Pages after the first one with other members; ``None`` for those that are left out."""

    def bend(_: Numbered, number: int, __: bool, page: dict[str, Any]) -> dict[str, Any]:
        given = {**page, **members} if number > 1 else page
        return {name: value for name, value in given.items() if value is not None}

    return bend


def only_by_link(listing: Numbered, number: int, linked: bool, page: dict[str, Any]) -> Any:
    if number > 1 and not linked:
        return Answer({"type": "error", "error": {"message": "Invalid page"}}, 400)
    return page


def first_page_unless_linked(
    listing: Numbered, number: int, linked: bool, page: dict[str, Any]
) -> Any:
    return page if linked else {**listing.page(1), "page": number}


def number_ignored(listing: Numbered, number: int, linked: bool, page: dict[str, Any]) -> Any:
    return page if linked else listing.page(1)


def stands_still(listing: Numbered, number: int, linked: bool, page: dict[str, Any]) -> Any:
    return {**listing.page(min(number, 3)), "page": number}


def marks_later(listing: Numbered, number: int, linked: bool, page: dict[str, Any]) -> Any:
    """From the third page on, links have marks, and numbers are refused."""
    if number == 0:
        return {**listing.page(4), "next": None, "size": 40}
    if number > 3:
        return Answer({"type": "error"}, 400)
    return {**page, "next": "?page=mark"} if number == 3 else page


def empty_unless_linked(listing: Numbered, number: int, linked: bool, page: Any) -> Any:
    return page if linked or number == 1 else {**page, "values": [], "next": None}


def fails(number: int, status: int) -> Callable[..., Any]:
    def bend(_: Numbered, asked: int, __: bool, page: dict[str, Any]) -> Any:
        return Answer({"type": "error"}, status) if asked == number else page

    return bend


def size(told: Any) -> Callable[..., Any]:
    return lambda _, __, ___, page: {**page, "size": told}


BENDS: dict[str, Callable[..., Any]] = {
    "nothing": lambda _, __, ___, page: page,
    "numbers refused": only_by_link,
    "numbers ignored": number_ignored,
    "numbers ignored, and told as if not": first_page_unless_linked,
    "empty unless linked": empty_unless_linked,
    "the same page again and again": stands_still,
    "marks from the third page on": marks_later,
    "later pages without a number": changed(page=None),
    "later pages without a size": changed(size=None),
    "later pages without a length": changed(pagelen=None),
    "later pages with another number": changed(page=7),
    "no links": lambda _, __, ___, page: {n: v for n, v in page.items() if n != "next"},
    "links lost after the first page": changed(next=None),
    "size too large": size(500),
    "size beyond all measure": size(2**50),
    "size too small": size(35),
    "size below what the first page has": size(3),
    "size as text": size("95"),
    "no size": size(None),
    "first page shorter than it says": lambda _, __, ___, page: {**page, "pagelen": 20},
    "404 on the fourth page": fails(4, 404),
    "500 on the fourth page": fails(4, 500),
    "400 on the last page": fails(10, 400),
    "no page but an error": lambda _, n, __, p: {"type": "error", "error": {}} if n == 3 else p,
}


@pytest.mark.parametrize("name", BENDS)
@pytest.mark.parametrize("strategy", [Numbers(), OwnNumbers()], ids=["numbers", "own_numbers"])
def test_it_gives_what_page_by_page_gives(scripted, name, strategy):
    """The whole of it, or the same error. Before an error some rows less may have come."""
    side_by_side = Numbered(bend=BENDS[name])
    found = read(scripted(side_by_side), strategy, every=True)
    one_by_one = read(scripted(Numbered(bend=BENDS[name])), strategy)
    assert found == one_by_one
    assert len(side_by_side.asked) <= 10 + 10 + 8  # by number, by link, and what was given up


@pytest.mark.parametrize("order", range(16))
@pytest.mark.parametrize("new", [1, 9])
@pytest.mark.parametrize("marked", [False, True])
@pytest.mark.parametrize("strategy", [Numbers(), OwnNumbers()], ids=["numbers", "own_numbers"])
def test_nothing_is_lost_where_pages_are_answered_in_any_order(
    scripted, order, new, marked, strategy
):
    """While items come in front of the others, of which some have been answered before.

    What the execution keeps of an address must not be taken for what it is answered now.
    """
    chance = random.Random(order)
    when = chance.randrange(2, 9)

    def bend(listing: Numbered, number: int, _: bool, __: dict[str, Any]) -> Any:
        with listing.lock:
            if len(listing.asked) == when and len(listing.items) == 95:
                listing.items[:0] = range(-new, 0)
        time.sleep(chance.random() * LATER)
        with listing.lock:
            page = listing.page(number)
        time.sleep(chance.random() * LATER)
        return page

    listing = Numbered(bend=bend, marked_links=marked)
    found, error = read(scripted(listing), strategy, every=True, kept=True)
    assert error is None
    assert len(found) == len(set(found))
    assert set(range(95)) <= set(found)


def test_a_listing_that_changes_all_the_time_is_read_page_by_page(scripted):
    def bend(listing: Numbered, number: int, _: bool, __: dict[str, Any]) -> Any:
        with listing.lock:
            if len(listing.asked) % 4 == 0:
                listing.items.insert(0, -len(listing.items))
            return listing.page(number)

    listing = Numbered(list(range(300)), bend)
    found, error = read(scripted(listing), Numbers(), every=True)
    assert error is None
    assert len(found) == len(set(found))
    assert set(range(300)) <= set(found)
    assert len(listing.asked) <= len(listing.items) / LENGTH + (CHANGES + 1) * 9


def test_pages_are_under_way_together_and_no_more_of_them_than_there_are(scripted):
    listing = Numbered(delay=LATER)
    assert read(scripted(listing), Numbers(), every=True) == (listing.items, None)
    assert sorted(listing.asked) == list(range(1, 11))
    assert 2 < listing.most <= 8


@pytest.mark.parametrize("every", [False, True])
def test_a_consumer_of_one_page_of_many_has_cost_one(scripted, every):
    """Also one of which nobody knew that it would stop, such as a loop that is left."""
    listing = Numbered()
    pages: Iterator[Any] = iter(pages_of(scripted(listing), Numbers(), every=every))
    next(pages)
    pages.close()  # type: ignore[attr-defined]
    assert listing.asked == [1]


@pytest.mark.parametrize("taken", range(1, 10))
def test_who_may_stop_has_cost_less_than_as_much_again(scripted, taken):
    listing = Numbered(list(range(500)))
    pages = iter(pages_of(scripted(listing), Numbers()))
    for _ in range(taken):
        next(pages)
    time.sleep(LATER)
    assert len(set(listing.asked)) == len(listing.asked) < 2 * taken + (taken == 1)


@pytest.mark.parametrize("enough", [1, 10, 11, 30, 31, 95, 1000])
@pytest.mark.parametrize("every", [False, True])
def test_nothing_is_asked_for_beyond_what_is_enough(scripted, enough, every):
    listing = Numbered()
    pages = pages_of(scripted(listing), Numbers(), enough=enough, every=every)
    found: list[Any] = []
    for values in pages:
        found.extend(values)
        if len(found) >= enough:
            break
    time.sleep(LATER)
    assert sorted(listing.asked) == list(range(1, -(-min(enough, 95) // LENGTH) + 1))


def test_listings_share_what_they_ask_for_ahead(scripted):
    window = Window(4)
    listings = [Numbered() for _ in range(3)]
    together = [pages_of(scripted(one), Numbers(), every=True, window=window) for one in listings]
    for pages in together:
        pages.start()
    time.sleep(5 * LATER)
    for pages in together:
        pages.go_on()
    time.sleep(5 * LATER)
    assert sum(len(one.asked) for one in listings) == 3 + 4
    for pages, one in zip(together, listings, strict=True):
        assert [value for values in pages for value in values] == one.items
        assert sorted(one.asked) == list(range(1, 11))
    assert all(window.enter() for _ in range(4))  # all room was given back
    assert not window.enter()


def test_links_with_marks_are_followed_one_by_one(scripted):
    listing = Numbered(delay=LATER / 4)

    def marked(target: str) -> Answer:
        answer = listing(target.replace("page=x", "page="))
        if "next" in answer.body:
            answer.body["next"] = answer.body["next"].replace("page=", "page=x")
        return answer

    assert read(scripted(marked), Numbers(), every=True) == (listing.items, None)
    assert listing.asked == list(range(1, 11))
    assert listing.most == 1


def test_listings_by_links_alone_are_read_one_by_one(scripted):
    listing = Numbered(delay=LATER / 4)
    assert read(scripted(listing), NextLinks(), every=True) == (listing.items, None)
    assert listing.asked == list(range(1, 11))
    assert listing.most == 1


def test_the_listing_that_is_read_keeps_its_part_of_the_window(scripted):
    """Listings that come later take what it leaves, and not what it needs."""
    window = Window(4)
    first, later = Numbered(), Numbered()
    followed: list[int] = []

    def bend(_: Numbered, number: int, linked: bool, page: dict[str, Any]) -> dict[str, Any]:
        if linked:
            followed.append(number)
        return page

    first.bend = bend
    waiting = pages_of(scripted(later), Numbers(), every=True, window=window)
    pages = pages_of(scripted(first), Numbers(), every=True, window=window, between=waiting.go_on)
    pages.start()
    waiting.start()
    time.sleep(5 * LATER)
    assert [value for values in pages for value in values] == first.items
    assert followed == []
    assert [value for values in waiting for value in values] == later.items
    assert all(window.enter() for _ in range(4))
