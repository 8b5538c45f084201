"""What the clients of one backend have in common."""

from __future__ import annotations

from collections.abc import Callable

from .clock import Clock
from .kept import WriteCount
from .made import Made
from .notes import Notes
from .oauth_tokens import Renewals
from .shared_answers import ParsedAnswers


class Shared:
    """Warnings that wait to be told, the count of writes, answers that were parsed before, and
    renewals of tokens under way.

    A client that is made without one has one of its own, as tests do. What is shared beyond the
    backend, between sessions, is handed to clients by it as well.

    :param clock: what retries and polls wait by.
    :param watch: is told of each request that is over, on the thread that made it.
    :param asker: who asks at the moment; called on the main thread when a scan begins.
    """

    def __init__(
        self,
        clock: Clock | None = None,
        watch: Callable[[Made], None] = lambda _: None,
        asker: Callable[[], object] = lambda: None,
    ) -> None:
        self.clock = clock or Clock()
        self.watch = watch
        self.asker = asker
        self.notes = Notes()
        self.writes = WriteCount()
        self.parsed = ParsedAnswers()
        self.renewals = Renewals(self.notes)
