"""Environments: a change is posted in an envelope, answered without the row, and read then."""

import pytest

from tests.writes.writing import R, documents

STATE = "environments"
ENVIRONMENTS = f"{R}/environments"


def named(emulator, name):
    return next((e for e in documents(emulator, STATE) if e["name"] == name), None)


def test_an_environment_is_made_with_its_type(sql, emulator):
    done = sql.run(
        "INSERT INTO environments (name, environment_type_name) VALUES ('Canary', 'Staging') "
        "RETURNING uuid, environment_type_rank"
    )
    body = {"name": "Canary", "environment_type": {"name": "Staging"}}
    assert done.sent == [("POST", f"{ENVIRONMENTS}/", body)]
    assert done.row[1] == named(emulator, "Canary")["environment_type"]["rank"] == 1


@pytest.mark.parametrize("given", ["name", "environment_type_name"])
def test_name_and_type_are_needed(sql, given):
    with sql.failing("23502", match="must be given"):
        sql.run(f"INSERT INTO environments ({given}) VALUES ('Test')")


def test_a_type_that_there_is_not(sql):
    with sql.failing("22023"):
        sql.run("INSERT INTO environments (name, environment_type_name) VALUES ('x', 'Canary')")


def test_a_name_that_is_taken(sql):
    with sql.failing("HV000", match="409") as failed:
        sql.run("INSERT INTO environments (name, environment_type_name) VALUES ('Test', 'Test')")
    assert "has an environment of that name" in failed.hint


def test_a_change_is_posted_and_the_row_is_read_afterwards(sql, emulator):
    uuid = named(emulator, "Test")["uuid"]
    done = sql.run(
        "UPDATE environments SET name = 'Try', restrictions_admin_only = true WHERE name = 'Test' "
        "RETURNING name, restrictions_admin_only, environment_type_name"
    )
    change = {"name": "Try", "restrictions": {"admin_only": True}}
    assert done.sent == [("POST", f"{ENVIRONMENTS}/{uuid}/changes/", {"change": change})]
    assert done.row == ("Try", True, "Test")
    assert named(emulator, "Try")["restrictions"]["admin_only"] is True
    assert sql.value("SELECT count(*) FROM deployments WHERE environment_name = 'Try'") > 0


def test_a_change_that_is_taken_on_and_not_made_is_an_error(sql, emulator):
    emulator.fault("*/changes*", kind="changes_ignored", count=None)
    with sql.failing("08007", match="it is not known whether POST") as failed:
        sql.run("UPDATE environments SET name = 'Try' WHERE name = 'Test'")
    assert "read 5 times since, shows: name Test" in failed.detail
    assert named(emulator, "Test")


@pytest.mark.parametrize("column", ["slug", "environment_lock_enabled", "environment_type_name"])
def test_nothing_else_can_be_changed(sql, column):
    value = "false" if column.endswith("enabled") else "'Staging'"
    with sql.failing("0A000", match=f"{column} cannot be set"):
        sql.run(f"UPDATE environments SET {column} = {value} WHERE name = 'Test'")


def test_an_environment_is_deleted(sql, emulator):
    uuid = named(emulator, "Staging")["uuid"]
    done = sql.run("DELETE FROM environments WHERE name = 'Staging'")
    assert done.sent == [("DELETE", f"{ENVIRONMENTS}/{uuid}", None)]
    assert named(emulator, "Staging") is None


@pytest.mark.parametrize(
    "change",
    [
        "INSERT INTO environments (name, environment_type_name) VALUES ('Canary', 'Test')",
        "UPDATE environments SET name = 'Try', restrictions_admin_only = true WHERE name = 'Test'",
    ],
)
def test_a_rollback_takes_a_change_back(session_in, emulator, change):
    before = documents(emulator, STATE)
    session = session_in("undone")
    session.run("BEGIN")
    session.run(change)
    assert documents(emulator, STATE) != before
    session.run("ROLLBACK")
    assert documents(emulator, STATE) == before


def test_deployments_are_made_by_pipelines(sql):
    for statement in (
        "DELETE FROM deployments WHERE version > 0",
        "UPDATE deployments SET key = 'x' WHERE version > 0",
        "INSERT INTO deployments (key) VALUES ('x')",
    ):
        with sql.failing("0A000") as failed:
            sql.run(statement)
        assert "made by steps of pipelines" in failed.hint
