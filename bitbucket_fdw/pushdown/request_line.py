"""How long the first line of a request may get, and what that leaves for the conditions.

Nothing is documented of Bitbucket's limit. Its web site once refused a line of more than 4,094
bytes (seen by users, 2017), which is what a widespread Python server takes at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote, urlencode

from ..tables.addresses import path_text
from ..tables.table import Table
from .plan import Binding

LONGEST = 4000  # bytes of method, path and query as sent
LONGEST_VALUE = 1000  # bytes of one value in a path; nothing at Bitbucket has a name so long
# "GET ", the API's own path, "&q=" and a page's number; a base_url may have a longer path.
_AROUND = 100


def fits(value: object) -> bool:
    """Whether a value can stand in a path."""
    return _encoded(value) <= LONGEST_VALUE


def _encoded(value: object) -> int:
    return len(quote(path_text(value), safe=""))


def room(
    table: type[Table], bindings: Iterable[Binding], parameters: Iterable[tuple[str, str]]
) -> int:
    """Bytes that are left for conditions beside a listing's path and its other parameters."""
    longest = {b.parameter: max(map(_encoded, b.values), default=0) for b in bindings}
    if table.parent is not None:  # its rows bring what the conditions do not
        for parameter, supplier in table.parent.supplies:
            longest.setdefault(parameter, table.parent.table.column(supplier).longest)
    values = sum(longest[name] for name in table.parameters())
    rest = len(table.collection.path) + len(urlencode(list(parameters), quote_via=quote))
    return max(0, LONGEST - _AROUND - values - rest)


def length(term: str) -> int:
    """Bytes that a term of ``q`` takes, with the AND before the next one."""
    return len(quote(f"{term} AND ", safe=""))
