"""A private PostgreSQL cluster: its own data directory, port, sockets and OS user.

Who may connect: over the Unix socket anyone who can enter its directory, which only the OS user
of the server (and root) can; over TCP on 127.0.0.1 with a password (SCRAM), generated once and
kept in a file that only its owner can read. Nothing listens on other addresses.
"""

from __future__ import annotations

import contextlib
import os
import random
import secrets
import shutil
import socket
import subprocess
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from devkit.places import remove_tree, socket_directory, write_private
from devkit.run import Failure, OsUser, output_of, require_reachable, run_logged
from devkit.tree import Tree

SUPERUSER = "postgres"
SETTINGS_FILE = "bitbucket_fdw.conf"
# Below Linux's range for outgoing connections (32768 and up), above the well-known ports.
PORTS = range(20_000, 32_000)
START_ATTEMPTS = 5

# What the server and its Python may need from the caller's environment; no credential is there.
PASSED_ON = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "TZDIR", "LD_LIBRARY_PATH")


def free_port(preferred: int | None = None) -> int:
    """A TCP port that nothing on 127.0.0.1 holds now: ``preferred`` where it is free."""
    candidates = random.sample(PORTS, 100)
    for port in ([preferred] if preferred else []) + candidates:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port
    raise Failure("no free TCP port on 127.0.0.1")


