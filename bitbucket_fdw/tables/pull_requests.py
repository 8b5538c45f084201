"""Pull requests and their comments (the API's Pullrequests group).

The listing holds open pull requests only, unless ``state`` names others; once there is a ``q``,
``state`` is ignored and every state comes back. Which fields ``q`` takes was established by
observation: branch names, author, title, state, draft, the two dates and the id.
"""

from .base import (
    Collection,
    Column,
    Field,
    Filter,
    Item,
    Parent,
    Scopes,
    Table,
    Transition,
    Unique,
    Write,
    Writes,
    account,
    html_link,
    repository_columns,
)
from .repositories import Repositories

_SCOPES = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
_STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")


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
_FIELDS = (
    Field("destination_branch_name"),
    Field("description"),
    Field("draft"),
    Field("close_source_branch"),
    Field("reviewers", accounts=True),
)
_MERGE = Write(
    "POST",
    f"{_PULL_REQUEST}/merge",
    (
        Field("merge_strategy", "merge_strategy", values=_STRATEGIES),
        Field("merge_message", "message"),
        Field("close_source_branch", "close_source_branch"),
    ),
)
_RESOLVE = Write("POST", f"{_COMMENT}/resolve", answers="resolution")
_REOPEN = Write("DELETE", f"{_COMMENT}/resolve", answers="resolution")
_DECLINE = Write("POST", f"{_PULL_REQUEST}/decline", (Field("reason", "message"),))


def _endpoint(side: str) -> tuple[Column, ...]:
    """One end of a pull request; any part may be NULL once a fork was deleted."""
    return (
        Column(
            f"{side}_repository_uuid",
            "uuid",
            f"{side}.repository.uuid",
            f"UUID of the {side} repository",
        ),
        Column(
            f"{side}_repository_name",
            "text",
            f"{side}.repository.name",
            f"Name of the {side} repository",
        ),
        Column(
            f"{side}_repository_full_name",
            "text",
            f"{side}.repository.full_name",
            f"Workspace and slug of the {side} repository",
        ),
        Column(
            f"{side}_branch_name",
            "text",
            f"{side}.branch.name",
            f"Name of the {side} branch",
            filter=Filter(f"{side}.branch.name"),
        ),
        Column(
            f"{side}_commit_hash",
            "text",
            f"{side}.commit.hash",
            f"Abbreviated hash of the {side} commit",
        ),
    )


class PullRequests(Table):
    name = "pull_requests"
    description = "Pull requests of a repository, in every state"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/pullrequests",
        pagelen=50,
        q=True,
        without_q=tuple(("state", state) for state in _STATES),
    )
    items = (
        Item("/repositories/{workspace}/{repository}/pullrequests/{id}", key="id", parameter="id"),
    )
    parent = Parent(Repositories, (("workspace", "workspace"), ("repository", "slug")))
    primary_key = ("workspace", "repository", "id")
    rows = 1000
    columns = (
        *repository_columns(),
        Column(
            "id", "bigint", "id", "Number within the repository", filter=Filter("id"), sort="id"
        ),
        Column("title", "text", "title", "Title", filter=Filter("title")),
        Column("description", "text", "description", "Description in the author's markup"),
        Column("summary_raw", "text", "summary.raw", "Description as the API's rich text has it"),
        Column(
            "state",
            "text",
            "state",
            "OPEN, MERGED, DECLINED or SUPERSEDED",
            filter=Filter("state", values=_STATES),
        ),
        Column("draft", "boolean", "draft", "Not ready for review", filter=Filter("draft")),
        Column("queued", "boolean", "queued", "Waiting in a merge queue"),
        *account("author", "author", "the author", filters="author"),
        *_endpoint("source"),
        *_endpoint("destination"),
        Column(
            "merge_commit_hash",
            "text",
            "merge_commit.hash",
            "Hash of the merge; NULL where the merge made no commit of its own",
        ),
        Column(
            "close_source_branch",
            "boolean",
            "close_source_branch",
            "The source branch goes when it is merged",
        ),
        Column("comment_count", "bigint", "comment_count", "Number of comments"),
        Column("task_count", "bigint", "task_count", "Number of tasks"),
        *account("closed_by", "closed_by", "whoever merged or declined it"),
        Column("merge_strategy", "text", None, "Only written: how to merge"),
        Column("merge_message", "text", None, "Only written: message of the merge"),
        Column("reason", "text", "reason", "Why it was declined"),
        Column(
            "created_on",
            "timestamptz",
            "created_on",
            "When it was opened",
            filter=Filter("created_on"),
            sort="created_on",
        ),
        Column(
            "updated_on",
            "timestamptz",
            "updated_on",
            "When it last changed",
            filter=Filter("updated_on"),
            sort="updated_on",
        ),
        Column("reviewers", "jsonb", "reviewers", "Accounts asked to review"),
        Column("participants", "jsonb", "participants", "Who took part, and what they said"),
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
        update=Write("PUT", _PULL_REQUEST, (Field("title"), *_FIELDS)),
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
            default=("destination_branch_name", "mainbranch_name"),
            origin="source_repository_full_name",
        ),
        disturbs=("pull_request_participants", "branches"),
    )
    examples = (
        "SELECT id, title, author_nickname FROM pull_requests WHERE state = 'OPEN'",
        "SELECT state, count(*) FROM pull_requests "
        "WHERE created_on >= date_trunc('year', now()) GROUP BY state",
        "SELECT * FROM pull_requests WHERE id = 42",
    )


