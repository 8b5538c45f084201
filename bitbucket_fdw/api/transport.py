"""How requests leave this machine: TLS, proxy, time-outs. One place for the API and for sign-in."""

from __future__ import annotations

import functools
import ssl
from dataclasses import dataclass
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import SplitResult, parse_qsl, unquote_plus, urlsplit, urlunsplit

import requests

from .. import __version__
from ..errors import OptionError
from .bounded import BoundedAdapter


@dataclass(frozen=True, slots=True)
class Transport:
    """Settings of every connection.

    :param timeout: seconds to wait for a connection, and for each part of an answer.
    :param ca_bundle: PEM file of the certificate authorities to trust; ``None``: certifi's.
    :param proxy: address of an HTTP proxy for https; ``None``: none, whatever the environment says.
    :param longest: the most bytes of an answer's body, decoded.
    :param watched: whether a thread's requests can be ended by its flight.
    """

    timeout: float = 30.0
    ca_bundle: str | None = None
    proxy: str | None = None
    longest: int = 16 * 2**20
    watched: bool = False

    def session(
        self,
        connections: int = 1,
        session: requests.Session | None = None,
    ) -> requests.Session:
        """A session (or the given one) that verifies certificates and sends no credential of its
        own accord. :class:`OptionError` if ``ca_bundle`` holds no certificates.
        """
        if self.ca_bundle:
            _check_authorities(self.ca_bundle)
        session = session or requests.Session()
        # Neither ~/.netrc nor proxy variables of the server's environment may decide where
        # credentials go.
        session.trust_env = False
        # Nor may a cookie of one answer colour the next.
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.verify = self.ca_bundle or True
        if self.proxy:
            # Not for http: that goes to loopback addresses only, never out to a proxy in clear.
            session.proxies = {"https": self.proxy}
        session.headers["User-Agent"] = f"bitbucket_fdw/{__version__}"
        session.headers["Accept"] = "application/json"
        adapter = BoundedAdapter(self.longest, self.watched, connections)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session


def _check_authorities(path: str) -> None:
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:  # ssl.SSLError among them
        why = "it holds no certificates" if isinstance(error, ssl.SSLError) else error.strerror
        raise OptionError(
            f'the file "{path}" of option "ca_bundle" cannot be used: {why}',
            hint="It is a PEM file that the operating system user of the PostgreSQL server can "
            "read, such as /etc/ssl/certs/ca-certificates.crt.",
        ) from None


def with_parameters(url: str, query: str) -> str:
    """An address with those parameters of a query string that it does not have itself.

    A redirect that named the new place alone would lose what was asked for there: the members of
    items, the filter, the length of pages.
    """
    parts = urlsplit(url)
    named = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    asked = (part for part in query.split("&") if part)
    missing = [part for part in asked if unquote_plus(part.partition("=")[0]) not in named]
    return urlunsplit(parts._replace(query="&".join(filter(None, (parts.query, *missing)))))


@functools.lru_cache(maxsize=256)
def as_sent(url: str) -> SplitResult:
    """The parts of an address as a request to it would use them.

    Libraries disagree on what a backslash means in an address, or an "@" behind it. What matters is
    where the request would really go, so the address is read back from a prepared request. Raises
    :class:`ValueError` for what cannot be requested, or would bring a user name along.

    A request's address is looked at several times on its way, so that the latest ones are kept.
    """
    # requests' own errors for addresses are ValueErrors too.
    parts = urlsplit(requests.Request("GET", url).prepare().url or "")
    if parts.username is not None or parts.password is not None:
        raise ValueError("the address has a user name")
    return parts


def origin(parts: SplitResult) -> str:
    """Scheme, host and port: what a credential is sent to, and nowhere else."""
    port = parts.port or {"https": 443, "http": 80}.get(parts.scheme)
    return f"{parts.scheme}://{parts.hostname}:{port}"


def why_no_answer(error: Exception, timeout: float) -> str:
    """A sentence for an error that came in place of an answer.

    The library's own text is not repeated: it may quote headers.
    """
    seconds = f"{timeout:g} seconds"
    if isinstance(error, requests.ConnectTimeout):
        return f"No connection within {seconds}."
    if isinstance(error, requests.Timeout):
        return f"No answer within {seconds}."
    if isinstance(error, requests.exceptions.SSLError):
        return (
            "The server's TLS certificate could not be verified (server option ca_bundle names "
            "the authorities to trust)."
        )
    if isinstance(error, requests.exceptions.ProxyError):
        return "The proxy (server option proxy) could not be used."
    if isinstance(error, requests.exceptions.ChunkedEncodingError):
        return "The answer ended early."
    return f"The connection failed ({type(error).__name__})."
