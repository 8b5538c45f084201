"""Scans that are read one after another, and whose first requests are sent before their turn.

A join that looks up keys of several repositories makes a scan for each of them. Each would wait for
its own answers if it began only when the one before it has ended.
"""

from __future__ import annotations

from collections import deque
from typing import Protocol

_WIDEST = 64  # as many as option concurrency may say


class Waiting(Protocol):
    """A scan that waits for its turn."""

    @property
    def started(self) -> int:
        """How many requests it has sent ahead."""

    @property
    def over(self) -> bool:
        """Whether nobody wants its rows any more."""

    def start_more(self, most: int) -> None:
        """Send up to so many of its first requests, as far as all of them will be wanted."""


class Turns:
    """The scans of one node of a plan that wait for their turn, in the order of their turns.

    Used on the main thread alone.

    :param concurrency: how many requests may be under way at a time; 0 for none before their turn.
    :param certain: whether the turn of each of them will come. If not, how many may be under way
        grows with what was read.

    ``width`` is how many streams a scan of which not all rows may be wanted begins with.
    """

    def __init__(self, concurrency: int = 0, certain: bool = False) -> None:
        self._concurrency = concurrency
        self._waiting: deque[Waiting] = deque()
        self._under_way = 0  # of the scan that is read
        self._certain = certain
        self._width = 1

    @property
    def width(self) -> int:
        # That the next scan will be read does not say that all of it will.
        return 1 if self._certain else self._width

    def enter(self, scan: Waiting) -> None:
        """Have a scan wait, and begin with it if there is room."""
        self._waiting.append(scan)
        self.go_on(self._under_way)

    def leave(self, scan: Waiting) -> None:
        """Be told that a scan's turn has come."""
        if scan in self._waiting:
            self._waiting.remove(scan)

    def grow(self) -> None:
        """Be told that a listing was read to its end."""
        self._width = min(2 * self._width, _WIDEST)

    def go_on(self, under_way: int) -> None:
        """Have the scans send their first requests, as many as there is room for.

        :param under_way: how many are of the scan that is read.
        """
        self._under_way = under_way
        self._waiting = deque(scan for scan in self._waiting if not scan.over)
        room = self._concurrency if self._certain else min(self._width, self._concurrency)
        room -= under_way
        for scan in self._waiting:
            if scan.started < room:
                scan.start_more(room - scan.started)
            room -= scan.started
            if room <= 0:
                return

    def end(self) -> None:
        """Be told that the scan that was read has ended."""
        self._under_way = 0
