"""Pages of a listing that are asked for before the pages in front of them were read.

Where a listing tells its size and numbers its pages, the addresses of all of them are known once
the first one has come. So they are asked for side by side. What they answer is checked by
``paging``, which goes on page by page where the numbers turn out not to be what they seem.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import NamedTuple

from .exchange import Answer


class Window:
    """How many pages a scan may ask for, or hold, ahead of what its consumer has come to.

    Shared by all listings of the scan, so that it bounds the scan's memory. It is used on the main
    thread alone.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._used = 0

    @property
    def free(self) -> int:
        """How many more pages there is room for."""
        return self.size - self._used

    def enter(self) -> bool:
        """Whether there was room for one more page, which is taken now."""
        if self.free <= 0:
            return False
        self._used += 1
        return True

    def leave(self) -> None:
        """Give the room of one page back."""
        self._used -= 1


class Asked(NamedTuple):
    """A page that was asked for.

    :param ahead: whether its address was made from its number, before a link to it was seen.
    """

    url: str
    answer: Future[Answer]
    ahead: bool = False


class PagesAhead:
    """The later pages of one listing, as far as they can be asked for by number.

    :param numbers: of the pages, in order.
    :param ask: sends the request for a page.
    """

    def __init__(self, numbers: range, ask: Callable[[int], Asked], window: Window) -> None:
        self._numbers = numbers
        self._ask = ask
        self._window = window
        self._asked: deque[tuple[int, Asked]] = deque()

    def fill(self, most: int) -> None:
        """Ask for the next pages, until so many wait or the window has no room."""
        while self._numbers and len(self._asked) < most and self._window.enter():
            number, self._numbers = self._numbers[0], self._numbers[1:]
            self._asked.append((number, self._ask(number)))

    def take(self, number: int) -> Asked | None:
        """A page that was asked for; ``None`` if it was not, and is now for others to ask for."""
        if self._asked and self._asked[0][0] == number:
            self._window.leave()
            return self._asked.popleft()[1]
        if self._numbers and self._numbers[0] == number:
            self._numbers = self._numbers[1:]
        else:
            self.forget(go_on=False)
        return None

    def forget(self, *, go_on: bool) -> None:
        """Give up the pages that were asked for. Requests that have not begun are not made.

        :param go_on: whether to ask for pages again; else for none any more.
        """
        first = self._asked[0][0] if self._asked else self._numbers.start
        self._numbers = range(first, self._numbers.stop) if go_on else range(0)
        while self._asked:
            self._asked.pop()[1].answer.cancel()
            self._window.leave()
