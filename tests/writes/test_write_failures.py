"""Answers that are errors, answers that do not come, and what is known of the change then."""

import socket
from typing import Any

import pytest

from tests.writes.writing import R, document, documents, once_sent

ISSUES = f"{R}/issues"

# One change of each kind, and the path it goes to.
CHANGES = {
    "POST": ("INSERT INTO issues (title) VALUES ('t')", ISSUES),
    "PUT": ("UPDATE issues SET title = 't' WHERE id = 1", f"{ISSUES}/1"),
    "DELETE": ("DELETE FROM issues WHERE id = 1", f"{ISSUES}/1"),
}
each_change = pytest.mark.parametrize("method", CHANGES)


def tries(failed, method):
    return [sent for sent in failed.sent if sent[0] == method]


# --- answers ---


@each_change
@pytest.mark.parametrize(
    ("status", "sqlstate", "hint"),
    [
        (400, "HV000", None),
        (401, "28000", "API tokens expire"),
        (403, "42501", "scope"),
        (404, "HV00R", "no issue tracker"),
        (409, "HV000", None),
        (410, "0A000", "removed"),
    ],
)
def test_a_refusal_is_final_and_said_with_its_reason(sql, emulator, method, status, sqlstate, hint):
    statement, path = CHANGES[method]
    before = documents(emulator, "issues")
    emulator.fault(
        "*/issues*",
        kind="status",
        method=method,
        status=status,
        body={"type": "error", "error": {"message": "No.", "fields": {"title": ["Too odd."]}}},
    )
    with sql.failing(sqlstate, match=f"was answered {status}") as failed:
        sql.run(statement)
    assert failed.message.startswith(f"issues: {method} {path} was answered {status}")
    assert "No. title: Too odd." in failed.detail
    assert len(tries(failed.done, method)) == 1
    assert hint is None or hint in failed.hint
    assert failed.done.warnings == []
    assert documents(emulator, "issues") == before


def test_a_missing_write_scope_is_named(session_in, emulator):
    reader = session_in("reader")
    with reader.failing("42501", match="was answered 403") as failed:
        reader.run("INSERT INTO issues (title) VALUES ('t')")
    assert "write:issue" in failed.hint
    assert "Reading" not in failed.hint


@pytest.mark.parametrize(
    ("statement", "scope"),
    [
        ("UPDATE issues SET title = 't' WHERE id = 1", "write:issue"),
        ("DELETE FROM issues WHERE id = 1", "delete:issue"),
        ("UPDATE pull_requests SET title = 't' WHERE id = 6", "write:pullrequest"),
        ("INSERT INTO branches (name, target_commit_hash) VALUES ('x', 'main')", "write:repo"),
    ],
)
def test_every_change_names_its_scope(session_in, statement, scope):
    reader = session_in("reader")
    with reader.failing("42501") as failed:
        reader.run(statement)
    assert scope in failed.hint


@each_change
@pytest.mark.parametrize(("retry_after", "count"), [(None, 1), (0, 2)])
def test_throttled_changes_are_sent_again(sql, emulator, method, retry_after, count):
    statement, path = CHANGES[method]
    emulator.fault(
        "*/issues*", kind="status", method=method, status=429, count=count, retry_after=retry_after
    )
    done = sql.run(statement)
    assert [sent[:2] for sent in done.sent] == [(method, path)] * (count + 1)


def test_a_limit_that_does_not_end_is_an_error_and_nothing_was_applied(hasty, emulator):
    emulator.fault("*/issues*", kind="status", method="POST", status=429, count=None)
    with hasty.failing("53400", match="was answered 429") as failed:
        hasty.run("INSERT INTO issues (title) VALUES ('t')")
    assert len(failed.done.sent) == 2
    assert failed.done.warnings == []


def test_a_removed_tracker_says_so(sql, emulator):
    emulator.fault(
        "*/issues*",
        kind="status",
        status=410,
        count=None,
        body={"type": "error", "error": {"message": "CHANGE-3071 - Functionality deprecated"}},
    )
    with sql.failing("0A000", match="was answered 410") as failed:
        sql.run("INSERT INTO issues (title) VALUES ('t')")
    assert "CHANGE-3071" in failed.detail
    assert "removed the issue tracker on 2026-08-20" in failed.detail


