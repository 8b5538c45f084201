"""Errors name the table, the method and the path, say why, and have a hint one can act on."""

from __future__ import annotations

import psycopg
import pytest

from tests.sql.conftest import import_all
from tests.support.database import Database

PULL_REQUESTS = "/repositories/acme/website/pullrequests"


def failing(db: Database, statement: str) -> psycopg.errors.Diagnostic:
    with pytest.raises(psycopg.Error) as caught:
        db.rows(statement)
    return caught.value.diag


@pytest.fixture
def website(sql):
    sql.db.execute("SET search_path = website")
    return sql.db


FAULTS = [
    ({"kind": "status", "status": 401}, "401", "ALTER USER MAPPING", "28000"),
    ({"kind": "status", "status": 403}, "403", "pullrequest", "42501"),
    ({"kind": "status", "status": 404}, "404", "Check the workspace and repository", "HV00R"),
    ({"kind": "status", "status": 410}, "410", "removed this endpoint", "0A000"),
    ({"kind": "status", "status": 429}, "429", "limit of requests", "53400"),
    ({"kind": "status", "status": 500}, "500", "Try again later", "58000"),
    ({"kind": "status", "status": 555}, "555", "Try again later", "58000"),
    ({"kind": "status", "status": 418}, "418", None, "HV000"),
    ({"kind": "reset"}, "no complete answer", "base_url and the network", "08006"),
    ({"kind": "truncate"}, "no complete answer", "base_url and the network", "08006"),
    ({"kind": "cut_json"}, "not JSON", "proxy", "HV000"),
]


@pytest.fixture(scope="module")
def impatient(db_factory, shared_emulator):
    """A database whose server repeats a request once."""
    shared_emulator.reset()
    database = db_factory(retry_limit="1")
    import_all(database)
    return database


@pytest.mark.parametrize(("fault", "says", "hint", "sqlstate"), FAULTS)
def test_each_failure_is_named(impatient, emulator, host, fault, says, hint, sqlstate):
    impatient.close()
    emulator.fault("*/pullrequests", count=None, **fault)
    diagnostic = failing(impatient, "SELECT id FROM website.pull_requests")
    assert diagnostic.message_primary.startswith(f"pull_requests: GET {PULL_REQUESTS} ")
    assert says in diagnostic.message_primary
    if hint:
        assert hint in diagnostic.message_hint
    if host == "bundled":  # Multicorn2 has one SQLSTATE for all that a wrapper reports
        assert diagnostic.sqlstate == sqlstate


@pytest.mark.parametrize(("fault", "says", "hint", "sqlstate"), FAULTS)
def test_a_failure_on_a_later_page_is_no_shorter_result(
    impatient, emulator, fault, says, hint, sqlstate
):
    impatient.close()
    emulator.fault("*/pullrequests", count=None, after=2, **fault)
    assert says in failing(impatient, "SELECT id FROM website.pull_requests").message_primary
    emulator.clear_faults()
    emulator.fault("*/pullrequests", count=None, after=2, **fault)
    assert failing(impatient, "SELECT count(title) FROM website.pull_requests")


@pytest.mark.parametrize(
    "fault",
    [{"kind": "status", "status": 503}, {"kind": "reset"}, {"kind": "status", "status": 418}],
)
def test_a_failure_of_one_repository_is_no_shorter_fan_out(impatient, emulator, fault):
    impatient.close()
    emulator.fault("*/mobile-app/refs/branches", count=None, **fault)
    diagnostic = failing(impatient, "SELECT count(name) FROM acme.branches")
    assert "mobile-app/refs/branches" in diagnostic.message_primary


def test_the_session_goes_on_after_an_error(impatient, emulator):
    emulator.fault("*/pullrequests", kind="status", status=503, count=2)
    failing(impatient, "SELECT id FROM website.pull_requests")
    assert len(impatient.rows("SELECT id FROM website.pull_requests LIMIT 3")) == 3
    assert impatient.rows("SELECT 1") == [(1,)]


