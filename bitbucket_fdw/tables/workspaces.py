"""Workspaces and their members.

Sources: the API's Workspaces group. ``GET /workspaces`` has answered 410 since 2026-04-14
(CHANGE-2770). ``GET /user/workspaces`` replaces it. Its items hold the slug and the UUID in a
member ``workspace``. Beside it they tell whether the caller administers the workspace. The other
columns are read from ``/workspaces/{workspace}``, which is the workspace itself and does not tell
that. Access tokens may be refused the listing.
"""

from dataclasses import replace

from .columns import Column, column
from .endpoints import Collection, Item, Paging
from .shared_columns import account, html_link, workspace_column
from .table import Parent, Scopes, Table


class Workspaces(Table):
    name = "workspaces"
    family = "workspace"
    description = "Workspaces that the credential can see"
    level = "workspace"
    scopes = Scopes(("account",), ("read:workspace:bitbucket",))
    collection = Collection("/user/workspaces", q=True)
    items = (
        Item(
            "/workspaces/{workspace}",
            key="slug",
            parameter="workspace",
            lacks=("administrator",),
        ),
    )
    primary_key = ("slug",)
    rows = 5
    columns = (
        column(
            "workspace.slug",
            "text",
            "Workspace slug, as in addresses",
            name="slug",
            q="slug",
            param="workspace",
            others=("slug",),
        ),
        column("workspace.uuid", "uuid", "Workspace UUID", name="uuid", others=("uuid",)),
        column(
            "administrator",
            "boolean",
            "The account of the credential administers it",
        ),
        column("name", "text", "Display name", listed=False),
        column("is_private", "boolean", "Not visible to the public", listed=False),
        column("is_personal", "boolean", "The personal workspace of a user", listed=False),
        column(
            "is_privacy_enforced", "boolean", "Only private repositories are allowed", listed=False
        ),
        column(
            "forking_mode", "text", "Where forks may go: allow_forks or internal_only", listed=False
        ),
        column("created_on", "timestamptz", "When it was made", listed=False),
        column("updated_on", "timestamptz", "When it last changed", listed=False),
        replace(html_link(), listed=False),
    )
    examples = (
        "SELECT slug, name, created_on FROM workspaces",
        "SELECT name FROM workspaces WHERE slug = 'acme'",
    )


def _member() -> tuple[Column, ...]:
    """The account of a member.

    CData's driver calls the table Users, and its columns have no prefix. The type, which that
    driver does not have, keeps it.
    """
    *named, kind = account("user", "user", "the member", filters="user")
    plain = (replace(column, cdata=column.label.removeprefix("User")) for column in named)
    return (*plain, kind)


class WorkspaceMembers(Table):
    name = "workspace_members"
    family = "workspace"
    description = "Members of a workspace"
    cdata = "Users"
    level = "workspace"
    scopes = Scopes(("account",), ("read:workspace:bitbucket",))
    collection = Collection("/workspaces/{workspace}/members", q=True, paging=Paging.NUMBERS)
    items = (Item("/workspaces/{workspace}/members/{member}", key="user_uuid", parameter="member"),)
    parent = Parent(Workspaces, (("workspace", "slug"),))
    primary_key = ("workspace", "user_uuid")
    always = "user_display_name"  # UUIDs of some accounts are masked
    typed = True  # and an account may be gone
    rows = 50
    columns = (
        workspace_column(),
        *_member(),
        column("user.created_on", "timestamptz", "When the account was made"),
        column("user.kind", "text", "Of an app_user: what kind of token it is"),
        column("user.account_status", "text", "Whether the account is active"),
        column(
            "user.has_2fa_enabled",
            "boolean",
            "Signs in with a second factor; NULL unless the caller administers the workspace",
        ),
        column("user.links.html.href", "text", "Address of the profile"),
    )
    examples = (
        "SELECT user_nickname, user_display_name FROM workspace_members ORDER BY 1",
        "SELECT user_nickname FROM workspace_members WHERE user_has_2fa_enabled IS FALSE",
    )
