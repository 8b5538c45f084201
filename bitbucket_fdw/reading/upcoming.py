"""The streams of a fan-out: which of them are under way while one of them is read."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator

from .streams import Stream
from .turns import Turns


class Upcoming:
    """Gives streams one after another, the following ones with their first requests sent.

    :param streams: in the order in which their rows are wanted. They are made as they are needed.
    :param concurrency: how many of them may wait for an answer at a time.
    :param every: whether all rows of all of them are surely wanted. If not, there is one at first,
        and more the further the reader goes. So one that stops after the first stream has not
        caused requests for eight of them.
    :param turns: of scans that are read after these streams.
    """

    def __init__(
        self, streams: Iterable[Stream], concurrency: int, every: bool, turns: Turns
    ) -> None:
        self._source = iter(streams)
        self._concurrency = concurrency
        self._every = every
        self._turns = turns
        self._waiting: deque[Stream] = deque()

    def __iter__(self) -> Iterator[Stream]:
        turns = self._turns
        width = self._concurrency if self._every else min(turns.width, self._concurrency)
        try:
            while True:
                self._start(width)
                if not self._waiting:
                    return
                turns.go_on(len(self._waiting))
                present = self._waiting.popleft()
                present.between_pages = self._go_on
                yield present
                turns.grow()
                width = min(2 * width, self._concurrency)
        finally:
            turns.end()

    def _go_on(self) -> None:
        """Ask for more while the present stream waits for a further page of its own.

        The streams that wait were sent their requests together with the first of the present one,
        and are answered by now, or nearly. So there is room for as many again. At most twice as
        many first pages are held as requests may be under way.
        """
        for stream in self._waiting:
            stream.go_on()
        if self._every:
            self._start(2 * self._concurrency - 1)
            self._turns.go_on(max(1, len(self._waiting) + 1 - self._concurrency))

    def _start(self, most: int) -> None:
        for stream in itertools.islice(self._source, max(0, most - len(self._waiting))):
            stream.start()
            self._waiting.append(stream)