def test_a_transaction_is_aborted_and_can_be_rolled_back(impatient, emulator):
    emulator.fault("*/pullrequests", kind="status", status=503, count=2)
    with impatient.connect(autocommit=False) as connection:
        connection.execute("SAVEPOINT s")
        with pytest.raises(psycopg.Error, match="503"):
            connection.execute("SELECT id FROM website.pull_requests").fetchall()
        connection.execute("ROLLBACK TO s")
        rows = connection.execute("SELECT id FROM website.pull_requests LIMIT 1").fetchall()
        assert len(rows) == 1


def test_a_passing_fault_is_not_noticed(website):
    expected = website.value("SELECT count(*) FROM website_x.pull_requests")
    for fault in (
        {"kind": "status", "status": 429, "retry_after": 0},
        {"kind": "reset"},
        {"kind": "cut_json"},
    ):
        website.emulator.fault("*/pullrequests", count=1, after=1, **fault)
        assert len(website.rows("SELECT id, title FROM pull_requests")) == expected
        website.emulator.clear_faults()


def test_a_missing_scope_is_named(emulator, db_factory):
    database = db_factory(credentials="ada-no-pullrequest")
    import_all(database)
    diagnostic = failing(database, "SELECT id FROM website.pull_requests")
    assert "403" in diagnostic.message_primary
    assert "read:pullrequest:bitbucket" in diagnostic.message_hint
    assert "Reading pull_requests takes" in diagnostic.message_hint
    assert database.rows("SELECT name FROM website.branches LIMIT 1")


@pytest.mark.parametrize("credentials", ["expired", "revoked"])
def test_a_credential_that_has_run_out(emulator, db_factory, credentials):
    database = db_factory(credentials=credentials)
    database.execute(
        "CREATE FOREIGN TABLE t (slug text) SERVER bitbucket "
        "OPTIONS (table 'repositories', workspace 'acme')"
    )
    diagnostic = failing(database, "SELECT * FROM t")
    assert "401" in diagnostic.message_primary
    assert "ALTER USER MAPPING" in diagnostic.message_hint


def test_a_repository_that_is_not_there(db):
    db.execute(
        "CREATE FOREIGN TABLE t (name text) SERVER bitbucket "
        "OPTIONS (table 'branches', workspace 'acme', repository 'nowhere')"
    )
    diagnostic = failing(db, "SELECT name FROM t")
    assert diagnostic.message_primary == (
        "branches: GET /repositories/acme/nowhere/refs/branches was answered 404 Not Found"
    )
    assert "may not have access to this repository" in diagnostic.message_detail
    assert "may not see" in diagnostic.message_hint


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ("issues", "true"),
        ("issues", "id = 3"),
        ("issues", "id IN (3, 4)"),
        ("issue_comments", "issue_id = 3"),
        ("issue_comments", "issue_id = 3 AND id = 1"),
    ],
)
def test_a_repository_without_a_tracker_has_no_rows_and_a_warning(sql, table, where):
    where = f"repository = 'mobile-app' AND {where}"
    result = sql.db.query(f"SELECT id FROM acme.{table} WHERE {where}")
    assert result.rows == []
    [notice] = result.notices
    assert f'{table}: no rows of repositories without an issue tracker: "acme/mobile-app"' in notice


def test_a_listing_that_is_missing_below_a_parent_that_is_there(sql):
    sql.db.emulator.fault("*/pullrequests/1/comments", kind="status", status=404, count=None)
    statement = "SELECT id FROM website.pull_request_comments WHERE pull_request_id = 1"
    diagnostic = failing(sql.db, statement)
    assert "/pullrequests/1/comments was answered 404" in diagnostic.message_primary


