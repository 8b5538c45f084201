"""bitbucket.cache_stats, bitbucket.clear_cache and bitbucket.rate_limit."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

import psycopg
import pytest

from tests.support.database import Database

IMPORT = 'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web'
STATS = "SELECT * FROM bitbucket.cache_stats('bitbucket')"
CLEAR = "SELECT bitbucket.clear_cache('bitbucket')"
LIMITS = "SELECT resources, used, hourly_limit, remaining FROM bitbucket.rate_limit('bitbucket')"
COUNT = "SELECT count(title) FROM web.issues"


@pytest.fixture
def database(emulator, db_factory) -> Database:
    database: Database = db_factory(emulator=emulator, cache_ttl="600")
    database.execute(IMPORT)
    database.rows(CLEAR)
    return database


@pytest.fixture
def counting(db: Database) -> Database:
    """A database whose requests nobody has counted yet."""
    shutil.rmtree(
        Path(db.value("SHOW data_directory")) / "bitbucket_fdw" / "requests", ignore_errors=True
    )
    db.execute(IMPORT)
    return db


def test_what_is_kept_and_what_a_session_had_of_it(database):
    with database.connect() as other:
        assert other.execute(STATS.encode()).fetchone() == (0, 0, 0, 0, 0)
        other.execute(COUNT.encode())
        [(entries, size, *uses)] = other.execute(STATS.encode()).fetchall()
        assert (entries, uses) == (1, [0, 1, 0])
        assert size > 0
        other.execute(COUNT.encode())
        assert other.execute(STATS.encode()).fetchone() == (1, size, 1, 1, 0)
    assert len(database.query(STATS).requests) == 0
    assert database.query(COUNT).requests == []


def test_what_is_cleared_is_asked_for_again_by_all_sessions(database):
    database.rows(COUNT)
    with database.connect() as other:
        other.execute(COUNT.encode())
        assert database.value(CLEAR) == 1
        assert database.rows(STATS)[0][:2] == (0, 0)
        before = len(database.emulator.requests())
        other.execute(COUNT.encode())
        assert len(database.emulator.requests()) == before + 1
    assert database.query(COUNT).requests == []
    assert database.value(CLEAR) == 1


def test_without_the_option_there_is_nothing(db):
    assert db.rows(STATS) == [(0, 0, 0, 0, 0)]
    assert db.value(CLEAR) == 0


@pytest.mark.parametrize("call", [STATS, CLEAR, LIMITS])
def test_only_who_may_use_the_server_may_call_them(db, call):
    db.execute("CREATE ROLE stranger_to_sharing LOGIN")
    try:
        with db.connect("stranger_to_sharing") as other, pytest.raises(psycopg.Error) as error:
            other.execute(call.encode())
        assert error.value.sqlstate == "42501"
    finally:
        db.execute("DROP ROLE stranger_to_sharing")


def test_the_requests_of_all_sessions_count(counting):
    counting.execute(COUNT)
    with counting.connect() as other:
        other.execute(COUNT.encode())
    counted = sum(used for _, used, *_ in counting.rows(LIMITS))
    assert counted == len(counting.emulator.requests())
    [(resources, _, limit, remaining)] = [r for r in counting.rows(LIMITS) if r[0] != "workspaces"]
    assert (resources, limit, remaining) == ("repositories", None, None)
    [frees] = set(counting.column("SELECT frees_at FROM bitbucket.rate_limit('bitbucket')"))
    assert 3500 < frees.timestamp() - time.time() <= 3660


def test_another_credential_has_an_hour_of_its_own(counting):
    counting.execute(COUNT)
    counting.execute(
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket "
        "OPTIONS (SET token 'emulator-token-ada-read')"
    )
    assert counting.rows(LIMITS) == []


def test_a_scan_that_does_not_fit_is_refused_before_it_asks(counting):
    counting.execute(
        'CREATE SCHEMA acme; IMPORT FOREIGN SCHEMA "acme" LIMIT TO (branches) '
        "FROM SERVER bitbucket INTO acme"
    )
    made = len(counting.query("SELECT name FROM acme.branches").requests)
    used = dict(row[:2] for row in counting.rows(LIMITS))["repositories"]
    counting.execute(f"ALTER SERVER bitbucket OPTIONS (ADD rate_limit '{used + 2}')")
    before = len(counting.emulator.requests())
    with pytest.raises(psycopg.Error, match="of the hour's") as error:
        counting.execute("SELECT name FROM acme.branches")
    asked = len(counting.emulator.requests()) - before
    assert asked < made
    assert "bitbucket.rate_limit" in str(error.value.diag.message_hint)
    counting.execute(f"ALTER SERVER bitbucket OPTIONS (SET rate_limit '{used + 1000}')")
    assert len(counting.query("SELECT name FROM acme.branches").requests) == made
    [remaining] = [row[3] for row in counting.rows(LIMITS) if row[0] == "repositories"]
    assert remaining == 1000 - asked - made


def used_up_but_for(counting: Database, left: int) -> None:
    """Set the limit so that so many requests are left of the hour."""
    used = dict(row[:2] for row in counting.rows(LIMITS)).get("repositories", 0)
    command = "SET" if counting.rows(LIMITS)[0][2] else "ADD"
    counting.execute(f"ALTER SERVER bitbucket OPTIONS ({command} rate_limit '{used + left}')")


def test_a_listing_that_does_not_fit_is_refused_after_its_first_page(counting):
    statement = "SELECT id, title FROM web.pull_requests"
    made = len(counting.query(statement).requests)
    assert made == 3
    used_up_but_for(counting, made - 1)
    before = len(counting.emulator.requests())
    with pytest.raises(psycopg.Error, match="this scan would take 2 requests, and 1 of the hour's"):
        counting.execute(statement)
    assert len(counting.emulator.requests()) == before + 1
    used_up_but_for(counting, made)
    assert len(counting.query(statement).requests) == made


def test_what_stops_within_the_first_page_needs_one_request_of_the_hour(counting):
    counting.rows(COUNT)
    used_up_but_for(counting, 1)
    assert len(counting.query("SELECT id FROM web.pull_requests LIMIT 5").requests) == 1


def test_sizes_in_place_of_pages_are_what_the_hour_has_to_have_left(counting):
    """Two sizes instead of two pages or more, where the host leads to them."""
    statement = "SELECT state, count(*) FROM web.pull_requests GROUP BY state"
    made = len(counting.query(statement).requests)
    used_up_but_for(counting, made)
    assert len(counting.query(statement).requests) == made


def test_a_scan_of_which_the_answer_is_kept_needs_nothing_of_the_hour(counting):
    counting.rows(COUNT)
    used = dict(row[:2] for row in counting.rows(LIMITS))["repositories"]
    counting.execute(f"ALTER SERVER bitbucket OPTIONS (ADD rate_limit '{used + 1}')")
    again = counting.query(
        "SELECT n, (SELECT count(title) FROM web.issues WHERE n > 0) FROM generate_series(1, 3) n"
    )
    assert len({count for _, count in again.rows}) == 1
    assert len(again.requests) == 1
    with pytest.raises(psycopg.Error, match="of the hour's"):
        counting.rows("SELECT name FROM web.tags")


def test_where_nothing_can_be_counted_statements_go_on(counting):
    if os.geteuid():
        pytest.skip("takes the right to put a file into the data directory")
    place = Path(counting.value("SHOW data_directory")) / "bitbucket_fdw" / "requests"
    shutil.rmtree(place, ignore_errors=True)
    place.parent.mkdir(mode=0o700, exist_ok=True)
    counting.cluster.user.own(place.parent)
    place.write_text("")
    try:
        with counting.connect() as other:
            counting.notices.clear()
            other.execute(COUNT.encode())
            other.execute(COUNT.encode())
        said = [notice for notice in counting.notices if notice.startswith("WARNING")]
        assert said == ["WARNING: this session does not count its requests"]
    finally:
        place.unlink()
