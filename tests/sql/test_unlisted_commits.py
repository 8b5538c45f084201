"""Commits that no branch or tag reaches: in no listing, and so in no table, however asked for."""

from __future__ import annotations

from typing import Any

import pytest

from bitbucket_fdw.tables import BY_NAME
from tests.sql.querying import Both, paths

LISTING = "/repositories/acme/website"
CHILDREN = {"commit_statuses": "statuses", "commit_comments": "comments"}


def unlisted(sql: Both, collection: str = "commits") -> list[str]:
    """Hashes of website's commits that are in no listing, and that the collection has rows of."""
    listed = set(sql.db.column("SELECT hash FROM website_x.commits"))
    rows: list[dict[str, Any]] = sql.db.emulator.state()[collection]
    hashes = {
        row.get("commit_hash") or row["document"]["hash"]
        for row in rows
        if (row["workspace"], row["repository"]) == ("acme", "website")
    }
    return sorted(hashes - listed)


def test_there_are_some(fresh):
    """Bitbucket's endpoint for one commit finds them: the tests below do not pass for nothing."""
    assert unlisted(fresh)


FORMS = [
    "SELECT hash, message FROM commits WHERE hash = '{}'",
    "SELECT hash FROM commits WHERE hash IN ('{}', '{other}')",
    "SELECT count(*) FROM commits WHERE hash = '{}'",
    "SELECT 1 WHERE EXISTS (SELECT FROM commits WHERE hash = '{}')",
    "SELECT 1 WHERE '{}' NOT IN (SELECT hash FROM commits)",
    "SELECT v.h, c.date FROM (VALUES ('{}'), ('{other}')) v (h) "
    "LEFT JOIN commits c ON c.hash = v.h",
    "SELECT v.h, c.date FROM (VALUES ('{}'), ('{other}')) v (h) LEFT JOIN LATERAL "
    "(SELECT * FROM commits WHERE hash = v.h OFFSET 0) c ON true",
]


@pytest.mark.parametrize("off", ["", "hashjoin", "nestloop", "mergejoin"])
@pytest.mark.parametrize("form", FORMS)
def test_a_commit_that_is_not_listed_is_in_no_plans_answer(fresh, form, off):
    if off:
        fresh.db.execute(f"SET enable_{off} = off")
    [digest, *_] = unlisted(fresh)
    other = fresh.db.value("SELECT min(hash) FROM website_x.commits")
    fresh.query(form.format(digest, other=other))
    fresh.query(form.format(other, other=digest))


@pytest.mark.parametrize("table", CHILDREN)
@pytest.mark.parametrize("what", ["*", "count(*)"])
def test_nor_is_what_belongs_to_it(fresh, table, what):
    hashes = unlisted(fresh, table) or _with_child(fresh, table)
    for digest in hashes[:2]:
        result = fresh.query(f"SELECT {what} FROM {table} WHERE commit_hash = '{digest}'")
        key = fresh.db.emulator.state()[table][0]["document"][BY_NAME[table].primary_key[-1]]
        fresh.query(
            f"SELECT {what} FROM {table} WHERE commit_hash = '{digest}' AND "
            f"{BY_NAME[table].primary_key[-1]} = '{key}'"
        )
        [notice] = result.notices
        assert notice.startswith("NOTICE")
        assert digest in notice
        assert "no branch or tag reaches" in notice


def _with_child(sql: Both, table: str) -> list[str]:
    """A commit that is not listed, and that something was written on just now."""
    [digest, *_] = unlisted(sql)
    values = {
        "commit_statuses": "(commit_hash, key, state, url) VALUES ('{}', 'k', 'FAILED', 'https://x')",
        "commit_comments": "(commit_hash, content_raw) VALUES ('{}', 'x')",
    }
    sql.db.execute(f"INSERT INTO website.{table} {values[table].format(digest)}")
    return [digest]


def test_it_takes_the_refs_and_one_more_request(fresh):
    """The whole history is not read for one commit."""
    digest = fresh.db.value(
        "SELECT min(hash) FROM website_x.commits WHERE hash NOT IN (SELECT target_commit_hash "
        "FROM website_x.branches UNION SELECT target_commit_hash FROM website_x.tags)"
    )
    result = fresh.query(f"SELECT message FROM commits WHERE hash = '{digest}'")
    assert paths(result) == [f"{LISTING}/commit/{digest}", f"{LISTING}/refs", f"{LISTING}/commits"]
    assert paths(fresh.query(f"SELECT date FROM commits WHERE hash = '{digest}'")) == [
        f"{LISTING}/commit/{digest}"
    ]


def test_what_was_listed_just_now_takes_none(fresh):
    result = fresh.query(
        "SELECT c.hash, s.key FROM (SELECT hash FROM default_branch_commits LIMIT 5) c, LATERAL "
        "(SELECT key FROM commit_statuses WHERE commit_hash = c.hash OFFSET 0) s"
    )
    assert f"{LISTING}/refs" not in paths(result)
    assert len(paths(result)) == 7  # the repository, the commits, and the statuses of each


def test_many_refs_are_left_out_in_parts(fresh):
    """More refs than one address holds."""
    first = fresh.db.value("SELECT hash FROM website_x.commits ORDER BY date LIMIT 1")
    fresh.db.execute(
        "INSERT INTO website.tags (name, target_commit_hash) "
        f"SELECT 'a-' || g, '{first}' FROM generate_series(1, 70) g"
    )
    [digest, *_] = unlisted(fresh)
    assert fresh.db.rows(f"SELECT hash FROM website.commits WHERE hash = '{digest}'") == []
    last = fresh.db.value("SELECT hash FROM website_x.commits ORDER BY date DESC OFFSET 3 LIMIT 1")
    assert fresh.db.rows(f"SELECT hash FROM website.commits WHERE hash = '{last}'")


def test_a_status_is_not_overwritten_on_a_commit_that_is_not_listed(fresh):
    [digest] = _with_child(fresh, "commit_statuses")
    with pytest.raises(Exception, match=r"already|exists"):
        fresh.db.execute(
            "INSERT INTO website.commit_statuses (commit_hash, key, state, url) "
            f"VALUES ('{digest}', 'k', 'SUCCESSFUL', 'https://x')"
        )
