"""Default reviewers, whose rows are made and taken away by their address alone."""

import pytest

from tests.writes.conftest import MODES
from tests.writes.writing import R, account, documents

PROJECT = "/workspaces/acme/projects/WEB"
EFFECTIVE = "SELECT reviewer_type FROM effective_default_reviewers WHERE user_uuid = %s"


def reviewers(emulator):
    return {user["nickname"] for user in documents(emulator, "default_reviewers")}


def of_project(emulator, key="WEB"):
    rows = emulator.call("GET", "state?collection=project_default_reviewers")
    return {
        row["document"]["user"]["nickname"]
        for row in rows["project_default_reviewers"]
        if row["project_key"] == key
    }


def uuid(emulator, nickname):
    return account(emulator, nickname)["uuid"]


def path(emulator, nickname, above=R):
    return f"{above}/default-reviewers/{uuid(emulator, nickname)}"


def test_a_reviewer_is_added_without_a_body(sql, emulator):
    done = sql.run(
        "INSERT INTO default_reviewers (user_uuid) VALUES (%s) RETURNING user_nickname, user_type",
        (uuid(emulator, "hana"),),
    )
    assert done.sent == [("PUT", path(emulator, "hana"), None)]
    assert done.row == ("hana", "user")
    [put] = [request for request in done.requests if request.method == "PUT"]
    assert "content-type" not in {name.lower() for name in put.raw["request_headers"]}
    assert "hana" in reviewers(emulator)


def test_a_reviewer_who_is_one_already(sql, emulator):
    """A rollback would take away what was there before."""
    with sql.failing("23505", match="exists already") as failed:
        sql.run(
            "INSERT INTO default_reviewers (user_uuid) VALUES (%s)", (uuid(emulator, "fatima"),)
        )
    assert failed.done.sent == []
    assert "UUID(" not in failed.message
    assert "nothing to insert" in failed.hint


def test_a_reviewer_is_taken_away(sql, emulator):
    done = sql.run("DELETE FROM default_reviewers WHERE user_nickname = 'fatima'")
    assert done.sent == [("DELETE", path(emulator, "fatima"), None)]
    assert "fatima" not in reviewers(emulator)


def test_a_reviewer_cannot_be_updated(sql):
    with sql.failing("0A000", match="takes no UPDATE") as failed:
        sql.run("UPDATE default_reviewers SET user_nickname = 'x'")
    assert "insert another one" in failed.hint


def test_effective_ones_are_changed_where_they_come_from(sql):
    for statement in (
        "INSERT INTO effective_default_reviewers (user_nickname) VALUES ('x')",
        "DELETE FROM effective_default_reviewers",
    ):
        with sql.failing("0A000", match="effective_default_reviewers takes no") as failed:
            sql.run(statement)
        assert "project_default_reviewers" in failed.hint


def test_somebody_who_cannot_be_one(sql, emulator):
    nobody = "00000000-0000-4000-8000-000000000001"
    with sql.failing("HV00R", match="was answered 404") as failed:
        sql.run("INSERT INTO default_reviewers (user_uuid) VALUES (%s)", (nobody,))
    assert "workspace_members" in failed.hint
    [app] = [u for u in documents(emulator, "default_reviewers") if u["type"] == "app_user"]
    sql.use("acme")
    with sql.failing("HV000", match="was answered 400") as failed:
        sql.run(
            "INSERT INTO project_default_reviewers (project_key, user_uuid) VALUES ('WEB', %s)",
            (app["uuid"],),
        )
    assert "can read the repository" in failed.hint


@pytest.mark.parametrize("wraps", [False, True])
def test_a_reviewer_of_a_project(sql, emulator, wraps):
    """It is not known whether the answer wraps the account."""
    if wraps:
        emulator.fault("*/default-reviewers/*", kind="wrapped_reviewer", count=None)
    sql.use("acme")
    done = sql.run(
        "INSERT INTO project_default_reviewers (project_key, user_uuid) VALUES ('WEB', %s) "
        "RETURNING project_key, user_nickname, user_type",
        (uuid(emulator, "hana"),),
    )
    assert done.sent == [("PUT", path(emulator, "hana", PROJECT), None)]
    assert done.row == ("WEB", "hana", "user")
    assert "hana" in of_project(emulator)
    done = sql.run(
        "DELETE FROM project_default_reviewers WHERE project_key = 'WEB' AND user_nickname = 'hana'"
    )
    assert done.sent == [("DELETE", path(emulator, "hana", PROJECT), None)]
    assert "hana" not in of_project(emulator)


def test_a_project_has_to_be_named(sql, emulator):
    sql.use("acme")
    with sql.failing("23502", match="project_key is missing"):
        sql.run(
            "INSERT INTO project_default_reviewers (user_uuid) VALUES (%s)",
            (uuid(emulator, "hana"),),
        )


@pytest.mark.parametrize("schema", MODES)
def test_a_rollback(session_in, emulator, schema):
    before, projects = reviewers(emulator), of_project(emulator)
    workspace = "acme" if schema == "website" else f"acme_{schema}"
    session = session_in(f"{schema}, {workspace}")
    session.run("BEGIN")
    hana = uuid(emulator, "hana")
    session.run("INSERT INTO default_reviewers (user_uuid) VALUES (%s)", (hana,))
    session.run("DELETE FROM default_reviewers WHERE user_nickname = 'fatima'")
    session.run(
        "INSERT INTO project_default_reviewers (project_key, user_uuid) VALUES ('WEB', %s)", (hana,)
    )
    session.run("DELETE FROM project_default_reviewers WHERE user_nickname = 'goro'")
    done = session.run("ROLLBACK")
    if schema == "website":
        assert reviewers(emulator) == before - {"fatima"} | {"hana"}
        assert done.warnings
        return
    assert reviewers(emulator) == before
    assert of_project(emulator) == projects
    sent = [method for method, _, _ in done.sent]
    assert sent == (["PUT", "DELETE", "PUT", "DELETE"] if schema == "undone" else [])
    assert done.warnings == []


def test_a_deletion_that_may_be_taken_back_reads_nothing_more(undone, emulator):
    """The key is all that the row is made of, and the scan has read it."""
    undone.run("BEGIN")
    done = undone.run("DELETE FROM default_reviewers WHERE user_nickname = 'fatima'")
    assert [request.method for request in done.requests] == ["GET", "DELETE"]
    undone.run("ROLLBACK")
    assert "fatima" in reviewers(emulator)


def test_effective_ones_follow(sql, emulator):
    hana = uuid(emulator, "hana")
    assert sql.run(EFFECTIVE, (hana,)).rows == []
    sql.run("INSERT INTO default_reviewers (user_uuid) VALUES (%s)", (hana,))
    assert sql.run(EFFECTIVE, (hana,)).rows == [("repository",)]


def test_a_commit_sends_what_waits(queued, emulator):
    queued.run("BEGIN")
    queued.run("INSERT INTO default_reviewers (user_uuid) VALUES (%s)", (uuid(emulator, "hana"),))
    queued.run("DELETE FROM default_reviewers WHERE user_nickname = 'fatima'")
    assert "fatima" in reviewers(emulator)
    done = queued.run("COMMIT")
    assert [method for method, _, _ in done.sent] == ["PUT", "DELETE"]
    assert {"hana", "fatima"} & reviewers(emulator) == {"hana"}
