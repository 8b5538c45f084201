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
    """What a list endpoint can do, and what it leaves out.

    :param pages: how it pages.
    :param filters: the fields that ``q`` takes; without any, ``q`` is an unknown parameter.
    :param sorts: the fields that ``sort`` takes; without any, ``sort`` is an unknown parameter, and
        with an empty set every value of it is refused.
    :param natural: the fields whose digits sort as numbers.
    :param hidden: the members that only an item has, unless ``fields`` asks for them.
    :param shown: if there are any, the members that are listed; only ``fields`` brings the others.
    :param ignores_q: whether ``q`` is taken and does nothing.
    :param ignores_sort: whether ``sort`` is taken and does nothing.
    """

    pages: PageRules = field(default_factory=PageRules)
    filters: Schema | None = None
    sorts: Schema | None = None
    natural: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    shown: frozenset[str] = frozenset()
    ignores_q: bool = False
    ignores_sort: bool = False


@dataclass(frozen=True)
class Endpoint:
    """One method of one address.

    :param method: GET, POST, PUT or DELETE.
    :param template: its address, with path variables in braces.
    :param scopes: what it asks of a credential.
    :param listing: how it lists; None where it answers one document.
    :param parameters: the query parameters of its own.
    :param repeatable: those that may come twice.
    :param public: whether callers without a credential may ask; they see public data only.
    :param access_tokens: whether access tokens may ask.
    :param issue_tracker: whether it went away with the issue tracker.
    :param gone: the changelog number of an endpoint that was removed; it answers 410.
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
