"""What reads have shown of Bitbucket, for those that come after them in the same backend.

Estimates and absences must not tell one user what another one can see: they are kept for each
credential. Which filters and orders an API refuses is the same for all.
"""

from __future__ import annotations

from ..api import Client, Clock
from ..pushdown.request import Refusals
from .presence import Presence
from .sizes import Sizes


class ApiRefusals:
    """The filters and orders that one API was seen to refuse, or to leave out of account."""

    def __init__(self) -> None:
        self.refused = Refusals()

    def learn(self, refused: Refusals) -> None:
        """Remember some more."""
        self.refused = self.refused | refused


class Observed:
    """What the reads of one client have shown.

    :param refusals: those of the client's API.
    :param clock: the clock by which old observations expire.

    ``sizes`` are the sizes of collections. ``known`` is what was seen to exist.
    """

    def __init__(self, refusals: ApiRefusals, clock: Clock) -> None:
        self.refusals = refusals
        self.sizes = Sizes()
        self.known = Presence(clock)

    @property
    def refused(self) -> Refusals:
        """What the API was seen to refuse."""
        return self.refusals.refused


class Observations:
    """What the reads of one backend have shown, separately for each API and credential."""

    def __init__(self) -> None:
        self._refusals: dict[str, ApiRefusals] = {}
        self._observed: dict[tuple[str, str], Observed] = {}

    def of(self, client: Client) -> Observed:
        """What the reads for a client's credential have shown of its API."""
        base_url = client.settings.base_url
        refusals = self._refusals.setdefault(base_url, ApiRefusals())
        key = (base_url, client.credential.identity)
        if key not in self._observed:
            self._observed[key] = Observed(refusals, client.clock)
        return self._observed[key]
