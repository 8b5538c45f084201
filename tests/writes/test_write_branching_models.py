"""How branching models are set up: one row, which is updated in part."""

import json

import pytest

from tests.writes.conftest import MODES
from tests.writes.writing import R, documents

PATH = f"{R}/branching-model/settings"
STATE = "branching_model_settings"
TABLE = "branching_model_settings"
OTHER = "feature/login-23"  # a branch of the sample


def settings(emulator):
    [found] = documents(emulator, STATE)
    return found


def test_an_update_sends_what_changed(sql, emulator):
    done = sql.run(f"UPDATE {TABLE} SET default_branch_deletion = 'true' RETURNING repository")
    assert done.sent == [("PUT", PATH, {"default_branch_deletion": "true"})]
    assert done.row == ("website",)
    assert settings(emulator)["default_branch_deletion"] == "true"
    done = sql.run(f"UPDATE {TABLE} SET default_branch_deletion = NULL")
    assert done.sent == [("PUT", PATH, {"default_branch_deletion": None})]


def test_development_goes_to_a_branch_and_back_to_the_main_one(sql, emulator):
    to_branch = f"development_name = '{OTHER}', development_use_mainbranch = false"
    sql.run(f"UPDATE {TABLE} SET development_name = NULL, development_use_mainbranch = true")
    done = sql.run(f"UPDATE {TABLE} SET {to_branch}")
    assert done.sent == [("PUT", PATH, {"development": {"name": OTHER, "use_mainbranch": False}})]
    query = "SELECT development_name, development_branch_name FROM branching_models"
    assert sql.run(query).rows == [(OTHER, OTHER)]
    done = sql.run(f"UPDATE {TABLE} SET development_name = NULL, development_use_mainbranch = true")
    assert done.sent == [("PUT", PATH, {"development": {"name": None, "use_mainbranch": True}})]
    assert sql.run("SELECT development_name FROM branching_models").rows == [("main",)]


def test_a_branch_that_is_not_there_is_refused_with_a_hint(sql, emulator):
    before = settings(emulator)
    with sql.failing("HV000", match="was answered 400") as failed:
        sql.run(
            f"UPDATE {TABLE} SET development_name = 'nowhere', development_use_mainbranch = false"
        )
    assert "branch not found" in failed.detail
    assert "follow the main branch" in failed.hint
    assert settings(emulator) == before


def test_a_name_that_bitbucket_drops_is_an_error(sql):
    sql.run(f"UPDATE {TABLE} SET development_name = NULL, development_use_mainbranch = true")
    with sql.failing("HV000", match="did not store development_name as given"):
        sql.run(f"UPDATE {TABLE} SET development_name = '{OTHER}'")


def test_production_is_turned_off_and_on(sql, emulator):
    sql.run(f"UPDATE {TABLE} SET production_enabled = false")
    assert "production" not in settings(emulator)
    query = f"SELECT production_enabled, production_name FROM {TABLE}"
    assert sql.run(query).rows == [(None, None)]
    assert sql.run("SELECT production_name FROM branching_models").rows == [(None,)]
    sql.run(f"UPDATE {TABLE} SET production_enabled = true, production_name = 'main'")
    assert sql.run(query).rows == [(True, "main")]


def test_types_of_branches(sql, emulator):
    """A type that is not in use says so, and one that is in use says nothing."""
    given = [{"kind": "feature", "prefix": "feat/"}, {"kind": "hotfix", "enabled": False}]
    done = sql.run(f"UPDATE {TABLE} SET branch_types = %s", (json.dumps(given),))
    [(_, _, body)] = done.sent
    assert [entry["enabled"] for entry in body["branch_types"]] == [True, False]
    query = "SELECT feature_prefix, hotfix_prefix FROM branching_models"
    assert sql.run(query).rows == [("feat/", None)]
    with sql.failing("22023", match="no list of objects"):
        sql.run(f"""UPDATE {TABLE} SET branch_types = '["feature"]'""")


def test_there_is_always_one_row(sql):
    for statement in (
        f"INSERT INTO {TABLE} (production_name) VALUES ('main')",
        f"DELETE FROM {TABLE}",
    ):
        with sql.failing("0A000", match=f"{TABLE} takes no") as failed:
            sql.run(statement)
        assert "UPDATE it" in failed.hint
    for table in ("branching_models", "effective_branching_models"):
        with sql.failing("0A000", match="takes no UPDATE") as failed:
            sql.run(f"UPDATE {table} SET production_name = 'main'")
        assert "branching_model_settings" in failed.hint


@pytest.mark.parametrize("schema", MODES)
@pytest.mark.parametrize("was_on", [True, False])
def test_a_rollback(session_in, emulator, schema, was_on):
    session = session_in(schema)
    session.run(f"UPDATE {TABLE} SET production_enabled = {was_on}, production_name = 'main'")
    before = settings(emulator)
    assert ("production" in before) is was_on
    session.run("BEGIN")
    types = json.dumps([{"kind": "feature", "prefix": "x/", "enabled": False}])
    name = "" if was_on else ", production_name = 'main'"
    session.run(f"UPDATE {TABLE} SET branch_types = %s", (types,))
    session.run(f"UPDATE {TABLE} SET production_enabled = {not was_on}{name}")
    done = session.run("ROLLBACK")
    if schema == "website":
        assert settings(emulator) != before
        assert done.warnings
    else:
        assert settings(emulator) == before


@pytest.mark.parametrize("schema", MODES)
def test_a_name_that_following_the_main_branch_drops_comes_back(session_in, emulator, schema):
    session = session_in(schema)
    named = "development_use_mainbranch = false, development_name = 'main'"
    session.run(f"UPDATE {TABLE} SET {named}")
    before = settings(emulator)
    session.run("BEGIN")
    session.run(f"UPDATE {TABLE} SET development_use_mainbranch = true")
    done = session.run("ROLLBACK")
    stays = schema == "website"
    assert bool(done.warnings) is stays
    assert (settings(emulator) != before) is stays


def test_a_project(sql, emulator):
    sql.use("acme")
    done = sql.run(
        "UPDATE project_branching_model_settings SET development_use_mainbranch = false, "
        "development_name = 'anything' WHERE project_key = 'WEB' RETURNING project_key"
    )
    [(method, path, _)] = done.sent
    assert (method, path) == ("PUT", "/workspaces/acme/projects/WEB/branching-model/settings")
    assert done.row == ("WEB",)
    query = "SELECT development_name FROM project_branching_models WHERE project_key = 'WEB'"
    assert sql.run(query).rows == [("anything",)]


@pytest.mark.parametrize("as_boolean", [False, True])
def test_whether_branches_are_deleted_is_read_in_either_form(sql, emulator, as_boolean):
    """It is not known whether Bitbucket has it as text or as a boolean."""
    sql.run(f"UPDATE {TABLE} SET default_branch_deletion = 'true'")
    if as_boolean:
        emulator.fault("*/branching-model/settings*", kind="boolean_branch_deletion", count=None)
    assert sql.run(f"SELECT default_branch_deletion FROM {TABLE}").rows == [("true",)]
