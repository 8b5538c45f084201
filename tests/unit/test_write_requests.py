"""Changed rows turned into requests: the tables' own declarations are what is under test."""

import uuid

import pytest

from bitbucket_fdw.errors import InvalidValue, MissingValue, ReadOnly, WriteError
from bitbucket_fdw.pushdown.typed_values import typed
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.writing import requests
from bitbucket_fdw.writing.changed_columns import changed

BOUND = {"workspace": "acme", "repository": "website"}
R = "/repositories/acme/website"
SOME_UUID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")


def sent(requests):
    return [(request.method, request.path, request.body) for request in requests]


def inserted(table, bound=BOUND, **values):
    return sent(requests.insert(BY_NAME[table], bound, values))


def updated(table, old, bound=BOUND, **changes):
    return sent(update(table, old, bound, **changes))


def update(table, old, bound=BOUND, **changes):
    table = BY_NAME[table]
    return requests.update(table, bound, old, changed(table, old, {**old, **changes}))


def test_an_insert_sends_what_was_given():
    body = {"title": "t", "content": {"raw": "c"}, "assignee": {"uuid": f"{{{SOME_UUID}}}"}}
    assert inserted("issues", title="t", content_raw="c", kind=None, assignee_uuid=SOME_UUID) == [
        ("POST", f"{R}/issues", body)
    ]


def test_a_child_is_addressed_by_its_parents_id():
    assert inserted("issue_comments", issue_id=7, content_raw="c") == [
        ("POST", f"{R}/issues/7/comments", {"content": {"raw": "c"}})
    ]
    with pytest.raises(MissingValue, match="issue_id"):
        inserted("issue_comments", content_raw="c")


def test_an_update_sends_only_what_changed():
    old = {"id": 7, "title": "t", "kind": "bug", "component": "ui"}
    assert updated("issues", old, title="u") == [("PUT", f"{R}/issues/7", {"title": "u"})]
    assert updated("issues", old) == []


def test_null_clears_an_object_by_its_name():
    old = {"id": 7, "component": "ui", "assignee_account_id": "a"}
    assert updated("issues", old, component=None, assignee_account_id=None) == [
        ("PUT", f"{R}/issues/7", {"assignee": None, "component": None})
    ]


def test_an_update_can_be_taken_back():
    old = {"id": 7, "title": "t", "version": "1"}
    [request] = update("issues", old, title="u", version="2")
    assert sent([request.undo]) == [
        ("PUT", f"{R}/issues/7", {"title": "t", "version": {"name": "1"}})
    ]


def test_an_insert_is_taken_back_by_deleting_what_it_made():
    [request] = requests.insert(BY_NAME["issues"], BOUND, {"title": "t"})
    undo = requests.undo(request, {"id": 9}, BOUND)
    assert sent([undo]) == [("DELETE", f"{R}/issues/9", None)]


def test_a_pull_request_that_was_made_can_only_be_declined():
    [request] = requests.insert(
        BY_NAME["pull_requests"], BOUND, {"title": "t", "source_branch_name": "b"}
    )
    undo = requests.undo(request, {"id": 9}, BOUND)
    assert (undo.method, undo.path) == ("POST", f"{R}/pullrequests/9/decline")


def test_merging_takes_its_own_request_after_the_other_changes():
    old = {"id": 3, "state": "OPEN", "title": "t", "close_source_branch": False}
    changes = {
        "title": "u",
        "state": "MERGED",
        "merge_strategy": "squash",
        "close_source_branch": True,
    }
    assert updated("pull_requests", old, **changes) == [
        ("PUT", f"{R}/pullrequests/3", {"title": "u"}),
        (
            "POST",
            f"{R}/pullrequests/3/merge",
            {"merge_strategy": "squash", "close_source_branch": True},
        ),
    ]


def test_only_open_pull_requests_change():
    with pytest.raises(WriteError, match="MERGED"):
        updated("pull_requests", {"id": 3, "state": "MERGED", "title": "t"}, title="u")


def test_a_state_nothing_leads_to_is_refused():
    with pytest.raises(InvalidValue, match="state") as caught:
        updated("pull_requests", {"id": 3, "state": "OPEN"}, state="SUPERSEDED")
    assert "MERGED, DECLINED" in caught.value.hint


