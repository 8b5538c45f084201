"""What EXPLAIN says that queries will take, against what they take: within a factor of two."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from benchmarks.questions import MANY, QUESTIONS
from tests.sql.budgets import BUDGETS, Budget
from tests.sql.querying import Both


@dataclass(frozen=True)
class Scan:
    """One foreign scan of a plan that was run.

    :param ended: whether something above it may have ended it early.
    :param batches: how many batches of keys a join has handed over to it; 0 for no such join.
    """

    node: dict[str, Any]
    ended: bool
    batches: int = 0

    def number(self, label: str) -> int:
        """The number in one of the wrapper's lines; 0 if there is no such line."""
        found = (re.match(rf"{label}: (\d+)", line) for line in self.node["Multicorn"])
        return next((int(match[1]) for match in found if match), 0)

    @property
    def runs(self) -> int:
        return int(self.node["Actual Loops"])

    @property
    def is_near(self) -> bool:
        """Whether the estimate for one run is near what all runs made.

        A list of keys is one request or one for each of them: EXPLAIN knows neither the keys nor
        their number.
        """
        each = self.number("Estimated requests")
        counts = {self.runs, self.batches} if self.batches else {self.runs}
        return any(is_near(each * count, self.made) for count in counts)

    @property
    def made(self) -> int:
        """Those that were made, and those whose answer the execution had already."""
        return self.number("Requests made") + self.number("Answers kept from before")

    @property
    def gives_all_rows(self) -> bool:
        """Whether its rows are those that the wrapper's estimate is of: read once, to the end, and
        none left out by PostgreSQL.
        """
        return (
            not (self.ended or self.batches)
            and self.runs == 1
            and not self.node.get("Rows Removed by Filter")
        )


def scans(node: dict[str, Any], ended: bool = False, batches: int = 0) -> Iterator[Scan]:
    if node["Node Type"] == "Foreign Scan":
        yield Scan(node, ended, batches)
    ended = ended or node["Node Type"] == "Limit"
    children = node.get("Plans", ())
    handed_over = max((child.get("Batches", 0) for child in children), default=0)
    for child in children:
        is_inner = child.get("Parent Relationship") == "Inner"
        yield from scans(child, ended, handed_over if is_inner else 0)


def is_near(one: float, other: float) -> bool:
    one, other = max(one, 1), max(other, 1)
    return max(one, other) <= 2 * min(one, other)


def explained(fresh: Both, budget: Budget) -> list[Scan]:
    """The scans of a budget's query, run and explained in a session that has run it before."""
    fresh.run(budget.statement, on=budget.schema)
    [[[plan]]] = fresh.run(
        f"EXPLAIN (ANALYZE, FORMAT JSON) {budget.statement}", on=budget.schema
    ).rows
    return list(scans(plan["Plan"]))


pytestmark = pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 tells the wrapper too little of a plan",
)


# What is measured beside other clients: no number of requests is stated for these.
MEASURED = tuple(
    Budget(f"measured: {question.name}", "website", question.sql, 0) for question in QUESTIONS
)


@pytest.fixture
def local(fresh: Both) -> Both:
    """With the table of PostgreSQL's own that a measured query joins."""
    fresh.db.execute("CREATE SCHEMA IF NOT EXISTS local; DROP TABLE IF EXISTS local.wanted")
    fresh.db.execute("CREATE TABLE local.wanted (id bigint PRIMARY KEY)")
    fresh.db.execute("INSERT INTO local.wanted SELECT unnest(%s::bigint[])", [list(MANY)])
    fresh.db.execute("ANALYZE local.wanted")
    return fresh


@pytest.mark.parametrize("budget", MEASURED, ids=lambda budget: budget.name)
def test_estimates_of_what_is_measured_are_near(local: Both, budget: Budget) -> None:
    test_estimates_are_near_once_sizes_are_known(local, budget)


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_estimates_are_near_once_sizes_are_known(fresh: Both, budget: Budget) -> None:
    for scan in explained(fresh, budget):
        assert scan.is_near, scan.node
        if scan.gives_all_rows:
            assert is_near(scan.node["Plan Rows"], scan.node["Actual Rows"]), scan.node


def test_most_of_the_queries_are_measured(fresh: Both) -> None:
    """So that the test above does not pass because it finds nothing to compare."""
    found = [scan for budget in BUDGETS[:14] for scan in explained(fresh, budget)]
    assert len(found) >= 12
    assert sum(scan.made for scan in found) >= 25
    assert sum(scan.gives_all_rows for scan in found) >= 10


def test_explain_asks_for_nothing(fresh: Both) -> None:
    for budget in BUDGETS:
        assert fresh.run(f"EXPLAIN {budget.statement}", on=budget.schema).requests == []
