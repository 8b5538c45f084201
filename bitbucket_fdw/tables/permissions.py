"""What accounts may do in a workspace and its repositories, wherever that comes from.

Documented: the permissions, that those in repositories are the highest that an account has, with
its groups, and that only administrators can ask. Access tokens are refused. ``q`` is documented
for equality on ``permission``, and works on ``repository.full_name`` of the caller's own (seen live
by users, 2026). ``sort`` takes texts only, whose order PostgreSQL need not have.

Seen live by users, 2026: rows without a user or a repository, and ``added_on`` without a zone,
which is then UTC. So nothing identifies a row for certain. Where an organisation manages the
workspace, ``added_on`` and ``last_accessed`` are gone (documented).
"""

from .columns import Column, column
from .endpoints import Collection, Narrower, Paging, Shape
from .shared_columns import account, workspace_column
from .table import Parent, Scopes, Table
from .workspaces import Workspaces
from .writing import Writes

_PERMISSIONS = "/workspaces/{workspace}/permissions"
_OWN = "/user/workspaces/{workspace}"
_OF_REPOSITORIES = ("admin", "write", "read")
_EXPLICIT = (
    "It comes from explicit permissions: write repository_user_permissions, "
    "repository_group_permissions, project_user_permissions or project_group_permissions."
)

_WHO_AND_WHY = """\
WITH by_group AS (
    SELECT workspace, repository, group_name
    FROM acme.repository_group_permissions WHERE permission = 'admin'
    UNION
    SELECT r.workspace, r.slug, g.group_name
    FROM acme.repositories r
    JOIN acme.project_group_permissions g
        ON g.workspace = r.workspace AND g.project_key = r.project_key
    WHERE g.permission = 'admin'
)
SELECT p.repository, p.user_display_name, coalesce(
    nullif(concat_ws(', ',
        CASE WHEN w.permission = 'owner' THEN 'owner of the workspace' END,
        CASE WHEN u.permission = 'admin' THEN 'directly' END,
        CASE WHEN j.permission = 'admin' THEN 'by project' END), ''),
    'by one of: ' || (
        SELECT string_agg(group_name, ', ' ORDER BY group_name COLLATE "C") FROM by_group g
        WHERE g.workspace = p.workspace AND g.repository = p.repository)) AS why
FROM acme.repository_permissions p
JOIN acme.repositories r ON r.workspace = p.workspace AND r.slug = p.repository
LEFT JOIN acme.workspace_permissions w
    ON w.workspace = p.workspace AND w.user_uuid = p.user_uuid
LEFT JOIN acme.repository_user_permissions u
    ON u.workspace = p.workspace AND u.repository = p.repository AND u.user_uuid = p.user_uuid
LEFT JOIN acme.project_user_permissions j
    ON j.workspace = p.workspace AND j.project_key = r.project_key AND j.user_uuid = p.user_uuid
WHERE p.permission = 'admin'
ORDER BY 1, 2"""
"""Who administers which repository, and why. Bitbucket's API tells no group's members."""


def _refused(why: str) -> Writes:
    return Writes(refusals=tuple((verb, why) for verb in ("INSERT", "UPDATE", "DELETE")))


class _OfWorkspace(Table):
    family = "permissions"
    level = "workspace"
    parent = Parent(Workspaces, (("workspace", "slug"),))
    always = "permission"


class WorkspacePermissions(_OfWorkspace):
    name = "workspace_permissions"
    description = "What the members of a workspace may do, for its administrators"
    scopes = Scopes(("account",), ("read:workspace:bitbucket",), access_tokens=False)
    for_whom = "Only administrators of the workspace"
    collection = Collection(_PERMISSIONS, q=True, paging=Paging.NUMBERS, unique=False)
    primary_key = ()
    rows = 50
    columns = (
        workspace_column(),
        *account("user", "user", "the member"),
        column(
            "permission",
            "text",
            "owner, collaborator or member",
            q=True,
            values=("owner", "collaborator", "member"),
            equality=True,
        ),
        column("added_on", "timestamptz", "When they joined; NULL if an organisation manages it"),
        column("last_accessed", "timestamptz", "When they were last there; NULL as before"),
    )
    writes = _refused("Members are managed at admin.atlassian.com or on Bitbucket's web site.")
    examples = (
        "SELECT user_display_name, last_accessed FROM workspace_permissions "
        "WHERE permission = 'owner'",
        "SELECT permission, count(*) FROM workspace_permissions GROUP BY 1 ORDER BY 2 DESC",
    )


