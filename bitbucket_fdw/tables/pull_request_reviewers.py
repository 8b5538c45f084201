"""Who is asked to review pull requests (the API's Pullrequests group).

Reviewers have no endpoint of their own. They are read as part of the pull requests. Seen live by
users, 2026: ``q`` takes ``reviewers.uuid`` and ``reviewers.account_id``, keeps whole pull requests
by them, and refuses ``reviewers.username``.
"""

from .columns import column
from .endpoints import Item
from .pull_requests import (
    change_of_pull_request,
    state_of_pull_request,
    within_pull_requests,
)
from .repositories import OF_REPOSITORY
from .shared_columns import account, repository_columns
from .table import Scopes, Table
from .writing import Writes

_PULL_REQUESTS = "/repositories/{workspace}/{repository}/pullrequests"
_PULL_REQUEST = f"{_PULL_REQUESTS}/{{pull_request_id}}"
_ELSEWHERE = "Change the column reviewers of pull_requests instead."


class PullRequestReviewers(Table):
    name = "pull_request_reviewers"
    family = "pull_requests"
    description = "Who is asked to review pull requests"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = within_pull_requests("reviewers")
    items = (Item(_PULL_REQUEST, key="pull_request_id", parameter="pull_request_id"),)
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "pull_request_id", "user_uuid")
    always = "pull_request_id"  # the account of a reviewer may be gone, or its UUID masked
    rows = 1500
    columns = (
        *repository_columns(),
        column("id", "bigint", "Number of the pull request", name="pull_request_id", q=True),
        state_of_pull_request(),
        column(
            "title",
            "text",
            "Title of the pull request",
            name="pull_request_title",
            q=True,
            distinct=1000,
        ),
        change_of_pull_request(),
        *account(
            "user",
            "reviewers",
            "the reviewer",
            filters="reviewers",
            filtered=("uuid", "account_id"),
            of_list=True,
        ),
    )
    writes = Writes(refusals=tuple((verb, _ELSEWHERE) for verb in ("INSERT", "UPDATE", "DELETE")))
    examples = (
        "SELECT user_display_name, count(*) FROM pull_request_reviewers "
        "WHERE pull_request_state = 'OPEN' GROUP BY 1 ORDER BY 2 DESC",
        "SELECT user_display_name FROM pull_request_reviewers WHERE pull_request_id = 4",
    )
