"""When a request that failed is made again, and when it is given up.

Rate limits, from the API's "Rate limits" page: a 429 may come with or without Retry-After. What
counts are the requests of the last hour, so that without Retry-After nothing is gained by asking
again within seconds. 555 is Bitbucket's own status for a server-side time-out.
"""

from __future__ import annotations

import re
from functools import cached_property
from typing import Any, NamedTuple

import requests
from urllib3.exceptions import InvalidHeader, MaxRetryError
from urllib3.util import Retry

from ..errors import BadResponse, ConnectionFailure, RateLimited, RequestError
from .exchange import Failed, Outgoing, Settings
from .failures import sentence

RETRIED = frozenset({429, 500, 502, 503, 504, 555})
LONGEST_WAIT = 120.0  # seconds of Retry-After that a statement is kept waiting for
SHORT_PAUSE = 2.0  # seconds before a 429 without Retry-After is believed
LONG_PAUSES = (60.0, 120.0, 240.0, 480.0, 600.0)  # the last one again and again
HOUR = 3600.0
_SECONDS = re.compile(r"\d+(?:\.\d*)?|\.\d+", re.ASCII)
_ROLLING = (
    "Bitbucket counts the requests of the last hour: it may take up to 60 minutes until it answers "
    "again."
)


class Pause(NamedTuple):
    """How long to wait before the request is made again.

    :param notice: what to tell whoever waits, if it is long.
    """

    seconds: float
    notice: str | None = None


class Attempts:
    """The attempts at one request."""

    @cached_property
    def _retry(self) -> Retry:  # few requests need one
        return Retry(
            total=self._limit,
            status_forcelist=RETRIED,
            backoff_factor=0.25,
            backoff_max=30,
            backoff_jitter=0.25,
        )

    def __init__(self, settings: Settings) -> None:
        self._waits = settings.on_rate_limit == "wait"
        self._limit = settings.retry_limit
        self._refused = 0
        self._waited = 0.0

    def after(self, outgoing: Outgoing, failed: Failed) -> Pause:
        """The pause after an attempt that failed; the failure's error once there were enough."""
        response = failed.response
        asked = None if response is None else self._asked_to_wait(response)
        if failed.error.status == 429 and self._waits:
            return self._long_pause(failed.error, asked)
        if failed.error.status == 429 and asked is None:
            self._refused += 1
            if self._refused > min(1, self._limit):
                raise _limited(failed.error, _ROLLING)
            return Pause(SHORT_PAUSE)
        self._count(outgoing, failed)
        if asked is not None and asked > LONGEST_WAIT:
            raise _limited(failed.error, _asks_for(asked))
        return Pause(self._retry.get_backoff_time() if asked is None else asked)

    def _long_pause(self, error: RequestError, asked: float | None) -> Pause:
        """Of minutes, until there cannot be a request of the last hour any more."""
        growing = LONG_PAUSES[min(self._refused, len(LONG_PAUSES) - 1)]
        # What is asked for is believed at first. A server that goes on asking for no time at all
        # would have it asked without end.
        seconds = growing if asked is None else max(asked, min(growing, 2.0**self._refused - 1))
        self._refused += 1
        if self._waited + seconds > HOUR:
            left = "An hour of waiting did not help." if self._waited else _ROLLING
            if asked is not None:
                left = _asks_for(asked)
            raise _limited(error, left)
        self._waited += seconds
        notice = (
            f"the hourly limit of requests is used up: asking again in {seconds:.0f} seconds"
            if seconds >= 1
            else None
        )
        return Pause(seconds, notice)

    def _count(self, outgoing: Outgoing, failed: Failed) -> None:
        method, url, response = outgoing.method, outgoing.url, failed.response
        try:
            if response is None:
                self._retry = self._retry.increment(method, url, error=failed.error)
            else:
                self._retry = self._retry.increment(method, url, response=_raw(response))
        except MaxRetryError:
            raise failed.error from None

    def _asked_to_wait(self, response: requests.Response) -> float | None:
        """The seconds of Retry-After; ``None`` without one, or with one that says nothing.

        Whole seconds or a date, by RFC 9110 (10.2.3); a fraction is taken for what it plainly
        means.
        """
        said = response.headers.get("Retry-After", "").strip()
        if not said:
            return None
        if _SECONDS.fullmatch(said):
            return float(said)
        try:
            return self._retry.parse_retry_after(said)
        except (InvalidHeader, ValueError, OverflowError):
            return None


def worth_repeating(error: RequestError) -> bool:
    """Whether a request that failed so may do better next time."""
    # A read may always be repeated. A body that is not JSON may have been cut short on its way.
    if not error.repeatable:
        return False
    return error.status in RETRIED or isinstance(error, (ConnectionFailure, BadResponse))


def _asks_for(seconds: float) -> str:
    return f"Bitbucket asks to wait for {min(seconds, 1e9):.0f} seconds."


def _limited(error: RequestError, detail: str) -> RateLimited:
    waits = "Server option on_rate_limit 'wait' has statements wait for as long as it takes."
    limited = error.of_kind(RateLimited)
    limited.detail = f"{sentence(error.detail)} {detail}" if error.detail else detail
    limited.hint = " ".join(filter(None, (error.hint, waits)))
    return limited


def _raw(response: requests.Response) -> Any:
    return response.raw  # urllib3's response, which its Retry wants to see
