"""How a listing goes on from page to page: each strategy alone, without a request."""

import pytest

from bitbucket_fdw.api.envelope import Envelope, Unreadable, complaint, whole
from bitbucket_fdw.api.strategies import (
    Contradiction,
    Link,
    NextLinks,
    Number,
    Numbers,
    OwnNumbers,
    Progress,
    Whole,
)

FULL = list(range(10))
LINK = "https://api.example/things?page=2"


def progress(values=FULL, *, number=1, items=None, size=None, asked=10, **envelope):
    """The ``number``th page was read, ``items`` so far."""
    read = items if items is not None else len(values) + 10 * (number - 1)
    told = size if size is not None else envelope.pop("known", None)
    return Progress(Envelope(values, size=size, **envelope), number, read, told, asked)


LAST = progress([1, 2], number=3, size=22)
EVERY = (NextLinks(), Numbers(), OwnNumbers(), Whole())


# --- what all have in common ---


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: type(s).__name__)
def test_a_listing_ends_where_its_size_and_its_links_agree(strategy):
    assert strategy.following(LAST) is None
    assert strategy.following(progress([], size=0)) is None


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: type(s).__name__)
def test_while_there_is_a_link_there_is_more(strategy):
    assert strategy.following(progress(next=LINK, size=25)) in (Link(LINK), Number(2))


# --- by links ---


@pytest.mark.parametrize("strategy", [NextLinks(), Numbers()], ids=lambda s: type(s).__name__)
def test_a_link_is_followed_whatever_else_the_page_says(strategy):
    for page in (progress([], next=LINK), progress(next=LINK, size=10), progress([1], next=LINK)):
        assert strategy.following(page) == Link(LINK)


@pytest.mark.parametrize("strategy", [NextLinks(), Numbers()], ids=lambda s: type(s).__name__)
def test_without_a_link_a_page_that_is_not_full_is_the_last(strategy):
    assert strategy.following(progress([1, 2], size=40)) is None
    assert strategy.following(progress()) is None  # and one of which no size is known


def test_links_alone_do_not_say_where_a_full_page_goes_on():
    with pytest.raises(Contradiction, match="10 of 25 items"):
        NextLinks().following(progress(size=25, page=1))


def test_numbers_stand_in_for_a_missing_link():
    assert Numbers().following(progress(size=25, page=1)) == Number(2)
    assert Numbers().following(progress(number=2, size=25, page=2)) == Number(3)


def test_a_page_without_a_number_of_its_own_has_no_following_number():
    with pytest.raises(Contradiction):
        Numbers().following(progress(size=25))


def test_what_a_page_says_of_its_length_counts_more_than_what_was_asked_for():
    # The server's pages are shorter than was asked for: this one is full.
    assert Numbers().following(progress([1, 2], size=9, page=1, pagelen=2)) == Number(2)
    with pytest.raises(Contradiction):
        NextLinks().following(progress([1, 2], size=9, pagelen=2))


# --- by our own numbers ---


def test_own_numbers_go_on_whatever_the_link_says():
    assert OwnNumbers().following(progress(next="elsewhere", size=25)) == Number(2)
    assert OwnNumbers().following(progress(number=2, size=25)) == Number(3)


def test_own_numbers_end_at_the_size_or_at_an_empty_page():
    assert OwnNumbers().following(progress(number=2, size=20)) is None
    assert OwnNumbers().following(progress([], number=3, items=20, size=25)) is None


def test_own_numbers_believe_no_size_that_is_less_than_what_was_read():
    assert OwnNumbers().following(progress(number=3, size=25)) == Number(4)


def test_own_numbers_believe_a_link_more_than_a_size_that_is_reached():
    assert OwnNumbers().following(progress(number=2, size=20, next=LINK)) == Number(3)


def test_without_a_size_own_numbers_go_on_until_a_page_is_empty():
    assert OwnNumbers().following(progress([1])) == Number(2)
    assert OwnNumbers().following(progress([], number=2, items=1)) is None


# --- all at once ---


def test_all_at_once_is_one_page_of_which_nothing_says_that_there_is_more():
    assert Whole().following(progress()) is None
    assert Whole().following(progress(size=10)) is None
    assert Whole().following(progress([1], pagelen=10)) is None


@pytest.mark.parametrize(
    "page", [progress(size=25), progress(next=LINK), progress(pagelen=10), progress([1], size=2)]
)
def test_all_at_once_goes_on_by_number_where_something_says_that_there_is_more(page):
    assert Whole().following(page) == Number(2)


# --- pages side by side ---


@pytest.mark.parametrize("strategy", EVERY, ids=lambda s: type(s).__name__)
def test_pages_ahead_are_those_that_following_leads_to_one_by_one(strategy):
    for size in (1, 9, 10, 11, 25, 30, 31):
        first = progress(FULL[:size], size=size, page=1, pagelen=10)
        ahead = strategy.ahead(first)
        if not ahead:
            continue
        pages, number = [], 1
        while True:
            length = max(0, min(10, size - 10 * (number - 1)))
            page = progress(FULL[:length], number=number, size=size, page=number, pagelen=10)
            try:
                following = strategy.following(page)
            except Contradiction:
                break
            if following is None:
                break
            number += 1
            pages.append(number)
        assert list(ahead) == pages


def test_links_alone_lead_to_one_page_at_a_time():
    assert NextLinks().ahead(progress(next=LINK, size=90, page=1, pagelen=10)) == range(0)


def test_numbered_pages_can_be_asked_for_side_by_side():
    first = progress(next=LINK, size=31, page=1, pagelen=10)
    for strategy in (Numbers(), OwnNumbers(), Whole()):
        assert strategy.ahead(first) == range(2, 5)


@pytest.mark.parametrize(
    "page",
    [
        progress(page=1, pagelen=10),  # no size
        progress(size=90, page=1, pagelen=10, number=2),  # its number is another one
        progress([1, 2], size=90, page=1, pagelen=10),  # shorter than it says, and more to come
        progress(size=90, asked=None, page=1),  # nobody knows how long a page is
        progress(size=5, page=1, pagelen=10),  # more items than the listing has
    ],
)
def test_what_does_not_fit_together_is_read_page_by_page(page):
    for strategy in EVERY:
        assert not strategy.ahead(page)


def test_a_page_that_does_not_say_its_number_is_no_numbered_one():
    assert Numbers().ahead(progress(size=90, pagelen=10)) == range(0)
    assert OwnNumbers().ahead(progress(size=30, pagelen=10)) == range(2, 4)


# --- envelopes ---


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"values": {}}, {"values": None}])
def test_what_has_no_list_of_values_is_no_page(answer):
    with pytest.raises(Unreadable, match="no list of values"):
        Envelope.read(answer)


def test_a_link_that_is_no_address_is_no_end():
    with pytest.raises(Unreadable):
        Envelope.read({"values": [], "next": 7})
    assert Envelope.read({"values": [], "next": ""}).next is None


@pytest.mark.parametrize(
    ("told", "number"),
    [(7, 7), ("7", 7), (7.0, 7), (7.5, None), (-1, None), (True, None), ("x", None), (2**60, None)],
)
def test_numbers_are_read_where_there_is_no_doubt(told, number):
    assert whole(told) == number
    assert Envelope.read({"values": [], "size": told}).size == number


def test_an_error_document_is_told_from_a_page():
    assert complaint({"values": [], "error": {}}) is None
    assert complaint({"type": "error"}) == "It does not say why."
    assert complaint({"error": {"message": "no"}}) == "no"
    assert complaint([]) is None
