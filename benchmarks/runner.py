"""Asks all sides the same questions in turn, compares their rows, and keeps the times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from .questions import Question, Rows
from .sides import Failed, Reply, Side, TooLong


class Requests(Protocol):
    """Whoever counts the requests that sides make."""

    def forget(self) -> None:
        """Count anew."""

    def counted(self) -> tuple[int, int]:
        """How many requests were made since then, and the bytes of their answers."""


PATIENCE = 5
LASTING = 4.0  # seconds: of what takes longer, the first round counts
# How often the first two sides are measured at the least, and how often any other.
COMPARED, BESIDE = 2, 1
# Another side is ended once it has taken so many times as long as the ideal client, and a second.
FAR_BEHIND = 12
TELLING = 2
"""So many times as long as the ideal client another side may take at the least. Where its limit is
below that, it is not asked: that it was ended would tell nothing."""


@dataclass
class Cell:
    """What was measured of one side at one question and latency.

    :param cannot: the side has no answer to the question.
    :param beyond: it took longer than so many seconds, and was ended.
    :param failed: the error that it gave in place of an answer.
    :param wrong: its rows are others than those of the ideal client.
    """

    seconds: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    requests: int | None = None
    bytes: int | None = None
    rows: int | None = None
    cannot: bool = False
    beyond: float | None = None
    failed: str | None = None
    wrong: str | None = None

    @property
    def median(self) -> float | None:
        """Seconds, the middle of all rounds."""
        return statistics.median(self.seconds) if self.seconds else None

    def finished(self, least: int) -> bool:
        """Whether another round would tell nothing more.

        :param least: how often it is measured at the least.
        """
        gives_none = self.cannot or self.failed or self.wrong or self.beyond is not None
        lasts = len(self.seconds) >= least and self.seconds[0] > LASTING
        return bool(gives_none or lasts)

    def told(self) -> dict[str, Any]:
        return {**asdict(self), "median": self.median}


Cells = dict[str, dict[str, Cell]]
"""By question and side."""


def measure(
    questions: Sequence[Question],
    sides: Sequence[Side],
    requests: Requests,
    *,
    rounds: int,
    limit: float,
    enough: float,
    until: float,
    clock: Callable[[], float] = time.monotonic,
) -> Cells:
    """Ask every side every question, round by round, so that what else the machine does is shared.

    The first side is the one whose rows are right. Its warm-up, and that of the others, is a round
    that is not counted.

    :param limit: seconds that an answer may take; for the first two sides, which the others are
        compared with, :data:`PATIENCE` times as long. The others are ended before that when they
        are far behind the first one (:data:`FAR_BEHIND`).
    :param enough: seconds that all sides have taken for a question, after which it is asked no more
        often than :data:`COMPARED` and :data:`BESIDE` say.
    :param until: a time by the clock after which this holds for every question.
    """
    cells: Cells = {question.name: {side.name: Cell() for side in sides} for question in questions}
    expected: dict[str, Rows] = {}
    fastest: dict[str, float] = {}
    taken = dict.fromkeys(cells, 0.0)
    for number in range(rounds + 1):
        for question in questions:
            ends = number > 0 and (taken[question.name] > enough or clock() > until)
            for side in sides:
                cell = cells[question.name][side.name]
                least = COMPARED if side in sides[:2] else BESIDE
                if cell.finished(least) or (ends and len(cell.seconds) >= least):
                    continue
                if side is not sides[0] and question.name not in expected:
                    continue  # there is nothing to compare its rows with
                if side in sides[:2]:
                    longest = PATIENCE * limit
                else:
                    longest = min(limit, 1 + FAR_BEHIND * fastest[question.name])
                    if longest < TELLING * fastest[question.name]:
                        continue
                began = clock()
                reply = _asked(side, question, cell, requests, longest)
                taken[question.name] += clock() - began
                if reply is None:
                    continue
                if side is sides[0]:
                    fastest.setdefault(question.name, reply.seconds)
                found = sorted(reply.rows, key=repr)
                right = expected.setdefault(question.name, found)
                cell.rows = len(found)
                if found != right:
                    cell.wrong = _difference(found, right)
                elif number or reply.seconds > LASTING:
                    cell.seconds.append(reply.seconds)
                    cell.processor.append(reply.processor)
    return cells


def _asked(
    side: Side, question: Question, cell: Cell, requests: Requests, limit: float
) -> Reply | None:
    requests.forget()
    try:
        reply = side.ask(question, limit)
    except TooLong:
        cell.beyond = limit
        return None
    except Failed as error:
        cell.failed = str(error)
        return None
    if reply is None:
        cell.cannot = True
        return None
    cell.requests, cell.bytes = requests.counted()
    return reply


def _difference(found: Rows, right: Rows) -> str:
    missing = [row for row in right if row not in set(found)]
    more = [row for row in found if row not in set(right)]
    return f"{len(found)} rows for {len(right)}; missing {missing[:1]}, not expected {more[:1]}"
