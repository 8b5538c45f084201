"""Rules on branches: what a change sends, and what Bitbucket makes of it."""

import json

import pytest

from tests.support.credentials import mapping_options
from tests.writes.conftest import MODES
from tests.writes.writing import R, account, document, documents

RULES = f"{R}/branch-restrictions"
STATE = "branch_restrictions"


def uuids(users):
    return {user["uuid"] for user in users}


@pytest.fixture
def rule(emulator):
    """The rule on pushes to the main branch, which accounts and a group are exempt from."""
    [found] = [
        found
        for found in documents(emulator, STATE)
        if (found["kind"], found["pattern"]) == ("push", "main")
    ]
    assert len(found["users"]) == 2
    assert found["groups"]
    return found


def test_a_rule_is_made(sql, emulator):
    ada, goro = account(emulator, "ada"), account(emulator, "goro")
    users, groups = json.dumps([ada["uuid"], goro]), '["developers"]'
    done = sql.run(
        "INSERT INTO branch_restrictions (kind, branch_match_kind, pattern, users, groups) "
        "VALUES ('push', 'glob', 'hot/*', %s, %s) RETURNING id, branch_type, value",
        (users, groups),
    )
    body = {
        "kind": "push",
        "branch_match_kind": "glob",
        "pattern": "hot/*",
        "users": [{"uuid": ada["uuid"]}, {"uuid": goro["uuid"]}],
        "groups": [{"slug": "developers"}],
    }
    assert done.sent == [("POST", RULES, body)]
    made = document(emulator, STATE, done.row[0])
    # Bitbucket has the accounts in another order, and that is no difference.
    assert [user["uuid"] for user in made["users"]] == [goro["uuid"], ada["uuid"]]


def test_a_rule_by_the_branching_model(sql, emulator):
    done = sql.run(
        "INSERT INTO branch_restrictions (kind, branch_match_kind, branch_type, value) "
        "VALUES ('require_approvals_to_merge', 'branching_model', 'hotfix', 3) "
        "RETURNING id, pattern"
    )
    [(_, _, body)] = done.sent
    assert "pattern" not in body
    assert done.row[1] == ""
    assert document(emulator, STATE, done.row[0])["value"] == 3


def test_an_update_sends_the_whole_rule(sql, emulator, rule):
    done = sql.run("UPDATE branch_restrictions SET pattern = 'trunk' WHERE id = %s", (rule["id"],))
    [(method, path, body)] = done.sent
    assert (method, path) == ("PUT", f"{RULES}/{rule['id']}")
    assert body["kind"] == "push"
    assert body["branch_match_kind"] == "glob"
    assert uuids(body["users"]) == uuids(rule["users"])
    now = document(emulator, STATE, rule["id"])
    assert now["pattern"] == "trunk"
    assert uuids(now["users"]) == uuids(rule["users"])
    assert now["groups"] == rule["groups"]


def test_an_old_rule_is_updated_as_one_for_a_pattern(sql, emulator):
    [old] = [found for found in documents(emulator, STATE) if "branch_match_kind" not in found]
    where = f"WHERE id = {old['id']}"
    assert sql.value(f"SELECT branch_match_kind FROM branch_restrictions {where}") is None
    sql.run(f"UPDATE branch_restrictions SET pattern = 'trunk' {where}")
    assert document(emulator, STATE, old["id"])["branch_match_kind"] == "glob"


def test_a_list_is_emptied(sql, emulator, rule):
    done = sql.run(
        "UPDATE branch_restrictions SET groups = '[]' WHERE id = %s RETURNING groups",
        (rule["id"],),
    )
    assert "groups" not in done.sent[0][2]
    assert done.row == ([],)
    assert document(emulator, STATE, rule["id"])["groups"] == []


def test_a_list_that_bitbucket_keeps_is_an_error(sql, emulator, rule):
    """It is not known what a PUT does to a list that it leaves out."""
    emulator.fault("*/branch-restrictions*", kind="put_keeps_lists", count=None)
    with sql.failing("HV000", match="did not store groups as given") as failed:
        sql.run("UPDATE branch_restrictions SET groups = '[]' WHERE id = %s", (rule["id"],))
    assert "administrators" in failed.detail
    assert "delete it and insert it anew" in failed.hint
    # Nothing is lost where a list is not emptied.
    sql.run("UPDATE branch_restrictions SET pattern = 'x' WHERE id = %s", (rule["id"],))
    assert document(emulator, STATE, rule["id"])["groups"] == rule["groups"]


def test_a_rule_on_pushes_with_somebody_who_cannot_write(sql, emulator):
    chloe = account(emulator, "chloe")["uuid"]
    with sql.failing("08007", match="it is not known whether") as failed:
        sql.run(
            "INSERT INTO branch_restrictions (kind, branch_match_kind, pattern, users) "
            "VALUES ('push', 'glob', 'x', %s)",
            (json.dumps([chloe]),),
        )
    assert "cannot write to the repository" in failed.hint
    assert len(failed.done.sent) == 1


