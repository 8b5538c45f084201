"""Cancelling takes effect while Bitbucket is slow, and the session goes on."""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import closing
from typing import Any

import psycopg
import pytest

SLOW_MS = 30_000
# Far below the slow answer, far above what cancelling takes (a twentieth of a second).
SOON = 5.0

STATEMENTS = {
    "a page": "SELECT id FROM website.pull_requests",
    "an item": "SELECT id FROM website.pull_requests WHERE id = 3",
    "a count": "SELECT count(*) FROM website.pull_requests",
    "a fan-out": "SELECT count(id) FROM acme.pull_requests",
    "a join": "SELECT count(*) FROM website.branches b JOIN website.pull_requests p "
    "ON p.source_branch_name = b.name",
}


def wait_for_request(db, pattern="/pullrequests"):
    """Until the statement under way has sent its slow request."""
    deadline = time.monotonic() + 30
    while not any(pattern in request.path for request in db.emulator.requests()):
        assert time.monotonic() < deadline, "no request was made"
        time.sleep(0.02)


def in_background(connection, statement):
    """Run a statement on a thread of its own; its error, once there is one, and when it came."""
    outcome: dict[str, Any] = {}

    def run():
        try:
            connection.execute(statement.encode())
        except psycopg.Error as error:
            outcome["error"] = error
        outcome["at"] = time.monotonic()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, outcome


@pytest.mark.parametrize("what", STATEMENTS)
def test_cancel_during_a_slow_request(sql, what):
    db = sql.db
    db.emulator.fault("*/pullrequests*", kind="slow", delay_ms=SLOW_MS, count=None)
    pid = db.connection.info.backend_pid
    thread, outcome = in_background(db.connection, STATEMENTS[what])
    wait_for_request(db)
    time.sleep(0.2)  # well into the wait
    began = time.monotonic()
    with closing(db.connect()) as other:
        other.execute("SELECT pg_cancel_backend(%s)", [pid])
    thread.join(timeout=SLOW_MS / 1000 + 30)
    assert outcome["at"] - began < SOON
    assert "cancel" in str(outcome["error"]).lower()
    db.emulator.clear_faults()
    assert db.connection.info.backend_pid == pid
    assert len(db.rows("SELECT id FROM website.pull_requests LIMIT 3")) == 3


@pytest.mark.parametrize("what", STATEMENTS)
def test_statement_timeout_during_a_slow_request(sql, what, host):
    db = sql.db
    db.rows("SELECT id FROM website.pull_requests LIMIT 1")  # what is slow at first is behind
    db.emulator.fault("*/pullrequests*", kind="slow", delay_ms=SLOW_MS, count=None)
    db.execute("SET statement_timeout = '500ms'")
    began = time.monotonic()
    with pytest.raises(psycopg.Error) as caught:
        db.rows(STATEMENTS[what])
    assert 0.4 < time.monotonic() - began < 0.5 + SOON
    if host == "bundled":
        assert caught.value.sqlstate == "57014"
    db.execute("SET statement_timeout = 0")
    db.emulator.clear_faults()
    assert len(db.rows("SELECT id FROM website.pull_requests LIMIT 3")) == 3


def test_cancel_during_the_pause_before_a_repetition(sql):
    db = sql.db
    db.emulator.fault("*/pullrequests", kind="status", status=429, retry_after=60, count=None)
    db.execute("SET statement_timeout = '1s'")
    began = time.monotonic()
    with pytest.raises(psycopg.Error):
        db.rows(STATEMENTS["a page"])
    assert time.monotonic() - began < 1 + SOON
    db.execute("SET statement_timeout = 0")
    db.emulator.clear_faults()
    assert db.rows("SELECT id FROM website.pull_requests LIMIT 1")


def test_many_cancels_in_one_session(sql):
    """Each leaves threads behind that wait for an answer; the next statement has its own."""
    db = sql.db
    for _ in range(5):
        db.emulator.fault("*/pullrequests*", kind="slow", delay_ms=SLOW_MS, count=None)
        db.execute("SET statement_timeout = '300ms'")
        with pytest.raises(psycopg.Error):
            db.rows(STATEMENTS["a fan-out"])
        db.execute("SET statement_timeout = 0")
        db.emulator.clear_faults()
        assert len(db.rows("SELECT id FROM website.pull_requests LIMIT 3")) == 3


