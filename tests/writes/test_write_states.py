"""States that a row has already, texts that are emptied, and what is refused before it is sent."""

import base64
import urllib.request

import pytest

from tests.writes.writing import R, document, documents

PULL = f"{R}/pullrequests/44"
SCHEMAS = ("website", "undone", "queued")


@pytest.fixture
def thread(sql):
    """A comment on the diff of pull request 44, and an answer to it."""
    number = sql.value(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw, inline_path, inline_to) "
        "VALUES (44, 'thread', 'a.py', 1) RETURNING id"
    )
    answer = sql.value(
        "INSERT INTO pull_request_comments (pull_request_id, content_raw, parent_id) "
        f"VALUES (44, 'answer', {number}) RETURNING id"
    )
    return number, answer


def resolve(session, number, value):
    return session.run(
        f"UPDATE pull_request_comments SET resolved = {value} "
        f"WHERE pull_request_id = 44 AND id = {number}"
    )


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize("value", ["true", "false"])
def test_a_thread_that_is_so_already_is_so(session_in, emulator, thread, schema, value):
    """Somebody is quicker: the scan found it otherwise."""
    session, other = session_in(schema), session_in("website")
    if value == "false":
        resolve(other, thread[0], "true")
    found = document(emulator, "pull_request_comments", thread[0])
    resolve(other, thread[0], value)
    emulator.fault(
        f"*/comments/{thread[0]}", method="GET", kind="status", status=200, body=found, count=1
    )
    session.run("BEGIN")
    done = resolve(session, thread[0], value)
    if schema != "queued":
        assert [method for method, _, _ in done.sent] == ["POST" if value == "true" else "DELETE"]
        # Nothing was changed, so that there is nothing to take back.
        assert session.run("ROLLBACK").requests == []
    else:
        session.run("COMMIT")
    resolution = document(emulator, "pull_request_comments", thread[0]).get("resolution")
    assert (resolution is not None) == (value == "true")


def test_a_thread_that_is_gone_is_an_error(sql, emulator, thread):
    resolve(sql, thread[0], "true")
    emulator.fault("*/resolve", method="DELETE", kind="status", status=404)
    with sql.failing("HV00R", match="was answered 404"):
        resolve(sql, thread[0], "false")


def test_an_answer_in_a_thread_is_not_resolved(sql, thread):
    with sql.failing("HV000", match="its parent_id is") as failed:
        resolve(sql, thread[1], "true")
    assert failed.done.sent == []
    assert "parent_id NULL" in failed.hint


# --- verdicts ---


@pytest.mark.parametrize("way", ["accepted", "refused"])
@pytest.mark.parametrize("state", ["approved", "changes_requested"])
@pytest.mark.parametrize("schema", SCHEMAS)
def test_a_verdict_given_twice_is_given(session_in, emulator, way, state, schema):
    session = session_in(schema)
    insert = (
        f"INSERT INTO pull_request_participants (pull_request_id, state) VALUES (44, '{state}')"
    )
    session.run(insert)
    if way == "refused":
        emulator.fault("*", method="POST", kind="second_refused")
    session.run("BEGIN")
    session.run(insert)
    done = session.run("COMMIT")
    assert done.warnings == []
    verdict = "user_nickname = 'ada' AND pull_request_id = 44"
    found = session.value(f"SELECT state FROM pull_request_participants WHERE {verdict}")
    assert found == state


def test_a_refusal_of_another_kind_is_an_error(sql, emulator):
    emulator.fault("*/approve", method="POST", kind="status", status=409)
    with sql.failing("HV000", match="was answered 409"):
        sql.run(
            "INSERT INTO pull_request_participants (pull_request_id, state) VALUES (44, 'approved')"
        )


# --- build statuses and texts ---


@pytest.fixture
def head(emulator):
    return document(emulator, "branches", "main")["target"]["hash"]


def test_a_key_has_at_most_forty_characters(sql, head):
    insert = (
        "INSERT INTO commit_statuses (commit_hash, key, state, url) "
        "VALUES (%s, %s, 'FAILED', 'https://ci.example/1')"
    )
    sql.run(insert, (head, "ä" * 40))
    with sql.failing("22023", match="key has 41 characters") as failed:
        sql.run(insert, (head, "k" * 41))
    assert failed.done.sent == []
    assert "at most 40" in failed.hint


