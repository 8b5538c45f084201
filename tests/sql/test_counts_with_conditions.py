"""Counts with conditions: the same as of plain tables, by few requests."""

from __future__ import annotations

import pytest
from devkit.cluster import identifier, literal

from bitbucket_fdw.tables import TABLES, Table
from bitbucket_fdw.tables.columns import Column
from bitbucket_fdw.tables.types import Comparison
from tests.sql.querying import Both, asked, wanted
from tests.support.declared import is_deep

ZONES = ("UTC", "Asia/Tokyo", "America/St_Johns")
NEAR = ("-1 millisecond", "-1 microsecond", "0", "1 microsecond", "1 millisecond", "1 hour")


def with_filter(*comparisons: Comparison) -> list[tuple[type[Table], Column]]:
    """The columns of these kinds that Bitbucket filters, of tables that are cheap to read."""
    return [
        (table, column)
        for table in TABLES
        if table.level == "repository" and not is_deep(table) and table.collection.size
        for column in table.columns
        if column.filter is not None and column.data_type.comparison in comparisons
    ]


TIMES = with_filter(Comparison.TIME)
OTHERS = with_filter(Comparison.NUMBER, Comparison.IDENTITY)


def named(pair: tuple[type[Table], Column]) -> str:
    return f"{pair[0].name}.{pair[1].name}"


def values(sql: Both, table: type[Table], column: Column) -> list[str]:
    """The least, the middle and the greatest of a column's values."""
    name = identifier(column.name)
    found = sql.db.column(
        f"SELECT {name}::text FROM website_x.{table.name} WHERE {name} IS NOT NULL ORDER BY {name}"
    )
    return [found[n] for n in (0, len(found) // 2, -1)] if found else []


def test_enough_columns_are_asked_about() -> None:
    assert len(TIMES) >= 8
    assert len(OTHERS) >= 4


@pytest.mark.parametrize("pair", TIMES, ids=named)
def test_counts_by_time_are_those_of_plain_tables(
    sql: Both, pair: tuple[type[Table], Column]
) -> None:
    table, column = pair
    name, where = identifier(column.name), wanted(sql.db, table)
    sql.db.execute("SET TimeZone = 'UTC'")
    found = values(sql, table, column)
    for number, near in enumerate(NEAR):
        sql.db.execute(f"SET TimeZone = {literal(ZONES[number % len(ZONES)])}")
        for value in found:
            bound = f"{literal(value)}::timestamptz + interval {literal(near)}"
            for operator in (">=", ">", "<", "<="):
                condition = f"{name} {operator} {bound} AND {where}"
                sql.query(f"SELECT count(*) FROM {table.name} WHERE {condition}")
        if found:
            both = f"{name} > {literal(found[0])} AND {name} <= {literal(found[-1])}::timestamptz"
            sql.query(f"SELECT count(*) FROM {table.name} WHERE {both} AND {where}")
            # Here the values are seen.
            seen = f"count({name}), min({name}), max({name})"
            sql.query(f"SELECT {seen} FROM {table.name} WHERE {both} AND {where}")


@pytest.mark.parametrize("pair", OTHERS, ids=named)
def test_counts_by_keys_are_those_of_plain_tables(
    sql: Both, pair: tuple[type[Table], Column]
) -> None:
    table, column = pair
    name, where = identifier(column.name), wanted(sql.db, table)
    written = [f"{literal(value)}::{column.type}" for value in values(sql, table, column)]
    if not written:
        return
    conditions = [f"{name} IN ({', '.join(written)})", f"{name} = {written[0]}"]
    if column.data_type.comparison is Comparison.NUMBER:
        conditions += [f"{name} {operator} {written[1]}" for operator in (">", ">=", "<", "<=")]
        conditions += [f"{name} > {written[0]} AND {name} < {written[0]} + 2"]
    for condition in conditions:
        sql.query(f"SELECT count(*) FROM {table.name} WHERE {condition} AND {where}")
        sql.query(f"SELECT count(*), sum(1) FROM {table.name} WHERE {condition} OR {where}")


STATEMENTS = {
    "SELECT count(*) FROM pull_requests WHERE created_on >= '2024-01-01'": 2,
    "SELECT count(*) FROM pull_requests WHERE created_on < '2026-01-01' AND state = 'OPEN'": 2,
    "SELECT count(*) FROM pull_requests WHERE created_on >= '2020-01-01 00:00:00.5+05:30'": 2,
    "SELECT count(*) FROM pull_requests WHERE state IN ('OPEN', 'MERGED')": 1,
    "SELECT count(*) FROM pull_requests WHERE id > 20": 1,
    "SELECT count(*) FROM pull_requests WHERE id BETWEEN 20 AND 140": 1,
    "SELECT count(*) FROM issues WHERE id IN (1, 2, 3, 1000)": 1,
    "SELECT 1 FROM pull_requests WHERE id > 140": 1,
    "SELECT count(*) FROM pull_requests WHERE id > 5 AND created_on > '2020-01-01'": 2,
}


@pytest.mark.parametrize("statement", STATEMENTS)
def test_what_is_not_seen_is_not_read(fresh: Both, host: str, statement: str) -> None:
    result = fresh.query(statement)
    if host == "bundled":
        assert len(result.requests) <= STATEMENTS[statement], "\n".join(result.lines)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT max(created_on) FROM pull_requests WHERE created_on >= '2020-01-01'",
        "SELECT sum(id) FROM pull_requests WHERE id > 20",
        "SELECT count(*) FROM pull_requests WHERE id > 20 AND id % 2 = 0",
        "SELECT count(*) FROM pull_requests WHERE id > 20 AND (id > 40 OR state = 'OPEN')",
        "SELECT count(*) FROM pull_requests WHERE created_on >= '2020-01-01' "
        "AND extract(month from created_on) = 3",
        "SELECT count(*) FROM pull_requests p WHERE id > 20 AND p IS NOT NULL",
        "SELECT count(p) FROM pull_requests p WHERE id > 20",
        "SELECT count(*) FILTER (WHERE id > 40) FROM pull_requests WHERE id > 20",
        "SELECT count(*) FROM pull_requests p JOIN issues i USING (id) WHERE id > 20",
        "SELECT count(*) FROM pull_requests WHERE created_on::date >= '2020-01-01'",
        "SELECT state, count(*) FROM pull_requests WHERE created_on >= '2020-01-01' GROUP BY 1",
        "SELECT count(*) FROM issues WHERE id > 5 AND assignee_uuid IS NULL",
        "SELECT count(*) FROM issues WHERE id > 5 AND NOT id > 9",
        "SELECT count(*) FROM pull_requests WHERE id > 32767 OR id < 10",
        "SELECT count(*), id FROM pull_requests WHERE id > 20 GROUP BY id",
    ],
)
def test_what_is_seen_is_right(sql: Both, statement: str) -> None:
    sql.query(statement)


