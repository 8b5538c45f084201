"""ODBC set-up of a test database, apart from the machine's: unixODBC and psqlODBC files."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from devkit.cluster import SUPERUSER
from devkit.places import write_private

from tests.support.database import Database

DSN = "bitbucket"
DRIVER = "PostgreSQL Unicode"


@dataclass(frozen=True)
class Odbc:
    """A data source name, and the environment in which ODBC programs find it."""

    dsn: str
    directory: Path
    env: dict[str, str]


def find_driver() -> Path | None:
    """psqlODBC's Unicode driver, where its package is installed."""
    return next(iter(sorted(Path("/usr/lib").glob("*/odbc/psqlodbcw.so"))), None)


def write_odbc(database: Database, directory: Path, driver: Path) -> Odbc:
    """odbcinst.ini and odbc.ini for ``database`` in ``directory``; TCP with the password."""
    password = database.cluster.password_file.read_text().strip()
    (directory / "odbcinst.ini").write_text(
        f"[{DRIVER}]\nDescription = psqlODBC\nDriver = {driver}\n"
    )
    write_private(
        directory / "odbc.ini",
        f"[{DSN}]\n"
        f"Driver = {DRIVER}\n"
        "Servername = 127.0.0.1\n"
        f"Port = {database.cluster.port}\n"
        f"Database = {database.name}\n"
        f"Username = {SUPERUSER}\n"
        f"Password = {password}\n"
        "ReadOnly = 0\n",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    env = {**kept, "ODBCSYSINI": str(directory), "ODBCINI": str(directory / "odbc.ini")}
    return Odbc(DSN, directory, env)
