"""What belongs to a pull request: comments, tasks and verdicts."""

import pytest

from tests.writes.writing import R, document, documents, user_id

PULLS = f"{R}/pullrequests"

# Open pull requests of the sample, and what each is for.
PLAIN, NO_VERDICT, VERDICT = 6, 44, 85


# --- comments ---


def test_comments_on_lines_and_answers(sql, emulator):
    done = sql.run(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw, inline_path, inline_to) "
        f"VALUES ({PLAIN}, 'why?', 'src/app.py', 7) RETURNING id, inline_path, inline_to, resolved"
    )
    comments = f"{PULLS}/{PLAIN}/comments"
    number = done.row[0]
    body = {"content": {"raw": "why?"}, "inline": {"path": "src/app.py", "to": 7}}
    assert done.sent == [("POST", comments, body)]
    assert done.row[1:] == ("src/app.py", 7, False)

    where = f"WHERE pull_request_id = {PLAIN} AND id = {number}"
    answer = sql.run(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw, parent_id) "
        f"VALUES ({PLAIN}, 'because', {number}) RETURNING parent_id"
    )
    body = {"content": {"raw": "because"}, "parent": {"id": number}}
    assert answer.sent == [("POST", comments, body)]
    assert answer.row == (number,)

    changed = sql.run(
        f"UPDATE pull_request_comments SET content_raw = 'why not?', resolved = true {where} "
        "RETURNING content_raw, resolved, resolution_user_uuid"
    )
    assert changed.sent == [
        ("PUT", f"{comments}/{number}", {"content": {"raw": "why not?"}}),
        ("POST", f"{comments}/{number}/resolve", None),
    ]
    assert changed.row == ("why not?", True, user_id(emulator, "ada"))

    opened = sql.run(
        f"UPDATE pull_request_comments SET resolved = false {where} RETURNING resolved, content_raw"
    )
    assert opened.sent == [("DELETE", f"{comments}/{number}/resolve", None)]
    assert opened.row == (False, "why not?")

    gone = sql.run(f"DELETE FROM pull_request_comments {where}")
    assert gone.sent == [("DELETE", f"{comments}/{number}", None)]
    assert sql.run(f"SELECT deleted, content_raw FROM pull_request_comments {where}").row == (
        True,
        "",
    )


def test_a_comment_off_the_diff_cannot_be_resolved(sql):
    number = sql.value(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw) "
        f"VALUES ({PLAIN}, 'x') RETURNING id"
    )
    with sql.failing("42501", match="was answered 403") as failed:
        sql.run(
            "UPDATE pull_request_comments SET resolved = true "
            f"WHERE pull_request_id = {PLAIN} AND id = {number}"
        )
    assert "Only top-level comments" in failed.detail


def test_an_answer_to_a_comment_that_is_not_there(sql):
    with sql.failing(match="was answered 404") as failed:
        sql.run(
            "INSERT INTO pull_request_comments (pull_request_id, content_raw, parent_id) "
            f"VALUES ({PLAIN}, 'x', 5)"
        )
    assert "parent comment" in failed.detail


def test_a_comment_on_a_pull_request_that_is_not_there(sql):
    with sql.failing(match="was answered 404"):
        sql.run(
            "INSERT INTO pull_request_comments (pull_request_id, content_raw) VALUES (9999, 'x')"
        )


# --- tasks ---


def test_tasks(sql, emulator):
    comment = sql.value(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw) "
        f"VALUES ({PLAIN}, 'x') RETURNING id"
    )
    tasks = f"{PULLS}/{PLAIN}/tasks"
    done = sql.run(
        "INSERT INTO pull_request_tasks (pull_request_id, content_raw, comment_id) "
        f"VALUES ({PLAIN}, 'do it', {comment}) RETURNING id, state, comment_id, creator_nickname"
    )
    number = done.row[0]
    body = {"content": {"raw": "do it"}, "comment": {"id": comment}}
    assert done.sent == [("POST", tasks, body)]
    assert done.row[1:] == ("UNRESOLVED", comment, "ada")

    where = f"WHERE pull_request_id = {PLAIN} AND id = {number}"
    solved = sql.run(
        f"UPDATE pull_request_tasks SET state = 'RESOLVED' {where} "
        "RETURNING state, resolved_by_nickname"
    )
    assert solved.sent == [("PUT", f"{tasks}/{number}", {"state": "RESOLVED"})]
    assert solved.row == ("RESOLVED", "ada")
    gone = sql.run(f"DELETE FROM pull_request_tasks {where}")
    assert gone.sent == [("DELETE", f"{tasks}/{number}", None)]
    assert document(emulator, "pull_request_tasks", number) is None


