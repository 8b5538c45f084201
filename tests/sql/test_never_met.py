"""Conditions that no row can meet: no request, the same rows as of a local table, and a notice."""

from __future__ import annotations

import pytest

from tests.sql.querying import Both, asked


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT id FROM pull_requests WHERE state = 'open'", '"open" is spelled "OPEN"'),
        ("SELECT count(*) FROM issues WHERE kind IN ('BUG', 'Task')", '"Task" is spelled "task"'),
        ("SELECT date FROM commits WHERE hash = '1a2b3c4'", 'can have hash "1a2b3c4"'),
        (
            "SELECT key FROM commit_statuses WHERE commit_hash = '1a2b3c4'",
            'can have commit_hash "1a2b3c4"',
        ),
    ],
)
def test_nothing_is_asked_and_it_is_told_once(sql: Both, statement: str, said: str) -> None:
    for _ in range(2):
        result = sql.query(statement)
        assert asked(result) == []
        assert [said in notice for notice in result.notices] == [True]
        assert result.notices[0].startswith("NOTICE")


def test_the_right_value_beside_it_is_asked_for(sql: Both) -> None:
    result = sql.query("SELECT id FROM pull_requests WHERE state IN ('OPEN', 'open')")
    assert result.rows
    assert {one.one("q") for one in asked(result)} <= {'state = "OPEN"', None}
    assert any('"open" is spelled "OPEN"' in notice for notice in result.notices)


def test_a_comparison_without_letter_case_is_postgresqls(sql: Both) -> None:
    result = sql.query("SELECT id FROM pull_requests WHERE lower(state) = 'open'")
    assert result.rows
    assert result.notices == []
