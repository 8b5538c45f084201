"""How to reach the demo's database from other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devkit.cluster import Cluster
from devkit.demo_database import ROLE, Target
from devkit.places import Places, write_private
from devkit.run import say

DRIVER = "PostgreSQL Unicode"  # the name that Debian's odbc-postgresql registers


@dataclass(frozen=True)
class Connection:
    """What a client needs, and the private files that hold the password."""

    port: int
    database: str
    password_file: Path
    odbc_file: Path

    @property
    def uri(self) -> str:
        return f"postgresql://{ROLE}@127.0.0.1:{self.port}/{self.database}"


def write_files(places: Places, cluster: Cluster, target: Target, password: str) -> Connection:
    """A password file for libpq and a DSN file for ODBC, readable by their owner only."""
    password_file = places.demo / "pgpass"
    write_private(password_file, f"127.0.0.1:{cluster.port}:*:{ROLE}:{password}\n")
    odbc_file = places.demo / f"odbc-{target.database}.ini"
    write_private(
        odbc_file,
        "[bitbucket]\n"
        f"Driver = {DRIVER}\n"
        "Servername = 127.0.0.1\n"
        f"Port = {cluster.port}\n"
        f"Database = {target.database}\n"
        f"Username = {ROLE}\n"
        f"Password = {password}\n"
        "ReadOnly = 0\n"
        # Or psqlODBC, which does not know jsonb, takes it for a text of 255 bytes.
        "UnknownsAsLongVarchar = 1\n",
    )
    return Connection(cluster.port, target.database, password_file, odbc_file)


def written(places: Places, cluster: Cluster) -> list[Connection]:
    """The connections that files were written for, one for each database."""
    password_file = places.demo / "pgpass"
    return [
        Connection(cluster.port, file.stem.removeprefix("odbc-"), password_file, file)
        for file in sorted(places.demo.glob("odbc-*.ini"))
    ]


def show_status(connection: Connection) -> None:
    """Print a line for each way to connect to a database."""
    password = f"PGPASSFILE={connection.password_file}"
    say(f"Database {connection.database}")
    say(f"  psql   {password} psql {connection.uri}")
    say(f"  URI    {connection.uri}")
    say(f"  ODBC   DSN bitbucket in {connection.odbc_file}")


def show(connection: Connection, target: Target) -> None:
    """Print how to connect. The password itself stays in its files."""
    option = "" if target.database == "demo" else f"--workspace {target.workspace} "
    say("\nConnect")
    say(f"  psql   script/demo {option}psql")
    say(f"  URI    {connection.uri}")
    say(f"         password: in {connection.password_file} (for libpq: PGPASSFILE=that path)")
    say(f"  ODBC   DSN bitbucket in {connection.odbc_file}")
    say("         with Debian's packages unixodbc and odbc-postgresql:")
    say(f"         ODBCINI={connection.odbc_file} isql -v bitbucket")
    say("\nBoth keep running: script/demo status, script/demo stop, script/demo reset.")
