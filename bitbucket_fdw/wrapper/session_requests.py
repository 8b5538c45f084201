"""The last requests of the session, for ``bitbucket.requests`` and for PostgreSQL's log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timezone
from typing import Any, NamedTuple

from ..api import Made

MOST = 1000
"""Requests that are remembered: as many as ``max_requests`` lets one scan make by default."""


class Shown(NamedTuple):
    """A row of ``bitbucket.requests``."""

    made_at: str
    table_name: str | None
    method: str
    path: str
    query: str | None
    status: int | None
    bytes: int
    milliseconds: int
    cached: bool
    retries: int
    error: str | None


class SessionRequests:
    """What a session has asked, the newest :data:`MOST` requests of it. Used by all threads."""

    def __init__(self) -> None:
        self._made: deque[Made] = deque(maxlen=MOST)
        self._to_log: deque[Made] = deque(maxlen=MOST)

    def add(self, made: Made) -> None:
        """Remember a request that is over."""
        self._made.append(made)
        if made.wants_log:
            self._to_log.append(made)

    def take_unlogged(self) -> Iterator[Made]:
        """Those that are to be logged and were not taken before."""
        while self._to_log:
            yield self._to_log.popleft()

    def rows(
        self, may_see: Callable[[Made], bool], redact: Callable[[str], str]
    ) -> Iterator[Mapping[str, Any]]:
        """Rows of ``bitbucket.requests``, the oldest first.

        :param may_see: whether the current user may see a request.
        :param redact: takes out secrets that were not known yet when the request was made.
        """
        for made in filter(may_see, list(self._made)):
            yield Shown(
                made_at=datetime.fromtimestamp(made.began, timezone.utc).isoformat(),
                table_name=made.about or None,
                method=made.method,
                path=redact(made.path),
                query=redact(made.query) or None,
                status=made.status,
                bytes=made.bytes,
                milliseconds=round(made.seconds * 1000),
                cached=made.cached,
                retries=made.repeats,
                error=redact(made.error) if made.error else None,
            )._asdict()


def log_line(made: Made) -> str:
    """A request as a line of the log."""
    address = f"{made.path}?{made.query}" if made.query else made.path
    notes = [
        f"{made.status or 'no answer'}",
        f"{made.bytes} bytes",
        f"{made.seconds * 1000:.0f} ms",
    ]
    if made.cached:
        notes.append("from the cache")
    if made.repeats:
        notes.append(f"repeated {made.repeats} times" if made.repeats > 1 else "repeated once")
    if made.error:
        notes.append(made.error)
    about = f"{made.about}: " if made.about else ""
    return f"bitbucket_fdw: {about}{made.method} {address}: {', '.join(notes)}"
