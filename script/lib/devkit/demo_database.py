"""The demo's database: role, extension, server, user mapping, imported schemas."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from devkit.cluster import Cluster, identifier, literal
from devkit.places import CHECKOUT, digest_of
from devkit.run import say

ROLE = "demo"
SERVER = "bitbucket"
CDATA_SCHEMA = "cdata"
WRAPPER = "bitbucket_fdw.wrapper.BitbucketFdw"


@dataclass(frozen=True)
class Target:
    """A workspace, the database it is imported into, and the API that serves it."""

    workspace: str
    database: str
    server: dict[str, str]  # options: where the API and its authorization server are
    repository: str = ""  # preferred where one repository is shown


def stamp(stamps: Path, target: Target) -> Path:
    """The note of which extension scripts the database was made with; there once it is made."""
    return stamps / f"extension-{target.database}"


def ensure(
    cluster: Cluster, target: Target, credentials: dict[str, str], password: str, stamps: Path
) -> None:
    """Bring the database to where the tour can run; what is there already is kept.

    ``stamps``: a directory for a note of which extension scripts the database was made with.

    The superuser creates the extension and the server; all else belongs to an ordinary role.
    Scripts reach psql on its stdin, so that no secret is ever on a command line.
    """
    cluster.sql(_role_and_database(target, password), secret=True)
    note = stamp(stamps, target)
    digest = digest_of(CHECKOUT / "sql")
    if note.exists() and note.read_text() != digest:
        # Between releases the scripts change under one version, which UPDATE would not notice.
        # Schemas that were imported do not depend on this extension: they stay.
        cluster.sql(
            "SET client_min_messages = warning; DROP EXTENSION IF EXISTS bitbucket_fdw CASCADE;",
            database=target.database,
        )
    cluster.sql(_server(target), database=target.database)
    note.write_text(digest)
    cluster.sql(_user_mapping(credentials), database=target.database, role=ROLE, secret=True)
    say(f"  Importing workspace {target.workspace}")
    cluster.sql(_import(target), database=target.database, role=ROLE)
    cluster.sql(_import_for_cdata(target), database=target.database, role=ROLE)


def _role_and_database(target: Target, password: str) -> str:
    role, database = identifier(ROLE), identifier(target.database)
    return f"""
        SELECT {literal(f"CREATE ROLE {role} LOGIN")}
        WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname ={literal(ROLE)}) \\gexec
        ALTER ROLE {role} PASSWORD{literal(password)};
        SELECT {literal(f"CREATE DATABASE {database} OWNER {role}")}
        WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname ={literal(target.database)}) \\gexec
    """


def _server(target: Target) -> str:
    server = identifier(SERVER)
    options = ", ".join(f"{name}{literal(value)}" for name, value in target.server.items())
    # What is there stays, with the user's own options; the emulator's port may have changed.
    changes = "".join(
        f"""
        SELECT format('ALTER SERVER {server} OPTIONS (%s {name} %L)',
                      CASE WHEN EXISTS (SELECT FROM pg_options_to_table(srvoptions)
                                        WHERE option_name = '{name}') THEN 'SET' ELSE 'ADD' END,
                     {literal(value)})
        FROM pg_foreign_server WHERE srvname ={literal(SERVER)} \\gexec"""
        for name, value in target.server.items()
    )
    return f"""
        SET client_min_messages = warning;
        CREATE EXTENSION IF NOT EXISTS bitbucket_fdw CASCADE;
        ALTER EXTENSION bitbucket_fdw UPDATE;
        CREATE SERVER IF NOT EXISTS {server} FOREIGN DATA WRAPPER multicorn
            OPTIONS (wrapper '{WRAPPER}', {options});
        {changes}
        GRANT USAGE ON FOREIGN SERVER {server} TO {identifier(ROLE)};
    """


def _user_mapping(credentials: dict[str, str]) -> str:
    options = ", ".join(f"{name}{literal(value)}" for name, value in credentials.items())
    server = identifier(SERVER)
    # Made anew each time: the kind of credential may have changed, and with it the options.
    return f"""
        SET client_min_messages = warning;
        BEGIN;
        DROP USER MAPPING IF EXISTS FOR CURRENT_USER SERVER {server};
        CREATE USER MAPPING FOR CURRENT_USER SERVER {server} OPTIONS ({options});
        COMMIT;
    """


def _import(target: Target) -> str:
    return f"""
        SET client_min_messages = warning;
        SELECT * FROM bitbucket.import_workspace('{SERVER}',{literal(target.workspace)});
    """


def _import_for_cdata(target: Target) -> str:
    # Of one repository, since a connection of that driver shows one, too.
    return f"""
        SET client_min_messages = warning;
        SELECT format('SELECT * FROM bitbucket.import_workspace(%L, %L, names => %L, '
                      'schema => %L, repositories => ARRAY[%L])',
                      '{SERVER}',{literal(target.workspace)}, 'cdata', '{CDATA_SCHEMA}', repository)
        FROM ({_chosen(target)}) chosen \\gexec
    """


def _chosen(target: Target) -> str:
    """A query for the repository to show: the preferred one, or one that has an issue tracker."""
    return f"""
        SELECT repository FROM bitbucket.imported_tables
        WHERE workspace = lower({literal(target.workspace)}) AND repository IS NOT NULL
        GROUP BY repository
        ORDER BY repository <>{literal(target.repository)}, bool_or(table_name = 'issues') DESC,
                 repository
        LIMIT 1
    """


def cdata_schemas(cluster: Cluster, target: Target) -> list[str]:
    """The search path for programs that were written for CData's driver: repository, workspace."""
    listed = f"""
        SELECT DISTINCT schema, repository IS NULL FROM bitbucket.imported_tables
        WHERE schema = '{CDATA_SCHEMA}'
           OR repository IS NOT NULL AND schema LIKE '{CDATA_SCHEMA}\\_\\_%'
        ORDER BY repository IS NULL, schema
    """
    lines = cluster.sql(listed, database=target.database, role=ROLE).splitlines()
    return [line.rpartition("|")[0] for line in lines]
