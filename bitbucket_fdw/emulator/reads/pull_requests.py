"""GET of what is computed from pull requests: by author, their commits, statuses and diffs."""

from __future__ import annotations

from urllib.parse import quote

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, Reply, error, not_found
from bitbucket_fdw.emulator.filters import STATUS_SORTS, STATUSES
from bitbucket_fdw.emulator.levels import PULL_REQUEST, pull_request_of
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resources.pull_requests import LISTING, READ, wanted_states
from bitbucket_fdw.emulator.routes import Routes

routes = Routes()

_STATUSES = Listing(filters=STATUSES, sorts=STATUS_SORTS)
_NO_SIZE = Listing(PageRules(has_size=False))


@routes.add(
    "GET",
    "/workspaces/{workspace}/pullrequests/{selected_user}",
    **READ,
    listing=LISTING,
    repeatable=("state",),
    public=False,
)
def pull_requests_by_author(call: Call) -> list[Json]:
    """The pull requests of one author over a workspace."""
    key, states = call.path["selected_user"], wanted_states(call)
    name = "uuid" if key.startswith("{") else "account_id"
    return [
        pull.document
        for repository in call.visible(list(call.workspace().repositories.values()))
        for pull in reversed(repository.pull_requests.values())
        if pull.document["state"] in states and (pull.document["author"] or {}).get(name) == key
    ]


@routes.add("GET", f"{PULL_REQUEST.template}/commits", **READ, listing=_NO_SIZE)
def commits(call: Call) -> list[Json]:
    """The commits of a pull request, newest first; 404 once the source fork is gone (stated)."""
    pull, repository = pull_request_of(call), call.repository()
    if pull.document["source"]["repository"] is None:
        raise not_found("The source repository of this pull request no longer exists")
    return [repository.commits[digest].document for digest in reversed(pull.commits)]


@routes.add("GET", f"{PULL_REQUEST.template}/statuses", **READ, listing=_STATUSES)
def statuses(call: Call) -> list[Json]:
    """The build statuses of a pull request's source commit, under its source branch's name."""
    pull, repository = pull_request_of(call), call.repository()
    branch = pull.document["source"]["branch"]["name"]
    found = repository.commits[pull.source_hash].statuses.values()
    return [status for status in found if status["refname"] == branch]


@routes.add("GET", f"{PULL_REQUEST.template}/diff", **READ)
@routes.add("GET", f"{PULL_REQUEST.template}/diffstat", **READ)
@routes.add("GET", f"{PULL_REQUEST.template}/patch", **READ)
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
