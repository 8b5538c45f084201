"""Writes of how branching models are set up, of repositories and of projects.

Stated: a PUT changes only what it names, and of the types of branches only those that it lists; a
branch that is named has to be there. Assumed: a name is dropped while the main branch is followed;
the branches of a project's model are not looked for.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, invalid
from bitbucket_fdw.emulator.levels import ADMINISTERED
from bitbucket_fdw.emulator.resources.branching_models import (
    ADMIN_PROJECT,
    ADMIN_REPOSITORY,
    BRANCHING_MODEL_SETTINGS,
    KINDS,
    PROJECT_BRANCHING_MODEL_SETTINGS,
    end,
    refresh,
)
from bitbucket_fdw.emulator.resources.default_reviewers import ADMINISTERED_PROJECT
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Repository
from bitbucket_fdw.emulator.writes.bodies import Rule, read

routes = Routes()

_PATH = BRANCHING_MODEL_SETTINGS.path
_FIELDS = {
    "development.name": Rule(nullable=True),
    "development.use_mainbranch": Rule("boolean"),
    "production.name": Rule(),
    "production.use_mainbranch": Rule("boolean"),
    "production.enabled": Rule("boolean"),
    "branch_types": Rule("accounts"),
    "default_branch_deletion": Rule(nullable=True, choices=("true", "false")),
}


def _changed_end(
    settings: Json, what: str, given: Json, repository: Repository | None, **more: bool
) -> Json:
    before = settings.get(what, {"name": None, "use_mainbranch": False})
    follows = given.get(f"{what}.use_mainbranch", before["use_mainbranch"])
    name = None if follows else given.get(f"{what}.name", before["name"])
    if not follows and (name is None or (repository and name not in repository.branches)):
        raise invalid(**{what: f"branch not found: {name}"})
    return end(name, repository, **more)


def _changed(settings: Json, given: Json, repository: Repository | None) -> None:
    named = {name.partition(".")[0] for name in given}
    made: Json = {}
    if "development" in named:
        made["development"] = _changed_end(settings, "development", given, repository)
    if "production" in named and given.get("production.enabled", "production" in settings):
        made["production"] = _changed_end(settings, "production", given, repository, enabled=True)
    types = {found["kind"]: found for found in settings["branch_types"]}
    for one in given.get("branch_types", ()):
        if one.get("kind") not in KINDS:
            raise invalid(branch_types=f"Invalid kind: {one.get('kind')}")
        kind = {**types[one["kind"]], **one}
        if kind.get("enabled", True):
            kind.pop("enabled", None)  # left out while it is on
        types[one["kind"]] = kind
    if given.get("production.enabled") is False:
        settings.pop("production", None)
    settings.update(made, branch_types=list(types.values()))
    if "default_branch_deletion" in given:
        settings["default_branch_deletion"] = given["default_branch_deletion"]


def _put(call: Call, settings: Json, repository: Repository | None) -> Json:
    _changed(settings, read(call.body, _FIELDS, partial=True), repository)
    refresh(call.store, call.workspace().slug)
    return settings


@routes.add("PUT", f"{ADMINISTERED.template}{_PATH}", **ADMIN_REPOSITORY)
def of_repository(call: Call) -> Json:
    """Set up the branching model of a repository."""
    repository: Any = ADMINISTERED.find(call)
    return _put(call, BRANCHING_MODEL_SETTINGS.documents(repository)[0], repository)


@routes.add(
    "PUT",
    f"{ADMINISTERED_PROJECT.template}{PROJECT_BRANCHING_MODEL_SETTINGS.path}",
    **ADMIN_PROJECT,
)
def of_project(call: Call) -> Json:
    """Set up the branching model of a project."""
    project = ADMINISTERED_PROJECT.find(call)
    return _put(call, PROJECT_BRANCHING_MODEL_SETTINGS.documents(project)[0], None)
