"""What the benchmark runs on: an emulator in its own process, and a private PostgreSQL."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psycopg
from devkit import emulator as emulators
from devkit import postgres, tree
from devkit.cluster import SUPERUSER, Cluster, literal
from devkit.emulator import Control
from devkit.places import Places, remove_tree
from devkit.run import server_user
from devkit.venv import Venv

from .questions import MANY, STATES

CREDENTIAL = "ada-read"
WRAPPER = "bitbucket_fdw.wrapper.BitbucketFdw"
_HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Credential:
    """One of the emulator's credentials."""

    email: str
    token: str

    @property
    def authorization(self) -> str:
        """The header's value."""
        return "Basic " + base64.b64encode(f"{self.email}:{self.token}".encode()).decode()


class Emulator:
    """A running emulator, whose latency can be changed.

    :param numbered: whether its links have page numbers.
    """

    def __init__(self, control: Control, *, numbered: bool) -> None:
        self.control = control
        self.numbered = numbered
        [found] = [known for known in control.credentials() if known["name"] == CREDENTIAL]
        self.credential = Credential(found["email"], found["secret"])

    def delay(self, milliseconds: int) -> None:
        """Have each answer wait from now on."""
        self.control.clear_faults()
        if milliseconds:
            self.control.fault("*", kind="slow", delay_ms=milliseconds, count=None)

    def forget(self) -> None:
        """Empty the log of requests."""
        self.control.clear()

    def counted(self) -> tuple[int, int]:
        """How many requests were made since then, and the bytes of their answers."""
        made = self.control.requests()
        return len(made), sum(request.response_bytes for request in made)


@contextlib.contextmanager
def emulator(directory: Path, scale: str, *, numbered: bool) -> Iterator[Emulator]:
    """An emulator, until the end of the block."""
    process, url = emulators.start(
        Path(sys.executable),
        directory / "emulator.log",
        options=["--scale", scale, "--page-numbers", "linked" if numbered else "refused"],
        tied=True,
    )
    try:
        yield Emulator(Control(url), numbered=numbered)
    finally:
        emulators.stop_process(process)


@contextlib.contextmanager
def cluster(
    places: Places, environment: Venv, name: str, settings: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """A private PostgreSQL with the bundled host, until the end of the block.

    :param settings: of postgresql.conf, besides the usual ones.
    """
    built = tree.ensure(places, postgres.newest(), tree.BUNDLED)
    directory = places.home / "bench" / f"{name}-{os.getpid()}"
    remove_tree(directory)
    library = directory / "python"
    library.mkdir(parents=True)
    shutil.copy(_HERE / "naive_wrapper.py", library)
    made = Cluster(
        tree=built,
        directory=directory,
        user=server_user(),
        python_path=[library, environment.site_packages],
        settings={
            "fsync": "off",
            "synchronous_commit": "off",
            "timezone": "UTC",
            **(settings or {}),
        },
    )
    try:
        made.create()
        made.start()
        yield made
    finally:
        if made.exists():
            made.remove()
        remove_tree(directory)


def connect(made: Cluster, database: str) -> psycopg.Connection[tuple[object, ...]]:
    """A new session, whose statements are planned each time."""
    connection = psycopg.connect(
        host=str(made.sockets),
        port=made.port,
        dbname=database,
        user=SUPERUSER,
        autocommit=True,
        prepare_threshold=None,
    )
    connection.execute("SET client_min_messages = error")
    return connection


def create_database(made: Cluster, name: str, of: Emulator, **options: str) -> None:
    """A database with the schemas of the questions, over an emulator.

    :param options: of the server, beyond its address.
    """
    made.sql(f"CREATE DATABASE {name}")
    made.sql(
        f"""
        SET client_min_messages = warning;
        CREATE EXTENSION bitbucket_fdw CASCADE;
        {server(of.control.base_url, of.credential, **options)}
        CREATE SCHEMA acme; CREATE SCHEMA website; CREATE SCHEMA local;
        IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO acme;
        IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO website;
        CREATE TABLE local.wanted (id bigint PRIMARY KEY);
        INSERT INTO local.wanted VALUES {", ".join(f"({key})" for key in MANY)};
        ANALYZE local.wanted;
        """,
        database=name,
    )


def server(base_url: str, credential: Credential, **options: str) -> str:
    """SQL that makes the foreign server and a user mapping."""
    more = "".join(f", {option}{literal(value)}" for option, value in options.items())
    return f"""
        CREATE SERVER bitbucket FOREIGN DATA WRAPPER multicorn
            OPTIONS (wrapper '{WRAPPER}', base_url{literal(base_url)}{more});
        CREATE USER MAPPING FOR CURRENT_USER SERVER bitbucket
            OPTIONS (email{literal(credential.email)}, token{literal(credential.token)});
    """


_PULL_REQUEST = {
    "id": "bigint",
    "title": "text",
    "state": "text",
    "created_on": "timestamptz",
    "updated_on": "timestamptz",
    "author_display_name": "text",
}


def create_naive_tables(made: Cluster, database: str, of: Emulator) -> None:
    """The schema ``naive``: tables of the naive wrapper, and views over those of repositories."""
    root = f"{of.control.base_url}/repositories/acme"
    states = "&".join(f"state={state}" for state in STATES)
    pulls, branch = f"pullrequests?pagelen=50&{states}", "refs/branches?pagelen=100"

    def table(name: str, path: str, columns: Mapping[str, str]) -> str:
        declared = ", ".join(
            f"{column} {kind} OPTIONS (path '{column.replace('author_', 'author.')}')"
            for column, kind in columns.items()
        )
        return f"""
            CREATE FOREIGN TABLE naive.{name} ({declared}) SERVER naive OPTIONS (
                url{literal(f"{root}{path}")}, authorization{literal(of.credential.authorization)});
        """

    slugs = made.sql("SELECT slug FROM acme.repositories", database=database).split()
    parts = [
        table("repositories", "?pagelen=100", {"slug": "text", "language": "text"}),
        table("pull_requests", f"/website/{pulls}", _PULL_REQUEST),
        table("commits", "/website/commits?pagelen=100", {"hash": "text", "message": "text"}),
    ]
    for number, slug in enumerate(slugs):
        parts.append(table(f"pull_requests_{number}", f"/{slug}/{pulls}", _PULL_REQUEST))
        parts.append(table(f"branches_{number}", f"/{slug}/{branch}", {"name": "text"}))
    for kind in ("pull_requests", "branches"):
        selects = " UNION ALL ".join(
            f"SELECT{literal(slug)}::text AS repository, * FROM naive.{kind}_{number}"
            for number, slug in enumerate(slugs)
        )
        parts.append(f"CREATE VIEW naive.all_{kind} AS {selects};")
    made.sql(
        "CREATE SERVER naive FOREIGN DATA WRAPPER multicorn "
        "OPTIONS (wrapper 'naive_wrapper.NaiveFdw'); CREATE SCHEMA naive;" + "".join(parts),
        database=database,
    )
