"""The questions by dlt: load what a question needs into PostgreSQL, then ask there.

A load has the filters, and the members, that the question needs, so that no more is loaded than it
takes; each is a pipeline of its own, as for a report that is to be up to date.
"""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

# It would tell its makers of each run, and warn of columns that are NULL throughout.
os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "CRITICAL"}

import dlt  # type: ignore[import-not-found, unused-ignore]
import psycopg2  # type: ignore[import-not-found, import-untyped, unused-ignore]
from dlt.sources.helpers.rest_client import (  # type: ignore[import-not-found, unused-ignore]
    RESTClient,
)
from dlt.sources.helpers.rest_client.auth import (  # type: ignore[import-not-found, unused-ignore]
    HttpBasicAuth,
)
from dlt.sources.helpers.rest_client.paginators import (  # type: ignore[import-not-found, unused-ignore]
    JSONLinkPaginator,
)

from benchmarks.questions import (
    CHANGED,
    DAY,
    DAY_AFTER,
    FEW,
    MANY,
    PIPELINES,
    SINCE,
    STATES,
    WEBSITE,
    Rows,
    asking,
)

_PULLS = f"{WEBSITE}/pullrequests"
_ALL = {"state": list(STATES), "pagelen": 50}


@dataclass(frozen=True)
class Load:
    """What is loaded, and the question to what was loaded.

    :param path: of a listing; with ``{slug}`` of each repository, with ``{key}`` of each item of
        ``parent``.
    :param members: of items.
    :param sql: over the tables ``item`` and ``parent``; ``{s}`` is their schema.
    """

    path: str
    parameters: dict[str, Any]
    members: tuple[str, ...]
    sql: str
    parent: Load | None = None
    key: str = "id"
    most: int | None = None
    more: dict[str, Any] = field(default_factory=dict)


def _titles(q: str) -> Load:
    sql = "SELECT id, title FROM {s}.item"
    return Load(_PULLS, {"q": q, "pagelen": 50}, ("id", "title"), sql)


def _everywhere(q: str) -> Load:
    sql = "SELECT repository, id, title FROM {s}.item"
    path = "/repositories/acme/{slug}/pullrequests"
    return Load(path, {"q": q, "pagelen": 50}, ("id", "title"), sql)


def _keys(keys: tuple[int, ...]) -> Load:
    return _titles(" OR ".join(f"id = {key}" for key in keys))


_SINCE = f"created_on >= {SINCE}T00:00:00+00:00"
_COUNT = "SELECT count(*) FROM {s}.item"
LOADS = {
    "page": Load(
        "/repositories/acme",
        {"pagelen": 100},
        ("slug", "language"),
        "SELECT slug, language FROM {s}.item",
    ),
    "filter": _titles(f'state = "MERGED" AND {_SINCE}'),
    "key": _keys((42,)),
    "keys": _keys(FEW),
    "count": Load(_PULLS, {"q": 'state = "OPEN"', "pagelen": 50}, ("id",), _COUNT),
    "open": _everywhere('state = "OPEN"'),
    "comments": Load(
        f"{_PULLS}/{{key}}/comments",
        {"pagelen": 100},
        ("id",),
        "SELECT of, id FROM {s}.item",
        Load(_PULLS, {"q": 'state = "OPEN"', "pagelen": 50}, ("id",), ""),
    ),
    "branches": Load(
        "/repositories/acme/{slug}/refs/branches",
        {"pagelen": 100},
        ("name",),
        "SELECT repository, name FROM {s}.item",
    ),
    "local": _keys(MANY),
    "authors": Load(
        "/repositories/acme/{slug}/pullrequests",
        _ALL,
        ("author.display_name",),
        "SELECT author__display_name, count(*) FROM {s}.item GROUP BY 1",
    ),
    "changed": _everywhere(f"updated_on >= {CHANGED}T00:00:00+00:00"),
    "scan": Load(
        _PULLS,
        _ALL,
        ("id", "title", "state", "author.display_name"),
        "SELECT id, title, state, author__display_name FROM {s}.item",
    ),
    "commits": Load(
        f"{WEBSITE}/commits",
        {"pagelen": 100},
        ("hash", "message"),
        "SELECT hash, message FROM {s}.item",
    ),
    "steps": Load(
        f"{WEBSITE}/pipelines/{{key}}/steps",
        {"pagelen": 100},
        ("name",),
        "SELECT of, name FROM {s}.item",
        Load(
            f"{WEBSITE}/pipelines/",
            {"sort": "-created_on", "pagelen": PIPELINES},
            ("uuid", "build_number"),
            "",
            key="uuid",
            most=PIPELINES,
            more={"of": "build_number"},
        ),
    ),
    "states": Load(_PULLS, _ALL, ("state",), "SELECT state, count(*) FROM {s}.item GROUP BY state"),
    "day": _titles(
        f"created_on >= {DAY}T00:00:00+00:00 AND created_on < {DAY_AFTER}T00:00:00+00:00"
    ),
    "since": Load(_PULLS, {"q": _SINCE, "pagelen": 50}, ("id",), _COUNT),
}


class Peer:
    """Pipelines into one PostgreSQL.

    :param dsn: its address.
    """

    def __init__(self, base_url: str, email: str, token: str, dsn: str) -> None:
        self._client = RESTClient(
            base_url=base_url,
            auth=HttpBasicAuth(email, token),
            paginator=JSONLinkPaginator(next_url_path="next"),
        )
        self._dsn = dsn
        self._numbers = itertools.count(1)

    def answer(self, question: str) -> Callable[[], Rows] | None:
        load = LOADS.get(question)
        return partial(self._answer, load) if load else None

    def _answer(self, load: Load) -> Rows:
        schema = f"dlt_{next(self._numbers)}"
        directory = tempfile.mkdtemp(prefix="bitbucket-fdw-bench-dlt-")
        try:
            pipeline = dlt.pipeline(
                pipeline_name=schema,
                pipelines_dir=directory,
                destination=dlt.destinations.postgres(self._dsn),
                dataset_name=schema,
            )
            pipeline.run(self._items(load), table_name="item", write_disposition="replace")
            with psycopg2.connect(self._dsn) as connection, connection.cursor() as cursor:
                cursor.execute(load.sql.format(s=schema))
                rows: Rows = cursor.fetchall()
                cursor.execute(f"DROP SCHEMA {schema} CASCADE")
            return rows
        finally:
            shutil.rmtree(directory, ignore_errors=True)

    def _items(self, load: Load) -> Iterator[dict[str, Any]]:
        if load.parent is not None:
            parent = load.parent
            told = parent.more.get("of", parent.key)
            for item in itertools.islice(self._listed(parent.path, parent), parent.most):
                path = load.path.format(key=item[parent.key])
                for child in self._listed(path, load):
                    yield {"of": item[told], **child}
        elif "{slug}" in load.path:
            of_workspace = Load("/repositories/acme", {"pagelen": 100}, ("slug",), "")
            for repository in self._listed(of_workspace.path, of_workspace):
                path = load.path.format(slug=repository["slug"])
                for item in self._listed(path, load):
                    yield {"repository": repository["slug"], **item}
        else:
            yield from self._listed(load.path, load)

    def _listed(self, path: str, load: Load) -> Iterator[dict[str, Any]]:
        parameters = {**load.parameters, **asking(*load.members)}
        for page in self._client.paginate(path, params=parameters, data_selector="values"):
            yield from page
