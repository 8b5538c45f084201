"""Writes of default reviewers, of repositories and of projects.

Stated: PUT adds the account in the path, DELETE takes it away. Seen live by users, 2026: PUT has no
body and no Content-Type, and answers 200, also for an account that is one already; the account is
named by UUID or account id, and a name is a 404. Disputed: whether the answer to a project's PUT is
the bare account or wraps it. Assumed: somebody who cannot read the repository is a 400.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, not_found
from bitbucket_fdw.emulator.levels import REPOSITORY
from bitbucket_fdw.emulator.resources.default_reviewers import (
    ADMINISTERED_PROJECT,
    DEFAULT_REVIEWERS,
    PROJECT_DEFAULT_REVIEWERS,
    account_of,
    refresh,
    wrapped,
)
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Repository

routes = Routes()

# The kind of fault under which the answer to a project's PUT wraps the account.
WRAPPED = "wrapped_reviewer"

_OF_REPOSITORY: dict[str, Any] = {
    "classic": "repository:admin",
    "new": "admin:repository",
    "public": False,
}
_OF_PROJECT: dict[str, Any] = {"classic": "project:admin", "new": "admin:project", "public": False}
ONE_OF_REPOSITORY = f"{REPOSITORY.template}/default-reviewers/{{target_username}}"
ONE_OF_PROJECT = f"{ADMINISTERED_PROJECT.template}/default-reviewers/{{selected_user}}"


def _member(call: Call, key: str, repository: Repository | None = None) -> Json:
    """The account that the path names; 404 if it is not known, 400 if it has no access."""
    if call.body is not None:
        raise bad_request("This endpoint takes no body")
    account = call.store.user_by("uuid" if key.startswith("{") else "account_id", key)
    if account is None:
        raise not_found(f"{key} does not exist")
    inside = account["nickname"] in call.workspace().members
    if not inside or (repository and repository.role_of(account["nickname"]) is None):
        raise bad_request(f"{account['display_name']} does not have access to the repository")
    return account


@routes.add("PUT", ONE_OF_REPOSITORY, **_OF_REPOSITORY)
def add_to_repository(call: Call) -> Json:
    """Make an account a default reviewer of a repository."""
    repository = call.repository("admin")
    account = _member(call, call.path["target_username"], repository)
    DEFAULT_REVIEWERS.stored(repository)[account["uuid"]] = account
    refresh(call.store, repository.workspace)
    return account


@routes.add("DELETE", ONE_OF_REPOSITORY, **_OF_REPOSITORY)
def take_from_repository(call: Call) -> Reply:
    """Take a default reviewer away from a repository."""
    repository = call.repository("admin")
    return _taken(call, DEFAULT_REVIEWERS.stored(repository), call.path["target_username"])


@routes.add("PUT", ONE_OF_PROJECT, **_OF_PROJECT)
def add_to_project(call: Call) -> Json:
    """Make an account a default reviewer of a project."""
    project = ADMINISTERED_PROJECT.find(call)
    account = _member(call, call.path["selected_user"])
    reviewer = wrapped(account, "project")
    PROJECT_DEFAULT_REVIEWERS.stored(project)[account["uuid"]] = reviewer
    refresh(call.store, call.workspace().slug)
    return reviewer if WRAPPED in call.flags else account


@routes.add("DELETE", ONE_OF_PROJECT, **_OF_PROJECT)
def take_from_project(call: Call) -> Reply:
    """Take a default reviewer away from a project."""
    project = ADMINISTERED_PROJECT.find(call)
    kept = PROJECT_DEFAULT_REVIEWERS.stored(project)
    return _taken(call, kept, call.path["selected_user"])


def _taken(call: Call, kept: dict[str, Json], key: str) -> Reply:
    name = "uuid" if key.startswith("{") else "account_id"
    uuids = [uuid for uuid, found in kept.items() if account_of(found).get(name) == key]
    if not uuids:
        raise not_found(f"{key} is not a default reviewer")
    del kept[uuids[0]]
    refresh(call.store, call.workspace().slug)
    return Reply(204)
