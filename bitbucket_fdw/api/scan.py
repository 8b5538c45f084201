"""What the requests of one scan share: workers, a budget of requests, and a way to stop."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import Cancelled, TooManyRequests
from .oauth_tokens import let_renewals_end

T = TypeVar("T")

SLICE = 0.05  # seconds between two looks at whether the statement was cancelled
RENEWAL_GRACE = 2.0  # seconds that a cancel waits for a token that is on its way


@contextmanager
def blocked_signals() -> Iterator[None]:
    """Threads started inside inherit a mask that blocks every signal.

    PostgreSQL's handlers set latches and flags of the backend and must run on its main thread.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class Workers:
    """A pool of threads that can be left behind.

    A request under way cannot be interrupted. When a statement is cancelled its threads are given
    up, to end with their requests, and the next statement gets new ones.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._pool: ThreadPoolExecutor | None = None

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._size, thread_name_prefix="bitbucket")
        with blocked_signals():
            return self._pool.submit(function, *args)

    def abandon(self) -> None:
        """Give up what is queued or running."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = None


class ScanContext:
    """One scan's budget, workers and stop signal.

    :param max_requests: how many requests the scan may make.
    :param interrupted: called on the main thread every :data:`SLICE` seconds while it waits; true
        once the statement should stop.
    :param fresh: answers must not come from the cache.
    """

    def __init__(
        self,
        workers: Workers,
        max_requests: int,
        interrupted: Callable[[], bool] = lambda: False,
        fresh: bool = False,
    ) -> None:
        self._workers = workers
        self._interrupted = interrupted
        self._lock = threading.Lock()
        self.max_requests = max_requests
        self.fresh = fresh
        self.requests = 0
        self.stopped = threading.Event()

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run ``function`` on a worker thread."""
        return self._workers.submit(function, *args)

    def wait(self, future: Future[T]) -> T:
        """The future's result, or :class:`Cancelled` soon after the statement was."""
        while not futures.wait([future], SLICE).done:
            self.check()
        return future.result()

    def check(self) -> None:
        """Raise :class:`Cancelled` if the statement should stop."""
        if self._interrupted():
            self.stop()
            let_renewals_end(RENEWAL_GRACE)
            self._workers.abandon()
            raise Cancelled("canceling statement while it waited for Bitbucket")

    def stop(self) -> None:
        """Tell worker threads that nobody waits for them any more."""
        self.stopped.set()

    def spend(self, count: int = 1) -> None:
        """Count requests about to be made; :class:`TooManyRequests` beyond the limit."""
        with self._lock:
            self.requests += count
            if self.requests > self.max_requests:
                raise too_many(self.max_requests, None)

    def afford(self, count: int) -> None:
        """:class:`TooManyRequests` if that many more requests would pass the limit."""
        if self.requests + count > self.max_requests:
            raise too_many(self.max_requests, self.requests + count)


def too_many(limit: int, needed: int | None) -> TooManyRequests:
    """The error for a scan that is too large; ``needed`` is the number it would take, if known."""
    takes = f"about {needed}" if needed else f"more than {limit}"
    return TooManyRequests(
        f"this scan would take {takes} requests, and max_requests is {limit}",
        hint="Narrow it down in WHERE, or raise the limit: ALTER SERVER … OPTIONS (ADD "
        "max_requests '…'), or SET where it is set already.",
    )
