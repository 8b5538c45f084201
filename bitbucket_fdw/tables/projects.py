"""Projects of a workspace (the API's Projects group).

Seen live by users, 2026, though it is not documented: the listing applies ``q`` and ``sort`` to the
name and to both times.
"""

from .columns import column
from .endpoints import Collection, Item, Paging
from .shared_columns import account, html_link, workspace_column
from .table import Parent, Scopes, Table
from .workspaces import Workspaces
from .writing import Field, Write, Writes

_PROJECT = "/workspaces/{workspace}/projects/{key}"


class Projects(Table):
    name = "projects"
    family = "workspace"
    description = "Projects of a workspace"
    level = "workspace"
    scopes = Scopes(("project",), ("read:project:bitbucket",))
    collection = Collection("/workspaces/{workspace}/projects", q=True, paging=Paging.NUMBERS)
    items = (Item(_PROJECT, key="key", parameter="key"),)
    parent = Parent(Workspaces, (("workspace", "slug"),))
    primary_key = ("workspace", "key")
    rows = 20
    columns = (
        workspace_column(),
        column("key", "text", "Project key"),
        column("uuid", "uuid", "Project UUID"),
        column("name", "text", "Display name", q=True),
        column("description", "text", "What the project is for"),
        column("is_private", "boolean", "Not visible to the public"),
        column("created_on", "timestamptz", "When it was made", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed", q=True, sort=True),
        column("has_publicly_visible_repos", "boolean", "Holds at least one public repository"),
        *account("owner", "owner", "the owning account"),
        column("links.avatar.href", "text", "Address of its picture"),
        html_link(),
    )
    writes = Writes(
        insert=Write(
            "POST",
            "/workspaces/{workspace}/projects",
            (
                Field("key", required=True),
                Field("name", required=True),
                Field("description"),
                Field("is_private"),
            ),
        ),
        update=Write("PUT", _PROJECT, (Field("name"), Field("description"), Field("is_private"))),
        delete=Write("DELETE", _PROJECT),
        upserts=True,
    )
    examples = (
        "SELECT key, name, is_private FROM projects",
        "SELECT key, name FROM projects WHERE updated_on > '2023-01-01' ORDER BY updated_on DESC",
    )


OF_PROJECT = Parent(Projects, (("workspace", "workspace"), ("project", "key")))
"""The parent of all tables directly below a project."""
