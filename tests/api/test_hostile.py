"""Servers that mean harm: answers without end, in size or in time."""

from __future__ import annotations

import gzip
import itertools
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bitbucket_fdw.api import Client, Credential, Settings
from bitbucket_fdw.errors import BadResponse, ConnectionFailure
from tests.api.helpers import client_of, fetch, scan_of
from tests.api.hostile import HEAD, HostileServer
from tests.api.scripted import Answer
from tests.support.waiting import wait_until

SOON = 5.0  # seconds; much less than what these servers would go on for


@pytest.fixture
def hostile() -> Iterator[Callable[..., HostileServer]]:
    servers = []

    def start(script: Callable[[], Iterator[bytes]], pause: float = 0.0) -> HostileServer:
        servers.append(HostileServer(script, pause))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


def client(server: HostileServer, **settings: Any) -> Client:
    given = {"base_url": f"{server.url}/2.0", "retry_limit": 3, **settings}
    return Client(Settings(**given), Credential.none())


def drip(before: bytes) -> Callable[[], Iterator[bytes]]:
    """A byte now and then, for ever, after some that are in order."""
    return lambda: itertools.chain([before], itertools.repeat(b"x"))


DRIPS = {
    "in the head": drip(HEAD + b"X-Long: "),
    "in a body of a known length": drip(HEAD + b'Content-Length: 1000000\r\n\r\n{"values": ["'),
    "in a body without one": drip(HEAD + b'\r\n{"values": ["'),
    "between chunks": lambda: itertools.chain(
        [HEAD + b"Transfer-Encoding: chunked\r\n\r\n"], itertools.repeat(b"1\r\nx\r\n")
    ),
}


def threads_of_requests() -> list[threading.Thread]:
    return [t for t in threading.enumerate() if t.name.startswith("bitbucket")]


@pytest.mark.parametrize("where", DRIPS)
def test_an_answer_that_drips_is_given_up(hostile, where):
    server = hostile(DRIPS[where], pause=0.02)
    started = time.monotonic()
    with pytest.raises(ConnectionFailure) as caught:
        fetch(client(server, max_answer_time=0.5), "/things")
    assert time.monotonic() - started < SOON
    assert "0.5 seconds" in caught.value.detail
    assert "max_answer_time" in caught.value.hint
    assert server.ended.wait(SOON)
    assert server.served == 1, "it was asked again for the same"


@pytest.mark.parametrize("where", DRIPS)
def test_a_scan_that_stops_closes_its_connections(hostile, where):
    server = hostile(DRIPS[where], pause=0.02)
    patient = client(server)
    scan = scan_of(patient)
    pending = scan.submit(patient.get, patient.url("/things"), scan)
    assert server.asked.wait(SOON)
    assert not server.ended.wait(0.2)
    scan.stop()
    assert server.ended.wait(SOON)
    assert pending.exception(SOON) is not None
    assert server.served == 1


def test_no_connection_of_another_scan_is_closed(scripted):
    server = scripted(lambda _: Answer({"values": []}))
    shared = client_of(server)
    scans = [scan_of(shared) for _ in range(3)]
    for scan in scans:
        fetch(shared, "/things", scan=scan)
        scan.stop()
    assert len({request.port for request in server.received}) == 1, "nor is one that is idle"


def test_a_request_that_comes_after_the_scan_has_stopped_is_not_sent(scripted):
    server = scripted(lambda _: Answer({"values": []}))
    late = client_of(server)
    scan = scan_of(late)
    scan.stop()
    assert scan.submit(late.get, late.url("/things"), scan).exception(SOON) is not None
    assert server.received == []


def test_a_body_that_is_small_until_it_is_decoded_is_given_up(scripted):
    packed = gzip.compress(b'{"values": ["' + b"x" * 100_000_000 + b'"]}')
    assert len(packed) < 200_000
    headers = {"Content-Encoding": "gzip"}
    server = scripted(lambda _: Answer(packed, headers=headers))
    with pytest.raises(BadResponse) as caught:
        fetch(client_of(server, max_answer_size=2**20, retry_limit=3), "/things")
    assert "more than 1 MiB" in caught.value.message
    assert "max_answer_size" in caught.value.hint
    assert len(server.received) == 1


@pytest.mark.parametrize("status", [200, 404, 500])
@pytest.mark.parametrize("length", [b"", b"Content-Length: 100000000\r\n"])
def test_a_body_that_does_not_end_is_given_up(hostile, status, length):
    head = HEAD.replace(b"200 OK", str(status).encode() + b" Whatever")
    server = hostile(
        lambda: itertools.chain([head + length + b"\r\n"], itertools.repeat(b"x" * 9999))
    )
    with pytest.raises(BadResponse, match="more than 1 MiB"):
        fetch(client(server, max_answer_size=2**20), "/things")
    assert server.ended.wait(SOON)
    assert server.served == 1


def test_an_answer_of_just_the_size_that_is_allowed_is_read(scripted):
    body = b'"' + b"x" * (2**20 - 2) + b'"'
    server = scripted(lambda _: Answer(body))
    assert len(fetch(client_of(server, max_answer_size=2**20), "/things")) == 2**20 - 2


def test_no_thread_is_left_behind(hostile):
    server = hostile(DRIPS["in the head"], pause=0.02)
    before = len(threads_of_requests())
    patient = client(server)
    scan = scan_of(patient)
    pending = [scan.submit(patient.get, patient.url(f"/{n}"), scan) for n in range(4)]
    wait_until(lambda: server.served == 4, seconds=SOON)
    scan.stop()
    assert all(future.exception(SOON) for future in pending)
    patient.workers.abandon()
    wait_until(lambda: len(threads_of_requests()) <= before, seconds=SOON)


@pytest.mark.parametrize("location", [b"http://[", b"//[::1", b"/2.0/x\xff\xfe"])
def test_a_redirect_to_what_is_no_address_is_an_error_of_the_api(hostile, location):
    head = b"HTTP/1.1 302 Found\r\nContent-Length: 2\r\nLocation: " + location
    server = hostile(lambda: iter([head + b"\r\n\r\n{}"]))
    with pytest.raises(BadResponse, match="GET /things"):
        fetch(client(server), "/things")
    assert server.served == 1
