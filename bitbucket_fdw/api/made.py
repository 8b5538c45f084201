"""What came of each request, for whoever shows what a session has asked; and sums of that.

A request is told of once it is over, with all of its repetitions. Answers that an execution keeps
in memory are no requests. Requests for tokens go elsewhere and are not told of.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from ..errors import BitbucketError, Cancelled
from ..plain_text import shortened
from .exchange import Answer, Failed

_LONGEST = 4000  # characters of a path or a query: addresses that are sent stay below


class Made(NamedTuple):
    """A request that is over.

    :param began: seconds since 1970.
    :param about: what it was made for, as the scan says; mostly a table's name.
    :param asker: who asked, as the scan says.
    :param query: as it was sent, encoded.
    :param status: of the last answer; ``None`` if there was none.
    :param bytes: of all answers' bodies, decoded.
    :param seconds: from the beginning to the end, pauses between repetitions among them.
    :param cached: the answer is one that sessions share, and nothing was sent.
    :param repeats: how often it was made again.
    :param error: why there is no answer in the end.
    :param wants_log: whether the server's options want it in the log.
    """

    began: float
    about: str
    asker: object
    method: str
    path: str
    query: str
    status: int | None
    bytes: int
    seconds: float
    cached: bool
    repeats: int
    error: str | None
    wants_log: bool


@dataclass
class Tally:
    """What requests add up to. Used by all threads.

    :param within: a sum that this one is part of.

    ``requests`` counts those that have begun, and those that redirects within the API led to, as
    ``max_requests`` does. The others count what came of those that are over:
    ``pages`` those answered with a page of a listing, ``cached`` those that nothing was sent for.
    ``kept`` is what needed no request because the execution keeps the answer. ``waited`` is how
    many seconds the statement itself has waited.
    """

    within: Tally | None = None
    requests: int = 0
    repeats: int = 0
    cached: int = 0
    pages: int = 0
    bytes: int = 0
    kept: int = 0
    waited: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def begin(self) -> None:
        """Count a request that begins."""
        with self._lock:
            self.requests += 1
        if self.within is not None:
            self.within.begin()

    def add(self, made: Made, is_page: bool) -> None:
        """Add what came of a request that is over."""
        with self._lock:
            self.repeats += made.repeats
            self.cached += made.cached
            self.pages += is_page
            self.bytes += made.bytes
        if self.within is not None:
            self.within.add(made, is_page)

    def found(self) -> None:
        """Count an answer that was kept. On the statement's own thread only."""
        self.kept += 1
        if self.within is not None:
            self.within.found()

    def wait(self, seconds: float) -> None:
        """Add to what was waited. On the statement's own thread only."""
        self.waited += seconds
        if self.within is not None:
            self.within.wait(seconds)


class Making:
    """A request that is under way: what is known of it so far.

    :param now: tells seconds; good for differences only.
    """

    def __init__(self, method: str, path: str, query: str, now: Callable[[], float]) -> None:
        self._place = (method, path, query)
        self._now = now
        self._began = now()
        self._began_at = time.time()
        self._attempts = 0
        self._status: int | None = None
        self._bytes = 0
        self._cached = False
        self._error: str | None = None
        self._left = False
        self.is_page = False

    def take(self, outcome: Answer | Failed) -> None:
        """Be told what came of an attempt."""
        self._attempts += 1
        if isinstance(outcome, Answer):
            self._status, self._error = outcome.status, None
            self._bytes += outcome.size
            self._cached = outcome.cached
            self.is_page = isinstance(outcome.json, dict) and "values" in outcome.json
        else:
            response = outcome.response
            self._status, self._error = outcome.error.status, outcome.error.message
            self._bytes += len(response.content) if response is not None else 0

    def leave(self) -> None:
        """Be told that nobody waits for it any more: then its failure is none."""
        if self._error is not None:
            self._left, self._error = True, "the scan ended before its answer came"

    def fail(self, error: BaseException) -> None:
        """Be told of an error that is no answer's."""
        if isinstance(error, Cancelled):
            self._error = "cancelled" if self._attempts else None
        elif isinstance(error, BitbucketError):
            self._error = self._error or error.message
            self._attempts = self._attempts or 1
        else:
            self._error = type(error).__name__

    def made(
        self, about: str, asker: object, log: str, redact: Callable[[str], str]
    ) -> Made | None:
        """What is to be told; ``None`` if nothing was sent.

        :param log: the server's option ``log_requests``.
        :param redact: takes secrets out: an answer's link to the next page may have any text.
        """
        if not self._attempts:
            return None
        method, path, query = self._place
        repeats = self._attempts - 1
        failed = (self._error is not None and not self._left) or repeats > 0
        return Made(
            self._began_at,
            about,
            asker,
            method,
            shortened(redact(path), _LONGEST),
            shortened(redact(query), _LONGEST),
            self._status,
            self._bytes,
            self._now() - self._began,
            self._cached,
            repeats,
            redact(self._error) if self._error else None,
            log == "all" or (log == "errors" and failed),
        )
