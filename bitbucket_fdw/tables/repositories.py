"""Repositories of a workspace (the API's Repositories group).

``q`` and ``sort`` are documented for ``/repositories/{workspace}``.
"""

from .base import (
    Collection,
    Column,
    Filter,
    Item,
    Parent,
    Scopes,
    Table,
    html_link,
    workspace_column,
)
from .workspaces import Workspaces


class Repositories(Table):
    name = "repositories"
    description = "Repositories of a workspace"
    level = "workspace"
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    collection = Collection("/repositories/{workspace}", q=True)
    items = (Item("/repositories/{workspace}/{repository}", key="slug", parameter="repository"),)
    parent = Parent(Workspaces, (("workspace", "slug"),))
    primary_key = ("workspace", "slug")
    rows = 50
    columns = (
        workspace_column(),
        Column("slug", "text", "slug", "Repository slug, as in addresses", param="repository"),
        Column("uuid", "uuid", "uuid", "Repository UUID", filter=Filter("uuid")),
        Column("name", "text", "name", "Display name", filter=Filter("name")),
        Column(
            "full_name",
            "text",
            "full_name",
            "Workspace and repository slug",
            filter=Filter("full_name"),
        ),
        Column("description", "text", "description", "What it is for"),
        Column(
            "is_private",
            "boolean",
            "is_private",
            "Not visible to the public",
            filter=Filter("is_private"),
        ),
        Column("language", "text", "language", "Main language", filter=Filter("language")),
        Column("scm", "text", "scm", "Version control system: git"),
        Column("size", "bigint", "size", "Bytes on disk", filter=Filter("size")),
        Column("has_issues", "boolean", "has_issues", "Has an issue tracker"),
        Column("has_wiki", "boolean", "has_wiki", "Has a wiki"),
        Column(
            "fork_policy",
            "text",
            "fork_policy",
            "Which forks are allowed: allow_forks, no_public_forks or no_forks",
        ),
        Column(
            "project_key", "text", "project.key", "Key of its project", filter=Filter("project.key")
        ),
        Column("project_uuid", "uuid", "project.uuid", "UUID of its project"),
        Column("project_name", "text", "project.name", "Name of its project"),
        Column("mainbranch_name", "text", "mainbranch.name", "Its default branch; NULL if empty"),
        Column("parent_uuid", "uuid", "parent.uuid", "UUID of the repository it was forked from"),
        Column(
            "parent_full_name",
            "text",
            "parent.full_name",
            "Workspace and slug of the repository it was forked from",
        ),
        Column("owner_uuid", "uuid", "owner.uuid", "UUID of the owning account"),
        Column("owner_display_name", "text", "owner.display_name", "Name of the owning account"),
        Column(
            "created_on",
            "timestamptz",
            "created_on",
            "When it was made",
            filter=Filter("created_on"),
            sort="created_on",
        ),
        Column(
            "updated_on",
            "timestamptz",
            "updated_on",
            "When it last changed",
            filter=Filter("updated_on"),
            sort="updated_on",
        ),
        html_link(),
        Column("links_clone", "jsonb", "links.clone", "Addresses to clone from"),
    )
    examples = (
        "SELECT slug, language, size FROM repositories WHERE language = 'python'",
        "SELECT * FROM repositories WHERE slug = 'website'",
    )
