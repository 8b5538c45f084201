"""What an answer shows is not yet what was stored: values that a PUT loses, or does not keep."""

import json

import pytest

from tests.writes.writing import R, account, document

PULL = f"{R}/pullrequests/6"
WITH_REVIEWERS = 2
SCHEMAS = ("website", "undone", "queued")


def change(session, assignments, number=6):
    return session.run(f"UPDATE pull_requests SET {assignments} WHERE id = {number}")


@pytest.fixture
def discussed(sql, emulator):
    """Pull request 6, with a description and two reviewers."""
    people = [account(emulator, name)["uuid"] for name in ("ben", "emre")]
    sql.run(
        "UPDATE pull_requests SET description = 'why', reviewers = %s WHERE id = 6",
        (json.dumps(people),),
    )
    return people


def reviewers(emulator, number=6):
    found = document(emulator, "pull_requests", number)["reviewers"]
    return [person["uuid"] for person in found]


@pytest.mark.parametrize("schema", SCHEMAS)
def test_nothing_is_lost_if_a_put_replaces_everything(session_in, emulator, discussed, schema):
    session = session_in(schema)
    emulator.fault("*/pullrequests/6", method="PUT", kind="put_replaces", count=None)
    done = change(session, "draft = true")
    first, second = [body for _, _, body in done.sent]
    assert first["draft"] is True
    assert {"title", "description"} < first.keys()
    assert [person["uuid"] for person in second["reviewers"]] == discussed
    assert second["description"] == "why"
    assert done.warnings == []
    pull = document(emulator, "pull_requests", 6)
    assert (pull["description"], pull["draft"], reviewers(emulator)) == ("why", True, discussed)


def test_a_partial_put_costs_nothing_more(sql, discussed):
    done = change(sql, "draft = true")
    assert len(done.sent) == 1
    # The scan, and the look immediately before.
    assert done.read == [PULL, PULL]


def test_the_row_that_is_returned_has_what_was_put_back(sql, emulator, discussed):
    emulator.fault("*/pullrequests/6", method="PUT", kind="put_replaces", count=1)
    done = sql.run(
        "UPDATE pull_requests SET draft = true WHERE id = 6 RETURNING jsonb_array_length(reviewers)"
    )
    assert done.row == (2,)


def test_what_cannot_be_put_back_is_told(sql, emulator, discussed):
    emulator.fault("*/pullrequests/6", method="PUT", kind="put_replaces", count=1)
    emulator.fault("*/pullrequests/6", method="PUT", kind="status", status=400, count=None)
    done = change(sql, "draft = true")
    [warning] = done.warnings
    assert "emptied reviewers, and it could not be put back" in warning
    assert all(uuid in warning for uuid in discussed)


def test_what_is_lost_again_is_told(sql, emulator, discussed):
    emulator.fault("*/pullrequests/6", method="PUT", kind="put_replaces", count=1)
    answer = {"id": 6, "reviewers": [], "description": "why"}
    emulator.fault(
        "*/pullrequests/6", method="PUT", kind="status", status=200, body=answer, count=None
    )
    [warning] = change(sql, "draft = true").warnings
    assert "it was lost again" in warning


def test_reviewers_that_the_answer_does_not_show_are_looked_at(sql, emulator, discussed):
    answer = {"id": 6, "title": "t", "description": "why"}
    emulator.fault("*/pullrequests/6", method="PUT", kind="status", status=200, body=answer)
    done = change(sql, "draft = true")
    assert len(done.sent) == 1
    assert done.read == [PULL, PULL, PULL]


def test_reviewers_that_were_meant_to_go_are_not_put_back(sql, emulator, discussed):
    for value in ("'[]'", "NULL"):
        done = change(sql, f"reviewers = {value}")
        assert [body["reviewers"] for _, _, body in done.sent] == [[]]
        assert reviewers(emulator) == []
        change(sql, f"reviewers = '{json.dumps(discussed)}'")


