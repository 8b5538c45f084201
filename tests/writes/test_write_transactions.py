"""COMMIT, ROLLBACK and savepoints, in each way of writing."""

import contextlib

import psycopg
import pytest
from devkit.tree import BUNDLED

from tests.support.credentials import READ_WRITE, mapping_options
from tests.writes.writing import R, document, documents, once_sent, project

ISSUES = f"{R}/issues"
STAYS = "1 change stays at Bitbucket although the transaction was rolled back"


def titles(emulator):
    return {issue["id"]: issue["title"] for issue in documents(emulator, "issues")}


@pytest.fixture(params=["website", "undone", "queued"])
def any_mode(request, session_in):
    """A session in each of the three modes."""
    return session_in(request.param)


def insert(title):
    return f"INSERT INTO issues (title) VALUES ('{title}')"


# --- all modes alike ---


def test_a_commit_keeps_everything_in_order(any_mode, emulator):
    with any_mode.doing() as done:
        any_mode.run("BEGIN")
        any_mode.run(insert("one"))
        any_mode.run("UPDATE issues SET title = 'two' WHERE id = 1")
        any_mode.run("DELETE FROM issues WHERE id = 2")
        any_mode.run("UPDATE issues SET title = 'three' WHERE id = 1")
        any_mode.run("COMMIT")
    assert done.sent == [
        ("POST", ISSUES, {"title": "one"}),
        ("PUT", f"{ISSUES}/1", {"title": "two"}),
        ("DELETE", f"{ISSUES}/2", None),
        ("PUT", f"{ISSUES}/1", {"title": "three"}),
    ]
    assert done.notices == []
    assert titles(emulator)[1] == "three"


def test_one_statement_is_a_transaction(any_mode, emulator):
    done = any_mode.run(insert("one"))
    assert done.sent == [("POST", ISSUES, {"title": "one"})]
    assert done.notices == []


def test_a_change_back_to_what_it_was_is_a_change(any_mode, emulator):
    before = titles(emulator)[1]
    any_mode.run("BEGIN")
    any_mode.run("UPDATE issues SET title = 'other' WHERE id = 1")
    any_mode.run("UPDATE issues SET title = %s WHERE id = 1", (before,))
    any_mode.run("COMMIT")
    assert titles(emulator)[1] == before


def test_released_savepoints_belong_to_the_transaction(any_mode, emulator):
    any_mode.run("BEGIN")
    any_mode.run("SAVEPOINT a")
    any_mode.run(insert("one"))
    any_mode.run("SAVEPOINT b")
    any_mode.run(insert("two"))
    any_mode.run("RELEASE a")
    done = any_mode.run("COMMIT")
    assert done.notices == []
    assert {"one", "two"} <= set(titles(emulator).values())


def test_what_was_read_before_a_rollback_to_a_savepoint_is_not_believed(any_mode, emulator):
    any_mode.run("BEGIN")
    any_mode.run("SAVEPOINT a")
    any_mode.run("UPDATE issues SET title = 'x', kind = 'task' WHERE id = 1")
    any_mode.run("ROLLBACK TO a")
    any_mode.run("UPDATE issues SET title = 'y' WHERE id = 1")
    any_mode.run("COMMIT")
    assert titles(emulator)[1] == "y"


def test_an_error_in_between_ends_the_transaction(any_mode):
    any_mode.run("BEGIN")
    any_mode.run(insert("one"))
    with any_mode.failing("22012"):
        any_mode.run("SELECT 1 / 0")
    with any_mode.failing("25P02"):
        any_mode.run(insert("two"))
    assert any_mode.run("COMMIT").sent == []  # a ROLLBACK, as PostgreSQL has it
    assert len(any_mode.run(insert("three")).sent) == 1


def test_other_ways_to_end_a_transaction(any_mode, emulator):
    any_mode.run("BEGIN")
    any_mode.run(insert("one"))
    any_mode.run("COMMIT AND CHAIN")
    any_mode.run(insert("two"))
    any_mode.run("ROLLBACK AND CHAIN")
    any_mode.run(insert("three"))
    any_mode.run("END")
    found = set(titles(emulator).values())
    assert {"one", "three"} <= found
    assert ("two" in found) == (any_mode.schema == "website")


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


# --- at COMMIT ---


