"""Everything that outlives a statement in one PostgreSQL backend.

Each part is handed to whatever needs it, and none of them knows this whole. The host makes the
instances of the foreign data wrapper classes itself, from options alone. So there is one state
here, by name, for all of them.
"""

from __future__ import annotations

import functools

from ..api import Clients, KeptAnswers, Shared
from ..postgres import interrupts, roles
from ..postgres.statement_text import PerStatement
from ..reading.observations import Observations
from ..reading.omissions import Omission, Omissions
from ..writing.journal import Journal
from ..writing.open_scans import OpenScans
from .session_requests import SessionRequests

_STALE_AFTER = 5.0
"""Seconds that an answer is kept where executions cannot be told apart.

A function that looks at Bitbucket again and again until something happens runs within one statement
of the client's.
"""


class BackendState:
    """What one backend has at hand.

    :param clients: its connections to Bitbucket; with them come renewals of tokens, warnings that
        wait to be told, and whatever is shared with other backends.

    ``observations`` is what reads have shown. ``journal`` has the writes of the transaction,
    ``open_scans`` the scans that have not ended. ``omissions`` is what rows were left out for since
    it was last told, ``told`` what the present statement has told of it. ``kept_answers`` are those
    of the present statement. ``requests`` are the last ones of the session.
    """

    def __init__(self, clients: Clients | None = None) -> None:
        self.requests = SessionRequests()
        self.clients = clients or Clients(Shared(watch=self.requests.add, asker=roles.current_id))
        self.observations = Observations()
        self.journal = Journal()
        self.open_scans = OpenScans()
        self.omissions = Omissions()
        self.told: PerStatement[set[Omission]] = PerStatement(set)
        self.kept_answers = PerStatement(
            lambda: KeptAnswers(self.clients.shared.writes, _STALE_AFTER)
        )


STATE = BackendState()


@functools.cache
def begin_session() -> None:
    """Have the end of the session wait for a token that is being renewed, for whichever table.

    Not done when this module is imported, which may be in the postmaster, for all its sessions.
    """
    interrupts.before_exit(STATE.clients.shared.renewals.end)
