"""Repositories and workspaces that are not there: the same rows whichever way a query goes."""

from __future__ import annotations

import psycopg
import pytest

from bitbucket_fdw.tables import BY_NAME
from tests.sql.querying import Both, paths
from tests.support.database import Database

LISTING = "/repositories/acme"


@pytest.fixture
def deploys(fresh: Both) -> Both:
    """A local table of repositories, one of which was removed."""
    fresh.db.execute("CREATE TEMPORARY TABLE deploys (repo text)")
    fresh.db.execute("INSERT INTO deploys VALUES ('website'), ('old-removed-repo')")
    fresh.db.execute("ANALYZE deploys")
    return fresh


METHODS = {
    "as planned": (),
    "nested loop": ("hashjoin", "mergejoin"),
    "hash": ("nestloop", "mergejoin"),
    "merge": ("nestloop", "hashjoin"),
}
STATEMENTS = [
    "SELECT d.repo, count(*) FROM deploys d JOIN pull_requests b ON b.repository = d.repo "
    "WHERE b.state = 'OPEN' GROUP BY 1",
    "SELECT d.repo, b.name FROM deploys d LEFT JOIN branches b ON b.repository = d.repo",
    "SELECT d.repo, (SELECT count(*) FROM branches b WHERE b.repository = d.repo) FROM deploys d",
    "SELECT repo FROM deploys d WHERE NOT EXISTS "
    "(SELECT FROM default_branch_commits c WHERE c.repository = d.repo)",
    "SELECT d.repo, (SELECT count(*) FROM pull_request_comments c WHERE c.repository = d.repo "
    "AND c.pull_request_id = 1) FROM deploys d",
    "SELECT d.repo, (SELECT count(id) FROM pull_request_tasks t WHERE t.repository = d.repo "
    "AND t.pull_request_id IN (3, 4)) FROM deploys d",
    "SELECT d.repo, (SELECT max(date) FROM commits c WHERE c.repository = d.repo) FROM deploys d",
]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_removed_repository_has_no_rows_however_it_is_joined(deploys, statement, method):
    for other in METHODS[method]:
        deploys.db.execute(f"SET enable_{other} = off")
    assert deploys.query(statement, on="acme").rows


@pytest.mark.parametrize("table", ["branches", "pull_requests", "default_branch_commits"])
@pytest.mark.parametrize("what", ["count(*)", "repository"])
def test_a_literal_that_names_no_repository_has_no_rows_and_a_warning(sql, table, what):
    """It cannot be told from a value that comes of a join."""
    result = sql.query(f"SELECT {what} FROM {table} WHERE repository = 'nowhere'", on="acme")
    [notice] = result.notices
    assert notice.startswith(f'WARNING: {table}: repository "acme/nowhere" is not there')


def test_the_warning_comes_once_per_statement(deploys):
    deploys.db.execute("INSERT INTO deploys SELECT 'gone-' || g FROM generate_series(1, 3) g")
    statement = "SELECT (SELECT count(*) FROM branches WHERE repository = repo) FROM deploys"
    for _ in range(2):
        assert len(deploys.query(statement, on="acme").notices) == 1


def test_a_list_with_a_missing_repository_has_the_rows_of_the_others(sql):
    where = "repository IN ('nowhere', 'website', 'neither')"
    result = sql.query(f"SELECT repository, name FROM branches WHERE {where}", on="acme")
    assert {row[0] for row in result.rows} == {"website"}
    # The workspace's own listing is looked at once.
    assert paths(result).count(LISTING) == 1


def test_a_missing_pull_request_of_a_missing_repository_has_no_rows(sql):
    where = "repository = 'nowhere' AND pull_request_id = 3"
    sql.query(f"SELECT id FROM pull_request_comments WHERE {where}", on="acme")


# --- what a table's own options name has to be there ---

TABLES = ("branches", "pull_requests", "default_branch_commits", "pull_request_comments")


def create(db: Database, name: str, table: str, **options: str) -> None:
    columns = ", ".join(f'"{c.name}" {c.type}' for c in BY_NAME[table].columns)
    given = ", ".join(f"{key} '{value}'" for key, value in {"table": table, **options}.items())
    db.execute(f"CREATE FOREIGN TABLE {name} ({columns}) SERVER bitbucket OPTIONS ({given})")


@pytest.mark.parametrize("table", TABLES)
def test_a_bound_repository_that_is_not_there_is_an_error(db, table):
    create(db, "t", table, workspace="acme", repository="nowhere")
    where = " WHERE pull_request_id = 3" if table == "pull_request_comments" else ""
    with pytest.raises(psycopg.Error, match="answered 404"):
        db.rows(f"SELECT * FROM t{where}")


@pytest.mark.parametrize("table", ["branches", "default_branch_commits", "repositories"])
def test_a_bound_workspace_that_is_not_there_is_an_error(db, table):
    create(db, "t", table, workspace="nowhere")
    where = "slug = 'website'" if table == "repositories" else "repository = 'website'"
    with pytest.raises(psycopg.Error, match="nowhere"):
        db.rows("SELECT * FROM t")
    with pytest.raises(psycopg.Error, match="/repositories/nowhere"):
        db.rows(f"SELECT * FROM t WHERE {where}")


# --- workspaces left open ---


@pytest.fixture
def spanning(db: Database) -> Database:
    for table in ("repositories", "branches", "projects"):
        create(db, table, table)
    return db


def test_a_repository_of_one_workspace_is_looked_for_in_others(spanning):
    result = spanning.query(
        "SELECT DISTINCT workspace FROM branches "
        "WHERE workspace IN ('acme', 'globex') AND repository = 'mobile-app'"
    )
    assert result.rows == [("acme",)]


@pytest.mark.parametrize("table", ["repositories", "branches", "projects"])
def test_a_workspace_that_is_not_there_has_no_rows(spanning, table):
    where = "workspace = 'nowhere'"
    if table == "branches":
        where += " AND repository = 'website'"
    result = spanning.query(f"SELECT * FROM {table} WHERE {where}")
    assert result.rows == []
    [notice] = result.notices
    assert 'workspace "nowhere" is not there' in notice
