"""Every table, by its declaration: rows, types, columns, and what is asked for them."""

from __future__ import annotations

import json
import re

import pytest
from devkit.cluster import identifier

from bitbucket_fdw.emulator.data.pipelines import REGISTRY_PASSWORD
from bitbucket_fdw.tables import BY_NAME, TABLES, Table
from bitbucket_fdw.tables.endpoints import SLUGS, Shape
from tests.sql.querying import Asked, Both, asked, wanted
from tests.support.declared import KEYED

REPOSITORY_TABLES = [table for table in TABLES if table.level == "repository"]

names = [table.name for table in TABLES]


def _told(table: type[Table]) -> str:
    """What may be said while all rows are read: which parents' listings have refused."""
    return table.unlistable.what if table.unlistable else "nothing"


@pytest.mark.parametrize("name", names)
def test_the_rows_of_the_workspace_are_the_documents(sql, name):
    where = wanted(sql.db, BY_NAME[name], "acme")
    result = sql.query(f"SELECT * FROM {name} WHERE {where}", on="acme")
    assert result.rows, "a table without a row shows nothing"
    assert [said for said in result.notices if _told(BY_NAME[name]) not in repr(said)] == []
    for one in asked(result):
        envelope = (one.one("fields") or "").split(",")
        if any(field.startswith("values.") for field in envelope):
            assert "next" in envelope, "every listing would end after a page"


@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
def test_the_rows_of_a_repository_are_the_documents(sql, table):
    result = sql.query(f"SELECT * FROM {table.name} WHERE {wanted(sql.db, table)}", on="website")
    assert result.rows
    assert {row[:2] for row in result.rows} == {("acme", "website")}


@pytest.mark.parametrize("name", names)
def test_names_and_types_are_as_declared(sql, name):
    declared = [
        (column.name, column.type.replace("timestamptz", "timestamp with time zone"))
        for column in next(table for table in TABLES if table.name == name).columns
    ]
    found = sql.db.rows(
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        f"WHERE attrelid = 'acme.{name}'::regclass AND attnum > 0 ORDER BY attnum"
    )
    assert found == declared


def _own_requests(table: type[Table], requests: list[Asked]) -> list[Asked]:
    """The requests to the table's own listing, not to its parents'."""
    templates = (table.collection.path, *(narrower.path for narrower in table.narrower))
    forms = [re.sub(r"\{\w+\}", "[^/]+", template) for template in templates]
    return [one for one in requests if any(re.fullmatch(form, one.path) for form in forms)]


def _busiest(sql: Both, table: type[Table]) -> str:
    """A WHERE clause for the parent with most rows, or none for tables right below a repository."""
    for parameter in table.parameters():
        column = table.column_of(parameter)
        if column and parameter not in ("workspace", "repository"):
            most = f"SELECT {column.name} FROM website_x.{table.name} GROUP BY 1"
            value = sql.db.value(f"{most} ORDER BY count(*) DESC, 1 LIMIT 1")
            return f" WHERE {column.name} = '{value}'"
    return ""


@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
def test_each_column_alone_has_its_values_and_asks_for_its_field_only(sql, table):
    where = _busiest(sql, table)
    for column in table.columns:
        result = sql.query(f"SELECT {identifier(column.name)} FROM {table.name}{where}")
        if column.path is None or not column.listed:
            continue
        if table.collection.shape is Shape.TEXT:
            assert {one.parameters for one in _own_requests(table, asked(result))} == {()}
            continue
        own = _own_requests(table, asked(result))
        assert own, column.name
        if column.param in SLUGS:  # it stands in the table's options
            continue
        # The key is what an item is known to be one by.
        fields = {*column.asked_paths, *table.key_column().asked_paths}
        fields |= {*table.mark_column().asked_paths}
        if table.typed:  # by which it is known to be one
            fields.add("type")
        if table.nothing:  # by which an item stands for no row
            fields |= {*table.column(table.nothing[0]).asked_paths}
        if table.drafts:  # by which rows are left out
            fields.add(table.column(table.drafts).path)
        rows_in = table.collection.explode
        if rows_in and not column.path.startswith(f"{rows_in}."):
            # Rows that are a list within an item are only there if something of the list is.
            fields.add(table.column(table.primary_key[-1]).path)
        assert {frozenset(one.fields) for one in own} == {frozenset(fields)}


@pytest.mark.parametrize("name", names)
def test_rows_carry_where_they_are(sql, name):
    """Columns that stand in the address only, and no column at all."""
    where = wanted(sql.db, BY_NAME[name], "acme")
    columns = {column.param: column.name for column in BY_NAME[name].columns}
    if "workspace" not in columns:
        pytest.skip("the table is of no workspace")
    result = sql.query(f"SELECT {columns['workspace']} FROM {name} WHERE {where}", on="acme")
    assert {row[0] for row in result.rows} == {"acme"}


@pytest.mark.parametrize("table", KEYED, ids=lambda table: table.name)
def test_primary_keys_are_keys(sql, table):
    name = table.name
    key = ", ".join(map(identifier, table.primary_key))
    where = wanted(sql.db, table, "acme")
    doubles = f"SELECT {key} FROM {name} WHERE {where} GROUP BY {key} HAVING count(*) > 1"
    assert sql.query(doubles, on="acme").rows == []
    missing = " OR ".join(f"{identifier(column)} IS NULL" for column in table.primary_key)
    count = f"SELECT count(*) FROM {name} WHERE {where} AND ({missing})"
    assert sql.query(count, on="acme").rows == [(0,)]


@pytest.mark.parametrize("name", names)
def test_columns_that_are_sorted_by_have_no_nulls(sql, name):
    """The place of NULLs differs at Bitbucket; the emulator's documents are checked here."""
    table = next(table for table in TABLES if table.name == name)
    for column in table.columns:
        if column.sort:
            found = f"SELECT count(*) FROM acme_x.{name} WHERE {identifier(column.name)} IS NULL"
            assert sql.db.value(found) == 0, column.name


def test_a_registry_password_is_never_asked_for(sql):
    """A step's image can hold one; a row of the emulator's does. Of an image the name is read."""
    state = sql.db.emulator.state()["pipeline_steps"]
    assert any(REGISTRY_PASSWORD in json.dumps(row["document"]["image"]) for row in state)
    result = sql.query("SELECT * FROM pipeline_steps", on="acme")
    assert any("registry.example/build" in repr(row) for row in result.rows)
    assert not any(REGISTRY_PASSWORD in repr(row) for row in result.rows)
    assert any("image.name" in one.fields for one in asked(result))
    for one in asked(result):
        for field in one.fields:  # none at all asks for everything
            assert field == "image.name" or field.split(".")[0] not in ("image", "*", "values", "")


def test_no_declaration_reads_more_of_an_image_than_its_name():
    paths = [column.path or "" for table in TABLES for column in table.columns]
    assert {path for path in paths if "image" in path.split(".")} == {"image.name"}
