"""Commits (the API's Commits group).

Both listings can only be read forwards, newest first along the history. They have no ``q``, no
``sort`` and no ``size``.
"""

from .columns import Column, column
from .endpoints import Collection, Item
from .repositories import OF_REPOSITORY, Repositories
from .shared_columns import account, html_link, repository_columns
from .table import Parent, Reach, Scopes, Table

_SCOPES = Scopes(("repository",), ("read:repository:bitbucket",))
HASH = "[0-9a-f]{40}"
FULL_HASH = (
    "A full hash has 40 digits, with letters in lower case. Table commits_by_prefix finds a commit "
    "by its first digits."
)
NO_COMMIT = "0" * 40  # matches HASH, but is no commit: git writes it where there is none
_REACHED = Reach(
    refs="/repositories/{workspace}/{repository}/refs",
    target="target.hash",
    log="/repositories/{workspace}/{repository}/commits",
    hash="hash",
)


def commit_columns() -> tuple[Column, ...]:
    """What every listing of commits tells of a commit."""
    return (
        column("hash", "text", "Full commit hash", pattern=HASH, form=FULL_HASH, sample=NO_COMMIT),
        column("date", "timestamptz", "When it was committed"),
        column("message", "text", "Commit message"),
        column("summary.raw", "text", "Commit message as rendered on the page"),
        column("summary.html", "text", "That text as HTML"),
        column("author.raw", "text", "Author as git has it"),
        *account("author", "author.user", "the author's account, where it is known"),
        column("committer.raw", "text", "Committer as git has it"),
        *account("committer", "committer.user", "the committer's account, where it is known"),
        column("parents", "jsonb", "Parent commits"),
        html_link(),
    )


class Commits(Table):
    name = "commits"
    family = "code"
    description = "Commits reachable from any branch or tag of a repository"
    scopes = _SCOPES
    collection = Collection("/repositories/{workspace}/{repository}/commits", size=False)
    items = (
        Item("/repositories/{workspace}/{repository}/commit/{hash}", key="hash", parameter="hash"),
    )
    parent = OF_REPOSITORY
    # Whether an empty repository answers 404 or an empty page is not documented.
    absent_without = "mainbranch_name"
    reached = _REACHED
    primary_key = ("workspace", "repository", "hash")
    rows = 2000
    columns = (*repository_columns(), *commit_columns())
    examples = (
        "SELECT hash, date, author_raw, message FROM commits LIMIT 20",
        "SELECT b.name, c.date, c.message FROM branches b "
        "JOIN commits c ON c.hash = b.target_commit_hash WHERE b.name = 'main'",
    )


class DefaultBranchCommits(Table):
    name = "default_branch_commits"
    family = "code"
    description = "Commits reachable from the default branch of a repository"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/commits",
        size=False,
        # As a query parameter, because the path cannot hold a branch's name with a slash in it.
        selects=(("include", "mainbranch"),),
    )
    parent = Parent(
        Repositories,
        (("workspace", "workspace"), ("repository", "slug"), ("mainbranch", "mainbranch_name")),
    )
    primary_key = ("workspace", "repository", "hash")
    reached = _REACHED
    rows = 1500
    columns = (*repository_columns(), *commit_columns())
    examples = (
        "SELECT date_trunc('week', date) AS week, count(*) FROM default_branch_commits GROUP BY 1",
        "SELECT hash, date, message FROM default_branch_commits LIMIT 10",
    )


OF_COMMIT = Parent(
    Commits,
    (("workspace", "workspace"), ("repository", "repository"), ("commit_hash", "hash")),
)
"""The parent of all tables below a commit."""


def commit_column() -> Column:
    """The ``commit_hash`` column of every table below a commit."""
    return Column(
        "commit_hash",
        "text",
        None,
        "Full hash of the commit",
        param="commit_hash",
        pattern=HASH,
        form=FULL_HASH,
        sample=NO_COMMIT,
    )
