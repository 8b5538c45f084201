"""Addresses of the API. Most are written in such a way that nobody has to prepare them first.

What a library makes of an address when it sends it is found by having it prepared (see
``transport.as_sent``), which takes as long as half of the request. An address is plain if it is
certain to be sent as it is written: it begins like the API's own, and the rest has no characters
that are encoded, decoded or left out on the way.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from urllib.parse import urlencode, urljoin, urlsplit

import requests

from .transport import as_sent, origin

# No part of the path is empty or begins with a dot: such parts are left out, and may lead upwards.
# Braces are those of UUIDs. A percent sign begins nothing else.
_PATH = re.compile(r"(?:/(?:[A-Za-z0-9_~-]|%7[BD])(?:[A-Za-z0-9_~.-]|%7[BD])*)+/?")
_QUERY = re.compile(r"[A-Za-z0-9_~.=&+,:*-]*(?:%[0-9A-F]{2}[A-Za-z0-9_~.=&+,:*-]*)*")


_ABSOLUTE = re.compile(r"https?://[A-Za-z0-9]")


class Root:
    """Where an API is.

    :param base_url: of all of its addresses, without a trailing slash.

    ``origin`` is scheme, host and port, ``path`` the path of the base without a trailing slash.
    """

    def __init__(self, base_url: str) -> None:
        parts = as_sent(base_url)
        self.origin, self.path = origin(parts), parts.path.rstrip("/")
        self._base_url = base_url
        self._begin = f"{parts.scheme}://{parts.netloc}{self.path}"
        # A request's address is looked at several times on its way.
        self._latest = functools.lru_cache(maxsize=64)(self._plain_path)

    def plain_path(self, url: str) -> str | None:
        """The path below the base of a plain address; ``None`` for any other."""
        return self._latest(url)

    def query(self, url: str) -> str:
        """The query of an address, as it is written."""
        is_plain = self.plain_path(url) is not None
        return url.partition("?")[2] if is_plain else urlsplit(url).query

    def _plain_path(self, url: str) -> str | None:
        if not url.startswith(self._begin):
            return None
        path, _, query = url[len(self._begin) :].partition("?")
        is_plain = _PATH.fullmatch(path) is not None and _QUERY.fullmatch(query) is not None
        return path if is_plain else None

    def address(self, path: str, parameters: Iterable[tuple[str, str]] = ()) -> str:
        """The full address of a path below the base, its parameters encoded."""
        given = list(parameters)
        if self._base_url == self._begin and _PATH.fullmatch(path):
            query = "&".join([_parameter(name, value) for name, value in given])
            return f"{self._begin}{path}?{query}" if query else self._begin + path
        prepared = requests.Request("GET", self._base_url + path, params=given).prepare()
        return str(prepared.url)


def _parameter(name: str, value: str) -> str:
    """A parameter, encoded. Those of a listing's pages are the same but for the page's number."""
    if value.isdigit() and value.isascii() and name.isalpha() and name.isascii():
        return f"{name}={value}"
    return _encoded(name, value)


@functools.lru_cache(maxsize=128)
def _encoded(name: str, value: str) -> str:
    return urlencode(((name, value),))


def absolute(address: str, seen_at: str) -> str:
    """The address that a link leads to, in an answer from another one."""
    return address if _ABSOLUTE.match(address) else urljoin(seen_at, address)
