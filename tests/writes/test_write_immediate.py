"""A rollback of what was sent at once: told of, or taken back."""

import contextlib

import psycopg

from tests.support.credentials import READ_WRITE, mapping_options
from tests.writes.writing import R, document, documents, insert, once_sent, project, titles

ISSUES = f"{R}/issues"
STAYS = "1 change stays at Bitbucket although the transaction was rolled back"


# --- immediate ---


def test_a_change_is_there_at_once(sql, emulator):
    sql.run("BEGIN")
    assert len(sql.run(insert("one")).sent) == 1
    assert "one" in titles(emulator).values()
    assert sql.run("SELECT count(*) FROM issues WHERE title = 'one'").row == (1,)
    assert sql.run("COMMIT").sent == []


def test_a_rollback_tells_in_order_what_stays(sql, emulator):
    sql.run("BEGIN")
    sql.run(insert("one"))
    sql.run("UPDATE issues SET title = 'two' WHERE id = 1")
    sql.run("DELETE FROM issues WHERE id = 2")
    sql.run("INSERT INTO branches (name, target_commit_hash) VALUES ('b', 'main')")
    done = sql.run("ROLLBACK")
    assert done.sent == []
    assert done.warnings == ["4 changes stay at Bitbucket although the transaction was rolled back"]
    assert done.stays == [
        f"issues: POST {ISSUES} (46)",
        f"issues: PUT {ISSUES}/1",
        f"issues: DELETE {ISSUES}/2",
        f"branches: POST {R}/refs/branches (b)",
    ]
    assert titles(emulator)[46] == "one"


def test_a_rollback_without_changes_says_nothing(sql):
    sql.run("BEGIN")
    sql.run("SELECT count(*) FROM issues")
    sql.run("UPDATE issues SET title = title WHERE id = 1")
    assert sql.run("ROLLBACK").notices == []


def test_a_rollback_to_a_savepoint_tells_of_its_part(sql):
    sql.run("BEGIN")
    sql.run(insert("one"))
    sql.run("SAVEPOINT a")
    sql.run(insert("two"))
    sql.run("SAVEPOINT b")
    sql.run(insert("three"))
    done = sql.run("ROLLBACK TO b")
    assert done.stays == [f"issues: POST {ISSUES} (48)"]
    sql.run(insert("four"))
    done = sql.run("ROLLBACK TO a")
    # The inner savepoint's part, which was begun again, and then the outer one's.
    assert done.warnings == [STAYS, STAYS]
    assert done.stays == [f"issues: POST {ISSUES} (49)", f"issues: POST {ISSUES} (47)"]
    done = sql.run("ROLLBACK")
    assert done.stays == [f"issues: POST {ISSUES} (46)"]


def test_a_rollback_of_everything_is_one_warning(sql):
    sql.run("BEGIN")
    for name in ("one", "two", "three"):
        sql.run(f"SAVEPOINT {name}")
        sql.run(insert(name))
        sql.run("INSERT INTO branches (name, target_commit_hash) VALUES (%s, 'main')", (name,))
    done = sql.run("ROLLBACK")
    assert len(done.warnings) == 1
    assert len(done.stays) == 6


def test_an_error_tells_what_stays(sql):
    sql.run("BEGIN")
    sql.run(insert("one"))
    with sql.failing("22012") as failed:
        sql.run("SELECT 1 / 0")
    assert failed.done.stays == [f"issues: POST {ISSUES} (46)"]
    assert sql.run("ROLLBACK").notices == []


def test_a_lost_session_leaves_what_it_sent(session_in, emulator):
    sql = session_in("website")
    sql.run("BEGIN")
    sql.run(insert("one"))
    sql.connection.close()
    assert "one" in titles(emulator).values()


# --- immediate, taken back ---


def test_everything_is_taken_back_in_reverse(undone, emulator):
    before = {name: documents(emulator, name) for name in ("issues", "issue_comments", "branches")}
    undone.run("BEGIN")
    undone.run(insert("one"))
    undone.run("INSERT INTO issue_comments (issue_id, content_raw) VALUES (46, 'c')")
    undone.run(
        "UPDATE issues SET title = 'two', content_raw = NULL, assignee_uuid = NULL, "
        "version = '1.0', milestone = NULL, component = 'UI', kind = 'task' WHERE id IN (2, 3)"
    )
    undone.run("UPDATE issue_comments SET content_raw = 'x' WHERE issue_id = 4")
    undone.run("INSERT INTO branches (name, target_commit_hash) VALUES ('b', 'main')")
    undone.run("DELETE FROM branches WHERE name = 'release/8'")
    done = undone.run("ROLLBACK")
    assert done.notices == []
    methods = [(method, path.removeprefix(R)) for method, path, _ in done.sent]
    comments = len(documents(emulator, "issue_comments", issue_id=4))
    assert methods[:2] == [("POST", "/refs/branches"), ("DELETE", "/refs/branches/b")]
    assert [m for m, _ in methods[2:-2]] == ["PUT"] * (comments + 2)
    assert methods[-2][0] == "DELETE"
    assert methods[-2][1].startswith("/issues/46/comments/")
    assert methods[-1] == ("DELETE", "/issues/46")
    for name, then in before.items():
        assert unstamped(documents(emulator, name)) == unstamped(then), name


