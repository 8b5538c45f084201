"""Where requests go: bound tables, tables that span a workspace, and no more than is asked for."""

from __future__ import annotations

import contextlib

import psycopg
import pytest
from devkit.cluster import identifier

from bitbucket_fdw.tables import BY_NAME
from tests.sql.querying import asked, paths
from tests.support.database import Database

LISTING = "/repositories/acme"
NO_UUID = "00000000-0000-0000-0000-000000000000"


def repositories(sql, where="true"):
    return sql.db.column(f"SELECT slug FROM acme_x.repositories WHERE {where}")


def test_a_bound_table_asks_its_repository_alone(sql):
    result = sql.query("SELECT * FROM branches")
    assert set(paths(result)) == {f"{LISTING}/website/refs/branches"}


def test_one_repository_is_asked_alone(sql):
    result = sql.query("SELECT * FROM branches WHERE repository = 'mobile.app'", on="acme")
    assert paths(result) == [f"{LISTING}/mobile.app/refs/branches"]
    assert result.rows


def test_a_list_of_repositories_asks_these_alone(sql):
    wanted = ["website", "mobile-app", "design-system"]
    result = sql.query("SELECT * FROM branches WHERE repository = ANY (%s)", [wanted], on="acme")
    assert {path.split("/")[3] for path in paths(result)} == set(wanted)
    assert LISTING not in paths(result)
    assert {row[1] for row in result.rows} == set(wanted)


def test_without_a_condition_every_repository_is_asked(sql):
    result = sql.query("SELECT * FROM branches", on="acme")
    first, *rest = paths(result)
    assert first == LISTING
    assert {path.split("/")[3] for path in rest} == set(repositories(sql))


def test_the_list_of_repositories_asks_for_slugs_alone(sql):
    listing = asked(sql.query("SELECT name FROM branches", on="acme"))[0]
    assert (listing.path, listing.fields) == (LISTING, {"slug", "full_name"})


def test_a_condition_that_is_no_equality_asks_all_and_is_checked_here(sql):
    result = sql.query("SELECT * FROM branches WHERE repository LIKE 'mobile%'", on="acme")
    assert {row[1] for row in result.rows} == {"mobile.app", "mobile-app"}


def test_other_conditions_go_to_every_repository(sql):
    result = sql.query("SELECT * FROM pull_requests WHERE state = 'OPEN'", on="acme")
    _, *rest = asked(result)
    assert {one.q for one in rest} == {'state = "OPEN"'}


def test_repositories_without_a_tracker_are_passed_over(sql):
    result = sql.query("SELECT * FROM issues", on="acme")
    listing, *rest = asked(result)
    assert listing.fields == {"slug", "full_name", "has_issues"}
    assert {one.path.split("/")[3] for one in rest} == set(repositories(sql, "has_issues"))


def test_repositories_without_a_main_branch_are_passed_over(sql):
    result = sql.query("SELECT * FROM default_branch_commits", on="acme")
    _, *rest = asked(result)
    with_branch = set(repositories(sql, "mainbranch_name IS NOT NULL"))
    assert {one.path.split("/")[3] for one in rest} == with_branch
    assert {one.one("include") for one in rest} == {"main"}


def test_an_empty_repository_has_nothing(sql):
    for table in ("branches", "tags", "commits", "default_branch_commits", "pull_requests"):
        result = sql.query(f"SELECT * FROM {table} WHERE repository = 'empty'", on="acme")
        assert result.rows == []


def test_the_main_branch_is_looked_up_first(sql):
    result = sql.query("SELECT hash FROM default_branch_commits")
    assert paths(result)[0] == f"{LISTING}/website"
    assert set(paths(result)[1:]) == {f"{LISTING}/website/commits"}
    assert {one.one("include") for one in asked(result)[1:]} == {"main"}


# --- children of children ---


def test_a_parents_key_asks_that_parent_alone(sql):
    result = sql.query("SELECT * FROM pull_request_comments WHERE pull_request_id = 1")
    assert paths(result) == [f"{LISTING}/website/pullrequests/1/comments"]
    assert result.rows


def test_a_list_of_parents_asks_these_alone(sql):
    where = "pull_request_id IN (1, 2, 3)"
    result = sql.query(f"SELECT * FROM pull_request_comments WHERE {where}")
    assert sorted(paths(result)) == [
        f"{LISTING}/website/pullrequests/{number}/comments" for number in (1, 2, 3)
    ]


def test_without_a_parents_key_every_parent_is_asked(sql):
    result = sql.query("SELECT * FROM issue_comments")
    listing, *rest = asked(result)
    assert (listing.path, listing.fields) == (f"{LISTING}/website/issues", {"id"})
    issues = sql.db.column("SELECT id FROM website_x.issues")
    assert sorted(one.path for one in rest) == sorted(
        f"{LISTING}/website/issues/{number}/comments" for number in issues
    )


def test_comments_of_pull_requests_in_every_state_are_found(sql):
    """The list of parents must not be that of open ones only."""
    sql.query("SELECT pull_request_id, id FROM pull_request_comments")
    states = sql.db.column(
        "SELECT DISTINCT state FROM website_x.pull_requests p WHERE EXISTS "
        "(SELECT FROM website_x.pull_request_comments c WHERE c.pull_request_id = p.id)"
    )
    assert set(states) > {"OPEN"}


