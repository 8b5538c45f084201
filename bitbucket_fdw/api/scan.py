"""What the requests of one scan share: workers, a budget of requests, and a way to stop."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from ..errors import Cancelled, TooManyRequests
from .clock import Clock
from .flights import Flight
from .kept import KeptAnswers
from .made import Tally
from .oauth_tokens import Renewals

T = TypeVar("T")

SLICE = 0.05  # seconds between two looks at whether the statement was cancelled
RENEWAL_GRACE = 2.0  # seconds that a cancel waits for a token that is on its way


# The C library's own functions: Python's pthread_sigmask makes a set of some sixty objects each
# time. That was most of what it took to hand a request to a thread (0.14 of 0.16 milliseconds).
_C_LIBRARY = ctypes.PyDLL(None)
_SignalSet = ctypes.c_byte * 128  # as long as a sigset_t is on any system, or longer
_EVERY_SIGNAL = _SignalSet()
_C_LIBRARY.sigfillset(_EVERY_SIGNAL)


@contextmanager
def blocked_signals() -> Iterator[None]:
    """Threads started inside inherit a mask that blocks every signal.

    PostgreSQL's handlers set latches and flags of the backend and must run on its main thread.
    """
    before = _SignalSet()
    _C_LIBRARY.pthread_sigmask(signal.SIG_SETMASK, _EVERY_SIGNAL, before)
    try:
        yield
    finally:
        _C_LIBRARY.pthread_sigmask(signal.SIG_SETMASK, before, None)


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


class Budget:
    """How many requests may be made; shared by scans that are one in the eyes of a statement.

    A join or a subquery may scan a table once for each row of another. ``scans`` tells how often.
    ``option`` is what sets the limit, and ``hint`` how to change it.
    """

    option = "max_requests"
    hint = (
        "To read it all the same, raise the limit, as the server's owner can: ALTER SERVER … "
        "OPTIONS (ADD max_requests '…'), or SET where it is set already."
    )

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.spent = 0
        self.scans = 0
        self._lock = threading.Lock()

    def spend(self, count: int) -> None:
        """Count requests about to be made; :class:`TooManyRequests` beyond the limit."""
        with self._lock:
            self.spent += count
            if self.spent > self.limit:
                raise self._too_many("more than", self.limit)

    def has_room(self, count: int) -> bool:
        """Whether so many more requests are within the limit."""
        return self.spent + count <= self.limit

    def afford(self, count: int, estimate: Callable[[], int] | None = None) -> None:
        """:class:`TooManyRequests` if that many different requests more would pass the limit.

        Those of an earlier scan may be answered from what the execution keeps.

        :param estimate: about how many requests the scan takes in all, where ``count`` is only how
            many it takes at the least; called if these are too many.
        """
        before = self.spent if self.scans <= 1 else 0
        if before + count <= self.limit:
            return
        least = before + count
        about = least if estimate is None else estimate()
        # An estimate below that has turned out to be wrong.
        below, number = ("about", about) if about >= least else ("more than", least - 1)
        raise self._too_many(below, number)

    def _too_many(self, how: str, number: int) -> TooManyRequests:
        requests = "request" if number == 1 else "requests"
        return TooManyRequests(
            f"this scan would take {how} {number} {requests}, and {self.option} is {self.limit}",
            detail=self._detail(),
            hint=self.hint,
        )

    def _detail(self) -> str | None:
        if self.scans <= 1:
            return None
        return (
            f"A join or a subquery has run it {self.scans} times so far, once for each row of "
            "another table; all of them count."
        )


class PreviewBudget(Budget):
    """How many requests may be made to show some rows; beside the other budget.

    :param stops: whether a scan ends with an error at the request that would exceed the limit.
        Otherwise the limit is only for what is known before the requests are made.
    """

    option = "preview_requests"
    hint = (
        "To read it all the same, raise the limit, or lift it by '0'. The table's owner can: ALTER "
        "FOREIGN TABLE … OPTIONS (ADD preview_requests '…'). For all tables, the server's owner "
        "can: ALTER SERVER."
    )

    def __init__(self, limit: int, stops: bool) -> None:
        super().__init__(limit)
        self.stops = stops

    def spend(self, count: int) -> None:
        """As :meth:`Budget.spend`, if the scan is to end there."""
        if self.stops:
            super().spend(count)
        else:
            with self._lock:
                self.spent += count

    def has_room(self, count: int) -> bool:
        """As :meth:`Budget.has_room`; without end if the scan does not end there."""
        return not self.stops or super().has_room(count)

    def _detail(self) -> str:
        made = min(self.spent, self.limit)
        told = "1 request was made." if made == 1 else f"{made} requests were made."
        return " ".join(filter(None, (told, super()._detail())))


def _is_done_within(future: Future[Any], seconds: float) -> bool:
    """Whether a future is done, now or after at most so many seconds."""
    try:
        # Of all ways to wait for one future this is the one that costs least.
        future.exception(seconds)
    except futures.CancelledError:
        return True
    except futures.TimeoutError:
        return future.done()
    return True


class ScanContext:
    """One scan's budget, workers and stop signal.

    :param budget: how many requests the scan may make, or a budget that it shares.
    :param preview: how many of these may be made to show some rows; ``None`` for all.
    :param interrupted: called on the main thread every :data:`SLICE` seconds while it waits; true
        once the statement should stop.
    :param notice: called on the main thread while it waits, with what a worker has to say.
    :param fresh: answers must not come from the cache.
    :param kept: answers of the execution that the scan is part of; ``None``: none are kept.
    :param renewals: of tokens, which a cancelled statement waits for before it gives up threads.
    :param clock: what it waits by.
    :param about: what the requests are made for, such as a table's name.
    :param asker: who asks; whatever shall be found again in what is told of the requests.
    :param tally: sums up the requests.
    :param meanwhile: called on the main thread whenever it waits, and each time it has waited.
    :param ahead: it sends requests before its rows are wanted; see :meth:`begin`.
    :param settle: called on the main thread when its requests were ended.
    """

    def __init__(
        self,
        workers: Workers,
        budget: int | Budget,
        interrupted: Callable[[], bool] = lambda: False,
        fresh: bool = False,
        notice: Callable[[str], None] = lambda _: None,
        kept: KeptAnswers | None = None,
        renewals: Renewals | None = None,
        clock: Clock | None = None,
        about: str = "",
        asker: object = None,
        tally: Tally | None = None,
        meanwhile: Callable[[], None] = lambda: None,
        preview: PreviewBudget | None = None,
        ahead: bool = False,
        settle: Callable[[ScanContext], None] = lambda _: None,
    ) -> None:
        self._settle = settle
        self.clock = clock or Clock()
        self.about = about
        self.asker = asker
        self.tally = tally or Tally()
        self._meanwhile = meanwhile
        self._renewals = renewals
        self._workers = workers
        self._interrupted = interrupted
        self._budget = budget if isinstance(budget, Budget) else Budget(budget)
        self.preview = preview
        self.fresh = fresh
        self.kept = kept
        self.stopped = threading.Event()
        self._notice = notice
        self._said: list[str] = []
        self._quiet_until = 0.0
        self._flights: set[Flight] = set()
        self._kept: set[Flight] = set()
        self._lock = threading.Lock()
        if not ahead:
            self.begin()

    def begin(self) -> None:
        """Count among the scans of its budgets. One that is ``ahead`` does so when it is read."""
        self._budget.scans += 1
        if self.preview is not None:
            self.preview.scans += 1

    def submit(self, function: Callable[..., T], *args: Any) -> Future[T]:
        """Run ``function`` on a worker thread."""
        return self._workers.submit(function, *args)

    def wait(self, future: Future[T]) -> T:
        """The future's result, or :class:`Cancelled` soon after the statement was."""
        since = self.clock.now()
        while not _is_done_within(future, SLICE):
            since = self._count_waiting(since)
            self.check()
        self._count_waiting(since)
        self._meanwhile()
        return future.result()

    def _count_waiting(self, since: float) -> float:
        now = self.clock.now()
        self.tally.wait(now - since)
        return now

    def check(self) -> None:
        """Raise :class:`Cancelled` if the statement should stop; end what takes too long."""
        with self._lock:
            said, self._said = self._said, []
            overdue = [flight for flight in self._flights | self._kept if flight.overdue]
        for flight in overdue:
            flight.abort()
        for message in said:
            self._notice(message)
        self._meanwhile()
        if self._interrupted():
            self.stop()
            if self._renewals is not None:
                self._renewals.let_end(RENEWAL_GRACE)
            self._workers.abandon()
            raise Cancelled("canceling statement while it waited for Bitbucket")

    def pause(self, seconds: float) -> None:
        """Wait on the main thread, or until the statement should stop: then :class:`Cancelled`."""
        since = self.clock.now()
        until = since + seconds
        while since < until:
            self.check()
            self.clock.sleep(SLICE)
            since = self._count_waiting(since)

    def say(self, message: str, seconds: float) -> None:
        """Have a message told, from any thread; one for all that is to be said for so long."""
        with self._lock:
            if self.clock.now() >= self._quiet_until:
                self._quiet_until = self.clock.now() + seconds / 2
                self._said.append(message)

    def stop(self) -> None:
        """Tell worker threads that nobody waits for them any more, and end their requests.

        Changes are under way until they are answered: what became of them has to be known.
        """
        self.stopped.set()
        with self._lock:
            flights = list(self._flights)
        for flight in flights:
            flight.abort()
        if flights:
            self._settle(self)

    @contextmanager
    def flight(self, seconds: float, kept: bool = False) -> Iterator[Flight]:
        """A request that a worker makes inside, and that may take so many seconds.

        :param kept: it goes on when the scan is stopped.
        """
        flight = Flight(seconds)
        flights = self._kept if kept else self._flights
        with self._lock:
            flights.add(flight)
        try:
            if self.stopped.is_set() and not kept:
                raise Cancelled("the scan has ended")
            yield flight
        finally:
            with self._lock:
                flights.discard(flight)

    def spend(self, count: int = 1) -> None:
        """As :meth:`Budget.spend`, of each of the budgets."""
        if self.preview is not None:
            self.preview.spend(count)
        self._budget.spend(count)

    def redirected(self) -> None:
        """Count a request that a redirect within the API leads to."""
        self.spend()
        self.tally.begin()

    def has_room(self, count: int) -> bool:
        """Whether so many more requests are within each of the budgets."""
        return self._budget.has_room(count) and (
            self.preview is None or self.preview.has_room(count)
        )

    def afford(self, count: int, estimate: Callable[[], int] | None = None) -> None:
        """As :meth:`Budget.afford`."""
        self._budget.afford(count, estimate)

    @property
    def requests(self) -> int:
        """How many of the budget's requests have been made."""
        return self._budget.spent
