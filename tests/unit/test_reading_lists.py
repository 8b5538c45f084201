"""Long lists of keys: in the fewest requests, or the whole listing where that takes fewer."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from tests.support.fake_api import FakeApi, Json, Received, numbered
from tests.support.reading import AT, WORKSPACE, Session

PULLS = f"{AT}/pullrequests"
COUNT = 420
PAGES = 9


def items(count: int = COUNT) -> list[Json]:
    return list(
        numbered(
            count,
            title=lambda n: f"title {n}",
            state=lambda n: ("OPEN", "MERGED")[n % 2],
            author=lambda n: {"uuid": f"{{{UUID(int=n)}}}"},
        )
    )


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.collection(PULLS, items())
    return made


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


def ids(session: Session, wanted: list[int], *quals: Any, **more: Any) -> list[int]:
    """The wanted ones among the rows, which may be more: PostgreSQL checks them."""
    rows = session.rows("pull_requests", ("id", ("=", True), wanted), *quals, **more)
    found = [row["id"] for row in rows]
    assert len(found) == len(set(found))
    return sorted(set(found) & set(wanted))


def lists(api: FakeApi) -> list[str]:
    return [request["q"] for request in api.received if " IN (" in (request["q"] or "")]


def test_a_list_takes_a_request_for_each_page_of_it(api: FakeApi, session: Session) -> None:
    wanted = list(range(1, 121))
    assert ids(session, wanted) == wanted
    assert len(lists(api)) == len(api.received) == 3


def test_a_list_that_is_longer_than_the_listing_reads_that(api: FakeApi, session: Session) -> None:
    list(session.rows("pull_requests"))
    api.taken()
    wanted = list(range(300, 2300))
    assert ids(session, wanted) == list(range(300, COUNT + 1))
    assert (len(api.received), lists(api)) == (PAGES, [])


def test_the_size_of_an_unknown_listing_is_asked_for_if_the_list_is_long(
    api: FakeApi, session: Session
) -> None:
    assert ids(session, list(range(300, 2300))) == list(range(300, COUNT + 1))
    assert (len(api.received), lists(api)) == (1 + PAGES, [])
    api.taken()
    assert ids(session, list(range(1, 1000))) == list(range(1, COUNT + 1))
    assert len(api.received) == PAGES
    api.taken()
    assert ids(session, list(range(1, 401))) == list(range(1, 401))
    assert len(lists(api)) == len(api.received) == 8


def test_a_large_listing_is_not_read_for_a_list(api: FakeApi, session: Session) -> None:
    api.collection(PULLS, items(1000))
    wanted = list(range(1, 501))
    assert ids(session, wanted) == wanted
    assert len(api.received) == 1 + 10
    assert len(lists(api)) == 10


@pytest.mark.parametrize("size", [None, "many", -1])
def test_without_a_size_the_list_is_asked_for(api: FakeApi, session: Session, size: Any) -> None:
    def answer(request: Received) -> Any:
        body: Any = api.without_faults(request).body
        return {**body, "size": size} if request["fields"] == "size" else body

    api.fault(PULLS, answer)
    wanted = list(range(1, 501))
    for looks in (1, 0):  # once in a session
        api.taken()
        assert ids(session, wanted) == list(range(1, COUNT + 1))
        assert (len(lists(api)), len(api.received)) == (10, 10 + looks)


def test_a_refused_look_is_no_error(api: FakeApi, session: Session) -> None:
    api.fail(PULLS, 500, count=1)
    assert ids(session, list(range(1, 501))) == list(range(1, COUNT + 1))


def test_other_conditions_stay(api: FakeApi, session: Session) -> None:
    wanted = list(range(1, 2000))
    found = ids(session, wanted, ("state", "=", "OPEN"))
    assert found == [n for n in range(1, COUNT + 1) if n % 2 == 0]
    assert {request["q"] for request in api.received} == {None, 'state = "OPEN"'}


def test_uuids_are_as_many_as_the_address_holds(api: FakeApi, session: Session) -> None:
    authors = [str(UUID(int=n)) for n in range(1, 141)]
    rows = session.rows("pull_requests", ("author_uuid", ("=", True), authors))
    assert len(list(rows)) == 140
    assert len(lists(api)) == len(api.received) == 3
    assert all(len(q) < 4000 for q in lists(api))


def test_what_may_end_early_asks_for_the_list(api: FakeApi, session: Session) -> None:
    list(session.rows("pull_requests"))
    api.taken()
    quals = ("id", ("=", True), list(range(300, 2300)))
    assert next(iter(session.rows("pull_requests", quals, may_stop=True)))
    assert lists(api)
    request = session.request("pull_requests", quals, limit=5)
    assert len(list(session.reader().rows(request))) == 5


def test_pages_of_a_hundred_take_lists_of_a_hundred(api: FakeApi, session: Session) -> None:
    path = f"{AT}/issues"
    api.collection(path, items(1000))
    rows = session.rows("issues", ("id", ("=", True), list(range(1, 201))))
    assert len(list(rows)) == 200
    assert len(api.received) == 2


def test_each_repository_is_read_in_its_own_way() -> None:
    api = FakeApi.of_repositories("large", "small")
    api.collection("/repositories/acme/large/pullrequests", items(3000))
    api.collection("/repositories/acme/small/pullrequests", items(60))
    session = Session.of(api)
    wanted = list(range(1, 501))
    rows = list(
        session.rows("pull_requests", ("id", ("=", True), wanted), bound=WORKSPACE, columns=("id",))
    )
    assert len([row for row in rows if row["id"] in wanted]) == 500 + 60
    assert len(api.received) == 1 + (1 + 10) + (1 + 2)
