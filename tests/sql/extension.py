"""Helpers for the tests of the SQL extension: errors in full, and changes at the emulator."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import requests
from devkit.cluster import identifier
from devkit.emulator import Control

from tests.support.credentials import READ_WRITE, mapping_options
from tests.support.database import Database

Row = tuple[Any, ...]


@dataclass
class Raised:
    """An error of PostgreSQL, to look at after the block that raised it."""

    sqlstate: str = ""
    message: str = ""
    hint: str = ""


@contextmanager
def raises() -> Iterator[Raised]:
    """The error that the block has to raise."""
    raised = Raised()
    with pytest.raises(psycopg.Error) as caught:
        yield raised
    raised.sqlstate = caught.value.sqlstate or ""
    raised.message = caught.value.diag.message_primary or ""
    raised.hint = caught.value.diag.message_hint or ""


def rows(connection: psycopg.Connection[Row], statement: str, *parameters: Any) -> list[Row]:
    """The rows of a statement on a connection other than the database's own."""
    return connection.execute(statement.encode(), parameters or None).fetchall()


@contextmanager
def role_of(db: Database) -> Iterator[str]:
    """An ordinary role that may use the server, with a user mapping; dropped at the end."""
    name = f"importer_{db.name}"
    quoted = identifier(name)
    options = mapping_options(db.emulator, READ_WRITE)
    settings = ", ".join(f"{option} '{value}'" for option, value in options.items())
    db.execute(f"CREATE ROLE {quoted} LOGIN")
    db.execute(f"GRANT USAGE ON FOREIGN SERVER bitbucket TO {quoted}")
    db.execute(f"CREATE USER MAPPING FOR {quoted} SERVER bitbucket OPTIONS ({settings})")
    try:
        yield name
    finally:
        db.execute(f"DROP OWNED BY {quoted} CASCADE")
        db.execute(f"DROP ROLE {quoted}")


def call_api(control: Control, method: str, path: str, body: Any = None) -> None:
    """Change something at the emulator, as another client of Bitbucket would."""
    options = mapping_options(control, READ_WRITE)
    answer = requests.request(
        method,
        control.base_url + path,
        json=body,
        auth=(options["email"], options["token"]),
        timeout=30,
    )
    answer.raise_for_status()


def imported(db: Database, arguments: str) -> dict[str | None, Row]:
    """What ``import_workspace`` says, as ``{repository: (schema, tables, status)}``."""
    result = db.rows(
        "SELECT repository, schema, tables, status "
        f"FROM bitbucket.import_workspace('bitbucket', {arguments})"
    )
    return {repository: tuple(rest) for repository, *rest in result}


def shape(db: Database, schema: str) -> list[Row]:
    """Names, types, constraints and options of a schema's foreign tables and their columns."""
    return db.rows(
        """
        SELECT c.relname, f.ftoptions, a.attnum, a.attname,
               format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attfdwoptions
        FROM pg_foreign_table f
        JOIN pg_class c ON c.oid = f.ftrelid
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE c.relnamespace = %s::regnamespace
        ORDER BY 1, 3
        """,
        (schema,),
    )


def counts(db: Database) -> tuple[int, int, int]:
    """Tables of a workspace, of a repository, and of the latter without the issue tracker."""
    [row] = db.rows(
        "SELECT count(*), count(*) FILTER (WHERE level = 'repository'), "
        "count(*) FILTER (WHERE level = 'repository' AND NOT needs_issue_tracker) "
        "FROM bitbucket.tables"
    )
    return row


def tables_in(db: Database, schema: str) -> set[str]:
    """The names of all relations of a schema."""
    return set(
        db.column("SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace", (schema,))
    )
