"""Pull requests and their comments (the API's Pullrequests group).

The listing has only open pull requests, unless the parameter ``state`` names others. With a ``q``,
``state`` is ignored and pull requests in every state come back. Large repositories were seen to
answer 500 to ``sort`` together with several ``state``, so that a sorted listing names the states in
``q``. Users have seen which fields ``q`` takes: branch names, author, title, state, draft, the two
dates and the id.
"""

from dataclasses import replace

from .columns import Column, column
from .endpoints import Collection, Item, Paging
from .repositories import OF_REPOSITORY
from .shared_columns import (
    COMMENT_FIELDS,
    PARENT_OR_PLACE,
    account,
    html_link,
    inline_columns,
    repository_columns,
)
from .table import Parent, Scopes, Table
from .writing import Asked, Default, Field, Transition, Unique, Write, Writes

_SCOPES = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
_SHARES = (("OPEN", 0.05), ("MERGED", 0.8), ("DECLINED", 0.14), ("SUPERSEDED", 0.01))
EVERY_STATE = tuple(("state", state) for state in STATES)
_PULL_REQUESTS = "/repositories/{workspace}/{repository}/pullrequests"
_PULL_REQUEST = f"{_PULL_REQUESTS}/{{id}}"
_COMMENTS = f"{_PULL_REQUESTS}/{{pull_request_id}}/comments"
_COMMENT = f"{_COMMENTS}/{{id}}"
_STRATEGIES = (
    "merge_commit",
    "squash",
    "fast_forward",
    "squash_fast_forward",
    "rebase_fast_forward",
    "rebase_merge",
)
_REVIEWERS = Field("reviewers", accounts=True)
_FIELDS = (
    Field("destination_branch_name"),
    Field("description"),
    Field("draft"),
    Field("close_source_branch"),
    _REVIEWERS,
)
_MERGE = Write(
    "POST",
    f"{_PULL_REQUEST}/merge",
    (
        Field("merge_strategy", "merge_strategy", values=_STRATEGIES),
        Field("merge_message", "message"),
        Field("close_source_branch", "close_source_branch"),
    ),
    # If the body leaves it out, Bitbucket uses the value from when the pull request was opened
    # (seen live by users, 2026).
    always=(Field("close_source_branch", "close_source_branch"),),
    # If the body leaves it out, Bitbucket uses merge_commit, and not the default of the branch
    # (seen live by users, 2026).
    asked=(
        Asked(
            "merge_strategy",
            "destination.branch.default_merge_strategy",
            elsewhere="/repositories/{workspace}/{repository}/refs/branches"
            "/{destination_branch_name}",
            elsewhere_path="default_merge_strategy",
        ),
    ),
    # A merge may take longer than the time-out of one request.
    query=(("async", "true"),),
)
_RESOLVE = Write("POST", f"{_COMMENT}/resolve", answers="resolution")
_REOPEN = Write("DELETE", f"{_COMMENT}/resolve", answers="resolution")
_DECLINE = Write("POST", f"{_PULL_REQUEST}/decline", (Field("reason", "message"),))


def _endpoint(side: str, branches: int) -> tuple[Column, ...]:
    """Source or destination of a pull request. After a fork was deleted, any part may be NULL.

    Seen live by users, 2026: the hashes of pull requests have 12 digits, except in the answer to a
    merge.
    """
    return (
        column(f"{side}.repository.uuid", "uuid", f"UUID of the {side} repository"),
        column(f"{side}.repository.name", "text", f"Name of the {side} repository"),
        column(
            f"{side}.repository.full_name", "text", f"Workspace and slug of the {side} repository"
        ),
        column(
            f"{side}.branch.name",
            "text",
            f"Name of the {side} branch",
            q=True,
            distinct=branches,
        ),
        column(f"{side}.commit.hash", "text", f"First 12 digits of the {side} commit's hash"),
    )


