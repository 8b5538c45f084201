"""Issues and their comments (the API's Issue tracker group).

Bitbucket removed the issue tracker on 2026-08-20. The tables work wherever the endpoint still
answers. Where it answers 404 or 410, they have no rows, and a warning says what happened.
"""

from .columns import Column, column
from .endpoints import Collection, Item
from .repositories import Repositories
from .shared_columns import account, html_link, repository_columns
from .table import Parent, Scopes, Table
from .writing import Field, Write, Writes

_SCOPES = Scopes(("issue",), ("read:issue:bitbucket",))
_REMOVED = "Bitbucket Cloud removed the issue tracker on 2026-08-20 (CHANGE-3071)."
_REMOVED_HINT = (
    "The repository has no issue tracker, or the endpoint is gone. Import with OPTIONS (issues "
    "'never') to leave these tables out."
)
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
_COMMENT = f"{_COMMENTS}/{{id}}"
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
    family = "issues"
    description = "Issues of a repository's issue tracker"
    scopes = _SCOPES
    collection = Collection(_ISSUES, q=True)
    items = (Item(_ISSUE, key="id", parameter="id"),)
    parent = Parent(
        Repositories,
        (("workspace", "workspace"), ("repository", "slug")),
        where="has_issues",
    )
    primary_key = ("workspace", "repository", "id")
    removed = _REMOVED
    removed_hint = _REMOVED_HINT
    imported_by = "issues"
    feature = "an issue tracker"
    rows = 200
    columns = (
        *repository_columns(),
        column("id", "bigint", "Number within the repository", q=True, sort=True),
        column("title", "text", "Title", q=True, distinct=1000),
        column("content.raw", "text", "Description in the author's markup"),
        column("content.html", "text", "Description as HTML"),
        column("content.markup", "text", "The author's markup: markdown, creole or plaintext"),
        column("state", "text", "One of: " + ", ".join(_STATES), q=True, values=_STATES),
        column("kind", "text", "One of: " + ", ".join(_KINDS), q=True, values=_KINDS),
        column("priority", "text", "One of: " + ", ".join(_PRIORITIES), q=True, values=_PRIORITIES),
        *account("reporter", "reporter", "the reporter", filters="reporter"),
        *account("assignee", "assignee", "the assignee", filters="assignee"),
        column("component.name", "text", "Component", name="component", q=True),
        column("milestone.name", "text", "Milestone", name="milestone", q=True),
        column("version.name", "text", "Version", name="version", q=True),
        column("component.id", "bigint", "Id of the component"),
        column("milestone.id", "bigint", "Id of the milestone"),
        column("version.id", "bigint", "Id of the version"),
        column("votes", "bigint", "Number of votes", q=True),
        column("watches", "bigint", "Number of watchers"),
        column("created_on", "timestamptz", "When it was reported", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed", q=True, sort=True),
        column("edited_on", "timestamptz", "When its text was last edited"),
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
    family = "issues"
    description = "Comments on issues"
    scopes = _SCOPES
    collection = Collection(_COMMENTS, q=True)
    items = (
        Item(
            _COMMENT,
            key="id",
            parameter="id",
        ),
    )
    parent = Parent(
        Issues, (("workspace", "workspace"), ("repository", "repository"), ("issue_id", "id"))
    )
    primary_key = ("workspace", "repository", "issue_id", "id")
    removed = _REMOVED
    removed_hint = _REMOVED_HINT
    imported_by = "issues"
    rows = 5
    columns = (
        *repository_columns(),
        Column("issue_id", "bigint", None, "Number of the issue", param="issue_id"),
        column("id", "bigint", "Comment id", q=True, sort=True),
        column("content.raw", "text", "Text in the author's markup"),
        column("content.html", "text", "Text as HTML"),
        column("content.markup", "text", "The author's markup: markdown, creole or plaintext"),
        *account("user", "user", "the author"),
        column("created_on", "timestamptz", "When it was written", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed"),
        html_link(),
    )
    writes = Writes(
        insert=Write("POST", _COMMENTS, (Field("content_raw", required=True),)),
        update=Write("PUT", _COMMENT, (Field("content_raw"),)),
        delete=Write("DELETE", _COMMENT),
        disturbs=("issues",),
    )
    examples = (
        "SELECT user_nickname, content_raw FROM issue_comments WHERE issue_id = 1",
        "SELECT issue_id, count(*), max(created_on) FROM issue_comments "
        "WHERE issue_id IN (1, 2, 3) GROUP BY 1",
    )
