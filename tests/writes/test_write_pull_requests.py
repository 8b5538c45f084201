"""Opening, changing, merging and declining pull requests."""

from typing import Any

import pytest

from tests.writes.writing import R, account, document, once_sent, user_id

PULLS = f"{R}/pullrequests"

# Open pull requests of the sample, and what each is for. All are from branches of the repository
# itself into main, but for the one from a fork.
PLAIN, WITH_REVIEWERS, CONFLICTING, FROM_FORK = 6, 2, 1, 10


def branch(sql, name, of="release/1"):
    """Make a branch whose head is that of another one, that is ahead of main."""
    sql.run(
        "INSERT INTO branches (name, target_commit_hash) "
        "SELECT %s, target_commit_hash FROM branches WHERE name = %s",
        (name, of),
    )


AHEAD = "feature/login-23"  # the source of an open pull request, so ahead of main


# --- opening ---


def test_the_default_destination_is_the_main_branch(sql, emulator):
    branch(sql, "topic", AHEAD)
    done = sql.run(
        "INSERT INTO pull_requests (title, source_branch_name) VALUES ('t', 'topic') "
        "RETURNING id, state, destination_branch_name, author_nickname, draft, source_commit_hash"
    )
    body = {"title": "t", "source": {"branch": {"name": "topic"}}}
    assert done.sent == [("POST", PULLS, body)]
    # What it would overwrite is looked for first, which takes the main branch's name.
    assert done.read == ["/repositories/acme/website", PULLS]
    head = document(emulator, "branches", "topic")["target"]["hash"][:12]
    assert done.row == (151, "OPEN", "main", "ada", False, head)


def test_everything_that_can_be_given(sql, emulator):
    branch(sql, "topic", AHEAD)
    reviewers = [account(emulator, "ben"), account(emulator, "emre")]
    done = sql.run(
        "INSERT INTO pull_requests (title, source_branch_name, destination_branch_name, "
        "description, draft, close_source_branch, reviewers) "
        "VALUES ('t', 'topic', 'release/1', 'd', true, true, %s) RETURNING "
        "destination_branch_name, description, draft, close_source_branch, "
        "jsonb_array_length(reviewers)",
        (f'["{reviewers[0]["uuid"]}", {{"account_id": "{reviewers[1]["account_id"]}"}}]',),
    )
    body = {
        "title": "t",
        "source": {"branch": {"name": "topic"}},
        "destination": {"branch": {"name": "release/1"}},
        "description": "d",
        "draft": True,
        "close_source_branch": True,
        "reviewers": [
            {"uuid": reviewers[0]["uuid"]},
            {"account_id": reviewers[1]["account_id"]},
        ],
    }
    assert done.sent == [("POST", PULLS, body)]
    assert done.row == ("release/1", "d", True, True, 2)


@pytest.mark.parametrize("destination", ["NULL", "'main'"])
def test_an_open_one_is_not_overwritten(sql, emulator, destination):
    before = document(emulator, "pull_requests", PLAIN)
    source = before["source"]["branch"]["name"]
    with sql.failing("23505", match=f"id {PLAIN} is OPEN with source_branch_name") as failed:
        sql.run(
            "INSERT INTO pull_requests (title, source_branch_name, destination_branch_name) "
            f"VALUES ('other', %s, {destination})",
            (source,),
        )
    assert failed.done.sent == []
    assert repr(source) in failed.message
    assert "overwrite" in failed.detail
    assert failed.hint.endswith(f"AND id = {PLAIN}")
    assert document(emulator, "pull_requests", PLAIN) == before


def test_another_destination_or_a_closed_one_is_no_obstacle(sql, emulator):
    source = document(emulator, "pull_requests", PLAIN)["source"]["branch"]["name"]
    insert = (
        "INSERT INTO pull_requests (title, source_branch_name, destination_branch_name) "
        "VALUES ('again', %s, %s) RETURNING id"
    )
    assert sql.run(insert, (source, "release/1")).row == (151,)
    sql.run(f"UPDATE pull_requests SET state = 'DECLINED' WHERE id = {PLAIN}")
    assert sql.run(insert, (source, "main")).row == (152,)