def unstamped(found):
    """Documents without the times of their last change, by what tells them apart."""
    stamps = ("updated_on", "edited_on")
    return {
        str(one.get("id") or one["name"]): {k: v for k, v in one.items() if k not in stamps}
        for one in found
    }


def test_what_bitbucket_cannot_take_back_is_listed(undone, emulator):
    comment = undone.value(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw) "
        "VALUES (6, 'c') RETURNING id"
    )
    undone.run("BEGIN")
    undone.run("DELETE FROM issues WHERE id = 2")
    undone.run(insert("one"))
    undone.run("UPDATE pull_requests SET state = 'DECLINED' WHERE id = 6")
    undone.run("UPDATE pull_requests SET title = 'new' WHERE id = 2")
    undone.run(f"DELETE FROM pull_request_comments WHERE pull_request_id = 6 AND id = {comment}")
    done = undone.run("ROLLBACK")
    assert done.warnings == [
        "3 changes stay at Bitbucket although the transaction was rolled back; 2 taken back"
    ]
    cannot = "(Bitbucket cannot take it back)"
    assert done.stays == [
        f"issues: DELETE {ISSUES}/2 {cannot}",
        f"pull_requests: POST {R}/pullrequests/6/decline {cannot}",
        f"pull_request_comments: DELETE {R}/pullrequests/6/comments/{comment} {cannot}",
    ]


def test_a_pull_request_is_declined_since_it_cannot_be_deleted(undone, emulator):
    undone.run("INSERT INTO branches (name, target_commit_hash) VALUES ('t', 'feature/login-23')")
    undone.run("BEGIN")
    undone.run("INSERT INTO pull_requests (title, source_branch_name) VALUES ('t', 't')")
    done = undone.run("ROLLBACK")
    assert done.sent == [("POST", f"{R}/pullrequests/151/decline", {})]
    assert done.stays == [
        f"pull_requests: POST {R}/pullrequests (151) (withdrawn, since it cannot be deleted)"
    ]
    assert document(emulator, "pull_requests", 151)["state"] == "DECLINED"


def test_verdicts_threads_tasks_and_tags_are_taken_back(undone, emulator):
    comment = undone.value(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw, inline_path, inline_to) "
        "VALUES (44, 'c', 'a.py', 1) RETURNING id"
    )
    undone.run("BEGIN")
    undone.run(
        "INSERT INTO pull_request_participants (pull_request_id, state) VALUES (44, 'approved')"
    )
    undone.run(
        "UPDATE pull_request_comments SET resolved = true, content_raw = 'd' "
        f"WHERE pull_request_id = 44 AND id = {comment}"
    )
    undone.run("INSERT INTO pull_request_tasks (pull_request_id, content_raw) VALUES (44, 'do')")
    undone.run("INSERT INTO tags (name, target_commit_hash) VALUES ('v9', 'main')")
    done = undone.run("ROLLBACK")
    assert done.notices == []
    pull = f"{R}/pullrequests/44"
    assert [sent for sent in done.sent if "/tasks/" not in sent[1]] == [
        ("DELETE", f"{R}/refs/tags/v9", None),
        ("DELETE", f"{pull}/comments/{comment}/resolve", None),
        ("PUT", f"{pull}/comments/{comment}", {"content": {"raw": "c"}}),
        ("DELETE", f"{pull}/approve", None),
    ]
    assert documents(emulator, "pull_request_tasks", pull_request_id=44) == []


def test_a_rollback_to_a_savepoint_takes_its_part_back(undone, emulator):
    undone.run("BEGIN")
    undone.run(insert("one"))
    undone.run("SAVEPOINT a")
    undone.run(insert("two"))
    undone.run("UPDATE issues SET title = 'three' WHERE id = 46")
    undone.run("ROLLBACK TO a")
    assert titles(emulator)[46] == "one"
    assert 47 not in titles(emulator)
    undone.run("COMMIT")
    assert titles(emulator)[46] == "one"


