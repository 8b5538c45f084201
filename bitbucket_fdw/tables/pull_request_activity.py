"""What happened to pull requests, and when (the API's Pullrequests group).

Documented: an entry has the pull request and one member that says what happened. Seen live by
users, 2026: a page has at most 50 entries and no ``size``; ``q`` and ``sort`` are ignored; the
repository's listing has the entries of all its pull requests; the member ``changes`` calls the
state ``status``. Entries have no id. It is not documented that the newest ones come first.
"""

from .columns import Column, column
from .endpoints import Collection, Narrower
from .repositories import OF_REPOSITORY
from .shared_columns import account, repository_columns
from .table import Scopes, Table

_FEED = "/repositories/{workspace}/{repository}/pullrequests"


def _update(name: str, path: str, type: str, description: str) -> Column:
    return column(f"update.{path}", type, f"{description}, of an update", name=name)


class PullRequestActivity(Table):
    name = "pull_request_activity"
    description = "What happened to pull requests: updates, comments, approvals"
    family = "pull_requests"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = Collection(f"{_FEED}/activity", pagelen=50, size=False, unique=False)
    narrower = (
        Narrower(f"{_FEED}/{{id}}/activity", key="pull_request_id", parameter="id", rows=5),
    )
    parent = OF_REPOSITORY
    primary_key = ()
    always = "pull_request_id"
    rows = 5000
    columns = (
        *repository_columns(),
        column("pull_request.id", "bigint", "Number of the pull request"),
        column("pull_request.title", "text", "Title of the pull request now"),
        Column(
            "kind",
            "text",
            "update",
            "comment, update, approval, changes_requested, or other for none of these",
            union=("comment.id", "update.date", "approval.date", "changes_requested.date"),
        ),
        Column(
            "occurred_on",
            "timestamptz",
            "update.date",
            "When it happened",
            others=("approval.date", "changes_requested.date", "comment.created_on"),
        ),
        *account(
            "user",
            "update.author",
            "whoever did it",
            others=("approval.user", "changes_requested.user", "comment.user"),
        ),
        _update("state", "state", "text", "State at that time"),
        _update("old_state", "changes.status.old", "text", "State before, if it changed"),
        _update("new_state", "changes.status.new", "text", "State after, if it changed"),
        _update("title", "title", "text", "Title at that time"),
        _update("old_title", "changes.title.old", "text", "Title before, if it changed"),
        _update("draft", "draft", "boolean", "Whether it was a draft"),
        _update("reason", "reason", "text", "Why it was declined"),
        _update("reviewers_added", "changes.reviewers.added", "jsonb", "New reviewers"),
        _update("reviewers_removed", "changes.reviewers.removed", "jsonb", "Former reviewers"),
        _update("changes", "changes", "jsonb", "All that changed"),
        _update("source_branch_name", "source.branch.name", "text", "Source branch"),
        _update("source_commit_hash", "source.commit.hash", "text", "Source commit, abbreviated"),
        _update("destination_branch_name", "destination.branch.name", "text", "Destination branch"),
        _update("destination_commit_hash", "destination.commit.hash", "text", "Its commit"),
        column("comment.id", "bigint", "Comment id"),
        column("comment.content.raw", "text", "Text of the comment in its author's markup"),
        column("comment.parent.id", "bigint", "Comment it answers"),
        column("comment.inline.path", "text", "File the comment stands at"),
        column("comment.deleted", "boolean", "The comment was deleted"),
    )
    examples = (
        "SELECT pull_request_id, min(occurred_on) AS approved FROM pull_request_activity "
        "WHERE kind = 'approval' GROUP BY 1",
        "SELECT occurred_on, kind FROM pull_request_activity WHERE pull_request_id = 4",
    )
