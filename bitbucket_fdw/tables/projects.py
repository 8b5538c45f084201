"""Projects of a workspace (the API's Projects group)."""

from .base import (
    Collection,
    Column,
    Field,
    Item,
    Parent,
    Scopes,
    Table,
    Write,
    Writes,
    html_link,
    workspace_column,
)
from .workspaces import Workspaces

_PROJECT = "/workspaces/{workspace}/projects/{key}"


class Projects(Table):
    name = "projects"
    description = "Projects of a workspace"
    level = "workspace"
    scopes = Scopes(("project",), ("read:project:bitbucket",))
    collection = Collection("/workspaces/{workspace}/projects")
    items = (Item("/workspaces/{workspace}/projects/{key}", key="key", parameter="key"),)
    parent = Parent(Workspaces, (("workspace", "slug"),))
    primary_key = ("workspace", "key")
    rows = 20
    columns = (
        workspace_column(),
        Column("key", "text", "key", "Project key"),
        Column("uuid", "uuid", "uuid", "Project UUID"),
        Column("name", "text", "name", "Display name"),
        Column("description", "text", "description", "What the project is for"),
        Column("is_private", "boolean", "is_private", "Not visible to the public"),
        Column("created_on", "timestamptz", "created_on", "When it was made"),
        Column("updated_on", "timestamptz", "updated_on", "When it last changed"),
        Column(
            "has_publicly_visible_repos",
            "boolean",
            "has_publicly_visible_repos",
            "Holds at least one public repository",
        ),
        Column("owner_uuid", "uuid", "owner.uuid", "UUID of the owning account"),
        Column("owner_display_name", "text", "owner.display_name", "Name of the owning account"),
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
    )
    examples = ("SELECT key, name, is_private FROM projects",)
