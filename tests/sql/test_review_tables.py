"""Commits, statuses and files of pull requests, and commits by digits: requests, and joins."""

from __future__ import annotations

import math
import re

import psycopg
import pytest

from bitbucket_fdw.tables import BY_NAME, TABLES
from tests.sql.querying import Both, asked, paths

OF_PULL_REQUESTS = [
    table
    for table in TABLES
    if table.parent is not None and table.parent.table.name == "pull_requests"
]
# In the demo: one whose source is gone, and one whose branches have no common history.
GONE, UNRELATED = 45, 107
TO_COMMITS = (
    "SELECT p.id, c.hash, c.date FROM pull_requests p "
    "JOIN commits_by_prefix c ON c.hash_prefix = p.merge_commit_hash "
    "WHERE p.state = 'MERGED' AND p.id < 20"
)
TO_PIPELINES = (
    "SELECT p.id, l.build_number, l.state_result_name FROM pull_requests p "
    "JOIN pipelines l ON left(l.target_commit_hash, 12) = p.source_commit_hash"
)
TO_STATUSES = (
    "SELECT p.id, s.key, s.state FROM pull_requests p "
    "JOIN pull_request_statuses s ON s.pull_request_id = p.id WHERE p.state = 'OPEN'"
)


def pages(count: int, length: int = 50) -> int:
    return max(1, math.ceil(count / length))


# --- fan-outs ---


@pytest.mark.parametrize("table", OF_PULL_REQUESTS, ids=lambda table: table.name)
def test_a_condition_on_pull_requests_spares_the_requests_of_all_others(
    fresh: Both, host: str, table
) -> None:
    result = fresh.query(
        f"SELECT p.id, count(*) FROM pull_requests p JOIN {table.name} t "
        "ON t.pull_request_id = p.id WHERE p.state = 'OPEN' GROUP BY 1"
    )
    wanted = "WHERE state = 'OPEN'" if host == "bundled" else ""
    asked_of = fresh.db.value(f"SELECT count(*) FROM website_x.pull_requests {wanted}")
    own = [path for path in paths(result) if re.search(r"/pullrequests/\d+/", path)]
    assert len(own) == asked_of
    if host == "bundled":
        each = 2 if table.collection.redirects else 1
        assert len(result.requests) == pages(asked_of) + each * asked_of


def test_files_are_read_through_a_redirect_that_keeps_what_is_asked(fresh: Both) -> None:
    result = fresh.query(
        "SELECT path, lines_added FROM pull_request_diffstat WHERE pull_request_id = 4"
    )
    first, second = asked(result)
    assert (first.status, second.status) == (302, 200)
    assert first.path == "/repositories/acme/website/pullrequests/4/diffstat"
    assert re.fullmatch(
        r"/repositories/acme/website/diffstat/acme/website:[0-9a-f]{12}\r[0-9a-f]{12}", second.path
    )
    # A file of which neither name is told is known by its status.
    assert second.fields == first.fields == {"new.path", "old.path", "lines_added", "status"}
    assert second.pagelen == "100"
    assert second.one("topic") == "true"


def test_their_price_is_told_before(fresh: Both) -> None:
    plan = fresh.explain("SELECT path FROM pull_request_diffstat WHERE pull_request_id IN (3, 4)")
    assert "Estimated requests: 4" in plan
    fresh.db.execute("ALTER SERVER bitbucket OPTIONS (ADD max_requests '100')")
    try:
        fresh.db.close()
        with pytest.raises(psycopg.Error, match="max_requests is 100"):
            fresh.db.execute("SELECT path FROM website.pull_request_diffstat")
        assert len(fresh.db.emulator.requests()) < 10
    finally:
        fresh.db.execute("ALTER SERVER bitbucket OPTIONS (DROP max_requests)")


def test_a_diff_that_takes_too_long_is_an_error(fresh: Both) -> None:
    fresh.db.emulator.fault("*/diffstat/*", kind="status", status=555, count=None)
    with pytest.raises(psycopg.Error, match="555"):
        fresh.db.execute("SELECT path FROM website.pull_request_diffstat WHERE pull_request_id = 4")


# --- nothing to list ---


@pytest.mark.parametrize(
    ("table", "number"),
    [
        ("pull_request_commits", GONE),
        ("pull_request_diffstat", GONE),
        ("pull_request_diffstat", UNRELATED),
    ],
)
@pytest.mark.parametrize("form", ["= {}", "IN ({}, {})"])
def test_what_cannot_be_listed_has_no_rows_and_a_warning(fresh: Both, table, number, form) -> None:
    where = f"pull_request_id {form.format(number, number)}"
    result = fresh.query(f"SELECT * FROM {table} WHERE {where}")
    [notice] = result.notices
    assert f"no rows of {BY_NAME[table].unlistable.what}" in notice
    assert f'"acme/website/{number}"' in notice
    assert fresh.query(f"SELECT count(*) FROM {table} WHERE {where}").notices


@pytest.mark.parametrize("table", [table.name for table in TABLES if table.unlistable])
def test_a_pull_request_that_is_not_there_is_none_of_them(fresh: Both, table) -> None:
    result = fresh.query(f"SELECT * FROM {table} WHERE pull_request_id = 99999")
    assert result.rows == []
    assert result.notices == []


def test_statuses_of_the_last_commit_or_of_all(fresh: Both) -> None:
    """Which of the two Bitbucket lists is not known."""
    statement = "SELECT pull_request_id, commit_hash, key FROM website.pull_request_statuses"
    fewer = set(fresh.db.rows(statement))
    fresh.db.emulator.fault("*/statuses", kind="all_statuses", count=None)
    assert fewer <= set(fresh.db.rows(statement))


