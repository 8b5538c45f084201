"""What a session shows of its requests: ``bitbucket.requests``, the server's log, and progress."""

from __future__ import annotations

import re

import psycopg
import pytest
from devkit.cluster import identifier
from devkit.emulator import Control
from devkit.tree import BUNDLED

from tests.sql.extension import role_of
from tests.support import leaks
from tests.support.database import Database
from tests.support.fixtures import DatabaseFactory

IMPORT = (
    'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web;'
    'CREATE SCHEMA acme; IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO acme'
)
SHOWN = "SELECT method, path, query, status, bytes, retries, cached, error FROM bitbucket.requests"
READS = "SELECT count(title) FROM web.pull_requests WHERE state = 'OPEN'"


@pytest.fixture
def imported(db: Database) -> Database:
    db.execute(IMPORT)
    return db


def log_lines(database: Database) -> list[str]:
    """The package's own lines of the server's log."""
    log = database.cluster.log.read_text(errors="replace")
    return [line for line in log.splitlines() if "LOG:  bitbucket_fdw: " in line]


@pytest.fixture
def logged(imported: Database) -> list[str]:
    """What was logged before the test."""
    return log_lines(imported)


def test_each_request_is_shown_as_it_was_sent(imported: Database) -> None:
    imported.emulator.clear()
    imported.close()

    imported.rows(READS)
    imported.rows(
        "SELECT slug, (SELECT count(*) FROM acme.tags t WHERE t.repository = r.slug) "
        "FROM acme.repositories r"
    )
    imported.execute("INSERT INTO web.issues (title) VALUES ('100% sure?')")
    shown = imported.rows(SHOWN)

    sent = imported.emulator.requests()
    assert len(sent) > 5
    assert {request.method for request in sent} == {"GET", "POST"}
    assert sorted((f"/2.0{path}", query or "", status) for _, path, query, status, *_ in shown) == (
        sorted((request.path, request.query, request.status) for request in sent)
    )
    assert sum(row[4] for row in shown) == sum(request.response_bytes for request in sent)
    assert {row[5:] for row in shown} == {(0, False, None)}
    about = set(imported.column("SELECT table_name FROM bitbucket.requests"))
    assert about == {"pull_requests", "repositories", "tags", "issues"}
    recent = "made_at BETWEEN now() - interval '10 minutes' AND clock_timestamp()"
    assert imported.value(f"SELECT bool_and({recent}) FROM bitbucket.requests")


def test_looking_at_them_asks_nothing(imported: Database) -> None:
    imported.rows(READS)
    assert imported.requests(SHOWN) == []
    assert "bitbucket.requests" not in str(imported.rows(SHOWN))


def test_repetitions_and_errors_are_told(imported: Database) -> None:
    imported.close()
    imported.emulator.fault("*/pullrequests", kind="status", status=502, count=2)
    imported.rows(READS)
    imported.emulator.fault("*/pullrequests", kind="status", status=403, count=1)
    with pytest.raises(psycopg.Error):
        imported.rows(READS)
    imported.emulator.fault("*/pullrequests", kind="reset", count=None)
    imported.execute("ALTER SERVER bitbucket OPTIONS (ADD retry_limit '0')")
    with pytest.raises(psycopg.Error):
        imported.rows(READS)

    good, refused, broken = imported.rows(
        "SELECT status, retries, error, milliseconds FROM bitbucket.requests "
        "WHERE path LIKE '%/pullrequests'"
    )

    assert good[:3] == (200, 2, None)
    assert good[3] > 0
    assert refused[:2] == (403, 0)
    assert "was answered 403" in refused[2]
    assert broken[:2] == (None, 0)
    assert "no complete answer" in broken[2]


def test_an_answer_that_sessions_share_is_marked(
    emulator: Control, db_factory: DatabaseFactory
) -> None:
    database = db_factory(emulator=emulator, cache_ttl="600")
    database.execute(IMPORT)
    database.rows(READS)
    with database.connect() as other:
        other.execute(READS.encode())
        cached = other.execute(b"SELECT cached, status FROM bitbucket.requests").fetchall()
    assert cached == [(True, 200)]


