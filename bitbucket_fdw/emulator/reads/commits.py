"""GET of what is computed from commits: the log of a revision, its pull requests, and diffs."""

from __future__ import annotations

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import Json, Reply
from bitbucket_fdw.emulator.levels import COMMIT, REPOSITORY, commit_of
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resources.commits import LOG, LOG_PARAMETERS, READ, log
from bitbucket_fdw.emulator.routes import Routes

routes = Routes()

_REPOSITORY = REPOSITORY.template


@routes.add(
    "GET", f"{_REPOSITORY}/commits/{{revision:path}}", **READ, listing=LOG, **LOG_PARAMETERS
)
def commits_of(call: Call) -> list[Json]:
    """The commits that one branch, tag or hash reaches."""
    return log(call, call.path["revision"])


@routes.add(
    "GET",
    f"{COMMIT.template}/pullrequests",
    classic="pullrequest",
    new="read:pullrequest",
    listing=Listing(PageRules(default=30), hidden=frozenset({"reviewers", "participants"})),
)
def pull_requests_of_commit(call: Call) -> list[Json]:
    """The pull requests that a commit is part of."""
    digest = commit_of(call).hash
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