def test_terminating_a_backend_during_a_slow_request(sql):
    db = sql.db
    db.emulator.fault("*/pullrequests", kind="slow", delay_ms=SLOW_MS, count=None)
    victim = db.connect()
    pid = victim.info.backend_pid
    thread, outcome = in_background(victim, STATEMENTS["a page"])
    wait_for_request(db)
    began = time.monotonic()
    db.execute(f"SELECT pg_terminate_backend({pid})")
    thread.join(timeout=SLOW_MS / 1000 + 30)
    assert outcome["at"] - began < SOON
    deadline = time.monotonic() + 2 * SOON
    while db.rows(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"):
        assert time.monotonic() < deadline, "the backend lives on"
        time.sleep(0.05)


def test_closing_a_cursor_ends_its_requests(sql):
    db = sql.db
    with db.connection.transaction():
        db.execute("DECLARE c CURSOR FOR SELECT id FROM acme.pull_requests")
        db.rows("FETCH 1 FROM c")
        db.execute("CLOSE c")
    made = len(db.emulator.requests())
    time.sleep(0.3)
    assert len(db.emulator.requests()) == made


def test_cancel_while_rows_are_made(sql):
    """No request is under way then: PostgreSQL itself looks for interrupts between rows."""
    db = sql.db
    db.execute("SET statement_timeout = '500ms'")
    began = time.monotonic()
    with pytest.raises(psycopg.Error):
        db.rows(
            "SELECT count(*) FROM website.commits a, website.commits b, website.commits c, "
            "website.commits d WHERE a.message < b.message AND b.message < c.message"
        )
    assert time.monotonic() - began < 0.5 + SOON
    db.execute("SET statement_timeout = 0")


def test_a_savepoint_survives_a_cancel(sql):
    db = sql.db
    db.emulator.fault("*/pullrequests", kind="slow", delay_ms=SLOW_MS, count=None)
    with db.connection.transaction():
        db.execute("CREATE TEMPORARY TABLE kept (n int) ON COMMIT DROP")
        db.execute("SET LOCAL statement_timeout = '300ms'")
        db.execute("SAVEPOINT before")
        with pytest.raises(psycopg.Error):
            db.rows(STATEMENTS["a page"])
        db.execute("ROLLBACK TO before")
        db.execute("INSERT INTO kept VALUES (1)")
        assert db.rows("SELECT n FROM kept") == [(1,)]


def test_the_connection_of_another_session_is_not_slowed(sql):
    db = sql.db
    db.emulator.fault("*/pullrequests", kind="slow", delay_ms=SLOW_MS, count=1)
    thread, outcome = in_background(db.connect(), STATEMENTS["a page"])
    wait_for_request(db)
    began = time.monotonic()
    assert db.rows("SELECT name FROM website.branches LIMIT 1")
    assert time.monotonic() - began < SOON
    for connection in db._connections:
        if connection is not db.connection:
            connection.cancel()
    thread.join(timeout=60)
    assert "error" in outcome


def test_others_that_wait_for_every_backend_need_not_wait_for_bitbucket(sql):
    """DROP DATABASE goes on once each backend has passed a barrier."""
    db = sql.db
    db.execute(f"CREATE DATABASE {db.name}_gone")
    db.emulator.fault("*/pullrequests", kind="slow", delay_ms=SLOW_MS, count=None)
    waiting = db.connect()
    thread, outcome = in_background(waiting, STATEMENTS["a page"])
    wait_for_request(db)
    began = time.monotonic()
    db.execute(f"DROP DATABASE {db.name}_gone")
    assert time.monotonic() - began < SOON
    assert outcome == {}  # and the statement has not been disturbed
    waiting.cancel()
    thread.join(timeout=SLOW_MS / 1000)


def test_a_client_that_is_gone_ends_its_statement(sql):
    db = sql.db
    db.emulator.fault("*/pullrequests", kind="slow", delay_ms=SLOW_MS, count=None)
    lost = db.connect()
    lost.execute("SET client_connection_check_interval = '100ms'")
    pid = lost.info.backend_pid
    lost.pgconn.send_query(STATEMENTS["a page"].encode())
    wait_for_request(db)
    with socket.socket(fileno=os.dup(lost.fileno())) as raw:
        raw.shutdown(socket.SHUT_RDWR)  # as when the client's machine is gone, without a word
    deadline = time.monotonic() + 2 * SOON
    while db.rows(f"SELECT 1 FROM pg_stat_activity WHERE pid = {pid}"):
        assert time.monotonic() < deadline, "the backend lives on"
        time.sleep(0.05)


def test_a_wait_for_the_rate_limit_is_told_and_ends_with_the_statement(db):
    """The hour may be long; statement_timeout is not."""
    db.execute("ALTER SERVER bitbucket OPTIONS (ADD on_rate_limit 'wait')")
    db.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (tags) FROM SERVER bitbucket INTO public'
    )
    db.emulator.fault("*/tags*", kind="status", status=429, count=None)
    db.emulator.clear()
    db.notices.clear()
    db.execute("SET statement_timeout = '2s'")
    began = time.monotonic()
    with pytest.raises(psycopg.Error) as caught:
        db.rows("SELECT name FROM tags")
    assert time.monotonic() - began < SOON + 2
    assert "timeout" in str(caught.value) or "canceling" in str(caught.value)
    [notice] = db.notices
    assert notice.startswith("NOTICE")
    assert "asking again in 60 seconds" in notice
    assert len(db.emulator.requests()) == 1
