"""Long lists, and listings that are left early: the rows of plain tables by few requests."""

from __future__ import annotations

import pytest
from devkit.cluster import literal

from tests.sql.querying import Both, asked

NEAR = ("-1 second", "-1 millisecond", "-1 microsecond", "0", "1 microsecond", "1 millisecond")


@pytest.mark.parametrize("zone", ["UTC", "America/St_Johns"])
def test_pipelines_since_a_time_are_those_of_the_plain_table(sql: Both, zone: str) -> None:
    sql.db.execute("SET TimeZone = 'UTC'")
    moments = sql.db.column("SELECT created_on::text FROM website_x.pipelines ORDER BY created_on")
    sql.db.execute(f"SET TimeZone = {literal(zone)}")
    for number, near in enumerate(NEAR):
        for moment in moments[number % 3 :: len(moments) // 4]:
            bound = f"{literal(moment)}::timestamptz + interval {literal(near)}"
            for condition in (
                f"created_on >= {bound}",
                f"created_on > {bound}",
                f"created_on = {bound}",
                f"created_on BETWEEN {bound} AND {bound} + interval '3 days'",
                f"created_on IN ({bound}, {literal(moments[-1])}) AND state_name <> 'x'",
                f"created_on::date = ({bound})::date",
            ):
                sql.query(f"SELECT build_number, created_on FROM pipelines WHERE {condition}")
            sql.query(f"SELECT count(*) FROM pipelines WHERE created_on >= {bound}")
            sql.query(
                f"SELECT build_number FROM pipelines WHERE created_on >= {bound} "
                "ORDER BY created_on DESC, build_number"
            )


def test_they_are_asked_for_newest_first(sql: Both) -> None:
    statement = "SELECT build_number FROM pipelines WHERE created_on >= '2024-01-01'"
    assert {one.sort for one in asked(sql.query(statement))} == {"-created_on"}
    assert "Read while: created_on >= '" in sql.explain(statement)
    for other in ("created_on < '2024-01-01'", "completed_on >= '2024-01-01'", "true"):
        result = sql.query(f"SELECT build_number FROM pipelines WHERE {other}")
        assert {one.sort for one in asked(result)} == {None}
    # What Bitbucket filters need not be sorted.
    result = sql.query("SELECT id FROM pull_requests WHERE created_on >= '2024-01-01'")
    assert {one.sort for one in asked(result)} == {None}


def test_every_repository_has_an_end_of_its_own(sql: Both) -> None:
    for bound in ("2024-01-01", "2025-06-01", "2026-06-01", "2030-01-01"):
        sql.query(
            f"SELECT repository, build_number FROM pipelines WHERE created_on > '{bound}'",
            on="acme",
        )


@pytest.mark.parametrize("count", [49, 51, 99, 149, 151, 300, 1000])
@pytest.mark.parametrize("table", ["pull_requests", "issues"])
def test_long_lists_have_the_rows_of_the_plain_table(sql: Both, table: str, count: int) -> None:
    for first in (1, 100):
        keys = ", ".join(map(str, range(first, first + count)))
        for condition in (
            f"id IN ({keys})",
            f"id IN ({keys}) AND state = 'OPEN'",
            f"id IN ({keys}) AND title LIKE '%e%'",
        ):
            sql.query(f"SELECT id, title FROM {table} WHERE {condition}")
            sql.query(f"SELECT count(*) FROM {table} WHERE {condition}")
            sql.query(f"SELECT id FROM {table} WHERE {condition} ORDER BY id LIMIT 7 OFFSET 2")
    assert "Or the whole listing" in sql.explain(
        f"SELECT id, title FROM {table} WHERE id IN ({', '.join(map(str, range(300)))})"
    )


def test_long_lists_of_uuids(sql: Both) -> None:
    known = sql.db.column(
        "SELECT DISTINCT author_uuid::text FROM website_x.pull_requests "
        "WHERE author_uuid IS NOT NULL"
    )
    made = [f"00000000-0000-4000-8000-{number:012}" for number in range(200)]
    for uuids in (known, known + made):
        written = ", ".join(f"'{uuid}'" for uuid in uuids)
        sql.query(f"SELECT id FROM pull_requests WHERE author_uuid IN ({written})")
