"""A scan's budget, its stop signal, its threads and its connections."""

from __future__ import annotations

import signal
import threading
import time
from concurrent.futures import CancelledError, Future

import pytest

from bitbucket_fdw.api import Client, Clients, Credential, ScanContext, Settings
from bitbucket_fdw.api.scan import Workers
from bitbucket_fdw.errors import Cancelled, TooManyRequests
from tests.api.helpers import SECRET, client_of, fetch, items, page, scan_of
from tests.api.scripted import Answer

WEBSITE = "/repositories/acme/website"
PULL_REQUESTS = f"{WEBSITE}/pullrequests"


# --- budget ---


def test_the_budget_is_the_scans_and_not_the_clients(client, emulator):
    scan = scan_of(client, max_requests=2)
    fetch(client, WEBSITE, scan=scan)
    fetch(client, WEBSITE, scan=scan)
    with pytest.raises(TooManyRequests):
        fetch(client, WEBSITE, scan=scan)
    assert len(emulator.requests()) == 2
    fetch(client, WEBSITE, scan=scan_of(client, max_requests=1))
    assert len(emulator.requests()) == 3


def test_a_fan_out_beyond_the_budget_is_told_before_it_starts(client, emulator):
    scan = scan_of(client, max_requests=10)
    fetch(client, WEBSITE, scan=scan)
    scan.afford(9)
    with pytest.raises(TooManyRequests) as caught:
        scan.afford(10)
    assert "about 11 requests" in caught.value.message
    assert len(emulator.requests()) == 1


def test_parallel_requests_cannot_overdraw_the_budget(client_factory, emulator):
    client = client_factory(concurrency=8)
    scan = scan_of(client, max_requests=5)
    futures = [scan.submit(client.get, client.url(WEBSITE), scan) for _ in range(20)]
    outcomes = [future.exception() for future in futures]
    assert sum(outcome is None for outcome in outcomes) == 5
    assert sum(isinstance(outcome, TooManyRequests) for outcome in outcomes) == 15
    assert len(emulator.requests()) == 5


# --- cancelling ---


def test_a_cancel_ends_the_wait_for_a_slow_answer(client_factory, emulator):
    emulator.fault("*/website", kind="slow", delay_ms=20_000, count=1)
    client = client_factory(timeout=60)
    cancel = threading.Event()
    scan = scan_of(client, interrupted=cancel.is_set)
    timer = threading.Timer(0.3, cancel.set)
    timer.start()
    began = time.monotonic()
    with pytest.raises(Cancelled) as caught:
        fetch(client, WEBSITE, scan=scan)
    timer.join()
    # The answer takes twenty seconds: only a wait that was broken off ends before half of it.
    assert time.monotonic() - began < 10
    assert caught.value.sqlstate == "57014"
    assert scan.stopped.is_set()


def test_the_client_goes_on_after_a_cancel(client_factory, emulator):
    emulator.fault("*/website", kind="slow", delay_ms=20_000, count=2)
    client = client_factory(concurrency=2, timeout=60)
    scan = scan_of(client, interrupted=lambda: len(emulator.requests()) == 2)
    futures = [scan.submit(client.get, client.url(WEBSITE), scan) for _ in range(2)]
    with pytest.raises(Cancelled):
        scan.wait(futures[0])
    # Both workers are still busy with the old scan; a new one must not queue behind them.
    began = time.monotonic()
    assert fetch(client, WEBSITE)["slug"] == "website"
    assert time.monotonic() - began < 10


def test_a_cancel_ends_the_pause_before_a_repetition(client_factory, emulator):
    emulator.fault("*/website", kind="status", status=429, retry_after=60, count=None)
    client = client_factory(retry_limit=5)
    scan = scan_of(client, interrupted=lambda: len(emulator.requests()) == 1)
    began = time.monotonic()
    future = scan.submit(client.get, client.url(WEBSITE), scan)
    with pytest.raises(Cancelled):
        scan.wait(future)
    assert isinstance(future.exception(timeout=20), Cancelled)  # the worker has given up too
    assert time.monotonic() - began < 20
    assert len(emulator.requests()) == 1


def test_a_stopped_scan_makes_no_further_request(client, emulator):
    scan = scan_of(client)
    scan.stop()
    with pytest.raises(Cancelled):
        fetch(client, WEBSITE, scan=scan)
    assert emulator.requests() == []


def test_interrupts_are_looked_for_on_the_waiting_thread_only(client_factory, emulator):
    emulator.fault("*/website", kind="slow", delay_ms=300, count=1)
    threads = set()

    def interrupted() -> bool:
        threads.add(threading.current_thread())
        return False

    client = client_factory()
    fetch(client, WEBSITE, scan=scan_of(client, interrupted=interrupted))
    assert threads == {threading.main_thread()}


# --- threads ---


