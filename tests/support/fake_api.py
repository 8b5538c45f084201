"""A small Bitbucket in memory, for tests that need no server: real clients, no socket, no clock.

Everything of the package's HTTP runs as it does against Bitbucket, from paging to retries and
worker threads. Only the last step is replaced: a request that is ready to be sent is answered here.
Time passes only where somebody waits for it.

    api = FakeApi()
    api.collection("/repositories/acme/website/issues", [{"id": 1}, {"id": 2}])
    api.fail("/repositories/acme/website/issues", 500, count=1)
    client = api.client()

It is as strict as what it knows: an address that was not put there is answered 404, ``fields`` cuts
items down to what was asked for, and a ``q`` that it cannot read is answered 400.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

import requests
from requests.adapters import BaseAdapter
from urllib3 import HTTPResponse

from bitbucket_fdw.api import Client, Clock, Credential, Settings, Shared
from bitbucket_fdw.api.transport import Transport

BASE = "https://api.fake.example/2.0"
Json = dict[str, Any]


class FakeClock(Clock):
    """A clock that stands still until somebody waits."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.pauses: list[float] = []

    def now(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.pauses.append(seconds)
        self.seconds += seconds
        return event.is_set()


@dataclass(frozen=True)
class Received:
    """A request as it came in. The path of another host's address is the whole address."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict, compare=False)

    def __getitem__(self, name: str) -> str | None:
        """The first value of a query parameter."""
        return dict(reversed(self.query)).get(name)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


@dataclass
class Reply:
    """An answer. ``body`` is JSON; text and bytes go out as they are."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Answers = Callable[[Received], Any]
"""From a request to a :class:`Reply`, to the JSON of a 200, or to an exception that is raised."""


@dataclass
class Fault:
    """What answers in place of the API, so many times, after so many requests were let through."""

    path: re.Pattern[str]
    answer: Answers
    method: str | None = None
    count: int | None = None
    after: int = 0

    def takes(self, request: Received) -> bool:
        if self.method not in (None, request.method) or not self.path.fullmatch(request.path):
            return False
        if self.after:
            self.after -= 1
            return False
        if self.count is not None:
            self.count -= 1
        return self.count is None or self.count >= 0


@dataclass
class Collection:
    """Items below one path, each at ``path/{key}``.

    :param size: whether pages say how many items there are.
    :param next: whether pages link to the next one.
    :param numbers: whether pages say their number.
    :param heeds: false for a listing that leaves ``q`` and ``sort`` out of account.
    :param made: what becomes of an item that is added.
    """

    items: list[Json]
    key: str = "id"
    longest: int = 100
    size: bool = True
    next: bool = True
    numbers: bool = True
    heeds: bool = True
    made: Callable[[Json], Json] = lambda item: item


class FakeApi:
    """Paths and what is there; ``received`` are the requests so far."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.clock = FakeClock()
        self.shared = Shared(self.clock)
        self._collections: dict[str, Collection] = {}
        self._handlers: list[tuple[str | None, re.Pattern[str], Answers]] = []
        self._faults: list[Fault] = []
        self._lock = threading.RLock()

    # --- what is there ---

    def collection(self, path: str, items: Iterable[Json] = (), **more: Any) -> Collection:
        """A listing at ``path``, and its items below."""
        made = self._collections[path] = Collection(list(items), **more)
        return made

    @classmethod
    def of_repositories(cls, *slugs: str) -> FakeApi:
        """An API whose workspace ``acme`` has repositories with these slugs, and nothing else."""
        made = cls()
        found = [{"slug": slug, "full_name": f"acme/{slug}"} for slug in slugs]
        made.collection("/repositories/acme", found, key="slug")
        return made

    def on(self, path: str, answer: Any, method: str | None = "GET") -> None:
        """Answer requests for a path (a regular expression) by a function, or by the same JSON."""
        self._handlers.append((method, re.compile(path), _answers(answer)))

    def fault(self, path: str, answer: Any, **more: Any) -> None:
        """Have something else answer requests for a path, a regular expression.

        More: ``method``, ``count`` (how often) and ``after`` (how many pass before).
        """
        self._faults.append(Fault(re.compile(path), _answers(answer), **more))

    def fail(self, path: str, status: int, message: str | None = None, **more: Any) -> None:
        """Have requests for a path fail, with Bitbucket's form of an error."""
        headers = more.pop("headers", {})
        body = {"type": "error", "error": {"message": message}} if message else None
        self.fault(path, Reply(body, status, headers), **more)

    def heal(self) -> None:
        """No faults any more."""
        self._faults.clear()

    def client(self, credential: Credential | None = None, **settings: Any) -> Client:
        """A client that talks to this API; by default it repeats nothing."""
        given = Settings(**{"base_url": BASE, "retry_limit": 0, "concurrency": 2, **settings})
        return Client(
            given, credential or Credential.none(), self.shared, _Transport(adapter=_Adapter(self))
        )

    # --- what came ---

    @property
    def calls(self) -> list[str]:
        """Method and path of every request so far."""
        return list(map(str, self.received))

    def taken(self) -> list[str]:
        """Method and path of the requests since the last time."""
        calls, self.received = self.calls, []
        return calls

    # --- answering ---

    def answer(self, request: Received) -> Reply:
        with self._lock:
            self.received.append(request)
            for fault in self._faults:
                if fault.takes(request):
                    return _reply(fault.answer(request))
            return self.without_faults(request)

    def without_faults(self, request: Received) -> Reply:
        """What a request is answered with where nothing is wrong."""
        with self._lock:
            for method, path, answer in self._handlers:
                if method in (None, request.method) and path.fullmatch(request.path):
                    return _reply(answer(request))
            return self._resource(request)

    def _resource(self, request: Received) -> Reply:
        found = self._collections.get(request.path)
        if found is not None:
            if request.method == "POST":
                return self._added(found, request)
            return _page(found, request)
        path, _, key = request.path.rpartition("/")
        collection = self._collections.get(path)
        if collection is None:
            return error(404, "Resource not found")
        for item in collection.items:
            if str(_value(item, collection.key)) == key:
                return self._item(collection, item, request)
        return error(404, "Resource not found")

    def _added(self, collection: Collection, request: Received) -> Reply:
        item = dict(request.body or {})
        if collection.key == "id":
            item.setdefault("id", 1 + max((i["id"] for i in collection.items), default=0))
        collection.items.append(collection.made(item))
        return Reply(collection.items[-1], 201)

    def _item(self, collection: Collection, item: Json, request: Received) -> Reply:
        if request.method == "DELETE":
            collection.items.remove(item)
            return Reply(None, 204)
        if request.method == "PUT":
            merged = _merged(item, request.body or {})
            collection.items[collection.items.index(item)] = merged
            return Reply(merged)
        return Reply(_projected(item, request["fields"]))


def error(status: int, message: str, detail: str | None = None) -> Reply:
    """An error in Bitbucket's form."""
    said = {"message": message, **({"detail": detail} if detail else {})}
    return Reply({"type": "error", "error": said}, status)


def _answers(answer: Any) -> Answers:
    return answer if callable(answer) else lambda _: answer


def _reply(answer: Any) -> Reply:
    if isinstance(answer, Exception):
        raise answer
    return answer if isinstance(answer, Reply) else Reply(answer)


# --- listings ---


def _page(collection: Collection, request: Received) -> Reply:
    try:
        items = _selected(collection, request)
    except ValueError as why:
        return error(400, str(why))
    length = min(int(request["pagelen"] or 10), collection.longest)
    number = int(request["page"] or 1)
    values = items[(number - 1) * length : number * length]
    envelope: Json = {"values": values, "pagelen": length}
    if collection.size:
        envelope["size"] = len(items)
    if collection.numbers:
        envelope["page"] = number
    if collection.next and number * length < len(items):
        others = [pair for pair in request.query if pair[0] != "page"]
        query = urlencode([*others, ("page", str(number + 1))])
        envelope["next"] = f"{BASE}{request.path}?{query}"
    return Reply(_projected(envelope, request["fields"]))


def _selected(collection: Collection, request: Received) -> list[Json]:
    items = list(collection.items)
    if not collection.heeds:
        return items
    for term in filter(None, (request["q"] or "").split(" AND ")):
        items = [item for item in items if _meets(item, term)]
    if request["sort"]:
        path = request["sort"].lstrip("-")
        items.sort(key=lambda item: _value(item, path), reverse=request["sort"].startswith("-"))
    return items


_TERM = re.compile(r"\(?([\w.]+) (=|!=|<=|>=|<|>|IN|~) (.+?)\)?")


def _meets(item: Json, term: str) -> bool:
    match = _TERM.fullmatch(term)
    if match is None:
        raise ValueError(f"cannot read the query {term}")
    path, operator, literal = match.groups()
    value = _value(item, path)
    if operator == "IN":
        return bool(value in json.loads(f"[{literal.strip('()')}]"))
    is_time = re.match(r"\d+-\d+-\d+T", literal)
    wanted = literal if is_time else json.loads(literal)
    if operator in ("=", "!="):
        return bool(value == wanted) == (operator == "=")
    if operator == "~":
        return str(wanted).lower() in str(value).lower()
    compared = (value > wanted) - (value < wanted)
    tests = {"<": compared < 0, "<=": compared <= 0, ">": compared > 0, ">=": compared >= 0}
    return bool(tests[operator])


def _value(item: Any, path: str) -> Any:
    for name in path.split("."):
        item = item.get(name) if isinstance(item, dict) else None
    return item


def _projected(document: Any, fields: str | None) -> Any:
    """What ``fields`` leaves of a document: dotted paths, through lists."""
    if not fields:
        return document
    return _cut(document, [path.split(".") for path in fields.split(",")])


def _cut(document: Any, paths: list[list[str]]) -> Any:
    if isinstance(document, list):
        return [_cut(member, paths) for member in document]
    if not isinstance(document, dict):
        return document
    found = {}
    for name, value in document.items():
        below = [path[1:] for path in paths if path[0] in (name, "*")]
        if below:
            found[name] = value if [] in below else _cut(value, below)
    return found


def _merged(item: Json, body: Mapping[str, Any]) -> Json:
    result = dict(item)
    for name, value in body.items():
        old = result.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            value = _merged(old, value)
        result[name] = value
    return result


# --- the place of the network ---


class _Adapter(BaseAdapter):
    """Answers prepared requests from memory."""

    def __init__(self, api: FakeApi) -> None:
        super().__init__()
        self._api = api

    def send(self, request: requests.PreparedRequest, *_: Any, **__: Any) -> requests.Response:
        parts = urlsplit(str(request.url))
        base = urlsplit(BASE)
        host = "" if parts.netloc == base.netloc else f"{parts.scheme}://{parts.netloc}"
        reply = self._api.answer(
            Received(
                str(request.method),
                host + unquote(parts.path if host else parts.path.removeprefix(base.path)),
                tuple(parse_qsl(parts.query)),
                json.loads(request.body) if request.body else None,
                request.headers,
            )
        )
        response = requests.Response()
        response.status_code = reply.status
        response.headers.update(reply.headers)
        response.url, response.request = str(request.url), request
        body = BytesIO(_encoded(reply.body))
        response.raw = HTTPResponse(
            body, headers=reply.headers, status=reply.status, preload_content=False
        )
        return response

    def close(self) -> None:
        pass


def _encoded(body: Any) -> bytes:
    if body is None or isinstance(body, bytes):
        return body or b""
    return (body if isinstance(body, str) else json.dumps(body)).encode()


@dataclass(frozen=True)
class _Transport(Transport):
    """Sessions that lead here."""

    adapter: BaseAdapter = field(default_factory=BaseAdapter)

    def session(self, *_: Any, **__: Any) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", self.adapter)
        return session


def numbered(count: int, **more: Any) -> Iterator[Json]:
    """So many items with an ``id``, and with what ``more`` makes of each number or gives all."""
    for number in range(1, count + 1):
        made = {n: value(number) if callable(value) else value for n, value in more.items()}
        yield {"id": number, **made}
