"""What pages say of each other, and what becomes of listings whose pages contradict it."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from bitbucket_fdw.api import Listing, NextLinks, Numbers, OwnNumbers, Pages, Strategy, Whole
from bitbucket_fdw.api.envelope import Envelope
from bitbucket_fdw.api.strategies import Contradiction, Link, Number, Progress
from bitbucket_fdw.errors import BadResponse
from tests.api.helpers import client_of, page, scan_of
from tests.api.scripted import Answer, ScriptedServer

EVERY = [NextLinks(), Numbers(), OwnNumbers(), Whole()]
IDS = [type(strategy).__name__ for strategy in EVERY]


class Reading:
    """A whole listing, read."""

    def __init__(self, server: ScriptedServer, strategy: Strategy, **options: Any) -> None:
        client = client_of(server)
        self.doubts: list[str] = []
        listing = Listing(
            "/things",
            (("pagelen", "2"),),
            strategy,
            key=lambda item: item if isinstance(item, int) else None,
            **options,
        )
        pages = Pages(client, scan_of(client), listing, doubt=self.doubts.append)
        self.items = [value for values in pages for value in values]


def number(target: str) -> int:
    return int(parse_qs(urlsplit(target).query).get("page", ["1"])[0])


def numbered(*pages: Answer):
    """A listing that answers page numbers, and is empty past the end."""

    def answer(target: str) -> Answer:
        asked = number(target)
        return pages[asked - 1] if asked <= len(pages) else page(page=asked)

    return answer


# --- the strategies alone ---


def after(strategy: Strategy, *values: int, **told: Any) -> Any:
    """Where a strategy goes from a page; ``asked``, ``items`` and ``number`` are the reader's."""
    read: dict[str, Any] = {
        name: told.pop(name) for name in ("asked", "items", "number") if name in told
    }
    envelope = Envelope(list(values), **told)
    progress: dict[str, Any] = {"number": 1, "items": len(values), "size": envelope.size, **read}
    return strategy.following(Progress(envelope, **progress))


@pytest.mark.parametrize("strategy", EVERY, ids=IDS)
def test_a_listing_whose_size_is_reached_is_at_its_end(strategy):
    assert after(strategy, 1, 2, size=2, page=1, pagelen=2) is None
    assert after(strategy, 3, size=3, page=2, pagelen=2, number=2, items=3) is None


@pytest.mark.parametrize("strategy", EVERY, ids=IDS)
def test_an_empty_page_without_a_link_is_the_end(strategy):
    assert after(strategy, size=7, page=4, number=4, items=6) is None


@pytest.mark.parametrize("strategy", EVERY[:2], ids=IDS[:2])
def test_a_link_is_followed_whatever_the_size_says(strategy):
    assert after(strategy, 1, next="?x", size=1) == Link("?x")
    assert after(strategy, next="?x", size=0) == Link("?x")


def test_without_a_link_after_a_full_page_numbers_are_needed():
    with pytest.raises(Contradiction, match="2 of 5"):
        after(NextLinks(), 1, 2, size=5, page=1, pagelen=2)
    with pytest.raises(Contradiction, match="2 of 5"):
        after(Numbers(), 1, 2, size=5, pagelen=2)
    assert after(Numbers(), 1, 2, size=5, page=3, pagelen=2) == Number(4)


@pytest.mark.parametrize("strategy", EVERY[:2], ids=IDS[:2])
def test_a_short_last_page_is_the_end(strategy):
    assert after(strategy, 1, size=5, page=1, pagelen=2) is None
    assert after(strategy, 1, size=5, page=1, asked=2) is None


def test_numbers_of_our_own_go_on_until_nothing_comes():
    assert after(OwnNumbers(), 1) == Number(2)
    assert after(OwnNumbers(), 1, size=5, number=2, items=3) == Number(3)
    assert after(OwnNumbers(), 1, size=1, next="?x") == Number(2)
    assert after(OwnNumbers(), 1, 2, size=0) == Number(2)
    assert after(OwnNumbers(), 1, 2, size=2, number=2, items=4) == Number(3)


def test_what_comes_all_at_once_is_asked_for_once():
    assert after(Whole(), 1, 2, 3) is None
    assert after(Whole(), 1, 2, 3, asked=2) is None
    assert after(Whole(), 1, 2, size=3) == Number(2)
    assert after(Whole(), 1, 2, pagelen=2) == Number(2)
    assert after(Whole(), 1, 2, pagelen=10) is None
    assert after(Whole(), 1, 2, next="?x") == Number(2)


