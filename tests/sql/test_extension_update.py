"""ALTER EXTENSION bitbucket_fdw UPDATE, from what older versions have made.

``releases/`` has the scripts of older versions as people may have run them. Of 0.1 there are two:
the first that was seen, and the last before its number changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from devkit.cluster import Cluster, client_environment, tool
from devkit.emulator import Control
from devkit.run import output_of

from tests.sql.extension import imported, raises, shape
from tests.sql.test_extension_packaging import default_version, older_versions
from tests.support.database import Database
from tests.support.fixtures import DatabaseFactory

RELEASES = sorted((Path(__file__).parent / "releases").glob("*.sql"))


def of_version(release: Path) -> str:
    return release.stem.split("-")[0]


@pytest.fixture(params=RELEASES, ids=lambda path: path.stem)
def release(request: pytest.FixtureRequest, postgres: Cluster) -> Iterator[str]:
    """The number of a release whose script the server finds for the time of a test."""
    script: Path = request.param
    version = of_version(script)
    installed = postgres.tree.sharedir / "extension" / f"bitbucket_fdw--{version}.sql"
    installed.write_bytes(script.read_bytes())
    yield version
    installed.unlink()


@pytest.fixture
def older(db: Database, release: str) -> Database:
    """A database with the extension as that release has made it."""
    db.execute("DROP EXTENSION bitbucket_fdw")
    db.execute(f"CREATE EXTENSION bitbucket_fdw VERSION '{release}'")
    return db


def update(db: Database) -> list[str]:
    """Update the extension; what PostgreSQL said."""
    said = db.query("ALTER EXTENSION bitbucket_fdw UPDATE").notices
    installed = "SELECT extversion FROM pg_extension WHERE extname = 'bitbucket_fdw'"
    assert db.value(installed) == default_version()
    return said


def everything(db: Database) -> list[str]:
    """All of a database as pg_upgrade would make it again, what belongs to extensions as well.

    That has definitions, comments, privileges and what the defaults of these were. Numbers of
    objects are left out.
    """
    command = [tool(db.cluster.tree, "pg_dump"), "--schema-only", "--binary-upgrade"]
    dump = output_of([*command, f"--dbname={db.conninfo()}"], env=client_environment())
    dump = re.sub(r"(?m)^(?:--.*|\\(?:un)?restrict .*|.*binary_upgrade_set_next_.*)\n", "", dump)
    dump = re.sub(r"'\d+'::pg_catalog\.oid", "'0'::pg_catalog.oid", dump)
    return sorted(part.strip() for part in re.split(r"\n{2,}", dump) if part.strip())


def test_there_is_a_release_of_every_version_that_can_be_updated() -> None:
    assert {of_version(release) for release in RELEASES} == set(older_versions())


def test_an_update_ends_where_a_new_installation_ends(
    older: Database, db_factory: DatabaseFactory, emulator: Control
) -> None:
    before = everything(older)

    update(older)

    fresh = db_factory(emulator=emulator)
    fresh.execute("DROP EXTENSION bitbucket_fdw; CREATE EXTENSION bitbucket_fdw")
    assert everything(older) == everything(fresh)
    assert everything(older) != before
    text = "\n".join(everything(older))
    for kept in ("bitbucket.verify(", "COMMENT ON COLUMN bitbucket.columns.", "GRANT "):
        assert kept in text  # such things are compared, too


def test_imported_schemas_stay_and_can_be_imported_on(older: Database) -> None:
    imported(older, "'acme', repositories => '{website}'")
    older.execute("GRANT SELECT ON acme__website.pull_requests TO PUBLIC")
    before = shape(older, "acme__website"), shape(older, "acme")
    tables = "SELECT count(*) FROM information_schema.foreign_tables"
    made = older.value(tables)

    update(older)

    assert (shape(older, "acme__website"), shape(older, "acme")) == before
    assert older.value("SELECT count(*) FROM acme__website.pull_requests") == 150
    assert older.value(f"{tables} WHERE foreign_table_schema = 'bitbucket'") >= 3
    again = imported(older, "'acme', repositories => '{website}'")
    assert {status for *_, status in again.values()} <= {"unchanged", "extended"}
    assert older.value(tables) >= made
    checks = older.rows("SELECT * FROM bitbucket.verify('bitbucket', 'acme')")
    assert checks


def test_what_somebody_made_of_it_stops_the_update_and_stays(older: Database) -> None:
    older.execute("CREATE VIEW public.mine AS SELECT * FROM bitbucket.imported_tables")
    before = everything(older)

    with raises() as raised:
        update(older)

    assert raised.sqlstate == "2BP01"
    assert "imported_tables" in raised.message
    assert "Drop what depends on it" in raised.hint
    assert everything(older) == before
    older.execute("DROP VIEW public.mine")
    update(older)


def test_what_somebody_made_in_its_schema_stays(older: Database) -> None:
    older.execute("CREATE VIEW bitbucket.mine AS SELECT 1 AS one")

    update(older)

    assert older.value("SELECT one FROM bitbucket.mine") == 1


@pytest.fixture
def reader(older: Database) -> Iterator[str]:
    """A role to grant something to."""
    name = f"reader_{older.name}"
    older.execute(f"CREATE ROLE {name}")
    yield name
    older.execute(f"DROP OWNED BY {name}; DROP ROLE {name}")


def test_privileges_on_its_schema_stay_and_a_warning_names_those_that_do_not(
    older: Database, reader: str
) -> None:
    older.execute("REVOKE USAGE ON SCHEMA bitbucket FROM PUBLIC")
    older.execute(f"GRANT USAGE ON SCHEMA bitbucket TO {reader}")
    older.execute("REVOKE EXECUTE ON FUNCTION bitbucket.comment_on FROM PUBLIC")
    older.execute(f"GRANT UPDATE ON bitbucket.tables TO {reader}")

    [warning] = update(older)

    assert warning.startswith("WARNING: privileges on objects of extension")
    assert warning.endswith("(2 objects)")
    usage = "SELECT has_schema_privilege(%s, 'bitbucket', 'USAGE')"
    assert [older.value(usage, (role,)) for role in (reader, "public")] == [True, False]


def test_privileges_that_are_as_they_were_made_give_no_warning(older: Database) -> None:
    older.execute("REVOKE SELECT ON bitbucket.tables FROM PUBLIC")
    older.execute("GRANT SELECT ON bitbucket.tables TO PUBLIC")

    assert update(older) == []
