"""The account that the credential acts for (the API's Users group).

Bitbucket refuses access tokens here (seen live by users, 2026). The name is not that of the
address, ``/user``, because ``current_user`` and ``user`` are functions of PostgreSQL's.
"""

from .columns import column
from .endpoints import Collection, Shape
from .shared_columns import html_link
from .table import Scopes, Table


class AuthenticatedUser(Table):
    name = "authenticated_user"
    family = "account"
    description = "The account that the credential acts for"
    level = "workspace"
    scopes = Scopes(("account",), ("read:user:bitbucket",), access_tokens=False)
    collection = Collection("/user", pagelen=None, size=False, shape=Shape.OBJECT)
    primary_key = ("uuid",)
    rows = 1
    columns = (
        column("uuid", "uuid", "UUID"),
        column("account_id", "text", "Atlassian account id"),
        column("nickname", "text", "Nickname"),
        column("username", "text", "User name; Bitbucket itself goes by UUID or account id"),
        column("display_name", "text", "Display name"),
        column("type", "text", "user, or app_user for a token or an app"),
        column("created_on", "timestamptz", "When the account was made"),
        column("account_status", "text", "active, or what else becomes of an account"),
        column("is_staff", "boolean", "Works for Atlassian"),
        column("has_2fa_enabled", "boolean", "Signs in with a second factor, where it is told"),
        column("location", "text", "Where they say they are"),
        column("department", "text", "Where they say they work"),
        column("links.avatar.href", "text", "Address of the picture"),
        html_link(),
    )
    examples = (
        "SELECT display_name, account_status FROM authenticated_user",
        "SELECT p.user_display_name = u.display_name AS mine, p.permission "
        "FROM workspace_permissions p, authenticated_user u WHERE p.user_uuid = u.uuid",
    )
