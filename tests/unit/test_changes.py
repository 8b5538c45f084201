"""Which columns a statement changes, told from rows, or from what is kept of them."""

import math
import tracemalloc
import uuid
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_fdw.pushdown.typed_values import typed_row
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.writing.changed_columns import ColumnMarks, changed
from bitbucket_fdw.writing.statement_rows import WHOLE, StatementRows, Statements

PULLS = BY_NAME["pull_requests"]
STATUSES = BY_NAME["commit_statuses"]
NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, timezone.utc)

times = st.datetimes(
    datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(timezone.utc)
) | st.sampled_from(["04.03.2024 10:02:03 JST", "infinity"])
json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
VALUES = {
    "text": st.text(),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "integer": st.integers(-(2**31), 2**31 - 1),
    "boolean": st.booleans(),
    "uuid": st.uuids(),
    "timestamptz": times,
    "jsonb": st.lists(json) | st.dictionaries(st.text(), json),
}
BY_TYPE = {column.type: (t, column) for t in TABLES for column in t.columns}


def test_zero_is_not_false_in_a_document():
    table, column = BY_TYPE["jsonb"]
    for old, new in (([0], [False]), ({"a": [1]}, {"a": [True]})):
        assert changed(table, {column.name: old}, {column.name: new}) == {column.name: new}


@pytest.mark.parametrize("type_name", sorted(BY_TYPE))
def test_marks_tell_the_changes_that_the_values_tell(type_name):
    table, column = BY_TYPE[type_name]
    value = st.none() | VALUES[type_name]

    @given(value, value)
    def check(old, new):
        marks = ColumnMarks.of(table, (column.name,), {column.name: old})
        for later in (new, old):
            expected = changed(table, {column.name: old}, {column.name: later})
            assert marks.changed(table, {column.name: later}) == expected

    check()


@pytest.mark.parametrize("seconds", [0, 0.4, -0.4, 2, -2, 3600])
def test_a_rounded_time_is_the_same_one(seconds):
    later = {"created_on": NOW + timedelta(seconds=seconds)}
    marks = ColumnMarks.of(PULLS, ("created_on",), {"created_on": NOW})
    expected = later if abs(seconds) > 1 else {}
    assert marks.changed(PULLS, later) == changed(PULLS, {"created_on": NOW}, later) == expected


# --- rows that a statement has read ---


def pull(number, **more):
    row: dict[str, Any] = {column.name: None for column in PULLS.columns}
    title = f"Pull request number {number}"
    row.update(workspace="acme", repository="website", id=number, state="OPEN", title=title)
    row.update(description="long " * 200, created_on=NOW, author_uuid=uuid.UUID(int=number))
    return typed_row(PULLS, {**row, **more})


def test_of_the_rows_before_the_latest_what_tells_changes_is_kept():
    seen = StatementRows(PULLS)
    count = WHOLE + 10
    for number in range(count):
        seen.add(number, pull(number))
    whole = [n for n in range(count) if seen.candidates(n)[0].whole]
    assert whole == list(range(10, count))
    [first] = seen.candidates(3)
    key = {"workspace": "acme", "repository": "website", "id": 3}
    assert first.known(PULLS) == {**key, "state": "OPEN"}
    assert first.key(PULLS) == ("acme", "website", "3")
    assert first.changed(PULLS, pull(3)) == {}
    assert first.changed(PULLS, pull(3, title="x", draft=True)) == {"title": "x", "draft": True}
    assert first.changed(PULLS, {**pull(3), "never_read": 1}) is None


def test_what_any_update_needs_is_kept_too():
    seen = StatementRows(STATUSES)
    # What tells rows of one key apart; the state is read again before it is sent along.
    row = {"workspace": "w", "repository": "r", "commit_hash": "c", "created_on": None, "url": "u"}
    for number in range(WHOLE + 1):
        seen.add(number, {**row, "key": str(number)})
    [first] = seen.candidates(0)
    expected = {name: value for name, value in row.items() if name != "url"}
    assert first.known(STATUSES) == {**expected, "key": "0"}


def test_one_value_for_several_rows_and_one_row_read_again():
    seen = StatementRows(PULLS)
    seen.add(1, pull(1))
    seen.add(1, pull(1, repository="other"))
    seen.add(1, pull(1, title="read again"))
    titles = [row.known(PULLS)["title"] for row in seen.candidates(1)]
    assert titles == ["Pull request number 1", "read again"]
    seen.delete(1)
    assert seen.deleted(1)
    assert seen.candidates(1) == ()


def test_a_row_is_replaced_where_it_stands():
    seen = StatementRows(PULLS)
    for number in range(WHOLE + 1):
        seen.add(number, pull(number))
    for number in (0, 1):
        seen.replace(number, pull(number, title="new"))
    assert [seen.candidates(n)[0].whole for n in (0, 1, 2)] == [False, True, True]
    assert seen.candidates(0)[0].changed(PULLS, pull(0, title="new")) == {}
    assert seen.candidates(1)[0].changed(PULLS, pull(1, title="new")) == {}
    seen.add(WHOLE + 1, pull(WHOLE + 1))
    assert not seen.candidates(1)[0].whole


def test_memory_of_a_row_has_a_bound_whatever_its_size():
    seen = StatementRows(PULLS)
    for number in range(WHOLE):
        seen.add(f"https://bitbucket.org/acme/website/pull-requests/{number}", pull(number))
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        count = 5_000
        for number in range(WHOLE, WHOLE + count):
            address = f"https://bitbucket.org/acme/website/pull-requests/{number}"
            seen.add(address, pull(number, description=f"{number} " * 1_000))
        # As many are kept whole as before, but larger ones: those are not counted.
        for number in range(count, WHOLE + count):
            seen.delete(f"https://bitbucket.org/acme/website/pull-requests/{number}")
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    each = math.ceil((after - before) / (count - WHOLE))
    assert each < 1_500


# --- statements within statements ---


def began(statements, depth=0, level=1):
    statements.begin(depth, level, since=0)
    statements.current.seen.add(depth, pull(depth))


def test_an_inner_statement_leaves_the_outer_ones_rows():
    statements = Statements(PULLS)
    began(statements)
    began(statements, depth=1)
    assert statements.candidates(0)
    assert statements.candidates(1)
    statements.end(1)
    statements.end(1)  # it had two changes of the table
    assert statements.candidates(0)
    assert not statements.candidates(1)
    statements.end(0)
    assert not statements


def test_a_statement_is_planned_and_begins():
    statements = Statements(PULLS)
    statements.begin(0, 1, since=3)
    statements.begin(0, 1, since=5)
    assert statements.current.since == 5
    statements.end(0)
    assert not statements


def test_a_statement_that_was_only_planned_within_is_dropped():
    statements = Statements(PULLS)
    began(statements)
    statements.begin(1, 1, since=0)
    assert statements.candidates(0)
    statements.end(0)
    assert not statements


def test_a_rollback_ends_its_own_statements_only():
    statements = Statements(PULLS)
    began(statements)
    began(statements, depth=1, level=2)
    statements.rolled_back(2)
    assert statements.candidates(0)
    assert not statements.candidates(1)
