"""A wrapper as one writes it on an afternoon: one listing, page by page, whole items, no pushdown.

It runs in PostgreSQL, on the same host as bitbucket_fdw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import requests

from multicorn import ForeignDataWrapper


class NaiveFdw(ForeignDataWrapper):  # type: ignore[misc, unused-ignore]
    """Columns are members of items; ``__`` in a name stands for the dot of a path.

    Options: ``url``, ``authorization``.
    """

    def __init__(self, options: Mapping[str, str], columns: Mapping[str, Any]) -> None:
        super().__init__(dict(options), dict(columns))
        self.url = options["url"]
        self.paths = {name: c.options["path"].split(".") for name, c in columns.items()}
        self.headers = {"Authorization": options["authorization"]}

    def execute(  # type: ignore[override, unused-ignore]
        self, quals: Any, columns: Iterable[str], **_: Any
    ) -> Iterator[dict[str, Any]]:
        url: str | None = self.url
        while url:
            page = requests.get(url, headers=self.headers, timeout=60).json()
            for item in page["values"]:
                yield {name: self.value(item, self.paths[name]) for name in columns}
            url = page.get("next")

    def value(self, item: Any, path: list[str]) -> Any:
        for name in path:
            item = item.get(name) if isinstance(item, dict) else None
        return item