@pytest.mark.parametrize("error", [TimeoutError("of its own"), ValueError("of its own")])
def test_an_error_of_what_was_waited_for_is_handed_on_at_once(client, error):
    future: Future[None] = Future()
    future.set_exception(error)
    with pytest.raises(type(error), match="of its own"):
        client.scan().wait(future)


def test_a_wait_for_what_was_given_up_ends(client):
    future: Future[None] = Future()
    future.cancel()
    with pytest.raises(CancelledError):
        client.scan().wait(future)


def test_worker_threads_block_every_signal():
    scan, everyone = ScanContext(Workers(3), 10), threading.Barrier(3)

    def mask_of_another_thread() -> set[int | signal.Signals]:
        everyone.wait(10)
        return signal.pthread_sigmask(signal.SIG_BLOCK, ())

    first = scan.wait(scan.submit(threading.get_ident))
    assert first != threading.get_ident()
    for future in [scan.submit(mask_of_another_thread) for _ in range(3)]:
        mask = scan.wait(future)
        common = {signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGALRM, signal.SIGHUP}
        assert common <= mask
        # SIGKILL and SIGSTOP cannot be blocked, nor the two that the C library keeps to itself.
        assert mask >= signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}


def test_the_mask_of_the_waiting_thread_stays_as_it_was():
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    scan = ScanContext(Workers(2), 10)
    scan.wait(scan.submit(int, 7))
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_the_mask_is_restored_when_a_thread_cannot_start(monkeypatch):
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    monkeypatch.setattr(threading.Thread, "start", refuse)
    with pytest.raises(RuntimeError):
        ScanContext(Workers(1), 10).submit(int, 7)
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()) == before


def test_no_more_requests_are_under_way_than_were_allowed(scripted):
    lock = threading.Lock()
    under_way = 0
    most = 0

    def answer(_: str) -> Answer:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)
        time.sleep(0.05)
        with lock:
            under_way -= 1
        return page(1)

    client = client_of(scripted(answer), concurrency=3)
    scan = scan_of(client)
    for future in [scan.submit(client.get, client.url("/things"), scan) for _ in range(12)]:
        scan.wait(future)
    assert 1 < most <= 3


# --- connections ---


def test_a_connection_is_used_again(scripted):
    server = scripted(
        lambda target: page(1) if "5" in target else page(1, next=f"/2.0/things?page={counter()}")
    )
    numbers = iter(range(1, 6))

    def counter() -> int:
        return next(numbers)

    client = client_of(server, concurrency=1)
    assert len(items(client, "/things")) == 6
    fetch(client, "/things?page=5")
    assert len(server.received) == 7
    assert len({request.port for request in server.received}) == 1


def test_a_client_is_shared_by_server_and_credential_alone():
    settings = Settings(base_url="http://127.0.0.1:1/2.0")
    ada = Credential.basic("api_token", "ada@example.com", "one")
    client_for = Clients().client_for
    assert client_for(settings, ada) is client_for(
        settings, Credential.basic("api_token", "ada@example.com", "one")
    )
    others = [
        Credential.none(),
        Credential.basic("api_token", "ada@example.com", "two"),
        Credential.basic("api_token", "ada@example.co", "mone"),
        Credential.bearer("access_token", "one"),
    ]
    clients = {id(client_for(settings, credential)) for credential in (ada, *others)}
    assert len(clients) == 1 + len(others)
    elsewhere = Settings(base_url="http://127.0.0.1:2/2.0")
    assert client_for(elsewhere, ada) is not client_for(settings, ada)


def test_the_environment_decides_nothing(scripted, monkeypatch, tmp_path):
    """Neither a proxy variable nor ~/.netrc of the server's user has a say."""
    proxy = scripted(lambda _: page("from the proxy"))
    server = scripted(lambda _: page("from the server"))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, proxy.url)
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    anonymous = Client(Settings(base_url=f"{server.url}/2.0"), Credential.none())
    assert items(anonymous, "/things") == ["from the server"]
    assert proxy.received == []
    assert "authorization" not in server.received[0].headers


def test_cookies_are_not_kept(scripted):
    """A session that Bitbucket opened for one credential must not colour later answers."""
    server = scripted(lambda _: Answer({"values": []}, headers={"Set-Cookie": "sid=1; Path=/"}))
    client = client_of(server)
    fetch(client, "/things")
    fetch(client, "/things")
    assert "cookie" not in server.received[1].headers


def test_the_credential_goes_with_every_request_and_into_no_representation(scripted):
    server = scripted(lambda _: page(1))
    client = client_of(server)
    fetch(client, "/things")
    assert server.received[0].headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(client.credential)
    assert SECRET not in client.credential.identity


def test_requests_of_one_page_come_from_the_collections_path(client, emulator):
    items(client, PULL_REQUESTS, ("pagelen", "50"))
    assert {request.path for request in emulator.requests()} == {f"/2.0{PULL_REQUESTS}"}
