"""Rows that are made from the sizes of a listing's parts, and when they are read after all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bitbucket_fdw.api import PreviewBudget
from bitbucket_fdw.pushdown import plan
from bitbucket_fdw.pushdown.plan import Part
from bitbucket_fdw.tables import TABLES
from tests.support.fake_api import FakeApi, Json, Received, Reply, numbered
from tests.support.reading import AT, WORKSPACE, Session

PULLS = f"{AT}/pullrequests"
STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
PAGES = 13
COUNT = 620


def items(count: int = COUNT) -> list[Json]:
    return list(
        numbered(
            count,
            state=lambda n: STATES[n % 3],
            draft=lambda n: n % 5 == 0,
            title="t",
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


def alone(session: Session, *quals: Any, columns: Any = ("state",), **more: Any) -> Counter[Any]:
    """How often each combination of the columns' values comes."""
    rows = session.rows("pull_requests", *quals, columns=columns, key=False, **more)
    return Counter(tuple(row[name] for name in columns) for row in rows)


def expected(*names: str, where: Callable[[Json], bool] = lambda _: True) -> Counter[Any]:
    return Counter(tuple(one[name] for name in names) for one in items() if where(one))


# --- where it pays ---


def test_the_states_alone_take_a_size_each_and_the_listing(api: FakeApi, session: Session) -> None:
    assert alone(session) == expected("state")
    assert len(api.received) == 1 + len(STATES)
    sizes = [request for request in api.received if (request["fields"] or "").startswith("size")]
    assert {request["q"] for request in sizes} == {f'state = "{state}"' for state in STATES}
    assert {(request["fields"], request["pagelen"]) for request in sizes} == {
        ("size,values.state", "10")
    }


def test_conditions_that_are_exact_are_part_of_each_size(api: FakeApi, session: Session) -> None:
    found = alone(session, ("draft", "<>", "t"))
    assert {(state,) for state in STATES[:3]} == set(found)
    assert found == expected("state", where=lambda one: not one["draft"])
    assert len(api.received) == 1 + len(STATES)


def test_only_values_that_conditions_leave_are_counted(api: FakeApi, session: Session) -> None:
    found = alone(session, ("state", ("=", True), ["OPEN", "MERGED"]))
    assert found == expected("state", where=lambda one: one["state"] in ("OPEN", "MERGED"))
    assert len(api.received) == 3


def test_two_closed_sets_are_counted_together(session: Session) -> None:
    kinds, states = ["bug", "task"], ["new", "open", "closed"]
    wanted = (("kind", ("=", True), kinds), ("state", ("=", True), states))
    request = session.request("issues", *wanted, columns=("kind", "state"), key=False)
    asked = {(found["kind"], found["state"]) for found in map(_values, plan(request).parts)}
    assert asked == {(kind, state) for kind in kinds for state in states}


def _values(part: Part) -> dict[str, Any]:
    return dict(part.values)


def test_each_repository_is_counted_by_itself() -> None:
    api = FakeApi.of_repositories("large", "small")
    api.collection("/repositories/acme/large/pullrequests", items())
    api.collection("/repositories/acme/small/pullrequests", items(60))
    session = Session.of(api)
    rows = session.rows(
        "pull_requests", columns=("repository", "state"), key=False, bound=WORKSPACE
    )
    found = Counter(row["repository"] for row in rows)
    assert found == {"large": COUNT, "small": 60}
    assert len(api.received) == 1 + (1 + len(STATES)) + 2


def test_sizes_are_asked_for_beside_the_first_page_once_it_is_known_that_they_pay(
    api: FakeApi, session: Session
) -> None:
    asked: dict[str, Any] = {"columns": ("state",), "key": False}
    assert session.sent_at_once("pull_requests", **asked) == 1
    api.taken()
    assert session.sent_at_once("pull_requests", **asked) == 1 + len(STATES)
    assert len(api.taken()) == 1 + len(STATES)
    # It has become small, and is read as soon as that is known.
    api.collection(PULLS, items(30))
    assert alone(session) == Counter((one["state"],) for one in items(30))
    api.taken()
    assert session.sent_at_once("pull_requests", **asked) == 1
    assert len(api.received) == 1


@pytest.mark.parametrize("stops", [True, False], ids=["held to it", "not held to it"])
def test_sizes_are_not_asked_for_early_if_the_pages_may_not_be_read(
    api: FakeApi, session: Session, stops: bool
) -> None:
    """If they did not add up, the scan would have made their requests in vain."""
    asked: dict[str, Any] = {"columns": ("state",), "key": False}
    list(session.rows("pull_requests", **asked))
    preview = PreviewBudget(PAGES, stops=stops)
    at_once = session.sent_at_once("pull_requests", preview=preview, **asked)
    assert at_once == (1 if stops else 1 + len(STATES))


def test_an_unknown_listing_among_many_is_looked_at_first() -> None:
    api = FakeApi.of_repositories("large", "small")
    api.collection("/repositories/acme/large/pullrequests", items())
    api.collection("/repositories/acme/small/pullrequests", items(60))
    session = Session.of(api)
    asked: dict[str, Any] = {"columns": ("state",), "key": False, "bound": WORKSPACE}
    list(session.rows("pull_requests", ("repository", "=", "large"), **asked))
    api.taken()
    list(session.rows("pull_requests", **asked))
    assert len(api.received) == 1 + (1 + len(STATES)) + 2


