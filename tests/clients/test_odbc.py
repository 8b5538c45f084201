"""What programs on ODBC see besides rows: the catalog functions, and unixODBC's isql.

Tools such as DBArtisan draw their tree of objects from the catalog functions alone.
"""

import pytest

from bitbucket_fdw.tables import TABLES
from tests.clients.conftest import SCHEMA

REPOSITORY_TABLES = {table.flat_name() for table in TABLES if table.level == "repository"}
# ODBC's type codes (sql.h, sqlext.h) of the PostgreSQL types in use.
CODES = {
    "text": -1,  # SQL_LONGVARCHAR
    "bigint": -5,  # SQL_BIGINT
    "boolean": 12,  # SQL_VARCHAR, psqlODBC's BoolsAsChar being on by default
    "uuid": -11,  # SQL_GUID
    "timestamptz": 11,  # SQL_TYPE_TIMESTAMP, in the older numbering that PHP asks for
    "jsonb": -1,  # by UnknownsAsLongVarchar
}


@pytest.fixture
def catalog(site):
    return site.php("catalog.php", "website", SCHEMA, "pullrequests").json


def test_the_schema_is_listed(catalog):
    assert SCHEMA in {row["TABLE_OWNER"] for row in catalog["schemas"]}


def test_foreign_tables_are_listed_as_tables(catalog):
    # A program that asks for tables alone must find them, one that asks for all sees their kind.
    for asked in ("tables", "foreign tables"):
        assert {row["TABLE_NAME"] for row in catalog[asked]} == REPOSITORY_TABLES
    assert {row["TABLE_TYPE"] for row in catalog["tables"]} == {"FOREIGN TABLE"}
    assert "FOREIGN TABLE" in {row["TABLE_TYPE"] for row in catalog["types"]}
    assert catalog["views"] == []


def test_every_column_is_listed_in_order_with_its_type(catalog):
    [table] = [table for table in TABLES if table.name == "pull_requests"]
    listed = [(row["COLUMN_NAME"], int(row["DATA_TYPE"])) for row in catalog["columns"]]
    assert listed == [(column.flat_name, CODES[column.type]) for column in table.columns]
    assert [int(row["ORDINAL_POSITION"]) for row in catalog["columns"]] == list(
        range(1, len(table.columns) + 1)
    )


def test_foreign_tables_have_no_keys_and_no_indexes(catalog):
    # PostgreSQL allows none on them; a program that edits rows has to be told the key columns.
    assert catalog["primary key"] == []
    assert catalog["foreign keys"] == []
    assert catalog["row id"] == []
    assert [row for row in catalog["indexes"] if row["INDEX_NAME"]] == []


def test_reading_the_catalog_makes_no_request(site):
    assert site.php("catalog.php", "website", SCHEMA, "issues").requests == []


def test_privileges_are_listed(catalog):
    assert "SELECT" in {row["PRIVILEGE"] for row in catalog["privileges"]}


def test_isql_prints_rows_for_other_programs(site):
    statement = "SELECT Id, Title, AssigneeNickname FROM Issues WHERE Id < 10 ORDER BY Id"
    done = site.run(["isql", "-b", "-x0x09", "website"], stdin=statement + "\n")
    assert done.status == 0, done.errors
    expected = site.db.rows(
        f"SELECT id::text, title, coalesce(assigneenickname, '') FROM {SCHEMA}.issues "
        "WHERE id < 10 ORDER BY id"
    )
    assert [tuple(line.split("\t")) for line in done.output.splitlines()] == expected


def test_isql_lists_tables_and_columns(site):
    tables = site.run(["isql", "-b", "-d|", "website"], stdin="help\n")
    listed = {tuple(line.split("|")[1:4]) for line in tables.output.splitlines()}
    assert {(SCHEMA, name, "FOREIGN TABLE") for name in REPOSITORY_TABLES} <= listed
    columns = site.run(["isql", "-b", "-d|", "website"], stdin="help issues\n")
    assert "contentraw" in {line.split("|")[3] for line in columns.output.splitlines()}


def test_isql_says_what_failed(site):
    site.db.emulator.fault("*/refs/tags*", kind="status", status=410, count=1)
    done = site.run(["isql", "-b", "-v", "website"], stdin="SELECT * FROM Tags\n")
    assert "tags: GET /repositories/acme/website/refs/tags was answered 410" in done.output
