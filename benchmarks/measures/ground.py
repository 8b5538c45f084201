"""What the measures share: a PostgreSQL, and the server of pages by formula."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
from devkit.cluster import Cluster
from devkit.places import CHECKOUT, Places
from devkit.venv import Venv

from .. import stage

Connection = psycopg.Connection[tuple[Any, ...]]
_CREDENTIAL = stage.Credential("nobody@example.com", "none")


@dataclass
class Ground:
    """Where measures take place.

    :param url: the address of the API that the server of pages has.
    """

    places: Places
    environment: Venv
    directory: Path
    cluster: Cluster
    url: str
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def database(
        self, workspace: str, cluster: Cluster | None = None, **options: str
    ) -> tuple[Cluster, str]:
        """A new database with schema ``w`` over a workspace of the server of pages."""
        cluster = cluster or self.cluster
        name = f"ground_{next(self._numbers)}"
        cluster.sql(f"CREATE DATABASE {name}")
        more = {"max_requests": "1000000", "preview_requests": "0", **options}
        cluster.sql(
            f"""
            SET client_min_messages = warning;
            CREATE EXTENSION bitbucket_fdw CASCADE;
            {stage.server(self.url, _CREDENTIAL, **more)}
            CREATE SCHEMA w;
            IMPORT FOREIGN SCHEMA "{workspace}" LIMIT TO (repositories, branches, pull_requests)
                FROM SERVER bitbucket INTO w;
            """,
            database=name,
        )
        return cluster, name

    @contextlib.contextmanager
    def session(
        self, workspace: str, cluster: Cluster | None = None, **options: str
    ) -> Iterator[Connection]:
        """A session in such a database."""
        with stage.connect(*self.database(workspace, cluster, **options)) as connection:
            yield connection


@contextlib.contextmanager
def ground(places: Places, environment: Venv, directory: Path) -> Iterator[Ground]:
    """The ground, until the end of the block."""
    with served() as url, stage.cluster(places, environment, "ground") as cluster:
        yield Ground(places, environment, directory, cluster, url)


@contextlib.contextmanager
def served() -> Iterator[str]:
    """The server of pages; the address of its API."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", sys.executable, "-m", "benchmarks.synthetic"],
        stdout=subprocess.PIPE,
        cwd=CHECKOUT,
        env=_environment(),
    )
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/2.0"
    finally:
        process.terminate()
        process.communicate()


def _environment() -> Mapping[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"}