# --- no answer, or none to go by ---

LOST: dict[str, dict[str, Any]] = {
    "reset before": {"kind": "reset"},
    "reset after": {"kind": "reset", "when": "after"},
    "cut short": {"kind": "truncate"},
    "half a document": {"kind": "cut_json"},
    "time-out before": {"kind": "reset", "delay_ms": 2000},
    "time-out after": {"kind": "slow", "delay_ms": 2000},
    "502": {"kind": "status", "status": 502, "form": "html"},
    "503 after": {"kind": "status", "status": 503, "when": "after"},
    "555": {"kind": "status", "status": 555, "form": "text"},
}
APPLIED = ("reset after", "cut short", "half a document", "time-out after", "503 after")


@pytest.mark.parametrize("fault", LOST)
def test_a_post_whose_outcome_is_unknown_is_not_repeated(hasty, emulator, fault):
    before = len(documents(emulator, "issues"))
    emulator.fault("*/issues", method="POST", **LOST[fault])
    with hasty.failing("08007", match=f"not known whether POST {ISSUES} was applied") as failed:
        hasty.run("INSERT INTO issues (title) VALUES ('t')")
    assert len(failed.done.sent) == 1
    assert "SELECT the row" in failed.hint
    assert failed.done.warnings == [
        "1 change stays at Bitbucket although the transaction was rolled back"
    ]
    assert failed.done.stays == [f"issues: POST {ISSUES} (it is not known whether it was applied)"]
    assert len(documents(emulator, "issues")) == before + (fault in APPLIED)


@pytest.mark.parametrize(
    ("method", "fault"),
    [
        *(("PUT", fault) for fault in LOST),
        # An answer to DELETE has no body to cut.
        *(("DELETE", fault) for fault in LOST if fault not in ("cut short", "half a document")),
    ],
)
def test_what_can_be_repeated_is(hasty, emulator, method, fault):
    statement, path = CHANGES[method]
    emulator.fault("*/issues/1", method=method, **LOST[fault])
    done = hasty.run(statement)
    # A DELETE that was applied is answered 404 the second time: it is done.
    assert [sent[:2] for sent in done.sent] == [(method, path)] * 2
    assert done.warnings == []
    issue = document(emulator, "issues", 1)
    assert issue is None if method == "DELETE" else issue["title"] == "t"


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_what_fails_again_and_again_is_unknown_too(hasty, emulator, method):
    emulator.fault("*/issues/1", method=method, kind="status", status=503, count=None)
    with hasty.failing("08007", match=f"not known whether {method}") as failed:
        hasty.run(CHANGES[method][0])
    assert len(failed.done.sent) == 2


def test_a_doubt_is_not_forgotten_over_a_later_refusal(sql, emulator):
    emulator.fault("*/issues/1", method="PUT", kind="status", status=503, when="after", count=1)
    # Longer than a statement is kept waiting.
    emulator.fault("*/issues/1", method="PUT", kind="status", status=429, retry_after=9999)
    with sql.failing("08007", match="not known whether PUT") as failed:
        sql.run(CHANGES["PUT"][0])
    assert "asks to wait for 9999 seconds" in failed.detail


