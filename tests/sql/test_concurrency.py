"""Server option max_concurrency: requests under way in all sessions of a credential together."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
import pytest

from tests.support.credentials import READ, mapping_options
from tests.support.database import Database

IMPORT = 'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web'
SLOW = "SELECT count(title) FROM web.issues"
OTHER = "SELECT count(name) FROM web.tags"
SEVERAL = [
    SLOW,
    OTHER,
    "SELECT id, title FROM web.pull_requests ORDER BY id",
    "SELECT p.build_number, s.name FROM web.pipelines p JOIN web.pipeline_steps s "
    "ON s.pipeline_uuid = p.uuid WHERE p.build_number IN (3, 4, 5) ORDER BY 1, 2",
]


@pytest.fixture
def database(db: Database) -> Database:
    db.execute(IMPORT)
    db.execute("ALTER SERVER bitbucket OPTIONS (ADD max_concurrency '1')")
    db.close()
    db.emulator.clear()
    return db


def made(database: Database) -> int:
    return len(database.emulator.requests())


def run(session: psycopg.Connection[Any]) -> list[Any]:
    return [session.execute(statement.encode()).fetchall() for statement in SEVERAL]


def test_rows_and_requests_are_those_without_a_bound(database):
    sessions = [database.connect() for _ in range(5)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        bounded = list(pool.map(run, sessions))
    requests = made(database)
    database.execute("ALTER SERVER bitbucket OPTIONS (SET max_concurrency '0')")
    database.emulator.clear()
    sessions = [database.connect() for _ in range(5)]
    with ThreadPoolExecutor(len(sessions)) as pool:
        assert list(pool.map(run, sessions)) == bounded
    assert made(database) == requests


class Waiting:
    """Two sessions: the first has a request under way, and the second waits for it to end."""

    def __init__(self, database: Database) -> None:
        self.database = database
        database.emulator.fault("*/issues*", kind="slow", delay_ms=20_000, count=1)
        self.holder, self.waiter = database.connect(), database.connect()
        self.outcome: dict[str, Any] = {}
        self.threads = [self._begin(self.holder, SLOW)]
        self._sent(1)
        self.threads.append(self._begin(self.waiter, OTHER))
        time.sleep(0.5)  # for a request that would be too many
        assert made(database) == 1

    def _begin(self, session: psycopg.Connection[Any], statement: str) -> threading.Thread:
        def ask() -> None:
            try:
                self.outcome[statement] = session.execute(statement.encode()).fetchall()
            except psycopg.Error as error:
                self.outcome[statement] = error

        thread = threading.Thread(target=ask)
        thread.start()
        return thread

    def _sent(self, count: int) -> None:
        end = time.monotonic() + 15
        while made(self.database) < count:
            assert time.monotonic() < end
            time.sleep(0.02)

    def end(self) -> None:
        self.holder.cancel()
        for thread in self.threads:
            thread.join(15)


@pytest.fixture
def waiting(database) -> Iterator[Waiting]:
    waiting = Waiting(database)
    yield waiting
    waiting.end()


def test_a_session_waits_until_another_one_has_its_answer(waiting):
    waiting.end()
    assert waiting.outcome[OTHER][0][0] > 0
    assert made(waiting.database) == 2


def test_a_session_that_waits_can_be_cancelled(waiting):
    waiting.waiter.cancel()
    waiting.threads[1].join(10)
    assert "canceling statement" in str(waiting.outcome[OTHER])
    assert made(waiting.database) == 1


def test_the_end_of_a_session_makes_room(waiting):
    pid = waiting.holder.info.backend_pid
    waiting.database.execute(f"SELECT pg_terminate_backend({pid})")
    waiting.threads[1].join(10)
    assert waiting.outcome[OTHER][0][0] > 0


def test_another_credential_does_not_wait(waiting):
    database = waiting.database
    mapping = mapping_options(database.emulator, READ)
    database.create_server("other", credentials=mapping, max_concurrency="1")
    database.execute(
        'CREATE SCHEMA more; IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (tags) '
        "FROM SERVER other INTO more"
    )
    assert database.value("SELECT count(name) FROM more.tags") > 0
    assert OTHER not in waiting.outcome
