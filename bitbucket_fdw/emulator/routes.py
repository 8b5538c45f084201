"""Endpoints with the functions that answer them, and how a request finds its own.

A module of handlers makes one :class:`Routes` and decorates its functions; the server joins them.
Addresses are matched on the raw path, so that a branch name with an encoded slash stays one
segment. ``{name:path}`` takes the rest of the path, slashes and all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from bitbucket_fdw.emulator.call import Call
from bitbucket_fdw.emulator.credentials import Scopes
from bitbucket_fdw.emulator.endpoints import Endpoint

Handler = Callable[[Call], Any]


@dataclass(frozen=True)
class Route(Endpoint):
    """An endpoint with the function that answers it: a reply, a list of documents, or one."""

    handler: Handler = field(kw_only=True)


class Routes:
    """A set of endpoints that finds the one for a request."""

    def __init__(self) -> None:
        self._endpoints: list[tuple[re.Pattern[str], list[str], Route]] = []

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

        :param classic: the scopes it needs in the old vocabulary, separated by spaces.
        :param new: the scopes it needs in the new vocabulary, separated by spaces.
        :param options: other fields of :class:`Endpoint`.
        """

        def declare(handler: Handler) -> Handler:
            scopes = Scopes(tuple(classic.split()), tuple(new.split()))
            for name in ("parameters", "repeatable"):
                options[name] = frozenset(options.get(name, ()))
            endpoint = Route(method, template, scopes, **options, handler=handler)
            pattern, names = _compile(template)
            self._endpoints.append((pattern, names, endpoint))
            self._sort()
            return handler

        return declare

    def include(self, others: Iterable[Routes]) -> None:
        """Take over the endpoints of ``others``."""
        for other in others:
            self._endpoints.extend(other._endpoints)
        self._sort()

    def _sort(self) -> None:
        """Put ``pullrequests/activity`` before ``pullrequests/{id}``, whatever was added first."""
        self._endpoints.sort(key=lambda entry: _openness(entry[2].template))

    def find(self, method: str, path: str) -> tuple[Route | None, dict[str, str], set[str]]:
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


def _openness(template: str) -> list[int]:
    """How much each segment of an address matches: one text, any, or all that follow."""
    segments = template.split("/")
    return [0 if "{" not in part else 2 if part.endswith(":path}") else 1 for part in segments]


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
