"""The files that pull requests change (the API's Pullrequests and Commits groups).

Seen live by users, 2026: the endpoint answers by a redirect to the diffstat of the repository,
which needs the credential, too. 400 says that the branches have no common history, 404 that the
source repository is gone, and 555 that the diff takes too long. Of a file that was added or removed
one side is null.
"""

from .columns import Column, column
from .endpoints import Collection, Paging
from .pull_requests import OF_PULL_REQUEST, pull_request_column
from .shared_columns import repository_columns
from .table import Scopes, Table, Unlistable


def _file_columns() -> tuple[Column, ...]:
    return (
        column("new.path", "text", "File, by its new name", name="path", others=("old.path",)),
        column(
            "status",
            "text",
            "added, removed, modified, renamed, merge conflict, remote deleted and others",
        ),
        column("lines_added", "bigint", "Lines added"),
        column("lines_removed", "bigint", "Lines removed"),
        column("old.path", "text", "Name before; NULL if it was added"),
        column("new.path", "text", "Name after; NULL if it was removed"),
        column("old.type", "text", "What it was: commit_file, or another kind of entry"),
        column("new.type", "text", "What it is: commit_file, or another kind of entry"),
    )


class PullRequestDiffstat(Table):
    name = "pull_request_diffstat"
    family = "pull_requests"
    description = "Files that pull requests change; takes two requests per pull request"
    scopes = Scopes(
        ("pullrequest", "repository"),
        ("read:pullrequest:bitbucket", "read:repository:bitbucket"),
    )
    collection = Collection(
        "/repositories/{workspace}/{repository}/pullrequests/{pull_request_id}/diffstat",
        paging=Paging.NUMBERS,
        redirects=True,
    )
    parent = OF_PULL_REQUEST
    unlistable = Unlistable(
        (400, 404), "pull requests whose branches share no history, or whose source is gone"
    )
    primary_key = ("workspace", "repository", "pull_request_id", "path")
    always = "status"  # either side may be null
    rows = 8
    columns = (*repository_columns(), pull_request_column(), *_file_columns())
    examples = (
        "SELECT path, status, lines_added, lines_removed FROM pull_request_diffstat "
        "WHERE pull_request_id = 4",
        "SELECT p.id, p.title, sum(d.lines_added + d.lines_removed) AS lines "
        "FROM pull_requests p, LATERAL (SELECT lines_added, lines_removed "
        "FROM pull_request_diffstat WHERE pull_request_id = p.id OFFSET 0) d "
        "WHERE p.state = 'OPEN' GROUP BY 1, 2 ORDER BY 3 DESC",
    )
