"""The streams of a fan-out: which of them are under way while one of them is read."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Iterator

from ..api import Window
from .streams import Stream
from .turns import Turns


class Upcoming:
    """Gives streams one after another, the following ones with their first requests sent.

    :param streams: in the order in which their rows are wanted. They are made as they are needed.
    :param window: of the scan, for further pages. As many first requests are sent at once.
    :param every: whether all rows of all of them are surely wanted. If not, there is one at first,
        and more the further the reader goes. So one that stops after the first stream has not
        caused requests for eight of them.
    :param turns: of scans that are read after these streams.
    """

    def __init__(
        self, streams: Iterable[Stream], window: Window, every: bool, turns: Turns
    ) -> None:
        self._source = iter(streams)
        self._concurrency = window.size
        self._window = window
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
                if self._every:
                    self._go_on()
                width = min(2 * width, self._concurrency)
        finally:
            turns.end()

    def _go_on(self) -> None:
        """Ask for more, since the present stream is about to wait, or has ended.

        It has asked for its own further pages by then. Next are those of the streams whose first
        page has come, and then first pages: so many that no request has to wait for the reader
        while there is something to ask for. Those that fit into the window are among them, as long
        as no further pages do. So at most three times as many first pages are held as requests may
        be under way.
        """
        for stream in self._waiting:
            stream.go_on()
        if self._every:
            self._start(2 * self._concurrency - 1 + self._window.free)
            self._turns.go_on(max(1, len(self._waiting) + 1 - self._concurrency))

    def _start(self, most: int) -> None:
        for stream in itertools.islice(self._source, max(0, most - len(self._waiting))):
            stream.start()
            self._waiting.append(stream)
