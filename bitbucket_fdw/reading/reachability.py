"""Whether a table's listing has an item that was found by its key.

Bitbucket answers ``commit/{hash}`` for every commit that it stores, also for one that no branch or
tag reaches. The listing of commits has only those that some ref reaches (it is like ``git log
--all``, as its documentation says). Whether a query returns a row must not depend on how PostgreSQL
reads the table. So a commit that was found by its hash counts only if a ref reaches it. To find
this out, the history need not be read: ``commits?include={hash}&exclude={every ref}`` contains the
commit exactly if no ref reaches it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..api import Listing
from ..pushdown.plan import Kind, Plan, Query
from ..tables.addresses import fill
from ..tables.json_values import column_value
from ..tables.table import Reach, Table
from .scan_requests import RequestPath, ScanRequests
from .streams import bad_answer

EXCLUDED = 60  # hashes in one address, which must not get too long


class Reachability:
    """Looks for commits of one scan among those that their repository's refs reach."""

    def __init__(self, requests: ScanRequests) -> None:
        self._requests = requests
        self._known = requests.judge.known
        self._heads: dict[str, list[str]] = {}

    def lists(self, plan: Plan, place: RequestPath) -> bool:
        """Whether the listing has the item that the rows of a place come from."""
        reach = plan.reach
        if reach is None:
            return True
        digest = place.parameters[_parameter(plan.table)]
        log = fill(reach.log, place.parameters)
        if self._known.is_reached(log, digest) or self._reached(reach, log, place, digest):
            return True
        self._requests.judge.unlisted(digest)
        return False

    def note(self, plan: Plan, place: RequestPath, digest: object) -> None:
        """Note a commit that was seen in the listing, and which a ref therefore reaches."""
        reach = plan.table.reached
        if reach is not None and plan.kind is Kind.COLLECTION and isinstance(digest, str):
            self._known.note_reached(fill(reach.log, place.parameters), digest)

    def _reached(self, reach: Reach, log: str, place: RequestPath, digest: str) -> bool:
        heads = self._heads_of(reach, place)
        found = digest in heads or any(
            self._is_excluded(reach, log, digest, some) for some in _chunks(heads)
        )
        if found:
            self._known.note_reached(log, digest)
        return found

    def _is_excluded(self, reach: Reach, log: str, digest: str, heads: tuple[str, ...]) -> bool:
        pairs = [("include", digest), *(("exclude", head) for head in heads)]
        query = Query((*pairs, ("fields", f"values.{reach.hash}"), ("pagelen", "1")))
        answer = self._requests.ask(reach.log, log, query)
        return isinstance(answer, dict) and answer.get("values") == []

    def _heads_of(self, reach: Reach, place: RequestPath) -> list[str]:
        path = fill(reach.refs, place.parameters)
        if path not in self._heads:
            fields = (("fields", f"next,values.{reach.target}"), ("pagelen", "100"))
            pages = self._requests.pages(Listing(path, fields, endpoint=reach.refs))
            refs = [ref for page in pages for ref in page]
            target = tuple(reach.target.split("."))
            hashes = (column_value(ref, target) for ref in refs)
            heads = [digest for digest in hashes if isinstance(digest, str)]
            if refs and not heads:  # otherwise no commit at all would count as reached
                raise bad_answer(path, "None of the refs says which commit it stands for.")
            self._heads[path] = heads
        return self._heads[path]


def _parameter(table: type[Table]) -> str:
    """The path parameter that is a commit's hash."""
    if table.reached is not None:
        return table.items[0].parameter
    assert table.parent is not None
    key = table.parent.table.items[0].key
    return next(parameter for parameter, supplier in table.parent.supplies if supplier == key)


def _chunks(heads: list[str]) -> Iterator[tuple[str, ...]]:
    source = iter(heads)
    return iter(lambda: tuple(itertools.islice(source, EXCLUDED)), ())
