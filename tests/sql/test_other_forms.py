"""Conditions in the forms that programs write: the rows of plain tables, and what is asked for."""

from __future__ import annotations

import pytest

from tests.sql.querying import Both, asked

# What is sent on the bundled host. ``None``: the rows are read by their keys, or nothing is sent.
FORMS: dict[str, str | None] = {
    # Metabase, Superset: filters with several values, and ranges of time.
    "(state = 'OPEN' OR state = 'MERGED')": 'state IN ("OPEN", "MERGED")',
    "state = 'OPEN' OR state = 'OPEN'": 'state = "OPEN"',
    "state = 'OPEN' OR state = 'MERGED' OR state = 'DECLINED'": (
        'state IN ("OPEN", "MERGED", "DECLINED")'
    ),
    "(id = 3 OR id = 4) AND (state = 'OPEN' OR state = 'MERGED')": (
        'id IN (3, 4) AND state IN ("OPEN", "MERGED")'
    ),
    "state = ANY (ARRAY['OPEN', 'MERGED']::text[])": 'state IN ("OPEN", "MERGED")',
    "id = 3 OR id = ANY ('{4,5}')": "id IN (3, 4, 5)",
    # Tableau: a list, or NULL; conditions as values.
    "((id IN (3, 4)) OR (id IS NULL))": "id IN (3, 4)",
    "(state = 'OPEN') IS TRUE": 'state = "OPEN"',
    "NOT (id <> 3 AND id <> 4)": "id IN (3, 4)",
    # Power BI, DBArtisan: each condition with its test for NULL.
    "state = 'OPEN' AND state IS NOT NULL": 'state = "OPEN"',
    "id > 140 OR id IS NULL": "id > 140",
    "created_on >= '2025-01-01' OR created_on IS NULL": None,
    # dbt, and comparisons that are to hold for NULL as well.
    "state IS NOT DISTINCT FROM 'OPEN'": 'state = "OPEN"',
    "draft IS NOT DISTINCT FROM true": "draft = true",
    "author_uuid IS NOT DISTINCT FROM NULL": None,
    "author_uuid IS NULL OR author_uuid IS NOT DISTINCT FROM NULL": None,
    # Those that no list says.
    "state = 'OPEN' OR id = 3": None,
    "merge_commit_hash = 'x' OR merge_commit_hash IS NULL": None,
    "state = 'OPEN' OR title IS NULL": None,
    "state IS DISTINCT FROM 'OPEN'": None,
    "(state = 'OPEN') IS NOT FALSE": None,
}


@pytest.mark.parametrize("condition", FORMS)
def test_a_condition_is_sent_whatever_its_form(sql: Both, host: str, condition: str) -> None:
    sql.db.execute("SET TimeZone = 'UTC'")
    result = sql.query(f"SELECT id, state FROM pull_requests WHERE {condition}")
    if host == "bundled" and "title IS NULL" not in condition:
        assert {one.q for one in asked(result)} == {FORMS[condition]}
    sql.query(f"SELECT count(*) FROM pull_requests WHERE {condition}")
    sql.query(f"SELECT id FROM pull_requests WHERE {condition} ORDER BY id LIMIT 3")
    sql.query(f"SELECT id FROM pull_requests WHERE NOT ({condition})")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT r.slug, p.id FROM acme{x}.repositories r LEFT JOIN acme{x}.issues p "
        "ON p.repository = r.slug AND p.id = 1 WHERE p.id = 1 OR p.id IS NULL",
        "SELECT a.id, b.id FROM website{x}.issues a LEFT JOIN website{x}.issues b "
        "ON b.id = a.id + 40 WHERE b.id = 45 OR b.id IS NULL",
        "SELECT a.id, b.id FROM website{x}.issues b RIGHT JOIN website{x}.issues a "
        "ON b.id = a.id + 40 AND (b.id = 45 OR b.id IS NULL)",
        "SELECT count(*) FROM website{x}.issues a FULL JOIN website{x}.issues b "
        "ON b.id = a.id + 40 WHERE b.id < 3 OR b.id IS NULL OR a.id IS NULL",
    ],
)
def test_outer_joins_keep_what_they_make_null(sql: Both, statement: str) -> None:
    rows = sql.db.query(statement.format(x="")).rows
    assert sorted(map(repr, rows)) == sorted(map(repr, sql.db.query(statement.format(x="_x")).rows))
    assert rows


def test_values_of_parameters(sql: Both) -> None:
    for values in ((3, 4), (3, None), (None, None)):
        for condition in ("id = %s OR id = %s", "id IS NOT DISTINCT FROM %s OR id = %s"):
            sql.query(f"SELECT id FROM pull_requests WHERE {condition}", values)