def test_nothing_is_sent_before_commit(queued, emulator):
    queued.run("BEGIN")
    assert queued.run(insert("one")).sent == []
    assert queued.run("UPDATE issues SET title = 'two' WHERE id = 1").sent == []
    assert queued.run("DELETE FROM issues WHERE id = 2").sent == []
    assert "one" not in titles(emulator).values()
    # What was changed is not seen by the transaction either.
    assert queued.run("SELECT id FROM issues WHERE id = 2").rows == [(2,)]
    assert len(queued.run("COMMIT").sent) == 3


@pytest.mark.parametrize("end", ["ROLLBACK", "ROLLBACK TO a"])
def test_a_rollback_drops_what_waits(queued, end):
    queued.run("BEGIN")
    queued.run("SAVEPOINT a")
    queued.run(insert("one"))
    assert queued.run(end).notices == []
    done = queued.run("COMMIT")
    assert done.sent == []


def test_a_savepoints_part_of_the_queue_is_dropped(queued):
    queued.run("BEGIN")
    queued.run(insert("one"))
    queued.run("SAVEPOINT a")
    queued.run(insert("two"))
    queued.run("SAVEPOINT b")
    queued.run(insert("three"))
    queued.run("RELEASE b")
    queued.run("ROLLBACK TO a")
    queued.run(insert("four"))
    assert [body["title"] for _, _, body in queued.run("COMMIT").sent] == ["one", "four"]


def test_mistakes_are_found_before_commit(queued):
    queued.run("BEGIN")
    with queued.failing("22023", match="'epic' is no kind"):
        queued.run("INSERT INTO issues (title, kind) VALUES ('t', 'epic')")
    queued.run("ROLLBACK")


def test_a_failure_at_commit_takes_back_what_was_sent(queued, emulator):
    before = titles(emulator)
    queued.run("BEGIN")
    queued.run(insert("one"))
    queued.run("UPDATE issues SET title = 'two' WHERE id = 1")
    queued.run("INSERT INTO issues (title, component) VALUES ('three', 'no such')")
    queued.run(insert("four"))
    with queued.failing("HV000", match="was answered 400") as failed:
        queued.run("COMMIT")
    assert "no such" in failed.detail
    assert "It was change 3 of 4 sent at COMMIT; 2 before it were taken back." in failed.detail
    assert failed.done.notices == []
    assert [(method, path) for method, path, _ in failed.done.sent] == [
        ("POST", ISSUES),
        ("PUT", f"{ISSUES}/1"),
        ("POST", ISSUES),
        ("PUT", f"{ISSUES}/1"),
        ("DELETE", f"{ISSUES}/46"),
    ]
    assert titles(emulator) == before
    assert len(queued.run(insert("five")).sent) == 1


def test_a_failure_at_commit_says_what_cannot_be_taken_back(queued, emulator):
    queued.run("BEGIN")
    queued.run("DELETE FROM issues WHERE id = 2")
    queued.run("DELETE FROM branches WHERE name = 'release/8'")
    queued.run("INSERT INTO issues (title, component) VALUES ('three', 'no such')")
    with queued.failing("HV000") as failed:
        queued.run("COMMIT")
    assert (
        "It was change 3 of 3 sent at COMMIT; 1 before it were taken back, these stay: "
        f"issues: DELETE {ISSUES}/2 (Bitbucket cannot take it back)." in failed.detail
    )
    assert document(emulator, "branches", "release/8") is not None


def test_a_failure_at_commit_takes_local_changes_along(queued, writes_db):
    writes_db.execute("CREATE TABLE IF NOT EXISTS public.local_log (text text)")
    queued.run("BEGIN")
    queued.run("INSERT INTO public.local_log VALUES ('x')")
    queued.run("INSERT INTO issues (title, component) VALUES ('t', 'no such')")
    with queued.failing("HV000"):
        queued.run("COMMIT")
    assert queued.value("SELECT count(*) FROM public.local_log") == 0


