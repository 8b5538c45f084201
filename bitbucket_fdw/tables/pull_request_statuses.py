"""Build statuses of pull requests (the API's Commit statuses group).

``q`` and ``sort`` are documented. An item says which commit it belongs to. It is not known whether
the listing has the statuses of all commits of a pull request, or those of the last one alone.
"""

from .columns import column
from .commit_statuses import status_columns
from .endpoints import Collection, Paging
from .pull_requests import OF_PULL_REQUEST, pull_request_column
from .shared_columns import repository_columns
from .table import Scopes, Table
from .writing import Writes

_ELSEWHERE = "Statuses belong to commits: change the table commit_statuses instead."


class PullRequestStatuses(Table):
    name = "pull_request_statuses"
    family = "pull_requests"
    description = "Build statuses of pull requests; takes one request per pull request"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = Collection(
        "/repositories/{workspace}/{repository}/pullrequests/{pull_request_id}/statuses",
        q=True,
        paging=Paging.NUMBERS,
        unique=False,  # two applications may report the same key, and several commits may have it
    )
    parent = OF_PULL_REQUEST
    primary_key = ("workspace", "repository", "pull_request_id", "commit_hash", "key")
    rows = 1
    columns = (
        *repository_columns(),
        pull_request_column(),
        column("commit.hash", "text", "Full hash of the commit that was built"),
        *status_columns(),
    )
    writes = Writes(refusals=tuple((verb, _ELSEWHERE) for verb in ("INSERT", "UPDATE", "DELETE")))
    examples = (
        "SELECT name, state, url FROM pull_request_statuses WHERE pull_request_id = 52",
        "SELECT p.id, p.title, s.name FROM pull_requests p "
        "JOIN pull_request_statuses s ON s.pull_request_id = p.id "
        "WHERE p.state = 'OPEN' AND s.state = 'FAILED'",
    )
