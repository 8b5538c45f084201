"""What the clients of one backend have in common."""

from __future__ import annotations

from .clock import Clock
from .kept import WriteCount
from .notes import Notes
from .oauth_tokens import Renewals


class Shared:
    """Warnings that wait to be told, the count of writes, and renewals of tokens under way.

    A client that is made without one has one of its own, as tests do. What is shared beyond the
    backend, between sessions, is handed to clients by it as well.

    :param clock: what retries and polls wait by.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.notes = Notes()
        self.writes = WriteCount()
        self.renewals = Renewals(self.notes)
