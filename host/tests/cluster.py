"""A private PostgreSQL with one of the hosts, and sessions in it; for the tests and the benchmark.

Each host gets a copy of the server's tree, with real binaries beside links to the libraries, in
which `multicorn` is the bundled one or the system's Multicorn2, and a cluster of its own.
PG_CONFIG and PYTHON choose the server and the interpreter that the bundled host is built for.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import psycopg

HOST_DIR = Path(__file__).resolve().parents[1]
WRAPPERS = Path(__file__).with_name("wrappers")
PG_CONFIG = os.environ.get("PG_CONFIG", "pg_config")
HOSTS = ("bundled", "multicorn2")


def pg_config(name: str) -> Path:
    output = subprocess.run([PG_CONFIG, f"--{name}"], check=True, capture_output=True, text=True)
    return Path(output.stdout.strip())


def multicorn2_is_installed() -> bool:
    return (pg_config("sharedir") / "extension/multicorn.control").exists()


class Unusable(Exception):
    """There is no server to test: the host does not compile, or the server does not start."""


class Cluster:
    """A private PostgreSQL with one of the hosts."""

    def __init__(self, host: str, directory: Path, settings: str = "") -> None:
        self.host = host
        self.directory = directory
        self.tree = directory / "tree"
        self.data = directory / "data"
        self.journal = directory / "journal"
        self.log = directory / "log"
        self.settings = settings
        self.as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            self.as_user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            shutil.chown(directory, "postgres", "postgres")
        directory.chmod(0o755)

    def inside(self, name: str) -> Path:
        """The tree's own copy of one of pg_config's directories."""
        return self.tree / pg_config(name).relative_to("/")

    def add(self, files: Path) -> None:
        """Put a package's files, unpacked to a directory, into the tree.

        They lie where Debian has them, which need not be where pg_config says: the server itself
        may be a copy.
        """
        for name, part, there in (
            ("pkglibdir", "", "usr/lib/postgresql/*/lib"),
            ("sharedir", "extension", "usr/share/postgresql/*/extension"),
        ):
            for file in files.glob(f"{there}/*.*"):
                target = self.inside(name) / part / file.name
                target.unlink(missing_ok=True)
                shutil.copy(file, target)

    def build(self) -> None:
        bindir, pkglibdir, sharedir = (self.inside(n) for n in ("bindir", "pkglibdir", "sharedir"))
        bindir.mkdir(parents=True)
        for program in ("postgres", "initdb", "pg_ctl"):
            shutil.copy(pg_config("bindir") / program, bindir / program)
        link_all(pg_config("pkglibdir"), pkglibdir)
        link_all(pg_config("sharedir"), sharedir, own=("extension",))
        link_all(pg_config("sharedir") / "extension", sharedir / "extension")
        if self.host == "bundled":
            for leftover in [*pkglibdir.glob("multicorn*"), *sharedir.glob("extension/multicorn*")]:
                leftover.unlink()
            self.install_bundled(pkglibdir, sharedir)

    def install_bundled(self, pkglibdir: Path, sharedir: Path) -> None:
        source = self.directory / "host"
        ignored = shutil.ignore_patterns("*.o", "*.bc", "*.so", "tests", "bench", "__pycache__")
        shutil.copytree(HOST_DIR, source, ignore=ignored)
        variables = [f"PG_CONFIG={PG_CONFIG}", f"pkglibdir={pkglibdir}", f"datadir={sharedir}"]
        if "PYTHON" in os.environ:
            variables.append(f"PYTHON={os.environ['PYTHON']}")
        command = ["make", "-j2", "-C", str(source), "install", "COPT=-Werror", *variables]
        result = subprocess.run(command, capture_output=True, text=True)
        if result.returncode:
            raise Unusable(f"the host does not compile:\n{result.stdout}{result.stderr}")

    @property
    def wrappers(self) -> Path:
        """A copy of the test wrappers: the server's user may not be let into the checkout."""
        copy = self.directory / "wrappers"
        if not copy.exists():
            shutil.copytree(WRAPPERS, copy, ignore=shutil.ignore_patterns("__pycache__", "tests"))
        return copy

    def run(self, program: str, *arguments: str) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("PG", "PYTHON"))}
        environment |= {
            "LC_ALL": "C.UTF-8",
            "PYTHONPATH": str(self.wrappers),
            "PYTHONDONTWRITEBYTECODE": "1",
            "MULTICORN_TEST_JOURNAL": str(self.journal),
        }
        # To a file: a pipe would be inherited by the server and never close.
        with (self.directory / f"{program}.log").open("w") as output:
            result = subprocess.run(
                [self.inside("bindir") / program, "-D", self.data, *arguments],
                env=environment,
                cwd=self.directory,
                stdout=output,
                stderr=subprocess.STDOUT,
                **self.as_user,
            )
        if result.returncode:
            logs = (Path(output.name), self.log)
            said = "\n".join(log.read_text(errors="replace") for log in logs if log.exists())
            raise Unusable(f"{program} {arguments[0]} failed:\n{said[-4000:]}")

    def start(self) -> None:
        self.run("initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8")
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.write(
                "listen_addresses = ''\n"
                f"unix_socket_directories = '{self.directory}'\n"
                "fsync = off\nshared_buffers = 16MB\nmax_connections = 20\n"
                "max_prepared_transactions = 2\ntimezone = 'UTC'\njit = off\n"
                f"{self.settings}\n"
            )
        self.run("pg_ctl", "-w", "-l", str(self.log), "start")

    def stop(self) -> None:
        self.run("pg_ctl", "-m", "immediate", "-w", "stop")

    def connect(
        self,
        dbname: str = "postgres",
        user: str = "postgres",
        options: Mapping[str, str] | None = None,
    ) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=str(self.directory),
            dbname=dbname,
            user=user,
            options=" ".join(f"-c {name}={value}" for name, value in (options or {}).items()),
            autocommit=True,
            prepare_threshold=None,
        )


