"""What a session has seen to exist at Bitbucket, so that it need not ask again for a while."""

from __future__ import annotations

from ..api import Clock


class Presence:
    """Listings, spellings and commits that one client has seen.

    Other clients have their own: their credentials may see other things.

    :param clock: the clock by which old entries expire.
    """

    MOST = 10_000
    MOST_COMMITS = 50_000
    MINUTE = 60.0
    SECONDS = 600.0
    """For how long a listing is assumed to exist. (A session may last for days.)"""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._answering: dict[str, float] = {}
        self._spelled: dict[str, tuple[float, str]] = {}
        self._reached: set[tuple[str, str]] = set()
        self._reached_since = 0.0

    def answers(self, path: str) -> bool:
        """Whether a listing is known to exist."""
        return self._clock.now() - self._answering.get(path, -self.SECONDS) < self.SECONDS

    def note(self, path: str) -> None:
        """Note that a listing, or an item of it, has answered."""
        if len(self._answering) >= self.MOST:
            self._answering.clear()
        self._answering[path] = self._clock.now()

    def forget(self, path: str) -> None:
        """Note that a listing has refused."""
        self._answering.pop(path, None)

    def spelling(self, path: str) -> str | None:
        """How Bitbucket spells the key of an item, if it was asked."""
        since, spelled = self._spelled.get(path, (-self.SECONDS, None))
        return spelled if self._clock.now() - since < self.SECONDS else None

    def note_spelling(self, path: str, spelled: str) -> None:
        if len(self._spelled) >= self.MOST:
            self._spelled.clear()
        self._spelled[path] = (self._clock.now(), spelled)

    def is_reached(self, log: str, digest: str) -> bool:
        """Whether a commit was in a listing a short while ago."""
        if self._clock.now() - self._reached_since > self.MINUTE:
            self._reached.clear()
        return (log, digest) in self._reached

    def note_reached(self, log: str, digest: str) -> None:
        if not self._reached or len(self._reached) >= self.MOST_COMMITS:
            self._reached.clear()
            self._reached_since = self._clock.now()
        self._reached.add((log, digest))
