"""Workspaces and their members.

Sources: the API's Workspaces group. ``GET /workspaces`` has answered 410 since 2026-04-14
(CHANGE-2770); ``GET /user/workspaces`` replaces it, but its items hold slug and UUID only, so that
the other columns are read from ``/workspaces/{workspace}``.
"""

from dataclasses import replace

from .base import (
    Collection,
    Column,
    Filter,
    Item,
    Parent,
    Scopes,
    Table,
    account,
    without_underscores,
    workspace_column,
)


class Workspaces(Table):
    name = "workspaces"
    description = "Workspaces that the credential can see"
    level = "workspace"
    scopes = Scopes(("account",), ("read:workspace:bitbucket",))
    collection = Collection("/user/workspaces", q=True, unwrap="workspace")
    items = (Item("/workspaces/{workspace}", key="slug", parameter="workspace"),)
    primary_key = ("slug",)
    rows = 5
    columns = (
        Column(
            "slug",
            "text",
            "slug",
            "Workspace slug, as in addresses",
            param="workspace",
            filter=Filter("slug"),
        ),
        Column("uuid", "uuid", "uuid", "Workspace UUID"),
        Column("name", "text", "name", "Display name", listed=False),
        Column("is_private", "boolean", "is_private", "Not visible to the public", listed=False),
        Column(
            "is_personal",
            "boolean",
            "is_personal",
            "The personal workspace of a user",
            listed=False,
        ),
        Column(
            "is_privacy_enforced",
            "boolean",
            "is_privacy_enforced",
            "Only private repositories are allowed",
            listed=False,
        ),
        Column(
            "forking_mode",
            "text",
            "forking_mode",
            "Where forks may go: allow_forks or internal_only",
            listed=False,
        ),
        Column("created_on", "timestamptz", "created_on", "When it was made", listed=False),
        Column("updated_on", "timestamptz", "updated_on", "When it last changed", listed=False),
        Column("links_html_href", "text", "links.html.href", "Address of its page", listed=False),
    )
    examples = ("SELECT slug, name, created_on FROM workspaces",)


def _member() -> tuple[Column, ...]:
    """The account of a member; CData's driver calls the table Users and leaves out the prefix."""
    return tuple(
        replace(column, flat=without_underscores(column.name.removeprefix("user_")))
        for column in account("user", "user", "the member", filters="user")
    )


class WorkspaceMembers(Table):
    name = "workspace_members"
    description = "Members of a workspace"
    flat = "users"
    level = "workspace"
    scopes = Scopes(("account",), ("read:workspace:bitbucket",))
    collection = Collection("/workspaces/{workspace}/members", q=True)
    items = (Item("/workspaces/{workspace}/members/{member}", key="user_uuid", parameter="member"),)
    parent = Parent(Workspaces, (("workspace", "slug"),))
    primary_key = ("workspace", "user_uuid")
    rows = 50
    columns = (
        workspace_column(),
        *_member(),
        Column("user_type", "text", "user.type", "Kind of account: user, team or app_user"),
        Column("user_created_on", "timestamptz", "user.created_on", "When the account was made"),
        Column("user_links_html_href", "text", "user.links.html.href", "Address of the profile"),
    )
    examples = ("SELECT user_nickname, user_display_name FROM workspace_members ORDER BY 1",)
