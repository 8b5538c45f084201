"""One credential's connection to the API: requests, retries, errors.

Rate limits, from the API's "Rate limits" page: a 429 may come with or without Retry-After. 555 is
Bitbucket's own status for a server-side time-out.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import MaxRetryError, NewConnectionError
from urllib3.util import Retry

from ..errors import (
    BadResponse,
    Cancelled,
    ConnectionFailure,
    OutcomeUnknown,
    RateLimited,
    RequestError,
    ServerFailure,
)
from .credentials import Credential
from .failures import failure
from .scan import ScanContext, Workers
from .transport import Transport, origin, why_no_answer

RETRIED = frozenset({429, 500, 502, 503, 504, 555})
LONGEST_WAIT = 120  # seconds of Retry-After that a statement is kept waiting for
_REDIRECTS = 5
_SUCCESS = {
    "GET": (200,),
    "POST": (200, 201, 202, 204),
    "PUT": (200, 201, 204),
    "DELETE": (200, 202, 204),
}
_RENEWALS = 2  # of the token for one request: the first may find that another process was quicker


@dataclass(frozen=True, slots=True)
class Settings:
    """How to talk to the API; one set per server.

    :param base_url: without a trailing slash.
    :param timeout: seconds to wait for a connection, and for each part of an answer.
    :param retry_limit: how often a request is repeated.
    :param concurrency: requests under way at a time.
    :param max_requests: requests of one scan.
    :param ca_bundle: PEM file of the certificate authorities to trust; ``None``: the built-in.
    :param proxy: address of an HTTP proxy for https.
    """

    base_url: str = "https://api.bitbucket.org/2.0"
    timeout: float = 30.0
    retry_limit: int = 5
    concurrency: int = 8
    max_requests: int = 1000
    ca_bundle: str | None = None
    proxy: str | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON (``None`` for an empty body) and its size in bytes.

    ``location`` is where an answer of 202 says the outcome will be told.
    """

    json: Any
    size: int
    status: int = 200
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Client:
    """Makes requests on any thread; holds connections open between statements."""

    def __init__(self, settings: Settings, credential: Credential) -> None:
        self.settings = settings
        self.credential = credential
        self.workers = Workers(settings.concurrency)
        self._origin = origin(settings.base_url)
        transport = Transport(settings.timeout, settings.ca_bundle, settings.proxy)
        self._session = transport.session(settings.concurrency)
        self._session.auth = credential.auth

    def url(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> str:
        """The full address of a path below ``base_url``, its parameters encoded."""
        prepared = requests.Request(
            "GET", self.settings.base_url + path, params=list(parameters)
        ).prepare()
        return str(prepared.url)

    def absolute(self, location: str) -> str:
        """A Location header as a full address."""
        return urljoin(f"{self.settings.base_url}/", location)

    def get(self, url: str, scan: ScanContext) -> Answer:
        """GET an address of this API, repeating it as far as ``retry_limit`` allows.

        Blocks; to be run on a worker thread. Raises a :class:`RequestError` naming method and
        path, :class:`TooManyRequests`, or :class:`Cancelled` once the scan is stopped.
        """
        path = self._path(url)
        retry = self._retries()
        scan.spend()
        while True:
            if scan.stopped.is_set():
                raise Cancelled("the scan has ended")
            outcome = self._attempt("GET", url, path)
            if isinstance(outcome, Answer):
                return outcome
            error, response = outcome
            if not _worth_repeating(error):
                raise error
            retry = self._again(retry, "GET", url, error, response)
            self._pause(retry, response, error, scan)

    def send(
        self, method: str, path: str, body: Any, repeatable: bool, scan: ScanContext
    ) -> Answer:
        """Send a write; ``body`` is JSON, ``None`` for none.

        Blocks; to be run on a worker thread. What was certainly not applied (429, no connection)
        is sent again; of anything else only a ``repeatable`` request. Raises
        :class:`OutcomeUnknown` when it may have been applied, another :class:`RequestError` when
        it was not.
        """
        url = self.url(path)
        retry = self._retries()
        in_doubt = False
        scan.spend()
        while True:
            outcome = self._attempt(method, url, path, body)
            if isinstance(outcome, Answer):
                return outcome
            error, response = outcome
            if method == "DELETE" and error.status == 404 and in_doubt:
                return Answer(None, 0)  # an earlier attempt got through
            applied_perhaps = _in_doubt(error)
            in_doubt = in_doubt or applied_perhaps
            if not _worth_repeating(error) or (applied_perhaps and not repeatable):
                raise _unknown(error) if in_doubt else error
            try:
                retry = self._again(retry, method, url, error, response)
            except RequestError as last:
                raise _unknown(last) if in_doubt else last from None
            self._pause(retry, response, error, scan)

    def _again(
        self,
        retry: Retry,
        method: str,
        url: str,
        error: RequestError,
        response: requests.Response | None,
    ) -> Retry:
        """The retry counted; ``error`` once there were enough."""
        try:
            if response is None:
                return retry.increment(method, url, error=error)
            return retry.increment(method, url, response=_raw(response))
        except MaxRetryError:
            raise error from None

    def probe(self, url: str, scan: ScanContext) -> tuple[Answer | RequestError, Mapping[str, str]]:
        """What an address of this API says when it is asked once, and the answer's headers.

        Blocks. :class:`SignInError` if there is no token to sign the request with.
        """
        scan.spend()
        outcome = self._attempt("GET", url, self._path(url))
        if isinstance(outcome, Answer):
            return outcome, outcome.headers
        error, response = outcome
        return error, response.headers if response is not None else {}

    def _attempt(
        self, method: str, url: str, path: str, body: Any = None
    ) -> Answer | tuple[RequestError, requests.Response | None]:
        """One request, redirects within the API followed: an answer, or an error and the response
        it was read from, if there was one.
        """
        try:
            response = self._renewing(method, url, body)
        except RequestError as error:
            error.sent = False
            return error, None
        except requests.RequestException as error:
            return self._connection_failure(error, method, path), None
        if response.status_code not in _SUCCESS[method]:
            return self._about(failure(response, method, path)), response
        if method != "GET" and not response.content:
            location = response.headers.get("Location")
            return Answer(None, 0, response.status_code, location)
        try:
            parsed = json.loads(response.content)
        except ValueError:
            return self._about(self._not_json(response, method, path)), response
        size = len(response.content)
        return Answer(parsed, size, response.status_code, headers=response.headers)

    def _renewing(self, method: str, url: str, body: Any) -> requests.Response:
        """The answer, asked for again with a new token where the credential can get one."""
        for _ in range(_RENEWALS):
            response = self._follow(method, url, body)
            if response.status_code != 401 or not self.credential.renew_after(response.request):
                return response
        return self._follow(method, url, body)

    def _follow(self, method: str, url: str, body: Any) -> requests.Response:
        for _ in range(_REDIRECTS):
            response = self._session.request(
                method, url, json=body, timeout=self.settings.timeout, allow_redirects=False
            )
            if not response.is_redirect or method != "GET":
                break
            url = urljoin(url, response.headers["Location"])
            self._path(url)
        return response

    def _pause(
        self,
        retry: Retry,
        response: requests.Response | None,
        error: RequestError,
        scan: ScanContext,
    ) -> None:
        asked = retry.get_retry_after(_raw(response)) if response is not None else None
        if asked is not None and asked > LONGEST_WAIT:
            raise RateLimited(
                error.message,
                method=error.method,
                path=error.path,
                status=error.status,
                detail=f"Bitbucket asks to wait for {asked:.0f} seconds.",
                hint=error.hint,
            )
        if scan.stopped.wait(retry.get_backoff_time() if asked is None else asked):
            raise Cancelled("the scan has ended")

    def _retries(self) -> Retry:
        return Retry(
            total=self.settings.retry_limit,
            status_forcelist=RETRIED,
            backoff_factor=0.25,
            backoff_max=30,
            backoff_jitter=0.25,
        )

    def _path(self, url: str) -> str:
        """The path of an address, which has to be one of this API's.

        ``next`` links and redirects come from answers; the credential goes nowhere else.
        """
        parts = urlsplit(url)
        base = urlsplit(self.settings.base_url).path
        path = parts.path.removeprefix(base) or "/"
        if origin(url) != self._origin:
            raise BadResponse(
                "an answer leads away from the API's host",
                method="GET",
                path=path,
                detail=f"It names {parts.scheme}://{parts.hostname}, and credentials are only "
                f"sent to {self._origin}.",
            )
        return path

    def _about(self, error: RequestError) -> RequestError:
        """The error with what is known of the credential, where that is at fault; no secrets."""
        if error.status == 401:
            label = self.credential.label
            said = f"Bitbucket refused the user mapping's credential ({label})." if label else None
            error.detail = " ".join(filter(None, (said, error.detail))) or None
            error.hint = self.credential.advice or error.hint
        if error.detail:
            error.detail = self.credential.redact(error.detail)
        return error

    def _not_json(self, response: requests.Response, method: str, path: str) -> BadResponse:
        kind = response.headers.get("Content-Type", "none").split(";")[0]
        return BadResponse(
            f"{method} {path} was answered with something that is not JSON",
            method=method,
            path=path,
            status=response.status_code,
            detail=f"Content type {kind}, {len(response.content)} bytes.",
            hint="Check base_url, and whether a proxy answers in Bitbucket's place.",
        )

    def _connection_failure(
        self, error: requests.RequestException, method: str, path: str
    ) -> ConnectionFailure:
        failed = ConnectionFailure(
            f"{method} {path} got no complete answer from {self._origin}",
            method=method,
            path=path,
            detail=why_no_answer(error, self.settings.timeout),
            hint="Check base_url and the network; server option timeout sets the patience.",
        )
        failed.sent = not _never_sent(error)
        return failed


def _raw(response: requests.Response) -> Any:
    return response.raw  # urllib3's response, which its Retry wants to see


def _never_sent(error: requests.RequestException) -> bool:
    """Whether there was not even a connection to send the request on."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(cause, NewConnectionError)


def _in_doubt(error: RequestError) -> bool:
    """Whether a write that failed so may have been applied all the same."""
    return error.sent and isinstance(error, (ConnectionFailure, ServerFailure, BadResponse))


def _unknown(error: RequestError) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"it is not known whether {error.method} {error.path} was applied",
        method=error.method,
        path=error.path,
        status=error.status,
        detail=" ".join(filter(None, (f"{error.message}.", error.detail))),
        hint="It was not sent again. Look at Bitbucket, or SELECT the row, before repeating it.",
    )


def _worth_repeating(error: RequestError) -> bool:
    # A read may always be repeated. A body that is not JSON may have been cut short on its way.
    return error.status in RETRIED or isinstance(error, (ConnectionFailure, BadResponse))


_clients: dict[tuple[Settings, str], Client] = {}


def client_for(settings: Settings, credential: Credential) -> Client:
    """The backend's client for a server and credential, made on first use.

    Foreign tables share it, and with it connections; other credentials never get it.
    """
    key = (settings, credential.identity)
    if key not in _clients:
        _clients[key] = Client(settings, credential)
    return _clients[key]
