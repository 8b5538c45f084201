"""Sessions that run at the same time, with server option cache_ttl: one request for an answer."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.support.credentials import READ_WRITE, mapping_options
from tests.support.database import Database

IMPORT = 'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web'
SESSIONS = 8
DASHBOARD = [
    *(f"SELECT title FROM web.issues WHERE id = {number}" for number in range(1, 9)),
    "SELECT count(title) FROM web.issues",
    "SELECT state, count(*) FROM web.pull_requests GROUP BY state ORDER BY state",
    "SELECT name FROM web.branches ORDER BY name",
    "SELECT name FROM web.tags ORDER BY name",
]
SLOW = "SELECT count(title) FROM web.issues"


@pytest.fixture
def database(emulator, db_factory) -> Iterator[Database]:
    database: Database = db_factory(emulator=emulator, cache_ttl="600")
    database.execute(IMPORT)
    begin_anew(database)
    yield database
    database.execute("ALTER SERVER bitbucket OPTIONS (SET cache_ttl '0')")


def begin_anew(database: Database) -> None:
    """Make what any session keeps count as old, other tests' answers among them."""
    database.execute("INSERT INTO web.issues (title) VALUES ('new')")
    database.emulator.reset()


def lines(database: Database) -> Counter[str]:
    return Counter(request.line for request in database.emulator.requests())


def run(session: psycopg.Connection[Any], statements: list[str]) -> dict[str, list[Any]]:
    return {text: session.execute(text.encode()).fetchall() for text in statements}


def at_once(database: Database) -> list[dict[str, list[Any]]]:
    """What the sessions are shown, each of which runs the dashboard in an order of its own."""
    sessions = [database.connect() for _ in range(SESSIONS)]
    orders = [random.Random(number).sample(DASHBOARD, k=12) for number in range(SESSIONS)]
    with ThreadPoolExecutor(SESSIONS) as pool:
        found = list(pool.map(run, sessions, orders))
    for session in sessions:
        session.close()
    return found


def test_a_dashboard_of_several_sessions_takes_the_requests_of_one(database):
    alone = run(database.connect(), DASHBOARD)
    needed = lines(database)
    assert len(needed) >= len(DASHBOARD)
    assert set(needed.values()) == {1}
    begin_anew(database)
    database.emulator.fault("*", kind="slow", delay_ms=60, count=None)
    for shown in at_once(database):
        assert shown == alone
    assert lines(database) == needed


def test_without_the_option_answers_are_the_same(database):
    shared = at_once(database)
    database.execute("ALTER SERVER bitbucket OPTIONS (SET cache_ttl '0')")
    assert at_once(database) == shared


@pytest.fixture
def slow(database) -> Database:
    """A database whose first session waits for the answer to :data:`SLOW`."""
    database.emulator.fault("*/issues*", kind="slow", delay_ms=20_000, count=1)
    return database


def begun(database: Database, session: psycopg.Connection[Any]) -> tuple[threading.Thread, Any]:
    """Run the slow statement on a thread, until it has sent its request or waits for another's."""
    outcome: dict[str, Any] = {}

    def ask() -> None:
        try:
            outcome["rows"] = session.execute(SLOW.encode()).fetchall()
        except psycopg.Error as error:
            outcome["error"] = error

    thread = threading.Thread(target=ask)
    thread.start()
    return thread, outcome


def sent(database: Database, count: int) -> None:
    end = time.monotonic() + 15
    while sum(lines(database).values()) < count:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_session_that_waits_can_be_cancelled(slow):
    first, second = slow.connect(), slow.connect()
    second.execute("SELECT count(name) FROM web.tags")
    holder, _ = begun(slow, first)
    sent(slow, 2)
    waiter, outcome = begun(slow, second)
    time.sleep(0.3)
    asked = time.monotonic()
    second.cancel()
    waiter.join(10)
    assert "canceling statement" in str(outcome["error"])
    assert time.monotonic() - asked < 5
    assert sum(lines(slow).values()) == 2
    first.cancel()
    holder.join(10)


def test_a_session_that_ends_lets_the_next_one_ask(slow):
    first, second = slow.connect(), slow.connect()
    second.execute("SELECT count(name) FROM web.tags")
    holder, _ = begun(slow, first)
    sent(slow, 2)
    waiter, outcome = begun(slow, second)
    time.sleep(0.3)
    assert sum(lines(slow).values()) == 2
    slow.execute(f"SELECT pg_terminate_backend({first.info.backend_pid})")
    holder.join(10)
    waiter.join(10)
    assert outcome["rows"][0][0] > 0
    assert sum(lines(slow).values()) == 3


def test_a_write_through_a_server_without_the_option_outdates_answers_too(database):
    database.create_server("other", credentials=mapping_options(database.emulator, READ_WRITE))
    database.execute(
        'CREATE SCHEMA plain; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER other INTO plain'
    )
    before = database.value(SLOW)
    assert database.query(SLOW).requests == []
    database.execute("INSERT INTO plain.issues (title) VALUES ('new')")
    assert database.value(SLOW) == before + 1
