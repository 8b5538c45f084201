"""The store that logs lie in: another server, whose addresses are permissions in themselves.

Seen live by users, 2026: the log of a step is answered by a redirect to a storage host, which is to
be asked without the API's credential. Assumed: that store refuses a request that brings one, as
stores with signed addresses do, and says so in XML.
"""

from __future__ import annotations

import hashlib
import hmac

from bitbucket_fdw.emulator.errors import Reply
from bitbucket_fdw.emulator.incoming import Incoming

_XML = "application/xml"


class FileStore:
    """Texts by signed addresses.

    :param origin: its address without a path.
    """

    def __init__(self, origin: str, secret: bytes) -> None:
        self._origin = origin
        self._secret = secret
        self._kept: dict[str, bytes] = {}

    def put(self, name: str, content: bytes) -> str:
        """Keep a text; the address by which anybody can read it."""
        path = f"/kept/{hashlib.sha256(name.encode()).hexdigest()}"
        self._kept[path] = content
        return f"{self._origin}{path}?signature={self._signature(path)}"

    def _signature(self, path: str) -> str:
        return hmac.new(self._secret, path.encode(), hashlib.sha256).hexdigest()

    def respond(self, incoming: Incoming) -> Reply:
        """Answer a request: 400 for a credential or for anything else that the address has not."""
        if incoming.authorization is not None:
            return _refused(400, "Only one way to sign in is allowed")
        given = incoming.parameters
        if incoming.method != "GET" or [name for name, _ in given] != ["signature"]:
            return _refused(400, "Unknown parameters or method")
        if not hmac.compare_digest(given[0][1], self._signature(incoming.path)):
            return _refused(403, "The signature does not match")
        content = self._kept.get(incoming.path)
        if content is None:
            return _refused(404, "No such key")
        return Reply(200, content, {}, "application/octet-stream")


def _refused(status: int, message: str) -> Reply:
    return Reply(status, f"<Error><Message>{message}</Message></Error>".encode(), {}, _XML)
