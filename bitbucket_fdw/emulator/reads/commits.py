"""Reads of commits: the iterator-paged listing, one commit, and what hangs on it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from typing import Any

from bitbucket_fdw.emulator import filters, times
from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, Reply, not_found
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.reads.repositories import READ, REPOSITORY
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Commit, Repository

routes = Routes()

ITERATOR = Listing(PageRules(iterator=True))
_COMMENTS = Listing(filters=filters.COMMENTS, sorts=filters.COMMENT_SORTS)
_STATUSES = Listing(filters=filters.STATUSES, sorts=filters.STATUS_SORTS)


def _reachable(repository: Repository, heads: Iterable[Commit]) -> set[str]:
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


def _log(call: Call, revision: str | None) -> list[Json]:
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
        wanted = _reachable(repository, heads)
        wanted -= _reachable(repository, [call.commit(repository, name) for name in excluded])
        ordered = _topological(repository, wanted)
        if path is None:
            return ordered
        return [d for d in ordered if _touches(repository.commits[d["hash"]], path)]

    key = (call.store.version, repository.full_name, "log", *included, None, *excluded, path)
    return call.listings.get(key, make)


def _touches(commit: Commit, path: str) -> bool:
    folder = path.rstrip("/") + "/"
    return any(name == path or name.startswith(folder) for name in commit.files)


_LOG_PARAMETERS: dict[str, Any] = {"parameters": ("path",), "repeatable": ("include", "exclude")}


@routes.add("GET", f"{REPOSITORY}/commits", **READ, listing=ITERATOR, **_LOG_PARAMETERS)
def commits(call: Call) -> list[Json]:
    """All commits that a branch or tag reaches."""
    return _log(call, None)


@routes.add(
    "GET", f"{REPOSITORY}/commits/{{revision:path}}", **READ, listing=ITERATOR, **_LOG_PARAMETERS
)
def commits_of(call: Call) -> list[Json]:
    """The commits that one branch, tag or hash reaches."""
    return _log(call, call.path["revision"])


@routes.add("GET", f"{REPOSITORY}/commit/{{commit}}", **READ)
def commit(call: Call) -> Json:
    """A commit, by at least seven digits of its hash or by a ref."""
    return call.commit(call.repository(), call.path["commit"]).document


def _named_commit(call: Call) -> Commit:
    return call.commit(call.repository(), call.path["commit"])


@routes.add("GET", f"{REPOSITORY}/commit/{{commit}}/comments", **READ, listing=_COMMENTS)
def comments(call: Call) -> list[Json]:
    """The comments on a commit, oldest first."""
    return list(_named_commit(call).comments.values())


@routes.add("GET", f"{REPOSITORY}/commit/{{commit}}/comments/{{comment_id}}", **READ)
def comment(call: Call) -> Json:
    """A comment on a commit."""
    found = _named_commit(call).comments.get(call.number("comment_id", "Comment"))
    if found is None:
        raise not_found("Comment not found")
    return found


@routes.add(
    "GET",
    f"{REPOSITORY}/commit/{{commit}}/statuses",
    **READ,
    listing=_STATUSES,
    parameters=("refname",),
)
def statuses(call: Call) -> list[Json]:
    """The build statuses of a commit."""
    refname = call.one("refname")
    found = _named_commit(call).statuses.values()
    return [status for status in found if refname in (None, status["refname"])]


@routes.add("GET", f"{REPOSITORY}/commit/{{commit}}/statuses/build/{{key}}", **READ)
def status(call: Call) -> Json:
    """A build status by its key."""
    found = _named_commit(call).statuses.get(call.path["key"])
    if found is None:
        raise not_found("Build status not found")
    return found


@routes.add(
    "GET",
    f"{REPOSITORY}/commit/{{commit}}/pullrequests",
    classic="pullrequest",
    new="read:pullrequest",
    listing=Listing(PageRules(default=30), hidden=frozenset({"reviewers", "participants"})),
)
def pull_requests_of_commit(call: Call) -> list[Json]:
    """The pull requests that a commit is part of."""
    digest = _named_commit(call).hash
    found = call.repository().pull_requests.values()
    return [pull.document for pull in found if digest in pull.commits]


_DIFF_PARAMETERS = (
    "context",
    "path",
    "ignore_whitespace",
    "binary",
    "renames",
    "merge",
    "topic",
    "from_pullrequest_id",
)


def _changed_files(call: Call) -> list[str]:
    """The files of a spec: one revision, or two with ``..`` between them."""
    repository = call.repository()
    source, _, destination = call.path["spec"].partition("..")
    names = [part.rpartition(":")[2].strip() for part in (source, destination) if part.strip()]
    touched: set[str] = set()
    for name in names:
        touched.update(call.commit(repository, name).files)
    return sorted(touched)


@routes.add("GET", f"{REPOSITORY}/diff/{{spec:path}}", **READ, parameters=_DIFF_PARAMETERS)
@routes.add("GET", f"{REPOSITORY}/patch/{{spec:path}}", **READ, parameters=_DIFF_PARAMETERS)
def diff(call: Call) -> Reply:
    """A diff as text."""
    parts = (
        f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-old\n+new\n"
        for name in _changed_files(call)
    )
    return Reply(200, "".join(parts).encode(), content_type="text/plain; charset=utf-8")


@routes.add(
    "GET",
    f"{REPOSITORY}/diffstat/{{spec:path}}",
    **READ,
    listing=Listing(PageRules(default=500, largest=500)),
    parameters=_DIFF_PARAMETERS,
)
def diffstat(call: Call) -> list[Json]:
    """The files that a diff touches."""
    return [
        {
            "type": "diffstat",
            "status": "modified",
            "lines_added": 1 + len(name) % 7,
            "lines_removed": len(name) % 5,
            "old": {"type": "commit_file", "path": name, "escaped_path": name},
            "new": {"type": "commit_file", "path": name, "escaped_path": name},
        }
        for name in _changed_files(call)
    ]
