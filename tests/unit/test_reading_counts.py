"""Counts with conditions: what is made of sizes, and when the rows are read after all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from bitbucket_fdw.api.scan import Budget
from bitbucket_fdw.pushdown import plan
from bitbucket_fdw.pushdown.plan import Kind
from tests.support.fake_api import FakeApi, Json, Received, Reply, numbered
from tests.support.reading import AT, Session

PULLS = f"{AT}/pullrequests"
STATES = ("OPEN", "MERGED")
START = datetime(2024, 1, 1, tzinfo=timezone.utc)
COUNT = 620
PAGES = 13
MIDDLE = 300


def moment(number: int) -> datetime:
    return START + timedelta(hours=number)


def items() -> list[Json]:
    return list(
        numbered(
            COUNT,
            state=lambda n: STATES[n % 2],
            created_on=lambda n: moment(n).isoformat(timespec="microseconds"),
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


def at(operator: str, when: datetime) -> tuple[str, Any, Any]:
    return ("created_on", operator, when)


def counted(session: Session, *quals: Any, columns: Any = (), **more: Any) -> list[Any]:
    """The rows of a query that sees nothing of the columns in its conditions but of ``columns``."""
    unseen = frozenset(qual[0] for qual in quals) - set(columns)
    return list(
        session.rows("pull_requests", *quals, columns=columns, key=False, unseen=unseen, **more)
    )


# --- exact conditions ---


@pytest.mark.parametrize(
    ("quals", "count"),
    [
        ([("id", ">", 100)], COUNT - 100),
        ([("id", ">=", 100), ("id", "<", 200)], 100),
        ([("id", ("=", True), [1, 2, 3])], 3),
        ([("id", ("=", True), list(range(1, 121)))], 120),
        ([("state", ("=", True), ["OPEN", "MERGED"])], COUNT),
        ([("id", ">", 100), ("state", ("=", True), ["OPEN"])], 260),
    ],
    ids=str,
)
def test_a_count_needs_no_values_that_nobody_sees(session: Session, quals: Any, count: int) -> None:
    rows = counted(session, *quals)
    assert len(rows) == count
    assert all(_meets(row, qual) for row in rows for qual in quals)
    assert len(session.api.received) == (3 if count == 120 else 1)


def _meets(row: dict[str, Any], qual: tuple[str, Any, Any]) -> bool:
    name, operator, value = qual
    if isinstance(operator, tuple):
        return row[name] in value
    found = datetime.fromisoformat(row[name]) if name == "created_on" else row[name]
    tests = {
        ">": found > value,
        ">=": found >= value,
        "<": found < value,
        "<=": found <= value,
        "=": found == value,
    }
    return tests[operator]


@pytest.mark.parametrize(
    "quals",
    [
        [("id", ">", 5), ("id", "<", 3)],
        [("id", ">", 5), ("id", "<", 7), ("id", "<>", 6)],
        [("title", "=", "t")],
        [("title", "~~", "t%")],
        [("author_uuid", "=", None)],
        [("state", "<>", "OPEN")],
    ],
    ids=str,
)
def test_without_a_value_that_meets_all_conditions_rows_are_read(
    session: Session, quals: Any
) -> None:
    names = frozenset(qual[0] for qual in quals)
    request = session.request("pull_requests", *quals, key=False, unseen=names)
    planned = plan(request)
    assert (planned.kind, planned.parts) == (Kind.COLLECTION, ())


def test_what_is_seen_is_read(session: Session) -> None:
    for qual in (("id", ">", 5), at(">=", moment(5))):
        planned = plan(session.request("pull_requests", qual, key=False))
        assert (planned.kind, planned.parts) == (Kind.COLLECTION, ())
        unseen = frozenset({qual[0]})
        loose = session.request("pull_requests", qual, key=False, unseen=unseen, loose=unseen)
        assert (plan(loose).kind, plan(loose).parts) == (Kind.COLLECTION, ())


# --- times ---

HOURS = timedelta(hours=1)
TIMES = {
    "since": [at(">=", moment(MIDDLE))],
    "after": [at(">", moment(MIDDLE) - HOURS / 2)],
    "before": [at("<", moment(MIDDLE) + HOURS / 2)],
    "between": [at(">=", moment(9) - HOURS / 2), at("<", moment(COUNT - 9) + HOURS / 2)],
    "with a state": [at(">", moment(9) - HOURS / 2), ("state", "=", "OPEN")],
}


def true_count(quals: Any) -> int:
    return sum(
        all(_meets(one, qual) for qual in quals if qual[0] != "state")
        and all(one["state"] == qual[2] for qual in quals if qual[0] == "state")
        for one in items()
    )


@pytest.mark.parametrize("quals", TIMES.values(), ids=TIMES)
def test_two_sizes_that_agree_prove_a_count(session: Session, quals: Any) -> None:
    rows = counted(session, *quals)
    edge = quals == TIMES["since"]
    assert len(rows) == true_count(quals)
    assert all(_meets(row, qual) for row in rows for qual in quals)
    assert len(session.api.received) == (2 if not edge else 2 + true_count(quals) // 50)


def test_they_are_asked_for_side_by_side(api: FakeApi) -> None:
    session = Session.of(api)
    unseen = frozenset({"created_on"})
    sent = session.sent_at_once("pull_requests", *TIMES["after"], key=False, unseen=unseen)
    assert sent == 2
    assert {request["fields"] for request in api.received} == {
        "next,size,page,pagelen,values.created_on,values.id",
        "size,values.created_on",
    }


def test_the_second_size_is_that_of_less_than_the_condition(session: Session) -> None:
    counted(session, *TIMES["between"])
    wide, narrow = sorted(session.api.received, key=lambda one: one["sort"] or "")
    low, high = TIMES["between"][0][2], TIMES["between"][1][2]
    slack = timedelta(milliseconds=1)
    bounds = [_bounds(request) for request in (wide, narrow)]
    assert bounds == [(low - slack, high + slack), (low + slack, high - slack)]
    assert (wide["sort"], narrow["sort"]) == (None, "created_on")


def _bounds(request: Received) -> tuple[datetime, ...]:
    terms = str(request["q"]).split(" AND ")
    return tuple(datetime.fromisoformat(term.split()[-1]) for term in terms)


@pytest.mark.parametrize("micros", [-1500, -1000, -999, -1, 0, 1, 999, 1000, 1500])
@pytest.mark.parametrize("operator", [">", ">=", "<", "<="])
def test_rows_beside_the_bound_are_not_miscounted(
    session: Session, operator: str, micros: int
) -> None:
    qual = at(operator, moment(MIDDLE) + timedelta(microseconds=micros))
    rows = counted(session, qual)
    assert sum(_meets(row, qual) for row in rows) == true_count([qual])


@pytest.mark.parametrize("operator", [">=", "<="])
@pytest.mark.parametrize("compared", ["with milliseconds", "with nine digits"])
def test_a_count_is_right_however_bitbucket_compares(
    api: FakeApi, session: Session, operator: str, compared: str
) -> None:
    """Whether Bitbucket drops what is below a millisecond, or has more digits than are shown."""
    listed = items()
    for one in listed:
        one["created_on"] = one["created_on"].replace(".000000", ".000400")
    shown = {one["id"]: one["created_on"] for one in listed}
    for one in listed:
        one["created_on"] = one["created_on"].replace(
            ".000400", ".000000" if compared == "with milliseconds" else ".0004004"
        )
    api.collection(PULLS, listed)

    def answer(request: Received) -> Any:
        body: Any = api.without_faults(request).body
        for one in body["values"]:
            if "created_on" in one:
                number = shown_number(one["created_on"])
                one["created_on"] = shown[number]
        return body

    def shown_number(text: str) -> int:
        return round((datetime.fromisoformat(text[:19] + "+00:00") - START) / HOURS)

    api.fault(PULLS, answer)
    for micros in (-700, 0, 399, 400, 401, 700, 1400):
        qual = at(operator, moment(MIDDLE) + timedelta(microseconds=micros))
        meant = sum(_meets({"created_on": text}, qual) for text in shown.values())
        assert sum(_meets(row, qual) for row in counted(session, qual)) == meant


def test_a_condition_on_a_time_counts_by_state(session: Session) -> None:
    qual = at(">", moment(20) - HOURS / 2)
    found = Counter(row["state"] for row in counted(session, qual, columns=("state",)))
    assert found == Counter(one["state"] for one in items()[19:])
    assert len(session.api.received) == 1 + 4


@pytest.mark.parametrize(
    "qual",
    [
        at("=", moment(MIDDLE)),
        at("<>", moment(MIDDLE)),
        ("created_on", ("=", True), [moment(1), moment(2)]),
        ("closed_on", ">=", moment(MIDDLE)),
        at(">=", datetime(1, 1, 1, tzinfo=timezone.utc)),
        at("<=", datetime.max.replace(tzinfo=timezone.utc)),
    ],
    ids=str,
)
def test_others_are_read(session: Session, qual: Any) -> None:
    unseen = frozenset({qual[0]})
    assert plan(session.request("pull_requests", qual, key=False, unseen=unseen)).parts == ()


def test_few_rows_take_one_request(api: FakeApi, session: Session) -> None:
    """Once the session knows how many there are, or expects no more."""
    api.collection(PULLS, items()[:40])
    list(session.rows("pull_requests"))
    api.taken()
    assert len(counted(session, at(">", moment(0)))) == 40
    assert len(api.received) == 1


def test_what_stops_early_or_has_no_room_asks_for_nothing_more(
    api: FakeApi, session: Session
) -> None:
    rows = session.rows(
        "pull_requests",
        *TIMES["after"],
        key=False,
        unseen=frozenset({"created_on"}),
        may_stop=True,
    )
    assert next(iter(rows))
    assert len(api.received) == 1
    api.collection(PULLS, items()[:40])
    api.taken()
    assert len(counted(session, at(">", moment(0)), budget=Budget(1))) == 40


# --- answers that cannot be believed ---


def is_size(request: Received) -> bool:
    return (request["fields"] or "").startswith("size")


def without(api: FakeApi, request: Received, *names: str) -> Any:
    kept = tuple(pair for pair in request.query if pair[0] not in names)
    return api.without_faults(replace(request, query=kept))


def changed(**members: Any) -> Callable[[FakeApi, Received], Any]:
    def answer(api: FakeApi, request: Received) -> Any:
        body: Any = {**api.without_faults(request).body, **members}
        return {name: value for name, value in body.items() if value is not None}

    return answer


BENT: dict[str, Callable[[FakeApi, Received], Any]] = {
    "the filter is ignored": lambda api, request: without(api, request, "q"),
    "filter and order are ignored": lambda api, request: without(api, request, "q", "sort"),
    "no size": changed(size=None),
    "no items": changed(values=None),
    "items, of which none is shown": changed(values=[]),
    "a size that is no number": changed(size="many"),
    "an array": lambda api, request: [],
    "items that are none": changed(values=["x"]),
    "items without the time": changed(values=[{"id": 1}] * 10),
    "refused": lambda api, request: Reply({"error": {"message": "Invalid sort"}}, 400),
    "a fault": lambda api, request: Reply(None, 500),
    "forbidden": lambda api, request: Reply(None, 403),
}


@pytest.mark.parametrize("bent", BENT.values(), ids=BENT)
@pytest.mark.parametrize("quals", TIMES.values(), ids=TIMES)
@pytest.mark.parametrize("which", ["the second", "both"])
def test_odd_sizes_lead_to_the_rows_themselves(
    api: FakeApi, session: Session, bent: Any, quals: Any, which: str
) -> None:
    ignoring = bent in (BENT["the filter is ignored"], BENT["filter and order are ignored"])

    def answer(request: Received) -> Any:
        if is_size(request) or (which == "both" and ignoring):
            return bent(api, request)
        if which == "both" and bent is BENT["no size"]:
            return changed(size=None)(api, request)
        return api.without_faults(request)

    api.fault(PULLS, answer)
    rows = counted(session, *quals)
    assert sum(all(_meets(row, q) for q in quals if q[0] != "state") for row in rows) >= true_count(
        quals
    )
    if not ignoring or which == "the second":
        assert len(rows) == true_count(quals)


def test_a_first_page_with_another_item_is_no_proof(api: FakeApi, session: Session) -> None:
    def answer(request: Received) -> Any:
        body: Any = api.without_faults(request).body
        if not is_size(request) and request["page"] is None:
            body["values"][7]["created_on"] = moment(1).isoformat()
        return body

    api.fault(PULLS, answer)
    qual = at(">", moment(20) - HOURS / 2)
    rows = counted(session, qual)
    assert sum(_meets(row, qual) for row in rows) == true_count([qual]) - 1
    assert len(api.received) > 2


@pytest.mark.parametrize("quals", TIMES.values(), ids=TIMES)
def test_a_filter_that_is_ignored_everywhere_never_makes_a_count(
    api: FakeApi, session: Session, quals: Any
) -> None:
    """Every row is read, for PostgreSQL to check."""
    api.fault(PULLS, lambda request: without(api, request, "q"))
    rows = counted(session, *quals)
    ids = {row["created_on"] for row in rows}
    assert len(rows) == COUNT == len(ids)
