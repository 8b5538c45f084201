"""Writes on commits and refs: build statuses, branches and tags.

Stated: a status needs ``key`` and ``state``, a POST with a known key overwrites, a PUT cannot
change the key; a ref needs ``name`` and ``target.hash``, which may be shortened or name a branch;
a tag without a message gets one; the main branch cannot be deleted (400). Assumed: a ref that is
there already answers 409; a status needs ``url`` too. Seen live by users: a status's key has at
most 40 characters; its other texts are never null, by the schema.
"""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, error, not_found
from bitbucket_fdw.emulator.levels import COMMIT, REPOSITORY
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Commit, Repository
from bitbucket_fdw.emulator.writes import graph
from bitbucket_fdw.emulator.writes.accounts import acting_user
from bitbucket_fdw.emulator.writes.bodies import Rule, read

routes = Routes()

STATUS_SCOPES: dict[str, Any] = {
    "classic": "repository",
    "new": "read:repository",
    "public": False,
}
REF_WRITE: dict[str, Any] = {
    "classic": "repository:write",
    "new": "write:repository read:repository",
    "public": False,
}
REF_DELETE: dict[str, Any] = {**REF_WRITE, "new": "write:repository"}

_STATUS_FIELDS = {
    "key": Rule(required=True, most=40),
    "state": Rule(required=True, choices=("SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED")),
    "url": Rule(required=True, pattern=r"https?://\S+"),
    "name": Rule(blank=True),
    "description": Rule(blank=True),
    "refname": Rule(blank=True),
}
# What git refuses in a ref's name, as far as it matters here.
_REF_NAME = r"(?!/)(?!.*(//|\.\.|@\{|\.lock$|/$|\.$))[^\x00-\x20~^:?*\[\\\x7f]+"
_REF_FIELDS = {"name": Rule(required=True, pattern=_REF_NAME), "target.hash": Rule(required=True)}


@routes.add("POST", f"{COMMIT.template}/statuses/build", **STATUS_SCOPES)
def create_status(call: Call) -> Reply:
    """Set a build status; one with the same key is replaced."""
    repository = call.repository("write")
    commit = call.commit(repository, call.path["commit"])
    given = read(call.body, _STATUS_FIELDS)
    now = call.store.now()
    status = call.store.documents.status(
        repository.document,
        commit.hash,
        given["key"],
        state=given["state"],
        name=given.get("name") or given["key"],
        url=given["url"],
        description=given.get("description") or "",
        refname=given.get("refname"),
        created_on=now,
        updated_on=now,
    )
    commit.statuses[given["key"]] = status
    return Reply(201, status, {"Location": status["links"]["self"]["href"]})


@routes.add("PUT", f"{COMMIT.template}/statuses/build/{{key}}", **STATUS_SCOPES)
def update_status(call: Call) -> Json:
    """Change a build status; its key stays."""
    commit = call.commit(call.repository("write"), call.path["commit"])
    status = commit.statuses.get(call.path["key"])
    if status is None:
        raise not_found("Build status not found")
    given = read(call.body, _STATUS_FIELDS, partial=True)
    if given.pop("key", status["key"]) != status["key"]:
        message = "The key cannot be changed."
        raise error(400, f"key: {message}", fields={"key": [message]})
    status.update(given, updated_on=call.store.now())
    return status


def _target(call: Call, repository: Repository, given: Json) -> Commit:
    found = repository.commit_by(given["target.hash"])
    if found is None:
        message = f"unknown revision: {given['target.hash']}"
        raise error(400, f"target: {message}", fields={"target": [message]})
    return found


def _fresh_name(given: Json, refs: dict[str, Json], what: str) -> str:
    name: str = given["name"]
    if name in refs:
        key = f"{what.upper()}_ALREADY_EXISTS"
        raise error(409, f'{what} "{name}" already exists.', data={"key": key})
    return name


@routes.add("POST", f"{REPOSITORY.template}/refs/branches", **REF_WRITE)
def create_branch(call: Call) -> Reply:
    """Create a branch."""
    repository = call.repository("write")
    given = read(call.body, _REF_FIELDS)
    target = _target(call, repository, given)
    name = _fresh_name(given, repository.branches, "Branch")
    graph.point(call.store, repository, name, target.hash)
    branch = repository.branches[name]
    return Reply(201, branch, {"Location": branch["links"]["self"]["href"]})


@routes.add("DELETE", f"{REPOSITORY.template}/refs/branches/{{name:path}}", **REF_DELETE)
def delete_branch(call: Call) -> Reply:
    """Delete a branch; its commits stay."""
    repository, name = call.repository("write"), call.path["name"]
    if name not in repository.branches:
        raise not_found(f'Branch "{name}" does not exist.')
    if name == repository.main_branch:
        raise bad_request("The main branch cannot be deleted.")
    del repository.branches[name]
    return Reply(204)


@routes.add("POST", f"{REPOSITORY.template}/refs/tags", **REF_WRITE)
def create_tag(call: Call) -> Reply:
    """Create an annotated tag."""
    repository, tagger = call.repository("write"), acting_user(call)
    given = read(call.body, {**_REF_FIELDS, "message": Rule(nullable=True, blank=True)})
    target = _target(call, repository, given)
    name = _fresh_name(given, repository.tags, "Tag")
    message = given.get("message") or f"Added tag {name} for changeset {target.hash[:12]}"
    raw = f"{tagger['display_name']} <{tagger['nickname']}@acme.example>"
    tag = call.store.documents.tag(
        repository.document,
        name,
        target.document,
        message,
        date=call.store.now(),
        tagger=call.store.documents.author(raw, tagger),
    )
    repository.tags[name] = tag
    return Reply(201, tag, {"Location": tag["links"]["self"]["href"]})


@routes.add("DELETE", f"{REPOSITORY.template}/refs/tags/{{name:path}}", **REF_DELETE)
def delete_tag(call: Call) -> Reply:
    """Delete a tag."""
    repository, name = call.repository("write"), call.path["name"]
    if repository.tags.pop(name, None) is None:
        raise not_found(f'Tag "{name}" does not exist.')
    return Reply(204)
