"""Listings that are sorted newest first, and are left where everything older is unwanted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest

from tests.support.fake_api import FakeApi, Json, Received, Reply, numbered
from tests.support.reading import AT, WORKSPACE, Session

PIPELINES = f"{AT}/pipelines/"
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
COUNT = 950
PAGES = 10


def moment(number: float) -> datetime:
    return START + timedelta(hours=number)


def items(count: int = COUNT, when: Callable[[int], float] = float) -> list[Json]:
    return list(
        numbered(
            count,
            uuid=lambda n: f"{{{UUID(int=n)}}}",
            build_number=lambda n: n,
            created_on=lambda n: moment(when(n)).isoformat(timespec="microseconds"),
        )
    )


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.collection(PIPELINES, items(), key="uuid")
    return made


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


def since(when: datetime, operator: str = ">=") -> tuple[str, Any, Any]:
    return ("created_on", operator, when)


def wanted(session: Session, *quals: Any, **more: Any) -> list[int]:
    """The build numbers of the rows that meet the conditions, as PostgreSQL checks them."""
    rows = session.rows("pipelines", *quals, columns=("build_number", "created_on"), **more)
    found = [row for row in rows if all(_meets(row["created_on"], qual) for qual in quals)]
    return sorted(row["build_number"] for row in found)


def _meets(text: str | None, qual: tuple[str, Any, Any]) -> bool:
    if text is None:
        return False
    value, (_, operator, bound) = datetime.fromisoformat(text), qual
    if isinstance(operator, tuple):
        return value in bound
    tests = {
        ">": value > bound,
        ">=": value >= bound,
        "<": value < bound,
        "<=": value <= bound,
        "=": value == bound,
    }
    return tests[operator]


@pytest.mark.parametrize("number", [COUNT + 1, COUNT, COUNT - 50, COUNT - 98])
def test_what_is_on_the_first_page_takes_one_request(
    api: FakeApi, session: Session, number: int
) -> None:
    assert wanted(session, since(moment(number))) == list(range(number, COUNT + 1))
    assert len(api.received) == 1
    assert api.received[0]["sort"] == "-created_on"


@pytest.mark.parametrize("pages", [2, 3, 5, 9])
def test_no_more_pages_are_read_than_are_wanted(api: FakeApi, session: Session, pages: int) -> None:
    number = COUNT - 100 * pages + 30
    assert wanted(session, since(moment(number))) == list(range(number, COUNT + 1))
    assert len(api.received) == pages


@pytest.mark.parametrize(
    "quals",
    [
        [since(moment(900), ">")],
        [since(moment(900), "=")],
        [since(moment(900)), since(moment(910), "<")],
        [since(moment(100)), since(moment(900))],
        [("created_on", ("=", True), [moment(880), moment(900)])],
        [since(moment(900) + timedelta(microseconds=1))],
        [since(moment(900) - timedelta(microseconds=1))],
    ],
    ids=str,
)
def test_every_lower_bound_ends_the_reading(api: FakeApi, session: Session, quals: Any) -> None:
    every = [one["build_number"] for one in items()]
    meant = [n for n in every if all(_meets(items()[n - 1]["created_on"], q) for q in quals)]
    assert wanted(session, *quals) == meant
    assert len(api.received) == 1


def test_a_list_of_times_is_read_down_to_the_least(session: Session) -> None:
    times = [moment(900), moment(600), moment(870)]
    assert wanted(session, ("created_on", ("=", True), times)) == [600, 870, 900]


@pytest.mark.parametrize(
    "quals",
    [[], [since(moment(900), "<")], [("created_on", "<>", moment(1))]],
    ids=str,
)
def test_without_a_lower_bound_everything_is_read(
    api: FakeApi, session: Session, quals: Any
) -> None:
    list(session.rows("pipelines", *quals, columns=("created_on",)))
    assert len(api.received) == PAGES
    assert {request["sort"] for request in api.received} == {None}


def test_an_order_that_was_asked_for_is_kept(api: FakeApi, session: Session) -> None:
    def numbers(sort: str) -> list[int]:
        columns = ("build_number", "created_on")
        rows = session.rows("pipelines", since(moment(900)), sort=sort, columns=columns)
        return [row["build_number"] for row in rows]

    assert numbers("-created_on")[:51] == list(range(COUNT, 899, -1))
    assert len(api.taken()) == 1
    assert numbers("created_on") == list(range(1, COUNT + 1))


def test_uneven_times_cost_a_page_more_at_most_by_guess(api: FakeApi, session: Session) -> None:
    api.collection(PIPELINES, items(when=lambda n: n if n > 800 else n / 20), key="uuid")
    assert wanted(session, since(moment(30))) == list(range(600, COUNT + 1))
    assert len(api.received) <= PAGES
    api.collection(PIPELINES, items(when=lambda n: n if n < 850 else n * 100), key="uuid")
    api.taken()
    assert wanted(session, since(moment(700))) == list(range(700, COUNT + 1))
    assert len(api.received) <= 4


def test_equal_times_prove_no_order(api: FakeApi, session: Session) -> None:
    api.collection(PIPELINES, items(when=lambda _: 5), key="uuid")
    assert wanted(session, since(moment(6))) == []
    assert len(api.received) == PAGES


def test_each_repository_ends_by_itself() -> None:
    api = FakeApi.of_repositories("large", "small")
    api.collection("/repositories/acme/large/pipelines/", items(), key="uuid")
    api.collection("/repositories/acme/small/pipelines/", items(40), key="uuid")
    session = Session.of(api)
    rows = session.rows("pipelines", since(moment(COUNT - 150)), bound=WORKSPACE)
    assert len(list(rows)) == 240
    assert len(api.received) == 1 + 2 + 1


# --- what cannot be believed ---


def unsorted(api: FakeApi, request: Received) -> Any:
    kept = tuple(pair for pair in request.query if pair[0] != "sort")
    return api.without_faults(replace(request, query=kept))


def swapped(api: FakeApi, request: Received) -> Any:
    body: Any = api.without_faults(request).body
    found = body["values"]
    found[3], found[40] = found[40], found[3]
    return body


def without_times(api: FakeApi, request: Received) -> Any:
    body: Any = api.without_faults(request).body
    body["values"][40].pop("created_on", None)
    return body


@pytest.mark.parametrize("bent", [unsorted, swapped, without_times])
def test_an_order_that_was_not_kept_ends_nothing(api: FakeApi, session: Session, bent: Any) -> None:
    api.fault(PIPELINES, lambda request: bent(api, request))
    number = COUNT - 20
    found = wanted(session, since(moment(number)))
    assert found == list(range(number, COUNT + 1))
    assert len(api.received) == PAGES


def test_a_refused_order_is_not_asked_for(api: FakeApi, session: Session) -> None:
    api.fault(
        PIPELINES,
        lambda request: (
            Reply({"error": {"message": "Invalid sort attribute"}}, 400)
            if request["sort"]
            else api.without_faults(request)
        ),
    )
    assert wanted(session, since(moment(900))) == list(range(900, COUNT + 1))
    assert [w for w in session.warnings if "refused to sort by created_on" in w]
    api.taken()
    assert wanted(session, since(moment(900))) == list(range(900, COUNT + 1))
    assert {request["sort"] for request in api.received} == {None}


def test_an_order_that_is_too_much_for_bitbucket_is_left_out(
    api: FakeApi, session: Session
) -> None:
    api.fault(
        PIPELINES,
        lambda request: Reply(None, 500) if request["sort"] else api.without_faults(request),
    )
    assert wanted(session, since(moment(900))) == list(range(900, COUNT + 1))