# --- next is missing ---


def test_a_listing_without_next_is_read_on_by_number(scripted):
    told = {"size": 5, "pagelen": 2}
    server = scripted(
        numbered(page(1, 2, page=1, **told), page(3, 4, page=2, **told), page(5, page=3, **told))
    )
    reading = Reading(server, Numbers())
    assert (reading.items, reading.doubts) == ([1, 2, 3, 4, 5], [])
    assert server.targets[1:] == ["/2.0/things?pagelen=2&page=2", "/2.0/things?pagelen=2&page=3"]


@pytest.mark.parametrize("strategy", EVERY[:2], ids=IDS[:2])
def test_a_listing_without_next_and_numbers_is_an_error(scripted, strategy):
    server = scripted(lambda _: page(1, 2, size=5, pagelen=2))
    with pytest.raises(BadResponse) as caught:
        Reading(server, strategy)
    assert "2 of 5" in caught.value.detail
    assert len(server.received) == 1


@pytest.mark.parametrize("strategy", EVERY[:2], ids=IDS[:2])
def test_fewer_items_than_the_last_size_are_told(scripted, strategy):
    server = scripted(
        {
            "/2.0/things?pagelen=2": page(1, 2, next="?b", size=7),
            "/2.0/things?b": page(3, size=4),
        }
    )
    reading = Reading(server, strategy)
    assert reading.items == [1, 2, 3]
    [doubt] = reading.doubts
    assert "/things" in doubt
    assert "gave 3 items" in doubt
    assert "has 4" in doubt


def test_a_size_of_something_else_is_not_told(scripted):
    server = scripted(lambda _: page(1, size=7))
    assert Reading(server, NextLinks(), counted=False).doubts == []


def test_rows_that_went_while_it_was_read_are_no_fault(scripted):
    server = scripted(
        {
            "/2.0/things?pagelen=2": page(1, 2, next="?b", size=4),
            "/2.0/things?b": page(3, size=3),
        }
    )
    assert Reading(server, NextLinks()).doubts == []


def test_who_stops_early_is_told_nothing(scripted):
    server = scripted(lambda _: page(1, 2, size=5, pagelen=2))
    client, doubts = client_of(server), []
    listing = Listing("/things", (("pagelen", "2"),))
    pages: Any = iter(Pages(client, scan_of(client), listing, enough=2, doubt=doubts.append))
    assert next(pages) == [1, 2]
    pages.close()
    assert doubts == []


# --- pages that come again ---


@pytest.mark.parametrize("size", [{}, {"size": 5}])
@pytest.mark.parametrize("told", [{}, {"page": 1}, {"page": "1"}])
def test_a_page_that_stands_still_is_an_error(scripted, told, size):
    server = scripted(lambda _: page(1, 2, **told, **size))
    with pytest.raises(BadResponse) as caught:
        Reading(server, OwnNumbers())
    assert len(server.received) == 2
    wanted = "page 1 where page 2" if told else "earlier pages"
    assert wanted in caught.value.detail


def test_links_that_lead_to_the_same_items_are_an_error(scripted):
    count = iter(range(100))
    server = scripted(lambda _: page(1, 2, next=f"?mark={next(count)}"))
    with pytest.raises(BadResponse) as caught:
        Reading(server, NextLinks())
    assert "earlier pages" in caught.value.detail
    assert len(server.received) <= 3


@pytest.mark.parametrize("strategy", [Numbers(), OwnNumbers()], ids=["Numbers", "OwnNumbers"])
def test_items_that_were_shifted_to_the_next_page_come_once(scripted, strategy):
    """Somebody made item 0 after the first page was read."""
    server = scripted(
        numbered(
            page(1, 2, page=1, size=3, pagelen=2, next="?page=2"),
            page(2, 3, page=2, size=4, pagelen=2),
        )
    )
    reading = Reading(server, strategy)
    assert (reading.items, reading.doubts) == ([1, 2, 3], [])


# --- odd envelopes ---


@pytest.mark.parametrize(
    ("size", "read"),
    [
        *[(None, None), ("3", 3), (3.0, 3), (True, None), (-1, None), ("-1", None), ("3.5", None)],
        *[(3.5, None), ("", None), ([3], None), ("9" * 30, None), (1e300, None)],
    ],
)
def test_a_size_is_read_where_it_can_be_without_doubt(scripted, size, read):
    server = scripted(lambda _: page(1, size=size))
    client = client_of(server)
    pages = Pages(client, scan_of(client), Listing("/things", (("pagelen", "2"),)))
    assert list(pages) == [[1]]
    assert pages.size == read


