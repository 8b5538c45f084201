"""``bitbucket.tables`` and ``bitbucket.columns``: the declarations, as SQL and as comments."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitbucket_fdw.errors import OptionError
from bitbucket_fdw.reference import catalog
from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.columns import Column, Filter
from bitbucket_fdw.tables.endpoints import Collection, Item
from bitbucket_fdw.tables.table import Scopes, Table
from bitbucket_fdw.tables.writing import Write, Writes
from tests.sql.extension import imported
from tests.support.database import Database, drop_database
from tests.support.fixtures import DatabaseFactory

DOCS = Path(__file__).resolve().parents[2] / "docs"
TAGS = "Tags of a repository. Key: workspace, repository, name"


@pytest.fixture(scope="module")
def bare(db_factory: DatabaseFactory) -> Iterator[Database]:
    """A database to look around in: nothing is imported."""
    database = db_factory()
    yield database
    drop_database(database)


class Sample(Table):
    """A table with one column of each ability, to see what the catalog makes of it."""

    name = "samples"
    family = "code"
    collection = Collection("/repositories/{workspace}/{repository}/samples", q=True)
    items = (Item("/repositories/{workspace}/{repository}/samples/{id}", "id", "id"),)
    columns = (
        Column("workspace", "text", None, "", param="workspace"),
        Column("id", "bigint", "id", ""),
        Column("size", "bigint", "size", "", filter=Filter("size")),
        Column("state", "text", "state", "", filter=Filter("state", values=("A", "B"))),
        Column("title", "text", "title", "", filter=Filter("title")),
        Column("private", "boolean", "private", "", filter=Filter("private")),
        Column("closed", "bigint", "closed", "", filter=Filter("closed", absent="closed = null")),
        Column("ref", "text", "ref", "", query="ref"),
        Column("links", "jsonb", "links", "", filter=Filter("links")),
        Column("other", "text", "other", ""),
    )


class Unfiltered(Sample):
    collection = Collection("/repositories/{workspace}/{repository}/samples")


COMPARISONS = ["=", "IN", "<>", "<", "<=", ">", ">="]


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        ("workspace", ["=", "IN"]),
        ("id", ["=", "IN"]),
        ("size", COMPARISONS),
        ("state", ["=", "IN", "<>"]),
        ("title", ["=", "IN", "LIKE", "ILIKE"]),
        ("private", ["="]),
        ("closed", [*COMPARISONS, "IS NULL"]),
        ("ref", ["=", "IN"]),
        ("links", []),
        ("other", []),
    ],
)
def test_operators_are_those_that_the_planner_ships(column: str, expected: list[str]) -> None:
    assert catalog.operators(Sample, Sample.column(column)) == expected


def test_without_a_query_language_no_filter_counts() -> None:
    assert catalog.operators(Unfiltered, Unfiltered.column("size")) == []
    assert catalog.operators(Unfiltered, Unfiltered.column("id")) == ["=", "IN"]


def test_a_catalog_table_that_is_not_there() -> None:
    with pytest.raises(OptionError, match="no catalog table") as caught:
        catalog.rows("nothing")
    assert caught.value.hint == "There are: tables, columns, option_checks."


def test_every_declared_table_is_listed(bare: Database) -> None:
    result = bare.query("SELECT * FROM bitbucket.tables")

    assert result.requests == []
    assert [row[0] for row in result.rows] == [table.name for table in TABLES]
    assert result.columns == list(next(catalog.table_rows()))
    assert [dict(zip(result.columns, row, strict=True)) for row in result.rows] == list(
        catalog.table_rows()
    )


def test_every_declared_column_is_listed(bare: Database) -> None:
    result = bare.query("SELECT * FROM bitbucket.columns")

    assert result.requests == []
    assert result.columns == list(next(catalog.column_rows()))
    assert [dict(zip(result.columns, row, strict=True)) for row in result.rows] == list(
        catalog.column_rows()
    )


def test_what_the_catalog_says_of_pull_requests(bare: Database) -> None:
    [row] = bare.rows(
        "SELECT level, endpoint, item_endpoints, classic_scopes, granular_scopes, primary_key, "
        "sort_columns, item_keys, needs_issue_tracker, removed "
        "FROM bitbucket.tables WHERE flat_name = 'pullrequests'"
    )
    assert row == (
        "repository",
        "GET /repositories/{workspace}/{repository}/pullrequests",
        ["GET /repositories/{workspace}/{repository}/pullrequests/{id}"],
        ["pullrequest"],
        ["read:pullrequest:bitbucket"],
        ["workspace", "repository", "id"],
        ["id", "created_on", "updated_on"],
        ["id"],
        False,
        None,
    )
    assert bare.rows(
        "SELECT type, operators, sortable, request_per_row FROM bitbucket.columns "
        "WHERE (table_name, name) = ('pull_requests', 'state')"
    ) == [("text", ["=", "IN", "<>"], False, False)]


class Written(Sample):
    description = "Rows that can be added and taken away"
    scopes = Scopes(("repository",))
    primary_key = ("workspace", "id")
    writes = Writes(
        insert=Write("POST", "/repositories/{workspace}/x"), delete=Write("DELETE", "/x")
    )


def test_writes_are_those_declared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "TABLES", (Written,))

    [row] = catalog.table_rows()
    assert row["writes"] == ["INSERT", "DELETE"]
    assert {r["name"] for r in catalog.column_rows() if r["writes"] == ["INSERT"]} == {"workspace"}


def test_the_catalog_needs_no_user_mapping_and_may_write_nothing(db: Database) -> None:
    db.execute("DROP USER MAPPING FOR CURRENT_USER SERVER bitbucket")
    db.execute("SET default_transaction_read_only = on")

    assert db.value("SELECT count(*) FROM bitbucket.tables") == len(TABLES)
    assert db.rows("SELECT * FROM bitbucket.imported_tables") == []


def test_every_foreign_table_and_column_has_a_comment(db: Database) -> None:
    for schema, names in (("acme__website", "snake"), ("flat", "flat")):
        db.rows(
            "SELECT bitbucket.import_repository('bitbucket', 'acme', 'website', %s, %s)",
            (schema, names),
        )
    imported(db, "'acme', repositories => '{}'")
    comments = """
        SELECT c.relname, a.attname, col_description(c.oid, a.attnum)
        FROM pg_class c
        JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum >= 0 AND NOT a.attisdropped
        WHERE c.relnamespace = %s::regnamespace
        UNION ALL
        SELECT relname, NULL, obj_description(oid, 'pg_class')
        FROM pg_class WHERE relnamespace = %s::regnamespace
    """

    for schema, spelled in (("acme", "name"), ("acme__website", "name"), ("flat", "flat_name")):
        found = set(db.rows(comments, (schema, schema)))
        described = {
            (row["table_name"], row[spelled], row["description"]) for row in catalog.column_rows()
        }
        spelling = {(r["table_name"], r["name"]): r[spelled] for r in catalog.column_rows()}
        for row in catalog.table_rows():
            key = ", ".join(spelling[row["name"], part] for part in row["primary_key"])
            keyed = f". Key: {key}" if key else ""
            described.add((row["name"], None, row["description"] + keyed))
        shown = {row["name"]: row[spelled] for row in catalog.table_rows()}
        levels = ("workspace", "repository") if schema == "acme" else ("repository",)
        wanted = {table.name for table in TABLES if table.level in levels}
        assert found == {
            (shown[table], column, text) for table, column, text in described if table in wanted
        }
    assert db.column(
        "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace "
        "WHERE nspname IN ('acme', 'acme__website') ORDER BY nspname"
    ) == ["Bitbucket workspace acme", "Bitbucket repository acme/website"]


def test_comments_of_ones_own_stay(db: Database) -> None:
    imported(db, "'acme', repositories => '{}'")
    db.execute("COMMENT ON FOREIGN TABLE acme.tags IS 'Ours'")
    db.execute("COMMENT ON COLUMN acme.tags.name IS 'Ours, too'")
    db.execute("COMMENT ON SCHEMA acme IS 'All ours'")
    shown = (
        "SELECT obj_description('acme.tags'::regclass, 'pg_class'), "
        "col_description('acme.tags'::regclass, attnum), "
        "obj_description('acme'::regnamespace, 'pg_namespace') FROM pg_attribute "
        "WHERE attrelid = 'acme.tags'::regclass AND attname = 'name'"
    )

    imported(db, "'acme', repositories => '{}'")
    assert db.value("SELECT bitbucket.comment_on('acme')") == 0
    assert db.rows(shown) == [("Ours", "Ours, too", "All ours")]

    assert db.value("SELECT bitbucket.comment_on('acme', overwrite => true)") > 0
    assert db.rows(shown) == [(TAGS, "Tag name", "All ours")]


def test_tables_imported_by_hand_can_be_described(db: Database) -> None:
    db.execute("CREATE SCHEMA mine")
    db.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (tags) FROM SERVER bitbucket INTO mine'
    )

    made = db.value("SELECT bitbucket.comment_on('mine')")

    assert made == 1 + sum(row["table_name"] == "tags" for row in catalog.column_rows())
    assert db.value("SELECT obj_description('mine.tags'::regclass)") == TAGS


def test_every_object_of_the_extension_that_users_see_is_described(bare: Database) -> None:
    undescribed = bare.column(
        r"""
        WITH members AS (
            SELECT d.classid, d.objid FROM pg_depend d
            JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
            CROSS JOIN LATERAL pg_identify_object(d.classid, d.objid, 0) i
            WHERE e.extname = 'bitbucket_fdw' AND d.deptype = 'e'
              AND i.schema IS DISTINCT FROM 'bitbucket_private'
        )
        SELECT c.relname || coalesce('.' || a.attname, '')
        FROM members m
        JOIN pg_class c ON m.classid = 'pg_class'::regclass AND c.oid = m.objid
        LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        WHERE (obj_description(c.oid, 'pg_class') IS NULL
            AND c.relkind <> 'c' OR col_description(c.oid, a.attnum) IS NULL)
        UNION ALL
        SELECT p.proname FROM members m
        JOIN pg_proc p ON m.classid = 'pg_proc'::regclass AND p.oid = m.objid
        WHERE obj_description(p.oid, 'pg_proc') IS NULL
        UNION ALL
        SELECT t.typname FROM members m
        JOIN pg_type t ON m.classid = 'pg_type'::regclass AND t.oid = m.objid
        WHERE t.typtype = 'c' AND t.typname IN
            ('import_result', 'schema_entry') AND obj_description(t.oid, 'pg_type') IS NULL
        """
    )

    assert undescribed == []


def test_what_is_in_the_schema_for_users_is_on_a_page(bare: Database) -> None:
    shown = bare.column(
        """
        SELECT proname FROM pg_proc WHERE pronamespace = 'bitbucket'::regnamespace
        UNION
        SELECT relname FROM pg_class
        WHERE relnamespace = 'bitbucket'::regnamespace AND relkind IN ('v', 'f', 'r')
        """
    )
    pages = "".join(page.read_text() for page in sorted(DOCS.glob("*.md")))

    assert {"import_workspace", "schema_name", "tables"} <= set(shown)
    assert [name for name in shown if name.startswith("_")] == []
    assert [n for n in sorted(shown) if not re.search(rf"\bbitbucket\.{n}\b", pages)] == []
