"""What is declared of an endpoint: its address, its scopes, and how it lists.

Nothing here answers a request: :mod:`routes` adds the function that does.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from bitbucket_fdw.emulator.bbql import Schema
from bitbucket_fdw.emulator.credentials import Scopes
from bitbucket_fdw.emulator.paging import PageRules


@dataclass(frozen=True)
class Listing:
    """What a list endpoint can do: page, filter (``q``), sort, and what it leaves out."""

    pages: PageRules = field(default_factory=PageRules)
    filters: Schema | None = None
    sorts: Schema | None = None
    natural: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    ignores_q: bool = False
    ignores_sort: bool = False


@dataclass(frozen=True)
class Endpoint:
    """One method of one address.

    *public*: whether callers without a credential may ask (and see public data only).
    *parameters* are the query parameters of its own, *repeatable* those that may come twice.
    *gone* is the changelog number of an endpoint that was removed; it answers 410.
    """

    method: str
    template: str
    scopes: Scopes
    listing: Listing | None = None
    parameters: frozenset[str] = frozenset()
    repeatable: frozenset[str] = frozenset()
    public: bool = True
    access_tokens: bool = True
    issue_tracker: bool = False
    gone: str = ""

    def known_parameters(self) -> frozenset[str]:
        """Every query parameter that the endpoint takes."""
        known = self.parameters | self.repeatable | {"fields"}
        listing = self.listing
        if listing is None:
            return known
        known |= {listing.pages.mark, "pagelen"}
        if listing.filters is not None or listing.ignores_q:
            known |= {"q"}
        if listing.sorts is not None or listing.ignores_sort:
            known |= {"sort"}
        return known