@dataclass
class Cluster:
    """One cluster below ``directory``, run from ``tree`` by ``user``."""

    tree: Tree
    directory: Path
    user: OsUser
    python_path: Sequence[Path]
    settings: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def data(self) -> Path:
        return self.directory / "data"

    @property
    def log(self) -> Path:
        return self.directory / "server.log"

    @property
    def port_file(self) -> Path:
        return self.directory / "port"

    @property
    def port(self) -> int:
        return int(self.port_file.read_text())

    @property
    def sockets(self) -> Path:
        return socket_directory(self.directory / "run", self.user.uid)

    @property
    def password_file(self) -> Path:
        """The superuser's password for TCP."""
        return self.directory / "password"

    def exists(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def create(self) -> None:
        """initdb, where that has not been done for this server's major version yet."""
        if self.exists():
            made_by = (self.data / "PG_VERSION").read_text().strip()
            if made_by == str(self.tree.installation.major):
                return
            raise Failure(
                f"{self.data} was made by PostgreSQL {made_by}, and the newest server here is "
                f"{self.tree.installation.major}",
                hint="Remove it (script/demo reset) or name the old server's pg_config in "
                "BITBUCKET_FDW_PG_CONFIG.",
            )
        require_reachable(self._made_directory(), self.user)
        require_reachable(self.tree.bindir, self.user)
        remove_tree(self.data)
        password = secrets.token_urlsafe(18)
        write_private(self.password_file, password + "\n")
        self.user.own(self.password_file)
        run_logged(
            [
                str(self.tree.bindir / "initdb"),
                f"--pgdata={self.data}",
                f"--username={SUPERUSER}",
                f"--pwfile={self.password_file}",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
                "--auth-local=trust",
                "--auth-host=scram-sha-256",
                "--no-sync",
                "--no-instructions",
            ],
            self.log,
            what="initdb",
            cwd=Path("/"),
            env=self._environment(),
            user=self.user,
        )
        # Not postgresql.auto.conf: that is ALTER SYSTEM's, and what it holds wins over this.
        with (self.data / "postgresql.conf").open("a") as configuration:
            configuration.write(f"\ninclude '{SETTINGS_FILE}'\n")

    def _made_directory(self) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.user.own(self.directory)
        # The log shows statements that failed, so it is the owner's alone as well.
        if not self.log.exists():
            write_private(self.log, "")
            self.user.own(self.log)
        return self.directory

    def start(self) -> None:
        """Start it and wait until it answers; on another port where the last one is taken."""
        if self.running():
            return
        sockets = self.sockets
        sockets.chmod(0o700)
        self.user.own(sockets)
        for attempt in range(1, START_ATTEMPTS + 1):
            last = self.port if self.port_file.exists() else None
            self.port_file.write_text(str(free_port(last if attempt == 1 else None)))
            self._write_settings(sockets)
            try:
                self._pg_ctl("start", "--wait", "--timeout=60", f"--log={self.log}")
            except Failure as failure:
                # Another program may have taken the port since it was found free.
                in_use = "could not create any TCP/IP sockets" in str(failure)
                if not in_use or attempt == START_ATTEMPTS:
                    raise
            else:
                return

    def stop(self, mode: str = "fast") -> None:
        """Stop it and wait; nothing happens when it is not running."""
        if self.running():
            self._pg_ctl("stop", "--wait", "--timeout=60", f"--mode={mode}")

    def restart(self) -> None:
        self.stop()
        self.start()

    def running(self) -> bool:
        """Whether the server that owns the data directory is alive (pg_ctl checks its pid)."""
        if not (self.data / "postmaster.pid").exists():
            return False
        status = subprocess.run(
            [str(self.tree.bindir / "pg_ctl"), f"--pgdata={self.data}", "status"],
            capture_output=True,
            check=False,
            cwd="/",
            **self.user.spawn_options(),
        )
        return status.returncode == 0

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop("immediate")
        sockets = self.sockets
        remove_tree(self.directory)
        remove_tree(sockets)

    def psql_command(self, database: str, role: str = SUPERUSER) -> list[str]:
        """The psql that connects over the socket."""
        return [
            str(self.tree.bindir / "psql"),
            f"--host={self.sockets}",
            f"--port={self.port}",
            f"--username={role}",
            f"--dbname={database}",
        ]

    def sql(
        self,
        script: str,
        database: str = SUPERUSER,
        role: str = SUPERUSER,
        *,
        secret: bool = False,
    ) -> str:
        """Run a script with psql; its tuples, unaligned. The script travels on stdin only.

        ``secret``: an error's message must not repeat a line of the statement.
        """
        return output_of(
            [
                *self.psql_command(database, role),
                "--no-psqlrc",
                "--quiet",
                "--no-align",
                "--tuples-only",
                "--set=ON_ERROR_STOP=1",
                f"--set=VERBOSITY={'terse' if secret else 'default'}",
                "--set=SHOW_CONTEXT=never",
                "--file=-",
            ],
            stdin=script,
            env=client_environment(),
        )

    def _write_settings(self, sockets: Path) -> None:
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": str(sockets),
            "unix_socket_permissions": "0700",
            "shared_buffers": "64MB",
            "logging_collector": "off",
            "log_line_prefix": "%m [%p] %q%u@%d ",
            **self.settings,
        }
        lines = [f"{name} = '{value}'\n" for name, value in settings.items()]
        path = self.data / SETTINGS_FILE
        write_private(path, "# Written at each start.\n" + "".join(lines))
        self.user.own(path)

    def _environment(self) -> dict[str, str]:
        """The server's whole environment: nothing of the caller's comes in by accident."""
        passed = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONPATH": os.pathsep.join(map(str, self.python_path)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
            **passed,
            **self.environment,
        }

    def _pg_ctl(self, *arguments: str) -> None:
        # Output goes to the log: a pipe would be inherited by the server and never close.
        run_logged(
            [str(self.tree.bindir / "pg_ctl"), f"--pgdata={self.data}", "--silent", *arguments],
            self.log,
            what=f"pg_ctl {arguments[0]}",
            cwd=Path("/"),
            env=self._environment(),
            user=self.user,
        )


def client_environment(passed_on: Collection[str] = ()) -> dict[str, str]:
    """The caller's environment without PG* variables, which would redirect a client.

    :param passed_on: those of them that are passed on nevertheless.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PG") or name in passed_on
    }
    return {**kept, "PGAPPNAME": "bitbucket_fdw"}


def literal(text: str) -> str:
    """A SQL string constant, whatever standard_conforming_strings says."""
    return " E'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def tool(tree: Tree, name: str) -> str:
    """A client program of the tree, or of PATH."""
    own = tree.bindir / name
    found = str(own) if own.exists() else shutil.which(name)
    if found is None:
        raise Failure(f"{name} is not installed")
    return found
