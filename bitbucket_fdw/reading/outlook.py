"""How many requests a scan still has to make, as far as the listings of its parents tell.

Nothing here makes a request. What is counted is certain: a listing's size, and the rows that have
been read. It may turn out to be more, because most listings of parents are not read yet, and some
do not tell their size.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..pushdown.plan import Plan

EARLY = 3
"""After so many requests it is first judged whether a scan under a LIMIT gets to its end in time.

Two more may then be under way. So a scan of which that is known early is refused after five.
"""


@dataclass(slots=True)
class Level:
    """The rows of one table that lead to requests.

    :param each: requests for each place that they lead to, at the least.
    :param places: places for each row.
    :param size: rows of the listing that is being read; ``None`` if it does not tell, or if some of
        its rows lead nowhere.
    :param seen: how many of these have been read.
    :param waiting: places that were found, and have not been asked yet.
    """

    each: int
    places: int
    size: int | None = None
    seen: int = 0
    waiting: int = 0

    @contextmanager
    def listing(self) -> Iterator[None]:
        """While a listing of these rows is read."""
        self.size, self.seen = None, 0
        try:
            yield
        finally:
            self.size, self.seen = None, 0

    def to_come(self) -> int:
        """The requests that the rows lead to at the least."""
        unread = max(0, (self.size or 0) - self.seen)
        return (unread * self.places + self.waiting) * self.each


class Outlook:
    """The requests that are still to come in a scan."""

    def __init__(self) -> None:
        self._levels: dict[str, Level] = {}

    def level(self, plan: Plan) -> Level:
        """The rows that lead to the requests of a plan."""
        level = Level(plan.least_requests, plan.combinations)
        return self._levels.setdefault(plan.table.name, level)

    def to_come(self) -> int:
        """How many requests there are at the least."""
        return sum(level.to_come() for level in self._levels.values())


@dataclass(slots=True)
class Yield:
    """How many rows the listings of a scan give, to judge how many have to be read for a LIMIT.

    :param rows: rows that have been given, and ``listings`` the listings that these were in.
    """

    rows: int = 0
    listings: int = 0

    def listings_for(self, wanted: int, guessed: float) -> float:
        """How many listings more it is likely to take until there are so many rows in all.

        :param guessed: rows of a listing, as they were guessed before any was read. The guess
            counts as much as one listing.
        """
        each = (guessed + self.rows) / (1 + self.listings)
        return (wanted - self.rows) / each
