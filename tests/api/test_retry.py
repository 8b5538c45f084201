"""What is tried again, for how long, and that a result is whole or an error."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from bitbucket_fdw.api import retry
from bitbucket_fdw.errors import (
    BadResponse,
    Cancelled,
    ConnectionFailure,
    RateLimited,
    RequestError,
    ServerFailure,
)
from tests.api.helpers import STATES, client_of, fetch, items, page, scan_of
from tests.api.scripted import Answer

WEBSITE = "/repositories/acme/website"
PULL_REQUESTS = f"{WEBSITE}/pullrequests"

TRANSIENT: list[dict[str, Any]] = [
    {"kind": "status", "status": 429},
    {"kind": "status", "status": 429, "retry_after": 0},
    {"kind": "status", "status": 429, "form": "empty"},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 502, "form": "html"},
    {"kind": "status", "status": 503, "form": "text"},
    {"kind": "status", "status": 504, "form": "empty"},
    {"kind": "status", "status": 555},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "cut_json"},
]


def name_of(fault: dict[str, Any]) -> str:
    return "-".join(str(value) for value in fault.values())


@pytest.mark.parametrize("fault", TRANSIENT, ids=name_of)
def test_a_passing_fault_is_waited_out(client_factory, emulator, fault):
    emulator.fault("*/website", count=1, **fault)
    assert fetch(client_factory(retry_limit=2), WEBSITE)["slug"] == "website"
    assert [request.raw["fault"] for request in emulator.requests()] == [fault["kind"], None]


@pytest.mark.parametrize("fault", TRANSIENT, ids=name_of)
def test_a_fault_in_mid_scan_neither_loses_nor_repeats_rows(client_factory, emulator, fault):
    query = (*STATES, ("pagelen", "50"), ("fields", "next,values.id"))
    client = client_factory(retry_limit=2)
    whole = items(client, PULL_REQUESTS, *query)
    emulator.clear()
    emulator.fault("*/pullrequests", count=1, after=1, **fault)
    assert items(client, PULL_REQUESTS, *query) == whole
    assert len(emulator.requests()) == -(-len(whole) // 50) + 1


LASTING: list[tuple[dict[str, Any], type[RequestError], int | None]] = [
    ({"kind": "status", "status": 429, "retry_after": 0}, RateLimited, 429),
    ({"kind": "status", "status": 500}, ServerFailure, 500),
    ({"kind": "status", "status": 503, "form": "html"}, ServerFailure, 503),
    ({"kind": "status", "status": 555}, ServerFailure, 555),
    ({"kind": "reset"}, ConnectionFailure, None),
    ({"kind": "truncate"}, ConnectionFailure, None),
    ({"kind": "cut_json"}, BadResponse, 200),
]


@pytest.mark.parametrize(("fault", "error", "status"), LASTING)
def test_a_lasting_fault_is_an_error_after_retry_limit_repetitions(
    client_factory, emulator, fault, error, status
):
    emulator.fault("*/website", count=None, **fault)
    with pytest.raises(error) as caught:
        fetch(client_factory(retry_limit=2), WEBSITE)
    assert len(emulator.requests()) == 3
    assert (caught.value.method, caught.value.path) == ("GET", WEBSITE)
    assert caught.value.status == status
    assert WEBSITE in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("fault", "error", "status"), LASTING)
def test_a_lasting_fault_in_mid_scan_is_an_error_and_never_a_shorter_result(
    client_factory, emulator, fault, error, status
):
    emulator.fault("*/pullrequests", count=None, after=2, **fault)
    client = client_factory(retry_limit=1)
    got: list[int] = []
    with pytest.raises(error):
        got.extend(items(client, PULL_REQUESTS, *STATES, ("pagelen", "50")))
    assert got == []


def test_retry_limit_zero_tries_once(client_factory, emulator):
    emulator.fault("*/website", kind="status", status=503, count=None)
    with pytest.raises(ServerFailure):
        fetch(client_factory(retry_limit=0), WEBSITE)
    assert len(emulator.requests()) == 1


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 410, 501])
def test_what_will_not_pass_is_not_repeated(client_factory, emulator, status):
    emulator.fault("*/website", kind="status", status=status, count=None)
    with pytest.raises(RequestError) as caught:
        fetch(client_factory(retry_limit=5), WEBSITE)
    assert caught.value.status == status
    assert len(emulator.requests()) == 1


def test_retry_after_is_honoured(client_factory, emulator):
    emulator.fault("*/website", kind="status", status=429, retry_after=1, count=1)
    began = time.monotonic()
    fetch(client_factory(retry_limit=1), WEBSITE)
    assert time.monotonic() - began >= 1


def refusing_once(retry_after: str) -> Callable[[str], Answer]:
    """A server that is busy at first, and says for how long."""
    answers = iter([Answer(b"", status=429, headers={"Retry-After": retry_after})])
    return lambda _: next(answers, Answer({"ok": True}))


def test_half_a_second_of_retry_after_is_honoured(scripted):
    began = time.monotonic()
    fetch(client_of(scripted(refusing_once("0.5")), retry_limit=1), "/things")
    assert time.monotonic() - began >= 0.5


@pytest.mark.parametrize(
    "said", ["soon", "-1", "nan", "inf", "1_0", "Mon, 99 Xyz 99999 99:99:99", "1e9", ""]
)
def test_a_retry_after_that_says_nothing_is_no_retry_after(scripted, said):
    client = client_of(scripted(refusing_once(said)), retry_limit=1)
    assert fetch(client, "/things") == {"ok": True}


@pytest.mark.parametrize("said", ["9" * 400, "9" * 5000, "99999.5"])
def test_a_wait_without_end_is_an_error_at_once(scripted, said):
    server = scripted(refusing_once(said))
    with pytest.raises(RateLimited, match="wait"):
        fetch(client_of(server, retry_limit=1), "/things")
    assert len(server.received) == 1


def test_without_retry_after_the_pauses_grow(scripted):
    """At once, then after half a second, then a second."""
    times: list[float] = []

    def answer(_: str) -> Answer:
        times.append(time.monotonic())
        return Answer(b"slow down", status=503, content_type="text/plain")

    with pytest.raises(ServerFailure):
        fetch(client_of(scripted(answer), retry_limit=3), "/things")
    pauses = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(pauses) == 3
    assert pauses[1] >= 0.4
    assert pauses[2] >= 0.9


LIMITED = Answer(b"Rate limit for this resource has been exceeded", status=429)


@pytest.mark.parametrize(("retry_limit", "requests"), [(5, 2), (1, 2), (0, 1)])
def test_without_retry_after_a_limit_is_an_error_soon(scripted, retry_limit, requests):
    """The limit is one of an hour: five tries within seconds help nobody."""
    server = scripted(lambda _: LIMITED)
    began = time.monotonic()
    with pytest.raises(RateLimited) as caught:
        fetch(client_of(server, retry_limit=retry_limit), "/things")
    assert len(server.received) == requests
    assert time.monotonic() - began < 10
    assert "60 minutes" in caught.value.detail
    assert "on_rate_limit" in caught.value.hint


def test_a_limit_is_waited_out_if_wanted(scripted, monkeypatch):
    monkeypatch.setattr(retry, "LONG_PAUSES", (1.0, 0.2))
    answers = iter([LIMITED] * 4)
    server = scripted(lambda _: next(answers, Answer({"ok": True})))
    client = client_of(server, retry_limit=0, on_rate_limit="wait")
    told: list[str] = []
    began = time.monotonic()
    assert fetch(client, "/things", scan=scan_of(client, notice=told.append)) == {"ok": True}
    assert time.monotonic() - began >= 1.6
    assert told == ["the hourly limit of requests is used up: asking again in 1 seconds"]


def test_a_wait_that_bitbucket_names_is_kept_however_long(scripted, monkeypatch):
    monkeypatch.setattr(retry, "LONGEST_WAIT", 0.5)
    server = scripted(refusing_once("1"))
    client = client_of(server, retry_limit=0, on_rate_limit="wait")
    told: list[str] = []
    assert fetch(client, "/things", scan=scan_of(client, notice=told.append)) == {"ok": True}
    assert len(told) == 1


def test_waiting_ends_with_the_hour(scripted, monkeypatch):
    monkeypatch.setattr(retry, "LONG_PAUSES", (0.1,))
    monkeypatch.setattr(retry, "HOUR", 0.55)
    server = scripted(lambda _: LIMITED)
    with pytest.raises(RateLimited) as caught:
        fetch(client_of(server, on_rate_limit="wait"), "/things")
    assert len(server.received) == 6
    assert "An hour of waiting did not help" in caught.value.detail


@pytest.mark.parametrize("asked", ["0", "0.01", "Thu, 01 Jan 1970 00:00:00 GMT"])
def test_waiting_for_no_time_again_and_again_ends_as_well(scripted, monkeypatch, asked):
    monkeypatch.setattr(retry, "LONG_PAUSES", (0.1,))
    monkeypatch.setattr(retry, "HOUR", 0.55)
    server = scripted(lambda _: Answer(status=429, headers={"Retry-After": asked}))
    ends = time.monotonic() + 10
    client = client_of(server, on_rate_limit="wait")
    with pytest.raises(RateLimited):
        fetch(client, "/things", scan=scan_of(client, interrupted=lambda: time.monotonic() > ends))
    assert len(server.received) < 10


def test_what_takes_longer_than_an_hour_is_not_waited_for(scripted):
    server = scripted(refusing_once("3601"))
    with pytest.raises(RateLimited, match="3601"):
        fetch(client_of(server, on_rate_limit="wait"), "/things")
    assert len(server.received) == 1


def test_many_requests_that_wait_say_so_once_and_can_be_cancelled(scripted):
    server = scripted(lambda _: LIMITED)
    client = client_of(server, on_rate_limit="wait")
    told: list[str] = []
    ends = time.monotonic() + 1
    scan = scan_of(client, notice=told.append, interrupted=lambda: time.monotonic() > ends)
    pending = [scan.submit(client.get, client.url(f"/{n}"), scan) for n in range(4)]
    with pytest.raises(Cancelled):
        scan.wait(pending[0])
    assert all(isinstance(future.exception(5), Cancelled) for future in pending)
    assert len(told) == 1
    assert "60 seconds" in told[0]


def test_a_wait_beyond_patience_is_an_error_at_once(client_factory, emulator):
    emulator.fault("*/website", kind="status", status=429, retry_after=3600, count=None)
    with pytest.raises(RateLimited) as caught:
        fetch(client_factory(retry_limit=5), WEBSITE)
    assert "3600 seconds" in caught.value.detail
    assert len(emulator.requests()) == 1


def test_a_slow_answer_is_a_time_out(client_factory, emulator):
    emulator.fault("*/website", kind="slow", delay_ms=30_000, count=None)
    with pytest.raises(ConnectionFailure) as caught:
        fetch(client_factory(retry_limit=1, timeout=0.3), WEBSITE)
    assert caught.value.detail == "No answer within 0.3 seconds."
    assert "timeout" in caught.value.hint
    assert len(emulator.requests()) == 2


def test_a_slow_answer_within_the_time_out_is_waited_for(client_factory, emulator):
    emulator.fault("*/website", kind="slow", delay_ms=300, count=1)
    assert fetch(client_factory(retry_limit=0, timeout=20), WEBSITE)["slug"] == "website"
    assert len(emulator.requests()) == 1


def test_a_refused_connection_is_an_error_that_says_where(scripted):
    server = scripted(lambda _: page(1))
    client = client_of(server, retry_limit=1)
    server.close()
    server.close = lambda: None
    with pytest.raises(ConnectionFailure) as caught:
        fetch(client, "/things")
    assert server.url in caught.value.message
    assert caught.value.path == "/things"


def test_repetitions_leave_the_budget_alone(client_factory, emulator):
    """max_requests is about how much is asked for; retry_limit bounds how often."""
    emulator.fault("*/website", kind="status", status=503, count=1)
    client = client_factory(retry_limit=1)
    fetch(client, WEBSITE, scan=scan_of(client, max_requests=1))
    assert len(emulator.requests()) == 2
