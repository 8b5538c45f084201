"""``bitbucket-fdw install-extension``: what PostgreSQL needs, from the installed package.

A wheel carries the sources of the bundled host and of the SQL extension in the package's directory
``server``. They are compiled here, for one PostgreSQL and for the Python that runs this command.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterable
from pathlib import Path

import click

SOURCES = Path(__file__).resolve().parents[1] / "server"
DEBIAN = "/usr/lib/postgresql"  # one directory for each version, none of them on PATH
OLDEST = 14
# In the comment of the bundled host's control file, and not in that of Multicorn2's.
BUNDLED = "bundled host"


@click.command(short_help="Install the PostgreSQL extension that this package carries.")
@click.option(
    "--pg-config",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="PATH",
    help="The pg_config of the PostgreSQL to install into, where there are several.",
)
@click.option("--without-host", is_flag=True, help="Leave the host out: Multicorn2 is installed.")
@click.option("--remove", is_flag=True, help="Remove what was installed.")
def install_extension(pg_config: Path | None, without_host: bool, remove: bool) -> None:
    """Compile and install the bundled host and the extension bitbucket_fdw for a PostgreSQL.

    The server will run the package of the Python that runs this command. It takes a C compiler,
    make, and the development files of PostgreSQL and Python.
    """
    if not SOURCES.is_dir():
        raise click.ClickException(
            "this installation of bitbucket_fdw has no sources of the extension. Install the "
            "package from a wheel, or from a whole checkout, and not in editable mode."
        )
    server = _server((pg_config or _only_pg_config()).absolute())
    parts = ["sql"] if without_host else ["host", "sql"]
    if not remove:
        _require_own_host(server, without_host)
        _require_tools(server, parts)
    with tempfile.TemporaryDirectory() as directory:
        for part in parts:
            copy = shutil.copytree(SOURCES / part, Path(directory, part))
            _make(copy, "uninstall" if remove else "install", server)
    if remove:
        click.echo(f"Removed from {server['VERSION']}.")
        return
    click.echo(f"Installed for {server['VERSION']}, which runs the Python of {sys.prefix}.")
    _warn_of_closed_directories(Path(sysconfig.get_path("purelib")))
    if without_host:
        click.echo(
            "Multicorn2 finds the package by a variable in the environment of the server:\n"
            f"PYTHONPATH={sysconfig.get_path('purelib')}"
        )
    click.echo("Next, in a database: CREATE EXTENSION bitbucket_fdw CASCADE;")
    click.echo("Or, where it is there: ALTER EXTENSION bitbucket_fdw UPDATE;")


def _only_pg_config() -> Path:
    """The pg_config of the only PostgreSQL on this machine."""
    found = sorted(Path(DEBIAN).glob("*/bin/pg_config"))
    servers = [path for path in found if path.with_name("postgres").exists()]
    if not servers:
        on_path = shutil.which("pg_config")
        servers = [Path(on_path)] if on_path else []
    if len(servers) == 1:
        return servers[0]
    if servers:
        raise click.UsageError(
            "there are several PostgreSQLs: choose one by --pg-config. "
            f"There are {', '.join(map(str, servers))}."
        )
    raise click.UsageError("no PostgreSQL was found: name its pg_config by --pg-config.")


def _server(pg_config: Path) -> dict[str, str]:
    """What pg_config says of a server, its own path as ``PG_CONFIG``."""
    try:
        told = subprocess.run(  # noqa: S603 - whoever calls this names the program
            [str(pg_config)], capture_output=True, text=True, check=True
        ).stdout
    except (OSError, subprocess.CalledProcessError) as error:
        raise click.ClickException(f"{pg_config} does not run: {error}") from None
    server = dict(line.split(" = ", 1) for line in told.splitlines() if " = " in line)
    version = re.search(r"\d+", server.get("VERSION", ""))
    if version is None or int(version[0]) < OLDEST:
        raise click.ClickException(
            f"{server.get('VERSION', pg_config)} is too old: version {OLDEST} or newer is needed."
        )
    return {**server, "PG_CONFIG": str(pg_config), "MAJOR": version[0]}


def _require_own_host(server: dict[str, str], without_host: bool) -> None:
    """Refuse to write over another Multicorn, or to install for one that is not there."""
    control = Path(server["SHAREDIR"], "extension", "multicorn.control")
    there = control.read_text(encoding="utf-8") if control.exists() else None
    if without_host and there is None:
        raise click.ClickException(
            f"{server['VERSION']} has no Multicorn: leave out --without-host."
        )
    if not without_host and there is not None and BUNDLED not in there:
        raise click.ClickException(
            f"{server['VERSION']} has another Multicorn, by {control}. The bundled host would take "
            "its place. Remove that first, or keep it by --without-host."
        )


def _require_tools(server: dict[str, str], parts: Iterable[str]) -> None:
    """Name all that is missing at once, by Debian's names."""
    header = Path(sysconfig.get_path("include"), "Python.h")
    development = f"postgresql-server-dev-{server['MAJOR']}"
    needs = {"make": shutil.which("make"), development: Path(server["PGXS"]).exists()}
    if "host" in parts:
        needs["gcc"] = shutil.which("gcc") or shutil.which("cc")
        needs["python3-dev"] = header.exists()
    missing = [name for name, there in needs.items() if not there]
    if missing:
        raise click.ClickException(
            f"this takes what is missing here: {', '.join(missing)}. These are Debian's names of "
            f"packages: apt-get install {' '.join(missing)}"
        )


def _make(directory: Path, target: str, server: dict[str, str]) -> None:
    # Flags of an outer make, or of a build of something else, are not meant for this one.
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("MAKEFLAGS", "MAKELEVEL", "DESTDIR", "CFLAGS", "LDFLAGS")
    }
    command = ["make", "-C", str(directory), target]
    command += [f"PG_CONFIG={server['PG_CONFIG']}", f"PYTHON={sys.executable}"]
    done = subprocess.run(  # noqa: S603
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        click.echo(done.stdout, err=True)
        hint = " Run it as root." if "Permission denied" in done.stdout else ""
        raise click.ClickException(f"make {target} failed for {directory.name}/, see above.{hint}")


def _warn_of_closed_directories(library: Path) -> None:
    """Say so where the server's OS user cannot come to the package."""
    for directory in reversed([library, *library.parents]):
        if not directory.stat().st_mode & stat.S_IXOTH:
            click.echo(
                f"WARNING: other users cannot enter {directory}. If PostgreSQL runs as another "
                "user, it will not find the package: install it elsewhere, such as below /opt.",
                err=True,
            )
            return
