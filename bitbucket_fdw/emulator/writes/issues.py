"""Writes of issues.

Stated: POST needs a title, the caller becomes the reporter; PUT changes what is there and null
clears; deleting needs write access to the repository. Assumed: the defaults (new, bug, major),
and that title, kind, priority and state cannot be cleared.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.documents import rendered
from bitbucket_fdw.emulator.errors import Json, Reply, error
from bitbucket_fdw.emulator.issue_words import KINDS, PRIORITIES, STATES
from bitbucket_fdw.emulator.levels import ISSUE, REPOSITORY, issue_of, tracker
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Issue, Repository
from bitbucket_fdw.emulator.writes.accounts import acting_user, member
from bitbucket_fdw.emulator.writes.bodies import Rule, read
from bitbucket_fdw.emulator.writes.comments import ISSUE_WRITE

routes = Routes()

ISSUES = f"{REPOSITORY.template}/issues"

DELETE: dict[str, Any] = {**ISSUE_WRITE, "new": "delete:issue"}

_FIELDS = {
    "title": Rule(required=True, longest=255),
    "content.raw": Rule(blank=True),
    "kind": Rule(choices=KINDS),
    "priority": Rule(choices=PRIORITIES),
    "state": Rule(choices=STATES),
    "assignee.account_id": Rule(nullable=True),
    "assignee.uuid": Rule(nullable=True),
    "component.name": Rule(nullable=True),
    "milestone.name": Rule(nullable=True),
    "version.name": Rule(nullable=True),
}
_TRACKED = ("component", "milestone", "version")


def _changes(call: Call, repository: Repository, given: Json) -> Json:
    """The document's fields that a body sets; raises 400 for names that do not exist."""
    changes: Json = {k: given[k] for k in ("title", "kind", "priority", "state") if k in given}
    if "content.raw" in given or "content" in given:
        changes["content"] = rendered(given.get("content.raw") or "")
    if "assignee" in given:
        changes["assignee"] = None
    for key in ("account_id", "uuid"):
        value = given.get(f"assignee.{key}")
        if value is not None:
            changes["assignee"] = member(call, repository, key, value, "assignee")
        elif f"assignee.{key}" in given:
            changes.setdefault("assignee", None)
    for kind in _TRACKED:
        if kind in given or f"{kind}.name" in given:
            changes[kind] = _tracked(repository, kind, given.get(f"{kind}.name"))
    return changes


def _tracked(repository: Repository, kind: str, name: str | None) -> Json | None:
    if name is None:
        return None
    items: dict[int, Json] = getattr(repository, f"{kind}s")
    for item in items.values():
        if item["name"] == name:
            return {key: item[key] for key in ("type", "id", "name", "links")}
    message = f"{kind} '{name}' does not exist."
    raise error(400, f"{kind}: {message}", fields={kind: [message]})


@routes.add("POST", ISSUES, **ISSUE_WRITE)
def create(call: Call) -> Reply:
    """Report an issue."""
    repository, reporter = tracker(call), acting_user(call)
    changes = _changes(call, repository, read(call.body, _FIELDS))
    title = changes.pop("title")
    number = max(repository.issues, default=0) + 1
    now = call.store.now()
    fresh: Json = {
        "reporter": reporter,
        "assignee": None,
        "created_on": now,
        "updated_on": now,
        "edited_on": None,
        "state": "new",
        "kind": "bug",
        "priority": "major",
        "milestone": None,
        "version": None,
        "component": None,
        "votes": 0,
        "content": rendered(""),
    }
    reference = call.store.documents.repository_reference(repository.document)
    document = call.store.documents.issue(reference, number, title, **{**fresh, **changes})
    repository.issues[number] = Issue(document)
    return Reply(201, document, {"Location": document["links"]["self"]["href"]})


@routes.add("PUT", ISSUE.template, **ISSUE_WRITE)
def update(call: Call) -> Json:
    """Change an issue; fields that are not there stay as they are."""
    issue = issue_of(call)
    repository = call.repository("write")
    changes = _changes(call, repository, read(call.body, _FIELDS, partial=True))
    now = call.store.now()
    issue.document.update(changes, updated_on=now)
    if "title" in changes or "content" in changes:
        issue.document["edited_on"] = now
    return issue.document


@routes.add("DELETE", ISSUE.template, **DELETE)
def delete(call: Call) -> Reply:
    """Delete an issue with its comments."""
    issue = issue_of(call)
    del call.repository("write").issues[issue.document["id"]]
    return Reply(204)