def test_a_kind_that_the_plan_does_not_include(writes_db, session_in, emulator):
    writes_db.execute("DROP SERVER IF EXISTS free CASCADE")
    writes_db.create_server("free", credentials=mapping_options(emulator, "ben-write"))
    writes_db.execute("CREATE SCHEMA free")
    writes_db.execute('IMPORT FOREIGN SCHEMA "globex/reactor" FROM SERVER free INTO free')
    try:
        insert = (
            "INSERT INTO branch_restrictions (kind, branch_match_kind, pattern) "
            "VALUES ('enforce_merge_checks', 'glob', 'x')"
        )
        with session_in("free").failing("42501", match="was answered 403") as failed:
            session_in("free").run(insert)
        assert "Premium" in failed.hint
    finally:
        writes_db.execute("DROP SCHEMA free CASCADE; DROP SERVER free CASCADE")


def test_a_missing_scope_is_no_matter_of_the_plan(session_in):
    reader = session_in("reader")
    with reader.failing("42501") as failed:
        reader.run(
            "INSERT INTO branch_restrictions (kind, branch_match_kind, pattern) "
            "VALUES ('force', 'glob', 'x')"
        )
    assert "admin:repository" in failed.hint
    assert "Premium" not in failed.hint


@pytest.mark.parametrize(
    ("given", "status"),
    [
        ("'glob', NULL, 'release'", 400),
        ("'branching_model', 'x', 'release'", 400),
        ("'branching_model', NULL, NULL", 400),
    ],
)
def test_a_rule_that_bitbucket_refuses(sql, given, status):
    with sql.failing("HV000", match=f"was answered {status}"):
        sql.run(
            "INSERT INTO branch_restrictions (kind, branch_match_kind, pattern, branch_type) "
            f"SELECT 'force', {given}"
        )


@pytest.mark.parametrize("schema", MODES)
def test_a_rollback(session_in, emulator, schema, rule):
    """Nothing was sent, or it is taken back, or a warning says what stays."""
    before = documents(emulator, STATE)
    session = session_in(schema)
    session.run("BEGIN")
    session.run(
        "INSERT INTO branch_restrictions (kind, branch_match_kind, pattern) "
        "VALUES ('force', 'glob', 'x')"
    )
    session.run("UPDATE branch_restrictions SET pattern = 'y' WHERE id = %s", (rule["id"],))
    done = session.run("ROLLBACK")
    after = documents(emulator, STATE)
    if schema == "website":
        assert len(after) == len(before) + 1
        assert done.warnings
        return
    assert [_comparable(found) for found in after] == [_comparable(found) for found in before]
    assert bool(done.sent) is (schema == "undone")


def _comparable(found):
    return {**found, "users": sorted(user["uuid"] for user in found["users"])}


@pytest.mark.parametrize("schema", MODES)
def test_a_deletion_is_taken_back_with_another_id(session_in, emulator, schema, rule):
    session = session_in(schema)
    session.run("BEGIN")
    session.run("DELETE FROM branch_restrictions WHERE id = %s", (rule["id"],))
    session.run("ROLLBACK")
    same = [found for found in documents(emulator, STATE) if found["kind"] == "push"]
    same = [found for found in same if found["pattern"] == "main"]
    if schema == "website":
        assert same == []
        return
    [again] = same
    assert (again["id"] == rule["id"]) is (schema == "queued")
    assert uuids(again["users"]) == uuids(rule["users"])
    assert again["groups"] == rule["groups"]


@pytest.mark.parametrize("schema", MODES)
def test_the_deletion_of_an_old_rule_is_taken_back(session_in, emulator, schema):
    """It has no kind of match, which an INSERT needs. It means the same as a rule by pattern."""
    [old] = [found for found in documents(emulator, STATE) if "branch_match_kind" not in found]
    session = session_in(schema)
    session.run("BEGIN")
    done = session.run("DELETE FROM branch_restrictions WHERE branch_match_kind IS NULL")
    assert done.count == 1
    session.run("ROLLBACK")
    again = [
        (found.get("branch_match_kind", "glob"), found["pattern"])
        for found in documents(emulator, STATE)
        if found["kind"] == old["kind"]
    ]
    assert again == ([] if schema == "website" else [("glob", old["pattern"])])


def test_a_commit_sends_what_waits(queued, emulator, rule):
    queued.run("BEGIN")
    queued.run("UPDATE branch_restrictions SET value = 2 WHERE id = %s", (rule["id"],))
    assert queued.value(f"SELECT value FROM branch_restrictions WHERE id = {rule['id']}") == 2
    queued.run("DELETE FROM branch_restrictions WHERE kind = 'force'")
    done = queued.run("COMMIT")
    assert [method for method, _, _ in done.sent] == ["PUT", "DELETE"]
    assert document(emulator, STATE, rule["id"])["value"] == 2