def test_what_fails_to_be_taken_back_is_listed_and_the_rest_is_done(undone, emulator):
    undone.run("BEGIN")
    undone.run(insert("one"))
    undone.run(insert("two"))
    emulator.fault("*/issues/47", method="DELETE", kind="status", status=403)
    done = undone.run("ROLLBACK")
    assert done.stays == [
        f"issues: POST {ISSUES} (47) (taking it back failed: DELETE {ISSUES}/47 was answered "
        "403 Forbidden)"
    ]
    assert 46 not in titles(emulator)


def test_nothing_more_is_tried_once_bitbucket_cannot_be_reached(writes_db, session_in, emulator):
    writes_db.create_server(
        "gone",
        credentials=mapping_options(emulator, READ_WRITE),
        on_rollback="undo",
        retry_limit="0",
    )
    writes_db.execute(
        "CREATE FOREIGN TABLE public.gone (id bigint, title text) SERVER gone "
        "OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    sql = session_in("public")
    sql.run("BEGIN")
    for name in ("one", "two", "three"):
        sql.run(f"INSERT INTO gone (title) VALUES ('{name}')")
    emulator.fault("*/issues/*", method="DELETE", kind="reset", count=None)
    done = sql.run("ROLLBACK")
    assert len(done.sent) == 1
    assert len(done.stays) == 3
    assert done.stays[2].endswith(f"not known whether DELETE {ISSUES}/48 was applied)")
    assert "(not taken back after that failed for another:" in done.stays[0]


def test_a_rollback_can_be_cancelled(undone, emulator):
    undone.run("BEGIN")
    undone.run(insert("one"))
    undone.run(insert("two"))
    emulator.fault("*/issues/47", method="DELETE", kind="slow", delay_ms=60_000)
    mark = undone.mark()
    # Whether the cancel also counts as one of this statement is PostgreSQL's matter.
    ignored = contextlib.suppress(psycopg.errors.QueryCanceled)
    with once_sent(emulator, "DELETE", undone.connection.cancel), ignored:
        undone.run("ROLLBACK")
    done = undone.since(mark)
    assert done.stays[0].startswith(f"issues: POST {ISSUES} (46) (not taken back after")
    assert "canceling" in done.stays[1]
    assert len(undone.run(insert("three")).sent) == 1


def test_a_change_of_unknown_outcome_is_not_taken_back(undone, emulator):
    undone.run("BEGIN")
    undone.run(insert("one"))
    emulator.fault("*/issues", method="POST", kind="reset", when="after")
    with undone.failing("08007") as failed:
        undone.run(insert("two"))
    assert failed.done.stays == [f"issues: POST {ISSUES} (it is not known whether it was applied)"]
    assert 46 not in titles(emulator)
    assert titles(emulator)[47] == "two"


def test_a_branch_comes_back_and_a_commit_makes_it_final(undone, emulator):
    target = document(emulator, "branches", "release/8")["target"]["hash"]
    undone.run("BEGIN")
    done = undone.run("DELETE FROM branches WHERE name = 'release/8'")
    assert done.sent == [("DELETE", f"{R}/refs/branches/release/8", None)]
    body = {"name": "release/8", "target": {"hash": target}}
    assert undone.run("ROLLBACK").sent == [("POST", f"{R}/refs/branches", body)]
    assert undone.run("DELETE FROM branches WHERE name = 'release/8'").notices == []
    assert document(emulator, "branches", "release/8") is None


def test_what_was_inserted_and_deleted_leaves_nothing_to_tell(undone, emulator):
    undone.run("BEGIN")
    undone.run(insert("one"))
    undone.run("UPDATE issues SET title = 'two' WHERE id = 46")
    undone.run("DELETE FROM issues WHERE id = 46")
    done = undone.run("ROLLBACK")
    assert done.notices == []
    assert done.sent == []


def test_a_deleted_row_is_not_made_anew_by_restoring_it(undone, emulator):
    # To Bitbucket a PUT of a project that is not there makes one.
    undone.use("acme_undone")
    undone.run("INSERT INTO projects (key, name) VALUES ('LAB', 'Lab')")
    undone.run("BEGIN")
    undone.run("UPDATE projects SET name = 'Labs' WHERE key = 'LAB'")
    undone.run("DELETE FROM projects WHERE key = 'LAB'")
    done = undone.run("ROLLBACK")
    path = "/workspaces/acme/projects/LAB"
    assert done.sent == []
    assert done.stays == [
        f"projects: PUT {path} (the row was deleted)",
        f"projects: DELETE {path} (Bitbucket cannot take it back)",
    ]
    assert project(emulator, "LAB") is None


def test_a_row_that_is_gone_already_needs_no_taking_back(undone, sql):
    undone.run("BEGIN")
    undone.run(insert("one"))
    sql.run("DELETE FROM issues WHERE id = 46")
    done = undone.run("ROLLBACK")
    assert done.sent == [("DELETE", f"{ISSUES}/46", None)]
    assert done.notices == []
