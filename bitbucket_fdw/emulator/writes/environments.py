"""Writes of deployment environments.

Seen live by users, 2026: making one needs a name and a type. There is no PUT: a change is posted
in an envelope, ``change``, and answered 202 without a body. Without the envelope it is a 400, and
so is a change of anything else than the name and ``restrictions.admin_only``. Stated: a name that
is taken is a 409, a DELETE is answered 204. Assumed: what a deployment shows of an environment is
its present name, and who may write to the repository may write these.
"""

from __future__ import annotations

from typing import Any
from uuid import uuid4

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply, pipelines_error, pipelines_not_found
from bitbucket_fdw.emulator.levels import WITH_PIPELINES, with_pipelines
from bitbucket_fdw.emulator.resources.deployments import (
    DEPLOYMENTS,
    ENVIRONMENT,
    ENVIRONMENTS,
    TYPES,
)
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Repository
from bitbucket_fdw.emulator.writes.bodies import Rule, read

routes = Routes()

# The kind of fault under which a change is taken on and never made.
CHANGES_IGNORED = "changes_ignored"

_SCOPES: dict[str, Any] = {"classic": "pipeline", "new": "admin:pipeline", "public": False}
_ALL = f"{WITH_PIPELINES.template}{ENVIRONMENTS.path}"
_ONE = f"{_ALL}/{{uuid}}"
_NEW = {
    "name": Rule(required=True),
    "environment_type.name": Rule(required=True, choices=TYPES),
}
_CHANGE = {"name": Rule(), "restrictions.admin_only": Rule("boolean")}


def _free(repository: Repository, name: str) -> None:
    if any(found["name"] == name for found in ENVIRONMENTS.documents(repository)):
        detail = f"An environment named {name} exists"
        raise pipelines_error(409, "Conflict", detail, "deploy-service.environment.name-taken")


@routes.add("POST", _ALL, **_SCOPES)
def create(call: Call) -> Reply:
    """Add an environment."""
    repository = _writable(call)
    given = read(call.body, _NEW)
    _free(repository, given["name"])
    name, kind = given["name"], given["environment_type.name"]
    values = {"name": name, "slug": name.lower().replace(" ", "-"), "kind": kind}
    more = {"uuid": f"{{{uuid4()}}}", "rank": TYPES.index(kind), "admin_only": False}
    made = ENVIRONMENT.fill({**values, **more})
    ENVIRONMENTS.stored(repository)[made["uuid"]] = made
    return Reply(201, made)


@routes.add("POST", f"{_ONE}/changes", **_SCOPES)
def change(call: Call) -> Reply:
    """Take on a change of an environment."""
    repository, found = _environment(call)
    wanted = call.body.get("change") if isinstance(call.body, dict) else None
    if not isinstance(wanted, dict) or len(call.body) > 1:
        key = "deploy-service.request.validation-error"
        raise pipelines_error(400, "Bad request", "A change is required", key)
    if not wanted.keys() <= {"name", "restrictions"}:
        key = "deploy-service.environment.change-not-supported"
        raise pipelines_error(400, "Bad request", "This change is not supported", key)
    given = read(wanted, _CHANGE)
    if given.get("name", found["name"]) != found["name"]:
        _free(repository, given["name"])
    if CHANGES_IGNORED not in call.flags:
        _change(repository, found, given)
    return Reply(202)


def _change(repository: Repository, found: Json, given: Json) -> None:
    if "name" in given:
        found["name"] = given["name"]
        for deployment in DEPLOYMENTS.documents(repository):
            if deployment["environment"]["uuid"] == found["uuid"]:
                deployment["environment"]["name"] = given["name"]
    if "restrictions.admin_only" in given:
        found["restrictions"]["admin_only"] = given["restrictions.admin_only"]


@routes.add("DELETE", _ONE, **_SCOPES)
def delete(call: Call) -> Reply:
    """Delete an environment."""
    repository, found = _environment(call)
    del ENVIRONMENTS.stored(repository)[found["uuid"]]
    return Reply(204)


def _writable(call: Call) -> Repository:
    call.repository("write")
    return with_pipelines(call)


def _environment(call: Call) -> tuple[Repository, Json]:
    repository, key = _writable(call), call.path["uuid"]
    found = ENVIRONMENTS.stored(repository).get(key)
    if found is None:
        raise pipelines_not_found("environment", key, "environment-service")
    return repository, found
