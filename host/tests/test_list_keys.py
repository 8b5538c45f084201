"""Batched joins: what a wrapper is asked for lists of, and when they are used."""

from __future__ import annotations

from collections import Counter

import pytest
from cluster import Session
from fuzz_joins import NODE
from test_batched_joins import SERIES, values
from test_batched_joins import listed as listed
from test_batched_joins import outer as outer
from test_batched_joins import searching as searching

pytestmark = pytest.mark.beyond("looks up one key at a time")


def test_lists_of_a_column_that_is_no_key(session: Session, outer: str, searching: str) -> None:
    """The wrapper is told which columns are compared, and may search by any of them."""
    table = session.table(
        "id int, v int, k text",
        searching,
        rows=SERIES,
        path_keys="[(('id',), 1)]",
        list_keys="[(('v',), 10, 1, 1), (('k', 'v'), 5, 1, 1)]",
        size="(10**6, 100)",
    )
    query = f"SELECT l.id, t.id FROM l JOIN {table} t ON t.v = l.few AND t.id > l.id AND t.k <> ''"
    session.journal()
    rows = session.rows(query)
    assert sorted(rows) == [
        (n, m) for n in range(1, 26) for m in range(200) if m % 7 == n % 3 and m > n
    ]
    [call] = session.calls("get_list_keys")
    assert call["joined"] == ["v"]
    assert [qual[:3] for qual in call["quals"]] == [["k", "<>", ""]]
    assert values(session, query.replace(" AND t.k <> ''", "")) == [[1, 2, 0]]
    both = f"SELECT count(*) FROM l JOIN {table} t ON t.v = l.few AND t.k = 'k' || l.few"
    assert session.value(both) == sum(
        m % 7 == n % 3 == m % 5 for n in range(1, 26) for m in range(200)
    )
    [joined] = {tuple(call["joined"]) for call in session.calls("get_list_keys")}
    assert joined == ("k", "v")
    session.execute("SET multicorn.enable_batched_join = off")
    assert NODE not in session.plan(query)
    assert session.calls("get_list_keys") == []
    assert Counter(session.rows(query)) == Counter(rows)


@pytest.mark.parametrize("rows", ["0", "0.3", "1.4", "1.5", "9.43", "10"])
@pytest.mark.parametrize("each", [1, 10])
def test_a_list_wins_over_single_keys_whatever_the_planner_rounds(
    session: Session, outer: str, searching: str, rows: str, each: int
) -> None:
    """Even if it costs as much as its keys one by one: they are looked up at the same time."""
    table = session.table(
        "id int, v int",
        searching,
        rows=SERIES,
        path_keys=f"[(('id',), max(1, round({rows})))]",
        list_keys=f"[(('id',), 10, {rows}, {each} * {rows})]",
        size="(10**6, 106)",
    )
    assert NODE in session.plan(f"SELECT * FROM l JOIN {table} t USING (id)")


def test_nobody_asks_for_lists_where_nothing_is_compared(
    session: Session, outer: str, listed: str
) -> None:
    session.journal()
    session.execute(f"SELECT FROM l, {listed} t WHERE t.v = 1 AND t.id < l.id")
    session.execute(f"SELECT (SELECT t.id FROM {listed} t WHERE t.id = l.id) FROM l")
    assert session.calls("get_list_keys") == []