@pytest.mark.parametrize("schema", SCHEMAS)
def test_somebodys_edit_is_not_overwritten(session_in, emulator, schema):
    """A pull request is edited between the scan and the PUT."""
    session, other = session_in(schema), session_in("website")
    session.run("BEGIN")
    if schema == "queued":
        change(session, "draft = true")
        change(other, "description = 'theirs', title = 'their title'")
    else:
        # The scan finds what was there before.
        before = document(emulator, "pull_requests", 6)
        change(other, "description = 'theirs', title = 'their title'")
        emulator.fault("*/pullrequests/6", method="GET", kind="status", status=200, body=before)
        change(session, "draft = true")
    session.run("COMMIT")
    pull = document(emulator, "pull_requests", 6)
    assert (pull["title"], pull["description"], pull["draft"]) == ("their title", "theirs", True)


def test_taking_back_goes_to_what_was_there_immediately_before(queued, sql, emulator):
    queued.run("BEGIN")
    change(queued, "title = 'mine'")
    queued.run("INSERT INTO issues (title, component) VALUES ('t', 'no such')")
    change(sql, "title = 'theirs', description = 'their text'")
    with queued.failing():
        queued.run("COMMIT")
    pull = document(emulator, "pull_requests", 6)
    assert (pull["title"], pull["description"]) == ("theirs", "their text")


@pytest.mark.parametrize("name", ["description", "title"])
def test_a_member_that_is_not_told_is_not_emptied(sql, emulator, name):
    present = document(emulator, "pull_requests", 6)
    told = {key: value for key, value in present.items() if key != name}
    emulator.fault(
        "*/pullrequests/6", method="GET", kind="status", status=200, body=told, after=1, count=1
    )
    done = change(sql, "draft = true")
    assert name not in done.sent[0][2]


# --- close_source_branch ---


@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_value_that_is_echoed_and_not_kept_is_an_error(session_in, emulator, schema):
    session = session_in(schema)
    session.run("BEGIN")
    with session.failing("HV000", match="Bitbucket kept close_source_branch true") as failed:
        change(session, "close_source_branch = false")
        session.run("COMMIT")
    session.connection.rollback()
    assert "SET close_source_branch" in failed.hint
    # Nothing was changed, so that nothing stays.
    assert failed.done.notices == []
    assert not any("stay" in notice.message for notice in session.notices)
    assert document(emulator, "pull_requests", 6)["close_source_branch"] is True


@pytest.mark.parametrize("schema", SCHEMAS)
def test_beside_another_change_it_is_kept(session_in, emulator, schema):
    done = change(session_in(schema), "close_source_branch = false, description = 'new'")
    assert len(done.sent) == 1
    assert document(emulator, "pull_requests", 6)["close_source_branch"] is False


def test_if_only_the_others_were_kept_they_stay_or_are_taken_back(session_in, emulator):
    for schema in ("website", "undone"):
        emulator.reset()
        present = document(emulator, "pull_requests", 6)
        emulator.fault(
            "*/pullrequests/6", method="GET", kind="status", status=200, body=present, after=2
        )
        session = session_in(schema)
        with session.failing("HV000", match="Bitbucket kept") as failed:
            change(session, "close_source_branch = false, description = 'new'")
        stays = [f"pull_requests: PUT {PULL}"] if schema == "website" else []
        assert failed.done.stays == stays
        kept = document(emulator, "pull_requests", 6)["description"]
        assert kept == ("new" if schema == "website" else present["description"])


def test_a_status_is_sent_as_it_is_now_not_as_it_was(queued, sql, emulator):
    """Another PUT that takes present values along."""
    head = document(emulator, "branches", "main")["target"]["hash"]
    where = f"WHERE commit_hash = '{head}' AND key = 'k'"
    sql.run(
        "INSERT INTO commit_statuses (commit_hash, key, state, url) "
        "VALUES (%s, 'k', 'INPROGRESS', 'https://ci.example/1')",
        (head,),
    )
    queued.run("BEGIN")
    queued.run(f"UPDATE commit_statuses SET description = 'd' {where}")
    sql.run(f"UPDATE commit_statuses SET state = 'FAILED' {where}")
    done = queued.run("COMMIT")
    assert [body for _, _, body in done.sent] == [
        {"key": "k", "state": "FAILED", "description": "d"}
    ]
