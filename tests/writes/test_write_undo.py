"""What a rollback must not destroy while it takes changes back."""

import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.endpoints import SLUGS
from tests.writes.changes import Change
from tests.writes.writing import R, document, documents, project, user_id

PULLS = f"{R}/pullrequests"
PULL = 44  # open, and without ada's verdict


def verdict(emulator, nickname, pull=PULL):
    """The state of an account's verdict on a pull request."""
    uuid = f"{{{user_id(emulator, nickname)}}}"
    found = document(emulator, "pull_requests", pull)["participants"]
    return next((p["state"] for p in found if p["user"]["uuid"] == uuid), None)


def give(session, state, pull=PULL):
    return session.run(
        "INSERT INTO pull_request_participants (pull_request_id, state) VALUES (%s, %s)",
        (pull, state),
    )


# --- verdicts ---


@pytest.mark.parametrize("given", ["approved", "changes_requested"])
@pytest.mark.parametrize("before", ["approved", "changes_requested", None])
def test_the_verdict_that_was_there_comes_back(undone, emulator, before, given):
    if before:
        give(undone, before)
    undone.run("BEGIN")
    give(undone, given)
    assert verdict(emulator, "ada") == given
    assert undone.run("ROLLBACK").notices == []
    assert verdict(emulator, "ada") == before


@pytest.mark.parametrize("before", ["approved", "changes_requested"])
def test_a_verdict_that_was_changed_or_withdrawn_comes_back(undone, emulator, before):
    give(undone, before)
    other = {"approved": "changes_requested", "changes_requested": "approved"}[before]
    own = f"WHERE pull_request_id = {PULL} AND user_uuid = '{user_id(emulator, 'ada')}'"
    for change in (
        f"UPDATE pull_request_participants SET state = '{other}' {own}",
        f"DELETE FROM pull_request_participants {own}",
    ):
        undone.run("BEGIN")
        assert len(undone.run(change).sent) == 1
        assert verdict(emulator, "ada") != before
        assert undone.run("ROLLBACK").notices == []
        assert verdict(emulator, "ada") == before


def test_a_verdict_comes_back_after_a_failure_at_commit(queued, emulator):
    give(queued, "changes_requested")
    queued.run("BEGIN")
    give(queued, "approved")
    queued.run("INSERT INTO issues (title, component) VALUES ('t', 'no such')")
    with queued.failing("HV000"):
        queued.run("COMMIT")
    assert verdict(emulator, "ada") == "changes_requested"


def test_the_verdict_of_an_access_token_comes_back_too(session_in, emulator):
    undone = session_in("token_undone")
    give(undone, "changes_requested")
    undone.run("BEGIN")
    give(undone, "approved")
    assert undone.run("ROLLBACK").notices == []
    people = document(emulator, "pull_requests", PULL)["participants"]
    assert [p["state"] for p in people if "token" in p["user"]["nickname"]] == ["changes_requested"]


# --- projects ---


def test_a_project_that_somebody_deleted_is_not_made_again(session_in, emulator):
    undone, other = session_in("acme_undone"), session_in("acme")
    other.run("INSERT INTO projects (key, name) VALUES ('LAB', 'Lab')")
    undone.run("BEGIN")
    undone.run("UPDATE projects SET name = 'New' WHERE key = 'LAB'")
    other.run("DELETE FROM projects WHERE key = 'LAB'")
    done = undone.run("ROLLBACK")
    assert project(emulator, "LAB") is None
    assert len(done.stays) == 1
    assert "not there any more" in done.stays[0]


def test_an_update_of_a_project_makes_none(session_in, emulator):
    queued, other = session_in("acme_queued"), session_in("acme")
    other.run("INSERT INTO projects (key, name) VALUES ('LAB', 'Lab')")
    queued.run("BEGIN")
    queued.run("UPDATE projects SET name = 'New' WHERE key = 'LAB'")
    other.run("DELETE FROM projects WHERE key = 'LAB'")
    with queued.failing("HV000", match="not there any more"):
        queued.run("COMMIT")
    assert project(emulator, "LAB") is None


# --- tags and branches ---


