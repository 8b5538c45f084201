"""How long the first line of a request may get, and how much of that is left for conditions.

Bitbucket's limit is not documented. Its web site once refused a line of more than 4,094 bytes (seen
by users, 2017), which is the limit of a widespread Python server.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from ..tables.addresses import path_text
from ..tables.table import Table
from .plan import Binding

LONGEST = 4000  # bytes of method, path and query as sent
LONGEST_VALUE = 1000  # bytes of one value in a path; no name at Bitbucket is so long
# Bytes for "GET ", the API's own path (which may be longer in a base_url), "&q=" and a page number.
_AROUND = 100


def fits(value: object) -> bool:
    """Whether a value is short enough for a path."""
    return _encoded(value) <= LONGEST_VALUE


def _encoded(value: object) -> int:
    return len(quote(path_text(value), safe=""))


def room(
    table: type[Table], bindings: Iterable[Binding], parameters: Iterable[tuple[str, str]]
) -> int:
    """The bytes left for conditions after a listing's path and its other parameters."""
    longest = {b.parameter: max(map(_encoded, b.values), default=0) for b in bindings}
    if table.parent is not None:  # the parent's rows supply the other path parameters
        for parameter, supplier in table.parent.supplies:
            longest.setdefault(parameter, table.parent.table.column(supplier).longest)
    values = sum(longest[name] for name in table.parameters())
    rest = len(table.collection.path) + len(urlencode(list(parameters), quote_via=quote))
    return max(0, LONGEST - _AROUND - values - rest)


def length(term: str) -> int:
    """The bytes that a term of ``q`` takes, including the AND before the next one."""
    return len(quote(f"{term} AND ", safe=""))
