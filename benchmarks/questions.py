"""The questions of the benchmark: what is asked in SQL, and by a client written for it alone.

Each question is answered from a few listings. The ideal client of a question asks for the members
that the answer needs and no others, in the largest pages, as many at a time as bitbucket_fdw does.
The loop is what somebody writes in a first hour: the same filters and pages, one request after
another, and whole items.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .http_api import Api, Place

Rows = list[tuple[Any, ...]]

WEBSITE = "/repositories/acme/website"
STATES = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
SINCE = "2026-09-01"
CHANGED = "2026-11-10"
DAY = "2026-11-17"
DAY_AFTER = "2026-11-18"
FEW = (3, 17, 42, 57, 66, 81, 99, 104, 120, 149)
MANY = tuple(range(5, 145, 7))  # 20 of them: the local table
PIPELINES = 50


@dataclass(frozen=True)
class Question:
    """One question, and the ways to answer it.

    :param sql: over the schemas ``acme`` (the workspace), ``website`` (one repository) and
        ``local`` (tables of PostgreSQL's own).
    :param ideal: the same rows by an ideal client.
    :param loop: the same rows one request after another.
    :param naive_sql: over the schema ``naive`` of a wrapper that sends no condition; ``None`` if
        such a wrapper cannot have the tables.
    :param workspace: whether it goes over a whole workspace.
    :param either: whether it is also asked where links have opaque marks. It is for listings of
        some pages, whose links may have either. A long one takes as long as ``commits``, whose
        links have marks in any case.
    """

    name: str
    title: str
    sql: str
    ideal: Callable[[Api], Rows]
    loop: Callable[[Api], Rows]
    naive_sql: str | None = None
    workspace: bool = False
    either: bool = False


def at(item: Any, path: str) -> Any:
    """The value at a path such as ``author.display_name``; ``None`` if a part is absent."""
    for name in path.split("."):
        item = item.get(name) if isinstance(item, dict) else None
    return item


def rows(items: list[Any], *paths: str) -> Rows:
    """A row of values for each item."""
    return [tuple(at(item, path) for path in paths) for item in items]


def asking(*paths: str) -> dict[str, Any]:
    """The parameter that asks for these members of a listing's items, and for the envelope's."""
    return {"fields": ",".join(["size", "page", "next", *(f"values.{path}" for path in paths)])}


def _slugs(api: Api) -> list[str]:
    found = api.get("/repositories/acme", pagelen=100, **asking("slug"))["values"]
    return [item["slug"] for item in found]


def _everywhere(
    api: Api, path: str, parameters: dict[str, Any]
) -> list[tuple[str, list[dict[str, Any]]]]:
    """A listing of each repository."""
    slugs = _slugs(api)
    places: list[Place] = [(f"/repositories/acme/{slug}/{path}", parameters) for slug in slugs]
    return list(zip(slugs, api.listings(places), strict=True))


def _everywhere_in_turn(
    api: Api, path: str, parameters: dict[str, Any]
) -> list[tuple[str, list[dict[str, Any]]]]:
    slugs = [item["slug"] for item in api.chain("/repositories/acme", pagelen=100)]
    return [(slug, api.chain(f"/repositories/acme/{slug}/{path}", **parameters)) for slug in slugs]


# --- what the single questions need ---

_OPEN = {"q": 'state = "OPEN"', "pagelen": 50}
_ALL = {"state": list(STATES), "pagelen": 50}
_FILTERED = {"q": f'state = "MERGED" AND created_on >= {SINCE}T00:00:00+00:00', "pagelen": 50}
_CHANGED = {"q": f"updated_on >= {CHANGED}T00:00:00+00:00", "pagelen": 50}
_ON_DAY = {
    "q": f"created_on >= {DAY}T00:00:00+00:00 AND created_on < {DAY_AFTER}T00:00:00+00:00",
    "pagelen": 50,
}


def _keys(keys: tuple[int, ...]) -> dict[str, Any]:
    return {"q": " OR ".join(f"id = {key}" for key in keys), "pagelen": 50}


def _size(api: Api, q: str) -> int:
    return int(api.get(f"{WEBSITE}/pullrequests", q=q, fields="size", pagelen=1)["size"])


def _comments(api: Api) -> Rows:
    pulls = api.listing(f"{WEBSITE}/pullrequests", **_OPEN, **asking("id"))
    places: list[Place] = [
        (f"{WEBSITE}/pullrequests/{pull['id']}/comments", {"pagelen": 100, **asking("id")})
        for pull in pulls
    ]
    found = zip(pulls, api.listings(places), strict=True)
    return [(pull["id"], item["id"]) for pull, items in found for item in items]


def _comments_in_turn(api: Api) -> Rows:
    pulls = api.chain(f"{WEBSITE}/pullrequests", **_OPEN)
    return [
        (pull["id"], item["id"])
        for pull in pulls
        for item in api.chain(f"{WEBSITE}/pullrequests/{pull['id']}/comments")
    ]


def _all_comments(api: Api) -> Rows:
    everywhere = _everywhere(api, "pullrequests", {**_OPEN, **asking("id")})
    keys = [(slug, pull["id"]) for slug, pulls in everywhere for pull in pulls]
    places: list[Place] = [
        (
            f"/repositories/acme/{slug}/pullrequests/{key}/comments",
            {"pagelen": 100, **asking("id")},
        )
        for slug, key in keys
    ]
    found = zip(keys, api.listings(places), strict=True)
    return [(*key, item["id"]) for key, items in found for item in items]


def _all_comments_in_turn(api: Api) -> Rows:
    return [
        (slug, pull["id"], item["id"])
        for slug, pulls in _everywhere_in_turn(api, "pullrequests", _OPEN)
        for pull in pulls
        for item in api.chain(f"/repositories/acme/{slug}/pullrequests/{pull['id']}/comments")
    ]


_LATEST = {"sort": "-created_on", "pagelen": PIPELINES}


def _steps(api: Api) -> Rows:
    runs = api.get(f"{WEBSITE}/pipelines/", **_LATEST, **asking("uuid", "build_number"))["values"]
    places: list[Place] = [
        (f"{WEBSITE}/pipelines/{run['uuid']}/steps", {"pagelen": 100, **asking("name")})
        for run in runs
    ]
    found = zip(runs, api.listings(places), strict=True)
    return [(run["build_number"], item["name"]) for run, items in found for item in items]


def _steps_in_turn(api: Api) -> Rows:
    runs = api.get(f"{WEBSITE}/pipelines/", **_LATEST)["values"]
    return [
        (run["build_number"], item["name"])
        for run in runs
        for item in api.chain(f"{WEBSITE}/pipelines/{run['uuid']}/steps")
    ]


def _counted(found: Counter[Any]) -> Rows:
    return list(found.items())


def _of_pull_requests(parameters: dict[str, Any], *paths: str) -> dict[str, Any]:
    """The ideal client and the loop for a listing of the pull requests of one repository."""
    path = f"{WEBSITE}/pullrequests"
    return {
        "ideal": lambda api: rows(api.listing(path, **parameters, **asking(*paths)), *paths),
        "loop": lambda api: rows(api.chain(path, **parameters), *paths),
    }


def _of_repositories(path: str, parameters: dict[str, Any], *paths: str) -> dict[str, Any]:
    """The same for a listing of each repository; the slug comes first in the rows."""

    def answer(read: Callable[..., list[tuple[str, list[Any]]]], more: dict[str, Any]) -> Any:
        return lambda api: [
            (slug, *row)
            for slug, items in read(api, path, {**parameters, **more})
            for row in rows(items, *paths)
        ]

    return {
        "ideal": answer(_everywhere, asking(*paths)),
        "loop": answer(_everywhere_in_turn, {}),
        "workspace": True,
    }


def _by_author(read: Callable[..., list[tuple[str, list[Any]]]], more: dict[str, Any]) -> Any:
    def answer(api: Api) -> Rows:
        found: Counter[Any] = Counter()
        for _, items in read(api, "pullrequests", {**_ALL, **more}):
            found.update(at(item, "author.display_name") for item in items)
        return _counted(found)

    return answer


QUESTIONS = (
    Question(
        "page",
        "one page",
        "SELECT slug, language FROM acme.repositories",
        lambda api: rows(
            api.get("/repositories/acme", pagelen=100, **asking("slug", "language"))["values"],
            "slug",
            "language",
        ),
        lambda api: rows(api.chain("/repositories/acme", pagelen=100), "slug", "language"),
        "SELECT slug, language FROM naive.repositories",
    ),
    Question(
        "filter",
        "filtered list",
        "SELECT id, title FROM website.pull_requests "
        f"WHERE state = 'MERGED' AND created_on >= '{SINCE}'",
        **_of_pull_requests(_FILTERED, "id", "title"),
        either=True,
        naive_sql="SELECT id, title FROM naive.pull_requests "
        f"WHERE state = 'MERGED' AND created_on >= '{SINCE}'",
    ),
    Question(
        "key",
        "one by its key",
        "SELECT id, title FROM website.pull_requests WHERE id = 42",
        lambda api: rows([api.get(f"{WEBSITE}/pullrequests/42", fields="id,title")], "id", "title"),
        lambda api: rows([api.get(f"{WEBSITE}/pullrequests/42")], "id", "title"),
        "SELECT id, title FROM naive.pull_requests WHERE id = 42",
    ),
    Question(
        "keys",
        "ten by their keys",
        f"SELECT id, title FROM website.pull_requests WHERE id IN {FEW}",
        _of_pull_requests(_keys(FEW), "id", "title")["ideal"],
        lambda api: rows([api.get(f"{WEBSITE}/pullrequests/{key}") for key in FEW], "id", "title"),
        f"SELECT id, title FROM naive.pull_requests WHERE id IN {FEW}",
    ),
    Question(
        "count",
        "a count",
        "SELECT count(*) FROM website.pull_requests WHERE state = 'OPEN'",
        lambda api: [(_size(api, 'state = "OPEN"'),)],
        lambda api: [(len(api.chain(f"{WEBSITE}/pullrequests", **_OPEN)),)],
        "SELECT count(*) FROM naive.pull_requests WHERE state = 'OPEN'",
    ),
    Question(
        "top",
        "the newest ten",
        "SELECT id, title FROM website.pull_requests ORDER BY created_on DESC LIMIT 10",
        lambda api: rows(
            api.get(
                f"{WEBSITE}/pullrequests",
                q='state IN ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")',
                sort="-created_on",
                pagelen=10,
                **asking("id", "title"),
            )["values"],
            "id",
            "title",
        ),
        lambda api: rows(
            api.get(f"{WEBSITE}/pullrequests", **{**_ALL, "pagelen": 10}, sort="-created_on")[
                "values"
            ],
            "id",
            "title",
        ),
        "SELECT id, title FROM naive.pull_requests ORDER BY created_on DESC LIMIT 10",
    ),
    Question(
        "open",
        "open pull requests of a workspace",
        "SELECT repository, id, title FROM acme.pull_requests WHERE state = 'OPEN'",
        **_of_repositories("pullrequests", _OPEN, "id", "title"),
        either=True,
        naive_sql="SELECT repository, id, title FROM naive.all_pull_requests WHERE state = 'OPEN'",
    ),
    Question(
        "comments",
        "comments of all open pull requests",
        "SELECT p.id, c.id FROM website.pull_requests p "
        "JOIN website.pull_request_comments c ON c.pull_request_id = p.id WHERE p.state = 'OPEN'",
        _comments,
        _comments_in_turn,
    ),
    Question(
        "branches",
        "branches of each repository",
        "SELECT repository, name FROM acme.branches",
        **_of_repositories("refs/branches", {"pagelen": 100}, "name"),
        either=True,
        naive_sql="SELECT repository, name FROM naive.all_branches",
    ),
    Question(
        "local",
        "join with a local table",
        "SELECT p.id, p.title FROM local.wanted w JOIN website.pull_requests p ON p.id = w.id",
        _of_pull_requests(_keys(MANY), "id", "title")["ideal"],
        lambda api: rows([api.get(f"{WEBSITE}/pullrequests/{key}") for key in MANY], "id", "title"),
        "SELECT p.id, p.title FROM local.wanted w JOIN naive.pull_requests p ON p.id = w.id",
    ),
    Question(
        "authors",
        "pull requests per author, over all repositories",
        "SELECT author_display_name, count(*) FROM acme.pull_requests GROUP BY 1",
        _by_author(_everywhere, asking("author.display_name")),
        _by_author(_everywhere_in_turn, {}),
        "SELECT author_display_name, count(*) FROM naive.all_pull_requests GROUP BY 1",
        workspace=True,
    ),
    Question(
        "changed",
        "what has changed, over all repositories",
        f"SELECT repository, id, title FROM acme.pull_requests WHERE updated_on >= '{CHANGED}'",
        **_of_repositories("pullrequests", _CHANGED, "id", "title"),
        either=True,
        naive_sql="SELECT repository, id, title FROM naive.all_pull_requests "
        f"WHERE updated_on >= '{CHANGED}'",
    ),
    Question(
        "scan",
        "all pull requests",
        "SELECT id, title, state, author_display_name FROM website.pull_requests",
        **_of_pull_requests(_ALL, "id", "title", "state", "author.display_name"),
        naive_sql="SELECT id, title, state, author_display_name FROM naive.pull_requests",
    ),
    Question(
        "commits",
        "all commits",
        "SELECT hash, message FROM website.commits",
        lambda api: rows(
            api.listing(f"{WEBSITE}/commits", pagelen=100, **asking("hash", "message")),
            "hash",
            "message",
        ),
        lambda api: rows(api.chain(f"{WEBSITE}/commits", pagelen=100), "hash", "message"),
        "SELECT hash, message FROM naive.commits",
    ),
    Question(
        "steps",
        "steps of the latest 50 pipelines",
        "SELECT p.build_number, s.name FROM (SELECT uuid, build_number FROM website.pipelines "
        f"ORDER BY created_on DESC LIMIT {PIPELINES}) p "
        "JOIN website.pipeline_steps s ON s.pipeline_uuid = p.uuid",
        _steps,
        _steps_in_turn,
    ),
    # Beyond the fifteen: a join over repositories, and what programs for reports ask.
    Question(
        "everywhere",
        "comments of all open pull requests of a workspace",
        "SELECT p.repository, p.id, c.id FROM acme.pull_requests p "
        "JOIN acme.pull_request_comments c "
        "ON c.repository = p.repository AND c.pull_request_id = p.id WHERE p.state = 'OPEN'",
        _all_comments,
        _all_comments_in_turn,
        workspace=True,
    ),
    Question(
        "states",
        "a count for each state",
        "SELECT state, count(*) FROM website.pull_requests GROUP BY state",
        lambda api: [
            (state, size)
            for state, size in zip(
                STATES,
                api.each(lambda state: _size(api, f'state = "{state}"'), STATES),
                strict=True,
            )
            if size
        ],
        lambda api: _counted(
            Counter(item["state"] for item in api.chain(f"{WEBSITE}/pullrequests", **_ALL))
        ),
        "SELECT state, count(*) FROM naive.pull_requests GROUP BY state",
    ),
    Question(
        "day",
        "one day, by a cast of the time",
        f"SELECT id, title FROM website.pull_requests WHERE created_on::date = '{DAY}'",
        **_of_pull_requests(_ON_DAY, "id", "title"),
        naive_sql=f"SELECT id, title FROM naive.pull_requests WHERE created_on::date = '{DAY}'",
    ),
    Question(
        "since",
        "a count since a time",
        f"SELECT count(*) FROM website.pull_requests WHERE created_on >= '{SINCE}'",
        lambda api: [(_size(api, f"created_on >= {SINCE}T00:00:00+00:00"),)],
        lambda api: [
            (
                len(
                    api.chain(
                        f"{WEBSITE}/pullrequests",
                        q=f"created_on >= {SINCE}T00:00:00+00:00",
                        pagelen=50,
                    )
                ),
            )
        ],
        f"SELECT count(*) FROM naive.pull_requests WHERE created_on >= '{SINCE}'",
    ),
)
BY_NAME = {question.name: question for question in QUESTIONS}
