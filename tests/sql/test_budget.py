"""max_requests: what fits runs, and what a statement scans again and again is counted together."""

from __future__ import annotations

import psycopg
import pytest

from tests.sql.conftest import import_all
from tests.support.database import Database

# Read once for each row of the outer query, on every host.
ROW_BY_ROW = (
    "SELECT count(title) FROM (SELECT (SELECT p.title FROM website.pull_requests p "
    "WHERE p.id = g OFFSET 0) AS title FROM generate_series(1, {}) g) x"
)


@pytest.fixture(scope="module")
def frugal(db_factory, shared_emulator) -> Database:
    """A database whose server allows nine requests per scan."""
    shared_emulator.reset()
    database = db_factory(max_requests="9")
    import_all(database)
    return database


@pytest.fixture(autouse=True)
def _new_session(frugal, emulator) -> None:
    frugal.close()


def test_repositories_that_are_passed_over_are_not_counted(frugal):
    """The list of repositories and one request for each would be too many."""
    assert frugal.value("SELECT count(*) FROM acme.repositories") >= 9
    statement = "SELECT repository, count(*) FROM acme.issues WHERE id < 3 GROUP BY 1"
    result = frugal.query(statement)
    assert result.rows
    assert len(result.requests) <= 9


def test_repositories_that_are_all_asked_are_counted_ahead(frugal, emulator):
    with pytest.raises(psycopg.Error, match="would take about"):
        frugal.rows("SELECT name FROM acme.branches")
    assert len(emulator.requests()) == 1


def test_a_table_that_is_read_row_by_row_is_counted_as_one(frugal, emulator):
    assert frugal.value(ROW_BY_ROW.format(9)) > 0
    emulator.clear()
    with pytest.raises(psycopg.Error, match="max_requests is 9") as caught:
        frugal.rows(ROW_BY_ROW.format(150))
    assert len(emulator.requests()) == 9
    assert "10 times" in caught.value.diag.message_detail
    assert "ALTER SERVER" in caught.value.diag.message_hint


def test_each_statement_has_a_budget_of_its_own(frugal):
    for _ in range(3):
        assert frugal.value(ROW_BY_ROW.format(8)) > 0
    with frugal.connection.transaction():
        for _ in range(3):
            assert frugal.value(ROW_BY_ROW.format(8)) > 0


def test_scans_that_ask_for_something_else_have_budgets_of_their_own(frugal, emulator):
    counts = [
        f"SELECT count({column}) FROM website.pull_requests"
        for column in ("title", "description", "draft", "reason")
    ]
    assert len(frugal.requests(counts[0])) == 3
    assert len(frugal.requests(" UNION ALL ".join(counts))) == 12


def test_a_larger_join_takes_a_larger_limit(frugal):
    frugal.execute("ALTER SERVER bitbucket OPTIONS (SET max_requests '40')")
    try:
        assert frugal.value(ROW_BY_ROW.format(40)) > 9
    finally:
        frugal.execute("ALTER SERVER bitbucket OPTIONS (SET max_requests '9')")


# --- refused ahead: what is known to take too much, and nothing else ---


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id FROM acme.pull_requests ORDER BY updated_on DESC LIMIT 3",
        "SELECT id FROM acme.pull_requests ORDER BY created_on LIMIT 1 OFFSET 4",
        "SELECT id FROM acme.pull_requests WHERE state = 'OPEN' ORDER BY id LIMIT 1",
        "SELECT id FROM acme.pull_requests WHERE length(title) > 3 ORDER BY id LIMIT 1",
        "SELECT id FROM acme.pull_requests ORDER BY title LIMIT 1",
        "SELECT count(*) FROM acme.pull_requests",
        "SELECT state, count(*) FROM acme.pull_requests GROUP BY 1 LIMIT 5",
        "SELECT DISTINCT name FROM acme.branches LIMIT 5",
    ],
)
def test_what_has_to_ask_every_repository_is_refused_after_their_list(frugal, emulator, statement):
    with pytest.raises(psycopg.Error, match="would take about"):
        frugal.rows(statement)
    assert len(emulator.requests()) == 1


def test_an_order_over_parents_that_are_not_all_asked_is_refused_before_the_first(frugal, emulator):
    """How many have a tracker is known once their list is read."""
    frugal.execute("ALTER SERVER bitbucket OPTIONS (SET max_requests '2')")
    try:
        with pytest.raises(psycopg.Error, match="would take about"):
            frugal.rows("SELECT id FROM acme.issues ORDER BY id LIMIT 1")
        assert len(emulator.requests()) == 1
    finally:
        frugal.execute("ALTER SERVER bitbucket OPTIONS (SET max_requests '9')")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT EXISTS (SELECT 1 FROM acme.branches)",
        "SELECT count(*) FROM website.tags WHERE EXISTS (SELECT FROM acme.branches)",
        "SELECT name FROM acme.branches WHERE length(name) > 1 LIMIT 2",
        "SELECT name FROM acme.branches WHERE length(name) > 1 FETCH FIRST 2 ROWS ONLY",
        "SELECT name FROM acme.branches LIMIT 2",
    ],
)
def test_what_may_stop_early_is_not_refused_ahead(frugal, emulator, statement):
    assert frugal.rows(statement)
    assert len(emulator.requests()) <= 9


def test_a_cursor_is_not_refused_for_what_nobody_fetches(frugal, emulator):
    with frugal.connection.transaction():
        frugal.execute("DECLARE few CURSOR FOR SELECT name FROM acme.branches")
        assert len(frugal.rows("FETCH 2 FROM few")) == 2
    assert len(emulator.requests()) <= 5


def test_what_may_stop_early_and_does_not_is_refused_when_it_gets_there(frugal, emulator):
    with pytest.raises(psycopg.Error, match="would take more than 9"):
        frugal.rows("SELECT name FROM acme.branches WHERE length(name) > 1000 LIMIT 1")
    assert len(emulator.requests()) == 9
