"""Batched joins with far more keys than the planner thought: the whole table is read."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cluster import Session
from fuzz_joins import NODE
from test_batched_joins import SERIES, asked
from test_batched_joins import searching as searching

pytestmark = pytest.mark.beyond("looks up one key at a time")

MANY = "unnest(ARRAY(SELECT generate_series(1, 150))) AS o (id)"  # ten, as the planner thinks


def dear_lists(session: Session, searching: str, key: str = "('id',)") -> str:
    """A table of which five lists of ten keys cost as much as all of it."""
    return session.table(
        "id int, v int, k text",
        searching,
        rows=SERIES,
        path_keys="[(('id',), 20)]",
        list_keys=f"[({key}, 10, 20, 20)]",
        size="(100, 50)",
    )


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("SELECT o.id, t.v FROM {} JOIN {} t USING (id)", [(n, n % 7) for n in range(1, 151)]),
        (
            "SELECT o.id, t.v FROM {} LEFT JOIN {} t ON t.id = o.id AND t.v = 1",
            [(n, 1 if n % 7 == 1 else None) for n in range(1, 151)],
        ),
        (
            "SELECT o.id, 0 FROM {} WHERE NOT EXISTS (SELECT FROM {} t WHERE t.id = o.id * 2)",
            [(n, 0) for n in range(100, 151)],
        ),
    ],
)
def test_the_whole_table_is_read_once_lists_have_cost_as_much(
    session: Session, searching: str, query: str, expected: list[Any]
) -> None:
    """There are far more keys than the planner thought."""
    query = query.format(MANY, dear_lists(session, searching))
    assert NODE in session.plan(query)
    assert Counter(session.rows(query)) == Counter(expected)
    scans = asked(session, query)
    lists = [quals for quals in scans if any(qual[0] == "id" for qual in quals)]
    assert len(lists) == 5
    assert len(scans) == 6
    shown = session.plan(query, "analyze, costs off, timing off")
    assert "Batches of Whole Table: 1" in shown


def test_the_whole_table_is_not_read_for_every_few_rows_that_memory_holds(
    session: Session, searching: str
) -> None:
    """Lists have to cost as much once more before it is read again."""
    table = dear_lists(session, searching)
    session.execute("SET work_mem = '64kB'")
    query = (
        f"SELECT count(*), count(DISTINCT t.id), sum(length(o.pad)) FROM (SELECT id, "
        f"repeat('x', 2000) AS pad FROM {MANY} OFFSET 0) o JOIN {table} t USING (id)"
    )
    assert NODE in session.plan(query)
    assert session.rows(query) == [(150, 150, 300_000)]
    scans = asked(session, query)
    whole = [quals for quals in scans if not quals]
    assert whole
    assert len(scans) >= 6 * len(whole)


def test_the_whole_table_is_not_read_where_some_rows_are_enough(
    session: Session, searching: str
) -> None:
    query = f"SELECT o.id FROM {MANY} JOIN {dear_lists(session, searching)} t USING (id) LIMIT 140"
    if NODE in session.plan(query):
        assert len(session.rows(query)) == 140
        assert all(quals for quals in asked(session, query))


def test_each_run_of_a_join_begins_with_lists(session: Session, searching: str) -> None:
    """What one run of a subquery has cost says nothing of the next."""
    table = dear_lists(session, searching)
    query = (
        "SELECT g, (SELECT count(*) FROM unnest(ARRAY(SELECT generate_series(1, n))) AS o (id) "
        f"JOIN {table} t USING (id)) FROM (VALUES (1, 120), (2, 30), (3, 10)) v (g, n)"
    )
    assert session.rows(query) == [(1, 120), (2, 30), (3, 10)]
    assert len([quals for quals in asked(session, query) if not quals]) == 1
