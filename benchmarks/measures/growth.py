"""How the time grows with the data, beside the ideal client's."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from ..http_api import Api, Place
from ..synthetic import workspace
from .ground import Connection, Ground


def measure(ground: Ground, quick: bool) -> dict[str, Any]:
    """Seconds for as many, ten and a hundred times as many pull requests, and repositories."""
    pulls, repositories = (100, 5) if quick else (500, 10)
    api = Api(ground.url, "", numbered=True)
    found: dict[str, Any] = {}
    for times in (1, 10, 100):
        found |= _pull_requests(ground, api, pulls * times)
    for times in (1, 10, 100):
        found |= _repositories(ground, api, repositories * times)
    return found


def _pull_requests(ground: Ground, api: Api, count: int) -> dict[str, float]:
    name = workspace(1, count, 50)
    path = f"/repositories/{name}/r-1/pullrequests"
    with ground.session(name) as connection:
        return _both(
            f"{count:,} pull requests",
            lambda: _rows(connection, "SELECT id, title FROM w.pull_requests"),
            lambda: len(api.listing(path, pagelen=50)),
            count,
        )


def _repositories(ground: Ground, api: Api, count: int) -> dict[str, float]:
    each = 3
    name = workspace(count, each, 50)

    def ideal() -> int:
        slugs = [item["slug"] for item in api.listing(f"/repositories/{name}", pagelen=100)]
        places: list[Place] = [(f"/repositories/{name}/{slug}/refs/branches", {}) for slug in slugs]
        return sum(map(len, api.listings(places)))

    with ground.session(name) as connection:
        return _both(
            f"{count:,} repositories",
            lambda: _rows(connection, "SELECT repository, name FROM w.branches"),
            ideal,
            each * count,
        )


def _rows(connection: Connection, statement: str) -> int:
    return len(connection.execute(statement.encode()).fetchall())


def _both(
    what: str, own: Callable[[], int], ideal: Callable[[], int], expected: int
) -> dict[str, float]:
    """Seconds of both, the faster one of two times."""
    found = {}
    for side, read in (("bitbucket_fdw", own), ("ideal", ideal)):
        taken = []
        for _ in range(2):
            began = time.perf_counter()
            got = read()
            taken.append(time.perf_counter() - began)
            if got != expected:
                raise AssertionError(f"{what}, {side}: {got} rows for {expected}")
        found[f"{what}, {side}, s"] = min(taken)
    return found
