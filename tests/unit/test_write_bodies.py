"""Bodies of requests, by the words of declarations that say what is sent and what is left out."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from bitbucket_fdw.errors import InvalidValue, MissingValue, WriteError
from bitbucket_fdw.tables import BY_NAME, TABLES, Table
from bitbucket_fdw.tables.writing import Field, Write
from bitbucket_fdw.writing.bodies import body_of, is_shown
from bitbucket_fdw.writing.requests import insert, update

BOUND = {"workspace": "acme", "repository": "website"}
RULES = BY_NAME["branch_restrictions"]
ONE, TWO = f"{{{uuid.UUID(int=1)}}}", f"{{{uuid.UUID(int=2)}}}"
EMPTY: tuple[Any, ...] = (None, "", [])


def declared(word: str) -> list[tuple[type[Table], Write, Field]]:
    """The fields of all tables that say something by this word."""
    return [
        (table, write, field)
        for table in TABLES
        for write in (table.writes.insert, table.writes.update)
        if write is not None
        for field in write.sent.values()
        if getattr(field, word)
    ]


def body(table: type[Table], write: Write, **values: Any) -> dict[str, Any] | None:
    return body_of(table, write, {}, values)


# --- what is left out ---


@pytest.mark.parametrize(
    ("table", "write", "field"), declared("sparse"), ids=lambda x: getattr(x, "column", "")
)
def test_nothing_is_sent_for_an_empty_value(table, write, field):
    place = (field.path or table.column(field.column).path or "").split(".")
    for value in EMPTY:
        sent: Any = body_of(table, write, {field.column: value}, {field.column: value})
        for name in place[:-1]:
            sent = sent.get(name, {})
        assert place[-1] not in sent


def test_a_rule_is_sent_whole_and_its_empty_lists_are_left_out():
    old = {
        "id": 7,
        "kind": "push",
        "branch_match_kind": "glob",
        "pattern": "main",
        "branch_type": None,
        "value": None,
        "groups": [],
        "users": [{"uuid": ONE, "account_id": "a", "display_name": "A"}],
    }
    [request] = update(RULES, BOUND, old, {"pattern": "release/*"})
    assert request.body == {
        "kind": "push",
        "branch_match_kind": "glob",
        "pattern": "release/*",
        "users": [{"uuid": ONE}],
    }
    assert request.undo is not None
    assert request.undo.body == {**request.body, "pattern": "main"}


def test_a_rule_goes_from_a_pattern_to_a_type_of_branches():
    old = {"id": 7, "kind": "force", "branch_match_kind": "glob", "pattern": "main"}
    changes = {"branch_match_kind": "branching_model", "branch_type": "release", "pattern": None}
    [request] = update(RULES, BOUND, old, changes)
    assert request.body == {
        "kind": "force",
        "branch_match_kind": "branching_model",
        "branch_type": "release",
    }
    assert request.undo is not None
    assert request.undo.body == {"kind": "force", "branch_match_kind": "glob", "pattern": "main"}


# --- what a missing member means ---


@pytest.mark.parametrize(
    ("table", "write", "field"), declared("absent"), ids=lambda x: getattr(x, "column", "")
)
def test_what_a_missing_member_means_is_sent_for_null(table, write, field):
    sent: Any = body(table, write, **{field.column: None})
    for name in (field.path or table.column(field.column).path or "").split("."):
        sent = sent[name]
    assert sent == field.absent
    assert is_shown(field, field.absent, None)
    assert is_shown(field, None, None)


def test_an_old_rule_is_one_for_a_pattern():
    old = {"id": 7, "kind": "delete", "branch_match_kind": None, "pattern": "main"}
    [request] = update(RULES, BOUND, old, {"pattern": "dev"})
    assert request.body == {"kind": "delete", "branch_match_kind": "glob", "pattern": "dev"}


# --- NULL where Bitbucket takes none ---

SETTABLE = [
    (table, field)
    for table in TABLES
    if table.writes.update
    for field in table.writes.update.fields
]


def never_null(table: type[Table], field: Field) -> bool:
    """Whether the declaration says that there is always a value."""
    cleared = field.sparse or field.nullable or field.clear or field.absent is not None
    insert_of = table.writes.insert.fields if table.writes.insert else ()
    made = {f.column for f in insert_of if f.required}
    is_boolean = table.column(field.column).type == "boolean"
    return not cleared and bool(field.values or field.column in made or is_boolean)


@pytest.mark.parametrize(
    ("table", "field"), SETTABLE, ids=lambda x: getattr(x, "name", getattr(x, "column", ""))
)
def test_null_is_refused_where_there_is_always_a_value(table, field):
    old: Any = dict.fromkeys(table.primary_key, "x")
    old |= dict([table.writes.only]) if table.writes.only else {}
    if not never_null(table, field):
        try:
            [request] = update(table, BOUND, old, {field.column: None})
        except MissingValue:
            assert table.column(field.column).data_type.null_in_body is None
        else:
            assert "None" not in str(request.body) or field.clear or field.nullable
        return
    with pytest.raises(WriteError, match=f"{field.column} cannot be set to N") as caught:
        update(table, BOUND, old, {field.column: None})
    assert caught.value.sqlstate in ("23502", "22023")
    assert all(value in (caught.value.hint or "") for value in field.values)


@pytest.mark.parametrize(
    ("table", "old", "changed"),
    [
        ("pull_requests", {"id": 1, "state": "OPEN", "draft": None}, {"draft": True}),
        ("commit_statuses", {"commit_hash": "a", "key": "k", "state": None}, {"state": "FAILED"}),
    ],
)
def test_what_was_null_before_is_no_reason_to_refuse_a_value(table, old, changed):
    """The request that takes a change back is made with what Bitbucket has shown."""
    [request] = update(BY_NAME[table], BOUND, old, changed)
    assert request.undo is not None


# --- lists of accounts and groups ---


@pytest.mark.parametrize(
    "groups", [["developers"], [{"slug": "developers"}], [{"slug": "developers", "name": "D"}]]
)
def test_groups_go_by_slug(groups):
    values = {"kind": "push", "branch_match_kind": "glob", "pattern": "x", "groups": groups}
    [request] = insert(RULES, BOUND, values)
    assert request.body is not None
    assert request.body["groups"] == [{"slug": "developers"}]


@pytest.mark.parametrize("groups", [[{"name": "Developers"}], [5], "developers", {"slug": "x"}])
def test_what_names_no_group_is_refused(groups):
    values = {"kind": "push", "branch_match_kind": "glob", "pattern": "x", "groups": groups}
    with pytest.raises(InvalidValue, match="no list of groups") as caught:
        insert(RULES, BOUND, values)
    assert "slug" in (caught.value.hint or "")


A, B = {"uuid": ONE, "account_id": "a", "nickname": "a"}, {"uuid": TWO, "account_id": "b"}


@pytest.mark.parametrize(
    ("sent", "answered", "same"),
    [
        ([A, B], [B, A], True),
        ([{"account_id": "b"}, ONE], [A, B], True),
        ([ONE, ONE], [A], True),
        ([ONE, ONE], [A, A], True),
        ([A["uuid"], {"account_id": A["account_id"]}], [A], True),
        ([A["uuid"].upper()], [A], True),
        ([A], [{"uuid": A["uuid"]}], True),
        ([A], [A, B], False),
        ([A, B], [A], False),
        ([A], [B], False),
        ([], None, True),
        (None, [], True),
        ([], [A], False),
        ([A], None, False),
    ],
)
def test_lists_of_accounts_are_compared_as_sets(sent, answered, same):
    assert is_shown(Field("users", accounts=True, sparse=True), sent, answered) is same


@pytest.mark.parametrize(
    ("sent", "answered", "same"),
    [
        (["x", {"slug": "y"}], [{"slug": "y", "name": "Y"}, {"slug": "x"}], True),
        (["x", "x"], [{"slug": "x"}, {"slug": "x"}], True),
        (["x"], [{"slug": "y"}], False),
    ],
)
def test_lists_of_groups_are_compared_as_sets(sent, answered, same):
    assert is_shown(Field("groups", groups=True), sent, answered) is same


def test_other_values_are_compared_as_they_are():
    assert is_shown(Field("value"), 2, 2)
    assert not is_shown(Field("value"), 2, 3)
    assert not is_shown(Field("pattern", sparse=True), "x", "y")
    assert not is_shown(Field("pattern", sparse=True), None, "y")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_what_is_checked_is_what_is_sent(table):
    for write in filter(None, (table.writes.insert, table.writes.update)):
        assert {*write.checked} <= {*write.sent}
