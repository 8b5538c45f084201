"""Commits, and the comments and build statuses on them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from bitbucket_fdw.emulator import times
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, not_found
from bitbucket_fdw.emulator.filters import COMMENT_SORTS, COMMENTS, STATUS_SORTS, STATUSES
from bitbucket_fdw.emulator.items import numbered
from bitbucket_fdw.emulator.levels import COMMIT, REPOSITORY
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Choice, Item, Resource
from bitbucket_fdw.emulator.store import Commit, Repository

READ: dict[str, Any] = {"classic": "repository", "new": "read:repository"}
LOG = Listing(PageRules(iterator=True))
LOG_PARAMETERS: dict[str, Any] = {"parameters": ("path",), "repeatable": ("include", "exclude")}


def reachable(repository: Repository, heads: Iterable[Commit]) -> set[str]:
    """The hashes of all commits that some of them lead to, and their own."""
    seen: set[str] = set()
    frontier = [head.hash for head in heads]
    while frontier:
        digest = frontier.pop()
        if digest not in seen:
            seen.add(digest)
            frontier.extend(repository.commits[digest].parents)
    return seen


def _topological(repository: Repository, wanted: set[str]) -> list[Json]:
    """Children before parents, newest first among those that are free (like ``git log``)."""
    children = dict.fromkeys(wanted, 0)
    for digest in wanted:
        for parent in repository.commits[digest].parents:
            if parent in children:
                children[parent] += 1

    def entry(digest: str) -> tuple[float, str]:
        date = times.parse(repository.commits[digest].document["date"])
        return -date.timestamp(), digest

    free = [entry(digest) for digest, count in children.items() if count == 0]
    heapq.heapify(free)
    ordered = []
    while free:
        _, digest = heapq.heappop(free)
        commit = repository.commits[digest]
        ordered.append(commit.document)
        for parent in commit.parents:
            if parent in children:
                children[parent] -= 1
                if children[parent] == 0:
                    heapq.heappush(free, entry(parent))
    return ordered


def log(call: Call, revision: str | None) -> list[Json]:
    """The commits that include reaches and exclude does not, and that touch path."""
    repository = call.repository()
    included = call.every("include") + ([revision] if revision is not None else [])
    excluded = call.every("exclude")
    path = call.one("path")

    def make() -> list[Json]:
        if included:
            heads = [call.commit(repository, name) for name in included]
        else:
            refs = [*repository.branches.values(), *repository.tags.values()]
            heads = [repository.commits[ref["target"]["hash"]] for ref in refs]
        wanted = reachable(repository, heads)
        wanted -= reachable(repository, [call.commit(repository, name) for name in excluded])
        ordered = _topological(repository, wanted)
        if path is None:
            return ordered
        return [d for d in ordered if _touches(repository.commits[d["hash"]], path)]

    key = (call.store.version, repository.full_name, "log", *included, None, *excluded, path)
    return call.listings.get(key, make)


def _touches(commit: Commit, path: str) -> bool:
    folder = path.rstrip("/") + "/"
    return any(name == path or name.startswith(folder) for name in commit.files)


COMMITS = Resource(
    "commits",
    REPOSITORY,
    "/commits",
    **READ,
    listing=LOG,
    item=COMMIT,
    kept=lambda repository: repository.commits,
    rows=lambda call, repository: log(call, None),
    **LOG_PARAMETERS,
)
COMMENTS_ON_COMMITS = Resource(
    "commit_comments",
    COMMIT,
    "/comments",
    **READ,
    listing=Listing(filters=COMMENTS, sorts=COMMENT_SORTS),
    item=numbered("Comment"),
    kept=lambda commit: commit.comments,
)
BUILD_STATUSES = Resource(
    "commit_statuses",
    COMMIT,
    "/statuses",
    **READ,
    listing=Listing(filters=STATUSES, sorts=STATUS_SORTS),
    item=Item("key", lambda key: not_found("Build status not found"), path="/build"),
    kept=lambda commit: commit.statuses,
    choices={"refname": Choice(lambda status: status["refname"])},
)

RESOURCES = (COMMITS, COMMENTS_ON_COMMITS, BUILD_STATUSES)
