"""How to reach the demo's database from other programs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devkit import demo_database
from devkit.cluster import Cluster, client_environment
from devkit.demo_database import ROLE, Target
from devkit.places import Places, write_private
from devkit.run import output_of, say

SOURCE = "bitbucket"
# The data source of the examples in CData's articles.
CDATA_SOURCE = "CData ODBC Bitbucket Source"


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


def odbc_file(places: Places, database: str) -> Path:
    """The file of the data sources for a database."""
    return places.demo / f"odbc-{database}.ini"


def option(target: Target) -> str:
    """What script/demo is told to mean this workspace, with a blank behind it; empty for acme."""
    return "" if target.database == "demo" else f"--workspace {target.workspace} "


def write_files(places: Places, cluster: Cluster, target: Target, password: str) -> Connection:
    """A password file for libpq and data sources for ODBC, readable by their owner only."""
    password_file = places.demo / "pgpass"
    write_private(password_file, f"127.0.0.1:{cluster.port}:*:{ROLE}:{password}\n")
    # What else was written there stays.
    file = odbc_file(places, target.database)
    where = f"host=127.0.0.1 port={cluster.port} user={ROLE} dbname={target.database}"
    schemas = demo_database.cdata_schemas(cluster, target)
    for name, path in ((SOURCE, ()), (CDATA_SOURCE, schemas)):
        output_of(
            [
                str(places.venv / "bin" / "bitbucket-fdw"),
                "dsn",
                name,
                f"--dsn={where}",
                "--write",
                "--with-password",
                *(f"--schema={schema}" for schema in path),
            ],
            # Through the environment, which no other user sees.
            env={**client_environment(), "PGPASSWORD": password, "ODBCINI": str(file)},
        )
    return Connection(cluster.port, target.database, password_file, file)


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
    say(f"  ODBC   DSN {SOURCE} in {connection.odbc_file}")
    say(f'         DSN "{CDATA_SOURCE}" with the names of CData\'s driver')


def show(connection: Connection, target: Target) -> None:
    """Print how to connect. The password itself stays in its files."""
    say("\nConnect")
    say(f"  psql   script/demo {option(target)}psql")
    say(f"  URI    {connection.uri}")
    say(f"         password: in {connection.password_file} (for libpq: PGPASSFILE=that path)")
    say(f"  ODBC   DSN {SOURCE} in {connection.odbc_file}")
    say(f'         DSN "{CDATA_SOURCE}" with the names of CData\'s driver')
    say("         with Debian's packages unixodbc and odbc-postgresql:")
    say(f"         ODBCINI={connection.odbc_file} isql -v {SOURCE}")
    say("\nBoth keep running: script/demo status, script/demo stop, script/demo reset.")
