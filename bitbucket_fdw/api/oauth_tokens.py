"""Access tokens that run out: renewed once, for all threads and all backends.

The store's lock decides who renews. Everybody else finds the new token when it gets the lock.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from requests import PreparedRequest
from requests.auth import AuthBase

from ..between_sessions.tokens import Token, TokenStore
from ..errors import Cancelled, TokenStoreError
from .notes import Notes

_BEARER = "Bearer "
# Seconds. A grant is over by then, by its own time-outs: it is tried three times.
_LAST_GRACE = 100.0
_AGAIN = 10.0  # seconds between two tries to store a token


class Renewals:
    """The renewals of one backend, and the new tokens that could not be stored.

    A process that ends between a refresh token's use and the arrival of the next one loses the
    login for everybody. So renewals under way are counted, and waited for.

    :param notes: where it is said that a token could not be stored.
    """

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._unsaved: dict[str, tuple[TokenStore, Token]] = {}  # by the store's entry
        self._busy = threading.Condition()
        self._under_way = 0
        self._ending = False

    @property
    def unsaved(self) -> bool:
        """Whether there is a token that this process alone has."""
        return bool(self._unsaved)

    def keep(self, store: TokenStore, entry: str, obtain: Callable[[], Token]) -> Token:
        """Ask for a token and store it before anybody uses it: what it was got for is spent then.

        Room for it is made before, so that a full disk costs no login. Should storing it fail
        nevertheless, this process has it, tries again, and says so. Raises what ``obtain`` raises,
        and :class:`Cancelled` once the session ends.
        """
        with self._counted(), store.room(entry) as put:
            token = obtain()
            try:
                put(token)
            except TokenStoreError as error:
                self._unsaved[entry] = (store, token)
                self._notes.add(
                    "a new token could not be stored, so that only this session has it",
                    detail=error.message,
                    hint="It is tried again until the session ends. Make room before that: the "
                    "token before it is spent, and without this one somebody has to sign in again.",
                )
            else:
                self._unsaved.pop(entry, None)
        return token

    def kept(self, store: TokenStore, entry: str) -> Token | None:
        """The entry's token: the one on disk, unless this process has a later one."""
        stored = store.read(entry)
        if entry not in self._unsaved:
            return stored
        _, token = self._unsaved[entry]
        if stored is not None and stored.obtained_at > token.obtained_at:
            # Another session got one after all, or somebody logged in again.
            self._unsaved.pop(entry, None)
            return stored
        return token

    def save(self) -> None:
        """Store what could not be stored before."""
        for entry, (store, token) in list(self._unsaved.items()):
            with contextlib.suppress(TokenStoreError):
                with store.locked(entry):
                    if self.kept(store, entry) is token:
                        store.write(entry, token)
                self._unsaved.pop(entry, None)

    @contextlib.contextmanager
    def _counted(self) -> Iterator[None]:
        """What happens inside is a renewal under way."""
        with self._busy:
            if self._ending:
                raise Cancelled("the session ends")
            self._under_way += 1
        try:
            yield
        finally:
            with self._busy:
                self._under_way -= 1
                self._busy.notify_all()

    def let_end(self, seconds: float) -> None:
        """Wait for renewals under way, so long at most.

        Called before a cancelled statement gives up its threads.
        """
        with self._busy:
            self._busy.wait_for(lambda: self._under_way == 0, seconds)

    def end(self) -> None:
        """Wait for renewals under way, and begin none any more. Called before the process ends."""
        with self._busy:
            self._ending = True
        self.let_end(_LAST_GRACE)
        self.save()


class RenewedBearer(AuthBase):
    """Signs requests with the token of a store's entry; gets a new one when that has run out.

    :param obtain: asks for a new token, given the entry's present one. It may raise
        :class:`SignInError` or a :class:`RequestError`, which reach whoever sends the request.
    :param renewals: those of the backend.
    """

    def __init__(
        self,
        store: TokenStore,
        entry: str,
        obtain: Callable[[Token | None], Token],
        renewals: Renewals,
    ) -> None:
        self._store = store
        self._entry = entry
        self._obtain = obtain
        self._renewals = renewals
        self._mutex = threading.Lock()
        self._current: Token | None = None
        self._save_at = 0.0
        self._before: Token | None = None  # a late answer may still repeat it

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = _BEARER + self.token().access_token
        return request

    def token(self) -> Token:
        """The present token, renewed before its time is up. Blocks."""
        with self._mutex:
            if self._renewals.unsaved and time.monotonic() >= self._save_at:
                self._save_at = time.monotonic() + _AGAIN
                self._renewals.save()
            current = self._current or self._renewals.kept(self._store, self._entry)
            if current is None or not current.fresh(time.time()):
                current = self._renewed(current.access_token if current else None)
            self._current = current
            return current

    def renew(self) -> Token:
        """Get a new token, whatever the present one's state."""
        with self._mutex:
            current = self._renewals.kept(self._store, self._entry)
            self._current = self._renewed(current.access_token if current else None)
            return self._current

    def renew_after(self, refused: PreparedRequest) -> bool:
        """After a 401: see to it that there is a token other than the one refused."""
        header = str(refused.headers.get("Authorization", ""))
        with self._mutex:
            self._current = self._renewed(header.removeprefix(_BEARER))
        return True

    def secrets(self) -> Iterable[str]:
        tokens = self._current, self._before
        return [secret for token in tokens if token for secret in token.secrets]

    def _renewed(self, refused: str | None) -> Token:
        """A token other than ``refused``: another's, who was quicker, or a new one."""
        with self._store.locked(self._entry):
            kept = self._renewals.kept(self._store, self._entry)
            self._before = kept
            if kept is not None and kept.access_token != refused and kept.fresh(time.time()):
                return kept
            return self._renewals.keep(self._store, self._entry, lambda: self._obtain(kept))
