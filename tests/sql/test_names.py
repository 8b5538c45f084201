"""Names: those of CData's driver (import option ``names 'flat'``), and any that one likes."""

from __future__ import annotations

import pytest

from bitbucket_fdw.tables import TABLES
from tests.sql.querying import Both, only, paths

REPOSITORY_TABLES = [table for table in TABLES if table.level == "repository"]


@pytest.fixture
def flat(sql: Both) -> Both:
    sql.db.execute("SET search_path = flat")
    return sql


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT Title, ContentRaw FROM Issues WHERE Id = '1'",
        "SELECT Id, Title, SummaryRaw, State FROM PullRequests WHERE State = 'OPEN'",
        "SELECT Name, TargetCommitHash, DefaultMergeStrategy, MergeStrategies FROM Branches",
        "SELECT Id, ContentRaw, PullRequestId, ParentId, UserUUID, Deleted, CreatedOn, UpdatedOn "
        "FROM PullRequestComments WHERE PullRequestId = 1",
        "SELECT Id, Title, SourceRepositoryUUID, SourceRepositoryName, SourceBranchName, "
        "SourceCommitHash, DestinationBranchName, CloseSourceBranch, CommentCount, TaskCount, "
        "ClosedByUUID, Reason, AuthorUUID, CreatedOn, UpdatedOn FROM PullRequests",
        "SELECT Name, TargetCommitMessage, TargetRepositoryUUID, TargetRepositoryName, "
        "TargetAuthorRaw, TargetAuthorUUID FROM Branches",
    ],
)
def test_statements_for_cdatas_driver_run(flat, statement):
    assert flat.db.rows(statement)


def test_conditions_on_flat_names_are_shipped(flat):
    one = only(flat.db.query("SELECT Title, ContentRaw FROM Issues WHERE Id = '1'"))
    assert one.path == "/repositories/acme/website/issues/1"
    assert one.fields == {"id", "title", "content.raw"}
    result = flat.db.query("SELECT Id FROM PullRequests WHERE SourceBranchName = 'main'")
    assert only(result).q == 'source.branch.name = "main"'


@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
def test_flat_tables_hold_the_same_rows(flat, table):
    deep = next(
        (c for c in table.columns if c.param and c.param not in ("workspace", "repository")), None
    )
    where = (
        f" WHERE {{name}} = (SELECT max({deep.name}::text)::{deep.type} FROM website_x."
        f"{table.name})"
        if deep
        else ""
    )
    flat_where = where.format(name=deep.flat_name) if deep else ""
    plain_where = where.format(name=deep.name) if deep else ""
    rows = flat.db.rows(f"SELECT * FROM flat.{table.flat_name()}{flat_where}")
    expected = flat.db.rows(f"SELECT * FROM website_x.{table.name}{plain_where}")
    assert sorted(map(repr, rows)) == sorted(map(repr, expected))
    assert rows


def test_no_flat_name_has_an_underscore_or_a_double(flat):
    named = flat.db.rows(
        "SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid "
        "WHERE c.relnamespace = 'flat'::regnamespace AND a.attnum > 0"
    )
    assert not [pair for pair in named if "_" in pair[0] + pair[1]]
    assert len({relation for relation, _ in named}) == len(REPOSITORY_TABLES)


def test_a_column_may_have_any_name(sql):
    db = sql.db
    db.execute(
        'CREATE FOREIGN TABLE website."Mine" ("Nr." bigint OPTIONS (column_name \'id\'), '
        '"as ""quoted""" text OPTIONS (column_name \'title\'), title text) SERVER bitbucket '
        "OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    try:
        result = db.query('SELECT * FROM website."Mine" WHERE "Nr." = 3')
        [(number, quoted, title)] = result.rows
        assert number == 3
        assert quoted == title
        assert paths(result) == ["/repositories/acme/website/issues/3"]
    finally:
        db.execute('DROP FOREIGN TABLE website."Mine"')


def test_a_table_may_have_a_part_of_the_columns_in_any_order(sql):
    db = sql.db
    db.execute(
        "CREATE FOREIGN TABLE website.part (title text, id bigint, workspace text) SERVER "
        "bitbucket OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    try:
        rows = db.rows("SELECT * FROM website.part ORDER BY id LIMIT 1")
        expected = db.rows("SELECT title, id, workspace FROM website_x.issues ORDER BY id LIMIT 1")
        assert rows == expected
        db.execute("ALTER FOREIGN TABLE website.part DROP COLUMN title")
        assert db.rows("SELECT * FROM website.part WHERE id = 3") == [(3, "acme")]
    finally:
        db.execute("DROP FOREIGN TABLE website.part")


@pytest.mark.parametrize("type_name", ["text", "integer", "numeric", "smallint", "varchar(20)"])
def test_a_column_of_another_type_is_read_and_its_conditions_mean_what_they_say(sql, type_name):
    """'10' < '9' holds for text: a condition on such a column must not be shipped as a number's."""
    db = sql.db
    db.execute(
        f"CREATE FOREIGN TABLE website.other (id {type_name}, title text) SERVER bitbucket "
        "OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    try:
        for where in ("id < '5'", "id = '7'", "id >= '40'", "id IN ('1', '2')"):
            rows = db.rows(f"SELECT id, title FROM website.other WHERE {where}")
            expected = db.rows(
                f"SELECT * FROM (SELECT id::{type_name}, title FROM "
                f"website_x.issues) x WHERE {where}"
            )
            assert sorted(rows) == sorted(expected)
    finally:
        db.execute("DROP FOREIGN TABLE website.other")


def test_a_label_changes_neither_names_nor_requests(sql):
    """It says how the bundled host names a column in results. The wrapper has no use for it."""
    db = sql.db
    db.execute(
        "CREATE FOREIGN TABLE website.labelled (id bigint OPTIONS (label 'Id'), heading text "
        "OPTIONS (label 'Title of \"it\"', column_name 'title')) SERVER bitbucket "
        "OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    try:
        found = db.query("SELECT id, heading FROM website.labelled WHERE id = 3")
        expected = db.query("SELECT id, title FROM website.issues WHERE id = 3")
        assert found.rows == expected.rows
        assert len(found.rows) == 1
        assert [r.path for r in found.requests] == [r.path for r in expected.requests]
    finally:
        db.execute("DROP FOREIGN TABLE website.labelled")
