"""GETs of one session and one API, of which most is made once.

A session of requests prepares each request anew: it takes the address apart and merges headers,
cookies, proxies and settings, which are the same each time here. That was more work than to send
the request.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import requests
from requests.auth import AuthBase

from .addresses import Root
from .transport import as_sent

if TYPE_CHECKING:
    from requests.structures import CaseInsensitiveDict


class Reads:
    """Sends the GETs. Used by all threads.

    What it sends is what the session would send. It follows no redirect and keeps no cookie.

    :param session: of :meth:`Transport.session`; its settings are not to be changed any more.
    :param auth: signs each request; ``None`` for anonymous ones.
    """

    def __init__(
        self, session: requests.Session, root: Root, timeout: float, auth: AuthBase | None
    ) -> None:
        self._root = root
        self._auth = auth
        self._timeout = timeout
        prepared = session.prepare_request(requests.Request("GET", root.address("/")))
        # In a dict, which costs less to send than requests' own. Nobody else gives any headers, so
        # that none is there twice in two spellings.
        self._headers = dict(prepared.headers)
        self._adapter = session.get_adapter(str(prepared.url))
        self._verify = True if session.verify is None else session.verify
        self._proxies = dict(session.proxies)

    def get(self, url: str, accept: str, *, stream: bool) -> requests.Response:
        """The answer to an address of the API.

        :param stream: whether its body is left to be read.
        """
        request = requests.PreparedRequest()
        request.method = "GET"
        request.url = url if self._root.plain_path(url) is not None else as_sent(url).geturl()
        headers = {**self._headers, "Accept": accept}
        request.headers = cast("CaseInsensitiveDict[str]", headers)
        if self._auth is not None:
            request = self._auth(request)
        return self._adapter.send(
            request,
            stream=stream,
            timeout=self._timeout,
            verify=self._verify,
            proxies=self._proxies,
        )
