"""What a statement's client is to be told by a WARNING, noted on whichever thread it came up.

PostgreSQL's own functions may be called on its own thread only, and this package of HTTP knows no
host: whoever does takes the notes and passes them on.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

_MOST = 20  # notes that wait to be told; older ones are dropped


class Note(NamedTuple):
    """One warning."""

    message: str
    detail: str | None = None
    hint: str | None = None


class Notes:
    """The warnings of one backend that have not been told yet."""

    def __init__(self) -> None:
        self._noted: deque[Note] = deque(maxlen=_MOST)

    def add(self, message: str, detail: str | None = None, hint: str | None = None) -> None:
        """Keep a warning for the statement that is under way, or for the next one."""
        self._noted.append(Note(message, detail, hint))

    def take(self) -> list[Note]:
        """The warnings since the last time, in order."""
        notes = []
        while self._noted:
            notes.append(self._noted.popleft())
        return notes