def test_a_cancelled_commit_is_rolled_back_with_a_warning(queued, emulator):
    queued.run("BEGIN")
    queued.run("UPDATE issues SET title = 'x' WHERE id = 1")
    queued.run(insert("one"))
    emulator.fault("*/issues", method="POST", kind="slow", delay_ms=60_000)
    with once_sent(emulator, "POST", queued.connection.cancel), queued.failing("57014") as failed:
        queued.run("COMMIT")
    assert failed.done.stays == [f"issues: POST {ISSUES} (it is not known whether it was applied)"]
    assert titles(emulator)[1] != "x"


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO issues (title) VALUES ('t') RETURNING id",
        "UPDATE issues SET title = 't' WHERE id = 1 RETURNING updated_on",
        "WITH made AS (INSERT INTO issues (title) VALUES ('t') RETURNING id) SELECT * FROM made",
    ],
)
def test_values_that_bitbucket_makes_cannot_be_returned(queued, statement):
    with queued.failing("0A000", match="RETURNING cannot be answered before COMMIT") as failed:
        queued.run(statement)
    assert "write_mode" in failed.detail
    assert failed.done.sent == []


@pytest.mark.parametrize(
    "statement",
    ["EXECUTE made", "SELECT public.made()", "DO $$BEGIN PERFORM public.made(); END$$"],
)
def test_they_cannot_be_returned_within_functions_either(queued, writes_db, host, statement):
    if host != BUNDLED:
        pytest.skip("Multicorn2 3.2 does not tell; the statement's own text does not either")
    insert_one = "INSERT INTO queued.issues (title) VALUES ('t') RETURNING id"
    queued.run(f"PREPARE made AS {insert_one}")
    writes_db.execute(
        "CREATE OR REPLACE FUNCTION public.made() RETURNS bigint LANGUAGE plpgsql AS $$ "
        f"DECLARE n bigint; BEGIN {insert_one} INTO n; RETURN n; END $$"
    )
    with queued.failing("0A000", match="RETURNING cannot be answered before COMMIT") as failed:
        queued.run(statement)
    assert failed.done.sent == []


def test_returning_of_other_tables_and_of_deleted_rows_can(queued, writes_db):
    writes_db.execute("DROP TABLE IF EXISTS public.todo")
    writes_db.execute("CREATE TABLE public.todo AS SELECT 'a' AS title")
    done = queued.run(
        "WITH done AS (DELETE FROM public.todo RETURNING title) "
        "INSERT INTO issues (title) SELECT title FROM done"
    )
    assert done.sent == [("POST", ISSUES, {"title": "a"})]
    assert queued.run("DELETE FROM issues WHERE id = 1 RETURNING id").rows == [(1,)]


def test_rows_of_one_transaction_build_on_each_other(queued, emulator):
    queued.run("BEGIN")
    queued.run("DELETE FROM issues WHERE id = 2")
    queued.run("DELETE FROM issues WHERE id = 2")
    with queued.failing("HV000", match="deleted earlier in this transaction"):
        queued.run("UPDATE issues SET title = 'x' WHERE id = 2")
    queued.run("ROLLBACK")
    queued.run("BEGIN")
    queued.run("DELETE FROM branches WHERE name = 'release/8'")
    queued.run("INSERT INTO branches (name, target_commit_hash) VALUES ('release/8', 'main')")
    queued.run("DELETE FROM branches WHERE name = 'release/8'")
    done = queued.run("COMMIT")
    assert [method for method, _, _ in done.sent] == ["DELETE", "POST", "DELETE"]
    assert document(emulator, "branches", "release/8") is None


def test_a_merge_waits_and_later_changes_know_it(queued):
    queued.run("BEGIN")
    queued.run("UPDATE pull_requests SET state = 'MERGED' WHERE id = 6")
    with queued.failing("HV000", match="its state is MERGED"):
        queued.run("UPDATE pull_requests SET title = 'x' WHERE id = 6")
    queued.run("ROLLBACK")


def test_two_pull_requests_for_one_pair_do_not_wait_side_by_side(queued):
    queued.run("INSERT INTO branches (name, target_commit_hash) VALUES ('t', 'feature/login-23')")
    insert_pull = "INSERT INTO pull_requests (title, source_branch_name) VALUES ('t', 't')"
    queued.run("BEGIN")
    queued.run(insert_pull)
    with queued.failing("23505", match="inserts such a row already"):
        queued.run(
            "INSERT INTO pull_requests (title, source_branch_name, destination_branch_name) "
            "VALUES ('t', 't', 'main')"
        )
    queued.run("ROLLBACK")