def test_the_tracker_that_was_removed(emulator_factory, db_factory):
    """As Bitbucket answers since 2026-08-20."""
    removed = emulator_factory(issues="removed")
    database = db_factory(emulator=removed)
    database.execute("CREATE SCHEMA website")
    database.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO website '
        "OPTIONS (issues 'always')"
    )
    for statement in (
        "SELECT id FROM website.issues",
        "SELECT id FROM website.issues WHERE id = 3",
        "SELECT count(id) FROM website.issues",
        "SELECT id FROM website.issue_comments WHERE issue_id = 3",
        "SELECT id FROM website.issue_comments WHERE issue_id = 3 AND id = 1",
        "SELECT id FROM website.issue_comments",
        "UPDATE website.issues SET title = 'x' WHERE id = 3",
    ):
        result = database.query(statement)
        assert result.rows in ([], [(0,)])
        [notice] = result.notices
        assert 'no rows of repositories without an issue tracker: "acme/website"' in notice
    diagnostic = failing(database, "INSERT INTO website.issues (title) VALUES ('x')")
    assert "410" in diagnostic.message_primary
    assert "removed the issue tracker on 2026-08-20" in diagnostic.message_detail
    assert database.rows("SELECT name FROM website.branches LIMIT 1")
    assert [r for r in removed.requests() if r.status == 400] == []


def test_no_page_that_is_not_json_is_echoed(impatient, emulator):
    emulator.fault("*/pullrequests", kind="status", status=404, form="html", count=None)
    with pytest.raises(psycopg.Error) as caught:
        impatient.rows("SELECT id FROM website.pull_requests")
    shown = f"{caught.value} {caught.value.diag.message_detail} {caught.value.diag.context}"
    assert "profile-leak" not in shown
    assert "<html" not in shown


def test_a_traceback_reaches_no_client(impatient, emulator):
    emulator.fault("*/pullrequests", kind="reset", count=None)
    with pytest.raises(psycopg.Error) as caught:
        impatient.rows("SELECT id FROM website.pull_requests")
    assert "Traceback" not in str(caught.value)
    assert ".py" not in str(caught.value)


# --- the budget ---


@pytest.fixture(scope="module")
def frugal(db_factory, shared_emulator):
    """A database whose server allows ten requests per scan."""
    shared_emulator.reset()
    database = db_factory(max_requests="10")
    import_all(database)
    return database


def fresh(frugal, emulator):
    """Begin a session, when the one before has sent all that it was about to."""
    frugal.close_and_wait()
    emulator.clear()


def test_a_fan_out_beyond_max_requests_is_told_before_it_starts(frugal, emulator):
    fresh(frugal, emulator)
    diagnostic = failing(frugal, "SELECT count(id) FROM website.pull_request_comments")
    assert "max_requests is 10" in diagnostic.message_primary
    assert "pull_request_comments: " in diagnostic.message_primary
    pull_requests = len(emulator.state()["pull_requests"])
    assert "condition on pull_request_id" in diagnostic.message_hint
    assert "max_requests" in diagnostic.message_hint
    assert pull_requests > 100
    assert len(emulator.requests()) == 1, "the list of parents alone"
    numbers = [int(word) for word in diagnostic.message_primary.split() if word.isdigit()]
    assert any(number >= 100 for number in numbers), "how many requests it would take"


def test_a_budget_is_one_scans(frugal, emulator):
    fresh(frugal, emulator)
    for _ in range(4):
        assert frugal.value("SELECT count(id) FROM website.pull_requests") > 100
    assert len(emulator.requests()) == 12


def test_with_a_limit_a_scan_goes_as_far_as_the_budget(frugal, emulator):
    fresh(frugal, emulator)
    rows = frugal.rows("SELECT id FROM website.pull_request_comments LIMIT 2")
    assert len(rows) == 2
    assert len(emulator.requests()) <= 10


def test_a_list_of_parents_beyond_the_budget_asks_nothing(frugal, emulator):
    fresh(frugal, emulator)
    diagnostic = failing(
        frugal,
        "SELECT count(id) FROM website.pull_request_comments WHERE "
        "pull_request_id = ANY (ARRAY(SELECT generate_series(1, 11)))",
    )
    assert "11 requests" in diagnostic.message_primary
    assert emulator.requests() == []


def test_narrowed_down_it_runs(frugal, emulator):
    fresh(frugal, emulator)
    assert frugal.rows("SELECT id FROM website.pull_request_comments WHERE pull_request_id = 1")
