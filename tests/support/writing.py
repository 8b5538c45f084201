"""Writes as PostgreSQL has them made, in this process: one backend, its statements and its ends."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

from bitbucket_fdw.foreign_tables.binding import TableBinding
from bitbucket_fdw.pushdown.local_filter import meets
from bitbucket_fdw.reading.fallback import Reader
from bitbucket_fdw.reading.omissions import Omissions
from bitbucket_fdw.tables import BY_NAME
from bitbucket_fdw.writing.journal import Journal, RollbackOutcome
from bitbucket_fdw.writing.modifier import Modifier
from bitbucket_fdw.writing.open_scans import OpenScans
from tests.support.fake_api import FakeApi, Received, numbered
from tests.support.reading import AT, REPOSITORY, Session

Row = dict[str, Any]


class Interrupts:
    """Whether the statement should stop; set by a test."""

    stop = False

    def pending(self) -> bool:
        return self.stop

    def cancelled(self) -> bool:
        return self.stop


class ForeignTable:
    """One foreign table in a session; what the wrapper does of its hooks, without a host."""

    def __init__(self, backend: Backend, name: str, bound: Mapping[str, str], **more: Any) -> None:
        table = BY_NAME[name]
        types = {"timestamptz": "timestamp with time zone"}
        hidden = more.pop("without", ())
        columns: dict[str, tuple[dict[str, str], str]] = {
            c.name: ({}, types.get(c.type, c.type)) for c in table.columns if c.name not in hidden
        }
        self.name = name
        self.bound = bound
        self._backend = backend
        self.modifier = Modifier(
            TableBinding.of({"table": name, **bound}, columns),
            backend.reads.client,
            backend.reads.observations.of(backend.reads.client),
            backend.journal,
            backend.open_scans,
            lambda: backend.mode,
            lambda: backend.undo,
            more.pop("patience", 5),
            backend.warnings.append,
            backend.interrupts,
        )

    @contextlib.contextmanager
    def statement(self, execution: Any = None) -> Iterator[Modifier]:
        """A statement that changes rows of the table."""
        self.modifier.begin(0)
        if execution is not None:
            self.modifier.run(execution)
        try:
            yield self.modifier
        finally:
            self.modifier.statements.end(0)

    def scan(
        self, *quals: tuple[str, Any, Any], execution: Any = None, **asked: Any
    ) -> Iterator[Row]:
        """The rows of a scan, as they go up to the host."""
        reads = self._backend.reads
        request = reads.request(self.name, *quals, bound=self.bound, **asked)
        request, watched = self.modifier.watch(request, execution)
        observed = reads.observations.of(reads.client)
        warn = self._backend.warnings.append
        scan = reads.client.scan(fresh=self.modifier.changing)
        reader = Reader(reads.client, scan, observed, warn, Omissions(), False, False, warn)
        return watched.track(BY_NAME[self.name], reader.rows(request))

    # One statement each, of one row.

    def insert(self, **values: Any) -> Row:
        with self.statement() as modifier:
            return modifier.insert(values)

    def update(self, *quals: tuple[str, Any, Any], **values: Any) -> list[Row]:
        """``UPDATE … SET values WHERE quals``, as a host without hints has it made."""
        found = []
        with self.statement() as modifier:
            rowid = modifier.rowid.name
            for row in self._meant(*quals, columns=(rowid, *values, *_every(self.name))):
                found.append(modifier.update(row[rowid], {**row, **values}))
        return found

    def delete(self, *quals: tuple[str, Any, Any]) -> None:
        with self.statement() as modifier:
            rowid = modifier.rowid.name
            for row in self._meant(*quals, columns=(rowid,)):
                modifier.delete(row[rowid])

    def _meant(self, *quals: tuple[str, Any, Any], **asked: Any) -> list[Row]:
        """The rows of a scan that meet its conditions, which PostgreSQL tests again."""
        conditions = self._backend.reads.request(self.name, *quals, bound=self.bound).conditions
        return [row for row in self.scan(*quals, **asked) if meets(row, conditions)]


def _every(table: str) -> list[str]:
    return [column.name for column in BY_NAME[table].columns if column.path or column.param]


class Backend:
    """What one backend has: a journal and scans, an API, and what it has told."""

    def __init__(self, api: FakeApi, **settings: Any) -> None:
        self.api = api
        self.reads = Session.of(api, **settings)
        self.journal = Journal()
        self.open_scans = OpenScans()
        self.interrupts = Interrupts()
        self.warnings: list[str] = []
        self.mode = "immediate"
        self.undo = True

    def table(self, name: str, bound: Mapping[str, str] = REPOSITORY, **more: Any) -> ForeignTable:
        return ForeignTable(self, name, bound, **more)

    def commit(self) -> None:
        self.journal.pre_commit()
        self.journal.commit()

    def rollback(self, level: int = 1) -> RollbackOutcome:
        return self.journal.rollback(level)


# --- a repository to write to ---

BRANCHES, PULLS = f"{AT}/refs/branches", f"{AT}/pullrequests"
PROJECTS = "/workspaces/acme/projects"
HASH = "a" * 40


def repository() -> FakeApi:
    """An API with three branches, three open pull requests and a project."""
    made = FakeApi()
    branches = [
        {"name": name, "target": {"hash": HASH}, "default_merge_strategy": "squash"}
        for name in ("main", "one", "two")
    ]
    made.collection(BRANCHES, branches, key="name")
    made.collection(
        PULLS,
        numbered(
            3,
            title=lambda n: f"title {n}",
            description=lambda n: f"text {n}",
            state="OPEN",
            draft=False,
            close_source_branch=False,
            reviewers=[],
            source={"branch": {"name": "one"}},
            destination={"branch": {"name": "main"}},
            links=lambda n: {
                "html": {"href": f"https://bitbucket.org/acme/website/pull-requests/{n}"}
            },
        ),
        made=lambda item: {"state": "OPEN", "reviewers": [], **item},
    )
    project = {"key": "WEB", "name": "Web", "description": "", "is_private": True}
    made.collection(PROJECTS, [project], key="key")
    repository = {"slug": "website", "full_name": "acme/website", "mainbranch": {"name": "main"}}
    made.collection("/repositories/acme", [repository], key="slug")
    return made


def writes(api: FakeApi) -> list[str]:
    """Method and path of the requests so far that change something."""
    return [call for call in api.calls if not call.startswith("GET")]


def got(path: str) -> Received:
    """A request that reads a path, for :meth:`FakeApi.answer`."""
    return Received("GET", path)


def put(path: str, body: dict[str, Any]) -> Received:
    """A request that changes what is at a path, for :meth:`FakeApi.answer`."""
    return Received("PUT", path, (), body)
