"""The control endpoints under ``/_emulator``, which tests and benchmarks steer with.

They are not part of Bitbucket and not in the request log. See the package's README for the list.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from bitbucket_fdw.emulator.credentials import ANONYMOUS, SAMPLES, Credential
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.resources import RESOURCES
from bitbucket_fdw.emulator.store import Repository, Store

_LONGEST_LOG = 200_000


@dataclass
class Entry:
    """One request in the log; *in_flight* counts those under way when it came, itself included."""

    sequence: int
    method: str
    path: str
    query: str
    credential: str
    in_flight: int
    request_headers: list[str]
    status: int | None = None
    response_bytes: int = 0
    duration_ms: float = 0.0
    fault: str | None = None
    body: Any = field(default=None)


class RequestLog:
    """The requests in the order they came; the oldest go when there are too many."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_LONGEST_LOG)
        self._sequence = 0
        self._in_flight = 0

    def begin(self, method: str, path: str, query: str, headers: list[str]) -> Entry:
        """Note a request that has come."""
        self._sequence += 1
        self._in_flight += 1
        entry = Entry(self._sequence, method, path, query, ANONYMOUS.name, self._in_flight, headers)
        self._entries.append(entry)
        return entry

    def end(self) -> None:
        """Note that a request is over, however it ended."""
        self._in_flight -= 1

    def list(self, since: int = 0) -> list[Json]:
        """The entries after sequence number *since*."""
        return [asdict(entry) for entry in self._entries if entry.sequence > since]

    def clear(self) -> None:
        """Forget all entries; numbering goes on."""
        self._entries.clear()


def credential_list() -> list[Json]:
    """The sample credentials with their (fake) secrets, for tests to use."""

    def show(credential: Credential) -> Json:
        shown = asdict(credential)
        return {**shown, "scopes": sorted(credential.scopes)}

    return [show(credential) for credential in SAMPLES]


def state(store: Store, collection: str | None, full_name: str | None) -> Json:
    """All documents, as item requests would show them, by collection.

    Each row is ``{"workspace": …, "repository": …, …parent ids…, "document": …}``; *collection*
    and *full_name* narrow it down.
    """
    wanted: Json = {}
    for name, row in _rows(store, full_name):
        if collection in (None, name):
            wanted.setdefault(name, []).append(row)
    return wanted


def _rows(store: Store, full_name: str | None) -> Iterator[tuple[str, Json]]:
    for workspace in store.workspaces.values():
        place = {"workspace": workspace.slug}
        if full_name is None:
            yield "workspaces", {**place, "document": workspace.document}
            for document in workspace.members.values():
                yield "workspace_members", {**place, "document": document}
            for document in workspace.projects.values():
                yield "projects", {**place, "document": document}
        for repository in workspace.repositories.values():
            if full_name in (None, repository.full_name):
                yield from _repository_rows(repository)
    for resource in RESOURCES:
        for row in resource.state(store):
            if full_name in (None, f"{row['workspace']}/{row.get('repository')}"):
                yield resource.name, row


def _repository_rows(repository: Repository) -> Iterator[tuple[str, Json]]:
    place: Json = {"workspace": repository.workspace, "repository": repository.slug}
    yield "repositories", {**place, "document": repository.document}
    flat: dict[str, dict[Any, Json]] = {
        "branches": repository.branches,
        "tags": repository.tags,
        "components": repository.components,
        "milestones": repository.milestones,
        "versions": repository.versions,
        "downloads": repository.downloads,
        "hooks": repository.hooks,
    }
    for name, items in flat.items():
        for document in items.values():
            yield name, {**place, "document": document}
    yield from _commit_rows(repository, place)
    yield from _discussion_rows(repository, place)
    for uuid, pipeline in repository.pipelines.items():
        yield "pipelines", {**place, "document": pipeline.document}
        for document in pipeline.steps.values():
            yield "pipeline_steps", {**place, "pipeline_uuid": uuid, "document": document}


def _commit_rows(repository: Repository, place: Json) -> Iterator[tuple[str, Json]]:
    for commit in repository.commits.values():
        yield "commits", {**place, "document": commit.document}
        below = {**place, "commit": commit.hash}
        for document in commit.comments.values():
            yield "commit_comments", {**below, "document": document}
        for document in commit.statuses.values():
            yield "commit_statuses", {**below, "document": document}


def _discussion_rows(repository: Repository, place: Json) -> Iterator[tuple[str, Json]]:
    for number, pull in repository.pull_requests.items():
        yield "pull_requests", {**place, "document": pull.document, "conflicts": pull.conflicts}
        below = {**place, "pull_request_id": number}
        for document in pull.comments.values():
            yield "pull_request_comments", {**below, "document": document}
        for document in pull.tasks.values():
            yield "pull_request_tasks", {**below, "document": document}
    for number, issue in repository.issues.items():
        yield "issues", {**place, "document": issue.document}
        for document in issue.comments.values():
            yield "issue_comments", {**place, "issue_id": number, "document": document}
