"""GET of accounts, of the caller's workspaces, and of permissions on one repository."""

from __future__ import annotations

from bitbucket_fdw.emulator.bbql import Field, Schema
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, bad_request, not_found, removed
from bitbucket_fdw.emulator.filters import fields
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resources.permissions import LISTING, effective
from bitbucket_fdw.emulator.routes import Routes

routes = Routes()

_ACCESS: Schema = {
    "slug": Field("text", ("workspace", "slug")),
    **fields("text", "workspace.slug"),
    **fields("boolean", "administrator"),
}


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
    "/workspaces/{workspace}/permissions/repositories/{repo_slug}",
    classic="repository",
    new="read:repository",
    public=False,
    access_tokens=False,
    listing=LISTING,
)
def one_repository_permissions(call: Call) -> list[Json]:
    """Everyone's permissions on one repository, for its administrators."""
    return effective(call.workspace(), [call.repository("admin")])


@routes.add("GET", "/workspaces", gone="CHANGE-2770")
@routes.add("GET", "/repositories", gone="CHANGE-2770")
@routes.add("GET", "/user/permissions/repositories", gone="CHANGE-2770")
@routes.add("GET", "/user/permissions/workspaces", gone="CHANGE-2770")
@routes.add("GET", "/snippets", gone="CHANGE-2770")
def cross_workspace(call: Call) -> Json:
    """Listings over all workspaces, removed on 2026-04-14; the server answers before this."""
    raise removed("CHANGE-2770")
