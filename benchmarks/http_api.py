"""The API without any library for it: what the ideal client and the naive loop are written with."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, TypeVar
from urllib.parse import urlencode

import urllib3

AT_ONCE = 8  # requests under way at a time; the default of server option "concurrency"

T = TypeVar("T")
S = TypeVar("S")
Place = tuple[str, dict[str, Any]]
"""A path below the API's address, and its parameters."""


class Api:
    """One credential's access to the API. Connections stay open.

    :param authorization: the header's value.
    :param numbered: whether pages may be asked for by their numbers.
    """

    def __init__(self, base_url: str, authorization: str, *, numbered: bool) -> None:
        self.base_url = base_url
        self.numbered = numbered
        self._pool = urllib3.PoolManager(
            maxsize=AT_ONCE, headers={"Authorization": authorization}, retries=False
        )
        self._threads = ThreadPoolExecutor(AT_ONCE)

    def url(self, path: str, parameters: dict[str, Any]) -> str:
        """The full address."""
        query = urlencode(parameters, doseq=True)
        return f"{self.base_url}{path}?{query}" if query else f"{self.base_url}{path}"

    def body(self, url: str) -> bytes:
        """The body of an answer; :class:`RuntimeError` unless its status is 200."""
        answer = self._pool.request("GET", url)
        if answer.status != 200:
            raise RuntimeError(f"GET {url}: {answer.status} {answer.data[:200]!r}")
        return bytes(answer.data)

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON of one answer."""
        return json.loads(self.body(self.url(path, parameters)))

    # --- as the ideal client reads ---

    def each(self, function: Callable[[T], S], items: Iterable[T]) -> list[S]:
        """What a function gives for each of the items, :data:`AT_ONCE` at a time."""
        return list(self._threads.map(function, items))

    def listings(self, places: Sequence[Place]) -> list[list[Any]]:
        """The items of each listing. Nothing waits for anything that it does not need."""
        pages: list[dict[int, list[Any]]] = [{} for _ in places]
        firsts = {
            self._threads.submit(self.get, path, **parameters): index
            for index, (path, parameters) in enumerate(places)
        }
        others: dict[Future[Any], tuple[int, int]] = {}
        for first in as_completed(firsts):
            index, page = firsts[first], first.result()
            pages[index][1] = page["values"]
            path, parameters = places[index]
            if "next" not in page:
                continue
            if self.numbered and "size" in page and "page" in page:
                last = -(-page["size"] // len(page["values"]))
                for number in range(2, last + 1):
                    asked = self._threads.submit(self.get, path, **{**parameters, "page": number})
                    others[asked] = (index, number)
            else:
                others[self._threads.submit(self._rest, page["next"])] = (index, 2)
        for other in as_completed(others):
            index, number = others[other]
            result = other.result()
            pages[index][number] = result if isinstance(result, list) else result["values"]
        return [[item for number in sorted(found) for item in found[number]] for found in pages]

    def listing(self, path: str, **parameters: Any) -> list[Any]:
        """The items of one listing."""
        return self.listings([(path, parameters)])[0]

    # --- as a loop reads ---

    def chain(self, path: str, **parameters: Any) -> list[Any]:
        """The items of a listing, one page after another."""
        page = self.get(path, **parameters)
        values: list[Any] = page["values"]
        return values + (self._rest(page["next"]) if "next" in page else [])

    def _rest(self, url: str) -> list[Any]:
        values = []
        following: str | None = url
        while following:
            page = json.loads(self.body(following))
            values += page["values"]
            following = page.get("next")
        return values
