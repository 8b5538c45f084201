"""The command ``bitbucket-fdw dsn``, run on a database with a repository in it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from devkit.cluster import SUPERUSER

from tests.clients.conftest import Site, add_dsn

ROOT = Path(__file__).resolve().parents[3]
WHERE = "SELECT current_setting('search_path')"


class Command:
    """The command, in an environment whose files are below one directory."""

    def __init__(self, site, host: str) -> None:
        self.site = site
        self.host = host
        self.ini = site.odbc.directory / "odbc.ini"
        self.services = site.odbc.directory / "services"
        password = site.db.cluster.password_file.read_text().strip()
        self.env = {
            **site.odbc.env,
            "PYTHONPATH": str(ROOT),
            "PGSERVICEFILE": str(self.services),
            "PGPASSWORD": password,
        }

    @property
    def password(self) -> str:
        return self.env["PGPASSWORD"]

    def __call__(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run it; it must make no request and show no password."""
        self.site.db.emulator.clear()
        done = subprocess.run(
            [sys.executable, "-m", "bitbucket_fdw.command", "dsn", *arguments],
            env={**self.env, **env},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        assert "Traceback" not in done.stderr
        assert self.site.db.emulator.requests() == []
        return done

    def dsn(self, **parts: object) -> str:
        """The database of the test by TCP."""
        cluster = self.site.db.cluster
        named = {"host": "127.0.0.1", "port": cluster.port, "user": SUPERUSER, **parts}
        return psycopg.conninfo.make_conninfo(dbname=self.site.db.name, **named)

    def checked(self, *arguments: str, **env: str) -> dict[str, dict[str, str]]:
        """What ``--check`` says, by the names of the checks."""
        done = self(*arguments, "--check", "--json", **env)
        found = {check["check_name"]: check for check in json.loads(done.stdout)}
        wrong = {name for name, check in found.items() if check["status"] != "ok"}
        assert done.returncode == bool(wrong)
        assert all(found[name]["what_to_do"] for name in wrong)
        return found

    def wrong(self, *arguments: str, **env: str) -> set[str]:
        found = self.checked(*arguments, **env)
        return {name for name, check in found.items() if check["status"] != "ok"}


@pytest.fixture(scope="module")
def imported(db_factory):
    """A database for the tests that change nothing in it: importing is what takes time."""
    database = db_factory()
    import_website(database)
    return database


def import_website(database):
    database.execute(
        'CREATE SCHEMA website; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket '
        "INTO website OPTIONS (names 'flat')"
    )


@pytest.fixture
def site(request, imported, emulator, odbc_factory):
    """The repository in a database; in one of its own for a test that asks for ``db``."""
    if "db" in request.fixturenames:
        database = request.getfixturevalue("db")
        import_website(database)
    else:
        database = imported
    odbc = odbc_factory(database)
    add_dsn(odbc, "website", ConnSettings="SET search_path TO website")
    return Site(database, odbc)


@pytest.fixture
def dsn(site, host):
    return Command(site, host)


def pyodbc_shows(dsn, name, *queries, env=None):
    """The rows of queries by pyodbc, in a process of its own: unixODBC keeps what it has read."""
    program = (
        "import json, pyodbc, sys; c = pyodbc.connect('DSN=' + sys.argv[1], autocommit=True);"
        "print(json.dumps([[list(r) for r in c.execute(q)] for q in sys.argv[2:]], default=str))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, name, *queries],
        env={**dsn.site.odbc.env, **(env or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
