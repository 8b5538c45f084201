"""What a statement's client is to be told by a WARNING, noted on whichever thread it came up.

PostgreSQL's own functions may be called on its own thread only, and this package of HTTP knows no
host: whoever does takes the notes and passes them on.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple


class Note(NamedTuple):
    """One warning."""

    message: str
    detail: str | None = None
    hint: str | None = None


_noted: deque[Note] = deque(maxlen=20)


def note(message: str, detail: str | None = None, hint: str | None = None) -> None:
    """Keep a warning for the statement that is under way, or for the next one."""
    _noted.append(Note(message, detail, hint))


def taken() -> list[Note]:
    """The warnings since the last time, in order."""
    notes = []
    while _noted:
        notes.append(_noted.popleft())
    return notes
