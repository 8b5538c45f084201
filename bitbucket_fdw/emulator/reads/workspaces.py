"""GET of the caller, of accounts and of permissions."""

from __future__ import annotations

from bitbucket_fdw.emulator.bbql import Field, Schema
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, bad_request, error, not_found, removed
from bitbucket_fdw.emulator.filters import account, fields
from bitbucket_fdw.emulator.levels import member_of
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Repository, Workspace

routes = Routes()

_ACCESS: Schema = {
    "slug": Field("text", ("workspace", "slug")),
    **fields("text", "workspace.slug"),
    **fields("boolean", "administrator"),
}
_PERMISSION: Schema = {
    **fields("text", "permission repository.full_name repository.name repository.uuid"),
    **account("user"),
}
_PERMISSIONS = Listing(filters=_PERMISSION, sorts=_PERMISSION)
_OF_WORKSPACE = Listing(filters={**account("user"), **fields("text", "permission")})


@routes.add("GET", "/user", classic="account", new="read:user", public=False, access_tokens=False)
def user(call: Call) -> Json:
    """The caller. Access tokens are refused (seen live)."""
    actor = call.actor or {}
    more = {"account_status": "active", "has_2fa_enabled": None, "is_staff": False}
    return {**actor, **more, "created_on": "2023-01-01T00:00:00.000000+00:00"}


@routes.add("GET", "/users/{selected_user}", new="read:user")
def one_user(call: Call) -> Json:
    """An account by UUID or account id, never by user name."""
    key = call.path["selected_user"]
    found = call.store.user_by("uuid" if key.startswith("{") else "account_id", key)
    if found is None:
        raise not_found(f"No such user: {key}")
    return {**found, "created_on": "2023-01-01T00:00:00.000000+00:00", "account_status": "active"}


@routes.add(
    "GET",
    "/user/workspaces",
    classic="account",
    new="read:workspace",
    public=False,
    parameters=("administrator",),
    listing=Listing(PageRules(default=25), filters=_ACCESS, sorts=_ACCESS),
)
def user_workspaces(call: Call) -> list[Json]:
    """The caller's workspaces; the nested ones carry no name."""
    wanted = call.one("administrator")
    if wanted not in (None, "true", "false"):
        raise bad_request("Invalid value for 'administrator'")
    rows = []
    for workspace in call.store.workspaces.values():
        if call.credential.workspace is not None:
            inside, administrator = workspace.slug == call.credential.workspace, False
        else:
            inside = call.credential.user in workspace.members
            administrator = call.credential.user in workspace.administrators
        if inside and wanted in (None, str(administrator).lower()):
            rows.append(call.store.documents.workspace_access(workspace.document, administrator))
    return rows


@routes.add(
    "GET",
    "/user/workspaces/{workspace}/permission",
    classic="account",
    new="read:workspace",
    public=False,
    access_tokens=False,
)
def user_workspace_permission(call: Call) -> Json:
    """The caller's permission in a workspace: owner or member."""
    return _workspace_permission(call, member_of(call), call.credential.user)


def _workspace_permission(call: Call, workspace: Workspace, nickname: str | None) -> Json:
    membership = workspace.members.get(nickname or "")
    if membership is None:
        raise not_found("You are not a member of this workspace.")
    permission = "owner" if nickname in workspace.administrators else "member"
    links = {"self": membership["links"]["self"]}
    return {**membership, "permission": permission, "links": links}


def _repository_permissions(
    call: Call, repositories: list[Repository], nickname: str | None
) -> list[Json]:
    documents = call.store.documents
    rows = []
    for repository in repositories:
        for name, role in sorted(repository.roles.items()):
            if nickname in (None, name):
                who = call.store.users[name]
                rows.append(documents.permission(repository.document, who, role))
    return rows


@routes.add(
    "GET",
    "/user/workspaces/{workspace}/permissions/repositories",
    classic="account repository",
    new="read:repository",
    public=False,
    access_tokens=False,
    listing=_PERMISSIONS,
)
def user_repository_permissions(call: Call) -> list[Json]:
    """The caller's permissions on the repositories of a workspace."""
    workspace = member_of(call)
    repositories = list(workspace.repositories.values())
    return _repository_permissions(call, repositories, call.credential.user)


@routes.add(
    "GET",
    "/workspaces/{workspace}/permissions",
    classic="account",
    new="read:workspace",
    public=False,
    access_tokens=False,
    listing=_OF_WORKSPACE,
)
def workspace_permissions(call: Call) -> list[Json]:
    """Everyone's permission in a workspace."""
    workspace = member_of(call)
    return [_workspace_permission(call, workspace, name) for name in workspace.members]


@routes.add(
    "GET",
    "/workspaces/{workspace}/permissions/repositories",
    classic="account",
    new="read:repository",
    public=False,
    access_tokens=False,
    listing=_PERMISSIONS,
)
def workspace_repository_permissions(call: Call) -> list[Json]:
    """Everyone's permissions on all repositories of a workspace, for its administrators."""
    workspace = member_of(call)
    if call.credential.user not in workspace.administrators:
        raise error(403, "Only workspace administrators may list repository permissions.")
    return _repository_permissions(call, list(workspace.repositories.values()), None)


@routes.add(
    "GET",
    "/workspaces/{workspace}/permissions/repositories/{repo_slug}",
    classic="repository",
    new="read:repository",
    public=False,
    access_tokens=False,
    listing=_PERMISSIONS,
)
def one_repository_permissions(call: Call) -> list[Json]:
    """Everyone's permissions on one repository, for its administrators."""
    return _repository_permissions(call, [call.repository("admin")], None)


@routes.add("GET", "/workspaces", gone="CHANGE-2770")
@routes.add("GET", "/repositories", gone="CHANGE-2770")
@routes.add("GET", "/user/permissions/repositories", gone="CHANGE-2770")
@routes.add("GET", "/user/permissions/workspaces", gone="CHANGE-2770")
@routes.add("GET", "/snippets", gone="CHANGE-2770")
def cross_workspace(call: Call) -> Json:
    """Listings over all workspaces, removed on 2026-04-14; the server answers before this."""
    raise removed("CHANGE-2770")
