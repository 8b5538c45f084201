"""Changes to foreign tables, the requests they led to, and what Bitbucket holds afterwards."""

from __future__ import annotations

import contextlib
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import unquote

import psycopg
import pytest
from devkit.emulator import Control, Request

from tests.support.database import Database

R = "/repositories/acme/website"
Sent = tuple[str, str, Any]


@dataclass(frozen=True)
class Notice:
    """What the server sent beside the result."""

    severity: str
    message: str
    detail: str

    @classmethod
    def of(cls, told: psycopg.errors.Diagnostic) -> Notice:
        # Copied: a diagnostic loses its fields together with the result it came with.
        return cls(told.severity or "", told.message_primary or "", told.message_detail or "")


@dataclass
class Done:
    """What a statement returned and did: rows, notices, and the requests in their order.

    ``count`` is how many rows it says it was about.
    """

    rows: list[tuple[Any, ...]]
    requests: list[Request]
    notices: list[Notice]
    count: int = -1

    @property
    def row(self) -> tuple[Any, ...]:
        """The only row."""
        [row] = self.rows
        return row

    @property
    def sent(self) -> list[Sent]:
        """The writes: method, path below the API's base (decoded) and JSON body."""
        return [sent(request) for request in self.requests if request.method != "GET"]

    @property
    def read(self) -> list[str]:
        """The paths that were read."""
        return [path_of(request) for request in self.requests if request.method == "GET"]

    @property
    def warnings(self) -> list[str]:
        """Messages of the warnings; ``stays`` has their details."""
        return [notice.message for notice in self.notices if notice.severity == "WARNING"]

    @property
    def stays(self) -> list[str]:
        """The changes that the warnings list, without their numbers."""
        lines = [line for n in self.notices for line in n.detail.splitlines()]
        return [line.partition(". ")[2] for line in lines]


def path_of(request: Request) -> str:
    return unquote(request.path.removeprefix("/2.0"))


def sent(request: Request) -> Sent:
    return request.method, path_of(request), request.raw["body"]


@dataclass
class Session:
    """One backend on the database of the fixture ``writes_db``.

    ``exact``: the host passes on SQLSTATEs.
    """

    db: Database
    schema: str
    connection: psycopg.Connection[tuple[Any, ...]]
    exact: bool
    notices: list[Notice] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.connection.add_notice_handler(lambda told: self.notices.append(Notice.of(told)))
        self.use(self.schema)

    @property
    def emulator(self) -> Control:
        return self.db.emulator

    @property
    def pid(self) -> int:
        return self.connection.info.backend_pid

    def use(self, schema: str) -> None:
        """Let table names without a schema be those of this one."""
        self.connection.execute(f"SET search_path = {schema}, public".encode())

    def run(self, statement: str, parameters: Any = None) -> Done:
        """Run a statement; its rows, notices and requests."""
        before = self.mark()
        with self.connection.cursor() as cursor:
            cursor.execute(statement.encode(), parameters)
            rows = cursor.fetchall() if cursor.description else []
            count = cursor.rowcount
        return replace(self.since(before, rows), count=count)

    def mark(self) -> tuple[int, int]:
        """Where notices and requests stand now, for ``since``."""
        return len(self.emulator.requests()), len(self.notices)

    def since(self, mark: tuple[int, int], rows: list[tuple[Any, ...]] | None = None) -> Done:
        """What happened after ``mark``."""
        requests = self.emulator.requests()[mark[0] :]
        return Done(rows or [], requests, self.notices[mark[1] :])

    def value(self, statement: str, parameters: Any = None) -> Any:
        [[value]] = self.run(statement, parameters).rows
        return value

    @contextlib.contextmanager
    def doing(self) -> Iterator[Done]:
        """Several statements as one: requests and notices are there once the block has ended."""
        before = self.mark()
        done = Done([], [], [])
        yield done
        after = self.since(before)
        done.requests, done.notices = after.requests, after.notices

    @contextlib.contextmanager
    def failing(self, sqlstate: str | None = None, match: str | None = None) -> Iterator[Failed]:
        """A block that has to fail; the SQLSTATE is compared on the host that passes it on."""
        before = self.mark()
        failed = Failed()
        with pytest.raises(psycopg.Error, match=match) as caught:
            yield failed
        failed.error = caught.value
        failed.done = self.since(before)
        if sqlstate is not None and self.exact:
            assert caught.value.sqlstate == sqlstate, caught.value


@dataclass
class Failed:
    """An error, and what was requested until it came."""

    error: psycopg.Error = field(default_factory=psycopg.Error)
    done: Done = field(default_factory=lambda: Done([], [], []))

    @property
    def message(self) -> str:
        return self.error.diag.message_primary or ""

    @property
    def detail(self) -> str:
        return self.error.diag.message_detail or ""

    @property
    def hint(self) -> str:
        return self.error.diag.message_hint or ""


@contextlib.contextmanager
def once_sent(emulator: Control, method: str, action: Callable[[], object]) -> Iterator[None]:
    """Do something on another thread once a request of that method has reached Bitbucket."""
    before = len(emulator.requests())
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if any(request.method == method for request in emulator.requests()[before:]):
                action()
                return
            time.sleep(0.05)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def documents(
    emulator: Control, collection: str, repository: str = "website", **parents: Any
) -> list[dict[str, Any]]:
    """The documents of a repository's collection as Bitbucket has them now."""
    found = emulator.call("GET", f"state?collection={collection}&repository=acme/{repository}")
    return [
        row["document"]
        for row in found.get(collection, [])
        if all(row[name] == value for name, value in parents.items())
    ]


def document(
    emulator: Control, collection: str, key: Any, repository: str = "website", **parents: Any
) -> dict[str, Any] | None:
    """The document with that key, if there is one."""
    for name in ("id", "key", "name"):
        for found in documents(emulator, collection, repository, **parents):
            if found.get(name) == key:
                return found
    return None


def project(emulator: Control, key: str) -> dict[str, Any] | None:
    """The project of ``acme`` with that key, if there is one."""
    for row in emulator.call("GET", "state?collection=projects")["projects"]:
        if row["workspace"] == "acme" and row["document"]["key"] == key:
            return dict(row["document"])
    return None


def account(emulator: Control, nickname: str) -> dict[str, Any]:
    """A member of ``acme``, as the API shows accounts."""
    for row in emulator.call("GET", "state?collection=workspace_members")["workspace_members"]:
        user = row["document"]["user"]
        if row["workspace"] == "acme" and user["nickname"] == nickname:
            return dict(user)
    raise LookupError(nickname)


def titles(emulator: Control) -> dict[int, str]:
    """Titles of the sample's issues by id."""
    return {issue["id"]: issue["title"] for issue in documents(emulator, "issues")}


def insert(title: str) -> str:
    """A statement that opens an issue."""
    return f"INSERT INTO issues (title) VALUES ('{title}')"


def user_id(emulator: Control, nickname: str) -> uuid.UUID:
    """The UUID of a member of ``acme``."""
    return uuid.UUID(account(emulator, nickname)["uuid"].strip("{}"))