def test_one_that_waits_to_be_closed_is_no_obstacle(session_in, emulator):
    queued = session_in("queued")
    source = document(emulator, "pull_requests", PLAIN)["source"]["branch"]["name"]
    insert = "INSERT INTO pull_requests (title, source_branch_name) VALUES ('again', %s)"
    decline = f"UPDATE pull_requests SET state = 'DECLINED' WHERE id = {PLAIN}"
    queued.run("BEGIN")
    queued.run("SAVEPOINT open")
    queued.run(decline)
    queued.run("ROLLBACK TO open")
    queued.run("SAVEPOINT open")
    with queued.failing("23505", match=f"id {PLAIN} is OPEN"):
        queued.run(insert, (source,))
    queued.run("ROLLBACK TO open")
    queued.run(decline)
    assert queued.run(insert, (source,)).sent == []
    done = queued.run("COMMIT")
    assert [path for _, path, _ in done.sent] == [f"{PULLS}/{PLAIN}/decline", PULLS]
    assert document(emulator, "pull_requests", 151)["title"] == "again"


def test_a_fork_with_a_branch_of_the_same_name_is_another_source(sql, emulator):
    fork = document(emulator, "pull_requests", FROM_FORK)["source"]
    assert fork["repository"]["full_name"] == "acme/website-fork"
    name = fork["branch"]["name"]
    assert document(emulator, "branches", name) is not None
    insert = (
        "INSERT INTO pull_requests (title, source_branch_name, source_repository_full_name) "
        "VALUES ('t', %s, %s) RETURNING id, source_repository_full_name"
    )
    with sql.failing("23505", match=f"id {FROM_FORK} is OPEN"):
        sql.run(insert, (name, "ACME/Website-Fork"))
    done = sql.run(insert, (name, None))
    assert done.row == (151, "acme/website")
    with sql.failing("23505", match="id 151 is OPEN"):
        sql.run(insert, (name, "acme/website"))


def test_a_pull_request_from_a_fork(sql):
    done = sql.run(
        "INSERT INTO pull_requests (title, source_branch_name, source_repository_full_name) "
        "VALUES ('t', 'feature/cache-2', 'acme/website-fork') "
        "RETURNING source_repository_full_name, destination_repository_full_name"
    )
    source = {"branch": {"name": "feature/cache-2"}}
    source["repository"] = {"full_name": "acme/website-fork"}
    assert done.sent == [("POST", PULLS, {"title": "t", "source": source})]
    assert done.row == ("acme/website-fork", "acme/website")


@pytest.mark.parametrize("name", ['it\'s/"quoted"', "a#b%c+d&e", 'x"y', "機能/x"])
def test_branch_names_with_odd_characters(sql, emulator, name):
    branch(sql, name, AHEAD)
    insert = "INSERT INTO pull_requests (title, source_branch_name) VALUES ('t', %s) RETURNING id"
    assert sql.run(insert, (name,)).row == (151,)
    with sql.failing("23505", match="id 151 is OPEN"):
        sql.run(insert, (name,))
    assert sql.run("DELETE FROM branches WHERE name = %s", (name,)).sent == [
        ("DELETE", f"{R}/refs/branches/{name}", None)
    ]
    assert document(emulator, "branches", name) is None


def test_a_repository_without_a_main_branch_takes_a_destination(sql):
    with sql.failing("23502", match="no default branch") as failed:
        sql.run(
            "INSERT INTO acme.pull_requests (repository, title, source_branch_name) "
            "VALUES ('empty', 't', 'b')"
        )
    assert "Name the destination" in failed.hint


# --- changing ---


def test_an_update_sends_changed_columns_only(sql, emulator):
    ben = user_id(emulator, "ben")
    done = sql.run(
        f"UPDATE pull_requests SET title = 'x', description = 'y', draft = true, reviewers = %s "
        f"WHERE id = {PLAIN} RETURNING title, summary_raw, draft, reviewers -> 0 ->> 'nickname'",
        (f'["{ben}"]',),
    )
    body = {
        "title": "x",
        "description": "y",
        "draft": True,
        "reviewers": [{"uuid": f"{{{ben}}}"}],
    }
    assert done.sent == [("PUT", f"{PULLS}/{PLAIN}", body)]
    assert done.row == ("x", "y", True, "ben")


def test_reviewers_that_stay_are_not_sent(sql):
    done = sql.run(
        f"UPDATE pull_requests SET title = 'x', reviewers = reviewers WHERE id = {WITH_REVIEWERS}"
    )
    description = document(sql.emulator, "pull_requests", WITH_REVIEWERS)["description"]
    body = {"title": "x", "description": description}
    assert done.sent == [("PUT", f"{PULLS}/{WITH_REVIEWERS}", body)]


