"""Columns of imported tables that are NOT NULL: the parts of keys that every row has."""

from __future__ import annotations

import pytest

from bitbucket_fdw.tables import BY_NAME
from tests.support.database import Database

NOT_NULL = """
    SELECT t.table_name, s.shown
    FROM bitbucket.imported_tables t
    JOIN bitbucket_private.shown_columns s ON s.relation = t.relation
    JOIN pg_attribute a ON a.attrelid = t.relation AND a.attnum = s.number
    WHERE t.schema = 'place' AND a.attnotnull
"""


def expected(*schema: str) -> set[tuple[str, str]]:
    return {(name, column.name) for name in schema for column in BY_NAME[name].never_null()}


@pytest.mark.parametrize("names", ["snake", "flat"])
@pytest.mark.parametrize("remote", ["acme", "acme/website"])
def test_imported_tables_say_which_columns_are_never_null(
    db: Database, remote: str, names: str
) -> None:
    db.execute("CREATE SCHEMA place")
    db.execute(
        f'IMPORT FOREIGN SCHEMA "{remote}" FROM SERVER bitbucket INTO place '
        f"OPTIONS (names '{names}')"
    )
    made = db.column("SELECT table_name FROM bitbucket.imported_tables WHERE schema = 'place'")
    assert set(db.rows(NOT_NULL)) == expected(*made)
    declared = "SELECT table_name, name FROM bitbucket.columns WHERE NOT nullable"
    assert {row for row in db.rows(declared) if row[0] in made} == expected(*made)


def test_a_column_that_is_added_later_is_not_null_as_well(db: Database) -> None:
    call = (
        "SELECT bitbucket.import_repository('bitbucket', 'acme', 'website', 'place', names => %s)"
    )
    db.rows(call, ("flat",))
    before = set(db.rows(NOT_NULL))
    db.execute("ALTER FOREIGN TABLE place.deployments DROP uuid, DROP key")
    db.execute("ALTER FOREIGN TABLE place.issuecomments DROP issueid")
    assert len(before - set(db.rows(NOT_NULL))) == 2
    db.rows(call, ("flat",))
    assert set(db.rows(NOT_NULL)) == before


def test_a_column_that_may_be_null_by_now_is_not_not_null_any_more(db: Database) -> None:
    """The planner of PostgreSQL 17 and later takes NOT NULL for granted."""
    call = "SELECT bitbucket.import_repository('bitbucket', 'acme', 'website', 'place')"
    db.rows(call)
    before = set(db.rows(NOT_NULL))
    db.execute(
        "ALTER FOREIGN TABLE place.issues ALTER title SET NOT NULL, ALTER kind SET NOT NULL, "
        "DROP COLUMN votes"
    )
    db.execute("ALTER FOREIGN TABLE place.issues RENAME title TO heading")
    db.execute("ALTER FOREIGN TABLE place.issues ALTER heading OPTIONS (column_name 'title')")
    assert len(set(db.rows(NOT_NULL)) - before) == 2
    db.rows(call)
    assert set(db.rows(NOT_NULL)) == before
    assert db.rows("SELECT votes FROM place.issues LIMIT 1")


def test_what_is_never_null_is_said_where_programs_look(db: Database) -> None:
    db.rows("SELECT bitbucket.import_repository('bitbucket', 'acme', 'website', 'place')")
    told = "SELECT column_name FROM information_schema.columns WHERE is_nullable = 'NO' AND "
    assert db.column(told + "table_schema = 'place' AND table_name = 'issues' ORDER BY 1") == [
        *("id", "repository", "workspace")
    ]
