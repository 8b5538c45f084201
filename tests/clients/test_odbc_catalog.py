"""What a generic grid learns of a table's key by ODBC's catalog functions, called by pyodbc."""

from __future__ import annotations

import sys
from pathlib import Path

import psycopg
import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.endpoints import SLUGS
from tests.clients.conftest import SCHEMA, add_dsn

PROGRAM = Path(__file__).with_name("odbc") / "catalog.py"
NO_NULLS, NULLABLE = 0, 1


@pytest.fixture
def catalog(site):
    """The answers of all catalog functions on tables of a schema; no request may be made."""

    def ask(schema, *tables, dsn=site.odbc.dsn):
        done = site.run([sys.executable, str(PROGRAM), dsn, schema, *tables])
        assert (done.status, done.errors) == (0, "")
        assert done.requests == []
        return done.json

    return ask


def keys(found, tables):
    """What SQLPrimaryKeys says: the columns by table, in the order of the key."""
    return {
        table: [
            row["column_name"]
            for row in sorted(found[table]["primary key"], key=lambda row: row["key_seq"])
        ]
        for table in tables
    }


def test_columns_that_are_never_null_are_told(catalog):
    tables = {table.flat_name(): table for table in TABLES if table.level == "repository"}
    found = catalog(SCHEMA, *tables)
    for name, table in tables.items():
        filled = {column.flat_name for column in table.never_null()}
        for column in found[name]["columns"]:
            expected = NO_NULLS if column["column_name"] in filled else NULLABLE
            assert column["nullable"] == expected, (name, column["column_name"])


def test_the_driver_looks_for_keys_in_indexes_which_foreign_tables_do_not_have(catalog):
    found = catalog(SCHEMA, "issues")["issues"]
    for function in ("primary key", "foreign keys", "row id", "indexes"):
        assert found[function] == []
    # What the driver says of any table.
    assert [row["column_name"] for row in found["row version"]] == ["xmin"]


def test_functions_are_listed(catalog):
    listed = {row["procedure_name"] for row in catalog(SCHEMA)["procedures"]}
    assert {"import_workspace", "verify", "show_odbc_keys"} <= listed
    assert not {name for name in listed if name.startswith("_")}


@pytest.mark.parametrize("repository", [None, "website"])
@pytest.mark.parametrize("names", ["snake", "flat"])
def test_keys_are_shown_to_the_driver(site, catalog, names, repository):
    """The parts of the key that the table's options do not fix."""
    site.db.execute("CREATE SCHEMA place")
    remote = "acme/website" if repository else "acme"
    site.db.execute(
        f'IMPORT FOREIGN SCHEMA "{remote}" FROM SERVER bitbucket INTO place '
        f"OPTIONS (names '{names}')"
    )
    bound = SLUGS if repository else SLUGS[:1]
    expected = {}
    for table in TABLES:
        if repository is None or table.level == "repository":
            parts = [table.column(part) for part in table.primary_key if part not in bound]
            name = table.flat_name() if names == "flat" else table.name
            expected[name] = [c.flat_name if names == "flat" else c.name for c in parts]
    shown = site.db.value("SELECT bitbucket.show_odbc_keys('place')")
    assert shown == sum(map(bool, expected.values()))
    assert keys(catalog("place", *expected), expected) == expected


def test_a_grid_sees_only_the_foreign_tables(site, catalog):
    """A setting of the data source hides the table with the indexes."""
    before = catalog(SCHEMA)["tables"]
    site.db.value(f"SELECT bitbucket.show_odbc_keys('{SCHEMA}')")
    add_dsn(site.odbc, "tidy", ExtraSysTablePrefixes="bitbucket_keys")
    assert catalog(SCHEMA, dsn="tidy")["tables"] == before
    imported = f"SELECT count(*) FROM bitbucket.imported_tables WHERE schema = '{SCHEMA}'"
    assert len(before) == site.db.value(imported)


def test_keys_are_shown_anew_after_a_change(site, catalog):
    show = f"SELECT bitbucket.show_odbc_keys('{SCHEMA}')"
    shown = site.db.value(show)
    site.db.execute(f"ALTER FOREIGN TABLE {SCHEMA}.issues RENAME TO tickets")
    site.db.execute(f"ALTER FOREIGN TABLE {SCHEMA}.tickets RENAME id TO number")
    site.db.execute(
        f"ALTER FOREIGN TABLE {SCHEMA}.tickets ALTER number OPTIONS (ADD column_name 'id')"
    )
    site.db.execute(f"DROP FOREIGN TABLE {SCHEMA}.tags")
    assert site.db.value(show) == shown - 1
    asked = ("tickets", "branches")
    assert keys(catalog(SCHEMA, *asked), asked) == {"tickets": ["number"], "branches": ["name"]}
    index = "SELECT count(*) FROM pg_indexes WHERE tablename = 'bitbucket_keys'"
    assert site.db.value(index) == shown - 1


def test_a_table_of_ones_own_with_that_name_stays(site):
    site.db.execute(f"CREATE TABLE {SCHEMA}.bitbucket_keys AS SELECT 1 AS mine")
    with pytest.raises(psycopg.errors.DuplicateTable):
        site.db.value(f"SELECT bitbucket.show_odbc_keys('{SCHEMA}')")
    assert site.db.value(f"SELECT mine FROM {SCHEMA}.bitbucket_keys") == 1


def test_a_schema_without_imported_tables_gets_nothing(site):
    site.db.execute("CREATE SCHEMA nothing")
    assert site.db.value("SELECT bitbucket.show_odbc_keys('nothing')") == 0
    assert site.db.value("SELECT to_regclass('nothing.bitbucket_keys')") is None


def test_a_materialized_view_has_a_key_and_an_index(site, catalog):
    site.db.execute(
        f"CREATE MATERIALIZED VIEW {SCHEMA}.kept AS SELECT id, title FROM {SCHEMA}.issues;"
        f"CREATE UNIQUE INDEX kept_pkey ON {SCHEMA}.kept (id)"
    )
    found = catalog(SCHEMA, "kept")
    assert keys(found, ("kept",)) == {"kept": ["id"]}
    indexed = {row["column_name"] for row in found["kept"]["indexes"] if row["index_name"]}
    assert indexed == {"id"}
