"""The questions by atlassian-python-api, with what its Bitbucket client offers.

Its listings take ``q`` and ``sort`` but no ``fields`` and mostly no ``pagelen``, and those of pull
requests and branches ask for each item once more. A page of another length than the default and a
count are not offered.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from atlassian.bitbucket import Cloud  # type: ignore[import-not-found, unused-ignore]

from benchmarks.questions import (
    CHANGED,
    DAY,
    DAY_AFTER,
    FEW,
    MANY,
    PIPELINES,
    SINCE,
    STATES,
    Rows,
    at,
)

_ALL = f"state IN ({', '.join(f'{chr(34)}{state}{chr(34)}' for state in STATES)})"
_OPEN = 'state = "OPEN"'
_SINCE = f"created_on >= {SINCE}T00:00:00+00:00"
_CHANGED = f"updated_on >= {CHANGED}T00:00:00+00:00"
_ON_DAY = f"created_on >= {DAY}T00:00:00+00:00 AND created_on < {DAY_AFTER}T00:00:00+00:00"


class Peer:
    """One credential's access."""

    def __init__(self, base_url: str, email: str, token: str) -> None:
        root = base_url.removesuffix("/2.0")
        self._cloud = Cloud(url=root, username=email, password=token)
        self._website = self._cloud.repositories.get("acme", "website")
        self._ways: dict[str, Callable[[], Rows]] = {
            "page": lambda: [(r.slug, r.get_data("language")) for r in self._repositories()],
            "filter": partial(self._titles, f'state = "MERGED" AND {_SINCE}'),
            "key": partial(self._one_by_one, (42,)),
            "keys": partial(self._one_by_one, FEW),
            "count": partial(self._count, _OPEN),
            "top": self._newest,
            "open": partial(self._everywhere, _OPEN),
            "comments": self._comments,
            "branches": lambda: [
                (repository.slug, branch.name)
                for repository in self._repositories()
                for branch in repository.branches.each()
            ],
            "local": partial(self._one_by_one, MANY),
            "authors": self._by_author,
            "changed": partial(self._everywhere, _CHANGED),
            "scan": self._scan,
            "commits": lambda: [(c.hash, c.message) for c in self._website.commits.each()],
            "steps": self._steps,
            "states": lambda: list(
                Counter(p.get_data("state") for p in self._website.pullrequests.each(_ALL)).items()
            ),
            "day": partial(self._titles, _ON_DAY),
            "since": partial(self._count, _SINCE),
        }

    def answer(self, question: str) -> Callable[[], Rows] | None:
        return self._ways.get(question)

    def _repositories(self) -> Iterator[Any]:
        return iter(self._cloud.workspaces.get("acme").repositories.each())

    def _titles(self, q: str) -> Rows:
        return [(pull.id, pull.title) for pull in self._website.pullrequests.each(q)]

    def _one_by_one(self, keys: tuple[int, ...]) -> Rows:
        found = map(self._website.pullrequests.get, keys)
        return [(pull.id, pull.title) for pull in found]

    def _count(self, q: str) -> Rows:
        return [(sum(1 for _ in self._website.pullrequests.each(q)),)]

    def _newest(self) -> Rows:
        found = self._website.pullrequests.each(_ALL, sort="-created_on")
        return [(pull.id, pull.title) for pull in itertools.islice(found, 10)]

    def _everywhere(self, q: str) -> Rows:
        return [
            (repository.slug, pull.id, pull.title)
            for repository in self._repositories()
            for pull in repository.pullrequests.each(q)
        ]

    def _comments(self) -> Rows:
        return [
            (pull.id, comment.get_data("id"))
            for pull in self._website.pullrequests.each(_OPEN)
            for comment in pull.comments()
        ]

    def _by_author(self) -> Rows:
        found: Counter[Any] = Counter()
        for repository in self._repositories():
            for pull in repository.pullrequests.each(_ALL):
                found[at(pull.data, "author.display_name")] += 1
        return list(found.items())

    def _scan(self) -> Rows:
        return [
            (pull.id, pull.title, pull.get_data("state"), at(pull.data, "author.display_name"))
            for pull in self._website.pullrequests.each(_ALL)
        ]

    def _steps(self) -> Rows:
        runs = self._website.pipelines.each(sort="-created_on")
        return [
            (run.build_number, step.get_data("name"))
            for run in itertools.islice(runs, PIPELINES)
            for step in run.steps()
        ]
