"""Option use_remote_estimate: the size of a listing is asked for where a plan hangs on it."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.sql.budgets import BUDGETS, Budget
from tests.sql.querying import Both

JOIN = (
    "SELECT count(p.title || i.title) FROM website.pull_requests p "
    "JOIN website.issues i ON i.title = p.title WHERE p.state = 'OPEN'"
)


pytestmark = pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 does not tell what a plan is for: nothing is asked",
)


@pytest.fixture
def asking(fresh: Both) -> Iterator[Both]:
    """A fresh session whose server has the option."""
    fresh.db.execute("ALTER SERVER bitbucket OPTIONS (ADD use_remote_estimate 'true')")
    fresh.db.close()
    yield fresh
    fresh.db.execute("ALTER SERVER bitbucket OPTIONS (DROP use_remote_estimate)")


def probes(lines: list[str]) -> list[str]:
    return [line for line in lines if "fields=size&" in line and line.endswith("pagelen=1")]


def lines(both: Both, statement: str) -> list[str]:
    return both.run(statement, on="website").lines


def test_a_join_asks_for_the_sizes_that_are_not_known_and_once(asking):
    first = lines(asking, JOIN)
    assert [line.partition("?")[0] for line in probes(first)] == [
        "GET /2.0/repositories/acme/website/pullrequests",
        "GET /2.0/repositories/acme/website/issues",
    ]
    assert probes(lines(asking, JOIN)) == []
    # Another filter is no reason to ask once more for the same listing.
    assert probes(lines(asking, JOIN.replace("OPEN", "MERGED"))) == []


def test_a_size_that_a_scan_has_shown_is_not_asked_for(asking):
    lines(asking, "SELECT count(title) FROM website.issues")
    [probe] = probes(lines(asking, JOIN))
    assert "/pullrequests?" in probe


def test_explain_asks_for_nothing_and_shows_what_was_asked_for_before(asking):
    # The first statement of the session has the library loaded, which is a case of its own.
    for _ in range(2):
        assert lines(asking, f"EXPLAIN {JOIN}") == []
        assert lines(asking, f"DO $$ BEGIN EXECUTE $x$EXPLAIN {JOIN}$x$; END $$") == []
    guessed = asking.explain(JOIN, options="VERBOSE")
    assert len(probes(lines(asking, f"EXPLAIN ANALYZE {JOIN}"))) == 2
    assert asking.explain(JOIN, options="VERBOSE") != guessed


def test_explain_in_a_function_asks_for_nothing_though_it_comes_first(asking):
    assert lines(asking, f"DO $$ BEGIN EXECUTE $x$EXPLAIN {JOIN}$x$; END $$") == []


def test_without_a_choice_nothing_is_asked_for(asking):
    for statement in (
        "SELECT count(title) FROM pull_requests WHERE state = 'OPEN'",
        "SELECT id FROM pull_requests ORDER BY created_on DESC LIMIT 3",
        "SELECT title FROM issues WHERE id = 3",
    ):
        assert probes(lines(asking, statement)) == []


def test_a_key_says_enough(asking):
    found = lines(
        asking,
        "SELECT p.title, c.content_raw FROM pull_requests p JOIN pull_request_comments c "
        "ON c.pull_request_id = p.id WHERE p.id = 3",
    )
    assert not [line for line in probes(found) if "pullrequests?" in line]


def test_without_the_option_nothing_is_asked_for(fresh):
    assert probes(lines(fresh, JOIN)) == []


def test_a_table_can_have_the_option(fresh):
    fresh.db.execute("ALTER FOREIGN TABLE website.issues OPTIONS (ADD use_remote_estimate 'on')")
    try:
        [probe] = probes(lines(fresh, JOIN))
        assert "/issues?" in probe
    finally:
        fresh.db.execute("ALTER FOREIGN TABLE website.issues OPTIONS (DROP use_remote_estimate)")


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "status", "status": 500},
        {"kind": "status", "status": 429},
        {"kind": "status", "status": 404},
        {"kind": "reset"},
        {"kind": "cut_json"},
    ],
    ids=lambda fault: str(fault.get("status", fault["kind"])),
)
def test_a_size_that_is_not_told_fails_nothing(asking, fault):
    asking.db.emulator.fault("*/issues", query="*fields=size&pagelen=1", count=None, **fault)
    for expected in (1, 0):
        result = asking.query(JOIN.replace("website.", ""))
        assert len([line for line in probes(result.lines) if "/issues?" in line]) == expected


def test_a_statement_that_waits_for_a_size_can_be_cancelled(asking):
    asking.db.emulator.fault(
        "*", query="*fields=size&pagelen=1", kind="slow", delay_ms=20_000, count=1
    )
    with pytest.raises(psycopg.errors.QueryCanceled):
        asking.db.execute(f"SET statement_timeout = 500; {JOIN}")
    asking.db.execute("RESET statement_timeout")
    assert asking.query(JOIN.replace("website.", "")).rows


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_rows_are_the_same_and_requests_are_no_more_but_for_the_sizes(
    asking: Both, budget: Budget
) -> None:
    result = asking.query(budget.statement, on=budget.schema)
    asked = probes(result.lines)
    assert len(set(asked)) == len(asked)
    assert len(result.lines) - len(asked) <= budget.requests
