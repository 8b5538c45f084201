"""Endpoints: their addresses, parameters and scopes, declared beside the function that answers.

A module of handlers makes one :class:`Routes` and decorates its functions; the server joins them.
Addresses are matched on the raw path, so that a branch name with an encoded slash stays one
segment. ``{name:path}`` takes the rest of the path, slashes and all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from bitbucket_fdw.emulator.bbql import Schema
from bitbucket_fdw.emulator.credentials import Scopes
from bitbucket_fdw.emulator.paging import PageRules

if TYPE_CHECKING:
    from bitbucket_fdw.emulator.call import Call

Handler = Callable[["Call"], Any]


@dataclass(frozen=True)
class Listing:
    """What a list endpoint can do: page, filter (``q``), sort, and what it leaves out."""

    pages: PageRules = field(default_factory=PageRules)
    filters: Schema | None = None
    sorts: Schema | None = None
    natural: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    ignores_q: bool = False


@dataclass(frozen=True)
class Endpoint:
    """One method of one address.

    *public*: whether callers without a credential may ask (and see public data only).
    *parameters* are the query parameters of its own, *repeatable* those that may come twice.
    *gone* is the changelog number of an endpoint that was removed; it answers 410.
    """

    method: str
    template: str
    handler: Handler
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
        known |= {"page", "pagelen"}
        if listing.filters is not None or listing.ignores_q:
            known |= {"q"}
        return known | {"sort"} if listing.sorts is not None else known


class Routes:
    """A set of endpoints that finds the one for a request."""

    def __init__(self) -> None:
        self._endpoints: list[tuple[re.Pattern[str], list[str], Endpoint]] = []

    def add(
        self,
        method: str,
        template: str,
        *,
        classic: str = "",
        new: str = "",
        **options: Any,
    ) -> Callable[[Handler], Handler]:
        """Decorator: declare the function as the endpoint's handler.

        *classic* and *new* are the scopes it needs, separated by spaces; *options* are fields of
        :class:`Endpoint`.
        """

        def declare(handler: Handler) -> Handler:
            scopes = Scopes(tuple(classic.split()), tuple(new.split()))
            for name in ("parameters", "repeatable"):
                options[name] = frozenset(options.get(name, ()))
            endpoint = Endpoint(method, template, handler, scopes, **options)
            pattern, names = _compile(template)
            self._endpoints.append((pattern, names, endpoint))
            return handler

        return declare

    def include(self, others: Iterable[Routes]) -> None:
        """Take over the endpoints of *others*."""
        for other in others:
            self._endpoints.extend(other._endpoints)

    def find(self, method: str, path: str) -> tuple[Endpoint | None, dict[str, str], set[str]]:
        """The endpoint of a raw path, its path variables, and the methods that the path takes."""
        allowed: set[str] = set()
        path = path.removesuffix("/")
        for pattern, names, endpoint in self._endpoints:
            match = pattern.fullmatch(path)
            if match is None:
                continue
            if endpoint.method == method:
                values = (unquote(value) for value in match.groups())
                return endpoint, dict(zip(names, values, strict=True)), allowed
            allowed.add(endpoint.method)
        return None, {}, allowed


def _compile(template: str) -> tuple[re.Pattern[str], list[str]]:
    names = []
    pattern = ""
    for part in re.split(r"(\{[^}]+\})", template):
        if not part.startswith("{"):
            pattern += re.escape(part)
            continue
        name, _, kind = part[1:-1].partition(":")
        names.append(name)
        pattern += "(.+)" if kind == "path" else "([^/]+)"
    return re.compile(pattern), names
