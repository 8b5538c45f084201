"""Writes of explicit permissions.

Stated: PUT gives a permission or changes it, DELETE takes it away; ``none`` and the owner of the
workspace are a 400, somebody who is no member too; 404 for an account or group that is not there;
OAuth is refused, since no application may change permissions. Seen live by users, 2026: API tokens
are taken. Assumed: DELETE answers 204 also where nothing was given ("if one exists").
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply, error, not_found
from bitbucket_fdw.emulator.levels import ADMINISTERED, Level
from bitbucket_fdw.emulator.permissions import made
from bitbucket_fdw.emulator.resources.permissions import ADMINISTERED_PROJECT, GROUPS, USERS
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import ROLES, Project, Repository, Workspace
from bitbucket_fdw.emulator.writes.bodies import Rule, read

routes = Routes()

_OF_PROJECT = (*ROLES, "create-repo")


def _by_person(call: Call) -> None:
    if call.credential.kind != "api_token":
        raise error(403, "This resource does not support this way of authentication.")


def _account(call: Call, workspace: Workspace) -> tuple[str, Json]:
    """The key and the account that the path names."""
    key = call.path["selected_user_id"]
    found = call.store.user_by("uuid" if key.startswith("{") else "account_id", key)
    if found is None:
        raise not_found(f"{key} does not exist")
    return found["uuid"], found


def _group(call: Call, workspace: Workspace) -> tuple[str, Json]:
    slug = call.path["group_slug"]
    if slug not in workspace.groups:
        raise not_found(f"Group {slug} does not exist")
    return slug, workspace.groups[slug].document


def _may_be_given(workspace: Workspace, account: Json) -> None:
    nickname = account["nickname"]
    if nickname in workspace.administrators:
        raise error(400, "The owner's permission cannot be changed.")
    if nickname not in workspace.members:
        raise error(400, f"{account['display_name']} is not a member of this workspace.")


def _declare(level: Level, path: str, kind: str, admin: str, permissions: tuple[str, ...]) -> None:
    """Add the two endpoints that write one kind of explicit permission."""
    holder = _account if kind == "user" else _group
    template = (
        f"{level.template}{path}/{{{'selected_user_id' if kind == 'user' else 'group_slug'}}}"
    )
    asked: dict[str, Any] = {
        "classic": f"{admin}:admin",
        "public": False,
        "access_tokens": False,
    }

    def found(call: Call) -> tuple[Project | Repository, Workspace]:
        _by_person(call)
        return level.find(call), call.workspace()

    @routes.add("PUT", template, new=f"admin:{admin} write:permission", **asked)
    def put(call: Call) -> Json:
        record, workspace = found(call)
        rules = {"permission": Rule(required=True, choices=permissions)}
        given = read(call.body, rules)["permission"]
        key, who = holder(call, workspace)
        if kind == "user":
            _may_be_given(workspace, who)
        document = made(call.store, record, kind, who, given)
        record.below[f"{kind}_permissions"][key] = document
        return document

    @routes.add("DELETE", template, new=f"admin:{admin} delete:permission", **asked)
    def delete(call: Call) -> Reply:
        record, workspace = found(call)
        key, _ = holder(call, workspace)
        record.below[f"{kind}_permissions"].pop(key, None)
        return Reply(204)


for _level, _admin, _permissions in (
    (ADMINISTERED, "repository", ROLES),
    (ADMINISTERED_PROJECT, "project", _OF_PROJECT),
):
    _declare(_level, USERS, "user", _admin, _permissions)
    _declare(_level, GROUPS, "group", _admin, _permissions)
