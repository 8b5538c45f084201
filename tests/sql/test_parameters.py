"""Conditions that are sent as query parameters of their own, and those that are not."""

from __future__ import annotations

import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.addresses import fill
from tests.sql.querying import asked, schema_of
from tests.support.declared import is_deep, parents_columns

# --- columns that have parameters of their own in place of q ---

CHOSEN = [(table, column) for table in TABLES for column in table.columns if column.query]


@pytest.mark.parametrize(
    ("table", "column"), CHOSEN, ids=[f"{table.name}.{column.name}" for table, column in CHOSEN]
)
def test_a_condition_is_sent_as_the_parameter_of_its_column(sql, table, column):
    schema, name = schema_of(table), column.name
    # Of a table below others, the rows of one of these are asked for.
    above = [c.name for _, c in parents_columns(table)] if is_deep(table) else []
    value, *place = sql.db.rows(
        f"SELECT {', '.join((name, *above))} FROM {schema}_x.{table.name} "
        f"WHERE {name} IS NOT NULL ORDER BY {name} LIMIT 1"
    )[0]
    where = "".join(f" AND {part} = %s" for part in above)
    result = sql.query(
        f"SELECT * FROM {table.name} WHERE {name} = %s{where}", [value, *place], on=schema
    )
    assert result.rows
    spelled = f"{{{value}}}" if column.type == "uuid" else str(value)
    # Whether a commit is one that a branch or tag reaches is asked of the refs, once in a session.
    reach = table.parent.table.reached if is_deep(table) else None
    refs = reach and fill(reach.refs, dict(zip(above, place, strict=True)))
    about = [one for one in asked(result) if one.path != refs]
    assert {one.one(column.query) for one in about} == {spelled}
    # Equality alone can be said by it.
    result = sql.query(
        f"SELECT * FROM {table.name} WHERE {name} <> %s{where}", [value, *place], on=schema
    )
    assert {one.one(column.query) for one in asked(result)} == {None}


# --- pipelines ---


def test_a_pipeline_leads_to_its_pull_request_and_its_page(sql):
    result = sql.query(
        "SELECT r.build_number, p.source_branch_name = r.target_source, "
        "p.destination_branch_name = r.target_destination, r.links_html_href "
        "FROM pipelines r JOIN pull_requests p ON p.id = r.target_pullrequest_id"
    )
    assert len(result.rows) > 3
    page = "https://bitbucket.org/acme/website/pipelines/results/"
    assert all(row[1:] == (True, True, f"{page}{row[0]}") for row in result.rows)


def test_pipelines_are_selected_by_parameters(sql):
    branch = sql.db.value(
        "SELECT target_ref_name FROM website_x.pipelines WHERE target_ref_name "
        "IS NOT NULL GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    )
    result = sql.query("SELECT build_number FROM pipelines WHERE target_ref_name = %s", [branch])
    assert result.rows
    assert {(one.q, one.one("target.ref_name")) for one in asked(result)} == {(None, branch)}


def test_pipelines_of_a_few_branches_are_a_request_for_each(sql):
    sql.query("SELECT count(*) FROM pipelines")
    names = sql.db.column(
        "SELECT DISTINCT target_ref_name FROM website.pipelines ORDER BY 1 LIMIT 2"
    )
    wanted = "SELECT build_number FROM pipelines WHERE target_ref_name"
    for condition, given in ((" IN (%s, %s)", names), (" = ANY (%s)", [names])):
        result = sql.query(wanted + condition, given)
        assert len(result.rows) == len(set(result.rows)) > 0
        sent = {one.one("target.ref_name") for one in asked(result)}
        assert sent == set(names) or len(asked(result)) <= 2
    limited = sql.query(f"{wanted} IN (%s, %s) ORDER BY created_on DESC LIMIT 1", names)
    assert len(limited.rows) == 1


def test_pipelines_are_not_selected_by_what_may_be_ignored(sql):
    """A parameter that some deployments ignore could not be relied on."""
    where = "state_result_name = 'SUCCESSFUL' AND creator_nickname = 'ada'"
    for one in asked(sql.query(f"SELECT build_number FROM pipelines WHERE {where}")):
        assert {name for name, _ in one.parameters} <= {"fields", "pagelen", "page"}
