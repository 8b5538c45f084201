"""Scans that wait for their turn: which requests they send before, and what comes of faults."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from typing import Any

import pytest

from bitbucket_fdw.api import Budget
from bitbucket_fdw.errors import Rejected, TooManyRequests
from bitbucket_fdw.reading.fallback import Reader
from bitbucket_fdw.reading.turns import Turns
from tests.support.fake_api import FakeApi, numbered
from tests.support.reading import WORKSPACE, Session

SLUGS = [f"r{number}" for number in range(6)]
Rows = Iterator[dict[str, Any]]


@pytest.fixture
def api() -> FakeApi:
    """Six repositories with five pull requests each, and two comments on each of these."""
    made = FakeApi()
    for slug in SLUGS:
        pulls = f"/repositories/acme/{slug}/pullrequests"
        made.collection(pulls, numbered(5, title=lambda n: f"title {n}"))
        for number in range(1, 6):
            made.collection(f"{pulls}/{number}/comments", [{"id": 10 * number + n} for n in (1, 2)])
    return made


def started(
    session: Session,
    table: str,
    column: str,
    turns: Turns,
    may_stop: bool = False,
    budget: Budget | None = None,
) -> list[Rows]:
    """The rows of three keys of each repository, none of which are wanted yet."""
    waiting = []
    for slug in SLUGS:
        request = session.request(
            table, ("repository", "=", slug), (column, ("=", True), [1, 2, 3]), bound=WORKSPACE
        )
        reader = Reader(
            session.client,
            session.client.scan(ahead=True, budget=budget),
            session.observations.of(session.client),
            session.warnings.append,
            session.omissions,
            False,
            may_stop,
            session.doubts.append,
            turns,
        )
        reader.start(request)
        waiting.append(iter(reader.rows(request)))
    return waiting


def arrived(api: FakeApi, count: int) -> int:
    """The requests so far, once there are so many: they are sent by other threads."""
    for _ in range(200):
        if len(api.received) >= count:
            break
        time.sleep(0.01)
    return len(api.received)


@pytest.mark.parametrize("concurrency", [1, 2, 8])
@pytest.mark.parametrize(
    ("table", "column", "requests", "ids"),
    [
        ("pull_requests", "id", 6, [1, 2, 3]),
        ("pull_request_comments", "pull_request_id", 18, [11, 12, 21, 22, 31, 32]),
    ],
)
def test_all_rows_come_and_no_more_requests(
    api: FakeApi, concurrency: int, table: str, column: str, requests: int, ids: list[int]
) -> None:
    session = Session.of(api, concurrency=concurrency)
    for certain in (True, False):
        api.taken()
        scans = started(session, table, column, Turns(concurrency, certain))
        for rows in scans:
            assert [row["id"] for row in rows] == ids
        assert len(api.taken()) == requests


@pytest.mark.parametrize(
    ("certain", "concurrency", "ahead"), [(True, 4, 4), (True, 64, 18), (False, 4, 1)]
)
def test_how_many_requests_are_sent_before_the_first_row(
    api: FakeApi, certain: bool, concurrency: int, ahead: int
) -> None:
    session = Session.of(api, concurrency=concurrency)
    scans = started(
        session, "pull_request_comments", "pull_request_id", Turns(concurrency, certain)
    )
    assert arrived(api, ahead) == ahead
    assert sum(1 for _ in itertools.chain(*scans)) == 36
    assert len(api.received) == 18


def test_a_scan_that_may_stop_sends_one_request_before_its_turn(api: FakeApi) -> None:
    session = Session.of(api, concurrency=8)
    scans = started(
        session, "pull_request_comments", "pull_request_id", Turns(8, certain=True), may_stop=True
    )
    assert arrived(api, len(SLUGS)) == len(SLUGS)
    for rows in scans:
        next(rows)
    assert len(api.received) == len(SLUGS)


def test_what_is_read_without_certainty_grows(api: FakeApi) -> None:
    session = Session.of(api, concurrency=8)
    scans = started(session, "pull_requests", "id", Turns(8))
    seen = []
    for rows in scans:
        assert len(list(rows)) == 3
        seen.append(len(api.received))
    assert seen[0] == 1
    assert seen[1] <= 3
    assert seen[-1] == len(SLUGS)


def test_a_fault_is_told_in_its_turn_and_does_not_hold_up_the_others(api: FakeApi) -> None:
    session = Session.of(api, concurrency=8)
    api.fail("/repositories/acme/r1/pullrequests/2/comments", 409)
    scans = started(session, "pull_request_comments", "pull_request_id", Turns(8, certain=True))
    for slug, rows in zip(SLUGS, scans, strict=True):
        if slug == "r1":
            with pytest.raises(Rejected, match="r1/pullrequests/2/comments"):
                list(rows)
        else:
            assert len(list(rows)) == 6


def test_a_scan_that_cannot_be_afforded_fails_in_its_turn(api: FakeApi) -> None:
    session = Session.of(api, concurrency=8)
    scans = started(
        session, "pull_request_comments", "pull_request_id", Turns(8, certain=True),
        budget=Budget(2),
    )  # fmt: skip
    assert api.received == []
    with pytest.raises(TooManyRequests):
        next(scans[0])


class Step:
    """A scan that has so many requests to send."""

    def __init__(self, requests: int) -> None:
        self.requests = requests
        self.started = 0
        self.over = False

    def start_more(self, most: int) -> None:
        self.started = min(self.requests, self.started + most)


def test_all_scans_share_one_room() -> None:
    turns = Turns(8, certain=True)
    steps = [Step(n) for n in (3, 1, 7, 2)]
    for step in steps:
        turns.enter(step)
    assert [step.started for step in steps] == [3, 1, 4, 0]
    turns.leave(steps[0])
    turns.go_on(3)
    assert [step.started for step in steps[1:]] == [1, 4, 0]
    turns.go_on(1)
    assert [step.started for step in steps[1:]] == [1, 6, 0]
    steps[2].over = True
    turns.go_on(0)
    assert [step.started for step in steps[1:]] == [1, 6, 2]
    turns.leave(steps[2])  # it has left by itself
    late = Step(9)
    turns.enter(late)
    assert late.started == 5
