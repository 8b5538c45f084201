"""A repository imported with flat names, data source names for it, and programs that use them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from devkit.emulator import Request

from tests.support.database import Database
from tests.support.odbc import Odbc

PROGRAMS = Path(__file__).with_name("php")
SCHEMA = "website"
SEARCH_PATH = f"SET search_path TO {SCHEMA}"


@dataclass(frozen=True)
class Finished:
    """What a client program printed, how it ended, and the HTTP requests it led to."""

    status: int
    output: str
    errors: str
    requests: list[Request]

    @property
    def json(self) -> Any:
        """The output as one JSON document."""
        return json.loads(self.output)

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.requests]


@dataclass(frozen=True)
class Site:
    """Repository ``acme/website`` in schema ``website``, and how ODBC programs get at it.

    DSN ``website`` sets the search path; ``cursors`` also fetches through a cursor.
    """

    db: Database
    odbc: Odbc

    def run(
        self, command: Sequence[str], *, stdin: str = "", env: dict[str, str] | None = None
    ) -> Finished:
        """Run a client program in the ODBC environment."""
        before = len(self.db.emulator.requests())
        done = subprocess.run(
            command,
            input=stdin,
            env={**self.odbc.env, **(env or {})},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        requests = self.db.emulator.requests()[before:]
        return Finished(done.returncode, done.stdout, done.stderr, requests)

    def php(self, program: str, *arguments: str, settings: Sequence[str] = ()) -> Finished:
        """Run one of the programs in ``php/``; it must neither fail nor warn."""
        options = [part for text in ("error_reporting=-1", *settings) for part in ("-d", text)]
        done = self.run(["php", *options, str(PROGRAMS / program), *arguments])
        assert (done.status, done.errors) == (0, "")
        return done


def add_dsn(odbc: Odbc, name: str, **settings: str) -> None:
    """Copy the database's DSN under another name, with more settings."""
    file = odbc.directory / "odbc.ini"
    text = file.read_text()
    section = text[: text.index("\n\n")] if "\n\n" in text else text
    lines = [f"[{name}]", *section.strip().splitlines()[1:]]
    lines += [f"{key} = {value}" for key, value in settings.items()]
    file.write_text(text.rstrip("\n") + "\n\n" + "\n".join(lines) + "\n")


@pytest.fixture
def site(db: Database, odbc: Odbc) -> Site:
    db.execute(f"CREATE SCHEMA {SCHEMA}")
    db.execute(
        f'IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO {SCHEMA} '
        "OPTIONS (names 'flat')"
    )
    # psqlODBC does not know jsonb and calls it a text of 255 bytes, unless it is told otherwise.
    settings = {"ConnSettings": SEARCH_PATH, "UnknownsAsLongVarchar": "1"}
    add_dsn(odbc, "website", **settings)
    add_dsn(odbc, "cursors", **settings, UseDeclareFetch="1", Fetch="10")
    return Site(db, odbc)


@pytest.fixture
def issue(site: Site) -> Callable[[int], dict[str, Any]]:
    """An issue of the repository by its number, as Bitbucket has it."""
    state = site.db.emulator.call("GET", "state?collection=issues&repository=acme/website")
    documents = (row["document"] for row in state["issues"])
    return {document["id"]: document for document in documents}.__getitem__
