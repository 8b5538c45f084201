"""Tasks on pull requests (the API's Pullrequests group). ``q`` and ``sort`` are documented."""

from dataclasses import replace

from .columns import column
from .endpoints import Collection, Item, Paging
from .pull_requests import OF_PULL_REQUEST, pull_request_column
from .shared_columns import account, html_link, repository_columns
from .table import Count, Scopes, Table
from .writing import Field, Write, Writes

_STATES = ("UNRESOLVED", "RESOLVED")
_TASKS = "/repositories/{workspace}/{repository}/pullrequests/{pull_request_id}/tasks"
_TASK = f"{_TASKS}/{{id}}"


class PullRequestTasks(Table):
    name = "pull_request_tasks"
    family = "pull_requests"
    description = "Tasks on pull requests"
    scopes = Scopes(("pullrequest",), ("read:pullrequest:bitbucket",))
    collection = Collection(_TASKS, q=True, paging=Paging.NUMBERS)
    items = (Item(_TASK, key="id", parameter="id"),)
    # A pull request's task_count is the number of its open tasks (seen live by users, 2026).
    parent = replace(OF_PULL_REQUEST, counts=(Count("task_count", "state", "UNRESOLVED"),))
    primary_key = ("workspace", "repository", "pull_request_id", "id")
    drafts = "pending"  # the same as for comments
    rows = 3
    columns = (
        *repository_columns(),
        pull_request_column(),
        column("id", "bigint", "Task id", q=True, sort=True),
        column("content.raw", "text", "What is to be done"),
        column("state", "text", "UNRESOLVED or RESOLVED", q=True, values=_STATES),
        *account("creator", "creator", "whoever set it"),
        column("comment.id", "bigint", "Comment it belongs to"),
        column("pending", "boolean", "Not published yet"),
        column("resolved_on", "timestamptz", "When it was resolved"),
        *account("resolved_by", "resolved_by", "whoever resolved it"),
        column("created_on", "timestamptz", "When it was set", q=True, sort=True),
        column("updated_on", "timestamptz", "When it last changed"),
        html_link(),
    )
    writes = Writes(
        insert=Write("POST", _TASKS, (Field("content_raw", required=True), Field("comment_id"))),
        update=Write("PUT", _TASK, (Field("content_raw"), Field("state", values=_STATES))),
        delete=Write("DELETE", _TASK),
        disturbs=("pull_requests", "pull_request_participants"),
    )
    examples = (
        "SELECT p.title, t.content_raw FROM pull_requests p "
        "JOIN pull_request_tasks t ON t.pull_request_id = p.id "
        "WHERE p.state = 'OPEN' AND t.state = 'UNRESOLVED'",
        "SELECT content_raw, state FROM pull_request_tasks WHERE pull_request_id = 4",
    )
