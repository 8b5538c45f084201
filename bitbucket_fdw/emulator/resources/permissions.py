"""Who may do what: in a workspace, in its repositories, and by which explicit permissions.

Documented: the members; ``q`` by permission, with an order of its values, by repository and by
user; the explicit permissions take neither ``q`` nor ``sort``; only administrators may ask, and
access tokens never. Seen live by users, 2026: rows without a user or a repository; ``added_on``
has no zone. In workspaces that an organisation manages, rows have neither ``added_on`` nor
``last_accessed`` (stated). Disputed: what a GET of an explicit permission answers where there is
none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from bitbucket_fdw.emulator.bbql import Field, Schema
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, error, not_found
from bitbucket_fdw.emulator.filters import account, fields, only
from bitbucket_fdw.emulator.levels import (
    ADMINISTERED,
    OWN_WORKSPACE,
    PROJECT,
    STORE,
    Answer,
    Level,
    member_of,
    project_of,
)
from bitbucket_fdw.emulator.permissions import given_to_groups, given_to_users
from bitbucket_fdw.emulator.resource import Item, Resource, Way
from bitbucket_fdw.emulator.sample import Sample, former_user
from bitbucket_fdw.emulator.store import ROLES, Project, Repository, Workspace

_ASKED: dict[str, Any] = {"public": False, "access_tokens": False}

_PERMISSION: Schema = {
    "permission": Field("rank", ("permission",), ranks=ROLES),
    **fields("text", "repository.full_name repository.name repository.uuid user.display_name"),
    **account("user"),
}
LISTING = Listing(filters=_PERMISSION, sorts=only(_PERMISSION, "repository.name user.display_name"))


# In a workspace


def _administered_workspace(call: Call) -> Workspace:
    workspace = member_of(call)
    if call.credential.user not in workspace.administrators:
        raise error(403, "Only workspace administrators may list permissions.")
    return workspace


_ADMINISTERED_WORKSPACE = replace(OWN_WORKSPACE, find=_administered_workspace)


def _memberships(sample: Sample, workspace: Workspace) -> Iterator[Json]:
    """A row for each member, two without who it is; an organisation manages globex."""
    managed = workspace.slug == "globex"
    for number, (nickname, membership) in enumerate(workspace.members.items()):
        owns = nickname in workspace.administrators
        times = {
            "added_on": f"2023-01-{2 + number:02}T08:15:00.{sample.rng.randrange(10**6):06}",
            "last_accessed": f"2026-11-{9 + number:02}T17:45:00" if number % 3 else None,
        }
        permission = "owner" if owns else "collaborator" if nickname == "chloe" else "member"
        yield {**membership, "permission": permission, **({} if managed else times)}
    if not managed:
        nobody = {"type": "workspace_membership", "permission": "member", "last_accessed": None}
        yield nobody
        yield {**nobody, "user": former_user(), "added_on": "2023-01-02T03:04:05"}


WORKSPACE_PERMISSIONS = Resource(
    "workspace_permissions",
    _ADMINISTERED_WORKSPACE,
    "/permissions",
    classic="account",
    new="read:workspace",
    **_ASKED,
    listing=Listing(filters={**fields("text", "permission"), **account("user")}),
    sample=_memberships,
)


def _of_member(workspace: Workspace, nickname: str) -> Json:
    """What a member may do in a workspace; one value more than where administrators ask."""
    creates = nickname in workspace.project_creators
    owns = nickname in workspace.administrators
    permission = "owner" if owns else "create-project" if creates else "member"
    return {**workspace.members[nickname], "permission": permission}


def _callers_own(call: Call) -> Answer:
    return Answer(_of_member(member_of(call), call.credential.user or ""))


USER_WORKSPACE_PERMISSIONS = Resource(
    "user_workspace_permissions",
    OWN_WORKSPACE,
    "",
    classic="account",
    new="read:workspace",
    **_ASKED,
    listing=None,
    item=Level(
        "/user/workspaces/{workspace}/permission",
        _callers_own,
        member="workspace.slug",
        variable="workspace",
        place="workspace",
        above=STORE,
    ),
    kept=lambda workspace: [_of_member(workspace, name) for name in workspace.members],
    noted=lambda document: {"caller": document["user"]["nickname"]},
)


# In repositories, from wherever it comes


def effective(workspace: Workspace, repositories: list[Repository]) -> list[Json]:
    """The highest permission of everybody in each repository, and one of a former account."""
    rows = []
    for repository in repositories:
        reference = {key: repository.document[key] for key in ("type", "uuid", "name", "full_name")}
        row = {"type": "repository_permission", "repository": reference}
        for nickname, role in sorted(repository.roles.items()):
            rows.append({**row, "permission": role, "user": workspace.users[nickname]})
        if repository.full_name == "acme/website":
            rows.append({**row, "permission": "read", "user": former_user()})
    return rows


def _effective(workspace: Workspace) -> list[Json]:
    rows = effective(workspace, list(workspace.repositories.values()))
    nobodys = {"type": "repository_permission", "permission": "write"}
    return [*rows, nobodys] if workspace.slug == "acme" else rows


REPOSITORY_PERMISSIONS = Resource(
    "repository_permissions",
    _ADMINISTERED_WORKSPACE,
    "/permissions/repositories",
    classic="account",
    new="read:repository",
    **_ASKED,
    listing=LISTING,
    kept=_effective,
)


def _callers_repositories(call: Call, workspace: Workspace) -> list[Json]:
    rows = effective(workspace, list(workspace.repositories.values()))
    return [row for row in rows if row["user"].get("nickname") == call.credential.user]


USER_REPOSITORY_PERMISSIONS = Resource(
    "user_repository_permissions",
    replace(OWN_WORKSPACE, template="/user/workspaces/{workspace}"),
    "/permissions/repositories",
    classic="account repository",
    new="read:repository",
    **_ASKED,
    listing=LISTING,
    kept=lambda workspace: effective(workspace, list(workspace.repositories.values())),
    rows=_callers_repositories,
    noted=lambda document: {"caller": document["user"].get("nickname")},
)


# Explicit ones


def administered_project(call: Call) -> Project:
    """The project in the path; 403 for those who do not administer it."""
    workspace, project = member_of(call), project_of(call)
    held = [role for name, role in workspace.granted(project) if name == call.credential.user]
    if call.credential.user not in workspace.administrators and "admin" not in held:
        raise error(403, "You do not have admin access to this project.")
    return project


ADMINISTERED_PROJECT = replace(PROJECT, find=administered_project)

USERS, GROUPS = "/permissions-config/users", "/permissions-config/groups"


def _by_account(record: Project | Repository, key: str) -> Json | None:
    name = "uuid" if key.startswith("{") else "account_id"
    found = record.below["user_permissions"].values()
    return next((document for document in found if document["user"].get(name) == key), None)


def _former(document: Json) -> Json:
    """The permission of an account, of which only a name is left if it is chloe's or hana's."""
    left = document["user"]["nickname"] in ("chloe", "hana")
    return {**document, "user": former_user()} if left else document


_OF_ACCOUNT = Item(
    "user.uuid",
    lambda key: not_found(f"{key} has no explicit permission"),
    variable="selected_user_id",
    find=_by_account,
)
_OF_GROUP = Item(
    "group.slug",
    lambda slug: not_found(f"Group {slug} has no explicit permission"),
    variable="group_slug",
    find=lambda record, slug: record.below["group_permissions"].get(slug),
)


def _none(kind: str) -> dict[str, Way]:
    meaning = "Answer a GET of an explicit permission that was not given with permission none."

    def absent(record: Any, key: str) -> Json:
        name = {"uuid": key, "display_name": "Somebody"} if kind == "user" else {"slug": key}
        holder = {"type": kind, **name}
        return {"type": f"explicit_{kind}_permission", "permission": "none", kind: holder}

    return {"permission_none": Way(meaning, absent=absent)}


_OF_PROJECT: dict[str, Any] = {**_ASKED, "classic": "project:admin", "new": "read:project"}
_OF_REPOSITORY: dict[str, Any] = {**_ASKED, "classic": "repository:admin", "new": "read:repository"}


def _users(name: str, level: Level, asked: dict[str, Any]) -> Resource:
    return Resource(
        name,
        level,
        USERS,
        **asked,
        item=_OF_ACCOUNT,
        kept=lambda record: record.below["user_permissions"],
        sample=given_to_users,
        ways={
            "former_accounts": Way("Tell of some accounts only that they are gone.", _former),
            **_none("user"),
        },
    )


def _groups(name: str, level: Level, asked: dict[str, Any]) -> Resource:
    return Resource(
        name,
        level,
        GROUPS,
        **asked,
        item=_OF_GROUP,
        kept=lambda record: record.below["group_permissions"],
        sample=given_to_groups,
        ways=_none("group"),
    )


RESOURCES = (
    WORKSPACE_PERMISSIONS,
    REPOSITORY_PERMISSIONS,
    _users("repository_user_permissions", ADMINISTERED, _OF_REPOSITORY),
    _groups("repository_group_permissions", ADMINISTERED, _OF_REPOSITORY),
    _users("project_user_permissions", ADMINISTERED_PROJECT, _OF_PROJECT),
    _groups("project_group_permissions", ADMINISTERED_PROJECT, _OF_PROJECT),
    USER_WORKSPACE_PERMISSIONS,
    USER_REPOSITORY_PERMISSIONS,
)