def test_two_columns_that_show_the_same_are_seen_if_one_is(sql: Both) -> None:
    sql.db.execute(
        "CREATE FOREIGN TABLE twice (id bigint, again bigint OPTIONS (column_name 'id')) "
        "SERVER bitbucket OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    try:
        plain = "SELECT sum(id) FROM website_x.issues WHERE id > 5"
        assert sql.db.value("SELECT sum(again) FROM twice WHERE id > 5") == sql.db.value(plain)
        counted = sql.db.query("SELECT count(*) FROM twice WHERE id > 5 AND again < 9")
        assert counted.rows == [(3,)]
    finally:
        sql.db.execute("DROP FOREIGN TABLE twice")


def test_explain_tells_of_it(sql: Both, host: str) -> None:
    if host == "bundled":
        plan = sql.explain("SELECT count(*) FROM pull_requests WHERE created_on >= '2024-01-01'")
        assert "Or only sizes, if fewer: 1, by created_on" in plan
        plan = sql.explain("SELECT count(*) FROM pull_requests WHERE id > 20")
        assert "(only its size)" in plan


def test_a_wide_statement_counts_each_repository(sql: Both) -> None:
    for statement in (
        "SELECT repository, count(*) FROM pull_requests WHERE created_on < '2025-06-01' GROUP BY 1",
        "SELECT count(*) FROM pull_requests WHERE id > 3",
        "SELECT count(*) FROM pull_requests WHERE updated_on >= '2024-05-05 05:05:05.000005'",
    ):
        assert asked(sql.query(statement, on="acme"))
