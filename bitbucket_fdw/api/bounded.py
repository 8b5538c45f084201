"""Connections whose answers are bounded: in size, and by whoever watches over their requests.

A body is counted as it is decoded: a small one that is compressed can be very large.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import requests
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

from .flights import current

_PIECE = 16 * 1024  # bytes as sent; decoded they may be a thousand times as many


class AnswerTooLarge(requests.RequestException):
    """An answer is larger than what is allowed."""


class _Watched(HTTPConnection):
    """A connection of the request under way on its thread, which can then be ended from another."""

    def request(self, *args: Any, **kwargs: Any) -> None:
        self._tell()
        super().request(*args, **kwargs)
        self._tell()

    def _tell(self) -> None:
        flight = current()
        if flight is not None:
            flight.uses(self)


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


_POOLS = {"http": _Pool, "https": _TlsPool}


class _Host(NamedTuple):
    """Where requests went the last time.

    :param begin: what the addresses of the host begin with, up to the slash of their path.
    :param settings: of TLS and of proxies.
    :param is_direct: whether the request line names the path, and not the whole address.
    :param pool: its connections.
    """

    begin: str
    settings: tuple[Any, ...]
    is_direct: bool
    pool: Any


class BoundedAdapter(HTTPAdapter):
    """Reads an answer to its end before anybody sees it, or gives it up.

    An answer that is asked for with ``stream`` is left to the caller, for :func:`read`.

    :param longest: the most bytes of a decoded body; beyond it :class:`AnswerTooLarge` is raised.
    :param watched: whether requests belong to their thread's flight.
    """

    def __init__(self, longest: int, watched: bool, connections: int) -> None:
        self._longest = longest
        self._watched = watched
        self._latest: _Host | None = None
        super().__init__(pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        return self._watch(super().proxy_manager_for(*args, **kwargs))

    def _watch(self, manager: Any) -> Any:
        if self._watched:
            manager.pool_classes_by_scheme = _POOLS
        return manager

    def get_connection_with_tls_context(
        self, request: PreparedRequest, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """The connections to a request's host, which are looked up when the host changes."""
        url, settings = str(request.url), (verify, dict(proxies or {}), cert)
        latest = self._latest
        if latest is None or latest.settings != settings or not url.startswith(latest.begin):
            usual: Any = super()
            pool = usual.get_connection_with_tls_context(request, verify, proxies, cert)
            usual.cert_verify(pool, url, verify, cert)
            parts = urlsplit(url)
            is_direct = usual.request_url(request, proxies).startswith("/")
            latest = _Host(f"{parts.scheme}://{parts.netloc}/", settings, is_direct, pool)
            self._latest = latest
        return latest.pool

    def cert_verify(self, *_: Any) -> None:
        """Nothing: the settings of TLS are those of the connections, which were given them once."""

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:
        """What the request line names."""
        url, latest = str(request.url), self._latest
        if latest is None or not latest.is_direct or not url.startswith(latest.begin):
            return super().request_url(request, proxies)
        return url[len(latest.begin) - 1 :].partition("#")[0]

    def build_response(self, req: PreparedRequest, resp: Any) -> requests.Response:
        """The response, without what is of no use for an answer that holds what was asked for: its
        cookies, and a guess of its charset.
        """
        if resp.status != 200:
            return super().build_response(req, resp)
        response = requests.Response()
        response.status_code, response.reason, response.raw = resp.status, resp.reason, resp
        # These do not tell the case of names apart either.
        response.headers = cast("CaseInsensitiveDict[str]", resp.headers)
        response.url, response.request = str(req.url), req
        return response

    def close(self) -> None:
        self._latest = None
        super().close()

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        response = super().send(*args, **kwargs)
        # A redirect is read here in any case: requests would read its body without a bound.
        if response.is_redirect or not kwargs.get("stream"):
            read(response, self._longest)
        return response


def read(response: requests.Response, longest: int, enough: int | None = None) -> None:
    """Read the body of an answer that was not read yet.

    :param longest: the most bytes of it, decoded; beyond it :class:`AnswerTooLarge` is raised.
    :param enough: how many bytes are wanted. Of a longer body one byte more than that is read,
        which shows that it is longer.
    """
    pieces, size = [], 0
    # As a whole, which costs less, if it is certain to be within the bound.
    told = None if response.raw.headers.get("Content-Encoding") else response.raw.length_remaining
    is_short = told is not None and told <= longest and enough is None
    for piece in response.iter_content(None if is_short else _PIECE):
        size += len(piece)
        pieces.append(piece)
        if enough is not None and size > enough:
            response.close()
            break
        if size > longest:
            response.close()
            raise AnswerTooLarge(f"more than {longest} bytes", response=response)
    response._content = b"".join(pieces)[: None if enough is None else enough + 1]
