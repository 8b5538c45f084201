"""The envelope of paginated lists.

Stated (REST introduction, "Pagination"): ``{size, page, pagelen, next, previous, values}``, of
which only ``values`` and ``next`` are promised; ``next`` is opaque and its absence is the end;
iterator-like lists (commits) go forward only and have neither ``size`` nor ``page``. Seen live: a
page length over the endpoint's maximum is a 400 ``Invalid pagelen``; pages past the end are empty.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from bitbucket_fdw.emulator.errors import Json, bad_request

Pairs = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class PageRules:
    """How an endpoint pages.

    :param default: how many documents a page has unless ``pagelen`` is given.
    :param largest: the largest ``pagelen`` that is taken.
    :param has_size: whether it tells how many documents there are.
    :param iterator: whether it goes forward only and tells neither size nor page.
    :param numbered: whether plain page numbers are taken; its links have them, too.
    :param unpaged: whether everything comes at once.
    :param lost: the parameters that its links do not repeat.
    :param mark: the parameter that says which page.
    """

    default: int = 10
    largest: int = 100
    has_size: bool = True
    iterator: bool = False
    numbered: bool = False
    unpaged: bool = False
    lost: frozenset[str] = frozenset()
    mark: str = "page"


class PageMarks:
    """Opaque values of ``page``: nobody can make one that the server did not hand out.

    A mark holds an offset, hidden and signed together with the address and the other parameters,
    so that a client which rebuilds or edits a ``next`` link is found out.
    """

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def _digest(self, text: str) -> bytes:
        return hmac.new(self._secret, text.encode(), hashlib.sha256).digest()

    def make(self, scope: str, offset: int) -> str:
        """The mark of ``offset`` in the listing that ``scope`` names."""
        signature = self._digest(f"{scope}\n{offset}")[:8]
        pad = int.from_bytes(self._digest(signature.hex())[:4], "big")
        return signature.hex() + f"{offset ^ pad:08x}"

    def read(self, scope: str, mark: str) -> int:
        """The offset in ``mark``; raises a 400 ApiError for one that was not made for ``scope``."""
        try:
            signature, hidden = bytes.fromhex(mark[:16]), int(mark[16:], 16)
        except ValueError:
            raise bad_request("Invalid page") from None
        offset = hidden ^ int.from_bytes(self._digest(signature.hex())[:4], "big")
        if not hmac.compare_digest(self.make(scope, offset), mark):
            raise bad_request("Invalid page")
        return offset


def page_length(text: str | None, rules: PageRules) -> int:
    """``pagelen`` as asked for, or the default; 400 when it is no number or too large."""
    if text is None or rules.unpaged:
        return rules.default
    if not text.isascii() or not text.isdigit() or not 1 <= int(text) <= rules.largest:
        raise bad_request("Invalid pagelen")
    return int(text)


@dataclass(frozen=True)
class Window:
    """A part of a listing: where it starts and how long it may be."""

    offset: int
    length: int


class Pager:
    """Cuts one listing, known by its address and parameters, into pages."""

    def __init__(
        self, marks: PageMarks, url: str, parameters: Pairs, rules: PageRules, numbers: bool = False
    ) -> None:
        self._marks = marks
        self._url = url
        self._kept = [(name, value) for name, value in parameters if name != rules.mark]
        self._rules = rules
        self._numbered = rules.numbered or (numbers and rules.mark == "page")
        given = dict(parameters)
        self._length = page_length(given.get("pagelen"), rules)
        # The host is left out: it may be spelled in several ways.
        path = url.split("://", 1)[-1].partition("/")[2]
        self._scope = f"/{path}?{urlencode(self._kept)}"
        self.window = Window(self._offset(given.get(rules.mark)), self._length)

    def _offset(self, page: str | None) -> int:
        if page is None:
            return 0
        if self._numbered and len(page) < 8 and page.isascii() and page.isdigit() and int(page):
            return (int(page) - 1) * self._length
        return self._marks.read(self._scope, page)

    def _link(self, offset: int) -> str:
        if self._rules.numbered:
            page = str(offset // self._length + 1)
        else:
            page = self._marks.make(self._scope, offset)
        repeated = [pair for pair in self._kept if pair[0] not in self._rules.lost]
        return f"{self._url}?{urlencode([*repeated, (self._rules.mark, page)], quote_via=quote)}"

    def envelope(self, total: int, values: list[Json]) -> Json:
        """The page around ``values``, which are those of the window out of ``total``."""
        rules, offset = self._rules, self.window.offset
        if rules.unpaged:
            return {"size": total, "values": values}
        body: Json = {"pagelen": self._length, "values": values}
        if rules.has_size and not rules.iterator:
            body["size"] = total
        if not rules.iterator:
            body["page"] = offset // self._length + 1
            if offset:
                body["previous"] = self._link(max(0, offset - self._length))
        if offset + self._length < total:
            body["next"] = self._link(offset + self._length)
        return body
