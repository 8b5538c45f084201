"""What the scans of a foreign table take while they run: for EXPLAIN (ANALYZE) and for progress."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from ..api import Tally
from ..postgres.statement_text import PerStatement

_KEY = __package__  # in the dict that a host keeps for a node of a plan


class Running:
    """What a foreign table's scans take in one statement.

    :param every: seconds of waiting after which progress is told for the first time; 0 for never.
    """

    def __init__(self, every: float) -> None:
        self.tally = Tally()
        self.by_question: dict[Hashable, Tally] = {}
        self.next_word = every

    def is_due(self) -> bool:
        """Whether to tell of progress now. Each time it takes twice as long until the next one."""
        if not self.next_word or self.tally.waited < self.next_word:
            return False
        while self.next_word <= self.tally.waited:
            self.next_word *= 2
        return True


class Watching:
    """Keeps count for one foreign table.

    :param name: the table's.
    :param every: as for :class:`Running`.
    :param notice: tells the client.
    """

    def __init__(self, name: str, every: float, notice: Callable[[str], None]) -> None:
        self._name = name
        self._notice = notice
        self._running = PerStatement(lambda: Running(every))

    def begin(
        self, node: dict[str, Any] | None, question: Hashable
    ) -> tuple[Tally, Callable[[], None]]:
        """The sum for a scan that begins, and what to call while it waits.

        :param node: what the host keeps for the scan's node of the plan; ``None`` if it keeps none.
            Then scans of a statement that ask the same have one sum.
        :param question: what the scan asks, but for the values.
        """
        running = self._running.current()
        if node is None:
            tally = running.by_question.setdefault(question, Tally(running.tally))
        else:
            tally = node.setdefault(_KEY, Tally(running.tally))
        return tally, lambda: self._tell(running)

    def taken(self, node: dict[str, Any] | None, question: Hashable) -> Tally | None:
        """The sum of what was begun so; ``None`` if nothing was."""
        if node is None:
            return self._running.current().by_question.get(question)
        tally: Tally | None = node.get(_KEY)
        return tally

    def _tell(self, running: Running) -> None:
        if running.is_due():
            sums = running.tally
            pages = "1 page" if sums.pages == 1 else f"{sums.pages} pages"
            requests = "1 request" if sums.requests == 1 else f"{sums.requests} requests"
            self._notice(
                f"{self._name}: {pages} in {requests} so far, {sums.bytes} bytes, "
                f"after {sums.waited:.0f} seconds of waiting"
            )
