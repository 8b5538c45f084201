"""One request and what comes of it: an answer, or the error that says why there is none.

No retries here: see ``client``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from ..errors import BadResponse, ConnectionFailure, Forbidden, RequestError
from .addresses import Root
from .bounded import AnswerTooLarge, read
from .credentials import Credential, tidied
from .delivery import Delivery, Departing
from .failures import failure
from .flights import Flight, flying
from .reads import Reads
from .transport import Transport, as_sent, origin, why_no_answer, with_parameters
from .wanted import JSON, Wanted, as_item, store_failure

_REDIRECTS = 5
_RENEWALS = 2  # of the token for one request: the first may find that another process was quicker
_SUCCESS = {
    "GET": (200,),
    "POST": (200, 201, 202, 204),
    "PUT": (200, 201, 204),
    "DELETE": (200, 202, 204),
}


@dataclass(frozen=True, slots=True)
class Settings:
    """How to talk to the API; one set per server.

    :param base_url: without a trailing slash.
    :param timeout: seconds to wait for a connection, and for each part of an answer.
    :param retry_limit: how often a request is repeated.
    :param concurrency: requests under way at a time.
    :param max_concurrency: the same over all sessions of a credential; 0 for no bound.
    :param max_requests: requests of one scan.
    :param ca_bundle: PEM file of the certificate authorities to trust; ``None``: the built-in.
    :param proxy: address of an HTTP proxy for https.
    :param max_answer_size: bytes of one answer, decoded.
    :param max_text_size: bytes of a text that are wanted; what is longer is cut short.
    :param max_answer_time: seconds from a request to the end of its answer.
    :param on_rate_limit: ``error``, or ``wait`` until Bitbucket answers again.
    :param rate_limit: requests an hour that Bitbucket answers; 0 if that is not known.
    :param cache_ttl: seconds that answers are kept and shared between backends; 0 for not at all.
    :param log_requests: ``off``, ``errors`` or ``all``: which requests are to be logged.
    """

    base_url: str = "https://api.bitbucket.org/2.0"
    timeout: float = 30.0
    retry_limit: int = 5
    concurrency: int = 8
    max_concurrency: int = 0
    max_requests: int = 1000
    ca_bundle: str | None = None
    proxy: str | None = None
    cache_ttl: float = 0.0
    max_answer_size: int = 16 * 2**20
    max_text_size: int = 2**20
    max_answer_time: float = 120.0
    on_rate_limit: str = "error"
    rate_limit: int = 0
    log_requests: str = "off"


class Outgoing(NamedTuple):
    """A request to make.

    :param body: JSON, ``None`` for none.
    :param delivery: is told of a write when it goes out.
    :param wanted: what kind of answer a GET asks for.
    :param redirected: called before each further request that a redirect within the API leads to.
    """

    method: str
    url: str
    body: Any = None
    delivery: Delivery | None = None
    wanted: Wanted = JSON
    redirected: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its JSON (``None`` for an empty body) and its size in bytes.

    ``cached`` is whether it comes from what sessions share. ``location`` is where an answer of 202
    says the outcome will be told, ``content`` what its
    JSON can be read from again: the body as it came, unless that was a text (see ``wanted``).
    """

    json: Any
    size: int
    status: int = 200
    location: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    cached: bool = False
    content: bytes = field(default=b"", repr=False)


class Failed(NamedTuple):
    """Why there is no answer, and the response that says so, if there was one."""

    error: RequestError
    response: requests.Response | None = None