def test_what_appeared_before_commit_is_not_overwritten(queued, sql):
    queued.run("INSERT INTO branches (name, target_commit_hash) VALUES ('t', 'feature/login-23')")
    insert_pull = "INSERT INTO pull_requests (title, source_branch_name) VALUES ('{}', 't')"
    queued.run("BEGIN")
    queued.run(insert_pull.format("mine"))
    sql.run(insert_pull.format("theirs"))
    with queued.failing("23505", match="id 151 is OPEN"):
        queued.run("COMMIT")
    assert sql.value("SELECT title FROM pull_requests WHERE id = 151") == "theirs"


def test_deferred_triggers_still_write(queued, writes_db):
    writes_db.execute(
        """
        DROP TABLE IF EXISTS public.later;
        CREATE TABLE public.later (title text);
        CREATE OR REPLACE FUNCTION public.report() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN INSERT INTO queued.issues (title) VALUES (NEW.title); RETURN NEW; END $$;
        CREATE CONSTRAINT TRIGGER report AFTER INSERT ON public.later
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.report();
        """
    )
    queued.run("BEGIN")
    queued.run("INSERT INTO public.later VALUES ('deferred')")
    done = queued.run("COMMIT")
    assert done.sent == [("POST", ISSUES, {"title": "deferred"})]


def test_projects_too(queued, emulator):
    queued.use("acme_queued")
    queued.run("BEGIN")
    queued.run("INSERT INTO projects (key, name) VALUES ('LAB', 'Lab')")
    queued.run("INSERT INTO projects (key, name) VALUES ('WEB', 'taken')")
    with queued.failing("HV000", match="was answered 409"):
        queued.run("COMMIT")
    assert project(emulator, "LAB") is None


# --- PL/pgSQL ---

BLOCK = """
DO $do$
BEGIN
    INSERT INTO issues (title) VALUES ('kept');
    BEGIN
        INSERT INTO issues (title) VALUES ('lost');
        INSERT INTO issues (title, kind) VALUES ('bad', 'epic');
    EXCEPTION WHEN OTHERS THEN
        INSERT INTO issues (title) VALUES ('handled');
    END;
END $do$
"""


def test_an_exception_block_is_a_savepoint(any_mode, emulator):
    done = any_mode.run(BLOCK)
    found = [title for title in titles(emulator).values() if title in ("kept", "lost", "handled")]
    if any_mode.schema == "website":
        assert found == ["kept", "lost", "handled"]
        assert done.warnings == [STAYS]
    else:
        assert found == ["kept", "handled"]
        assert done.warnings == []


def test_the_error_reaches_the_handler(sql, writes_db):
    writes_db.execute(
        """
        CREATE OR REPLACE FUNCTION public.try(OUT state text, OUT message text, OUT detail text)
        LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO website.issues (title, component) VALUES ('t', 'no such');
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE, message = MESSAGE_TEXT,
                detail = PG_EXCEPTION_DETAIL;
        END $$
        """
    )
    state, message, detail = sql.run("SELECT * FROM public.try()").row
    assert "was answered 400" in message
    assert "does not exist" in detail
    if sql.exact:
        assert state == "HV000"


def test_a_procedure_may_commit(any_mode, writes_db, emulator):
    writes_db.execute(
        f"""
        CREATE OR REPLACE PROCEDURE {any_mode.schema}.steps() LANGUAGE plpgsql AS $$
        BEGIN
            INSERT INTO {any_mode.schema}.issues (title) VALUES ('one');
            COMMIT;
            INSERT INTO {any_mode.schema}.issues (title) VALUES ('two');
            ROLLBACK;
            INSERT INTO {any_mode.schema}.issues (title) VALUES ('three');
        END $$
        """
    )
    any_mode.run(f"CALL {any_mode.schema}.steps()")
    found = set(titles(emulator).values())
    assert {"one", "three"} <= found
    assert ("two" in found) == (any_mode.schema == "website")


# --- two ways of writing in one transaction ---


def test_servers_with_different_modes_in_one_transaction(sql, emulator):
    sql.run("BEGIN")
    sql.run("INSERT INTO website.issues (title) VALUES ('stays')")
    sql.run("INSERT INTO undone.issues (title) VALUES ('undone')")
    sql.run("INSERT INTO queued.issues (title) VALUES ('dropped')")
    done = sql.run("ROLLBACK")
    assert done.stays == [f"issues: POST {ISSUES} (46)"]
    assert done.warnings == [f"{STAYS}; 1 taken back"]
    found = set(titles(emulator).values())
    assert "stays" in found
    assert not found & {"undone", "dropped"}
