"""Requests under way at the same time, bounded over all sessions of a credential."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from bitbucket_fdw.api import Client, Credential, ScanContext, Settings
from bitbucket_fdw.api.delivery import Delivery
from bitbucket_fdw.api.shared import Shared
from bitbucket_fdw.api.together import Together
from bitbucket_fdw.between_sessions.slots import Slots
from bitbucket_fdw.errors import Cancelled
from tests.api.scripted import Answer, ScriptedServer

ADA = Credential.bearer("access_token", "secret-of-ada")
BEN = Credential.bearer("access_token", "secret-of-ben")
API = "https://api.example/2.0"


class Crowd:
    """A server that notes how many requests are under way. Answers wait until it is open."""

    def __init__(self, scripted: Callable[[Any], ScriptedServer]) -> None:
        self.open = threading.Event()
        self.most = self.present = 0
        self._lock = threading.Lock()
        self.server = scripted(self._answer)

    def _answer(self, _: str) -> Answer:
        with self._lock:
            self.present += 1
            self.most = max(self.most, self.present)
        assert self.open.wait(10)
        time.sleep(0.002)
        with self._lock:
            self.present -= 1
        return Answer({})

    def session(self, credential: Credential = ADA, **settings: Any) -> Client:
        """Another session's client."""
        given = {"base_url": f"{self.server.url}/2.0", "retry_limit": 0, "max_concurrency": 3}
        return Client(Settings(**{**given, **settings}), credential, Shared())


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BITBUCKET_FDW_REQUESTS", str(tmp_path / "requests"))
    return tmp_path / "requests"


@pytest.fixture
def crowd(scripted, directory: Path) -> Iterator[Crowd]:
    crowd = Crowd(scripted)
    yield crowd
    crowd.open.set()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(40) as pool:
        yield pool


def ask(client: Client, scan: ScanContext | None = None) -> None:
    client.get(client.url("/things"), scan or ScanContext(client.workers, 1000))


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.002)


def test_no_more_are_under_way_than_the_bound(crowd, pool):
    sessions = [crowd.session() for _ in range(4)]
    futures = [pool.submit(ask, session) for session in sessions for _ in range(6)]
    until(lambda: crowd.present == 3)
    time.sleep(0.1)  # for those that would be too many
    assert crowd.present == 3
    crowd.open.set()
    for future in futures:
        future.result(10)
    assert crowd.most == 3
    assert len(crowd.server.received) == len(futures)


@pytest.mark.parametrize("other", [{"credential": BEN}, {"max_concurrency": 0}])
def test_other_credentials_and_servers_without_the_option_are_not_bounded(crowd, pool, other):
    futures = [pool.submit(ask, crowd.session()) for _ in range(3)]
    until(lambda: crowd.present == 3)
    futures.append(pool.submit(ask, crowd.session(**other)))
    until(lambda: crowd.present == 4)
    crowd.open.set()
    for future in futures:
        future.result(10)


def test_without_the_option_there_are_no_files(crowd, directory):
    crowd.open.set()
    ask(crowd.session(max_concurrency=0))
    assert not list(directory.glob("*.slot"))
    ask(crowd.session())
    assert len(list(directory.glob("*.slot"))) == 1


def test_a_session_with_many_requests_does_not_keep_others_out(crowd, pool):
    """Without the queue, whoever gives a lock back has it again at once."""
    crowd.open.set()
    busy, other = crowd.session(max_concurrency=1), crowd.session(max_concurrency=1)
    stop = threading.Event()

    def go_on() -> int:
        count = 0
        while not stop.is_set():
            ask(busy)
            count += 1
        return count

    going = [pool.submit(go_on) for _ in range(8)]
    try:
        for _ in range(5):
            before = len(crowd.server.received)
            pool.submit(ask, other).result(10)
            assert len(crowd.server.received) - before < 200
    finally:
        stop.set()
    assert sum(future.result(10) for future in going) > 0


def test_a_scan_that_ends_waits_no_more(crowd, pool):
    futures = [pool.submit(ask, crowd.session()) for _ in range(3)]
    until(lambda: crowd.present == 3)
    client = crowd.session()
    scan = ScanContext(client.workers, 10)
    waiting = [pool.submit(ask, client, scan) for _ in range(3)]
    time.sleep(0.05)
    scan.stop()
    for future in waiting:
        with pytest.raises(Cancelled):
            future.result(5)
    # Whoever stood at the head of the queue has left it.
    crowd.open.set()
    ask(crowd.session())
    for future in futures:
        future.result(10)
    assert len(crowd.server.received) == 4


