"""What is known of a write that is on its way."""

from __future__ import annotations

import threading
from typing import Any

from requests import PreparedRequest
from requests.auth import AuthBase

from ..errors import Cancelled


class Delivery:
    """Whether a write can have reached Bitbucket, told exactly at any moment.

    A worker thread sends it; the statement's thread may give it up in between. Once it has been
    given up it is not sent any more, and whether it had been sent does not change any more.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._given_up = False
        self._possible = False

    def begin(self) -> None:
        """It is signed and goes out now; :class:`Cancelled` if it was given up."""
        with self._lock:
            if self._given_up:
                raise Cancelled("the statement has ended")
            self._possible = True

    def nothing_came_of_it(self) -> None:
        """What was sent so far was certainly not applied."""
        with self._lock:
            self._possible = False

    def give_up(self) -> bool:
        """Send it no more; whether it may have been applied."""
        with self._lock:
            self._given_up = True
            return self._possible


class Departing(AuthBase):
    """Signs a request as ``auth`` does, and notes that it goes out: tokens are had before that."""

    def __init__(self, auth: Any, delivery: Delivery) -> None:
        self._auth = auth
        self._delivery = delivery

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        signed: PreparedRequest = self._auth(request) if self._auth else request
        self._delivery.begin()
        return signed
