"""Remote schemas' names, and which tables they have."""

import pytest

from bitbucket_fdw.foreign_tables.importing import (
    Place,
    SchemaNameError,
    foreign_tables,
    is_decided_by,
    parse_schema,
    restriction,
    unknown_tables,
)
from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.table import FAMILIES

ACME = Place("acme")
WEBSITE = Place("acme", "website")
NAMES = ("snake", "flat", "cdata")


def tables(workspace, repository, names="snake", project=None):
    place = Place(workspace, repository, project)
    return {t.name: t for t in foreign_tables(place, names=names, wanted=lambda name: True)}


@pytest.mark.parametrize(
    ("schema", "expected"),
    [("acme", ("acme", None)), ("acme/web.site-2", ("acme", "web.site-2"))],
)
def test_a_workspace_or_a_repository(schema, expected):
    assert parse_schema(schema) == Place(*expected)


@pytest.mark.parametrize(
    "schema", ["", "/", "acme/", "/website", "a/b/c", "..", "acme/..", "./website"]
)
def test_anything_else_is_refused(schema):
    with pytest.raises(SchemaNameError, match="remote schema"):
        parse_schema(schema)


def test_a_name_that_may_have_been_cut_is_refused():
    with pytest.raises(SchemaNameError, match="cut short") as caught:
        parse_schema("acme/" + "x" * 58)
    assert "import_repository" in caught.value.hint
    assert parse_schema("acme/" + "x" * 57)


def test_a_workspace_has_every_table_and_a_repository_those_below_it():
    assert len(tables("acme", None)) == len(TABLES)
    below = tables("acme", "website")
    assert {t.table for t in below.values()} == {t for t in TABLES if t.level == "repository"}
    assert below["issues"].options == {
        "table": "issues",
        "workspace": "acme",
        "repository": "website",
    }


def test_flat_names_remember_the_columns_they_show():
    flat = tables("acme", None, "flat")
    assert {"users", "pullrequests"} <= flat.keys()
    shown = {c.name: c.options for c in flat["pullrequests"].columns}
    assert shown["summaryraw"] == {"column_name": "summary_raw"}
    assert shown["title"] == {}
    assert "uuid" in {c.name for c in flat["users"].columns}


def test_flat_names_are_unique():
    for table in tables("acme", None, "flat").values():
        names = [c.name for c in table.columns]
        assert len(names) == len(set(names)), table.name


def test_limit_to_and_except():
    assert restriction("limit", ["a"])("a")
    assert not restriction("limit", ["a"])("b")
    assert not restriction("except", ["a"])("a")
    assert restriction(None, [])("a")


def test_names_that_no_table_has():
    listed = ["pull_request", "projects", "zzz", "tags"]
    assert unknown_tables(listed, ACME, "snake") == {"pull_request": "pull_requests", "zzz": None}
    assert unknown_tables(["projects"], WEBSITE, "snake") == {"projects": None}
    assert unknown_tables(["pull_requests"], ACME, "flat") == {"pull_requests": "pullrequests"}


def test_issue_tables_by_either_spelling():
    assert is_decided_by("issues", "issue_comments")
    assert is_decided_by("issues", "issuecomments")
    assert not is_decided_by("issues", "tags")


def test_every_table_belongs_to_a_family_and_no_family_is_empty():
    without = [table.name for table in TABLES if getattr(table, "family", None) not in FAMILIES]
    assert without == [], f"say in the declaration which of {', '.join(FAMILIES)} it belongs to"
    assert {table.family for table in TABLES} == set(FAMILIES)
