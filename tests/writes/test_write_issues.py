"""Issues and their comments: rows, requests, and what is refused before one is made."""

import uuid

import pytest

from tests.writes.writing import R, account, document, documents

ISSUES = f"{R}/issues"


def test_an_insert_sends_what_is_given_and_returns_what_bitbucket_made(sql, emulator):
    ben = account(emulator, "ben")
    done = sql.run(
        "INSERT INTO issues (title, content_raw, kind, priority, state, assignee_uuid, component, "
        "milestone, version) VALUES ('Größe \"x\"', E'a\\nb', 'task', 'critical', 'open', %s, "
        "'Back office', $$M2 'spring'$$, '2.0-beta') "
        "RETURNING workspace, repository, id, state, assignee_nickname, reporter_nickname, votes, "
        "created_on = updated_on, links_html_href",
        (ben["uuid"],),
    )
    body = {
        "title": 'Größe "x"',
        "content": {"raw": "a\nb"},
        "kind": "task",
        "priority": "critical",
        "state": "open",
        "assignee": {"uuid": ben["uuid"]},
        "component": {"name": "Back office"},
        "milestone": {"name": "M2 'spring'"},
        "version": {"name": "2.0-beta"},
    }
    assert done.sent == [("POST", ISSUES, body)]
    assert done.read == []
    link = "https://bitbucket.org/acme/website/issues/46"
    assert done.row == ("acme", "website", 46, "open", "ben", "ada", 0, True, link)
    made = document(emulator, "issues", 46)
    assert made["content"]["raw"] == "a\nb"
    assert made["milestone"]["name"] == "M2 'spring'"


def test_a_title_is_enough(sql, emulator):
    done = sql.run("INSERT INTO issues (title) VALUES ('t') RETURNING kind, priority, state")
    assert done.sent == [("POST", ISSUES, {"title": "t"})]
    assert done.row == ("bug", "major", "new")


def test_an_update_sends_changed_columns_only(sql, emulator):
    before = document(emulator, "issues", 3)
    done = sql.run(
        "UPDATE issues SET title = 'new', kind = kind, content_raw = content_raw, "
        "priority = 'blocker' WHERE id = 3 RETURNING title, priority, kind, edited_on IS NOT NULL"
    )
    assert done.sent == [("PUT", f"{ISSUES}/3", {"title": "new", "priority": "blocker"})]
    assert done.read == [f"{ISSUES}/3"]
    assert done.row == ("new", "blocker", before["kind"], True)
    after = document(emulator, "issues", 3)
    assert after["version"] == before["version"]


def test_an_update_that_changes_nothing_sends_nothing(sql):
    done = sql.run("UPDATE issues SET title = title, version = version WHERE id IN (1, 2, 3)")
    assert done.sent == []


def test_null_clears(sql, emulator):
    assert document(emulator, "issues", 3)["assignee"] is not None
    done = sql.run(
        "UPDATE issues SET assignee_uuid = NULL, milestone = NULL, version = NULL, "
        "content_raw = NULL WHERE id = 3 RETURNING assignee_account_id, milestone, version"
    )
    assert done.sent == [
        (
            "PUT",
            f"{ISSUES}/3",
            {"assignee": None, "milestone": None, "version": None, "content": {"raw": ""}},
        )
    ]
    assert done.row == (None, None, None)
    assert document(emulator, "issues", 3)["assignee"] is None


def test_an_assignee_can_be_named_by_uuid_or_account_id(sql, emulator):
    goro = account(emulator, "goro")
    done = sql.run(
        "UPDATE issues SET assignee_account_id = %s WHERE id = 2 RETURNING assignee_uuid",
        (goro["account_id"],),
    )
    assert done.sent == [("PUT", f"{ISSUES}/2", {"assignee": {"account_id": goro["account_id"]}})]
    assert done.row == (uuid.UUID(goro["uuid"].strip("{}")),)


def test_a_delete_of_a_key_reads_and_deletes_that_issue(sql, emulator):
    done = sql.run("DELETE FROM issues WHERE id = 4 RETURNING id, kind")
    assert done.sent == [("DELETE", f"{ISSUES}/4", None)]
    assert done.row[0] == 4
    assert document(emulator, "issues", 4) is None


def test_a_condition_selects_what_is_deleted(sql, emulator):
    expected = {i["id"] for i in documents(emulator, "issues") if i["kind"] == "proposal"}
    done = sql.run("DELETE FROM issues WHERE kind = 'proposal'")
    assert {path for _, path, _ in done.sent} == {f"{ISSUES}/{number}" for number in expected}
    left = documents(emulator, "issues")
    assert len(left) == 45 - len(expected)
    assert all(issue["kind"] != "proposal" for issue in left)


def test_no_row_no_request(sql):
    for statement in ("UPDATE issues SET title = 'x'", "DELETE FROM issues"):
        assert sql.run(f"{statement} WHERE id = 99999").sent == []


