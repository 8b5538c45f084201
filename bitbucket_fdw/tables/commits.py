"""Commits (the API's Commits group).

Both listings are iterator-like: forward only, newest first along the history, with neither ``q``
nor ``sort`` nor ``size``.
"""

from .base import (
    Collection,
    Column,
    Item,
    Parent,
    Scopes,
    Table,
    html_link,
    repository_columns,
)
from .repositories import Repositories

_SCOPES = Scopes(("repository",), ("read:repository:bitbucket",))
HASH = "[0-9a-f]{40}"


def _commit() -> tuple[Column, ...]:
    return (
        Column("hash", "text", "hash", "Full commit hash", pattern=HASH),
        Column("date", "timestamptz", "date", "When it was committed"),
        Column("message", "text", "message", "Commit message"),
        Column("summary_raw", "text", "summary.raw", "Commit message as rendered on the page"),
        Column("author_raw", "text", "author.raw", "Author as git has it"),
        Column(
            "author_uuid",
            "uuid",
            "author.user.uuid",
            "UUID of the author's account, where it is known",
        ),
        Column(
            "author_account_id",
            "text",
            "author.user.account_id",
            "Atlassian account id of the author's account",
        ),
        Column(
            "author_nickname", "text", "author.user.nickname", "Nickname of the author's account"
        ),
        Column(
            "author_display_name",
            "text",
            "author.user.display_name",
            "Display name of the author's account",
        ),
        Column("committer_raw", "text", "committer.raw", "Committer as git has it"),
        Column(
            "committer_uuid",
            "uuid",
            "committer.user.uuid",
            "UUID of the committer's account, where it is known",
        ),
        Column("parents", "jsonb", "parents", "Parent commits"),
        html_link(),
    )


class Commits(Table):
    name = "commits"
    description = "Commits reachable from any branch of a repository"
    scopes = _SCOPES
    collection = Collection("/repositories/{workspace}/{repository}/commits", size=False)
    items = (
        Item("/repositories/{workspace}/{repository}/commit/{hash}", key="hash", parameter="hash"),
    )
    parent = Parent(Repositories, (("workspace", "workspace"), ("repository", "slug")))
    primary_key = ("workspace", "repository", "hash")
    rows = 2000
    columns = (*repository_columns(), *_commit())
    examples = ("SELECT hash, date, author_raw, message FROM commits LIMIT 20",)


class DefaultBranchCommits(Table):
    name = "default_branch_commits"
    description = "Commits reachable from the default branch of a repository"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/commits/{mainbranch}", size=False
    )
    parent = Parent(
        Repositories,
        (("workspace", "workspace"), ("repository", "slug"), ("mainbranch", "mainbranch_name")),
    )
    primary_key = ("workspace", "repository", "hash")
    rows = 1500
    columns = (*repository_columns(), *_commit())
    examples = (
        "SELECT date_trunc('week', date) AS week, count(*) FROM default_branch_commits GROUP BY 1",
    )