# --- verdicts ---


def test_a_verdict_is_a_row_of_ones_own(sql, emulator):
    ada = user_id(emulator, "ada")
    done = sql.run(
        "INSERT INTO pull_request_participants (pull_request_id, state) "
        f"VALUES ({NO_VERDICT}, 'approved') RETURNING pull_request_id, user_uuid, approved, role"
    )
    assert done.sent == [("POST", f"{PULLS}/{NO_VERDICT}/approve", None)]
    assert done.row == (NO_VERDICT, ada, True, "PARTICIPANT")

    own = f"WHERE pull_request_id = {NO_VERDICT} AND user_uuid = '{ada}'"
    done = sql.run(
        f"UPDATE pull_request_participants SET state = 'changes_requested' {own} "
        "RETURNING state, approved"
    )
    assert done.sent == [("POST", f"{PULLS}/{NO_VERDICT}/request-changes", None)]
    assert done.row == ("changes_requested", False)

    done = sql.run(f"DELETE FROM pull_request_participants {own}")
    assert done.sent == [("DELETE", f"{PULLS}/{NO_VERDICT}/request-changes", None)]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE pull_request_participants SET state = 'changes_requested'",
        "DELETE FROM pull_request_participants",
    ],
)
def test_the_verdict_of_another_cannot_be_touched(sql, emulator, statement):
    hana = user_id(emulator, "hana")
    with sql.failing("HV000", match="the row is another account's") as failed:
        sql.run(f"{statement} WHERE pull_request_id = 109 AND user_uuid = '{hana}'")
    assert failed.done.sent == []
    assert str(user_id(emulator, "ada")) in failed.hint


def test_several_verdicts_are_withdrawn_at_once(sql, emulator):
    ada = user_id(emulator, "ada")
    done = sql.run(
        "DELETE FROM pull_request_participants "
        f"WHERE pull_request_id IN (10, {VERDICT}) AND user_uuid = '{ada}'"
    )
    assert sorted(done.sent) == [
        ("DELETE", f"{PULLS}/10/request-changes", None),
        ("DELETE", f"{PULLS}/{VERDICT}/approve", None),
    ]


def test_a_verdict_that_cannot_be_told_from_another_is_not_withdrawn(sql, emulator):
    # The account is all that the host tells of the row, and two of them are read.
    where = f"WHERE user_uuid = '{user_id(emulator, 'ada')}' AND pull_request_id"
    both = f"{where} IN (10, {VERDICT})"
    read = sql.run(f"SELECT pull_request_id FROM pull_request_participants {both}").rows
    second = f"md5(pull_request_id::text) = md5('{read[1][0]}')"  # stays with PostgreSQL
    with sql.failing("HV000", match="stands for several rows") as failed:
        sql.run(f"DELETE FROM pull_request_participants {both} AND {second}")
    assert failed.done.sent == []
    assert "pull_request_id = … AND user_uuid = …" in failed.hint
    done = sql.run(f"DELETE FROM pull_request_participants {where} = {read[1][0]} AND {second}")
    assert len(done.sent) == 1


