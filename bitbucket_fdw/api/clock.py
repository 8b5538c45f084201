"""The clock that requests go by: what tells the time between attempts, and waits.

It is handed to whatever has to wait, so that tests can hand over one whose hours pass at once.
"""

from __future__ import annotations

import threading
import time


class Clock:
    """The machine's own clock, which no change of the date moves."""

    def now(self) -> float:
        """Seconds since some moment; good for differences only."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Do nothing for so many seconds."""
        time.sleep(seconds)

    def wait(self, event: threading.Event, seconds: float) -> bool:
        """Wait for an event, so many seconds at most; whether it has happened."""
        return event.wait(seconds)
