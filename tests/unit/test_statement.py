"""What is read from a statement's text."""

import pytest

from bitbucket_fdw.postgres import statement_text


@pytest.mark.parametrize(
    "text",
    [
        "INSERT INTO t VALUES (1) RETURNING id",
        "insert into t values ('returning') returning\nid",
        "/* x */ UPDATE t SET a = $$returning$$ returning *",
    ],
)
def test_returning_is_seen(text):
    assert statement_text.has_returning(text)


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
    assert not statement_text.has_returning(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (
            "WITH gone AS (DELETE FROM local RETURNING t) INSERT INTO issues SELECT t FROM gone",
            [("local", True, False), ("issues", False, False)],
        ),
        (
            "WITH n AS (INSERT INTO acme.issues (title) VALUES ('x') RETURNING id) "
            "INSERT INTO log SELECT id FROM n ON CONFLICT DO NOTHING",
            [("issues", True, False), ("log", False, True)],
        ),
        (
            'UPDATE ONLY "A"."Iss""ues" i SET x = 1 FROM (SELECT 1 FOR UPDATE) z RETURNING *',
            [('Iss"ues', True, False)],
        ),
        (
            r"INSERT INTO t VALUES (E'\'RETURNING') ON CONFLICT (id) DO UPDATE SET x = 1",
            [("t", False, True)],
        ),
        (
            "INSERT INTO a VALUES (1) RETURNING 1; DELETE FROM ONLY (b)",
            [("a", True, False), ("b", False, False)],
        ),
        ("SELECT 'INSERT INTO t' FROM inserted FOR NO KEY UPDATE", []),
    ],
)
def test_changes_are_found_with_their_own_clauses(text, found):
    changes = statement_text.changes(text)
    assert [(c.target, c.returning, c.on_conflict) for c in changes] == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("DELETE FROM acme.tags", {"DELETE"}),
        ("WITH t AS (UPDATE tags SET a = 1) INSERT INTO tags TABLE t", {"UPDATE", "INSERT"}),
        ("DELETE FROM other USING tags", set()),
        ("SELECT * FROM tags FOR UPDATE", set()),
    ],
)
def test_what_a_statement_does_to_a_table_is_told_by_its_text(text, found):
    assert statement_text.verbs(text, ("tags",)) == found


def test_the_clauses_of_another_table_do_not_count():
    text = "WITH x AS (INSERT INTO log VALUES (1) ON CONFLICT DO NOTHING RETURNING 1) "
    text += "INSERT INTO issues SELECT 1 FROM x"
    assert not statement_text.has_returning(text, ("issues",))
    assert not statement_text.has_on_conflict(text, ("issues",))
    # A foreign table may have any name: then every clause counts.
    assert statement_text.has_returning(text, ("branches",))
    assert statement_text.has_on_conflict(text, ("branches",))


@pytest.mark.parametrize("text", ["ROLLBACK", " rollback work;", "ABORT TRANSACTION ;\n"])
def test_a_rollback_of_everything(text):
    assert statement_text.is_rollback(text)


@pytest.mark.parametrize("text", ["ROLLBACK TO a", "ROLLBACK TO SAVEPOINT a", "COMMIT", ""])
def test_other_ends_are_none(text):
    assert not statement_text.is_rollback(text)


@pytest.mark.parametrize(
    "text", ["SELECT row_to_json(t) FROM t", "SELECT jsonb_agg (t) FROM t", "select to_json(t)"]
)
def test_whole_rows_may_be_used(text):
    assert statement_text.may_use_whole_rows(text)


@pytest.mark.parametrize("text", ["SELECT count(*) FROM t", "SELECT a FROM row_to_json_log"])
def test_most_statements_name_their_columns(text):
    assert not statement_text.may_use_whole_rows(text)