def test_a_tag_that_is_made_anew_is_told_of(undone, emulator):
    undone.run("INSERT INTO tags (name, target_commit_hash) VALUES ('v9', 'main')")
    undone.run("BEGIN")
    undone.run("DELETE FROM tags WHERE name = 'v9'")
    done = undone.run("ROLLBACK")
    assert document(emulator, "tags", "v9") is not None
    [told] = done.stays
    assert told.startswith(f"tags: DELETE {R}/refs/tags/v9 (made anew")
    assert "annotated" in told


@pytest.mark.parametrize("table", ["tags", "branches"])
def test_what_was_made_and_deleted_needs_no_taking_back(undone, emulator, table):
    undone.run("BEGIN")
    undone.run(f"INSERT INTO {table} (name, target_commit_hash) VALUES ('v9', 'main')")
    undone.run(f"DELETE FROM {table} WHERE name = 'v9'")
    done = undone.run("ROLLBACK")
    assert (done.sent, done.notices) == ([], [])
    assert document(emulator, table, "v9") is None


def test_a_branch_that_is_replaced_comes_back(undone, emulator):
    before = document(emulator, "branches", "release/8")["target"]["hash"]
    undone.run("BEGIN")
    for _ in range(2):
        undone.run("DELETE FROM branches WHERE name = 'release/8'")
        undone.run("INSERT INTO branches (name, target_commit_hash) VALUES ('release/8', 'main')")
    undone.run("DELETE FROM branches WHERE name = 'release/8'")
    assert undone.run("ROLLBACK").notices == []
    assert document(emulator, "branches", "release/8")["target"]["hash"] == before
    assert [b["name"] for b in documents(emulator, "branches")].count("release/8") == 1


# --- rows that somebody else has changed since they were made ---

MADE = [t for t in TABLES if t.writes.insert and t.writes.delete and t.writes.update]
# Others of the table's columns do not go with what the row has.
FIELDS = {"branch_restrictions": "pattern"}


def made(session, table):
    """Insert a row of a table; a condition that holds for it alone."""
    keys = [name for name in table.primary_key if name not in SLUGS]
    change = Change(table, "INSERT")
    change.prepare(session)
    session.run("BEGIN")
    done = session.run(f"{change.statement()} RETURNING {', '.join(keys)}")
    terms = (f"{key} = '{value}'" for key, value in zip(keys, done.row, strict=True))
    return " AND ".join(terms)


def changed(table):
    """A column with another value than a new row has, as SET takes it."""
    fields = [f for f in table.writes.update.fields if f.column not in table.primary_key]
    field = next(f for f in fields if f.column == FIELDS.get(table.name, f.column))
    return field.column, field.values[1] if field.values else "changed"


@pytest.mark.parametrize("table", MADE, ids=lambda table: table.name)
def test_a_row_that_somebody_changed_since_it_was_made_is_left(session_in, table):
    undone, other = session_in("undone, acme_undone"), session_in("website, acme")
    where, (column, value) = made(undone, table), changed(table)
    other.run(f"UPDATE {table.name} SET {column} = '{value}' WHERE {where}")
    done = undone.run("ROLLBACK")
    assert [method for method, _, _ in done.sent] == []
    assert done.warnings == ["1 change stays at Bitbucket although the transaction was rolled back"]
    assert done.stays[0].endswith(f"(left there: {column} changed meanwhile)")
    assert other.run(f"SELECT {column} FROM {table.name} WHERE {where}").row == (value,)


@pytest.mark.parametrize("table", MADE, ids=lambda table: table.name)
def test_a_row_that_the_transaction_itself_changed_is_taken_back(session_in, table):
    undone = session_in("undone, acme_undone")
    where, (column, value) = made(undone, table), changed(table)
    undone.run(f"UPDATE {table.name} SET {column} = '{value}' WHERE {where}")
    done = undone.run("ROLLBACK")
    assert done.sent[-1][0] == "DELETE"
    assert done.warnings == []


def test_a_branch_that_somebody_moved_since_it_was_made_is_left(session_in, emulator):
    undone, other = session_in("undone"), session_in("website")
    undone.run("BEGIN")
    undone.run("INSERT INTO branches (name, target_commit_hash) VALUES ('topic', 'main')")
    other.run("DELETE FROM branches WHERE name = 'topic'")
    other.run(
        "INSERT INTO branches (name, target_commit_hash) VALUES ('topic', 'feature/login-23')"
    )
    [told] = undone.run("ROLLBACK").stays
    assert "left there: target_commit_hash changed meanwhile" in told
    assert document(emulator, "branches", "topic") is not None