@each_change
def test_a_refused_connection_means_nothing_was_applied(writes_db, emulator, session_in, method):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        nobody = f"http://127.0.0.1:{probe.getsockname()[1]}/2.0"
    name = f"nobody_{method.lower()}"
    writes_db.create_server(name, base_url=nobody, retry_limit="1")
    writes_db.execute(
        f"CREATE FOREIGN TABLE {name} (id bigint, title text) SERVER {name} "
        "OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    sql = session_in("public")
    statement = CHANGES[method][0].replace(" issues ", f" {name} ")
    with sql.failing("08006", match="got no complete answer") as failed:
        sql.run(statement)
    assert failed.done.warnings == []


def test_a_cancelled_change_is_listed(sql, emulator):
    emulator.fault("*/issues", method="POST", kind="slow", delay_ms=60_000)
    with once_sent(emulator, "POST", sql.connection.cancel), sql.failing("57014") as failed:
        sql.run("INSERT INTO issues (title) VALUES ('t')")
    assert failed.done.stays == [f"issues: POST {ISSUES} (it is not known whether it was applied)"]
    # The session goes on.
    assert len(sql.run("INSERT INTO issues (title) VALUES ('t')").sent) == 1


def test_statement_timeout_ends_a_change(sql, emulator):
    sql.run("SELECT count(*) FROM issues")
    emulator.fault("*/issues/1", method="PUT", kind="slow", delay_ms=60_000)
    sql.run("SET statement_timeout = '4s'")  # enough for the request to be sent
    with sql.failing("57014") as failed:
        sql.run("UPDATE issues SET title = 't' WHERE id = 1")
    assert failed.done.stays == [f"issues: PUT {ISSUES}/1 (it is not known whether it was applied)"]


# --- the k-th of n ---


def test_a_failure_says_which_row_it_was_and_which_went_through(sql, emulator):
    emulator.fault("*/issues", method="POST", kind="status", status=400, after=2)
    with sql.failing("HV000") as failed:
        sql.run("INSERT INTO issues (title) SELECT 't' || n FROM generate_series(1, 4) n")
    assert len(failed.done.sent) == 3
    through = [f"issues: POST {ISSUES} ({number})" for number in (46, 47)]
    assert "Row 3 of the statement." in failed.detail
    assert f"Sent before it in this transaction: 1. {through[0]}; 2. {through[1]}." in failed.detail
    assert failed.done.stays == through


def test_a_row_that_is_refused_here_says_so_too(sql):
    with sql.failing("22023", match="'epic' is no kind") as failed:
        sql.run(
            "INSERT INTO issues (title, kind) VALUES ('a', 'bug'), ('b', 'task'), ('c', 'epic')"
        )
    assert len(failed.done.sent) == 2
    assert "Row 3 of the statement. Sent before it" in failed.detail


def test_the_first_row_has_nothing_before_it(sql):
    with sql.failing("22023") as failed:
        sql.run("INSERT INTO issues (title, kind) VALUES ('a', 'epic')")
    assert failed.detail == ""
    sql.run("INSERT INTO issues (title) VALUES ('a')")
    with sql.failing("22023") as failed:
        sql.run("INSERT INTO issues (title, kind) VALUES ('a', 'epic')")
    assert failed.detail == "", "a transaction that has ended is over"


def test_a_long_list_is_cut_in_the_error_and_whole_in_the_warning(sql, emulator):
    emulator.fault("*/issues", method="POST", kind="status", status=400, after=30)
    with sql.failing() as failed:
        sql.run("INSERT INTO issues (title) SELECT 't' FROM generate_series(1, 40)")
    assert "20. issues: POST" in failed.detail
    assert "21. issues: POST" not in failed.detail
    assert failed.detail.endswith("; and 10 more.")
    assert len(failed.done.stays) == 30


def test_the_second_request_of_a_row_names_the_first(sql, emulator):
    emulator.fault("*/merge", kind="status", status=409)
    with sql.failing("HV000", match="was answered 409") as failed:
        sql.run("UPDATE pull_requests SET title = 'x', state = 'MERGED' WHERE id = 6")
    put = f"pull_requests: PUT {R}/pullrequests/6"
    assert f"Sent before it in this transaction: 1. {put}." in failed.detail
    assert failed.done.stays == [put]


def test_a_doubtful_change_counts_as_sent_for_those_after_it(sql, emulator):
    sql.connection.autocommit = False
    sql.run("SAVEPOINT a")
    emulator.fault("*/issues", method="POST", kind="reset")
    with sql.failing("08007"):
        sql.run("INSERT INTO issues (title) VALUES ('a')")
    done = sql.run("ROLLBACK TO a")
    assert done.warnings == []  # it was told when the statement failed
    sql.run("INSERT INTO issues (title) VALUES ('b')")
    sql.connection.rollback()
