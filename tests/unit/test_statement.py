"""What is read from a statement's text."""

import pytest

from bitbucket_fdw import statement


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1) RETURNING id",
        "insert into t values ('returning') returning\nid",
        "/* x */ UPDATE t SET a = $$returning$$ returning *",
    ],
)
def test_returning_is_seen(text):
    assert statement.has_returning(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "INSERT INTO t VALUES ('it''s RETURNING')",
        'INSERT INTO "returning" VALUES (1)',
        "INSERT INTO t VALUES ($x$ RETURNING $x$) -- RETURNING",
        "INSERT INTO t SELECT /* RETURNING\n */ 1",
        "INSERT INTO t_returning VALUES (1)",
    ],
)
def test_returning_in_quotes_comments_and_names_is_not(text):
    assert not statement.has_returning(text)


@pytest.mark.parametrize("text", ["ROLLBACK", " rollback work;", "ABORT TRANSACTION ;\n"])
def test_a_rollback_of_everything(text):
    assert statement.is_rollback(text)


@pytest.mark.parametrize("text", ["ROLLBACK TO a", "ROLLBACK TO SAVEPOINT a", "COMMIT", ""])
def test_other_ends_are_none(text):
    assert not statement.is_rollback(text)


@pytest.mark.parametrize(
    "text", ["SELECT row_to_json(t) FROM t", "SELECT jsonb_agg (t) FROM t", "select to_json(t)"]
)
def test_whole_rows_may_be_used(text):
    assert statement.may_use_whole_rows(text)


@pytest.mark.parametrize("text", ["SELECT count(*) FROM t", "SELECT a FROM row_to_json_log"])
def test_most_statements_name_their_columns(text):
    assert not statement.may_use_whole_rows(text)
