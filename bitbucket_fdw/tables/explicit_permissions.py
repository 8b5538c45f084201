"""Permissions that were given to an account or a group, in a repository or a project.

Documented: the listings take neither ``q`` nor ``sort``; only administrators can ask; the owner of
the workspace cannot be given one, nor can somebody who is no member; ``none`` is a value of
answers, and to take a permission away is a DELETE. The documentation says that only app passwords
can write. Seen live by users, 2026: API tokens can. Access tokens can neither read nor write.

It is not known whether Bitbucket answers 404 or the permission ``none`` where an account or a group
has none itself. Both mean that there is no row. An account or a group may be gone. The row then has
no UUID or no slug, and cannot be written.
Groups can be listed by an older version of the API only.
"""

from dataclasses import replace

from .columns import Column, column
from .endpoints import Collection, Item, Paging
from .projects import OF_PROJECT
from .repositories import OF_REPOSITORY
from .shared_columns import account, project_columns, repository_columns
from .table import Scopes, Table
from .writing import Field, Unique, Write, Writes

_REPOSITORY = "/repositories/{workspace}/{repository}/permissions-config"
_PROJECT = "/workspaces/{workspace}/projects/{project}/permissions-config"

_IN_REPOSITORY = ("read", "write", "admin")
_IN_PROJECT = ("read", "write", "create-repo", "admin")


def _writes(path: str, key: str, values: tuple[str, ...], who: str, *more: str) -> Writes:
    """INSERT and UPDATE by the same request, and DELETE: each takes the others back.

    :param path: of one permission; ``key`` is the column that its last part holds.
    :param who: what is to be checked if Bitbucket does not know the account or the group.
    :param more: further tables whose rows show the permission.
    """
    advice = (
        (400, "The owner of the workspace has every permission already; others must be members."),
        (402, "The plan's number of users is reached: upgrade it, or take permissions away."),
        (403, "It takes an API token of an administrator: access tokens and OAuth are refused."),
        (404, who),
    )
    put = Write(
        "PUT",
        path,
        (Field("permission", values=values, required=True),),
        checked=("permission",),
        advice=advice,
    )
    return Writes(
        insert=put,
        update=put,
        delete=Write("DELETE", path, advice=advice),
        recreate=True,
        upserts=True,
        unique=Unique((key,)),
        disturbs=("repository_permissions", "user_repository_permissions"),
    )


_MEMBERS = "Check the account's UUID: workspace_members has those of all members."
_SLUGS = "Groups go by their slug, not by their name: see the address of the group's page."


class _Explicit(Table):
    family = "permissions"
    nothing = ("permission", "none")
    always = "permission"
    rows = 5


class _OfRepository(_Explicit):
    parent = OF_REPOSITORY
    scopes = Scopes(("repository:admin",), ("read:repository:bitbucket",), access_tokens=False)
    for_whom = "Only administrators of the repository"


class _OfProject(_Explicit):
    level = "workspace"
    parent = OF_PROJECT
    scopes = Scopes(("project:admin",), ("read:project:bitbucket",), access_tokens=False)
    for_whom = "Only administrators of the project"


def _group() -> tuple[Column, ...]:
    return (
        column("group.slug", "text", "Slug of the group, by which it is addressed"),
        column("group.name", "text", "Name of the group"),
        column("group.full_slug", "text", "Slugs of the workspace and the group"),
    )


def _user(project: bool) -> tuple[Column, ...]:
    """The account, whose display name CData's driver calls UserName in projects."""
    columns = account("user", "user", "the account")
    return tuple(
        replace(column, cdata="UserName")
        if project and column.name == "user_display_name"
        else column
        for column in columns
    )


def _permission(values: tuple[str, ...], whom: str) -> Column:
    return column("permission", "text", f"{', '.join(values)}: given to the {whom} itself")


class RepositoryUserPermissions(_OfRepository):
    name = "repository_user_permissions"
    description = "Permissions that accounts were given themselves in a repository"
    collection = Collection(f"{_REPOSITORY}/users", paging=Paging.NUMBERS)
    items = (Item(f"{_REPOSITORY}/users/{{user_uuid}}", key="user_uuid", parameter="user_uuid"),)
    primary_key = ("workspace", "repository", "user_uuid")
    columns = (
        *repository_columns(),
        *_user(project=False),
        _permission(_IN_REPOSITORY, "account"),
    )
    writes = _writes(items[0].path, "user_uuid", _IN_REPOSITORY, _MEMBERS)
    examples = (
        "SELECT user_display_name, permission FROM repository_user_permissions ORDER BY 1",
        "SELECT repository, user_display_name FROM acme.repository_user_permissions "
        "WHERE permission = 'admin'",
    )


class RepositoryGroupPermissions(_OfRepository):
    name = "repository_group_permissions"
    description = "Permissions that groups were given in a repository"
    collection = Collection(f"{_REPOSITORY}/groups", paging=Paging.NUMBERS)
    items = (
        Item(f"{_REPOSITORY}/groups/{{group_slug}}", key="group_slug", parameter="group_slug"),
    )
    primary_key = ("workspace", "repository", "group_slug")
    columns = (*repository_columns(), *_group(), _permission(_IN_REPOSITORY, "group"))
    writes = _writes(items[0].path, "group_slug", _IN_REPOSITORY, _SLUGS)
    examples = (
        "SELECT group_name, permission FROM repository_group_permissions ORDER BY 1",
        "SELECT group_name, repository FROM acme.repository_group_permissions "
        "WHERE permission = 'admin'",
    )


class ProjectUserPermissions(_OfProject):
    name = "project_user_permissions"
    description = "Permissions that accounts were given themselves in a project"
    collection = Collection(f"{_PROJECT}/users", paging=Paging.NUMBERS)
    items = (Item(f"{_PROJECT}/users/{{user_uuid}}", key="user_uuid", parameter="user_uuid"),)
    primary_key = ("workspace", "project_key", "user_uuid")
    columns = (
        *project_columns(),
        *_user(project=True),
        _permission(_IN_PROJECT, "account"),
    )
    writes = _writes(items[0].path, "user_uuid", _IN_PROJECT, _MEMBERS)
    examples = (
        "SELECT project_key, user_display_name FROM project_user_permissions "
        "WHERE permission = 'admin'",
        "SELECT user_display_name, permission FROM project_user_permissions "
        "WHERE project_key = 'WEB'",
    )


class ProjectGroupPermissions(_OfProject):
    name = "project_group_permissions"
    description = "Permissions that groups were given in a project"
    collection = Collection(f"{_PROJECT}/groups", paging=Paging.NUMBERS)
    items = (Item(f"{_PROJECT}/groups/{{group_slug}}", key="group_slug", parameter="group_slug"),)
    primary_key = ("workspace", "project_key", "group_slug")
    columns = (*project_columns(), *_group(), _permission(_IN_PROJECT, "group"))
    writes = _writes(items[0].path, "group_slug", _IN_PROJECT, _SLUGS)
    examples = (
        "SELECT group_name, permission FROM project_group_permissions WHERE project_key = 'WEB'",
        "SELECT p.key, g.group_name FROM projects p JOIN project_group_permissions g "
        "ON g.workspace = p.workspace AND g.project_key = p.key WHERE g.permission = 'admin'",
    )
