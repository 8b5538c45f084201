"""Who took part in pull requests (the API's Pullrequests group).

Participants have no endpoint of their own. They are read as part of the pull requests. They are
written by the requests that approve a pull request or request changes, which always act for the
user of the credential.
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
from .writing import Transition, Write, Writes

_PULL_REQUESTS = "/repositories/{workspace}/{repository}/pullrequests"
_PULL_REQUEST = f"{_PULL_REQUESTS}/{{pull_request_id}}"
_APPROVE = f"{_PULL_REQUEST}/approve"
_REQUEST_CHANGES = f"{_PULL_REQUEST}/request-changes"


class PullRequestParticipants(Table):
    name = "pull_request_participants"
    family = "pull_requests"
    description = "Reviewers of and participants in pull requests, with their verdict"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = within_pull_requests("participants")
    items = (Item(_PULL_REQUEST, key="pull_request_id", parameter="pull_request_id"),)
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "pull_request_id", "user_uuid")
    always = "pull_request_id"  # the account may be gone, or its UUID masked
    rows = 2000
    columns = (
        *repository_columns(),
        column("id", "bigint", "Number of the pull request", name="pull_request_id", q=True),
        *account("user", "participants.user", "the participant"),
        column("participants.role", "text", "REVIEWER or PARTICIPANT", name="role"),
        column("participants.approved", "boolean", "Approved it", name="approved"),
        column(
            "participants.state",
            "text",
            "approved, changes_requested, or NULL without a verdict",
            name="state",
        ),
        column(
            "participants.participated_on",
            "timestamptz",
            "When they last took part",
            name="participated_on",
        ),
        state_of_pull_request(),
        change_of_pull_request(),
    )
    writes = Writes(
        # It is not known whether Bitbucket answers 200 or 409 if the verdict is there already.
        transitions=(
            Transition("state", "approved", Write("POST", _APPROVE), settled=(409,)),
            Transition(
                "state", "changes_requested", Write("POST", _REQUEST_CHANGES), settled=(409,)
            ),
        ),
        refusals=(
            ("INSERT", "Give state: 'approved' or 'changes_requested', as the current user."),
        ),
        withdrawals=(
            Transition("state", "approved", Write("DELETE", _APPROVE)),
            Transition("state", "changes_requested", Write("DELETE", _REQUEST_CHANGES)),
        ),
        own="user_uuid",
        disturbs=("pull_requests",),
    )
    examples = (
        "SELECT user_nickname, state FROM pull_request_participants WHERE pull_request_id = 42",
        "SELECT user_nickname, count(*) FROM pull_request_participants "
        "WHERE role = 'REVIEWER' AND state IS NULL AND pull_request_state = 'OPEN' GROUP BY 1",
    )
