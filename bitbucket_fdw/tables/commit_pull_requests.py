"""The pull requests that commits are part of (the API's Pullrequests group).

Documented: 202 while the repository is being indexed, 404 until the links between commits and pull
requests were set up, and 30 items a page. The set-up is a click on "Go to pull request" on the page
of a commit. Without ``fields`` the items are short. ``q`` and ``sort`` are not documented.
"""

from dataclasses import replace

from .columns import Column, column
from .commits import OF_COMMIT, commit_column
from .endpoints import Collection, Item, Paging
from .shared_columns import account, html_link, repository_columns
from .table import Scopes, Table


def _only_by_fields(*columns: Column) -> tuple[Column, ...]:
    return tuple(replace(each, asked=True) for each in columns)


class CommitPullRequests(Table):
    name = "commit_pull_requests"
    family = "pull_requests"
    description = "Pull requests that commits are part of; takes one request per commit"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = Collection(
        "/repositories/{workspace}/{repository}/commit/{commit_hash}/pullrequests",
        paging=Paging.NUMBERS,
    )
    completed_by = Item(
        "/repositories/{workspace}/{repository}/pullrequests/{id}", key="id", parameter="id"
    )
    parent = OF_COMMIT
    set_up = (
        "Bitbucket links commits and pull requests of a repository once somebody has clicked "
        '"Go to pull request" on the page of one of its commits. Do so, and try again later.'
    )
    primary_key = ("workspace", "repository", "commit_hash", "id")
    rows = 1
    columns = (
        *repository_columns(),
        commit_column(),
        column("id", "bigint", "Number of the pull request"),
        column("title", "text", "Title"),
        *_only_by_fields(
            column("state", "text", "OPEN, MERGED, DECLINED or SUPERSEDED"),
            column("draft", "boolean", "Not ready for review"),
            *account("author", "author", "the author"),
            column("source.branch.name", "text", "Name of the source branch"),
            column("source.repository.full_name", "text", "Workspace and slug of its repository"),
            column("destination.branch.name", "text", "Name of the destination branch"),
            column(
                "destination.repository.full_name", "text", "Workspace and slug of its repository"
            ),
            column("comment_count", "bigint", "Number of comments"),
            column("task_count", "bigint", "Number of open tasks"),
            column("created_on", "timestamptz", "When it was opened"),
            column("updated_on", "timestamptz", "When it last changed"),
        ),
        html_link(),
    )
    examples = (
        "SELECT id, title, state FROM commit_pull_requests "
        "WHERE commit_hash = (SELECT hash FROM pull_request_commits "
        "WHERE pull_request_id = 4 LIMIT 1)",
        "SELECT c.hash, c.message, p.id FROM (SELECT hash, message FROM default_branch_commits "
        "LIMIT 20) c JOIN commit_pull_requests p ON p.commit_hash = c.hash",
    )