def link_all(source: Path, target: Path, own: tuple[str, ...] = ()) -> None:
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.name not in own:
            (target / entry.name).symlink_to(entry)


@contextlib.contextmanager
def running_cluster(
    host: str, package: Path | None = None, settings: str = "", without: str = ""
) -> Iterator[Cluster]:
    """Build, start and in the end remove a cluster, with the files of an unpacked package.

    :param settings: lines for postgresql.conf.
    :param without: a pattern of names of libraries that the server shall not have.
    """
    # A short path: a socket's name has room for about a hundred bytes.
    directory = Path(tempfile.mkdtemp(prefix="mc-", dir="/tmp"))
    cluster = Cluster(host, directory, settings)
    try:
        cluster.build()
        for library in cluster.inside("pkglibdir").glob(without) if without else ():
            library.unlink()
        if package:
            cluster.add(package)
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


class Notice(NamedTuple):
    severity: str | None
    message: str | None
    detail: str | None
    hint: str | None


class Session:
    """A connection to a database that has the extension and a server `s`."""

    tables = 0

    def __init__(
        self,
        cluster: Cluster,
        dbname: str,
        user: str = "postgres",
        options: Mapping[str, str] | None = None,
    ) -> None:
        self.cluster = cluster
        self.dbname = dbname
        self.notices: list[Notice] = []
        self.connection = cluster.connect(dbname, user, options)
        self.connection.add_notice_handler(self.take_notice)
        self.pid = self.connection.info.backend_pid

    def take_notice(self, diag: psycopg.errors.Diagnostic) -> None:
        # Copied: the diagnostic does not outlive the handler.
        severity = diag.severity_nonlocalized
        notice = Notice(severity, diag.message_primary, diag.message_detail, diag.message_hint)
        self.notices.append(notice)

    def execute(self, sql: str, parameters: Any = None) -> psycopg.Cursor[Any]:
        return self.connection.execute(sql, parameters)

    def rows(self, sql: str, parameters: Any = None) -> list[tuple[Any, ...]]:
        return self.execute(sql, parameters).fetchall()

    def value(self, sql: str, parameters: Any = None) -> Any:
        ((value,),) = self.rows(sql, parameters)
        return value

    def plan(self, sql: str, options: str = "costs off") -> str:
        return "\n".join(line for (line,) in self.rows(f"EXPLAIN ({options}) {sql}"))

    def error(self, sql: str, parameters: Any = None) -> psycopg.errors.Diagnostic:
        """The error a statement fails with; the session must survive it."""
        try:
            self.execute(sql, parameters)
        except psycopg.Error as error:
            diagnostic = error.diag
        else:
            raise AssertionError(f"no error from: {sql}")
        if self.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE:
            assert self.value("SELECT 1") == 1
        return diagnostic

    def table(self, columns: str, server: str = "s", **options: str) -> str:
        """Create a foreign table and return its name."""
        Session.tables += 1
        name = f"t{Session.tables}"
        literals = ", ".join(f"{k} {quote(v)}" for k, v in options.items())
        clause = f" OPTIONS ({literals})" if options else ""
        self.execute(f"CREATE FOREIGN TABLE {name} ({columns}) SERVER {server}{clause}")
        return name

    def require_icu(self) -> None:
        """Skip where PostgreSQL was built without ICU; other collations are deterministic."""
        import pytest  # not at the top: the benchmark uses this module without it

        # One collation of that provider is always in the catalog; initdb asks ICU for the others.
        if not self.value("SELECT count(*) FROM pg_collation WHERE collname LIKE '%-x-icu'"):
            pytest.skip("this PostgreSQL was built without ICU")

    def journal(self) -> list[dict[str, Any]]:
        """What the wrappers were asked since the last time, in order."""
        text = self.cluster.journal.read_text() if self.cluster.journal.exists() else ""
        if text:
            # Truncated, not removed: it is the server's user's file.
            with self.cluster.journal.open("r+") as file:
                file.truncate(0)
        return [json.loads(line) for line in text.splitlines()]

    def calls(self, *hooks: str) -> list[Any]:
        """The arguments of these hooks' calls since the last time."""
        return [entry for entry in self.journal() if entry["hook"] in hooks]

    def quals(self, sql: str, parameters: Any = None) -> list[list[Any]]:
        """The quals, as [column, operator, value, value's class], that a query's scan gets."""
        self.journal()
        self.execute(sql, parameters)
        (call,) = self.calls("execute")
        return call["quals"]

    def close(self) -> None:
        self.connection.close()


def quote(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def create_database(cluster: Cluster, name: str, options: str = "") -> None:
    with cluster.connect() as connection:
        connection.execute(f"CREATE DATABASE {name} {options}")
    with cluster.connect(name) as connection:
        connection.execute("CREATE EXTENSION multicorn")
        connection.execute(
            "CREATE SERVER s FOREIGN DATA WRAPPER multicorn OPTIONS (wrapper 'contract.Wrapper')"
        )
