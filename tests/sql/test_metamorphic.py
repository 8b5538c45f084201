"""One question, asked in several ways, has one answer: whatever plan, session or way of sending.

The statements are those of ``budgets``, and others made from the tables' declarations.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from devkit.cluster import identifier, literal

from bitbucket_fdw.tables import TABLES, Table
from bitbucket_fdw.tables.columns import Column
from bitbucket_fdw.tables.endpoints import SLUGS
from tests.sql.budgets import BUDGETS, Budget
from tests.sql.querying import Both
from tests.support.database import Result
from tests.support.declared import identity, is_deep, parents_columns, required

MOST = 250
"""Requests of any plan of any of the statements: a listing for each row of another table."""

CRASHING = ("steps of one build",)
"""EXPLAIN of these ends a session on Multicorn2: docs/limits.md says when."""


def shown(result: Result, statement: str) -> list[str]:
    """The rows; in order if the statement orders them."""
    rows = list(map(repr, result.rows))
    return rows if "ORDER BY" in statement.upper() else sorted(rows)


# --- every plan ---


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_every_way_to_plan_a_query_gives_the_same_rows(
    sql: Both, host: str, budget: Budget
) -> None:
    """With each of PostgreSQL's switches off; one that leaves the plan as it was is passed over."""
    if host != "bundled" and budget.name in CRASHING:
        pytest.skip("its plan cannot be looked at on Multicorn2")
    sql.db.execute(f"SET search_path = {budget.schema}_x")
    expected = shown(sql.db.query(budget.statement), budget.statement)
    sql.db.execute(f"SET search_path = {budget.schema}")
    plans = set()
    for switches in planner_switches(sql):
        for switch in switches:
            sql.db.execute(f"SET {switch} = off")
        plan = sql.db.explain(budget.statement, options="COSTS OFF")
        if plan not in plans:
            plans.add(plan)
            result = sql.db.query(budget.statement)
            assert shown(result, budget.statement) == expected, plan
            assert len(result.requests) <= MOST, plan
        for switch in switches:
            sql.db.execute(f"RESET {switch}")


def planner_switches(sql: Both) -> Iterator[tuple[str, ...]]:
    """None, each alone, and those together that leave one way to join."""
    yield ()
    for name in sql.db.column("SELECT name FROM pg_settings WHERE name LIKE 'enable\\_%'"):
        yield (name,)
    yield ("enable_hashjoin", "enable_mergejoin")
    yield ("enable_hashjoin", "enable_mergejoin", "enable_material", "enable_memoize")
    yield ("enable_nestloop", "enable_hashjoin")
    yield ("enable_nestloop", "enable_mergejoin")
    yield ("enable_hashagg", "enable_incremental_sort")


# --- every way to send it ---


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_a_prepared_statement_gives_the_same_rows_at_its_seventh_execution(
    sql: Both, host: str, budget: Budget
) -> None:
    expected = sql.query(budget.statement, on=budget.schema)
    sql.db.execute(f"PREPARE asked AS {budget.statement}")
    for turn in range(1, 8):
        if turn not in (1, 2, 7) and (host == "bundled" or budget.name not in CRASHING):
            sql.db.explain("EXECUTE asked")  # counts as a plan made, and asks nothing
            continue
        result = sql.db.query("EXECUTE asked")
        assert shown(result, budget.statement) == shown(expected, budget.statement)
        assert len(result.requests) <= max(len(expected.requests), budget.allowed(host))


def test_after_every_other_query_each_costs_no_more(fresh: Both, host: str) -> None:
    """What a session learns from one query leads no other astray."""
    for budget in (*BUDGETS, *reversed(BUDGETS)):
        result = fresh.query(budget.statement, on=budget.schema)
        assert len(result.requests) <= budget.allowed(host), budget.name


# --- conditions made from the declarations ---

# Of the tables below a pull request, an issue and the like: rows of some of these.
FEW_PARENTS = 3


def some_rows(sql: Both, table: type[Table]) -> str:
    """A condition that keeps a table to a few listings; empty for one that is one listing."""
    few = required(table)
    if not few and is_deep(table):
        few = [column for _, column in parents_columns(table) if column.param not in SLUGS]
    if not few:
        return "true"
    name = identifier(few[0].name)
    values = sql.db.column(
        f"SELECT {name}::text FROM website_x.{table.name} GROUP BY 1 "
        f"ORDER BY count(*) DESC, 1 LIMIT {FEW_PARENTS}"
    )
    return f"{name} IN ({', '.join(map(literal, values))})"


def predicates(sql: Both, table: type[Table], column: Column) -> Iterator[str]:
    """Conditions on a column that hold for some rows: of every kind that may be shipped."""
    name = identifier(column.name)
    yield f"{name} IS NULL"
    values = sql.db.column(
        f"SELECT {name}::text FROM website_x.{table.name} WHERE {name} IS NOT NULL "
        f"GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 2"
    )
    if not values or column.type not in (
        "text",
        "bigint",
        "integer",
        "boolean",
        "uuid",
        "timestamptz",
    ):
        return
    first, last = literal(values[0]), literal(values[-1])
    yield f"{name} = {first}"
    yield f"{name} IN ({first}, {last})"
    yield f"{name} <> {last}"
    if column.type != "boolean":
        yield f"{name} >= {first}"
    if column.type == "text":
        part = values[0][1:4].replace("\\", "").replace("%", "").replace("_", "")
        yield f"{name} LIKE {literal(f'%{part}%')}"
        yield f"{name} ILIKE {literal(f'%{part.upper()}%')}"


TESTED = [
    (table, column)
    for table in TABLES
    if table.level == "repository"
    for column in table.columns
    if column.filter or column.query or column.param or column.name in table.primary_key
]


@pytest.mark.parametrize(
    "table", [t for t in TABLES if t.level == "repository"], ids=lambda table: table.name
)
def test_a_condition_its_negation_and_its_absence_are_the_whole(
    sql: Both, table: type[Table]
) -> None:
    few = some_rows(sql, table)
    keys = ", ".join(map(identifier, identity(table)))
    sql.db.execute("SET search_path = website")
    whole = sorted(sql.db.rows(f"SELECT {keys} FROM {table.name} WHERE {few}"), key=repr)
    assert whole
    for column in [column for of, column in TESTED if of is table]:
        for condition in predicates(sql, table, column):
            parts = [
                sql.db.rows(f"SELECT {keys} FROM {table.name} WHERE {few} AND {part}")
                for part in (condition, f"NOT ({condition})", f"({condition}) IS NULL")
            ]
            assert sorted((row for part in parts for row in part), key=repr) == whole, condition
