"""Asks all sides the same questions in turn, compares their rows, and keeps the times."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
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
LASTING = 4.0  # seconds: what takes longer is measured once
# Another side is ended once it has taken so many times as long as the ideal client, and a second.
FAR_BEHIND = 12


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

    @property
    def finished(self) -> bool:
        """Whether another round would tell nothing more."""
        gives_none = self.cannot or self.failed or self.wrong or self.beyond is not None
        return bool(gives_none or (self.seconds and self.seconds[0] > LASTING))

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
    until: float,
) -> Cells:
    """Ask every side every question, round by round, so that what else the machine does is shared.

    The first side is the one whose rows are right. Its warm-up, and that of the others, is a round
    that is not counted.

    :param limit: seconds that an answer may take; for the first two sides, which the others are
        compared with, :data:`PATIENCE` times as long. The others are ended before that when they
        are far behind the first one (:data:`FAR_BEHIND`).
    :param until: a time by :func:`time.monotonic` after which no further round begins.
    """
    cells: Cells = {question.name: {side.name: Cell() for side in sides} for question in questions}
    expected: dict[str, Rows] = {}
    fastest: dict[str, float] = {}
    for number in range(rounds + 1):
        if number > 1 and time.monotonic() > until:
            break
        for question in questions:
            for side in sides:
                cell = cells[question.name][side.name]
                if cell.finished:
                    continue
                if side is not sides[0] and question.name not in expected:
                    continue  # there is nothing to compare its rows with
                if side in sides[:2]:
                    longest = PATIENCE * limit
                else:
                    longest = min(limit, 1 + FAR_BEHIND * fastest[question.name])
                reply = _asked(side, question, cell, requests, longest)
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