def test_nobody_sees_the_requests_of_another_session_or_role(imported: Database) -> None:
    imported.rows(READS)
    with imported.connect() as other:
        assert other.execute(SHOWN.encode()).fetchall() == []
    with role_of(imported) as role:
        imported.execute("GRANT USAGE ON SCHEMA web TO PUBLIC; GRANT SELECT ON web.tags TO PUBLIC")
        imported.execute(f"SET ROLE {identifier(role)}")
        assert imported.rows(SHOWN) == []
        imported.rows("SELECT name FROM web.tags")
        assert imported.column("SELECT DISTINCT table_name FROM bitbucket.requests") == ["tags"]
        imported.execute("RESET ROLE; REVOKE ALL ON SCHEMA web FROM PUBLIC")
        shown = imported.column("SELECT DISTINCT table_name FROM bitbucket.requests ORDER BY 1")
        assert {"pull_requests", "tags"} <= set(shown)  # a superuser's own, and all others'


def test_what_a_view_of_another_role_asks_is_not_shown(imported: Database, host: str) -> None:
    """On Multicorn2 views are read with the rights of whoever uses them."""
    with role_of(imported) as role:
        imported.execute("CREATE VIEW public.some_tags AS SELECT name FROM web.tags LIMIT 1")
        imported.execute("GRANT SELECT ON public.some_tags TO PUBLIC")
        imported.execute(f"SET ROLE {identifier(role)}")
        assert len(imported.rows("SELECT name FROM public.some_tags")) == 1
        shown = imported.column("SELECT table_name FROM bitbucket.requests")
        imported.execute("RESET ROLE; DROP VIEW public.some_tags")
        assert shown == ([] if host == BUNDLED else ["tags"])
        assert "tags" in imported.column("SELECT table_name FROM bitbucket.requests")


@pytest.mark.parametrize(("level", "expected"), [("off", 0), ("errors", 1), ("all", 2)])
def test_requests_are_logged_as_the_server_says(
    imported: Database, logged: list[str], level: str, expected: int
) -> None:
    imported.execute(f"ALTER SERVER bitbucket OPTIONS (ADD log_requests '{level}')")
    imported.execute("SET client_min_messages = log")
    imported.rows("SELECT name FROM web.tags WHERE name LIKE '%1%'")
    imported.emulator.fault("*/pullrequests", kind="status", status=403, count=1)
    with pytest.raises(psycopg.Error):
        imported.rows(READS)

    new = log_lines(imported)[len(logged) :]
    assert len(new) == expected, new
    assert not imported.notices
    if level != "off":
        assert re.search(
            r"pull_requests: GET /repositories/acme/website/pullrequests\?\S+: 403, \d+ bytes, "
            r"\d+ ms, .*was answered 403",
            new[-1],
        )
    if level == "all":
        # As it was sent: with the per cent signs that an encoded query has.
        assert re.search(r"tags: GET \S+/refs/tags\?\S*%\S+: 200, \d+ bytes", new[0])
    log = imported.cluster.log.read_bytes()
    assert not leaks.in_log(log)


def test_a_cancelled_statement_can_be_logged_and_the_session_goes_on(
    imported: Database, logged: list[str]
) -> None:
    imported.execute("ALTER SERVER bitbucket OPTIONS (ADD log_requests 'all')")
    imported.emulator.fault("*/pullrequests", kind="slow", delay_ms=3000, count=1)
    imported.execute("SET statement_timeout = 500")
    with pytest.raises(psycopg.Error, match="cancel"):
        imported.rows(READS)
    imported.execute("RESET statement_timeout")
    assert imported.rows("SELECT name FROM web.tags")
    assert any("/refs/tags" in line for line in log_lines(imported)[len(logged) :])


def test_progress_is_told_at_growing_intervals(
    emulator: Control, db_factory: DatabaseFactory
) -> None:
    database = db_factory(emulator=emulator, progress="1", concurrency="1")
    database.execute(IMPORT)
    database.close()
    emulator.fault("*/tags", kind="slow", delay_ms=1200, count=None)

    result = database.query("SELECT repository, name FROM acme.tags")

    told = [n for n in result.notices if "so far" in n]
    assert 2 <= len(told) <= 4, result.notices
    assert told[0].startswith("NOTICE: tags: ")
    found = [re.search(r"(\d+) pages? in (\d+) requests? so far", line) for line in told]
    counts = [(int(match[1]), int(match[2])) for match in found if match]
    assert counts == sorted(counts)
    assert len(counts) == len(told)
    assert counts[-1][1] <= len(result.requests)


def test_without_the_option_nothing_is_told(imported: Database) -> None:
    imported.emulator.fault("*/tags", kind="slow", delay_ms=1200, count=2)
    assert imported.query("SELECT repository, name FROM acme.tags").notices == []
