"""Values: unicode, NULLs, JSON, and that conditions on them mean what they say."""

from __future__ import annotations

import pytest

from tests.sql.querying import asked


def test_titles_of_every_kind_come_through(sql):
    """Emoji, right-to-left text, combining accents, quotes, backslashes, wildcards."""
    titles = sql.query("SELECT title FROM pull_requests").rows
    text = "".join(title for (title,) in titles)
    assert '"' in text
    assert "\\" in text
    assert "%" in text
    assert any(ord(character) > 0xFFFF for character in text)
    assert any(0x0600 <= ord(character) < 0x0700 for character in text)
    assert any(0x0300 <= ord(character) < 0x0370 for character in text)


def test_every_title_is_found_by_itself(sql):
    for (title,) in sql.query("SELECT DISTINCT title FROM pull_requests").rows:
        found = sql.query("SELECT id, title FROM pull_requests WHERE title = %s", [title])
        assert {row[1] for row in found.rows} == {title}


def test_every_title_is_found_by_its_parts(sql):
    escape = str.maketrans({"\\": "\\\\", "%": "\\%", "_": "\\_"})
    titles = sql.db.column("SELECT title FROM website_x.issues ORDER BY md5(title) LIMIT 25")
    for number, title in enumerate(titles):
        part = (title[:5], title[-5:], title[2:9])[number % 3].translate(escape)
        for operator in ("LIKE", "ILIKE"):
            sql.query(f"SELECT id FROM issues WHERE title {operator} %s", [f"%{part}%"])


@pytest.mark.parametrize(
    "pattern",
    [
        "%",
        "",
        "_",
        "__%",
        "a",
        "%a",
        "a%",
        "%a%b%",
        "\\%",
        "%\\_%",
        "%\\\\%",
        "%\\a%",
        "% %",
        "%\t%",
        "%'%",
        '%"%',
        "%ß%",
        "%\u017f%",
        "%İ%",
        "%\u0131%",
        "%ς%",
        "%Σ%",
        "%ﬁ%",
        "%é%",
        "%e\u0301%",
    ],
)
def test_patterns(sql, pattern):
    for operator in ("LIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"):
        sql.query(f"SELECT id FROM pull_requests WHERE title {operator} %s", [pattern])
        sql.query(f"SELECT name FROM branches WHERE name {operator} %s", [pattern])


def test_a_pattern_that_ends_in_a_backslash_is_postgresqls_error(sql):
    with pytest.raises(Exception, match="LIKE pattern must not end with escape character"):
        sql.run("SELECT id FROM pull_requests WHERE title LIKE E'%a\\\\'", on="website")


def test_nulls(sql):
    """Authors that are gone, commits by people without an account, half a fork."""
    for column in (
        "author_uuid",
        "author_display_name",
        "author_account_id",
        "merge_commit_hash",
        "source_repository_uuid",
        "closed_by_uuid",
    ):
        rows = sql.query(f"SELECT id FROM pull_requests WHERE {column} IS NULL").rows
        rest = sql.query(f"SELECT id FROM pull_requests WHERE {column} IS NOT NULL").rows
        assert rows, column
        assert rest, column
    sql.query("SELECT count(*), count(author_uuid), count(author_raw) FROM commits")
    sql.query("SELECT id FROM issues WHERE assignee_uuid IS DISTINCT FROM reporter_uuid")
    sql.query("SELECT id FROM issues WHERE (assignee_nickname = 'ada') IS NOT TRUE")


def test_uuids(sql):
    uuid = sql.db.value(
        "SELECT author_uuid FROM website_x.pull_requests WHERE author_uuid IS NOT NULL LIMIT 1"
    )
    for spelled in (str(uuid), str(uuid).upper(), f"{{{uuid}}}", str(uuid).replace("-", "")):
        result = sql.query(f"SELECT id FROM pull_requests WHERE author_uuid = '{spelled}'")
        assert result.rows
        assert {one.q for one in asked(result)} == {f'author.uuid = "{{{uuid}}}"'}
    sql.query(f"SELECT id FROM pull_requests WHERE author_uuid > '{uuid}'")
    sql.query(f"SELECT id FROM pull_requests WHERE author_uuid <> '{uuid}'")


def test_json(sql):
    sql.query(
        "SELECT id, jsonb_array_length(participants), participants -> 0 ->> 'role' "
        "FROM pull_requests"
    )
    sql.query('SELECT id FROM pull_requests WHERE reviewers @> \'[{"nickname": "ben"}]\'')
    sql.query("SELECT hash, p ->> 'hash' FROM commits, jsonb_array_elements(parents) p")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT to_jsonb(b) ->> 'name' FROM branches b",
        "SELECT row_to_json(b) ->> 'name' FROM branches b",
        "SELECT jsonb_agg(b ORDER BY b.name) FROM branches b",
        "SELECT count(b) FROM branches b",
        "SELECT (b).name FROM branches b",
        "SELECT row(b.*) FROM branches b",
        "SELECT DISTINCT b.* FROM branches b",
        "SELECT b FROM (SELECT * FROM branches OFFSET 0) b",
        "SELECT b IS NULL FROM branches b",
    ],
)
def test_whole_rows(sql, statement):
    sql.query(statement)


@pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 names no column where a statement uses a whole row as a value",
)
@pytest.mark.parametrize(
    "statement",
    [
        "SELECT b FROM branches b",
        "SELECT b.name, b FROM branches b",
        "SELECT md5(b::text) FROM branches b",
        "SELECT (SELECT b) FROM branches b",
    ],
)
def test_whole_rows_as_values(sql, statement):
    sql.query(statement)


def test_no_columns(sql):
    count = sql.db.value("SELECT count(*) FROM website_x.branches")
    assert sql.query("SELECT 1 FROM branches").rows == [(1,)] * count
    sql.query("SELECT count(*) FROM (SELECT FROM branches) x")
    sql.query("SELECT t.tableoid::regclass::text LIKE '%tags%' FROM tags t")


@pytest.mark.parametrize("number", [0, -1, 2**31, 2**63 - 1, -(2**63)])
@pytest.mark.parametrize("operator", ["=", "<", ">", "<>"])
def test_numbers_at_the_ends(sql, operator, number):
    sql.query(f"SELECT id FROM issues WHERE id {operator} {number}")
    sql.query(f"SELECT id FROM issues WHERE votes {operator} {number}")
    sql.query(f"SELECT build_number FROM pipelines WHERE build_number {operator} {number}")


def test_a_number_beyond_bigint(sql):
    sql.query("SELECT id FROM issues WHERE id < 99999999999999999999999")
    sql.query("SELECT id FROM issues WHERE id = 7.0")


@pytest.mark.parametrize(
    "name",
    [
        "client_encoding = 'LATIN1'",
        "standard_conforming_strings = off",
        "IntervalStyle = 'sql_standard'",
        "extra_float_digits = -15",
        "lc_numeric = 'C'",
        "bytea_output = 'escape'",
        "row_security = off",
        "default_transaction_read_only = on",
    ],
)
def test_settings_of_the_session_do_not_matter(sql, name):
    sql.db.execute(f"SET {name}")
    sql.query("SELECT id, created_on FROM issues WHERE created_on > '2024-01-01' AND id > 3")
