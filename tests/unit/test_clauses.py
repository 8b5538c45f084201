"""Clauses of a changing statement that cannot be honoured: for every table and verb."""

import pytest

from bitbucket_fdw.errors import ReadOnly
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.writing.clauses import (
    check_returning,
    known_before_sending,
    refuse_on_conflict,
)

WRITTEN = [table for table in TABLES if table.writes.update or table.writes.transitions]


def test_on_conflict_is_refused_and_nothing_else_is():
    refuse_on_conflict(False)
    with pytest.raises(ReadOnly, match="ON CONFLICT"):
        refuse_on_conflict(True)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_what_a_delete_returns_was_read(table):
    check_returning(table, "delete", {column.name for column in table.columns})
    check_returning(table, "delete", None)


@pytest.mark.parametrize("table", TABLES, ids=lambda t: t.name)
def test_an_insert_returns_nothing_before_it_is_sent(table):
    for columns in ({table.columns[0].name}, None):
        with pytest.raises(ReadOnly, match="cannot be answered before COMMIT"):
            check_returning(table, "insert", columns)


@pytest.mark.parametrize("table", WRITTEN, ids=lambda t: t.name)
def test_an_update_returns_what_it_sets_and_its_key(table):
    known = known_before_sending(table)
    assert {*table.primary_key, "ctid"} <= known
    check_returning(table, "update", known)
    check_returning(table, "update", set())
    unknown = sorted({column.name for column in table.columns} - known)
    for name in unknown:
        with pytest.raises(ReadOnly, match=f"RETURNING {name} cannot") as raised:
            check_returning(table, "update", {*table.primary_key, name})
        assert "Return " in str(raised.value.hint)
    with pytest.raises(ReadOnly):
        check_returning(table, "update", None)  # the host does not tell which


def test_accounts_and_parts_of_objects_are_shown_otherwise_than_they_were_given():
    known = known_before_sending(BY_NAME["pull_requests"])
    assert {"title", "draft", "state"} <= known
    assert not {"reviewers", "updated_on"} & known
