"""A database with the sample workspace imported once for each way of writing.

==========  ================================================================================
schema      server
==========  ================================================================================
website     ``write_mode 'immediate'``, ``on_rollback 'warn'``: the defaults
undone      ``on_rollback 'undo'``
queued      ``write_mode 'commit'``
hasty       gives up after a second, and repeats a request once
reader      a credential without write scopes
token       an access token, which cannot tell whose it is; likewise token_undone, token_queued
flat        as ``website``, with flat names
acme        as ``website``, spanning the repositories; likewise acme_undone, acme_queued,
            acme_hasty
==========  ================================================================================
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from devkit.emulator import Control
from devkit.tree import BUNDLED

from tests.support.credentials import READ, READ_WRITE, mapping_options
from tests.support.database import Database, drop_database
from tests.support.fixtures import DatabaseFactory
from tests.writes.writing import Session

TOKEN = "workspace-write"
SERVERS: dict[str, tuple[str, dict[str, str]]] = {
    "undone": (READ_WRITE, {"on_rollback": "undo"}),
    "queued": (READ_WRITE, {"write_mode": "commit"}),
    "hasty": (READ_WRITE, {"timeout": "1", "retry_limit": "1"}),
    "reader": (READ, {}),
    "token": (TOKEN, {}),
    "token_undone": (TOKEN, {"on_rollback": "undo"}),
    "token_queued": (TOKEN, {"write_mode": "commit"}),
}
MODES = ("website", "undone", "queued")


@pytest.fixture(scope="session")
def writes_db(shared_emulator: Control, db_factory: DatabaseFactory) -> Iterator[Database]:
    """The schemas of the table above."""
    shared_emulator.reset()
    db = db_factory(emulator=shared_emulator)
    for name, (credential, options) in SERVERS.items():
        db.create_server(name, credentials=mapping_options(shared_emulator, credential), **options)
    imports = {"website": "bitbucket", "flat": "bitbucket", **{name: name for name in SERVERS}}
    for schema, server in imports.items():
        names = "OPTIONS (names 'flat')" if schema == "flat" else ""
        db.execute(f"CREATE SCHEMA {schema}")
        db.execute(
            f'IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER {server} INTO {schema} {names}'
        )
    workspaces = {"acme": "bitbucket"}
    workspaces |= {f"acme_{name}": name for name in ("undone", "queued", "hasty")}
    for schema, server in workspaces.items():
        db.execute(f"CREATE SCHEMA {schema}")
        db.execute(f'IMPORT FOREIGN SCHEMA "acme" FROM SERVER {server} INTO {schema}')
    yield db
    drop_database(db)


@pytest.fixture
def session_in(
    writes_db: Database, emulator: Control, host: str
) -> Iterator[Callable[[str], Session]]:
    """Open sessions, each in the schema it is given; all on the emulator's initial state."""
    yield lambda schema: Session(writes_db, schema, writes_db.connect(), host == BUNDLED)
    writes_db.close()


@pytest.fixture
def sql(session_in: Callable[[str], Session]) -> Session:
    """A session that writes at once and warns of what a rollback leaves behind."""
    return session_in("website")


@pytest.fixture
def undone(session_in: Callable[[str], Session]) -> Session:
    """A session that writes at once and takes it back on rollback."""
    return session_in("undone")


@pytest.fixture
def queued(session_in: Callable[[str], Session]) -> Session:
    """A session that writes at COMMIT."""
    return session_in("queued")


@pytest.fixture
def hasty(session_in: Callable[[str], Session]) -> Session:
    """A session that waits for a second only, and repeats a request once."""
    return session_in("hasty")
