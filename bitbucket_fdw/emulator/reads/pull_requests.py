"""Reads of pull requests and what is below them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from bitbucket_fdw.emulator import filters
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, error, not_found
from bitbucket_fdw.emulator.levels import PULL_REQUEST as _LEVEL
from bitbucket_fdw.emulator.levels import pull_request_of
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.reads.repositories import REPOSITORY
from bitbucket_fdw.emulator.routes import Routes

routes = Routes()

PULL_REQUESTS = f"{REPOSITORY}/pullrequests"
PULL_REQUEST = _LEVEL.template
READ: dict[str, Any] = {"classic": "pullrequest", "new": "read:pullrequest"}
STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")

# Seen live: a page holds at most 50. Stated: three fields are left out of lists.
_PULL_REQUESTS = Listing(
    PageRules(largest=50),
    filters=filters.PULL_REQUESTS,
    sorts=filters.PULL_REQUEST_SORTS,
    hidden=frozenset({"reviewers", "participants", "rendered"}),
)
_COMMENTS = Listing(filters=filters.COMMENTS, sorts=filters.COMMENT_SORTS)
_TASKS = Listing(filters=filters.TASKS, sorts=filters.TASK_SORTS)
_STATUSES = Listing(filters=filters.STATUSES, sorts=filters.STATUS_SORTS)
_NO_SIZE = Listing(PageRules(has_size=False))


def _wanted_states(call: Call) -> list[str]:
    """The states to list: OPEN unless told otherwise; all of them once ``q`` is there, whatever
    ``state`` says (seen live)."""
    given = call.every("state")
    for state in given:
        if state not in STATES:
            raise bad_request(f"Invalid state '{state}'")
    if call.one("q") is not None:
        return list(STATES)
    return given or ["OPEN"]


@routes.add("GET", PULL_REQUESTS, **READ, listing=_PULL_REQUESTS, repeatable=("state",))
def pull_requests(call: Call) -> list[Json]:
    """The pull requests of a repository, newest first."""
    repository, states = call.repository(), _wanted_states(call)

    def make() -> list[Json]:
        found = (pull.document for pull in reversed(repository.pull_requests.values()))
        return [document for document in found if document["state"] in states]

    key = (call.store.version, repository.full_name, "pull requests", *sorted(states))
    return call.listings.get(key, make)


@routes.add(
    "GET",
    "/workspaces/{workspace}/pullrequests/{selected_user}",
    **READ,
    listing=_PULL_REQUESTS,
    repeatable=("state",),
    public=False,
)
def pull_requests_by_author(call: Call) -> list[Json]:
    """The pull requests of one author over a workspace."""
    key, states = call.path["selected_user"], _wanted_states(call)
    name = "uuid" if key.startswith("{") else "account_id"
    return [
        pull.document
        for repository in call.visible(list(call.workspace().repositories.values()))
        for pull in reversed(repository.pull_requests.values())
        if pull.document["state"] in states and (pull.document["author"] or {}).get(name) == key
    ]


@routes.add("GET", PULL_REQUEST, **READ)
def pull_request(call: Call) -> Json:
    """A pull request; reviewers and participants are part of it here.

    Seen with clients: ``fields`` can ask for the destination branch's merge strategies too.
    """
    document = pull_request_of(call).document
    side = document["destination"]
    branch = call.repository().branches.get(side["branch"]["name"])
    if branch is None or "destination.branch." not in (call.one("fields") or ""):
        return document
    more = {name: branch[name] for name in ("merge_strategies", "default_merge_strategy")}
    return {**document, "destination": {**side, "branch": {**side["branch"], **more}}}


def _may_see(call: Call, found: Json) -> bool:
    """Whether a comment or a task is published, or the caller's own draft."""
    author = found.get("user") or found.get("creator") or {}
    return not found.get("pending") or author.get("uuid") == (call.actor or {}).get("uuid")


@routes.add("GET", f"{PULL_REQUEST}/comments", **READ, listing=_COMMENTS)
def comments(call: Call) -> list[Json]:
    """The comments on a pull request, oldest first, deleted ones among them."""
    return [found for found in pull_request_of(call).comments.values() if _may_see(call, found)]


@routes.add("GET", f"{PULL_REQUEST}/comments/{{comment_id}}", **READ)
def comment(call: Call) -> Json:
    """A comment on a pull request."""
    found = pull_request_of(call).comments.get(call.number("comment_id", "Comment"))
    if found is None or not _may_see(call, found):
        raise not_found("Comment not found")
    return found


@routes.add("GET", f"{PULL_REQUEST}/tasks", **READ, listing=_TASKS)
def tasks(call: Call) -> list[Json]:
    """The tasks on a pull request, oldest first."""
    return [found for found in pull_request_of(call).tasks.values() if _may_see(call, found)]


@routes.add("GET", f"{PULL_REQUEST}/tasks/{{task_id}}", **READ)
def task(call: Call) -> Json:
    """A task on a pull request."""
    found = pull_request_of(call).tasks.get(call.number("task_id", "Task"))
    if found is None or not _may_see(call, found):
        raise not_found("Task not found")
    return found


@routes.add("GET", f"{PULL_REQUEST}/commits", **READ, listing=_NO_SIZE)
def commits(call: Call) -> list[Json]:
    """The commits of a pull request, newest first; 404 once the source fork is gone (stated)."""
    pull, repository = pull_request_of(call), call.repository()
    if pull.document["source"]["repository"] is None:
        raise not_found("The source repository of this pull request no longer exists")
    return [repository.commits[digest].document for digest in reversed(pull.commits)]


@routes.add("GET", f"{PULL_REQUEST}/statuses", **READ, listing=_STATUSES)
def statuses(call: Call) -> list[Json]:
    """The build statuses of a pull request's source commit, under its source branch's name."""
    pull, repository = pull_request_of(call), call.repository()
    branch = pull.document["source"]["branch"]["name"]
    found = repository.commits[pull.source_hash].statuses.values()
    return [status for status in found if status["refname"] == branch]


@routes.add("GET", f"{PULL_REQUEST}/diff", **READ)
@routes.add("GET", f"{PULL_REQUEST}/diffstat", **READ)
@routes.add("GET", f"{PULL_REQUEST}/patch", **READ)
def changes(call: Call) -> Reply:
    """A redirect to the same resource of the repository (stated)."""
    pull, repository = pull_request_of(call), call.repository()
    if pull.document["source"]["repository"] is None:
        raise error(555, "The diff could not be made in time")
    resource = call.url.rstrip("/").rpartition("/")[2]
    number = pull.document["id"]
    spec = f"{repository.full_name}:{pull.source_hash[:12]}..{pull.destination_hash[:12]}"
    base = call.url[: call.url.index("/pullrequests/")]
    query = f"from_pullrequest_id={number}&topic=true"
    location = f"{base}/{resource}/{quote(spec, safe='/:')}?{query}"
    return Reply(302, headers={"Location": location})