@pytest.mark.parametrize(
    ("table", "where", "probes"),
    [
        (
            "pull_request_comments",
            "pull_request_id = 99999",
            ["pullrequests/99999", "pullrequests"],
        ),
        ("pull_request_tasks", "pull_request_id = 99999", ["pullrequests/99999", "pullrequests"]),
        ("issue_comments", "issue_id = 99999", ["issues/99999", "issues"]),
        ("issue_comments", "issue_id = 99999 AND id = 1", ["issues/99999", "issues"]),
        ("commit_statuses", f"commit_hash = '{'0' * 40}'", [f"commit/{'0' * 40}", "commits"]),
        (
            "pipeline_steps",
            f"pipeline_uuid = '{NO_UUID}'",
            [f"pipelines/{{{NO_UUID}}}", "pipelines/"],
        ),
    ],
)
def test_a_parent_that_is_not_there_has_no_rows(fresh, table, where, probes):
    """As in a scan of everything; but only once it is known that the parent alone is missing."""
    sql = fresh
    result = sql.query(f"SELECT * FROM {table} WHERE {where}")
    assert result.rows == []
    assert paths(result)[-2:] == [f"{LISTING}/website/{probe}" for probe in probes]
    assert sql.query(f"SELECT count(*) FROM {table} WHERE {where}").rows == [(0,)]


def test_parents_that_are_not_there_are_passed_over_in_a_list(sql):
    some = "SELECT DISTINCT pull_request_id FROM website_x.pull_request_comments"
    there = sql.db.column(f"{some} ORDER BY 1 LIMIT 2")
    result = sql.query(
        "SELECT * FROM pull_request_comments WHERE pull_request_id = ANY (%s)", [[*there, 99999]]
    )
    assert {row[2] for row in result.rows} == set(there)


def test_a_join_with_parents_that_are_not_there(sql):
    sql.query(
        "SELECT g, c.id FROM generate_series(170, 180) g LEFT JOIN pull_request_comments c "
        "ON c.pull_request_id = g"
    )


def test_a_grandparents_condition_narrows_its_own_list(sql):
    where = "repository = 'mobile-app'"
    result = sql.query(f"SELECT * FROM pull_request_comments WHERE {where}", on="acme")
    assert {path.split("/")[3] for path in paths(result)} == {"mobile-app"}


def test_a_key_over_a_workspace_asks_each_repository_for_it(sql):
    result = sql.query("SELECT * FROM pull_requests WHERE id = 3", on="acme")
    assert len({row[1] for row in result.rows}) > 1


def test_requests_of_a_fan_out_run_side_by_side(sql):
    sql.db.emulator.fault("*/comments", kind="slow", delay_ms=50, count=None)
    result = sql.query(
        "SELECT * FROM pull_request_comments WHERE pull_request_id <= 40 AND "
        "pull_request_id = ANY (ARRAY(SELECT generate_series(1, 40)))"
    )
    assert result.rows
    in_flight = [request.raw["in_flight"] for request in result.requests]
    assert 1 < max(in_flight) <= 8 + 1  # concurrency, and one that was just being counted off


def test_limit_does_not_start_the_whole_fan_out(sql):
    result = sql.run("SELECT name FROM branches LIMIT 3", on="acme")
    assert len(result.rows) == 3
    assert len(paths(result)) <= 3


# --- spelling ---


@pytest.mark.parametrize("slug", [".", "..", "", "a/b", "../globex/reactor", "%2e%2e", "x?y#z"])
def test_a_slug_cannot_lead_elsewhere(sql, slug):
    db = sql.db
    db.execute("SET search_path = acme")
    db.emulator.clear()
    with contextlib.suppress(psycopg.Error):  # not found, at best
        assert db.rows("SELECT name FROM branches WHERE repository = %s", [slug]) == []
    for request in db.emulator.requests():
        # The branches, and whether the repository and its workspace are there.
        _, _, repositories, workspace, *below = request.path.split("/")
        assert (repositories, workspace) == ("repositories", "acme")
        assert len(below) in (0, 1, 3)
        assert below[1:] in ([], ["refs", "branches"])


# --- workspaces left open ---


@pytest.fixture
def open_db(db: Database) -> Database:
    """Tables that are bound to no workspace."""
    for name in ("repositories", "branches", "projects", "workspaces", "workspace_members"):
        table = BY_NAME[name]
        columns = ", ".join(f"{identifier(c.name)} {c.type}" for c in table.columns)
        db.execute(
            f"CREATE FOREIGN TABLE {name} ({columns}) SERVER bitbucket OPTIONS (table '{name}')"
        )
    return db


def test_an_open_workspace_is_every_workspace_one_can_see(open_db):
    result = open_db.query("SELECT workspace, slug FROM repositories")
    seen = open_db.column("SELECT slug FROM workspaces")
    first, *rest = paths(result)
    assert first == "/user/workspaces"
    assert set(rest) == {f"/repositories/{slug}" for slug in seen}
    assert {row[0] for row in result.rows} <= set(seen)


def test_a_condition_on_an_open_workspace_asks_that_one(open_db):
    result = open_db.query("SELECT slug FROM repositories WHERE workspace = 'acme'")
    assert set(paths(result)) == {"/repositories/acme"}
    result = open_db.query(
        "SELECT name FROM branches WHERE workspace = 'acme' AND repository = 'website'"
    )
    assert paths(result) == ["/repositories/acme/website/refs/branches"]


def test_an_open_repository_is_looked_for_in_every_workspace(open_db):
    result = open_db.query(
        "SELECT DISTINCT workspace FROM branches WHERE repository = 'mobile-app'"
    )
    assert result.rows == [("acme",)]


def test_details_of_workspaces_are_read_one_by_one(open_db):
    """The list of workspaces holds slugs and UUIDs only."""
    lean = open_db.query("SELECT slug, uuid FROM workspaces")
    assert paths(lean) == ["/user/workspaces"]
    full = open_db.query("SELECT slug, name, created_on FROM workspaces")
    assert sorted(paths(full)[1:]) == sorted(f"/workspaces/{row[0]}" for row in lean.rows)
    assert all(name and created for _, name, created in full.rows)
