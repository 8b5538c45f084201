"""Columns that many tables share: an account, workspace and repository, a position in a file."""

from __future__ import annotations

from typing import Any

from .columns import Column, column
from .writing import Field

ACCOUNTS = 30  # that are found in one column of a listing, for estimates
_ACCOUNT_TYPES = "user, team or app_user (a token or an app)"


def account(
    prefix: str,
    path: str,
    who: str,
    *,
    filters: str | None = None,
    query: str | None = None,
    filtered: tuple[str, ...] = ("uuid", "account_id", "nickname"),
    of_list: bool = False,
    others: tuple[str, ...] = (),
    unless: str | None = None,
) -> tuple[Column, ...]:
    """The five columns that show an account.

    Any part may be NULL. Of a deleted account only the type and a name are left, and a team has no
    account id. The type is there to tell people from bots: a token or an app acts as an account of
    type ``app_user``.

    :param prefix: prefix of the column names (``author`` gives ``author_uuid`` and so on).
    :param path: path of the account in the JSON; empty if the item is the account. If each row is
        an element of a list, and the element is the account, this is the path of the list.
    :param who: what the account is, for the descriptions.
    :param filters: BBQL path of the account, if ``q`` can test its members.
    :param query: the query parameter that selects rows by the account's UUID, if there is one.
    :param filtered: which of its members ``q`` can test.
    :param of_list: whether the account is one of a list, as for a filter.
    :param others: other paths at which the account may be, as for a column; an empty one if the
        item may be the account.
    :param unless: a member of items that are not the account, as for a column.
    """

    def part(name: str, type: str, what: str, more: str = "", **rest: Any) -> Column:
        return column(
            f"{path}.{name}" if path else name,
            type,
            f"{what} of {who}{more}",
            name=f"{prefix}_{name}",
            q=f"{filters}.{name}" if filters and name in filtered else False,
            of_list=of_list,
            others=tuple(f"{other}.{name}" if other else name for other in others),
            unless=unless,
            distinct=ACCOUNTS,
            **rest,
        )

    return (
        part("uuid", "uuid", "UUID", query=query),
        part("account_id", "text", "Atlassian account id"),
        part("nickname", "text", "Nickname"),
        part("display_name", "text", "Display name"),
        part("type", "text", "Type", more=f": {_ACCOUNT_TYPES}"),
    )


def workspace_column() -> Column:
    """The ``workspace`` column of every table below a workspace."""
    return Column("workspace", "text", None, "Workspace slug", param="workspace")


def project_columns() -> tuple[Column, Column]:
    """The ``workspace`` and ``project_key`` columns of every table below a project."""
    return (
        workspace_column(),
        Column("project_key", "text", None, "Key of the project", param="project"),
    )


def repository_columns() -> tuple[Column, Column]:
    """The ``workspace`` and ``repository`` columns of every table below a repository."""
    return (
        workspace_column(),
        Column("repository", "text", None, "Repository slug", param="repository"),
    )


def inline_columns() -> tuple[Column, ...]:
    """Where a comment on code stands: a line, or several up to that line."""
    return (
        column("inline.path", "text", "File it stands at"),
        column("inline.from", "bigint", "Line in the old version"),
        column("inline.to", "bigint", "Line in the new version"),
        column("inline.start_from", "bigint", "First line in the old version, if there are more"),
        column("inline.start_to", "bigint", "First line in the new version, if there are more"),
    )


COMMENT_FIELDS = (
    Field("content_raw", required=True),
    Field("inline_path"),
    Field("inline_from"),
    Field("inline_to"),
    Field("parent_id"),
)
"""What a new comment on code can say."""


PARENT_OR_PLACE = (("parent_id",), ("inline_path", "inline_from", "inline_to"))
"""A comment may have a parent or a place in a file, but not both: that is a 400 (seen live by
users). An answer has the place of the comment that it answers."""


WEB_SITE = "https://bitbucket.org"
"""The web site, for addresses of pages to which no answer links.

It does not follow from the address of the API, which may be a proxy or a stand-in.
"""


def html_link() -> Column:
    """The item's page on the web site."""
    return Column("links_html_href", "text", "links.html.href", "Address of its page", page=True)
