"""GET of what is computed from pull requests: by author, and their diffs."""

from __future__ import annotations

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, Reply
from bitbucket_fdw.emulator.levels import PULL_REQUEST, pull_request_of
from bitbucket_fdw.emulator.resources.pull_requests import LISTING, READ, wanted_states
from bitbucket_fdw.emulator.resources.reviews import changes
from bitbucket_fdw.emulator.routes import Routes

routes = Routes()


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


@routes.add("GET", f"{PULL_REQUEST.template}/diff", **READ)
@routes.add("GET", f"{PULL_REQUEST.template}/patch", **READ)
def texts(call: Call) -> Reply:
    """A redirect to the same resource of the repository (stated)."""
    return changes(call, pull_request_of(call))
