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
from bitbucket_fdw.reference import catalog
from bitbucket_fdw.tables import BY_NAME, TABLES
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


def test_a_project_stands_beside_a_workspace_and_not_a_repository():
    assert parse_schema("acme", "WEB") == Place("acme", project="WEB")
    with pytest.raises(SchemaNameError, match='option "project"') as caught:
        parse_schema("acme/website", "WEB")
    assert 'IMPORT FOREIGN SCHEMA "acme"' in caught.value.hint


@pytest.mark.parametrize("names", NAMES)
def test_a_project_has_the_tables_below_it_bound_to_it(names):
    below = tables("acme", None, names, project="WEB")
    assert {t.table for t in below.values()} == {t for t in TABLES if t.column_of("project")}
    for table in below.values():
        assert table.options == {"table": table.table.name, "workspace": "acme", "project": "WEB"}


def test_as_cdatas_driver_has_them_a_workspace_has_what_spans_it():
    across = tables("acme", None, "cdata")
    assert {t.table for t in across.values()} == {t for t in TABLES if t.level == "workspace"}
    assert across["workspaces"].options == {"table": "workspaces"}
    assert across["users"].options == {"table": "workspace_members", "workspace": "acme"}
    for table in across.values():
        assert ("workspace" in table.options) == ("workspace" in table.table.parameters())


@pytest.mark.parametrize("repository", [None, "website"])
@pytest.mark.parametrize("names", NAMES)
def test_labels_are_for_the_names_of_cdatas_driver(repository, names):
    for table in tables("acme", repository, names).values():
        for column in table.columns:
            label = column.options.get("label")
            assert label == (column.column.label if names == "cdata" else None)
            assert label is None or label.lower() == column.name


@pytest.mark.parametrize("names", NAMES)
def test_names_and_labels_are_unique(names):
    made = tables("acme", None, names)
    assert len({t.table.label() for t in made.values()}) == len(made)
    for table in made.values():
        for spelled in ([c.name for c in table.columns], [c.column.label for c in table.columns]):
            assert len(spelled) == len(set(spelled)), table.name


def test_columns_that_are_bound_come_last_where_cdatas_driver_has_none():
    shown = tables("acme", "website", "cdata")["pullrequests"].columns
    assert [c.name for c in shown[-2:]] == ["workspace", "repository"]
    plain = tables("acme", "website", "flat")["pullrequests"].columns
    assert [c.name for c in plain if c.column.param is None] == [c.name for c in shown[:-2]]


def test_what_a_row_belongs_to_is_there_and_has_that_key():
    for table in TABLES:
        for name, (above, supplier) in catalog.referenced(table).items():
            target = BY_NAME[above]
            assert table.column(name).type == target.column(supplier).type, table.name
            assert supplier in target.primary_key
            assert table.column(name).param
    assert catalog.referenced(BY_NAME["pull_request_comments"])["pull_request_id"] == (
        "pull_requests",
        "id",
    )
