"""Text compared by another type or collation than it looks: nothing that is equal gets lost."""

from __future__ import annotations

import pytest

from tests.support.database import Database

IMPORT = (
    'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (branches) FROM SERVER bitbucket INTO public'
)
LOOSE = "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"


@pytest.fixture
def loose(db: Database) -> Database:
    db.execute("CREATE EXTENSION citext")
    if db.has_icu():
        db.execute(LOOSE)
    db.execute(IMPORT)
    db.execute("CREATE TABLE plain AS SELECT name FROM branches")
    return db


@pytest.mark.parametrize(
    "condition",
    [
        "name::citext = 'MAIN'",
        "name::citext IN ('MAIN', 'Release/1')",
        "name::citext LIKE 'MA%'",
        "name = 'MAIN' COLLATE loose",
        "name = ANY ('{MAIN}' COLLATE loose)",
        "name::char(9) = 'main   '",
        "name::bpchar IN ('main   ')",
    ],
)
def test_what_is_equal_in_another_way_is_found(loose: Database, condition: str) -> None:
    if "COLLATE" in condition:
        loose.require_icu()
    found = loose.rows(f"SELECT name FROM branches WHERE {condition} ORDER BY name")
    assert found == loose.rows(f"SELECT name FROM plain WHERE {condition} ORDER BY name")
    assert len(found) >= 1


@pytest.mark.parametrize("equality", ["b.name = l.x COLLATE loose", "b.name::citext = l.x::citext"])
def test_also_by_a_join(loose: Database, equality: str) -> None:
    if "COLLATE" in equality:
        loose.require_icu()
    loose.execute("CREATE TABLE l AS SELECT 'MAIN'::text AS x; ANALYZE l")
    loose.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    assert loose.value(f"SELECT count(*) FROM l JOIN branches b ON {equality}") == 1


def test_plain_equality_still_reads_one_item(loose: Database) -> None:
    done = loose.query("SELECT name FROM branches WHERE name = 'main' COLLATE \"C\"")
    assert len(done.rows) == 1
    assert len(done.requests) == 1


@pytest.mark.parametrize("value", ["'Website'", "'website'"])
def test_a_slug_that_is_equal_in_another_way_is_found(loose: Database, value: str) -> None:
    loose.execute(
        'CREATE SCHEMA acme; IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO acme'
    )
    where = f"repository::citext = {value}"
    found = loose.column(f"SELECT name FROM acme.branches WHERE {where} ORDER BY name")
    assert found == loose.column("SELECT name FROM plain ORDER BY name")
