"""Which fields each list endpoint filters and sorts on.

Pull requests and workspace members: seen live. Issues: the examples of the filtering page, whose
fields the documented schema completes. The rest: the pages say that ``q`` works and "in principle
every element" can be used; what is listed here is assumed, and what is not listed gives a 400.

Seen live by users, 2026, is sorting pull requests, comments, repositories, projects and refs by
their times, by ``id`` and by ``name``, and pipelines by ``created_on`` and ``creator.uuid``; more
than that is refused here, except ``id`` of comments and tasks and what the issue tracker's page
has. Projects filter although that is not documented.
"""

from __future__ import annotations

from bitbucket_fdw.emulator.bbql import Field, Kind, Schema

STATES = (
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
KINDS = ("bug", "enhancement", "proposal", "task")
PRIORITIES = ("trivial", "minor", "major", "critical", "blocker")


def _fields(kind: Kind, names: str, sortable: bool = True) -> dict[str, Field]:
    return {name: Field(kind, tuple(name.split(".")), sortable=sortable) for name in names.split()}


def _account(prefix: str, sortable: bool = True) -> dict[str, Field]:
    names = " ".join(f"{prefix}.{part}" for part in ("uuid", "nickname", "account_id"))
    return _fields("text", names, sortable)


def _present(name: str) -> dict[str, Field]:
    """A nested object that can be compared with null (stated by ``assignee = null``)."""
    return {name: Field("object", (name,), sortable=False)}


REPOSITORIES: Schema = {
    **_fields(
        "text",
        "name full_name uuid description language scm fork_policy project.key mainbranch.name"
        " parent.full_name parent.uuid",
    ),
    **_fields("boolean", "is_private has_issues has_wiki"),
    **_fields("number", "size"),
    **_fields("datetime", "created_on updated_on"),
}
PULL_REQUESTS: Schema = {
    **_fields(
        "text",
        "title state source.branch.name destination.branch.name source.repository.full_name",
    ),
    **_account("author"),
    **_account("reviewers", sortable=False),
    **_fields("boolean", "draft"),
    **_fields("number", "id"),
    **_fields("datetime", "created_on updated_on"),
}
_TRACKED = {name: Field("named", (name,)) for name in ("component", "milestone", "version")}
ISSUES: Schema = {
    **_fields("number", "id votes"),
    **_fields("text", "title content.raw component.name milestone.name version.name"),
    "state": Field("rank", ("state",), STATES),
    "kind": Field("rank", ("kind",), KINDS),
    "priority": Field("rank", ("priority",), PRIORITIES),
    **_account("reporter"),
    **_account("assignee"),
    **_present("reporter"),
    **_present("assignee"),
    **_TRACKED,
    **_fields("datetime", "created_on updated_on edited_on"),
}
_REF: Schema = {
    **_fields("text", "name target.hash target.author.raw target.message"),
    **_account("target.author.user"),
    **_fields("datetime", "target.date"),
}
REFS: Schema = {**_REF, **_fields("text", "type")}
BRANCHES: Schema = _REF
TAGS: Schema = {**_REF, **_fields("datetime", "date"), **_fields("text", "message")}
COMMENTS: Schema = {
    **_fields("number", "id parent.id"),
    **_fields("datetime", "created_on updated_on"),
    **_fields("text", "content.raw"),
    **_fields("boolean", "deleted"),
    **_account("user"),
}
ISSUE_COMMENTS: Schema = {
    name: field for name, field in COMMENTS.items() if name not in ("deleted", "parent.id")
}
TASKS: Schema = {
    **_fields("number", "id comment.id"),
    **_fields("text", "state content.raw"),
    **_account("creator"),
    **_fields("datetime", "created_on updated_on resolved_on"),
}
STATUSES: Schema = {
    **_fields("text", "key state name url refname"),
    **_fields("datetime", "created_on updated_on"),
}
MEMBERS: Schema = {**_account("user"), **_fields("text", "user.email", sortable=False)}
WORKSPACE_ACCESS: Schema = {
    "slug": Field("text", ("workspace", "slug")),
    **_fields("text", "workspace.slug"),
    **_fields("boolean", "administrator"),
}
WORKSPACE_PERMISSIONS: Schema = {**_account("user"), **_fields("text", "permission")}
REPOSITORY_PERMISSIONS: Schema = {
    **_fields("text", "permission repository.full_name repository.name repository.uuid"),
    **_account("user"),
}
PROJECTS: Schema = {**_fields("text", "name"), **_fields("datetime", "created_on updated_on")}


def _only(schema: Schema, names: str) -> Schema:
    return {name: schema[name] for name in names.split()}


PULL_REQUEST_SORTS = _only(PULL_REQUESTS, "id created_on updated_on")
COMMENT_SORTS = _only(COMMENTS, "id created_on updated_on")
TASK_SORTS = _only(TASKS, "id created_on")
STATUS_SORTS = _only(STATUSES, "created_on")
REPOSITORY_SORTS = _only(REPOSITORIES, "name created_on updated_on")
REF_SORTS = _only(REFS, "name target.date")
PIPELINE_SORTS: Schema = {**_fields("datetime", "created_on"), **_fields("text", "creator.uuid")}
