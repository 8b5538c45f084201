"""Sessions that want the same answer at the same time make one request."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bitbucket_fdw.api import Client, Credential, ScanContext, Settings
from bitbucket_fdw.api.shared import Shared
from bitbucket_fdw.between_sessions.turns import Turn
from bitbucket_fdw.errors import BitbucketError, Cancelled
from tests.api.scripted import Answer, ScriptedServer

ADA = Credential.bearer("access_token", "secret-of-ada")
BEN = Credential.bearer("access_token", "secret-of-ben")
SESSIONS = 8


class Gate:
    """A server whose answers wait until the test lets them go."""

    def __init__(self, scripted: Callable[[Any], ScriptedServer]) -> None:
        self.open = threading.Event()
        self.first = threading.Event()  # lets the first answer go, and no other
        self.status = 200
        self.server = scripted(self._answer)

    def _answer(self, _: str) -> Answer:
        number = len(self.server.received)
        until = time.monotonic() + 10
        while not self.open.is_set() and not (number == 1 and self.first.is_set()):
            assert time.monotonic() < until
            time.sleep(0.002)
        return Answer({"number": number}, self.status)


@pytest.fixture
def gate(scripted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    monkeypatch.setenv("BITBUCKET_FDW_CACHE", str(tmp_path / "cache"))
    gate = Gate(scripted)
    yield gate
    gate.open.set()


def session_of(gate: Gate, credential: Credential = ADA, **settings: Any) -> Client:
    """Another session's client."""
    given = {"base_url": f"{gate.server.url}/2.0", "retry_limit": 0, "cache_ttl": 600.0, **settings}
    return Client(Settings(**given), credential, Shared())


def ask(client: Client, scan: ScanContext | None = None, path: str = "/things") -> Any:
    scan = scan or ScanContext(client.workers, 10)
    return client.get(client.url(path), scan).json["number"]


def asked(gate: Gate, count: int) -> None:
    """Wait until that many requests have arrived."""
    _until(lambda: len(gate.server.received) >= count)
    assert len(gate.server.received) == count


def waiting(*sessions: Client) -> None:
    """Wait until these sessions wait for another one's answer."""
    _until(lambda: all(session.shared_answers.uses.waits for session in sessions))


def _until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


@pytest.fixture
def at_once() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(SESSIONS) as pool:
        yield pool


def begin(pool: ThreadPoolExecutor, gate: Gate, sessions: list[Client]) -> list[Future[Any]]:
    """The first session asks, and the others while its request is under way."""
    first, *others = sessions
    futures = [pool.submit(ask, first)]
    asked(gate, 1)
    futures += [pool.submit(ask, other) for other in others]
    waiting(*others)
    return futures


def test_sessions_make_one_request(gate, at_once):
    sessions = [session_of(gate) for _ in range(SESSIONS)]
    futures = begin(at_once, gate, sessions)
    asked(gate, 1)
    gate.open.set()
    assert [future.result() for future in futures] == [1] * SESSIONS
    assert len(gate.server.received) == 1
    uses = [session.shared_answers.uses for session in sessions]
    assert sum(use.misses for use in uses) == 1
    assert sum(use.hits for use in uses) == sum(use.waits for use in uses) == SESSIONS - 1
    assert not list(Path(os.environ["BITBUCKET_FDW_CACHE"]).glob("*.lock"))


def test_without_the_option_each_asks(gate, at_once):
    futures = [at_once.submit(ask, session_of(gate, cache_ttl=0.0)) for _ in range(3)]
    asked(gate, 3)
    gate.open.set()
    assert sorted(future.result() for future in futures) == [1, 2, 3]


def test_other_credentials_and_addresses_wait_for_nobody(gate, at_once):
    futures = [
        at_once.submit(ask, session_of(gate)),
        at_once.submit(ask, session_of(gate, BEN)),
        at_once.submit(ask, session_of(gate), None, "/things?page=2"),
    ]
    asked(gate, 3)
    gate.open.set()
    assert sorted(future.result() for future in futures) == [1, 2, 3]


def test_what_must_be_fresh_waits_for_nobody(gate, at_once):
    first = at_once.submit(ask, session_of(gate))
    asked(gate, 1)
    writer = session_of(gate)
    second = at_once.submit(ask, writer, ScanContext(writer.workers, 10, fresh=True))
    asked(gate, 2)
    gate.open.set()
    assert {first.result(), second.result()} == {1, 2}


@pytest.mark.parametrize("status", [404, 500])
def test_an_error_is_no_answer_and_nobody_queues_for_the_next(gate, at_once, status):
    """All that waited ask at once: one after the other, the last would wait for all errors."""
    gate.status = status
    futures = begin(at_once, gate, [session_of(gate) for _ in range(4)])
    asked(gate, 1)
    gate.first.set()
    asked(gate, 4)
    gate.open.set()
    for future in futures:
        with pytest.raises(BitbucketError, match=f"{status}"):
            future.result()
    assert len(gate.server.received) == 4
    gate.status = 200
    assert ask(session_of(gate)) == 5


def test_a_scan_that_ends_stops_waiting(gate, at_once):
    first = at_once.submit(ask, session_of(gate))
    asked(gate, 1)
    other = session_of(gate)
    scan = ScanContext(other.workers, 10)
    second = at_once.submit(ask, other, scan)
    waiting(other)
    scan.stop()
    with pytest.raises(Cancelled):
        second.result(5)
    gate.open.set()
    assert first.result() == 1


def test_one_that_is_given_up_lets_the_next_ask(gate, at_once):
    first = session_of(gate)
    scan = ScanContext(first.workers, 10)
    given_up = at_once.submit(ask, first, scan)
    asked(gate, 1)
    others = [session_of(gate) for _ in range(3)]
    futures = [at_once.submit(ask, other) for other in others]
    waiting(*others)
    scan.stop()  # its socket is shut down: no answer comes, and no error of Bitbucket's
    with pytest.raises(BitbucketError):
        given_up.result(5)
    asked(gate, 2)
    gate.open.set()
    assert [future.result() for future in futures] == [2, 2, 2]


def test_nobody_waits_longer_than_a_request_may_take(gate, at_once):
    first = at_once.submit(ask, session_of(gate))
    asked(gate, 1)
    second = at_once.submit(ask, session_of(gate, timeout=0.2))
    asked(gate, 2)
    gate.open.set()
    assert first.result() == 1
    assert second.result() in (1, 2)


HOLDER = """
import sys, time
from pathlib import Path
from bitbucket_fdw.between_sessions.turns import Turn
turn = Turn(Path(sys.argv[1]))
assert turn.take()
print("held", flush=True)
time.sleep(60)
"""


def test_the_lock_of_a_process_that_was_killed_is_free(tmp_path):
    path = tmp_path / "one.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    turn = Turn(path)
    assert not turn.take()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    assert turn.take()
    assert not turn.has_failed
    turn.end()
    assert not path.exists()


def test_turns_follow_one_another(tmp_path):
    path = tmp_path / "one.lock"
    first, second, third = Turn(path), Turn(path), Turn(path)
    assert first.take()
    assert not second.take()
    first.end()
    assert third.take()  # of a new file, since the first has removed its own
    assert not second.take()
    third.end()
    assert second.take()
    second.end()
    assert not path.exists()