def test_a_wait_of_some_seconds_is_told(crowd, pool, monkeypatch):
    monkeypatch.setattr("bitbucket_fdw.api.together._PATIENCE", 0.02)
    futures = [pool.submit(ask, crowd.session()) for _ in range(3)]
    until(lambda: crowd.present == 3)
    client = crowd.session()
    said: list[str] = []
    scan = ScanContext(client.workers, 10, notice=said.append)
    futures.append(pool.submit(ask, client, scan))

    def told() -> bool:
        scan.check()
        return bool(said)

    until(told)
    assert "3 requests at a time (max_concurrency)" in said[0]
    crowd.open.set()
    for future in futures:
        future.result(10)


def test_a_write_waits_as_well(crowd, pool):
    futures = [pool.submit(ask, crowd.session()) for _ in range(3)]
    until(lambda: crowd.present == 3)
    client, delivery = crowd.session(), Delivery()
    scan = ScanContext(client.workers, 10)
    write = pool.submit(client.send, "POST", client.url("/things"), {}, False, scan, delivery)
    time.sleep(0.05)
    scan.stop()
    with pytest.raises(Cancelled):
        write.result(5)
    assert delivery.give_up() is False
    crowd.open.set()
    for future in futures:
        future.result(10)
    assert len(crowd.server.received) == 3


HOLD = """
import sys, time
from pathlib import Path
from bitbucket_fdw.between_sessions.slots import Slots
slots = Slots(Path(sys.argv[1]), sys.argv[2], "ada", 2)
assert slots.take() is not None and slots.take() is not None and slots.take() is None
print("held", flush=True)
time.sleep(60)
"""


def test_what_a_process_held_is_free_when_it_is_killed(directory):
    """Both the locks and the head of the queue."""
    held = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(directory), API], stdout=subprocess.PIPE, text=True
    )
    try:
        assert held.stdout is not None
        assert held.stdout.readline() == "held\n"
        slots = Slots(directory, API, "ada", 2)
        assert slots.take() is None
        os.kill(held.pid, signal.SIGKILL)
        held.wait(10)
        assert {slots.take(), slots.take()} == {0, 1}
    finally:
        held.kill()
        held.wait(10)


def test_only_the_head_of_the_queue_is_given_one(directory):
    one, two = Slots(directory, API, "ada", 1), Slots(directory, API, "ada", 1)
    first = one.take()
    assert first == 0
    assert two.take() is None  # and stands in the queue
    one.give_back(first)
    assert one.take() is None
    two.leave()
    assert one.take() == 0
    one.close()
    assert two.take() == 0
    assert Slots(directory, API, "ben", 1).take() == 0


def test_files_are_for_the_server_s_user_alone_and_say_nothing(directory):
    Slots(directory, API, "ada", 1).take()
    assert directory.stat().st_mode & 0o7777 == 0o700
    for file in directory.iterdir():
        assert file.stat().st_mode & 0o7777 == 0o600
        assert file.stat().st_size == 0
        assert "ada" not in file.name


def test_where_there_can_be_no_locks_it_goes_on_and_says_so(crowd, directory):
    directory.mkdir()
    directory.chmod(0o755)
    crowd.open.set()
    shared = Shared()
    settings = Settings(base_url=f"{crowd.server.url}/2.0", max_concurrency=1)
    client = Client(settings, ADA, shared)
    ask(client)
    ask(client)
    messages = [note.message for note in shared.notes.take()]
    assert messages.count("the requests of this session are not bounded by max_concurrency") == 1
    assert len(crowd.server.received) == 2


def test_outside_of_a_server_nothing_is_bounded(monkeypatch, tmp_path):
    monkeypatch.delenv("BITBUCKET_FDW_REQUESTS", raising=False)
    monkeypatch.chdir(tmp_path)
    shared = Shared()
    together = Together(Settings(base_url=API, max_concurrency=1), "ada", shared.notes)
    scan = ScanContext(Client(Settings(), ADA, shared).workers, 10)
    with together.request(scan), together.request(scan):
        pass
    assert shared.notes.take() == []
