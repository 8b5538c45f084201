"""What is told of a pull request by its commits, and of a commit by its pull requests.

Stated: the files of a pull request are a redirect to those of its repository; commits and pull
requests are linked once somebody has asked for it on the web site, and while a repository is being
indexed the links are answered 202. Seen live by users, 2026: the commits of a pull request page by
marks alone, have no ``size``, and are a 404 once its source is gone; the redirect leads to
``{workspace}/{repository}:{source}%0D{destination}``; without a common history it is a 400. Not
established: which commits the statuses of a pull request belong to (see ``all_statuses``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from urllib.parse import quote

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.diffstats import diffstat
from bitbucket_fdw.emulator.endpoints import Listing
from bitbucket_fdw.emulator.errors import ApiError, Json, Reply, bad_request, not_found
from bitbucket_fdw.emulator.filters import STATUS_SORTS, STATUSES
from bitbucket_fdw.emulator.levels import COMMIT, PULL_REQUEST
from bitbucket_fdw.emulator.paging import PageRules
from bitbucket_fdw.emulator.resource import Resource
from bitbucket_fdw.emulator.resources.pull_requests import READ
from bitbucket_fdw.emulator.store import Commit, PullRequest

ALL_STATUSES = "all_statuses"
LINKS_OFF = "commit_links_off"
LINKS_LATER = "commit_links_later"
WAYS = {
    ALL_STATUSES: "List the statuses of all commits of a pull request, not of its last one alone.",
    LINKS_OFF: "Answer 404 for the pull requests of commits, as where nobody has set them up.",
    LINKS_LATER: "Answer 202 for the pull requests of commits, as while they are being indexed.",
}

_SHORT = frozenset({"type", "id", "title", "links"})


def _is_gone(pull: PullRequest) -> bool:
    return pull.document["source"]["repository"] is None


def _commits(pull: PullRequest) -> list[Json]:
    """Newest first."""
    if _is_gone(pull):
        return []
    return [pull.repository.commits[digest].document for digest in reversed(pull.commits)]


def _list_commits(call: Call, pull: PullRequest) -> list[Json]:
    if _is_gone(pull):
        raise not_found("The source repository of this pull request no longer exists")
    return _commits(pull)


def _statuses_of(pull: PullRequest, digests: Iterable[str]) -> list[Json]:
    """Those that were reported under the name of its source branch."""
    branch = pull.document["source"]["branch"]["name"]
    commits = (pull.repository.commits[digest] for digest in digests)
    found = (status for commit in commits for status in commit.statuses.values())
    return [status for status in found if status["refname"] == branch]


def _statuses(pull: PullRequest) -> list[Json]:
    return _statuses_of(pull, [pull.source_hash])


def _list_statuses(call: Call, pull: PullRequest) -> list[Json]:
    if ALL_STATUSES in call.flags:
        return _statuses_of(pull, reversed(pull.commits))
    return _statuses(pull)


def _files(pull: PullRequest) -> list[Json]:
    return [] if _is_gone(pull) or pull.unrelated else diffstat(pull.repository, pull.commits)


def changes(call: Call, pull: PullRequest) -> Reply:
    """The way to what a pull request changes, which is told of its repository."""
    if _is_gone(pull):
        raise not_found("The source repository of this pull request no longer exists")
    if pull.unrelated:
        raise bad_request("The branches of this pull request have no common history")
    resource = call.url.rstrip("/").rpartition("/")[2]
    name = pull.repository.full_name
    spec = f"{name}:{pull.source_hash[:12]}\r{pull.destination_hash[:12]}"
    base = call.url[: call.url.index("/pullrequests/")]
    query = f"from_pullrequest_id={pull.document['id']}&topic=true"
    return Reply(302, headers={"Location": f"{base}/{resource}/{quote(spec, safe='/:')}?{query}"})


def _of_commit(commit: Commit) -> Iterator[Json]:
    for pull in commit.repository.pull_requests.values():
        if commit.hash in pull.commits:
            yield pull.document


def _list_of_commit(call: Call, commit: Commit) -> list[Json]:
    if LINKS_OFF in call.flags:
        raise not_found("Pull request commit links are not set up for this repository")
    if LINKS_LATER in call.flags:
        raise ApiError(Reply(202, {"type": "error", "error": {"message": "Indexing has begun"}}))
    return list(_of_commit(commit))


RESOURCES = (
    Resource(
        "pull_request_commits",
        PULL_REQUEST,
        "/commits",
        **READ,
        listing=Listing(PageRules(iterator=True), ignores_sort=True),
        kept=_commits,
        rows=_list_commits,
    ),
    Resource(
        "pull_request_statuses",
        PULL_REQUEST,
        "/statuses",
        **READ,
        listing=Listing(filters=STATUSES, sorts=STATUS_SORTS),
        kept=_statuses,
        rows=_list_statuses,
    ),
    Resource(
        "pull_request_diffstat",
        PULL_REQUEST,
        "/diffstat",
        **READ,
        listing=Listing(PageRules(default=500, largest=500)),
        kept=_files,
        redirect=changes,
    ),
    Resource(
        "commit_pull_requests",
        COMMIT,
        "/pullrequests",
        **READ,
        listing=Listing(PageRules(default=30), shown=_SHORT),
        kept=_of_commit,
        rows=_list_of_commit,
    ),
)
