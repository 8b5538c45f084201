"""GET of what is computed from commits: the log of a revision, and diffs."""

from __future__ import annotations

import re

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.diffstats import diffstat as changed
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, Reply
from bitbucket_fdw.emulator.levels import REPOSITORY
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resources.commits import LOG, LOG_PARAMETERS, READ, log, reachable
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.store import Repository

routes = Routes()

_REPOSITORY = REPOSITORY.template


@routes.add(
    "GET", f"{_REPOSITORY}/commits/{{revision:path}}", **READ, listing=LOG, **LOG_PARAMETERS
)
def commits_of(call: Call) -> list[Json]:
    """The commits that one branch, tag or hash reaches."""
    return log(call, call.path["revision"])


_BETWEEN = ("\r", "..")  # the revisions of a spec
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
    """The files of a spec: one revision, or two with something between them."""
    repository = call.repository()
    parts = re.split("|".join(map(re.escape, _BETWEEN)), call.path["spec"])
    names = [part.rpartition(":")[2].strip() for part in parts if part.strip()]
    touched: set[str] = set()
    for name in names:
        touched.update(call.commit(repository, name).files)
    return sorted(touched)


@routes.add("GET", f"{_REPOSITORY}/diff/{{spec:path}}", **READ, parameters=_DIFF_PARAMETERS)
@routes.add("GET", f"{_REPOSITORY}/patch/{{spec:path}}", **READ, parameters=_DIFF_PARAMETERS)
def diff(call: Call) -> Reply:
    """A diff as text."""
    parts = (
        f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -1 +1 @@\n-old\n+new\n"
        for name in _changed_files(call)
    )
    return Reply(200, "".join(parts).encode(), content_type="text/plain; charset=utf-8")


@routes.add(
    "GET",
    f"{_REPOSITORY}/diffstat/{{spec:path}}",
    **READ,
    listing=Listing(PageRules(default=500, largest=500)),
    parameters=_DIFF_PARAMETERS,
)
def diffstat(call: Call) -> list[Json]:
    """The files that a diff touches.

    Of two revisions, the first is the one that is looked at, the reverse of git (stated). Seen live
    by users: a redirect from a pull request has a carriage return between them.
    """
    repository, spec = call.repository(), call.path["spec"]
    for between in _BETWEEN:
        if between in spec:
            source, destination = spec.split(between, 1)
            return changed(repository, sorted(_only_in(call, repository, source, destination)))
    return changed(repository, [call.commit(repository, spec).hash])


def _only_in(call: Call, repository: Repository, source: str, destination: str) -> set[str]:
    """The hashes of the commits that one revision reaches and another one does not."""
    heads = [call.commit(repository, name.rpartition(":")[2]) for name in (source, destination)]
    return reachable(repository, heads[:1]) - reachable(repository, heads[1:])
