"""Issues and their comments (the API's Issue tracker group).

Bitbucket removed the issue tracker on 2026-08-20. The tables work wherever the endpoint answers;
where it answers 404 or 410 the error says what happened.
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
    Write,
    Writes,
    account,
    html_link,
    repository_columns,
)
from .repositories import Repositories

_SCOPES = Scopes(("issue",), ("read:issue:bitbucket",))
_REMOVED = "Bitbucket Cloud removed the issue tracker on 2026-08-20 (CHANGE-3071)."
_STATES = (
    "submitted",
    "new",
    "open",
    "resolved",
    "on hold",
    "invalid",
    "duplicate",
    "wontfix",
    "closed",
)
_KINDS = ("bug", "enhancement", "proposal", "task")
_PRIORITIES = ("trivial", "minor", "major", "critical", "blocker")


_ISSUES = "/repositories/{workspace}/{repository}/issues"
_ISSUE = f"{_ISSUES}/{{id}}"
_COMMENTS = f"{_ISSUES}/{{issue_id}}/comments"
_FIELDS = (
    Field("content_raw"),
    Field("state", values=_STATES),
    Field("kind", values=_KINDS),
    Field("priority", values=_PRIORITIES),
    Field("assignee_uuid", clear="assignee"),
    Field("assignee_account_id", clear="assignee"),
    Field("component", clear="component"),
    Field("milestone", clear="milestone"),
    Field("version", clear="version"),
)


class Issues(Table):
    name = "issues"
    description = "Issues of a repository's issue tracker"
    scopes = _SCOPES
    collection = Collection("/repositories/{workspace}/{repository}/issues", q=True)
    items = (Item("/repositories/{workspace}/{repository}/issues/{id}", key="id", parameter="id"),)
    parent = Parent(
        Repositories,
        (("workspace", "workspace"), ("repository", "slug")),
        where="has_issues",
    )
    primary_key = ("workspace", "repository", "id")
    removed = _REMOVED
    rows = 200
    columns = (
        *repository_columns(),
        Column(
            "id", "bigint", "id", "Number within the repository", filter=Filter("id"), sort="id"
        ),
        Column("title", "text", "title", "Title", filter=Filter("title")),
        Column("content_raw", "text", "content.raw", "Description in the author's markup"),
        Column("content_html", "text", "content.html", "Description as HTML"),
        Column(
            "state",
            "text",
            "state",
            "One of: " + ", ".join(_STATES),
            filter=Filter("state", values=_STATES),
        ),
        Column(
            "kind",
            "text",
            "kind",
            "One of: " + ", ".join(_KINDS),
            filter=Filter("kind", values=_KINDS),
        ),
        Column(
            "priority",
            "text",
            "priority",
            "One of: " + ", ".join(_PRIORITIES),
            filter=Filter("priority", values=_PRIORITIES),
        ),
        *account("reporter", "reporter", "the reporter", filters="reporter"),
        *account("assignee", "assignee", "the assignee", filters="assignee"),
        Column("component", "text", "component.name", "Component", filter=Filter("component.name")),
        Column("milestone", "text", "milestone.name", "Milestone", filter=Filter("milestone.name")),
        Column("version", "text", "version.name", "Version", filter=Filter("version.name")),
        Column("votes", "bigint", "votes", "Number of votes", filter=Filter("votes")),
        Column(
            "created_on",
            "timestamptz",
            "created_on",
            "When it was reported",
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
        Column("edited_on", "timestamptz", "edited_on", "When its text was last edited"),
        html_link(),
    )
    writes = Writes(
        insert=Write("POST", _ISSUES, (Field("title", required=True), *_FIELDS)),
        update=Write("PUT", _ISSUE, (Field("title"), *_FIELDS)),
        delete=Write("DELETE", _ISSUE),
    )
    examples = (
        "SELECT id, title, priority FROM issues WHERE state IN ('new', 'open') AND kind = 'bug'",
        "SELECT title, content_raw FROM issues WHERE id = 1",
    )


class IssueComments(Table):
    name = "issue_comments"
    description = "Comments on issues"
    scopes = _SCOPES
    collection = Collection(
        "/repositories/{workspace}/{repository}/issues/{issue_id}/comments", q=True
    )
    items = (
        Item(
            "/repositories/{workspace}/{repository}/issues/{issue_id}/comments/{id}",
            key="id",
            parameter="id",
        ),
    )
    parent = Parent(
        Issues, (("workspace", "workspace"), ("repository", "repository"), ("issue_id", "id"))
    )
    primary_key = ("workspace", "repository", "issue_id", "id")
    removed = _REMOVED
    rows = 5
    columns = (
        *repository_columns(),
        Column("issue_id", "bigint", None, "Number of the issue", param="issue_id"),
        Column("id", "bigint", "id", "Comment id", filter=Filter("id"), sort="id"),
        Column("content_raw", "text", "content.raw", "Text in the author's markup"),
        Column("content_html", "text", "content.html", "Text as HTML"),
        *account("user", "user", "the author"),
        Column(
            "created_on",
            "timestamptz",
            "created_on",
            "When it was written",
            filter=Filter("created_on"),
            sort="created_on",
        ),
        Column("updated_on", "timestamptz", "updated_on", "When it last changed"),
        html_link(),
    )
    writes = Writes(
        insert=Write("POST", _COMMENTS, (Field("content_raw", required=True),)),
        update=Write("PUT", f"{_COMMENTS}/{{id}}", (Field("content_raw"),)),
        delete=Write("DELETE", f"{_COMMENTS}/{{id}}"),
        disturbs=("issues",),
    )
    examples = ("SELECT user_nickname, content_raw FROM issue_comments WHERE issue_id = 1",)
