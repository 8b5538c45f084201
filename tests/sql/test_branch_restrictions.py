"""Which repositories lack a rule: the example of the page against the emulator's data."""

from __future__ import annotations

import psycopg
import pytest
from devkit.emulator import Control

from bitbucket_fdw.tables import BY_NAME
from tests.sql.querying import Both, asked
from tests.support.fixtures import DatabaseFactory

RULE = "require_passing_builds_to_merge"
[EXAMPLE] = [text for text in BY_NAME["branch_restrictions"].examples if RULE in text]


def test_repositories_without_a_rule_that_requires_a_passing_build(sql: Both) -> None:
    state = sql.db.emulator.state()
    every = {row["repository"] for row in state["repositories"] if row["workspace"] == "acme"}
    ruled = {
        row["repository"]
        for row in state["branch_restrictions"]
        if row["workspace"] == "acme" and row["document"]["kind"] == RULE
    }
    assert ruled
    assert every - ruled
    sql.db.execute("SET search_path = website, acme")
    result = sql.db.query(EXAMPLE)
    assert sorted(row[0] for row in result.rows) == sorted(every - ruled)
    # One request for each repository, and each asks for rules of that kind only.
    own = [one for one in asked(result) if one.path.endswith("/branch-restrictions")]
    assert len(own) <= len(every)
    assert {one.one("kind") for one in own} == {RULE}


@pytest.mark.parametrize("column", ["kind", "pattern"])
def test_conditions_travel_as_parameters(sql: Both, column: str) -> None:
    value = sql.db.value(f"SELECT {column} FROM website_x.branch_restrictions LIMIT 1")
    result = sql.query(f"SELECT * FROM branch_restrictions WHERE {column} = '{value}'")
    [one] = asked(result)
    assert one.one(column) == value
    assert result.rows


def test_those_who_do_not_administer_a_repository(
    db_factory: DatabaseFactory, emulator: Control
) -> None:
    """In a workspace such a repository is left out with a warning, and by itself it is an error."""
    database = db_factory(emulator=emulator, credentials="ben-write")
    for place in ("acme", "acme/website"):
        schema = place.rpartition("/")[2]
        database.execute(f"CREATE SCHEMA {schema}")
        database.execute(
            f'IMPORT FOREIGN SCHEMA "{place}" LIMIT TO (branch_restrictions) '
            f"FROM SERVER bitbucket INTO {schema}"
        )
    database.execute(
        "IMPORT FOREIGN SCHEMA acme LIMIT TO (repositories, user_repository_permissions) "
        "FROM SERVER bitbucket INTO acme"
    )
    database.execute("SET search_path = acme")
    # Nothing is known of the rules of these repositories, so that the example names none of them.
    assert database.rows("SELECT slug FROM repositories")
    assert database.rows(EXAMPLE) == []
    result = database.query("SELECT * FROM acme.branch_restrictions")
    assert result.rows == []
    assert any("skipped" in notice for notice in result.notices)
    with pytest.raises(psycopg.Error, match="403"):
        database.query("SELECT * FROM website.branch_restrictions")