# --- reviewers ---


def test_reviewers_are_filtered_by_whole_pull_requests(fresh: Both) -> None:
    someone = fresh.db.value("SELECT max(user_uuid::text) FROM website_x.pull_request_reviewers")
    where = f"user_uuid = '{someone}' AND pull_request_state = 'OPEN'"
    result = fresh.query(f"SELECT pull_request_id FROM pull_request_reviewers WHERE {where}")
    [one] = asked(result)
    assert "reviewers.uuid" in one.q
    assert 'state = "OPEN"' in one.q
    assert result.notices == []
    fresh.query(f"SELECT count(*) FROM pull_request_reviewers WHERE {where}")
    fresh.query(f"SELECT pull_request_id FROM pull_request_reviewers WHERE NOT ({where})")


# --- pull requests of commits ---

A_COMMIT = "(SELECT min(commit_hash) FROM website_x.commit_pull_requests)"


@pytest.mark.parametrize("schema", ["website", "acme"])
def test_links_that_are_being_indexed_are_an_error(fresh: Both, host: str, schema) -> None:
    fresh.db.emulator.fault("*/pullrequests", kind="commit_links_later", count=None)
    with pytest.raises(psycopg.Error, match="still preparing") as caught:
        fresh.db.execute(f"SELECT id FROM {schema}.commit_pull_requests")
    assert "Try again" in caught.value.diag.message_hint
    if host == "bundled":
        assert caught.value.sqlstate == "55000"


def test_links_that_nobody_has_set_up(fresh: Both) -> None:
    fresh.db.emulator.fault("*/website/commit/*/pullrequests", kind="commit_links_off", count=None)
    for where in ("true", f"commit_hash = {A_COMMIT}"):
        with pytest.raises(psycopg.Error, match="404") as caught:
            fresh.db.execute(f"SELECT id FROM website.commit_pull_requests WHERE {where}")
        assert "Go to pull request" in caught.value.diag.message_hint
    result = fresh.db.query("SELECT repository, id FROM acme.commit_pull_requests")
    assert {row[0] for row in result.rows} == set(
        fresh.db.column(
            "SELECT DISTINCT repository FROM acme_x.commit_pull_requests "
            "WHERE repository <> 'website'"
        )
    )
    [notice] = result.notices
    assert '"acme/website"' in notice
    own = [path for path in paths(result) if re.search(r"/website/commit/\w+/pullrequests", path)]
    assert len(own) <= 8, "no more than are under way at a time"


# --- commits by their first digits ---


def test_a_merge_is_one_request(fresh: Both, host: str) -> None:
    merged = "FROM website_x.pull_requests WHERE state = 'MERGED' AND id < 20"
    hashes = fresh.db.value(f"SELECT count(DISTINCT merge_commit_hash) {merged}")
    if host == "bundled":
        result = fresh.query(TO_COMMITS)
    else:
        with pytest.raises(psycopg.Error, match="without a condition on hash_prefix") as caught:
            fresh.run(TO_COMMITS, on="website")
        assert "LATERAL" in caught.value.diag.message_hint
        result = fresh.query(
            "SELECT p.id, c.hash FROM pull_requests p, LATERAL (SELECT * FROM commits_by_prefix c "
            "WHERE c.hash_prefix = p.merge_commit_hash OFFSET 0) c "
            "WHERE p.state = 'MERGED' AND p.id < 20"
        )
    assert len(result.requests) == 1 + hashes
    assert len(result.rows) == fresh.db.value(f"SELECT count(merge_commit_hash) {merged}")


def test_what_names_no_commit_is_refused_and_can_be_planned(fresh: Both, host: str) -> None:
    for statement in ("SELECT * FROM commits_by_prefix", "SELECT count(*) FROM commits_by_prefix"):
        with pytest.raises(psycopg.Error) as caught:
            fresh.run(statement, on="website")
        assert "without a condition on hash_prefix" in caught.value.diag.message_primary
        assert "hash_prefix = …" in caught.value.diag.message_hint
        if host == "bundled":
            assert caught.value.sqlstate == "0A000"
        assert "refused without a condition on hash_prefix" in fresh.explain(statement)
    assert fresh.run("SELECT * FROM commits_by_prefix LIMIT 0", on="website").requests == []


def test_a_tag_of_digits_hides_no_commit_behind_it(fresh: Both) -> None:
    db = fresh.db
    digest = db.value("SELECT hash FROM website_x.commits LIMIT 1")
    db.execute(
        "INSERT INTO website.tags (name, target_commit_hash) VALUES ('20260101', %s)", [digest]
    )
    try:
        result = db.query(
            "SELECT hash FROM website.commits_by_prefix WHERE hash_prefix = '20260101'"
        )
        assert result.rows == []
        [notice] = result.notices
        assert "20260101" in notice
    finally:
        db.execute("DELETE FROM website.tags WHERE name = '20260101'")


# --- the joins of docs/pushdown.md ---


def test_pipelines_are_joined_by_what_both_listings_have(fresh: Both) -> None:
    result = fresh.query(TO_PIPELINES)
    pulls = fresh.db.value("SELECT count(*) FROM website_x.pull_requests")
    builds = fresh.db.value("SELECT count(*) FROM website_x.pipelines")
    assert len(result.requests) == pages(pulls) + pages(builds, 100)
    assert result.rows


def test_statuses_are_one_request_for_each_pull_request(fresh: Both, host: str) -> None:
    result = fresh.query(TO_STATUSES)
    pulls = fresh.db.value("SELECT count(*) FROM website_x.pull_requests WHERE state = 'OPEN'")
    if host == "bundled":
        assert len(result.requests) == pages(pulls) + pulls
    assert result.rows
