"""GET of what is computed from repositories: forks, watchers, and branches with tags."""

from __future__ import annotations

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.filters import fields
from bitbucket_fdw.emulator.levels import REPOSITORY
from bitbucket_fdw.emulator.resources.repositories import (
    LISTING,
    NATURAL,
    READ,
    REF,
    REF_SORTS,
    lexical,
)
from bitbucket_fdw.emulator.routes import Routes

routes = Routes()

_REFS = Listing(filters={**REF, **fields("text", "type")}, sorts=REF_SORTS, natural=NATURAL)


@routes.add("GET", f"{REPOSITORY.template}/forks", **READ, listing=LISTING, parameters=("role",))
def forks(call: Call) -> list[Json]:
    """The forks of a repository that the caller may see."""
    uuid = call.repository().document["uuid"]
    found = call.visible(list(call.store.repositories()))
    return [
        fork.document
        for fork in found
        if fork.document["parent"] and fork.document["parent"]["uuid"] == uuid
    ]


@routes.add("GET", f"{REPOSITORY.template}/watchers", **READ, listing=Listing())
def watchers(call: Call) -> list[Json]:
    """Those who watch a repository."""
    return [call.store.users[name] for name in sorted(call.repository().roles)]


@routes.add("GET", f"{REPOSITORY.template}/refs", **READ, listing=_REFS)
def refs(call: Call) -> list[Json]:
    """Branches and tags, in lexical order of the full ref name (stated)."""
    found = call.repository()
    branches, tags = list(found.branches.values()), list(found.tags.values())
    return [*lexical(branches), *lexical(tags)]