@pytest.mark.parametrize("strategy", EVERY[:2], ids=IDS[:2])
def test_an_empty_next_is_none(scripted, strategy):
    server = scripted(lambda _: page(1, next=""))
    assert Reading(server, strategy).items == [1]
    assert len(server.received) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"type": "error", "error": {"message": "Something said"}},
        {"error": {"message": "Something said"}},
        {"type": "error", "error": "Something said"},
    ],
)
def test_an_error_under_200_is_an_error_that_says_what_it_says(scripted, body):
    server = scripted(lambda _: Answer(body))
    with pytest.raises(BadResponse) as caught:
        Reading(server, NextLinks())
    assert caught.value.detail == "Something said"
    assert len(server.received) == 1


# --- what endpoints take ---


def test_a_page_length_that_is_refused_is_halved_and_remembered(scripted):
    def answer(target: str) -> Answer:
        if int(parse_qs(urlsplit(target).query)["pagelen"][0]) > 30:
            return Answer({"error": {"message": "Invalid pagelen"}}, status=400)
        return page(1)

    server = scripted(answer)
    client = client_of(server)
    listing = Listing("/things", (("pagelen", "100"), ("q", "x")), endpoint="/{what}")
    for _ in range(2):
        assert list(Pages(client, scan_of(client), listing)) == [[1]]
    sent = [parse_qs(urlsplit(target).query)["pagelen"][0] for target in server.targets]
    assert sent == ["100", "50", "25", "25"]


def test_a_page_length_is_halved_once_for_requests_that_are_under_way_together(scripted):
    def answer(target: str) -> Answer:
        if int(parse_qs(urlsplit(target).query)["pagelen"][0]) > 50:
            return Answer({"error": {"message": "Invalid pagelen"}}, status=400)
        return page(1)

    server = scripted(answer)
    client = client_of(server, concurrency=8)
    scan = scan_of(client)
    listings = [Listing(f"/{n}", (("pagelen", "100"),), endpoint="/{what}") for n in range(8)]
    together = [Pages(client, scan, listing) for listing in listings]
    for pages in together:
        pages.start()
    assert [list(pages) for pages in together] == [[[1]]] * 8
    sent = [parse_qs(urlsplit(target).query)["pagelen"][0] for target in server.targets]
    assert sorted(sent) == ["100"] * 8 + ["50"] * 8


def test_a_page_length_that_is_never_taken_is_an_error(scripted):
    server = scripted(lambda _: Answer({"error": {"message": "Invalid pagelen"}}, status=400))
    client = client_of(server)
    with pytest.raises(Exception, match="400"):
        list(Pages(client, scan_of(client), Listing("/things", (("pagelen", "100"),))))
    assert len(server.received) < 10


NO_API = Answer(
    {"error": {"message": "Resource not found", "detail": "There is no API hosted at this URL."}},
    status=404,
)


def test_the_slash_is_left_out_of_requests_that_are_under_way_together(scripted):
    server = scripted(lambda target: NO_API if target.endswith("/") else page(1))
    client = client_of(server, concurrency=8)
    scan = scan_of(client)
    together = [Pages(client, scan, Listing(f"/{n}/", endpoint="/{what}/")) for n in range(8)]
    for pages in together:
        pages.start()
    assert [list(pages) for pages in together] == [[[1]]] * 8
    assert len(server.received) == 16


@pytest.mark.parametrize(("taken", "asked"), [("/", 2), ("", 3)])
def test_the_slash_is_left_out_where_it_is_not_taken(scripted, taken, asked):
    server = scripted({f"/2.0/things{taken}": page(1)})
    server.answer = lambda target: page(1) if target == f"/2.0/things{taken}" else NO_API
    client = client_of(server)
    listing = Listing("/things/", endpoint="/{what}/")
    for _ in range(2):
        assert list(Pages(client, scan_of(client), listing)) == [[1]]
    assert len(server.received) == asked


def test_an_address_without_an_api_in_either_form_is_an_error(scripted):
    server = scripted(lambda _: NO_API)
    client = client_of(server)
    for _ in range(2):
        with pytest.raises(Exception, match="404"):
            list(Pages(client, scan_of(client), Listing("/things/", endpoint="/{what}/")))
    assert len(server.received) == 4
