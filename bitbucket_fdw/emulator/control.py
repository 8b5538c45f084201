"""The control endpoints under ``/_emulator``, which tests and benchmarks steer with.

They are not part of Bitbucket and not in the request log. See the package's README for the list.
"""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass, field
from typing import Any

from bitbucket_fdw.emulator.credentials import ANONYMOUS, SAMPLES, Credential
from bitbucket_fdw.emulator.errors import Json
from bitbucket_fdw.emulator.resources import RESOURCES
from bitbucket_fdw.emulator.store import Store

_LONGEST_LOG = 200_000


@dataclass
class Entry:
    """One request in the log.

    :param sequence: its number since the start.
    :param path: as it was sent, still encoded.
    :param credential: the name of the sample credential.
    :param in_flight: how many requests of the log were under way when it came, itself included.
    :param request_headers: the names of its headers.
    :param status: the status of the answer; None until there is one.
    :param fault: the kind of the fault that struck it.
    :param body: the JSON of a write.
    """

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
        self._under_way: set[int] = set()

    def begin(self, method: str, path: str, query: str, headers: list[str]) -> Entry:
        """Note a request that has come."""
        self._sequence += 1
        self._under_way.add(self._sequence)
        in_flight = len(self._under_way)
        entry = Entry(self._sequence, method, path, query, ANONYMOUS.name, in_flight, headers)
        self._entries.append(entry)
        return entry

    def end(self, entry: Entry) -> None:
        """Note that a request is over, however it ended."""
        self._under_way.discard(entry.sequence)

    def list(self, since: int = 0) -> list[Json]:
        """The entries after sequence number ``since``."""
        return [asdict(entry) for entry in self._entries if entry.sequence > since]

    def clear(self) -> None:
        """Forget all entries; numbering goes on.

        What is still under way is a slow answer that nobody waits for any more.
        """
        self._entries.clear()
        self._under_way.clear()


def credential_list() -> list[Json]:
    """The sample credentials with their (fake) secrets, for tests to use."""

    def show(credential: Credential) -> Json:
        shown = asdict(credential)
        return {**shown, "scopes": sorted(credential.scopes)}

    return [show(credential) for credential in SAMPLES]


def state(store: Store, collection: str | None, full_name: str | None) -> Json:
    """All documents, as item requests would show them, by collection.

    :param collection: only this one; all of them where it is None.
    :param full_name: only what is below this repository (``workspace/slug``).
    :returns: for each collection its rows, ``{"workspace": …, "repository": …, …parent ids…,
        "document": …}``.
    """
    wanted: Json = {}
    for resource in RESOURCES:
        if collection in (None, resource.name):
            for row in resource.state(store):
                if full_name in (None, f"{row.get('workspace')}/{row.get('repository')}"):
                    wanted.setdefault(resource.name, []).append(row)
    return wanted