def test_a_key_that_two_applications_report_is_not_changed(sql, emulator, head):
    status = {
        "key": "k",
        "state": "FAILED",
        "url": "https://ci.example/1",
        "created_on": "2026-01-02T03:04:05+00:00",
    }
    other = {**status, "state": "SUCCESSFUL", "created_on": "2026-01-02T03:04:06+00:00"}
    emulator.fault(
        "*/statuses", kind="status", status=200, body={"size": 2, "values": [status, other]}
    )
    with sql.failing("HV000", match="key k stands for several rows") as failed:
        sql.run(
            f"UPDATE commit_statuses SET state = 'STOPPED' WHERE commit_hash = '{head}' "
            "AND url LIKE 'https%'"
        )
    assert failed.done.sent == []


@pytest.mark.parametrize(
    ("table", "where", "columns"),
    [
        ("commit_statuses", "key = 'k'", ("description", "name", "refname")),
        ("projects", "key = 'NEW'", ("description",)),
        ("pull_requests", "id = 6", ("description",)),
    ],
)
def test_null_empties_a_text(session_in, head, table, where, columns):
    sql = session_in("website, acme")
    if table == "commit_statuses":
        where += f" AND commit_hash = '{head}'"
        sql.run(
            "INSERT INTO commit_statuses (commit_hash, key, state, url) "
            "VALUES (%s, 'k', 'FAILED', 'https://ci.example/1')",
            (head,),
        )
    for column in columns:
        sql.run(f"UPDATE {table} SET {column} = 'x' WHERE {where}")
        done = sql.run(f"UPDATE {table} SET {column} = NULL WHERE {where}")
        assert [body[column] for _, _, body in done.sent] == [""]


@pytest.mark.parametrize("column", ["inline_path", "inline_from", "inline_to"])
@pytest.mark.parametrize("table", ["pull_request_comments", "commit_comments"])
def test_an_answer_has_no_place_of_its_own(sql, head, table, column):
    of = f"commit_hash = '{head}'" if table == "commit_comments" else "pull_request_id = 44"
    name, value = of.split(" = ")
    place = "'a.py'" if column == "inline_path" else "1"
    with sql.failing("22023", match=f"parent_id and {column} exclude each other") as failed:
        sql.run(
            f"INSERT INTO {table} ({name}, content_raw, parent_id, {column}) "
            f"VALUES ({value}, 'c', 1, {place})"
        )
    assert failed.done.sent == []


# --- drafts ---


@pytest.fixture
def drafts(emulator):
    """A draft of ada's comment and task on pull request 44, as the web site makes them."""
    found = {}
    for kind in ("comments", "tasks"):
        request = urllib.request.Request(
            f"{emulator.base_url}{PULL}/{kind}",
            method="POST",
            data=b'{"content": {"raw": "draft"}, "pending": true}',
            headers={"Content-Type": "application/json", **authorization(emulator)},
        )
        with urllib.request.urlopen(request) as answer:
            assert answer.status == 201
        [draft] = [
            d
            for d in documents(emulator, f"pull_request_{kind}", pull_request_id=44)
            if d["pending"]
        ]
        found[f"pull_request_{kind}"] = draft["id"]
    return found


def authorization(emulator):
    pair = base64.b64encode(b"ada@acme.example:emulator-token-ada-write").decode()
    return {"Authorization": f"Basic {pair}"}


@pytest.mark.parametrize("table", ["pull_request_comments", "pull_request_tasks"])
def test_drafts_are_shown_to_whom_asks_only(writes_db, session_in, drafts, table):
    session = session_in("website")
    number, of = drafts[table], f"FROM {table} WHERE pull_request_id = 44"
    counts = []
    for shown in (False, True):
        if shown:
            writes_db.execute(f"ALTER FOREIGN TABLE website.{table} OPTIONS (ADD drafts 'shown')")
        try:
            rows = session.run(f"SELECT id, pending {of}").rows
            assert ((number, True) in rows) == shown
            # Any plan agrees: by key, by list, by a join, sorted, limited, counted.
            for condition in (f"id = {number}", f"id IN ({number}, 0)", "pending"):
                found = session.run(f"SELECT id {of} AND {condition}").rows
                assert found == ([(number,)] if shown else []), condition
            joined = session.run(
                f"SELECT t.id FROM (VALUES ({number}::bigint)) v (id) JOIN {table} t "
                "ON t.id = v.id AND t.pull_request_id = 44"
            )
            assert len(joined.rows) == shown
            limited = session.run(f"SELECT id {of} ORDER BY id DESC LIMIT 1").rows
            assert (limited == [(number,)]) == shown
            counts.append(session.value(f"SELECT count(*) {of}"))
            assert counts[-1] == len(rows)
            done = session.run(
                f"UPDATE {table} SET content_raw = 'x' WHERE id = {number} AND pull_request_id = 44"
            )
            assert len(done.sent) == shown
        finally:
            if shown:
                writes_db.execute(f"ALTER FOREIGN TABLE website.{table} OPTIONS (DROP drafts)")
    assert counts[1] == counts[0] + 1
