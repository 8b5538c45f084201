"""Conditions that no row can meet by the declaration: no request, and a notice that says why."""

from __future__ import annotations

import pytest

from bitbucket_fdw.pushdown import Condition, Request, plan
from bitbucket_fdw.pushdown.plan import Kind
from bitbucket_fdw.pushdown.shippable import ship
from bitbucket_fdw.tables import TABLES
from tests.support.fake_api import FakeApi
from tests.support.reading import Session

BOUND = {"workspace": "acme", "repository": "website"}
CLOSED = [(t, c) for t in TABLES for c in t.columns if c.filter and c.filter.values]
FORMED = [(t, c) for t in TABLES for c in t.columns if c.pattern]

closed = pytest.mark.parametrize(("table", "column"), CLOSED, ids=lambda one: one.name)
formed = pytest.mark.parametrize(("table", "column"), FORMED, ids=lambda one: one.name)


def planned(table, column, op, value):
    return plan(Request(table, BOUND, (Condition(column, op, value),), columns=frozenset()))


def test_there_are_such_columns():
    assert len(CLOSED) > 5
    assert len(FORMED) > 3


@closed
def test_a_value_in_other_letter_case_is_asked_for_nowhere(table, column):
    for value in column.filter.values:
        for op, given in (("=", value.swapcase()), ("in", (value.swapcase(), value.title()))):
            made = planned(table, column, op, given)
            assert made.kind is Kind.NOTHING, value
            assert {never.spelled for never in made.never} == {value}


@closed
def test_beside_the_right_value_another_case_of_it_is_left_out(table, column):
    value = column.filter.values[0]
    shipped = ship(Condition(column, "in", (value, value.swapcase())))
    assert shipped == ship(Condition(column, "in", (value,)))
    made = planned(table, column, "in", (value, value.swapcase()))
    assert made.kind is not Kind.NOTHING
    assert [never.value for never in made.never] == [value.swapcase()]


@closed
def test_a_value_that_may_be_new_is_asked_for_in_silence(table, column):
    made = planned(table, column, "=", "brand new")
    assert made.kind is not Kind.NOTHING
    assert made.never == ()


@closed
@pytest.mark.parametrize("op", ["<>", "not in", "<", "~~"])
def test_other_comparisons_are_met_by_other_values(table, column, op):
    value = column.filter.values[0].swapcase()
    made = planned(table, column, op, (value,) if op == "not in" else value)
    assert made.kind is not Kind.NOTHING
    assert made.never == ()


@formed
def test_a_value_of_another_form_is_asked_for_nowhere_and_told(table, column):
    assert column.form
    made = planned(table, column, "=", "1a2b3")
    assert made.kind is Kind.NOTHING
    assert [(never.column, never.form) for never in made.never] == [(column.name, column.form)]


@pytest.mark.parametrize(
    ("table", "column", "value", "said", "hint"),
    [
        ("pull_requests", "state", "open", '"open" is spelled "OPEN"', ""),
        ("commits", "hash", "1a2b3c4", 'can have hash "1a2b3c4"', "commits_by_prefix"),
        ("commit_statuses", "commit_hash", "1a2b3c4", "can have commit_hash", "40 digits"),
    ],
)
def test_it_is_told_once_and_nothing_is_asked(table, column, value, said, hint):
    api = FakeApi.of_repositories("website")
    session = Session.of(api)
    for _ in range(2):  # a join reads several times
        assert session.count(table, (column, "=", value)) == []
    [notice] = session.notices()
    assert said in notice.message
    assert hint in (notice.hint or "")
    assert notice.mild
    assert api.calls == []