def _in_repository() -> tuple[Column, Column]:
    """The permission in a repository, and the repository's name and UUID."""
    return (
        column("repository.uuid", "uuid", "Repository UUID"),
        column("repository.name", "text", "Display name of the repository"),
    )


def _permission(description: str) -> Column:
    return column("permission", "text", description, q=True, values=_OF_REPOSITORIES, equality=True)


class RepositoryPermissions(_OfWorkspace):
    name = "repository_permissions"
    description = "What every account may do in each repository, with its groups"
    level = "repository"
    scopes = Scopes(("account", "repository"), ("read:repository:bitbucket",), access_tokens=False)
    for_whom = "Only administrators of the workspace, or of the one repository,"
    collection = Collection(
        f"{_PERMISSIONS}/repositories", q=True, paging=Paging.NUMBERS, unique=False
    )
    narrower = (
        Narrower(
            f"{_PERMISSIONS}/repositories/{{repository}}",
            key="repository",
            parameter="repository",
            rows=10,
        ),
    )
    primary_key = ()
    rows = 500
    columns = (
        workspace_column(),
        column(
            "repository.slug",
            "text",
            "Repository slug",
            name="repository",
            param="repository",
            within="repository.full_name",
        ),
        *account("user", "user", "whoever has the permission"),
        _permission("admin, write or read: the highest, with that of groups"),
        *_in_repository(),
    )
    writes = _refused(_EXPLICIT)
    examples = (
        "SELECT user_display_name, permission FROM repository_permissions "
        "WHERE permission <> 'read'",
        "SELECT user_display_name, count(*) FROM acme.repository_permissions "
        "WHERE permission = 'admin' GROUP BY 1 ORDER BY 2 DESC",
        _WHO_AND_WHY,
    )


class UserWorkspacePermissions(_OfWorkspace):
    name = "user_workspace_permissions"
    description = "What the credential's own account may do in a workspace"
    scopes = Scopes(("account",), ("read:workspace:bitbucket",), access_tokens=False)
    collection = Collection(
        f"{_OWN}/permission", pagelen=None, size=False, shape=Shape.OBJECT, unique=False
    )
    primary_key = ("workspace",)
    rows = 1
    columns = (
        workspace_column(),
        column("permission", "text", "owner, create-project, collaborator or member"),
        *account("user", "user", "the account"),
        column("workspace.uuid", "uuid", "Workspace UUID"),
    )
    examples = (
        "SELECT workspace, permission FROM user_workspace_permissions",
        "SELECT w.slug, w.name FROM workspaces w JOIN user_workspace_permissions p "
        "ON p.workspace = w.slug WHERE p.permission = 'owner'",
    )


class UserRepositoryPermissions(_OfWorkspace):
    name = "user_repository_permissions"
    description = "What the credential's own account may do in each repository"
    scopes = Scopes(("account", "repository"), ("read:repository:bitbucket",), access_tokens=False)
    collection = Collection(
        f"{_OWN}/permissions/repositories", q=True, paging=Paging.NUMBERS, unique=False
    )
    primary_key = ()
    rows = 50
    columns = (
        workspace_column(),
        column(
            "repository.full_name", "text", "Workspace and repository slug", q=True, distinct=1000
        ),
        *_in_repository(),
        _permission("admin, write or read"),
        *account("user", "user", "the account"),
    )
    writes = _refused(_EXPLICIT)
    examples = (
        "SELECT repository_full_name FROM user_repository_permissions WHERE permission = 'admin'",
        "SELECT r.slug, p.permission FROM repositories r LEFT JOIN user_repository_permissions p "
        "ON p.repository_full_name = r.full_name ORDER BY r.updated_on DESC LIMIT 20",
    )
