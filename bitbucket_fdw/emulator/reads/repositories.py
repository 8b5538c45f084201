"""Reads of repositories, refs, commits and the small collections of a repository."""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.emulator import filters
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, not_found
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import ROLES

routes = Routes()

REPOSITORY = "/repositories/{workspace}/{repo_slug}"
READ: dict[str, Any] = {"classic": "repository", "new": "read:repository"}

_REPOSITORIES = Listing(filters=filters.REPOSITORIES, sorts=filters.REPOSITORY_SORTS)


@routes.add("GET", "/repositories/{workspace}", **READ, listing=_REPOSITORIES, parameters=("role",))
def repositories(call: Call) -> list[Json]:
    """The repositories of a workspace that the caller may see, or has at least a role in."""
    found = call.visible(list(call.workspace().repositories.values()))
    role = call.one("role")
    if role is None:
        return [repository.document for repository in found]
    held = {"admin": "admin", "owner": "admin", "contributor": "write", "member": "read"}.get(role)
    if held is None:
        raise bad_request(f"Invalid role '{role}'")
    least, nickname = ROLES.index(held), call.credential.user or ""
    return [
        repository.document
        for repository in found
        if nickname in repository.roles and ROLES.index(repository.roles[nickname]) >= least
    ]


@routes.add("GET", REPOSITORY, **READ)
def repository(call: Call) -> Json:
    """A repository."""
    return call.repository().document


@routes.add("GET", f"{REPOSITORY}/forks", **READ, listing=_REPOSITORIES, parameters=("role",))
def forks(call: Call) -> list[Json]:
    """The forks of a repository that the caller may see."""
    uuid = call.repository().document["uuid"]
    found = call.visible(list(call.store.repositories()))
    return [
        fork.document
        for fork in found
        if fork.document["parent"] and fork.document["parent"]["uuid"] == uuid
    ]


@routes.add("GET", f"{REPOSITORY}/watchers", **READ, listing=Listing())
def watchers(call: Call) -> list[Json]:
    """Those who watch a repository."""
    return [call.store.users[name] for name in sorted(call.repository().roles)]


def _refs(schema: Any) -> Listing:
    return Listing(filters=schema, sorts=filters.REF_SORTS, natural=frozenset({"name"}))


@routes.add("GET", f"{REPOSITORY}/refs", **READ, listing=_refs(filters.REFS))
def refs(call: Call) -> list[Json]:
    """Branches and tags, in lexical order of the full ref name (stated)."""
    found = call.repository()
    return [*_lexical(found.branches), *_lexical(found.tags)]


@routes.add("GET", f"{REPOSITORY}/refs/branches", **READ, listing=_refs(filters.BRANCHES))
def branches(call: Call) -> list[Json]:
    """The branches, in lexical order unless sorted (stated)."""
    return _lexical(call.repository().branches)


@routes.add("GET", f"{REPOSITORY}/refs/tags", **READ, listing=_refs(filters.TAGS))
def tags(call: Call) -> list[Json]:
    """The tags, in lexical order unless sorted (stated)."""
    return _lexical(call.repository().tags)


def _lexical(refs_by_name: dict[str, Json]) -> list[Json]:
    return [refs_by_name[name] for name in sorted(refs_by_name)]


@routes.add("GET", f"{REPOSITORY}/refs/branches/{{name:path}}", **READ)
def branch(call: Call) -> Json:
    """A branch; its name may hold slashes, encoded or not."""
    return _ref(call, call.repository().branches, "Branch")


@routes.add("GET", f"{REPOSITORY}/refs/tags/{{name:path}}", **READ)
def tag(call: Call) -> Json:
    """A tag."""
    return _ref(call, call.repository().tags, "Tag")


def _ref(call: Call, refs_by_name: dict[str, Json], what: str) -> Json:
    found = refs_by_name.get(call.path["name"])
    if found is None:
        raise not_found(f'{what} "{call.path["name"]}" does not exist.')
    return found


@routes.add("GET", f"{REPOSITORY}/downloads", **READ, listing=Listing())
def downloads(call: Call) -> list[Json]:
    """The files in the downloads section."""
    return list(call.repository().downloads.values())


@routes.add("GET", f"{REPOSITORY}/downloads/{{filename}}", **READ)
def download(call: Call) -> Reply:
    """A file: a redirect to where its bytes are."""
    found = call.repository().downloads.get(call.path["filename"])
    if found is None:
        raise not_found("No such download")
    return Reply(302, headers={"Location": "https://bbuseruploads.example/file"})


@routes.add(
    "GET",
    f"{REPOSITORY}/hooks",
    classic="webhook",
    new="read:webhook",
    listing=Listing(),
    public=False,
)
def hooks(call: Call) -> list[Json]:
    """The webhooks, for administrators."""
    return list(call.repository("admin").hooks.values())


@routes.add(
    "GET", f"{REPOSITORY}/hooks/{{uid}}", classic="webhook", new="read:webhook", public=False
)
def hook(call: Call) -> Json:
    """A webhook."""
    found = call.repository("admin").hooks.get(call.path["uid"])
    if found is None:
        raise not_found("Webhook not found")
    return found