@pytest.mark.parametrize(
    ("text", "loosely"),
    [
        ("SELECT 1 FROM t WHERE name::citext = 'X'", True),
        ("SELECT 1 FROM t WHERE name = 'X' COLLATE ci", True),
        ("SELECT 1 FROM t WHERE CAST(name AS char(3)) = 'X'", True),
        ("SELECT 1 FROM t WHERE title = 'collate'", False),
        ('SELECT "char" FROM t', False),
        ("SELECT charlie FROM t -- citext", False),
    ],
)
def test_a_comparison_that_may_be_loose(text, loosely):
    assert statement_text.may_compare_loosely(text) is loosely


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a FROM t WHERE length(a) > 9 LIMIT 5", True),
        ("SELECT a FROM t FETCH FIRST ROW ONLY", True),
        ("FETCH 2 FROM c", True),
        ("  move forward 2 in c", True),
        ("SELECT a FROM t LIMIT ALL", False),
        ("SELECT a FROM t", False),
        ("SELECT 'limit 5' FROM t", False),
        ("SELECT a FROM t ORDER BY lower(a) LIMIT 5", False),
        ("SELECT a, count(*) FROM t GROUP BY a LIMIT 5", False),
        ("SELECT max (a) FROM t LIMIT 5", False),
        ("SELECT a FROM t UNION SELECT b FROM u LIMIT 5", False),
        ("SELECT a FROM t UNION ALL SELECT b FROM u LIMIT 5", True),
        ("DECLARE c CURSOR FOR SELECT a FROM t", False),
        ("", False),
    ],
)
def test_what_may_stop_early(text, expected):
    assert statement_text.may_stop_early(text) is expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT a FROM t LIMIT 5", True),
        ("SELECT a FROM t FETCH FIRST 5 ROWS ONLY", True),
        ("SELECT a FROM t ORDER BY lower(a) LIMIT 5", True),
        ("SELECT a FROM t LIMIT ALL", False),
        ("SELECT a, count(*) FROM t GROUP BY a ORDER BY a LIMIT 5", False),
        ("SELECT DISTINCT a FROM t LIMIT 5", False),
        ("FETCH 2 FROM c", False),
        ("FETCH NEXT FROM c", False),
        ("SELECT EXISTS (SELECT a FROM t)", False),
        ("SELECT a FROM t LIMIT $1", True),
        ("SELECT a FROM t LIMIT 5;", True),
        ("SELECT a FROM t LIMIT 5 -- (of many", True),
        ("SELECT a FROM t FETCH NEXT ROW ONLY", True),
        ("SELECT * FROM (SELECT * FROM t WHERE (a > 1)) s LIMIT 5", True),
        ("(SELECT a FROM t) LIMIT 5", True),
        ("INSERT INTO x SELECT * FROM t LIMIT 5", True),
        ("PREPARE p AS SELECT a FROM t LIMIT 5;\nEXECUTE p", True),
        ("PREPARE p(int) AS SELECT a FROM t LIMIT 5;\nEXPLAIN (ANALYZE) EXECUTE p(1)", True),
        # Of a subquery, of another statement, or none.
        ("SELECT * FROM t WHERE a = (SELECT a FROM u LIMIT 1)", False),
        ("SELECT * FROM t, LATERAL (SELECT 1 LIMIT 1) x", False),
        ("WITH x AS (SELECT a FROM u LIMIT 1) SELECT * FROM t", False),
        ("INSERT INTO x SELECT * FROM t; SELECT 1 LIMIT 1", False),
        ("SELECT 1 LIMIT 1; SELECT * FROM t", False),
        ("SELECT * FROM t; EXECUTE p; SELECT 1 LIMIT 1", False),
        ("SELECT * FROM t LIMIT  ALL", False),
        ("SELECT * FROM t LIMIT NULL", False),
        ("SELECT * FROM t LIMIT (NULL)", False),
        ("SELECT * FROM t LIMIT CAST(NULL AS int)", False),
        ("SELECT * FROM t FETCH FIRST (NULL) ROWS ONLY", False),
        (r"SELECT E'it\'s', a FROM t WHERE a = ' LIMIT 5'", False),
        ("SELECT a FROM t) LIMIT 5", False),
    ],
)
def test_a_limit_on_rows_as_they_are_read(text, expected):
    assert statement_text.limits_rows(text) is expected


def test_exists_is_seen():
    assert statement_text.has_exists("SELECT EXISTS (SELECT 1 FROM t)")
    assert not statement_text.has_exists("SELECT 'exists (' FROM t")
