"""Pull requests, and the comments and tasks on them."""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator.bbql import Schema
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, bad_request
from bitbucket_fdw.emulator.filters import COMMENT_SORTS, COMMENTS, account, fields, only
from bitbucket_fdw.emulator.items import numbered
from bitbucket_fdw.emulator.levels import PULL_REQUEST, REPOSITORY
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Resource
from bitbucket_fdw.emulator.store import Repository

READ: dict[str, Any] = {"classic": "pullrequest", "new": "read:pullrequest"}
STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")

_PULL_REQUEST: Schema = {
    **fields(
        "text",
        "title state source.branch.name destination.branch.name source.repository.full_name",
    ),
    **account("author"),
    **account("reviewers", sortable=False),
    **fields("boolean", "draft"),
    **fields("number", "id"),
    **fields("datetime", "created_on updated_on"),
}
# Seen live: a page holds at most 50. Stated: three fields are left out of lists.
LISTING = Listing(
    PageRules(largest=50),
    filters=_PULL_REQUEST,
    sorts=only(_PULL_REQUEST, "id created_on updated_on"),
    hidden=frozenset({"reviewers", "participants", "rendered"}),
)


def wanted_states(call: Call) -> list[str]:
    """The states to list: OPEN unless told otherwise; all of them once ``q`` is there, whatever
    ``state`` says (seen live)."""
    given = call.every("state")
    for state in given:
        if state not in STATES:
            raise bad_request(f"Invalid state '{state}'")
    if call.one("q") is not None:
        return list(STATES)
    return given or ["OPEN"]


def _pull_requests(call: Call, repository: Repository) -> list[Json]:
    """Those in the states that are asked for, newest first."""
    states = wanted_states(call)

    def make() -> list[Json]:
        found = (pull.document for pull in reversed(repository.pull_requests.values()))
        return [document for document in found if document["state"] in states]

    key = (call.store.version, repository.full_name, "pull requests", *sorted(states))
    return call.listings.get(key, make)


def _with_strategies(call: Call, document: Json) -> Json:
    """A pull request; reviewers and participants are part of it here.

    Seen with clients: ``fields`` can ask for the destination branch's merge strategies too.
    """
    side = document["destination"]
    branch = call.repository().branches.get(side["branch"]["name"])
    if branch is None or "destination.branch." not in (call.one("fields") or ""):
        return document
    more = {name: branch[name] for name in ("merge_strategies", "default_merge_strategy")}
    return {**document, "destination": {**side, "branch": {**side["branch"], **more}}}


PULL_REQUESTS = Resource(
    "pull_requests",
    REPOSITORY,
    "/pullrequests",
    **READ,
    listing=LISTING,
    item=PULL_REQUEST,
    kept=lambda repository: repository.pull_requests,
    rows=_pull_requests,
    repeatable=("state",),
    shown=_with_strategies,
    noted=lambda pull: {"conflicts": pull.conflicts},
)


def may_see(call: Call, found: Json) -> bool:
    """Whether a comment or a task is published, or the caller's own draft."""
    author = found.get("user") or found.get("creator") or {}
    return not found.get("pending") or author.get("uuid") == (call.actor or {}).get("uuid")


COMMENTS_ON_PULL_REQUESTS = Resource(
    "pull_request_comments",
    PULL_REQUEST,
    "/comments",
    **READ,
    listing=Listing(filters=COMMENTS, sorts=COMMENT_SORTS),
    item=numbered("Comment"),
    kept=lambda pull: pull.comments,
    visible=may_see,
)

_TASK: Schema = {
    **fields("number", "id comment.id"),
    **fields("text", "state content.raw"),
    **account("creator"),
    **fields("datetime", "created_on updated_on resolved_on"),
}

TASKS = Resource(
    "pull_request_tasks",
    PULL_REQUEST,
    "/tasks",
    **READ,
    listing=Listing(filters=_TASK, sorts=only(_TASK, "id created_on")),
    item=numbered("Task"),
    kept=lambda pull: pull.tasks,
    visible=may_see,
)

RESOURCES = (PULL_REQUESTS, COMMENTS_ON_PULL_REQUESTS, TASKS)