@pytest.mark.parametrize(
    "reviewers", [[str(SOME_UUID)], [f"{{{SOME_UUID}}}"], [{"uuid": str(SOME_UUID), "x": 1}]]
)
def test_reviewers_are_accounts(reviewers):
    [(_, _, body)] = inserted(
        "pull_requests", title="t", source_branch_name="b", reviewers=reviewers
    )
    assert body["reviewers"] == [{"uuid": f"{{{SOME_UUID}}}"}]


def test_reviewers_that_are_none_are_refused():
    with pytest.raises(InvalidValue, match="accounts"):
        inserted("pull_requests", title="t", source_branch_name="b", reviewers=[5])


def test_resolving_a_thread_and_taking_it_back():
    old = {"pull_request_id": 3, "id": 5, "resolved": False}
    [request] = update("pull_request_comments", old, resolved=True)
    path = f"{R}/pullrequests/3/comments/5/resolve"
    assert sent([request, request.undo]) == [("POST", path, None), ("DELETE", path, None)]


def test_a_verdict_is_a_row():
    assert inserted("pull_request_participants", pull_request_id=3, state="approved") == [
        ("POST", f"{R}/pullrequests/3/approve", None)
    ]
    old = {"pull_request_id": 3, "state": "changes_requested"}
    assert sent(requests.delete(BY_NAME["pull_request_participants"], BOUND, old)) == [
        ("DELETE", f"{R}/pullrequests/3/request-changes", None)
    ]
    with pytest.raises(ReadOnly, match="INSERT"):
        inserted("pull_request_participants", pull_request_id=3)


def test_names_are_encoded_in_paths():
    assert sent(requests.delete(BY_NAME["branches"], BOUND, {"name": "a/b#c"})) == [
        ("DELETE", f"{R}/refs/branches/a%2Fb%23c", None)
    ]


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_that_would_lead_elsewhere_is_refused(name):
    with pytest.raises(MissingValue):
        requests.delete(BY_NAME["branches"], BOUND, {"name": name})


def test_a_row_of_another_repository_is_refused():
    with pytest.raises(InvalidValue, match="repository"):
        inserted("issues", title="t", repository="other")
    assert inserted("issues", title="t", repository="website")


def test_a_column_that_is_only_read_is_refused_with_those_that_are_not():
    with pytest.raises(ReadOnly, match="votes") as caught:
        inserted("issues", title="t", votes=5)
    assert "title, content_raw" in caught.value.hint
    with pytest.raises(ReadOnly, match="id"):
        updated("issues", {"id": 7, "title": "t"}, id=8)


def test_times_that_differ_by_rounding_have_not_changed():
    column = BY_NAME["issues"].column("created_on")
    old = typed(column, "2024-01-02T03:04:05.123456789Z")
    new = typed(column, "2024-01-02 05:04:05.123457+02")
    later = typed(column, "2024-01-02 05:04:09+02")
    table = BY_NAME["issues"]
    same = {"id": 7, "created_on": old}
    assert changed(table, same, {"id": 7, "created_on": new}) == {}
    assert changed(table, same, {"id": 7, "created_on": later}) == {"created_on": later}
    with pytest.raises(ReadOnly, match="created_on"):
        updated("issues", same, created_on=later)


def test_a_value_outside_a_closed_set_is_refused():
    with pytest.raises(InvalidValue, match="kind") as caught:
        inserted("issues", title="t", kind="epic")
    assert "bug, enhancement" in caught.value.hint


def test_verbs_without_a_declaration_are_refused_with_a_reason():
    with pytest.raises(ReadOnly, match="takes no UPDATE") as caught:
        updated("branches", {"name": "b", "target_commit_hash": "x"}, target_commit_hash="y")
    assert "delete it" in caught.value.hint
    with pytest.raises(ReadOnly, match="takes no INSERT") as caught:
        inserted("pipelines", build_number=1)
    assert "only be read" in caught.value.hint


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_declarations_name_columns_that_exist(table):
    declared = [table.writes.insert, table.writes.update, table.writes.delete]
    declared += [t.write for t in (*table.writes.transitions, *table.writes.withdrawals)]
    for write in filter(None, declared):
        for field in write.fields:
            assert table.column(field.column)
            assert field.path or table.column(field.column).path
        assert requests._parameters(table, write)
