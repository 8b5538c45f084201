"""Commits of pull requests (the API's Pullrequests group).

Seen live by users, 2026: the listing can only be read forwards, newest first, has no ``size``, and
ignores ``sort``. It answers 404 for a pull request whose source is gone: its fork or its branch.
"""

from .commits import commit_columns
from .endpoints import Collection
from .pull_requests import OF_PULL_REQUEST, pull_request_column
from .shared_columns import repository_columns
from .table import Scopes, Table, Unlistable


class PullRequestCommits(Table):
    name = "pull_request_commits"
    family = "pull_requests"
    description = "Commits of pull requests; takes one request per pull request"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = Collection(
        "/repositories/{workspace}/{repository}/pullrequests/{pull_request_id}/commits",
        size=False,
    )
    parent = OF_PULL_REQUEST
    unlistable = Unlistable((404,), "pull requests whose source is gone")
    primary_key = ("workspace", "repository", "pull_request_id", "hash")
    rows = 3
    columns = (*repository_columns(), pull_request_column(), *commit_columns())
    examples = (
        "SELECT hash, date, message FROM pull_request_commits WHERE pull_request_id = 4",
        "SELECT p.id, p.title, p.created_on, min(c.date) AS first_commit FROM pull_requests p "
        "JOIN pull_request_commits c ON c.pull_request_id = p.id "
        "WHERE p.state = 'OPEN' GROUP BY 1, 2, 3",
    )
