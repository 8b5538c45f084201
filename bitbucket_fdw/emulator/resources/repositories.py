"""Repositories, their branches and tags, and their small collections."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from bitbucket_fdw.emulator.bbql import Schema
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, Reply, bad_request, not_found
from bitbucket_fdw.emulator.filters import account, fields, only
from bitbucket_fdw.emulator.levels import (
    ADMINISTERED,
    REPOSITORIES_OF_WORKSPACE,
    REPOSITORY,
)
from bitbucket_fdw.emulator.resource import Item, Resource
from bitbucket_fdw.emulator.store import ROLES, Workspace

READ: dict[str, Any] = {"classic": "repository", "new": "read:repository"}

_REPOSITORY: Schema = {
    **fields(
        "text",
        "name full_name uuid description language scm fork_policy project.key mainbranch.name"
        " parent.full_name parent.uuid",
    ),
    **fields("boolean", "is_private has_issues has_wiki"),
    **fields("number", "size"),
    **fields("datetime", "created_on updated_on"),
}
LISTING = Listing(filters=_REPOSITORY, sorts=only(_REPOSITORY, "name created_on updated_on"))


def _as_called(call: Call, document: Json) -> Json:
    """A repository whose address to clone from has the caller's user name (seen live)."""
    if call.credential.user is None:
        return document
    web = f"://{call.credential.user}@"
    clone = [
        {**link, "href": link["href"].replace("://", web, 1)} for link in document["links"]["clone"]
    ]
    return {**document, "links": {**document["links"], "clone": clone}}


def _repositories(call: Call, workspace: Workspace) -> list[Json]:
    """Those that the caller may see, or has at least a role in."""
    found = call.visible(list(workspace.repositories.values()))
    role = call.one("role")
    if role is None:
        return [_as_called(call, repository.document) for repository in found]
    held = {"admin": "admin", "owner": "admin", "contributor": "write", "member": "read"}.get(role)
    if held is None:
        raise bad_request(f"Invalid role '{role}'")
    least, nickname = ROLES.index(held), call.credential.user or ""
    return [
        _as_called(call, repository.document)
        for repository in found
        if nickname in repository.roles and ROLES.index(repository.roles[nickname]) >= least
    ]


REPOSITORIES = Resource(
    "repositories",
    REPOSITORIES_OF_WORKSPACE,
    "",
    **READ,
    listing=LISTING,
    item=REPOSITORY,
    kept=lambda workspace: workspace.repositories,
    rows=_repositories,
    parameters=("role",),
    shown=_as_called,
    noted=lambda repository: {"repository": repository.slug},
)

REF: Schema = {
    **fields("text", "name target.hash target.author.raw target.message"),
    **account("target.author.user"),
    **fields("datetime", "target.date"),
}
REF_SORTS = only(REF, "name target.date")
NATURAL = frozenset({"name"})


def lexical(refs: list[Json]) -> Iterable[Json]:
    """In lexical order of the name, as refs are unless they are sorted (stated)."""
    return sorted(refs, key=lambda ref: str(ref["name"]))


def _named(what: str) -> Item:
    """By its name, whose slashes may be encoded or not."""
    return Item("name", lambda name: not_found(f'{what} "{name}" does not exist.'), slashes=True)


BRANCHES = Resource(
    "branches",
    REPOSITORY,
    "/refs/branches",
    **READ,
    listing=Listing(filters=REF, sorts=REF_SORTS, natural=NATURAL),
    item=_named("Branch"),
    kept=lambda repository: repository.branches,
    order=lexical,
)
TAGS = Resource(
    "tags",
    REPOSITORY,
    "/refs/tags",
    **READ,
    listing=Listing(
        filters={**REF, **fields("datetime", "date"), **fields("text", "message")},
        sorts=REF_SORTS,
        natural=NATURAL,
    ),
    item=_named("Tag"),
    kept=lambda repository: repository.tags,
    order=lexical,
)


def _elsewhere(call: Call, download: Json) -> Reply:
    """A redirect to where the bytes of a file are."""
    return Reply(302, headers={"Location": "https://bbuseruploads.example/file"})


DOWNLOADS = Resource(
    "downloads",
    REPOSITORY,
    "/downloads",
    **READ,
    item=Item("name", lambda name: not_found("No such download"), variable="filename"),
    kept=lambda repository: repository.downloads,
    shown=_elsewhere,
)
HOOKS = Resource(
    "hooks",
    ADMINISTERED,
    "/hooks",
    classic="webhook",
    new="read:webhook",
    public=False,
    item=Item("uuid", lambda uuid: not_found("Webhook not found"), variable="uid"),
    kept=lambda repository: repository.hooks,
)

RESOURCES = (REPOSITORIES, BRANCHES, TAGS, DOWNLOADS, HOOKS)