class PullRequestComments(Table):
    name = "pull_request_comments"
    description = "Comments on pull requests, deleted ones among them"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/pullrequests/{pull_request_id}/comments", q=True
    )
    items = (
        Item(
            "/repositories/{workspace}/{repository}/pullrequests/{pull_request_id}/comments/{id}",
            key="id",
            parameter="id",
        ),
    )
    parent = Parent(
        PullRequests,
        (("workspace", "workspace"), ("repository", "repository"), ("pull_request_id", "id")),
    )
    primary_key = ("workspace", "repository", "pull_request_id", "id")
    rows = 10
    columns = (
        *repository_columns(),
        Column(
            "pull_request_id", "bigint", None, "Number of the pull request", param="pull_request_id"
        ),
        Column("id", "bigint", "id", "Comment id", filter=Filter("id"), sort="id"),
        Column("content_raw", "text", "content.raw", "Text in the author's markup"),
        Column("content_html", "text", "content.html", "Text as HTML"),
        *account("user", "user", "the author"),
        Column("parent_id", "bigint", "parent.id", "Comment it answers"),
        Column("deleted", "boolean", "deleted", "Was deleted; its text is gone"),
        Column("pending", "boolean", "pending", "Not published yet"),
        Column("inline_path", "text", "inline.path", "File it stands at"),
        Column("inline_from", "bigint", "inline.from", "Line in the old version"),
        Column("inline_to", "bigint", "inline.to", "Line in the new version"),
        Column("resolved", "boolean", "resolution", "The thread was resolved", present=True),
        Column(
            "resolution_created_on", "timestamptz", "resolution.created_on", "When it was resolved"
        ),
        Column(
            "resolution_user_uuid", "uuid", "resolution.user.uuid", "UUID of whoever resolved it"
        ),
        Column(
            "created_on",
            "timestamptz",
            "created_on",
            "When it was written",
            filter=Filter("created_on"),
            sort="created_on",
        ),
        Column(
            "updated_on",
            "timestamptz",
            "updated_on",
            "When it last changed",
            filter=Filter("updated_on"),
        ),
        html_link(),
    )
    writes = Writes(
        insert=Write(
            "POST",
            _COMMENTS,
            (
                Field("content_raw", required=True),
                Field("inline_path"),
                Field("inline_from"),
                Field("inline_to"),
                Field("parent_id"),
            ),
        ),
        update=Write("PUT", _COMMENT, (Field("content_raw"),)),
        delete=Write("DELETE", _COMMENT),
        transitions=(
            Transition("resolved", True, _RESOLVE, undo=False),
            Transition("resolved", False, _REOPEN, undo=True),
        ),
        disturbs=("pull_requests", "pull_request_participants"),
    )
    examples = (
        "SELECT user_nickname, content_raw FROM pull_request_comments WHERE pull_request_id = 42",
    )
