"""Workspaces, their members and their projects."""

from __future__ import annotations

from dataclasses import dataclass

from bitbucket_fdw.emulator import bbql
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, bad_request, error, not_found
from bitbucket_fdw.emulator.filters import account, fields
from bitbucket_fdw.emulator.levels import OWN_WORKSPACE, PROJECT, STORE, WORKSPACE, sees_project
from bitbucket_fdw.emulator.resource import Item, Resource
from bitbucket_fdw.emulator.store import Store, Workspace

_MOST_EMAILS = 90


@dataclass(frozen=True)
class _Access:
    """A workspace as one of its members sees it."""

    document: Json
    caller: str


def _seen(store: Store) -> list[_Access]:
    return [
        _Access({**workspace.document, "administrator": name in workspace.administrators}, name)
        for workspace in store.workspaces.values()
        for name in workspace.members
    ]


def _itself(call: Call, document: Json) -> Json:
    """A workspace without what only the listing of the caller's workspaces tells."""
    return {name: value for name, value in document.items() if name != "administrator"}


# Their listing was removed on 2026-04-14. The caller's are listed at an address of their own.
WORKSPACES = Resource(
    "workspaces",
    STORE,
    "/workspaces",
    new="read:workspace",
    listing=None,
    item=WORKSPACE,
    kept=_seen,
    noted=lambda seen: {"workspace": seen.document["slug"], "caller": seen.caller},
    shown=_itself,
)


def _members(call: Call, workspace: Workspace) -> list[Json]:
    """The members. E-mail addresses show only when asked for by ``user.email IN (...)``, at most
    90 of them, and to administrators and workspace tokens only (stated)."""
    if "user.email" not in (call.one("q") or ""):
        return [_shown(call, membership) for membership in workspace.members.values()]
    query = bbql.parse(call.one("q") or "")
    if not isinstance(query, bbql.Condition) or query.operator != "in":
        raise bad_request("user.email can only be used on its own and with IN")
    if len(query.literals) > _MOST_EMAILS:
        raise bad_request(f"At most {_MOST_EMAILS} e-mail addresses can be given")
    token = call.credential.kind == "workspace_access_token"
    if not token and call.credential.user not in workspace.administrators:
        raise error(403, "Only administrators may filter on user.email")
    return [
        {**membership, "user": {**membership["user"], "email": workspace.emails[nickname]}}
        for nickname, membership in workspace.members.items()
    ]


def _shown(call: Call, membership: Json) -> Json:
    """A membership; only administrators see who signs in with a second factor (stated)."""
    if call.credential.user in call.workspace().administrators:
        return membership
    return {**membership, "user": {**membership["user"], "has_2fa_enabled": None}}


def _member(workspace: Workspace, key: str) -> Json:
    name = "uuid" if key.startswith("{") else "account_id"
    for membership in workspace.members.values():
        if membership["user"][name] == key:
            return membership
    raise not_found(f"{key} is not a member of workspace {workspace.slug}")


MEMBERS = Resource(
    "workspace_members",
    OWN_WORKSPACE,
    "/members",
    classic="account",
    new="read:workspace",
    public=False,
    listing=Listing(
        filters={**account("user"), **fields("text", "user.email", sortable=False)},
    ),
    item=Item("user.account_id", not_found, variable="member", find=_member),
    kept=lambda workspace: workspace.members,
    rows=_members,
    shown=_shown,
)


_PROJECT = {**fields("text", "name"), **fields("datetime", "created_on updated_on")}

PROJECTS = Resource(
    "projects",
    WORKSPACE,
    "/projects",
    classic="project",
    new="read:project",
    listing=Listing(filters=_PROJECT, sorts=_PROJECT),
    item=PROJECT,
    kept=lambda workspace: workspace.projects,
    visible=sees_project,
)

RESOURCES = (WORKSPACES, MEMBERS, PROJECTS)
