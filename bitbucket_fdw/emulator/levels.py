"""The records that collections hang below, from a workspace down.

A :class:`Level` knows how a request names such a record and how to visit them all. Reads, writes,
sample data and ``/_emulator/state`` share it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.errors import Json, not_found
from bitbucket_fdw.emulator.store import PullRequest, Store


@dataclass(frozen=True)
class Level:
    """One kind of record.

    :param template: its address
    :param find: gives the record that a request's path names; raises 404 where there is none
    :param records: gives the records within one of the level above, or within the store at the top
    :param key: gives what tells a record from the others beside it
    :param variable: the path variable that holds the key
    :param place: the member that holds the key in the rows of ``/_emulator/state``
    :param above: the level above; None at the top
    """

    template: str
    find: Callable[[Call], Any]
    records: Callable[[Any], Iterable[Any]]
    key: Callable[[Any], Any]
    variable: str
    place: str
    above: Level | None = None

    def walk(self, store: Store) -> Iterator[tuple[Json, Any]]:
        """Every record of this level, each with its place: the keys from the workspace down."""
        outer = [({}, store)] if self.above is None else self.above.walk(store)
        for place, record in outer:
            for found in self.records(record):
                yield {**place, self.place: self.key(found)}, found

    def address(self, place: Json) -> str:
        """The address of the record at *place*."""
        path = self.template
        level: Level | None = self
        while level is not None:
            value = quote(str(place[level.place]), safe="")
            path, level = path.replace(f"{{{level.variable}}}", value), level.above
        return path


def pull_request_of(call: Call) -> PullRequest:
    """The pull request in the path; 404 when there is none."""
    number = call.number("pull_request_id", "Pull request")
    found = call.repository().pull_requests.get(number)
    if found is None:
        raise not_found(f"Pull request {number} not found")
    return found


WORKSPACE = Level(
    "/workspaces/{workspace}",
    Call.workspace,
    lambda store: store.workspaces.values(),
    lambda workspace: workspace.slug,
    "workspace",
    "workspace",
)
REPOSITORY = Level(
    "/repositories/{workspace}/{repo_slug}",
    Call.repository,
    lambda workspace: workspace.repositories.values(),
    lambda repository: repository.slug,
    "repo_slug",
    "repository",
    WORKSPACE,
)
PULL_REQUEST = Level(
    f"{REPOSITORY.template}/pullrequests/{{pull_request_id}}",
    pull_request_of,
    lambda repository: repository.pull_requests.values(),
    lambda pull: pull.document["id"],
    "pull_request_id",
    "pull_request_id",
    REPOSITORY,
)