def test_sizes_that_were_asked_for_early_spare_even_one_page(
    api: FakeApi, session: Session
) -> None:
    assert alone(session) == expected("state")
    api.taken()
    api.collection(PULLS, items(90))
    assert alone(session) == Counter((one["state"],) for one in items(90))
    assert len(api.received) == 1 + len(STATES)


# --- where it does not ---


@pytest.mark.parametrize(
    "asked",
    [
        {"may_stop": True},
        {"limit": 400},
        {"offset": 3},
        {"columns": ("state", "title")},
        # Bitbucket may find one false that shows nothing.
        {"columns": ("draft",)},
        {"columns": ("state", "draft")},
        {"columns": ("state", "created_on"), "sort": "created_on"},
        {"loose": frozenset({"state"})},
    ],
    ids=str,
)
def test_other_statements_are_read(session: Session, asked: dict[str, Any]) -> None:
    limits = {name: asked[name] for name in asked if name not in ("may_stop", "columns")}
    columns = asked.get("columns", ("state",))
    if asked.get("may_stop"):
        rows = session.rows("pull_requests", columns=columns, key=False, may_stop=True)
        assert len(list(rows)) == COUNT
        assert len(session.api.received) == PAGES
        return
    request = session.request("pull_requests", columns=columns, key=False, **limits)
    assert plan(request).parts == ()


def test_a_condition_that_is_not_exact_is_read(session: Session) -> None:
    for qual in (("title", "=", "t"), ("title", "~~", "%t%"), ("state", "<>", "OPEN")):
        request = session.request("pull_requests", qual, columns=("state",), key=False)
        assert plan(request).parts == ()


def test_a_listing_of_fewer_pages_than_parts_is_read(api: FakeApi, session: Session) -> None:
    api.collection(PULLS, items(250))
    assert sum(alone(session).values()) == 250
    assert len(api.received) == 5


# --- answers that cannot be believed ---


def is_size(request: Received) -> bool:
    return (request["fields"] or "").startswith("size")


def changed(**members: Any) -> Callable[[FakeApi, Received], Any]:
    """The size's answer with other members; ``None`` for one that is absent."""

    def answer(api: FakeApi, request: Received) -> Any:
        body = {**api.without_faults(request).body, **members}
        return {name: value for name, value in body.items() if value is not None}

    return answer


def without_q(api: FakeApi, request: Received) -> Any:
    kept = tuple(pair for pair in request.query if pair[0] != "q")
    return api.without_faults(replace(request, query=kept))


def of_another(api: FakeApi, request: Received) -> Any:
    """The items of another state than the one asked for, of which there are as many."""
    swapped = {"OPEN": "MERGED", "MERGED": "OPEN"}
    query = tuple(
        (name, next((v.replace(a, b) for a, b in swapped.items() if a in v), v))
        for name, v in request.query
    )
    return api.without_faults(replace(request, query=query))


BENT: dict[str, Callable[[FakeApi, Received], Any]] = {
    "the filter is ignored": without_q,
    "another filter": of_another,
    "no size": changed(size=None),
    "no items": changed(values=None),
    "items, of which none is shown": changed(values=[]),
    "a size that is no number": changed(size="many"),
    "a size of one more": lambda api, request: changed(
        size=api.without_faults(request).body["size"] + 1
    )(api, request),
    "an array": lambda api, request: [],
    "items that are none": changed(values=["x"]),
    "refused": lambda api, request: Reply({"error": {"message": "no"}}, 400),
    "a fault": lambda api, request: Reply(None, 500),
    "not found": lambda api, request: Reply(None, 404),
    "forbidden": lambda api, request: Reply(None, 403),
    "gone": lambda api, request: Reply(None, 410),
}


@pytest.mark.parametrize("bent", BENT.values(), ids=BENT)
def test_odd_sizes_lead_to_the_rows_themselves(
    api: FakeApi, session: Session, bent: Callable[[FakeApi, Received], Any]
) -> None:
    api.fault(
        PULLS,
        lambda request: bent(api, request) if is_size(request) else api.without_faults(request),
    )
    assert alone(session) == expected("state")
    assert len(api.received) <= PAGES + len(STATES)


@pytest.mark.parametrize("value", [None, "REOPENED"])
def test_a_row_with_another_value_or_none_is_not_lost(
    api: FakeApi, session: Session, value: str | None
) -> None:
    listed = items()
    listed[-1]["state"] = value
    api.collection(PULLS, listed)
    found = alone(session)
    assert found[(value,)] == 1
    assert sum(found.values()) == COUNT


# --- the declarations ---


def test_every_closed_set_can_be_counted_by(session: Session) -> None:
    """In tables that are filtered by q and tell their size."""
    counted = 0
    for table in TABLES:
        for column in table.columns:
            test = column.filter
            if (
                test is None
                or not test.values
                or not table.collection.q
                or not table.collection.size
            ):
                continue
            if table.collection.explode or test.of_list or table.nothing:
                continue
            bound = {
                name: "x" for name in table.parameters() if name in ("workspace", "repository")
            }
            request = session.request(table.name, columns=(column.name,), key=False, bound=bound)
            planned = plan(request)
            values = {dict(part.values)[column.name] for part in planned.parts}
            assert values == set(test.values), f"{table.name}.{column.name}"
            counted += 1
    assert counted >= 4
