"""The machine's PostgreSQL: which one, and where its parts are."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devkit.run import Failure, output_of

OLDEST = 14
FETCHED = ".fetched"  # beside bin/: this server was fetched for tests, it is not the machine's


@dataclass(frozen=True)
class Installation:
    """A PostgreSQL server on this machine, as its pg_config describes it."""

    pg_config: Path
    version: str
    directories: dict[str, Path]

    @property
    def major(self) -> int:
        return int(re.findall(r"\d+", self.version)[0])

    @property
    def fetched(self) -> bool:
        """Whether it was fetched for tests (``prebuilt``)."""
        return (self.pg_config.parents[1] / FETCHED).exists()

    @property
    def label(self) -> str:
        """What tells it from others on this machine."""
        number = re.findall(r"[\d.]+", self.version)[0]
        return f"pg{number}" if self.fetched else f"pg{self.major}"

    @property
    def bindir(self) -> Path:
        return self.directories["BINDIR"]

    @property
    def pkglibdir(self) -> Path:
        return self.directories["PKGLIBDIR"]

    @property
    def sharedir(self) -> Path:
        return self.directories["SHAREDIR"]

    @property
    def has_headers(self) -> bool:
        return (self.directories["INCLUDEDIR-SERVER"] / "postgres.h").exists() and self.directories[
            "PGXS"
        ].exists()

    @property
    def has_multicorn2(self) -> bool:
        """Whether this machine's own PostgreSQL has Multicorn2."""
        return (self.sharedir / "extension" / "multicorn.control").exists()


def describe(pg_config: Path) -> Installation:
    """Read a pg_config's report."""
    report = dict(
        line.split(" = ", 1) for line in output_of([str(pg_config)]).splitlines() if " = " in line
    )
    paths = {
        name: Path(value)
        for name, value in report.items()
        if name.endswith("DIR") or name in ("PGXS", "INCLUDEDIR-SERVER")
    }
    return Installation(pg_config, report["VERSION"], paths)


def newest(env: dict[str, str] | None = None) -> Installation:
    """The newest server installed here, or the one BITBUCKET_FDW_PG_CONFIG names."""
    chosen = (dict(os.environ) if env is None else env).get("BITBUCKET_FDW_PG_CONFIG")
    candidates = [Path(chosen)] if chosen else _candidates()
    servers = [
        installation
        for installation in map(describe, candidates)
        if (installation.bindir / "initdb").exists()
    ]
    fit = [server for server in servers if server.major >= OLDEST]
    if fit:
        return max(fit, key=lambda server: server.major)
    found = ", ".join(server.version for server in servers) or "none"
    raise Failure(
        f"no PostgreSQL server of version {OLDEST} or newer on this machine (found: {found})",
        hint="Install one, or name its pg_config in BITBUCKET_FDW_PG_CONFIG.",
    )


def _candidates() -> list[Path]:
    # Debian keeps one directory per version, PGDG's RPM packages another; else what PATH has.
    roots = [*Path("/usr/lib/postgresql").glob("*"), *Path("/usr").glob("pgsql-*")]
    found = [root / "bin" / "pg_config" for root in roots]
    on_path = shutil.which("pg_config")
    if on_path and not any(path.exists() for path in found):
        found.append(Path(on_path))
    return [path for path in found if path.exists()]


def to_json(installation: Installation) -> dict[str, object]:
    """For a file that a later run reads."""
    return {
        "pg_config": str(installation.pg_config),
        "version": installation.version,
        "directories": {name: str(path) for name, path in installation.directories.items()},
    }


def from_json(stored: dict[str, Any]) -> Installation:
    """What ``to_json`` wrote."""
    directories = {name: Path(path) for name, path in stored["directories"].items()}
    return Installation(Path(stored["pg_config"]), stored["version"], directories)
