"""What is told of a request that is over, from the client's loop to the row and the line."""

import contextlib
from typing import Any

import pytest

from bitbucket_fdw.api import Made, Tally
from bitbucket_fdw.api.delivery import Delivery
from bitbucket_fdw.errors import BitbucketError
from bitbucket_fdw.postgres.statement_text import explains_executed
from bitbucket_fdw.reading import explain
from tests.support.fake_api import FakeApi

PATH = "/repositories/acme/website/issues"


class Told:
    """An API whose client tells of its requests."""

    def __init__(self, **settings: Any) -> None:
        self.api = FakeApi()
        self.made: list[Made] = []
        self.api.shared.watch = self.made.append
        self.api.shared.asker = lambda: "somebody"
        self.client = self.api.client(**settings)
        self.tally = Tally()
        self.scan = self.client.scan(about="issues", tally=self.tally)

    def get(self, parameters: str = "") -> Made:
        self.scan.wait(self.client.ask(self.client.url(PATH) + parameters, self.scan))
        return self.made[-1]


def test_a_request_is_told_of_with_its_query_and_who_asked():
    told = Told()
    told.api.collection(PATH, [{"id": 1}])
    made = told.get("?q=id+%3D+1")
    assert (made.method, made.path, made.query) == ("GET", PATH, "q=id+%3D+1")
    assert (made.about, made.asker, made.status) == ("issues", "somebody", 200)
    assert (made.repeats, made.cached, made.error, made.wants_log) == (0, False, None, False)
    assert made.bytes > 0
    assert (told.tally.requests, told.tally.pages, told.tally.bytes) == (1, 1, made.bytes)


def test_repetitions_are_part_of_the_request_and_pauses_of_its_time():
    told = Told(retry_limit=5)
    told.api.collection(PATH, [{"id": 1}])
    told.api.fail(PATH, 503, count=3)
    made = told.get()
    assert (made.repeats, made.status, made.error) == (3, 200, None)
    assert made.seconds == pytest.approx(sum(told.api.clock.pauses))
    assert made.seconds > 0
    assert (told.tally.requests, told.tally.repeats) == (1, 3)


@pytest.mark.parametrize(
    ("log", "status", "expected"),
    [
        ("off", 403, False),
        ("errors", None, False),
        ("errors", 403, True),
        ("errors", 503, True),
        ("all", None, True),
        ("all", 403, True),
    ],
)
def test_what_goes_to_the_log(log, status, expected):
    told = Told(log_requests=log)
    told.api.collection(PATH, [{"id": 1}])
    if status is not None:
        told.api.fail(PATH, status, count=1)
    with contextlib.suppress(BitbucketError):
        told.get()
    [made] = told.made
    assert made.wants_log is expected
    assert ("was answered" in (made.error or "")) is (status is not None)


def test_a_scan_that_has_ended_sends_and_tells_nothing():
    told = Told()
    told.scan.stop()
    with pytest.raises(BitbucketError):
        told.get()
    assert told.made == []
    assert told.tally.requests == 0


def test_a_change_is_told_of():
    told = Told()
    told.api.fail(PATH, 409, count=1)
    url = told.client.url(PATH)
    with pytest.raises(BitbucketError):
        told.client.send("POST", url, {"a": 1}, False, told.scan, Delivery())
    assert (told.made[-1].method, told.made[-1].status) == ("POST", 409)


def test_sums_are_part_of_larger_sums():
    whole = Tally()
    for count in (1, 2):
        part = Tally(whole)
        for _ in range(count):
            part.begin()
            part.wait(0.5)
            part.found()
        assert part.requests == count
    assert (whole.requests, whole.waited, whole.kept) == (3, 1.5, 3)


def test_the_lines_for_explain():
    sums = Tally(requests=5, repeats=1, cached=2, kept=7, bytes=90, waited=0.5)
    assert explain.taken(sums) == [
        "Requests made: 5 (2 from the cache, 1 repetition)",
        "Answers kept from before: 7",
        "Bytes read: 90",
        "Waited: 500 ms",
    ]
    assert explain.taken(Tally(requests=1), timing=False) == ["Requests made: 1", "Bytes read: 0"]
    assert explain.taken(None) == ["Requests made: 0"]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("EXPLAIN ANALYZE SELECT 1", True),
        ("explain (costs off, analyze) select 1", True),
        ("PREPARE q AS SELECT 1;\nEXPLAIN (ANALYZE, COSTS OFF) EXECUTE q", True),
        ("/* analyze */ EXPLAIN SELECT 1", False),
        ("EXPLAIN SELECT 'analyze'", False),
        ("ANALYZE t", False),
        ("EXPLAIN SELECT 1; ANALYZE t", False),
    ],
)
def test_whether_a_plan_that_is_explained_was_executed(statement, expected):
    assert explains_executed(statement) is expected