class Exchange:
    """Sends requests of one credential, on any thread; holds connections open.

    :param transport: how requests leave this machine; as the settings say if it is not given.
    :param sent: called with the path of each request to the API, and whether it asks for a text,
        before it goes out.
    :param told: called with these and the headers of each answer.
    """

    def __init__(
        self,
        settings: Settings,
        credential: Credential,
        sent: Callable[[str, bool], None],
        told: Callable[[str, Mapping[str, str], bool], None],
        transport: Transport | None = None,
    ) -> None:
        self._settings = settings
        self._credential = credential
        self._sent, self._told = sent, told
        self.root = Root(settings.base_url)
        self._origin, self._base = self.root.origin, self.root.path
        self._transport = transport = transport or Transport(
            settings.timeout,
            settings.ca_bundle,
            settings.proxy,
            settings.max_answer_size,
            watched=True,
        )
        self._session = transport.session(settings.concurrency)
        self._reads = Reads(self._session, self.root, settings.timeout, credential.auth)
        self._session.auth = credential.auth

    def path(self, url: str) -> str:
        """The path of an address, which has to be one of this API's.

        ``next`` links and redirects come from answers; the credential goes nowhere else. Raises
        :class:`BadResponse` for an address of another host, or beside the API on the same one.
        """
        plain = self.root.plain_path(url)
        if plain is not None:
            return plain
        try:
            parts = as_sent(url)
            there = origin(parts)
        except ValueError:
            raise self._leads_away("/", "It names an address that cannot be requested.") from None
        if there != self._origin:
            raise self._leads_away(parts.path, f"It names {parts.scheme}://{parts.hostname}.")
        if not self._below_base(parts.path):
            raise self._leads_away(parts.path, f"It names {parts.path}, outside of the API.")
        return parts.path.removeprefix(self._base) or "/"

    def _below_base(self, path: str) -> bool:
        """Whether a path is the API's, also for a server that decodes it before it takes it apart.

        A name with an encoded slash is a name; one whose parts are dots is a way out.
        """
        inside = path == self._base or path.startswith(f"{self._base}/")
        return inside and ".." not in unquote(path).replace("\\", "/").split("/")

    def _leads_away(self, path: str, what: str) -> BadResponse:
        return BadResponse(
            "an answer leads away from the API's host and path",
            method="GET",
            path=path,
            detail=f"{what} Credentials are only sent to {self._origin}{self._base}.",
        )

    def attempt(self, outgoing: Outgoing, flight: Flight | None = None) -> Answer | Failed:
        """Send a request once, following redirects and renewing a token.

        Redirects lead within the API, but for what is wanted from elsewhere, too.

        :param flight: can end the request.
        """
        method, path = outgoing.method, self.path(outgoing.url)
        try:
            with flying(flight):
                response, is_store = self._renewing(outgoing)
        except RequestError as error:
            error.sent = False
            return Failed(error)
        except AnswerTooLarge:
            return Failed(self._too_large(method, path))
        except requests.RequestException as error:
            if flight is not None and flight.aborted:
                return Failed(self._too_slow(flight, method, path))
            return Failed(self._about(self._connection_failure(error, method, path)))
        except ValueError as error:
            return Failed(self._unreadable(error, method, path))
        if flight is not None and flight.aborted:
            return Failed(self._too_slow(flight, method, path))
        if is_store and response.status_code not in _SUCCESS[method]:
            return Failed(store_failure(response.status_code, method, path), response)
        if response.status_code not in _SUCCESS[method]:
            return Failed(self._about(failure(response, method, path)), response)
        location = response.headers.get("Location") if method != "GET" else None
        # What is done later has no result yet, whatever the body of its answer says.
        is_later = response.status_code == 202 and location is not None
        if is_later or (method != "GET" and not response.content):
            return Answer(None, 0, response.status_code, location)
        if outgoing.wanted.text:
            return _text(response, self._settings.max_text_size)
        try:
            parsed = json.loads(response.content)
        except (ValueError, RecursionError):  # lists within lists within lists
            return Failed(self._about(self._not_json(response, method, path)), response)
        size = len(response.content)
        return Answer(
            parsed,
            size,
            response.status_code,
            headers=response.headers,
            content=response.content,
        )

    def _renewing(self, outgoing: Outgoing) -> tuple[requests.Response, bool]:
        """The response, asked for again with a new token where the credential can get one, and
        whether it is a store's.
        """
        for _ in range(_RENEWALS):
            response, is_store = self._follow(outgoing)
            refused = response.status_code == 401 and not is_store
            if not refused or not self._credential.renew_after(response.request):
                return response, is_store
        return self._follow(outgoing)

    def _follow(self, outgoing: Outgoing) -> tuple[requests.Response, bool]:
        url, is_store = outgoing.url, False
        for _ in range(_REDIRECTS):
            response = (self._ask_store if is_store else self._ask)(outgoing, url)
            if outgoing.wanted.text and not response.is_redirect:
                settings = self._settings
                read(response, settings.max_answer_size, settings.max_text_size)
            if not response.is_redirect or outgoing.method != "GET":
                break
            # Not as the header is: its bytes are UTF-8, and were read as Latin-1.
            target = self._session.get_redirect_target(response) or ""
            there = urljoin(url, target)
            # From a store no way leads back: it must not choose what the credential is used for.
            if outgoing.wanted.elsewhere and (is_store or not self._is_inside(there)):
                self._check_store(there)
                url, is_store = there, True
                continue
            self.path(there)
            url = with_parameters(there, urlsplit(outgoing.url).query)
            self.path(url)
            outgoing.redirected()
        return response, is_store

    def _is_inside(self, url: str) -> bool:
        try:
            self.path(url)
        except BadResponse:
            return False
        return True

    def _check_store(self, url: str) -> None:
        """Raise :class:`BadResponse` for an address in clear, but for one at the API's own host."""
        try:
            parts = as_sent(url)
        except ValueError:
            raise self._leads_away("/", "It names an address that cannot be requested.") from None
        here = as_sent(self._settings.base_url)
        if parts.scheme != "https" and (parts.scheme, parts.hostname) != (
            here.scheme,
            here.hostname,
        ):
            raise self._leads_away("/", f"It names {parts.scheme}://{parts.hostname}.")

    @cached_property
    def _stores(self) -> requests.Session:
        """The session for hosts that are not the API's. It has no credential."""
        return self._transport.session(self._settings.concurrency)

    def _ask_store(self, outgoing: Outgoing, url: str) -> requests.Response:
        return self._stores.get(
            url,
            headers={"Accept": outgoing.wanted.accept},
            timeout=self._settings.timeout,
            allow_redirects=False,
            stream=True,
        )

    def _ask(self, outgoing: Outgoing, url: str) -> requests.Response:
        path, wanted = self.path(url), outgoing.wanted
        self._sent(path, wanted.text)
        if outgoing.method == "GET":
            response = self._reads.get(url, wanted.accept, stream=wanted.text)
        else:
            auth = self._session.auth
            if outgoing.delivery is not None:
                auth = Departing(auth, outgoing.delivery)
            response = self._session.request(
                outgoing.method,
                url,
                json=outgoing.body,
                auth=auth,
                timeout=self._settings.timeout,
                allow_redirects=False,
            )
        self._told(path, response.headers, wanted.text)
        return response

    def _about(self, error: RequestError) -> RequestError:
        """The error with what is known of the credential, where that is at fault; no secrets."""
        if error.status == 401:
            label = self._credential.label
            said = f"Bitbucket refused the user mapping's credential ({label})." if label else None
            error.detail = " ".join(filter(None, (said, error.detail))) or None
            error.hint = self._credential.advice or error.hint
        if isinstance(error, Forbidden):
            error.by_access_token = self._credential.is_access_token
        return tidied(error, self._credential.secrets())

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

    def _too_large(self, method: str, path: str) -> BadResponse:
        size = self._settings.max_answer_size
        error = BadResponse(
            f"{method} {path} was answered with more than {size / 2**20:g} MiB",
            method=method,
            path=path,
            hint="Check base_url, and whether a proxy answers in Bitbucket's place. If answers of "
            "that size are meant to be: server option max_answer_size.",
        )
        error.repeatable = False
        return error

    def _unreadable(self, error: ValueError, method: str, path: str) -> BadResponse:
        """For what the library could not encode or decode; its own text may quote a header."""
        unreadable = BadResponse(
            f"{method} {path} could not be sent, or its answer not be read",
            method=method,
            path=path,
            detail=f"There is something wrong with a header ({type(error).__name__}).",
            hint="Check the credential, base_url, and whether a proxy answers instead.",
        )
        unreadable.repeatable = False
        return unreadable

    def _too_slow(self, flight: Flight, method: str, path: str) -> ConnectionFailure:
        error = ConnectionFailure(
            f"{method} {path} got no complete answer from {self._origin}",
            method=method,
            path=path,
            detail=f"The answer was not complete after {flight.seconds:g} seconds.",
            hint="Check base_url and the network. Server option max_answer_time sets how long an "
            "answer may take as a whole.",
        )
        error.repeatable = False
        return error

    def _connection_failure(
        self, error: requests.RequestException, method: str, path: str
    ) -> ConnectionFailure:
        failed = ConnectionFailure(
            f"{method} {path} got no complete answer from {self._origin}",
            method=method,
            path=path,
            detail=why_no_answer(error, self._settings.timeout),
            hint="Check base_url and the network; server option timeout sets the patience.",
        )
        failed.sent = not _never_sent(error)
        return failed


def _text(response: requests.Response, limit: int) -> Answer:
    headers = response.headers
    told = headers.get("Content-Length", "") if "Content-Encoding" not in headers else ""
    length = int(told) if told.isascii() and told.isdigit() else None
    item = as_item(response.content, headers.get("Content-Type"), limit, length)
    return Answer(
        item,
        min(len(response.content), limit),
        response.status_code,
        headers=response.headers,
        content=json.dumps(item).encode(),
    )


def _never_sent(error: requests.RequestException) -> bool:
    """Whether there was not even a connection to send the request on."""
    if isinstance(error, requests.ConnectTimeout):
        return True
    cause = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(cause, NewConnectionError)
