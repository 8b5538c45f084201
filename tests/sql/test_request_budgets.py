"""How many requests queries make: none may come to cost more than ``budgets`` allows."""

from __future__ import annotations

import pytest

from tests.sql.budgets import BUDGETS, Budget
from tests.sql.querying import Both


@pytest.mark.parametrize("budget", BUDGETS, ids=lambda budget: budget.name)
def test_a_query_makes_no_more_requests_than_it_may(fresh: Both, host: str, budget: Budget) -> None:
    result = fresh.query(budget.statement, on=budget.schema)
    assert len(result.requests) <= budget.allowed(host), "\n".join(result.lines)
    assert len(set(result.lines)) == len(result.lines)


def test_the_budgets_themselves() -> None:
    names = [budget.name for budget in BUDGETS]
    assert len(names) == len(set(names))
    assert len(BUDGETS) >= 80
    # What reads the comments or steps of each row needs a request for each of them, and no other.
    dear = [budget.name for budget in BUDGETS if budget.requests > 10]
    assert dear == ["those with comments", "those without", "the title for each comment"]
