"""Requests under way, and how to end them.

A thread that waits for an answer cannot be interrupted, and a server that sends a byte now and then
never lets it time out. But its socket can be shut down from another thread, and then it comes back
at once with an error.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any


class Flight:
    """One request under way.

    :param seconds: how long it may take, from now to the last byte of its answer.

    ``aborted`` is true once it was ended: what came until then may look like a whole answer.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds
        self._lock = threading.Lock()
        self._connection: Any = None
        self._socket: Any = None
        self.aborted = False

    @property
    def overdue(self) -> bool:
        """Whether its time is over."""
        return time.monotonic() > self._until

    def uses(self, connection: Any) -> None:
        """Be told of the connection that it goes over; its socket may be yet to come."""
        with self._lock:
            self._connection = connection
            self._socket = connection.sock
            if self.aborted:
                self._shut_down()

    def land(self) -> None:
        """The request has ended: from now on its connection is that of others."""
        with self._lock:
            self._connection = self._socket = None

    def abort(self) -> None:
        """End it, from any thread."""
        with self._lock:
            self.aborted = True
            self._shut_down()

    def _shut_down(self) -> None:
        # An answer that ends the connection takes the socket over from it.
        found = self._socket or getattr(self._connection, "sock", None)
        found = getattr(found, "socket", found)  # TLS within a proxy's TLS wraps a socket
        if isinstance(found, socket.socket):
            # Not the method of a TLS socket: the thread that reads from it still needs its state.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(found, socket.SHUT_RDWR)


_current = threading.local()


@contextlib.contextmanager
def flying(flight: Flight | None) -> Iterator[None]:
    """Requests that this thread makes inside belong to the flight."""
    _current.flight = flight
    try:
        yield
    finally:
        _current.flight = None
        if flight is not None:
            flight.land()


def current() -> Flight | None:
    """The flight of this thread's request."""
    return getattr(_current, "flight", None)
