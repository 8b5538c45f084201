"""Distribution packages: what a task needs, what is missing, and installing it with apt.

On systems without apt nothing is installed: the missing programs are named instead.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from devkit.places import Places
from devkit.run import Failure, as_root, retried, run_logged, say


@dataclass(frozen=True)
class Need:
    """A Debian package, and the program or file that shows that it need not be installed."""

    package: str
    program: str | None = None
    file: str | None = None

    def met(self) -> bool:
        if self.program and shutil.which(self.program):
            return True
        if self.file and any(Path("/").glob(self.file.lstrip("/"))):
            return True
        return installed(self.package)


def installed(package: str) -> bool:
    """Whether dpkg has the package fully installed."""
    if shutil.which("dpkg-query") is None:
        return False
    done = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package],
        capture_output=True,
        text=True,
        check=False,
    )
    return done.stdout == "install ok installed"


def _python_header() -> str:
    return f"{sysconfig.get_path('include')}/Python.h"


# ensurepip is what python3-venv adds; without it "python3 -m venv" fails half-way.
VENV = (Need("python3-venv", file="/usr/lib/python3*/ensurepip/__init__.py"),)
SERVER = (
    Need("postgresql", file="/usr/lib/postgresql/*/bin/initdb"),
    Need("make", program="make"),
)
COMPILER = (
    Need("gcc", program="gcc"),
    Need("libc6-dev", file="/usr/include/stdio.h"),
    Need("python3-dev", file=_python_header()),
)
CLIENTS = (
    Need("unixodbc", program="isql"),
    Need("odbc-postgresql", file="/usr/lib/*/odbc/psqlodbcw.so"),
    Need("php-cli", program="php"),
    Need("php-odbc", file="/usr/lib/php/*/odbc.so"),
)
# What the tests of signing in use.
SIGNING_IN = (
    Need("chromium", program="chromium"),
    Need("curl", program="curl"),
    Need("openssl", program="openssl"),
)


def missing(needs: Iterable[Need]) -> list[str]:
    """The names of the packages that are not there yet, in order and once each."""
    return list(dict.fromkeys(need.package for need in needs if not need.met()))


def ensure(places: Places, needs: Iterable[Need]) -> None:
    """Install what is missing of ``needs``; nothing is called when nothing is missing."""
    names = missing(needs)
    if not names:
        return
    if shutil.which("apt-get") is None:
        raise Failure(
            f"missing on this machine: {', '.join(names)} (Debian's names)",
            hint="Only apt is driven from here; install them with this system's package manager.",
        )
    say(f"  Installing packages: {', '.join(names)}")
    log = places.logs / "apt.log"
    update_index(places)
    with _no_stray_cluster(names):
        retried(
            lambda: run_logged(
                _apt("install", "--no-install-recommends", *names), log, what="apt-get install"
            ),
            what="apt-get install",
        )


def update_index(places: Places) -> None:
    """Bring apt's package index up to date."""
    log = places.logs / "apt.log"
    retried(lambda: run_logged(_apt("update"), log, what="apt-get update"), what="apt-get update")


def download(places: Places, package: str, version: str | None, directory: Path) -> Path:
    """Fetch a package's file without installing it; returns the .deb's path."""
    directory.mkdir(parents=True, exist_ok=True)
    log = places.logs / "apt.log"
    exact = f"{package}={version}" if version else package

    def fetch(name: str) -> None:
        run_logged(
            # As another user apt cannot write to root's directory, and would warn about it.
            ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", name],
            log,
            what=f"apt-get download {name}",
            cwd=directory,
        )

    def attempt() -> None:
        try:
            fetch(exact)
        except Failure:
            # An archive keeps only its newest version, and the index may be missing or stale.
            update_index(places)
            fetch(package)

    retried(attempt, what=f"download of {package}")
    return max(directory.glob(f"{package}_*.deb"), key=lambda file: file.stat().st_mtime)


def _apt(*arguments: str) -> list[str]:
    # sudo may drop the environment, so the setting travels as an argument of env.
    return as_root(
        [
            "env",
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "-q",
            "-y",
            "-o",
            "DPkg::Lock::Timeout=600",
            "-o",
            "Acquire::Retries=3",
            *arguments,
        ]
    )


@contextlib.contextmanager
def _no_stray_cluster(names: list[str]) -> Iterator[None]:
    """Keep Debian's postgresql package from creating and starting a cluster on port 5432.

    Only where this run installs the server: a machine's own settings are not touched.
    """
    if not any(re.fullmatch(r"postgresql(-\d+)?", name) for name in names):
        yield
        return
    directory = "/etc/postgresql-common/createcluster.d"
    file = f"{directory}/bitbucket_fdw.conf"
    script = f"mkdir -p {directory} && echo 'create_main_cluster = false' > {file}"
    subprocess.run(as_root(["sh", "-c", script]), check=True)
    try:
        yield
    finally:
        subprocess.run(as_root(["rm", "-f", file]), check=True)
