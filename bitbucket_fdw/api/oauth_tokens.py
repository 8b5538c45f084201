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

from ..errors import Cancelled
from .token_store import Token, TokenStore

_BEARER = "Bearer "
# Seconds. A grant is over by then, by its own time-outs: it is tried three times.
_LAST_GRACE = 100.0


class RenewedBearer(AuthBase):
    """Signs requests with the token of a store's entry; gets a new one when that has run out.

    :param obtain: asks for a new token, given the entry's present one. It may raise
        :class:`SignInError` or a :class:`RequestError`, which reach whoever sends the request.
    """

    def __init__(
        self, store: TokenStore, entry: str, obtain: Callable[[Token | None], Token]
    ) -> None:
        self._store = store
        self._entry = entry
        self._obtain = obtain
        self._mutex = threading.Lock()
        self._current: Token | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = _BEARER + self.token().access_token
        return request

    def token(self) -> Token:
        """The present token, renewed before its time is up. Blocks."""
        with self._mutex:
            current = self._current or self._store.read(self._entry)
            if current is None or not current.fresh(time.time()):
                current = self._renewed(current.access_token if current else None)
            self._current = current
            return current

    def renew(self) -> Token:
        """Get a new token, whatever the present one's state."""
        with self._mutex:
            current = self._store.read(self._entry)
            self._current = self._renewed(current.access_token if current else None)
            return self._current

    def renew_after(self, refused: PreparedRequest) -> bool:
        """After a 401: see to it that there is a token other than the one refused."""
        header = str(refused.headers.get("Authorization", ""))
        with self._mutex:
            self._current = self._renewed(header.removeprefix(_BEARER))
        return True

    def secrets(self) -> Iterable[str]:
        current = self._current
        return current.secrets if current else ()

    def _renewed(self, refused: str | None) -> Token:
        """A token other than ``refused``: another's, who was quicker, or a new one."""
        with self._store.locked(self._entry):
            kept = self._store.read(self._entry)
            if kept is not None and kept.access_token != refused and kept.fresh(time.time()):
                return kept
            return keep(self._store, self._entry, lambda: self._obtain(kept))


def keep(store: TokenStore, entry: str, obtain: Callable[[], Token]) -> Token:
    """Ask for a token and store it before anybody uses it: what it was got for is spent by now."""
    with _under_way():
        token = obtain()
        store.write(entry, token)
    return token


_busy = threading.Condition()
_renewals = 0
_ending = False


@contextlib.contextmanager
def _under_way() -> Iterator[None]:
    global _renewals
    with _busy:
        if _ending:
            raise Cancelled("the session ends")
        _renewals += 1
    try:
        yield
    finally:
        with _busy:
            _renewals -= 1
            _busy.notify_all()


def let_renewals_end(seconds: float) -> None:
    """Wait for renewals of this process under way, so long at most.

    Called before a cancelled statement gives up its threads.
    """
    with _busy:
        _busy.wait_for(lambda: _renewals == 0, seconds)


def end_renewals() -> None:
    """Wait for renewals of this process under way, and begin none any more.

    A process that ends between a refresh token's use and the arrival of the next one loses the
    login for everybody. Called before it ends.
    """
    global _ending
    with _busy:
        _ending = True
    let_renewals_end(_LAST_GRACE)