def test_the_destination_can_change(sql, emulator):
    present = document(emulator, "pull_requests", PLAIN)
    done = sql.run(
        f"UPDATE pull_requests SET destination_branch_name = 'release/2' WHERE id = {PLAIN} "
        "RETURNING destination_branch_name"
    )
    # Alone it would be refused: it takes the title.
    body = {name: present[name] for name in ("title", "description")}
    body["destination"] = {"branch": {"name": "release/2"}}
    assert done.sent == [("PUT", f"{PULLS}/{PLAIN}", body)]
    assert done.row == ("release/2",)


def test_merging(sql, emulator):
    done = sql.run(
        "UPDATE pull_requests SET state = 'MERGED', merge_strategy = 'squash', "
        f"merge_message = 'done', close_source_branch = false WHERE id = {PLAIN} "
        "RETURNING state, closed_by_nickname, merge_commit_hash IS NOT NULL"
    )
    body = {"merge_strategy": "squash", "message": "done", "close_source_branch": False}
    assert done.sent == [("POST", f"{PULLS}/{PLAIN}/merge", body)]
    assert done.row == ("MERGED", "ada", True)
    merged = document(emulator, "pull_requests", PLAIN)
    assert document(emulator, "branches", merged["source"]["branch"]["name"]) is not None