@pytest.mark.parametrize(
    ("statement", "sqlstate", "hint"),
    [
        ("(pull_request_id) VALUES (44)", "0A000", "'approved' or 'changes_requested'"),
        ("(pull_request_id, state) VALUES (44, 'maybe')", "0A000", "'approved' or"),
        ("(pull_request_id, state, role) VALUES (44, 'approved', 'REVIEWER')", "0A000", "state"),
        ("(state) VALUES ('approved')", "23502", "INSERT needs it"),
    ],
)
def test_what_is_no_verdict(sql, statement, sqlstate, hint):
    with sql.failing(sqlstate) as failed:
        sql.run(f"INSERT INTO pull_request_participants {statement}")
    assert failed.done.sent == []
    assert hint in failed.hint


def test_a_closed_pull_request_takes_no_verdict(sql, emulator):
    closed = next(p["id"] for p in documents(emulator, "pull_requests") if p["state"] == "MERGED")
    with sql.failing(match="was answered 400") as failed:
        sql.run(
            "INSERT INTO pull_request_participants (pull_request_id, state) "
            f"VALUES ({closed}, 'approved')"
        )
    assert "already closed" in failed.detail


# --- verdicts of an access token, which cannot ask whose it is ---


def people(emulator, pull):
    found = document(emulator, "pull_requests", pull)["participants"]
    return {p["user"]["nickname"]: p["state"] for p in found if p["state"]}


@pytest.fixture(params=["token", "token_queued"])
def token(request, session_in):
    """A session that signs in by a workspace's access token."""
    return session_in(request.param)


def own(emulator):
    bot = user_id_of_token(emulator)
    return f"pull_request_participants WHERE user_uuid = '{bot}' AND pull_request_id ="


def user_id_of_token(emulator):
    for pull in documents(emulator, "pull_requests"):
        for person in pull["participants"]:
            if person["user"]["nickname"] == "acme-token":
                return person["user"]["uuid"].strip("{}")
    raise LookupError("the token has no verdict")


@pytest.mark.parametrize("pull", [NO_VERDICT, VERDICT])
def test_an_access_token_changes_and_withdraws_its_verdict(token, emulator, pull):
    before = people(emulator, pull)
    token.run(
        "INSERT INTO pull_request_participants (pull_request_id, state) "
        f"VALUES ({pull}, 'approved')"
    )
    assert people(emulator, pull) == {**before, "acme-token": "approved"}
    change = own(emulator).replace(" WHERE", " SET state = 'changes_requested' WHERE")
    token.run(f"UPDATE {change} {pull}")
    assert people(emulator, pull) == {**before, "acme-token": "changes_requested"}
    token.run(f"DELETE FROM {own(emulator)} {pull}")
    assert people(emulator, pull) == before


@pytest.mark.parametrize("mine", ["approved", "changes_requested", None])
@pytest.mark.parametrize("verb", ["UPDATE", "DELETE"])
def test_an_access_token_leaves_the_verdicts_of_others(token, emulator, verb, mine):
    ada = user_id(emulator, "ada")
    if mine:
        token.run(
            "INSERT INTO pull_request_participants (pull_request_id, state) "
            f"VALUES ({VERDICT}, '{mine}')"
        )
    before = people(emulator, VERDICT)
    assert before["ada"] == "approved"
    where = f"WHERE pull_request_id = {VERDICT} AND user_uuid = '{ada}'"
    statement = {
        "UPDATE": f"UPDATE pull_request_participants SET state = 'changes_requested' {where}",
        "DELETE": f"DELETE FROM pull_request_participants {where}",
    }[verb]
    with token.failing("HV000", match="the row is another account's"):
        token.run(statement)
    assert people(emulator, VERDICT) == before


def test_a_verdict_that_cannot_be_put_back_is_told_of(session_in, emulator):
    token = session_in("token")
    token.run(
        "INSERT INTO pull_request_participants (pull_request_id, state) "
        f"VALUES ({VERDICT}, 'approved')"
    )
    emulator.fault("*/approve", method="POST", kind="status", status=400)
    with token.failing("HV000", match="the row is another account's") as failed:
        token.run(
            "DELETE FROM pull_request_participants "
            f"WHERE pull_request_id = {VERDICT} AND user_uuid = '{user_id(emulator, 'ada')}'"
        )
    assert "its own was withdrawn" in failed.detail
