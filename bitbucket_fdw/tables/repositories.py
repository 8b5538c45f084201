"""Repositories of a workspace (the API's Repositories group).

``q`` and ``sort`` are documented for ``/repositories/{workspace}``.
"""

from .columns import column
from .endpoints import Collection, Item, Paging
from .shared_columns import account, html_link, workspace_column
from .table import Parent, Scopes, Table
from .workspaces import Workspaces


class Repositories(Table):
    name = "repositories"
    family = "workspace"
    description = "Repositories of a workspace"
    level = "workspace"
    scopes = Scopes(("repository",), ("read:repository:bitbucket",))
    collection = Collection("/repositories/{workspace}", q=True, paging=Paging.NUMBERS)
    items = (Item("/repositories/{workspace}/{repository}", key="slug", parameter="repository"),)
    parent = Parent(Workspaces, (("workspace", "slug"),))
    primary_key = ("workspace", "slug")
    rows = 50
    columns = (
        workspace_column(),
        column(
            "slug",
            "text",
            "Repository slug, as in addresses",
            param="repository",
            within="full_name",
        ),
        column("uuid", "uuid", "Repository UUID", q=True),
        column("name", "text", "Display name", q=True, distinct=1000),
        column("full_name", "text", "Workspace and repository slug", q=True, distinct=1000),
        column("description", "text", "What it is for"),
        column("is_private", "boolean", "Not visible to the public", q=True),
        column("website", "text", "Address of its website"),
        column("language", "text", "Main language", q=True),
        column("scm", "text", "Version control system: git"),
        column("size", "bigint", "Bytes on disk", q=True),
        column("has_issues", "boolean", "Has an issue tracker"),
        column("has_wiki", "boolean", "Has a wiki"),
        column(
            "fork_policy",
            "text",
            "Which forks are allowed: allow_forks, no_public_forks or no_forks",
        ),
        column("project.key", "text", "Key of its project", q=True, distinct=20),
        column("project.uuid", "uuid", "UUID of its project"),
        column("project.name", "text", "Name of its project"),
        column(
            "override_settings.default_merge_strategy", "boolean", "Has merge strategies of its own"
        ),
        column("override_settings.branching_model", "boolean", "Has a branching model of its own"),
        column("workspace.uuid", "uuid", "UUID of its workspace"),
        column("workspace.name", "text", "Name of its workspace"),
        column("mainbranch.name", "text", "Its default branch; NULL if empty", longest=300),
        column("mainbranch.type", "text", "branch or named_branch"),
        column("parent.uuid", "uuid", "UUID of the repository it was forked from"),
        column(
            "parent.full_name", "text", "Workspace and slug of the repository it was forked from"
        ),
        column("parent.name", "text", "Name of the repository it was forked from"),
        *account("owner", "owner", "the owning account"),
        column("created_on", "timestamptz", "When it was made", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed", q=True, sort=True),
        html_link(),
        column("links.avatar.href", "text", "Address of its picture"),
        column(
            "links.clone", "jsonb", "Addresses to clone from, without a user name", anonymous=True
        ),
    )
    examples = (
        "SELECT slug, language, size FROM repositories WHERE language = 'python'",
        "SELECT * FROM repositories WHERE slug = 'website'",
    )


OF_REPOSITORY = Parent(Repositories, (("workspace", "workspace"), ("repository", "slug")))
"""The parent of all tables directly below a repository."""
