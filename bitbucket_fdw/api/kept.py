"""Answers kept in memory for the length of one execution of a query.

A query may scan a table several times, or another one that the same listing leads to, and a
subquery is run for each row of another table. All of that shall see one moment, and not ask twice.
"""

from __future__ import annotations

import json
import threading
import time
from collections import OrderedDict
from concurrent.futures import Future
from typing import NamedTuple

from ..errors import NotFound
from .exchange import Answer

MOST = 2 * 1024 * 1024
"""Bytes of answers, as they came, and of their addresses, that one execution keeps."""

_OVERHEAD = 512  # bytes that an entry takes besides, more or less

Key = tuple[object, str]
"""Whose answer it is, which is a client's place (see :class:`Client`), and the address."""


class _Kept(NamedTuple):
    """What an address was answered with: a body, or 404."""

    outcome: bytes | NotFound
    status: int
    bytes: int
    at: float


class WriteCount:
    """How many writes of one backend have begun or ended. Used by all threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._value = 0

    @property
    def value(self) -> int:
        """The count; to be taken before a request is sent whose answer may be kept."""
        return self._value

    def advance(self) -> None:
        """Make all answers that are kept, or were asked for before now, count as old."""
        with self._lock:
            self._value += 1


class KeptAnswers:
    """The answers of one execution, the oldest of which are dropped for new ones.

    Used by all threads. A write of the backend, whichever execution it is of, makes all that is
    kept by any count as old.

    :param writes: counts the backend's writes.
    :param stale_after: seconds after which an answer counts as old too.
    :param most: bytes that are kept.
    """

    def __init__(
        self, writes: WriteCount, stale_after: float | None = None, most: int = MOST
    ) -> None:
        self.writes = writes
        self._stale_after = stale_after
        self._most = most
        self._answers: OrderedDict[Key, _Kept] = OrderedDict()
        self._bytes = 0
        self._generation = writes.value
        self._lock = threading.Lock()
        self._under_way: dict[Key, tuple[int, Future[Answer]]] = {}

    def count(self) -> int:
        """How many answers are kept. Not ``__len__``, by which an empty store would be false."""
        return len(self._answers)

    def under_way(self, key: Key) -> Future[Answer] | None:
        """The answer that an address will get, which was asked for since the last write."""
        with self._lock:
            writes, future = self._under_way.get(key, (0, None))
        return future if writes == self.writes.value else None

    def ask(self, key: Key, future: Future[Answer]) -> None:
        """Note that an address was asked for, until it is answered."""
        with self._lock:
            self._under_way[key] = (self.writes.value, future)
        future.add_done_callback(lambda done: self._answered(key, done))

    def _answered(self, key: Key, future: Future[Answer]) -> None:
        with self._lock:
            if self._under_way.get(key, (0, None))[1] is future:
                del self._under_way[key]

    def find(self, key: Key) -> Answer | NotFound | None:
        """What an address was answered with, made anew; ``None`` if that is not known."""
        with self._lock:
            self._drop_what_is_old()
            kept = self._answers.get(key)
        if kept is None:
            return None
        if isinstance(kept.outcome, NotFound):
            return kept.outcome.of_kind(NotFound)
        try:
            return Answer(json.loads(kept.outcome), len(kept.outcome), kept.status)
        except RecursionError:  # read here with less stack than a thread of its own has
            return None

    def keep(self, key: Key, outcome: Answer | NotFound, generation: int) -> None:
        """Keep the outcome of a request that was sent when there had been so many writes."""
        if isinstance(outcome, Answer):
            content: bytes | NotFound = outcome.content
            status, length = outcome.status, len(outcome.content)
            if not length:
                return
        else:
            content, status, length = outcome.of_kind(NotFound), 404, 0
        size = length + len(key[1]) + _OVERHEAD
        with self._lock:
            self._drop_what_is_old()
            if generation != self._generation or size > self._most:
                return
            self._forget(key)
            self._answers[key] = _Kept(content, status, size, time.monotonic())
            self._bytes += size
            while self._bytes > self._most:
                self._forget(next(iter(self._answers)))

    def _drop_what_is_old(self) -> None:
        now = self.writes.value
        if now != self._generation:
            self._generation = now
            self._answers.clear()
            self._bytes = 0
        if self._stale_after is None:
            return
        oldest_allowed = time.monotonic() - self._stale_after
        while self._answers:
            key = next(iter(self._answers))
            if self._answers[key].at >= oldest_allowed:
                return
            self._forget(key)

    def _forget(self, key: Key) -> None:
        kept = self._answers.pop(key, None)
        if kept is not None:
            self._bytes -= kept.bytes
