"""Effective default reviewers are those of the repository and of its project; by key or listed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.sql.querying import Both, asked

PROJECTS = "project_default_reviewers"
Row = dict[str, Any]


def effective(state: dict[str, list[Row]]) -> Iterator[tuple[str, str, str]]:
    """Repository, account and where it comes from, by loops over the emulator's data."""

    def rows(name: str) -> Iterator[tuple[Row, Row]]:
        for row in state[name]:
            if row["workspace"] == "acme":
                yield row, row["document"]

    for _, repository in rows("repositories"):
        own = {
            document["uuid"]
            for row, document in rows("default_reviewers")
            if row["repository"] == repository["slug"]
        }
        for row, document in rows(PROJECTS):
            uuid = document["user"]["uuid"]
            if row["project_key"] == repository["project"]["key"] and uuid not in own:
                yield repository["slug"], uuid.strip("{}"), "project"
        for uuid in own:
            yield repository["slug"], uuid.strip("{}"), "repository"


def test_effective_ones_are_those_of_the_repository_and_of_its_project(sql: Both) -> None:
    expected = sorted(effective(sql.db.emulator.state()))
    result = sql.query(
        "SELECT repository, user_uuid::text, reviewer_type FROM effective_default_reviewers",
        on="acme",
    )
    assert sorted(result.rows) == expected
    assert {row[2] for row in expected} == {"repository", "project"}
    assert len({row[0] for row in expected}) > 1


def test_an_account_that_is_no_member_any_more_is_shown(sql: Both) -> None:
    former = sql.query(
        "SELECT user_display_name FROM effective_default_reviewers e WHERE user_type = 'user' "
        "AND NOT EXISTS (SELECT FROM workspace_members m WHERE m.user_uuid = e.user_uuid)",
        on="acme",
    )
    assert ("Former colleague",) in former.rows


@pytest.mark.parametrize(
    ("columns", "last"),
    [
        ("user_uuid, user_nickname, user_type", "item"),
        ("count(*)", "item"),
        ("user_nickname, reviewer_type", "listing"),
    ],
)
def test_an_item_without_a_member_is_not_read_for_it(sql: Both, columns: str, last: str) -> None:
    """The item of a project is the bare account. What a row says must not depend on the plan."""
    key, uuid = sql.db.rows(f"SELECT project_key, user_uuid FROM acme_x.{PROJECTS} LIMIT 1")[0]
    where = f"WHERE project_key = '{key}' AND user_uuid = '{uuid}'"
    result = sql.query(f"SELECT {columns} FROM {PROJECTS} {where}", on="acme")
    [one] = asked(result)
    assert one.path.endswith("/default-reviewers") is (last == "listing")
    assert result.rows
