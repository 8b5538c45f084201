"""The two ways without a library: the ideal client of each question, and a loop."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from .http_api import Api
from .questions import BY_NAME, Rows


class Ideal:
    """A client that was written for each question."""

    def __init__(self, base_url: str, authorization: str, numbered: bool) -> None:
        self._api = Api(base_url, authorization, numbered=numbered)

    def answer(self, question: str) -> Callable[[], Rows] | None:
        return partial(BY_NAME[question].ideal, self._api)


class Loop(Ideal):
    """One request after another."""

    def answer(self, question: str) -> Callable[[], Rows] | None:
        return partial(BY_NAME[question].loop, self._api)
