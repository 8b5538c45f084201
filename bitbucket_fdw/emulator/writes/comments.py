"""Writes of comments and tasks: on pull requests, on commits and on issues.

Stated: only ``content.raw`` of a comment can be changed; a commit comment with replies stays with
``deleted`` set and its text gone, one without goes; resolving is for top-level comments on the
diff (403 otherwise) and answers 409 the second time; tasks take no other fields than theirs.
Deleting a pull request comment is always soft. Seen live by users, 2026: ``parent`` together with
``inline`` is a 400; what is ``pending`` is its author's draft, and shown to nobody else. Assumed:
who may change another's comment (administrators), and that a deleted comment cannot be changed.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator import pull_request_log
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.documents import rendered
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, error, not_found
from bitbucket_fdw.emulator.levels import (
    COMMIT,
    ISSUE,
    PULL_REQUEST,
    issue_of,
    pull_request_of,
)
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import PullRequest
from bitbucket_fdw.emulator.writes.accounts import acting_user
from bitbucket_fdw.emulator.writes.bodies import CONTENT, Rule, Rules, read

routes = Routes()

# Commenting and tasks need no write scope (stated).
PULL_SCOPES: dict[str, Any] = {
    "classic": "pullrequest",
    "new": "read:pullrequest",
    "public": False,
}
COMMIT_SCOPES: dict[str, Any] = {
    "classic": "repository",
    "new": "read:repository",
    "public": False,
}
ISSUE_WRITE: dict[str, Any] = {
    "classic": "issue:write",
    "new": "read:issue write:issue",
    "public": False,
    "issue_tracker": True,
}
ISSUE_DELETE_COMMENT: dict[str, Any] = {**ISSUE_WRITE, "new": "write:issue"}

_ON_CODE: Rules = {
    **CONTENT,
    "parent.id": Rule("number"),
    "inline.path": Rule(),
    "inline.from": Rule("number", nullable=True),
    "inline.to": Rule("number", nullable=True),
    "inline.start_from": Rule("number", nullable=True),
    "inline.start_to": Rule("number", nullable=True),
}
_ON_PULL: Rules = {**_ON_CODE, "pending": Rule("boolean")}

PULL_COMMENT = f"{PULL_REQUEST.template}/comments/{{comment_id}}"
COMMIT_COMMENTS = f"{COMMIT.template}/comments"


def _placement(given: Json, comments: dict[int, Json]) -> Json:
    """``parent`` and ``inline`` of a new comment, checked."""
    more: Json = {}
    parent = given.get("parent.id")
    if parent is not None:
        if parent not in comments:
            raise not_found("The parent comment does not exist")
        more["parent"] = {"id": parent, "links": comments[parent]["links"]}
    inline = {key[7:]: value for key, value in given.items() if key.startswith("inline.")}
    if inline and parent is not None:
        raise bad_request("A reply cannot have a position of its own: leave out parent or inline.")
    if inline:
        if "path" not in inline:
            message = "This field is required."
            raise error(400, f"inline.path: {message}", fields={"inline.path": [message]})
        more["inline"] = {"from": None, "to": None, **inline}
    return more


def _comment_in(call: Call, comments: dict[int, Json]) -> Json:
    found = comments.get(call.number("comment_id", "Comment"))
    if found is None:
        raise not_found("Comment not found")
    return found


def _own(call: Call, comment: Json) -> Json:
    """``comment``, if the caller may change it: its author, or an administrator."""
    author = (comment["user"] or {}).get("uuid")
    if author != acting_user(call)["uuid"] and call.role_in(call.repository()) != "admin":
        raise error(403, "You do not have permission to change this comment.")
    return comment


def _change_text(call: Call, comment: Json) -> Json:
    _own(call, comment)
    if comment.get("deleted"):
        raise bad_request("This comment has been deleted.")
    comment["content"] = rendered(read(call.body, CONTENT)["content.raw"])
    comment["updated_on"] = call.store.now()
    return comment


def _blank(call: Call, comment: Json) -> None:
    comment["deleted"] = True
    comment["content"] = rendered("")
    comment["updated_on"] = call.store.now()


def _created(document: Json) -> Reply:
    return Reply(201, document, {"Location": document["links"]["self"]["href"]})


def _count(pull: PullRequest) -> None:
    document = pull.document
    document["comment_count"] = sum(not c["deleted"] for c in pull.comments.values())
    document["task_count"] = sum(t["state"] == "UNRESOLVED" for t in pull.tasks.values())


def _commented(call: Call, pull: PullRequest) -> None:
    """What a comment does to its pull request: it counts, and the pull request has changed."""
    _count(pull)
    pull.document["updated_on"] = call.store.now()


def _pull_path(call: Call, pull: PullRequest) -> str:
    full_name = call.repository().full_name
    return f"/repositories/{full_name}/pullrequests/{pull.document['id']}"


@routes.add("POST", f"{PULL_REQUEST.template}/comments", **PULL_SCOPES)
def create_pull_comment(call: Call) -> Reply:
    """Comment on a pull request, in general, on a line, or in reply."""
    pull, user = pull_request_of(call), acting_user(call)
    given = read(call.body, _ON_PULL)
    number, now = call.store.next_id(), call.store.now()
    about = call.store.documents.pull_request_reference(pull.document)
    comment = call.store.documents.comment(
        "pullrequest_comment",
        _pull_path(call, pull),
        number,
        given["content.raw"],
        created_on=now,
        updated_on=now,
        user=user,
        deleted=False,
        pending=given.get("pending", False),
        pullrequest=about,
        **_placement(given, pull.comments),
    )
    pull.comments[number] = comment
    pull_request_log.add_comment(call.store, pull, comment)
    _commented(call, pull)
    return _created(comment)


@routes.add("PUT", PULL_COMMENT, **PULL_SCOPES)
def update_pull_comment(call: Call) -> Json:
    """Change the text of a comment on a pull request."""
    pull = pull_request_of(call)
    comment = _change_text(call, _comment_in(call, pull.comments))
    _commented(call, pull)
    return comment


@routes.add("DELETE", PULL_COMMENT, **PULL_SCOPES)
def delete_pull_comment(call: Call) -> Reply:
    """Delete a comment on a pull request; it stays, emptied and marked."""
    pull = pull_request_of(call)
    _blank(call, _own(call, _comment_in(call, pull.comments)))
    _commented(call, pull)
    return Reply(204)


@routes.add("POST", f"{PULL_COMMENT}/resolve", **PULL_SCOPES)
def resolve(call: Call) -> Json:
    """Resolve the discussion that a comment on the diff began."""
    comment = _comment_in(call, pull_request_of(call).comments)
    read(call.body, {})
    if "parent" in comment or "inline" not in comment:
        raise error(403, "Only top-level comments on the diff can be resolved.")
    if comment.get("resolution"):
        raise error(409, "This comment has already been resolved.")
    comment["resolution"] = {
        "type": "comment_resolution",
        "user": acting_user(call),
        "created_on": call.store.now(),
    }
    resolution: Json = comment["resolution"]
    return resolution


@routes.add("DELETE", f"{PULL_COMMENT}/resolve", **PULL_SCOPES)
def reopen(call: Call) -> Reply:
    """Reopen a resolved discussion."""
    comment = _comment_in(call, pull_request_of(call).comments)
    if "parent" in comment:
        raise error(403, "Only top-level comments can be reopened.")
    if comment.pop("resolution", None) is None:
        raise not_found("This comment has not been resolved.")
    return Reply(204)


@routes.add("POST", f"{PULL_REQUEST.template}/tasks", **PULL_SCOPES)
def create_task(call: Call) -> Reply:
    """Add a task, on its own or below a comment."""
    pull, user = pull_request_of(call), acting_user(call)
    rules = {**CONTENT, "comment.id": Rule("number"), "pending": Rule("boolean")}
    given = read(call.body, rules, typed=False)
    more: Json = {}
    if "comment.id" in given:
        comment = pull.comments.get(given["comment.id"])
        if comment is None:
            message = "The comment does not exist."
            raise error(400, f"comment: {message}", fields={"comment": [message]})
        more["comment"] = {"id": comment["id"], "links": comment["links"]}
    number, now = call.store.next_id(), call.store.now()
    task = call.store.documents.task(
        _pull_path(call, pull),
        number,
        given["content.raw"],
        created_on=now,
        updated_on=now,
        state="UNRESOLVED",
        pending=given.get("pending", False),
        creator=user,
        resolved_on=None,
        resolved_by=None,
        **more,
    )
    pull.tasks[number] = task
    _count(pull)
    return _created(task)


def _task_in(call: Call, pull: PullRequest) -> Json:
    found = pull.tasks.get(call.number("task_id", "Task"))
    if found is None:
        raise not_found("Task not found")
    return found


@routes.add("PUT", f"{PULL_REQUEST.template}/tasks/{{task_id}}", **PULL_SCOPES)
def update_task(call: Call) -> Json:
    """Change the text of a task, resolve it, or open it again."""
    pull = pull_request_of(call)
    task = _task_in(call, pull)
    rules = {"content.raw": Rule(), "state": Rule(choices=("RESOLVED", "UNRESOLVED"))}
    given = read(call.body, rules, typed=False)
    if not given:
        raise bad_request("content or state is required")
    now = call.store.now()
    if "content.raw" in given:
        task["content"] = rendered(given["content.raw"])
    if "state" in given and given["state"] != task["state"]:
        done = given["state"] == "RESOLVED"
        task.update(
            state=given["state"],
            resolved_on=now if done else None,
            resolved_by=acting_user(call) if done else None,
        )
    task["updated_on"] = now
    _count(pull)
    return task


@routes.add("DELETE", f"{PULL_REQUEST.template}/tasks/{{task_id}}", **PULL_SCOPES)
def delete_task(call: Call) -> Reply:
    """Delete a task; nothing of it stays."""
    pull = pull_request_of(call)
    del pull.tasks[_task_in(call, pull)["id"]]
    _count(pull)
    return Reply(204)


@routes.add("POST", COMMIT_COMMENTS, **COMMIT_SCOPES)
def create_commit_comment(call: Call) -> Reply:
    """Comment on a commit."""
    repository, user = call.repository(), acting_user(call)
    commit = call.commit(repository, call.path["commit"])
    given = read(call.body, _ON_CODE)
    number, now = call.store.next_id(), call.store.now()
    comment = call.store.documents.comment(
        "commit_comment",
        f"/repositories/{repository.full_name}/commit/{commit.hash}",
        number,
        given["content.raw"],
        created_on=now,
        updated_on=now,
        user=user,
        deleted=False,
        commit=call.store.documents.commit_reference(repository.full_name, commit.hash),
        **_placement(given, commit.comments),
    )
    commit.comments[number] = comment
    return _created(comment)


@routes.add("PUT", f"{COMMIT_COMMENTS}/{{comment_id}}", **COMMIT_SCOPES)
def update_commit_comment(call: Call) -> Reply:
    """Change the text of a comment on a commit; answers 201 (stated)."""
    commit = call.commit(call.repository(), call.path["commit"])
    return Reply(201, _change_text(call, _comment_in(call, commit.comments)))


@routes.add("DELETE", f"{COMMIT_COMMENTS}/{{comment_id}}", **COMMIT_SCOPES)
def delete_commit_comment(call: Call) -> Reply:
    """Delete a comment on a commit; it stays, emptied, when it has replies."""
    commit = call.commit(call.repository(), call.path["commit"])
    comment = _own(call, _comment_in(call, commit.comments))
    parents = {c["parent"]["id"] for c in commit.comments.values() if "parent" in c}
    if comment["id"] in parents:
        _blank(call, comment)
    else:
        del commit.comments[comment["id"]]
    return Reply(204)


@routes.add("POST", f"{ISSUE.template}/comments", **ISSUE_WRITE)
def create_issue_comment(call: Call) -> Reply:
    """Comment on an issue."""
    issue, user = issue_of(call), acting_user(call)
    given = read(call.body, CONTENT)
    number = call.store.next_id()
    full_name = call.repository().full_name
    comment = call.store.documents.comment(
        "issue_comment",
        f"/repositories/{full_name}/issues/{issue.document['id']}",
        number,
        given["content.raw"],
        created_on=call.store.now(),
        updated_on=None,
        user=user,
        issue=call.store.documents.issue_reference(issue.document),
    )
    issue.comments[number] = comment
    return _created(comment)


@routes.add("PUT", f"{ISSUE.template}/comments/{{comment_id}}", **ISSUE_WRITE)
def update_issue_comment(call: Call) -> Json:
    """Change the text of a comment on an issue."""
    return _change_text(call, _comment_in(call, issue_of(call).comments))


@routes.add("DELETE", f"{ISSUE.template}/comments/{{comment_id}}", **ISSUE_DELETE_COMMENT)
def delete_issue_comment(call: Call) -> Reply:
    """Delete a comment on an issue."""
    issue = issue_of(call)
    del issue.comments[_own(call, _comment_in(call, issue.comments))["id"]]
    return Reply(204)
