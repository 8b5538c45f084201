"""EXPLAIN (ANALYZE): what a scan has really taken, compared with what came to the emulator."""

from __future__ import annotations

import re

import pytest

from bitbucket_fdw.tables import TABLES
from tests.sql.querying import Both
from tests.support.database import Database

QUERIES = {
    "a listing": "SELECT title FROM website.pull_requests",
    "a filter": "SELECT title FROM website.pull_requests WHERE state = 'OPEN'",
    "a count": "SELECT count(*) FROM website.pull_requests",
    "an item": "SELECT title FROM website.pull_requests WHERE id = 7",
    "a fan-out": "SELECT repository, name FROM acme.tags",
    "a limit": "SELECT title FROM website.pull_requests LIMIT 3",
    "a redirect": "SELECT path FROM website.pull_request_diffstat WHERE pull_request_id IN (4, 5)",
    "nothing": "SELECT title FROM website.pull_requests WHERE id = 1 AND id = 2",
    "a join": "SELECT p.id, c.content_raw FROM website.pull_requests p "
    "JOIN website.pull_request_comments c ON c.pull_request_id = p.id WHERE p.id < 4",
    "a table twice": "SELECT a.name FROM website.tags a JOIN website.tags b USING (name)",
    "a subquery for each row": "SELECT slug, (SELECT count(name) FROM acme.tags t "
    "WHERE t.repository = r.slug) FROM acme.repositories r",
}


@pytest.fixture
def database(fresh: Both, workspace_db: Database) -> Database:
    """The imported workspace, in a backend that knows nothing yet."""
    return workspace_db


def explained(database: Database, statement: str, options: str) -> tuple[str, list[str]]:
    """The plan, and the requests that EXPLAIN itself made."""
    result = database.query(f"EXPLAIN ({options}) {statement}")
    return "\n".join(row[0] for row in result.rows), result.lines


@pytest.mark.parametrize("name", QUERIES)
def test_the_requests_are_those_that_were_made(database: Database, host: str, name: str) -> None:
    plan, lines = explained(database, QUERIES[name], "ANALYZE, COSTS OFF")

    made = [int(number) for number in re.findall(r"Requests made: (\d+)", plan)]
    if host == "bundled" or name != "a table twice":
        assert sum(made) == len(lines), plan
    else:  # Multicorn2 does not tell two scans that ask the same apart
        assert max(made) == len(lines), plan
    assert len(made) == plan.count("Foreign Scan")
    if lines:
        assert re.search(r"Waited: \d+ ms", plan)


def test_bytes_and_what_was_kept(database: Database, host: str) -> None:
    result = database.query(f"EXPLAIN (ANALYZE, COSTS OFF) {QUERIES['a listing']}")
    plan = "\n".join(row[0] for row in result.rows)
    [read] = re.findall(r"Bytes read: (\d+)", plan)
    assert int(read) == sum(request.response_bytes for request in result.requests)
    twice, _ = explained(database, QUERIES["a table twice"], "ANALYZE, COSTS OFF")
    assert re.search(r"Answers kept from before: [1-9]", twice)


def test_repetitions_are_told(database: Database) -> None:
    database.emulator.fault("*/pullrequests", kind="status", status=502, count=1)
    plan, _ = explained(database, QUERIES["a filter"], "ANALYZE, COSTS OFF")
    assert "(1 repetition)" in plan


def test_without_analyze_nothing_is_told(database: Database) -> None:
    database.rows(QUERIES["a listing"])
    for options in ("COSTS OFF", "VERBOSE"):
        plan, lines = explained(database, QUERIES["a listing"], options)
        assert "Estimated requests" in plan
        assert not re.search("Requests made|Bytes read|Waited", plan)
        assert lines == []


def test_times_are_left_out_where_they_are_not_wanted(database: Database, host: str) -> None:
    if host != "bundled":
        pytest.skip("Multicorn2 does not tell whether times are wanted")
    plan, _ = explained(database, QUERIES["a listing"], "ANALYZE, COSTS OFF, TIMING OFF")
    assert "Requests made" in plan
    assert "Waited" not in plan


def test_each_execution_of_a_prepared_statement_counts_for_itself(database: Database) -> None:
    database.execute(f"PREPARE q AS {QUERIES['a filter']}")
    for _ in range(2):
        plan, lines = explained(database, "EXECUTE q", "ANALYZE, COSTS OFF")
        assert f"Requests made: {len(lines)}" in plan


REQUIRING = [table for table in TABLES if any(column.required for column in table.columns)]
EXAMPLES = [(table.name, number) for table in REQUIRING for number in range(len(table.examples))]


@pytest.mark.parametrize(("name", "number"), EXAMPLES)
def test_a_condition_whose_value_is_not_known_yet_is_one(
    database: Database, host: str, name: str, number: int
) -> None:
    example = next(table.examples[number] for table in REQUIRING if table.name == name)
    if host == "multicorn2":
        pytest.skip("Multicorn2 hands over no values of a join, and crashes at those of subqueries")
    database.execute("SET search_path = website")
    plan = database.explain(example)
    assert "refused" not in plan
    assert "no request" not in plan
