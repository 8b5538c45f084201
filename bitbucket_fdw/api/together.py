"""A client's share of the requests that all sessions of its credential may have under way.

Without server option ``max_concurrency`` nothing is bounded, and nothing waits.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator

from ..between_sessions.slots import Slots
from ..errors import Cancelled
from .exchange import Settings
from .notes import Notes
from .scan import SLICE, ScanContext

_FIRST_PAUSE, _LONGEST_PAUSE = 0.001, 0.01  # seconds between two looks for a free place
_PATIENCE = 10.0  # seconds after which it is said that a statement waits
_MOMENT, _MOMENTS = 0.005, 100  # seconds between two looks if ended requests have made room


class Together:
    """Lets requests go out as far as those of other sessions leave room. Used by all threads.

    :param identity: the credential's digest.
    :param notes: where it is said that this session's requests are not bounded.
    """

    def __init__(self, settings: Settings, identity: str, notes: Notes) -> None:
        self._most = settings.max_concurrency
        self._notes = notes
        self._lock = threading.Lock()
        self._held: Counter[ScanContext] = Counter()
        self._first = threading.Lock()  # held by the one thread that waits for other sessions
        directory = Slots.default_directory() if self._most else None
        self._slots = (
            None if directory is None else Slots(directory, settings.base_url, identity, self._most)
        )

    @contextlib.contextmanager
    def request(self, scan: ScanContext) -> Iterator[None]:
        """A request is made inside. Blocks until there is room; to be called on a worker thread.

        Whoever waits holds nothing that another request waits for. Raises :class:`Cancelled` once
        the scan ends.
        """
        slots, number = self._slots, None
        if slots is not None:
            try:
                number = self._wait(slots, scan)
            except OSError as error:
                self._do_without(error)
        if slots is None or number is None:
            yield
            return
        with self._lock:
            self._held[scan] += 1
        try:
            yield
        finally:
            slots.give_back(number)
            with self._lock:
                self._held[scan] -= 1
                if not self._held[scan]:
                    del self._held[scan]

    def settle(self, scan: ScanContext) -> None:
        """Wait until the requests of a scan have made room, which were ended: a moment, at most.

        Some hosts let no worker thread run until the session's next statement. Other sessions would
        wait for it.
        """
        for _ in range(_MOMENTS):
            with self._lock:
                if scan not in self._held:
                    return
            time.sleep(_MOMENT)

    def _wait(self, slots: Slots, scan: ScanContext) -> int:
        while not self._first.acquire(timeout=SLICE):
            _check(scan)
        try:
            return self._wait_for_others(slots, scan)
        finally:
            self._first.release()

    def _wait_for_others(self, slots: Slots, scan: ScanContext) -> int:
        pause, told = _FIRST_PAUSE, scan.clock.now() + _PATIENCE
        try:
            while (number := slots.take()) is None:
                if scan.clock.now() >= told:
                    scan.say(self._message(), _PATIENCE)
                    told += _PATIENCE
                scan.clock.wait(scan.stopped, pause)
                _check(scan)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
            return number
        finally:
            slots.leave()

    def _message(self) -> str:
        return (
            f"all of the credential's {self._most} requests at a time (max_concurrency) are under "
            "way in other sessions: waiting"
        )

    def _do_without(self, error: OSError) -> None:
        """Go on without a bound, and say so once. No statement fails for it."""
        if self._slots is None:
            return
        self._slots = None
        self._notes.add(
            "the requests of this session are not bounded by max_concurrency",
            detail=f"The directory for the locks cannot be used: {error.strerror}.",
            hint="The environment variable BITBUCKET_FDW_REQUESTS of the PostgreSQL server names "
            "another one.",
        )


def _check(scan: ScanContext) -> None:
    if scan.stopped.is_set():
        raise Cancelled("the scan has ended")