@pytest.mark.parametrize("branch", ["main", "release/2"])
@pytest.mark.parametrize("schema", ["website", "queued"])
def test_merging_without_wishes_goes_by_the_branch_and_the_row(session_in, branch, schema):
    session = session_in(schema)
    session.run(
        f"UPDATE pull_requests SET destination_branch_name = '{branch}', description = 'd', "
        f"close_source_branch = false WHERE id = {PLAIN}"
    )
    done = session.run(f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {PLAIN}")
    strategy = "merge_commit" if branch == "main" else "squash"
    body = {"merge_strategy": strategy, "close_source_branch": False}
    assert done.sent == [("POST", f"{PULLS}/{PLAIN}/merge", body)]


def test_a_strategy_that_the_pull_request_does_not_tell_is_asked_of_the_branch(sql, emulator):
    told: dict[str, Any] = {"id": PLAIN, "close_source_branch": False}
    told["destination"] = {"branch": {"name": "release/2"}}
    emulator.fault(
        f"*/pullrequests/{PLAIN}", kind="status", method="GET", status=200, body=told, after=1
    )
    done = sql.run(f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {PLAIN}")
    assert f"{R}/refs/branches/release/2" in done.read
    assert done.sent[0][2]["merge_strategy"] == "squash"


def test_a_strategy_that_nobody_tells_is_not_guessed(sql, emulator):
    told: dict[str, Any] = {"id": PLAIN, "close_source_branch": False}
    told["destination"] = {"branch": {"name": "no such"}}
    emulator.fault(
        f"*/pullrequests/{PLAIN}", kind="status", method="GET", status=200, body=told, after=1
    )
    with sql.failing("23502", match="does not tell which merge_strategy") as failed:
        sql.run(f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {PLAIN}")
    assert failed.done.sent == []
    assert "SET merge_strategy" in failed.hint


def test_merging_together_with_other_changes(sql):
    done = sql.run(
        f"UPDATE pull_requests SET title = 'x', state = 'MERGED' WHERE id = {PLAIN} "
        "RETURNING title, state"
    )
    assert [(method, path) for method, path, _ in done.sent] == [
        ("PUT", f"{PULLS}/{PLAIN}"),
        ("POST", f"{PULLS}/{PLAIN}/merge"),
    ]
    assert done.row == ("x", "MERGED")


def test_a_merge_that_takes_long_is_waited_for(sql, emulator):
    emulator.fault("*/merge", kind="merge_later", count=1)
    done = sql.run(
        f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {PLAIN} RETURNING state, "
        "merge_commit_hash IS NOT NULL"
    )
    assert done.row == ("MERGED", True)
    assert [path for path in done.read if "task-status" in path][1:]


@pytest.mark.parametrize(
    ("fault", "sqlstate", "says"),
    [
        ({"status": 409}, "HV000", "was answered 409"),
        ({"status": 403}, "08007", "not known whether POST"),
        ({"kind": "status", "status": 200, "body": {"task_status": "?"}}, "08007", "not known"),
    ],
)
def test_a_merge_whose_end_cannot_be_seen(sql, emulator, fault, sqlstate, says):
    emulator.fault("*/merge", kind="merge_later", count=1)
    emulator.fault("*/task-status/*", **{"kind": "status", **fault})
    with sql.failing(sqlstate, match=says):
        sql.run(f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {PLAIN}")


def test_a_merge_that_does_not_end_is_given_up(writes_db, session_in, emulator):
    writes_db.execute("ALTER SERVER hasty OPTIONS (ADD task_timeout '2')")
    hasty = session_in("hasty")
    emulator.fault(
        "*/task-status/*", kind="status", status=200, body={"task_status": "PENDING"}, count=None
    )
    with hasty.failing("08007", match="not known whether POST") as failed:
        hasty.run(f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {PLAIN}")
    assert "not finished after 2 seconds" in failed.detail
    assert len(failed.done.stays) == 1
    writes_db.execute("ALTER SERVER hasty OPTIONS (DROP task_timeout)")


def test_a_cancel_while_a_merge_is_under_way_leaves_it_unknown(sql, emulator):
    emulator.fault(
        "*/task-status/*", kind="status", status=200, body={"task_status": "PENDING"}, count=None
    )
    with once_sent(emulator, "POST", sql.connection.cancel), sql.failing("57014") as failed:
        sql.run(f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {PLAIN}")
    [stays] = failed.done.stays
    assert stays.endswith("(it is not known whether it was applied)")


def test_a_merge_with_conflicts_is_refused_with_bitbuckets_words(sql, emulator):
    with sql.failing("HV000", match="was answered 409 Conflict") as failed:
        sql.run(f"UPDATE pull_requests SET state = 'MERGED' WHERE id = {CONFLICTING}")
    assert "merge conflicts" in failed.detail
    assert document(emulator, "pull_requests", CONFLICTING)["state"] == "OPEN"


def test_declining_with_a_reason(sql):
    done = sql.run(
        f"UPDATE pull_requests SET state = 'DECLINED', reason = 'no' WHERE id = {PLAIN} "
        "RETURNING state, reason"
    )
    assert done.sent == [("POST", f"{PULLS}/{PLAIN}/decline", {"message": "no"})]
    assert done.row == ("DECLINED", "no")


@pytest.mark.parametrize(
    ("statement", "sqlstate", "says", "hint"),
    [
        (
            "UPDATE pull_requests SET title = 'x' WHERE id = (SELECT min(id) FROM pull_requests "
            "WHERE state = 'MERGED')",
            "HV000",
            "cannot be changed, its state is MERGED",
            "state OPEN only",
        ),
        (
            f"UPDATE pull_requests SET state = 'SUPERSEDED' WHERE id = {PLAIN}",
            "22023",
            "state cannot be set to 'SUPERSEDED'",
            "MERGED, DECLINED",
        ),
        (
            f"UPDATE pull_requests SET merge_strategy = 'squash' WHERE id = {PLAIN}",
            "0A000",
            "merge_strategy can only be set together with state",
            "state = 'MERGED'",
        ),
        (
            "UPDATE pull_requests SET state = 'MERGED', merge_strategy = 'octopus' "
            f"WHERE id = {PLAIN}",
            "22023",
            "'octopus' is no merge_strategy",
            "squash",
        ),
        (
            f"UPDATE pull_requests SET source_branch_name = 'main' WHERE id = {PLAIN}",
            "0A000",
            "source_branch_name cannot be set by UPDATE",
            "title, destination_branch_name",
        ),
        (
            f"DELETE FROM pull_requests WHERE id = {PLAIN}",
            "0A000",
            "pull_requests takes no DELETE",
            "SET state = 'DECLINED'",
        ),
        (
            "INSERT INTO pull_requests (title, source_branch_name, state) VALUES ('t','b','OPEN')",
            "0A000",
            "state cannot be set by INSERT",
            "title, source_branch_name",
        ),
        (
            "INSERT INTO pull_requests (title) VALUES ('t')",
            "23502",
            "source_branch_name must be given",
            "",
        ),
        (
            "INSERT INTO pull_requests (title, source_branch_name, reviewers) "
            "VALUES ('t', 'b', '[1]')",
            "22023",
            "reviewers is no list of accounts",
            "uuid",
        ),
        (
            "INSERT INTO pull_requests (title, source_branch_name, reviewers) "
            "VALUES ('t', 'b', '\"x\"')",
            "22023",
            "reviewers is no list of accounts",
            "uuid",
        ),
    ],
)
def test_what_bitbucket_would_not_take_is_refused_here(sql, statement, sqlstate, says, hint):
    with sql.failing(sqlstate, match=says) as failed:
        sql.run(statement)
    assert failed.done.sent == []
    assert hint in failed.hint


def test_what_bitbucket_refuses_is_shown(sql):
    with sql.failing("HV000", match="was answered 400") as failed:
        sql.run("INSERT INTO pull_requests (title, source_branch_name) VALUES ('t', 'no such')")
    assert "branch not found: no such" in failed.detail