class PullRequests(Table):
    name = "pull_requests"
    family = "pull_requests"
    description = "Pull requests of a repository, in every state"
    scopes = _SCOPES
    collection = Collection(
        _PULL_REQUESTS,
        pagelen=50,
        q=True,
        without_q=EVERY_STATE,
        q_if_sorted='state IN ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")',
        paging=Paging.NUMBERS,
    )
    items = (Item(_PULL_REQUEST, key="id", parameter="id"),)
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "id")
    rows = 1000
    columns = (
        *repository_columns(),
        column("id", "bigint", "Number within the repository", q=True, sort=True),
        column("title", "text", "Title", q=True, distinct=1000),
        column("description", "text", "Description in the author's markup"),
        column("summary.raw", "text", "Description as the API's rich text has it"),
        column("summary.html", "text", "That text as HTML"),
        column(
            "state",
            "text",
            "OPEN, MERGED, DECLINED or SUPERSEDED",
            q=True,
            values=STATES,
            shares=_SHARES,
        ),
        column(
            "draft",
            "boolean",
            "Not ready for review",
            q=True,
            shares=((True, 0.05), (False, 0.95)),
        ),
        column("queued", "boolean", "Waiting in a merge queue"),
        *account("author", "author", "the author", filters="author"),
        *_endpoint("source", branches=500),
        *_endpoint("destination", branches=3),
        column(
            "merge_commit.hash",
            "text",
            "First 12 digits of the merge's hash; NULL where it made no commit of its own",
        ),
        column("merge_commit.date", "timestamptz", "When the merge was made, where that is told"),
        column("merge_commit.author.raw", "text", "Author of the merge as git has it"),
        column("close_source_branch", "boolean", "The source branch goes when it is merged"),
        column("comment_count", "bigint", "Number of comments"),
        column("task_count", "bigint", "Number of open tasks"),
        *account("closed_by", "closed_by", "whoever merged or declined it"),
        Column("merge_strategy", "text", None, "Only written: how to merge"),
        Column("merge_message", "text", None, "Only written: message of the merge"),
        column("reason", "text", "Why it was declined"),
        column(
            "closed_on", "timestamptz", "When it was merged or declined, where the answer tells it"
        ),
        column("created_on", "timestamptz", "When it was opened", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed", q=True, sort=True),
        column("reviewers", "jsonb", "Accounts asked to review", asked=True),
        column("participants", "jsonb", "Who took part, and what they said", asked=True),
        column("rendered.description.html", "text", "Description as HTML", asked=True),
        column("rendered.reason.html", "text", "Why it was declined, as HTML", asked=True),
        html_link(),
    )
    writes = Writes(
        insert=Write(
            "POST",
            _PULL_REQUESTS,
            (
                Field("title", required=True),
                Field("source_branch_name", required=True),
                Field("source_repository_full_name"),
                *_FIELDS,
            ),
        ),
        # Users disagree whether a PUT keeps what it does not name. Without a title it was refused
        # at times, and a description or reviewers that it did not name were emptied.
        update=Write(
            "PUT",
            _PULL_REQUEST,
            (Field("title"), *_FIELDS),
            always=(Field("title"), Field("description")),
            keeps=(Field("description"), _REVIEWERS),
            # If nothing else changes, the answer shows the new value although the old one stays
            # (seen live by users, 2026).
            echoed=("close_source_branch",),
        ),
        transitions=(
            Transition("state", "MERGED", _MERGE),
            Transition("state", "DECLINED", _DECLINE),
        ),
        refusals=(
            ("DELETE", "Bitbucket deletes no pull requests: UPDATE … SET state = 'DECLINED'."),
        ),
        only=("state", "OPEN"),
        withdraw=_DECLINE,
        unique=Unique(
            ("source_branch_name", "destination_branch_name"),
            where=("state", "OPEN"),
            default=Default(
                "destination_branch_name",
                of_parent="mainbranch_name",
                missing="the repository has no default branch to merge into",
                hint="Name the destination branch.",
            ),
            origin="source_repository_full_name",
        ),
        disturbs=("pull_request_participants", "branches"),
    )
    examples = (
        "SELECT id, title, author_nickname FROM pull_requests WHERE state = 'OPEN'",
        "SELECT state, count(*) FROM pull_requests WHERE created_on >= '2026-01-01' GROUP BY state",
        "SELECT * FROM pull_requests WHERE id = 42",
        "SELECT author_nickname, avg(coalesce(closed_on, merge_commit_date) - created_on) "
        "FROM pull_requests WHERE author_type = 'user' AND state = 'MERGED' GROUP BY 1",
    )


OF_PULL_REQUEST = Parent(
    PullRequests,
    (("workspace", "workspace"), ("repository", "repository"), ("pull_request_id", "id")),
)
"""The parent of all tables below a pull request."""


def pull_request_column() -> Column:
    """The ``pull_request_id`` column of every table below a pull request."""
    return Column(
        "pull_request_id", "bigint", None, "Number of the pull request", param="pull_request_id"
    )


def within_pull_requests(member: str) -> Collection:
    """The listing of pull requests, with a row for each element of a list that they have."""
    return replace(PullRequests.collection, explode=member, q_if_sorted=None)


def state_of_pull_request() -> Column:
    """The ``pull_request_state`` column of tables that are lists within pull requests."""
    what = "State of the pull request: OPEN, MERGED, DECLINED or SUPERSEDED"
    return column(
        "state", "text", what, name="pull_request_state", q=True, values=STATES, shares=_SHARES
    )


def change_of_pull_request() -> Column:
    """The ``pull_request_updated_on`` column of tables that are lists within pull requests."""
    what = "When the pull request last changed"
    return column("updated_on", "timestamptz", what, name="pull_request_updated_on", q=True)


class PullRequestComments(Table):
    name = "pull_request_comments"
    family = "pull_requests"
    description = "Comments on pull requests, deleted ones among them"
    scopes = _SCOPES
    collection = Collection(_COMMENTS, q=True, paging=Paging.NUMBERS)
    items = (Item(_COMMENT, key="id", parameter="id"),)
    parent = OF_PULL_REQUEST
    primary_key = ("workspace", "repository", "pull_request_id", "id")
    drafts = "pending"  # only their author sees them (seen live by users)
    rows = 10
    columns = (
        *repository_columns(),
        pull_request_column(),
        column("id", "bigint", "Comment id", q=True, sort=True),
        column("content.raw", "text", "Text in the author's markup"),
        column("content.html", "text", "Text as HTML"),
        column("content.markup", "text", "The author's markup: markdown, creole or plaintext"),
        *account("user", "user", "the author"),
        column("parent.id", "bigint", "Comment it answers"),
        column(
            "deleted",
            "boolean",
            "Was deleted; its text is gone",
            q=True,
            shares=((True, 0.05), (False, 0.95)),
        ),
        column("pending", "boolean", "Not published yet", cdata="ResolutionPending"),
        *inline_columns(),
        column("inline.outdated", "boolean", "The code has moved on since"),
        column("inline.src_rev", "text", "Source commit that it was written on"),
        column("inline.dest_rev", "text", "Destination commit that it was written on"),
        column("inline.base_rev", "text", "Commit that these two were compared from"),
        column("resolution", "boolean", "The thread was resolved", name="resolved", present=True),
        column("resolution.created_on", "timestamptz", "When it was resolved"),
        *account("resolution_user", "resolution.user", "whoever resolved it"),
        column("created_on", "timestamptz", "When it was written", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed", q=True, sort=True),
        html_link(),
    )
    writes = Writes(
        insert=Write(
            "POST",
            _COMMENTS,
            COMMENT_FIELDS,
            apart=PARENT_OR_PLACE,
        ),
        update=Write("PUT", _COMMENT, (Field("content_raw"),)),
        delete=Write("DELETE", _COMMENT),
        # Documented: resolving a resolved thread answers 409, reopening an open one 404.
        transitions=(
            Transition(
                "resolved", True, _RESOLVE, undo=False, settled=(409,), only=("parent_id", None)
            ),
            Transition(
                "resolved", False, _REOPEN, undo=True, settled=(404,), only=("parent_id", None)
            ),
        ),
        disturbs=("pull_requests", "pull_request_participants"),
    )
    examples = (
        "SELECT user_nickname, content_raw FROM pull_request_comments WHERE pull_request_id = 42",
        "SELECT inline_path, inline_to, content_raw FROM pull_request_comments "
        "WHERE pull_request_id IN (SELECT id FROM pull_requests WHERE state = 'OPEN') "
        "AND NOT deleted AND NOT resolved",
    )