@pytest.mark.parametrize(
    ("statement", "sqlstate", "says", "hint"),
    [
        ("INSERT INTO issues (kind) VALUES ('bug')", "23502", "title must be given", "title"),
        ("INSERT INTO issues (title, votes) VALUES ('t', 3)", "0A000", "votes", "title, content"),
        ("INSERT INTO issues (title, id) VALUES ('t', 3)", "0A000", "id", "title, content"),
        ("INSERT INTO issues (title, created_on) VALUES ('t', now())", "0A000", "created_on", ""),
        ("INSERT INTO issues (title, kind) VALUES ('t', 'epic')", "22023", "'epic' is no kind", ""),
        ("INSERT INTO issues (title, state) VALUES ('t', 'NEW')", "22023", "state", "on hold"),
        ("INSERT INTO issues (title, repository) VALUES ('t', 'x')", "22023", "'website'", ""),
        ("UPDATE issues SET votes = 7 WHERE id = 1", "0A000", "votes", "title, content_raw"),
        ("UPDATE issues SET priority = 'p1' WHERE id = 1", "22023", "'p1' is no priority", ""),
        ("UPDATE issues SET created_on = now() WHERE id = 1", "0A000", "created_on", ""),
        ("UPDATE issues SET reporter_uuid = NULL WHERE id = 1", "0A000", "reporter_uuid", ""),
        ("UPDATE issues SET title = NULL WHERE id = 1", "23502", "title cannot be set to NULL", ""),
        ("UPDATE issues SET kind = NULL WHERE id = 1", "23502", "kind cannot be set", "bug, enh"),
        ("UPDATE issues SET id = 99 WHERE id = 1", "HV000", "cannot change its key", "Insert"),
        ("UPDATE issues SET id = NULL WHERE id = 1", "HV000", "cannot change its key", ""),
        ("UPDATE issues SET repository = 'x' WHERE id = 1", "HV000", "cannot change its key", ""),
        ("INSERT INTO issue_comments (content_raw) VALUES ('c')", "23502", "issue_id", ""),
        ("INSERT INTO issue_comments (issue_id) VALUES (1)", "23502", "content_raw", ""),
        ("UPDATE issue_comments SET issue_id = 5 WHERE issue_id = 4", "HV000", "its key", ""),
    ],
)
def test_what_bitbucket_would_not_take_is_refused_here(sql, statement, sqlstate, says, hint):
    with sql.failing(sqlstate, match=says) as failed:
        sql.run(statement)
    assert failed.done.sent == []
    assert hint in failed.hint


def test_what_bitbucket_refuses_is_shown_with_the_field(sql):
    with sql.failing("HV000", match="was answered 400") as failed:
        sql.run("INSERT INTO issues (title, component) VALUES ('t', 'no such')")
    assert failed.message == f"issues: POST {ISSUES} was answered 400 Bad Request"
    assert "component: component 'no such' does not exist." in failed.detail


def test_a_title_cannot_be_emptied(sql):
    with sql.failing(match="was answered 400") as failed:
        sql.run("UPDATE issues SET title = '' WHERE id = 1")
    assert "title: This field may not be blank." in failed.detail


def test_comments(sql, emulator):
    made = sql.run(
        "INSERT INTO issue_comments (issue_id, content_raw) VALUES (2, 'first') "
        "RETURNING id, issue_id, user_nickname, content_html"
    )
    comments = f"{ISSUES}/2/comments"
    number = made.row[0]
    assert made.sent == [("POST", comments, {"content": {"raw": "first"}})]
    assert made.row[1:] == (2, "ada", "<p>first</p>")

    changed = sql.run(
        "UPDATE issue_comments SET content_raw = 'second' WHERE issue_id = 2 AND id = %s "
        "RETURNING content_raw, updated_on IS NOT NULL",
        (number,),
    )
    assert changed.sent == [("PUT", f"{comments}/{number}", {"content": {"raw": "second"}})]
    assert changed.row == ("second", True)

    gone = sql.run("DELETE FROM issue_comments WHERE issue_id = 2 AND id = %s", (number,))
    assert gone.sent == [("DELETE", f"{comments}/{number}", None)]
    assert document(emulator, "issue_comments", number, issue_id=2) is None


def test_comments_of_several_issues_change_at_once(sql, emulator):
    expected = {(4, c["id"]) for c in documents(emulator, "issue_comments", issue_id=4)}
    expected |= {(8, c["id"]) for c in documents(emulator, "issue_comments", issue_id=8)}
    done = sql.run("UPDATE issue_comments SET content_raw = 'x' WHERE issue_id IN (4, 8)")
    assert {path for _, path, _ in done.sent} == {
        f"{ISSUES}/{issue}/comments/{number}" for issue, number in expected
    }
    done = sql.run("DELETE FROM issue_comments WHERE issue_id IN (4, 8)")
    assert len(done.sent) == len(expected)
    for issue in (4, 8):
        assert documents(emulator, "issue_comments", issue_id=issue) == []


@pytest.mark.parametrize("columns", ["assignee_uuid, assignee_account_id", None])
def test_null_does_not_undo_what_another_column_sets(sql, emulator, columns):
    ben, ada = account(emulator, "ben"), account(emulator, "ada")
    sql.run("UPDATE issues SET assignee_uuid = %s WHERE id = 3", (ada["uuid"],))
    if columns:
        change = ("assignee_uuid = %s, assignee_account_id = NULL", ben["uuid"])
    else:
        change = ("assignee_uuid = NULL, assignee_account_id = %s", ben["account_id"])
    done = sql.run(
        f"UPDATE issues SET {change[0]} WHERE id = 3 RETURNING assignee_nickname", change[1:]
    )
    key = "uuid" if columns else "account_id"
    assert done.sent == [("PUT", f"{ISSUES}/3", {"assignee": {key: ben[key]}})]
    assert done.row == ("ben",)
