"""Prepared statements: parameters are known at execution only, and asked for all the same."""

from __future__ import annotations

import pytest

from tests.sql.querying import Both, asked, only, paths

ISSUE = "/repositories/acme/website/issues"
COMMENTS = "/repositories/acme/website/pullrequests/{}/comments"


@pytest.fixture(params=["auto", "force_generic_plan", "force_custom_plan"])
def mode(request: pytest.FixtureRequest, sql: Both) -> str:
    sql.db.execute("SET search_path = website")
    sql.db.execute(f"SET plan_cache_mode = {request.param}")
    return str(request.param)


def execute(sql: Both, arguments: str):
    return sql.db.query(f"EXECUTE statement({arguments})")


def test_a_key_is_read_as_an_item(sql, mode):
    sql.db.execute("PREPARE statement(bigint) AS SELECT id, title FROM issues WHERE id = $1")
    for number in (3, 5, 7):
        result = execute(sql, str(number))
        assert [row[0] for row in result.rows] == [number]
        assert only(result).path == f"{ISSUE}/{number}"


def test_a_text_is_shipped(sql, mode):
    sql.db.execute("PREPARE statement(text) AS SELECT id, state FROM issues WHERE state = $1")
    for state in ("new", "open", "closed"):
        result = execute(sql, f"'{state}'")
        assert {row[1] for row in result.rows} <= {state}
        assert {one.q for one in asked(result)} == {f'state = "{state}"'}


def test_a_null_parameter_finds_nothing(sql, mode):
    sql.db.execute("PREPARE statement(bigint) AS SELECT id FROM issues WHERE id = $1")
    assert execute(sql, "NULL").rows == []
    sql.db.execute("DEALLOCATE statement")
    sql.db.execute("PREPARE statement(text) AS SELECT id FROM issues WHERE assignee_nickname = $1")
    assert execute(sql, "NULL").rows == []
    assert execute(sql, "'ada'").rows


def test_a_list_parameter(sql, mode):
    sql.db.execute("PREPARE statement(bigint[]) AS SELECT id FROM issues WHERE id = ANY ($1)")
    result = execute(sql, "'{3,5}'")
    assert sorted(result.rows) == [(3,), (5,)]
    assert only(result).q == "id IN (3, 5)"
    assert execute(sql, "'{}'").rows == []
    assert execute(sql, "NULL").rows == []


def test_parents_by_parameter(sql, mode):
    sql.db.execute(
        "PREPARE statement(bigint) AS SELECT pull_request_id, id FROM "
        "pull_request_comments WHERE pull_request_id = $1"
    )
    for number in (1, 2):
        assert paths(execute(sql, str(number))) == [COMMENTS.format(number)]


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo"])
def test_a_time_parameter(sql, mode, zone):
    sql.db.execute(
        "PREPARE statement(timestamptz) AS SELECT count(*) FROM pull_requests "
        "WHERE created_on >= $1"
    )
    sql.db.execute(f"SET TimeZone = '{zone}'")
    expected = sql.db.value(
        "SELECT count(*) FROM website_x.pull_requests WHERE created_on >= '2025-01-01 00:00:00+00'"
    )
    result = execute(sql, "'2025-01-01 00:00:00+00'")
    assert result.rows == [(expected,)]
    [q] = {one.q for one in asked(result)}
    assert q.startswith("created_on >= 2024-12-31T")


@pytest.mark.parametrize(
    ("type_name", "value"),
    [("smallint", "7"), ("integer", "7"), ("bigint", "7"), ("numeric", "7"), ("float8", "7")],
)
def test_parameters_of_other_number_types(sql, mode, type_name, value):
    sql.db.execute(f"PREPARE statement({type_name}) AS SELECT id FROM issues WHERE id = $1")
    assert execute(sql, value).rows == [(7,)]


def test_a_boolean_parameter(sql, mode):
    sql.db.execute("PREPARE statement(boolean) AS SELECT draft FROM pull_requests WHERE draft = $1")
    for value in ("true", "false"):
        result = execute(sql, value)
        assert {row[0] for row in result.rows} == {value == "true"}
        assert {one.q for one in asked(result)} == {f"draft = {value}"}


def test_like_parameters(sql, mode):
    sql.db.execute("PREPARE statement(text) AS SELECT title FROM issues WHERE title ILIKE $1")
    expected = sql.db.value("SELECT count(*) FROM website_x.issues WHERE title ILIKE '%rework%'")
    result = execute(sql, "'%rework%'")
    assert len(result.rows) == expected > 0
    assert {one.q for one in asked(result)} == {'title ~ "rewor"'}


def test_a_client_side_prepared_statement(sql):
    """What drivers do: the same statement often enough for PostgreSQL to turn to a generic plan."""
    with sql.db.connect() as connection, connection.cursor() as cursor:
        for number in range(1, 10):
            cursor.execute(b"SELECT id FROM website.issues WHERE id = %s", [number], prepare=True)
            assert cursor.fetchall() == [(number,)]
    assert [r.path for r in sql.db.emulator.requests()] == [
        f"/2.0{ISSUE}/{number}" for number in range(1, 10)
    ]


def test_explain_of_a_generic_plan_asks_nothing(sql):
    sql.db.execute("SET search_path = website; SET plan_cache_mode = force_generic_plan")
    sql.db.execute("PREPARE statement(bigint) AS SELECT id FROM issues WHERE id = $1")
    sql.db.emulator.clear()
    plan = sql.db.explain("EXECUTE statement(3)")
    assert "Foreign Scan" in plan
    assert sql.db.emulator.requests() == []


def test_parameters_of_a_function(sql):
    sql.db.execute("SET search_path = website")
    sql.db.execute(
        "CREATE OR REPLACE FUNCTION pg_temp.titles(bigint) RETURNS SETOF text LANGUAGE "
        "plpgsql AS $$ BEGIN RETURN QUERY SELECT title FROM website.issues "
        "WHERE id = $1; END $$"
    )
    for number in range(1, 9):
        result = sql.db.query(f"SELECT * FROM pg_temp.titles({number})")
        assert len(result.rows) == 1
        assert only(result).path == f"{ISSUE}/{number}"


def test_a_volatile_condition_is_not_frozen(sql):
    sql.db.execute("SET search_path = website")
    rows = sql.db.rows("SELECT id FROM issues WHERE id = (random() * 0 + 3)::bigint")
    assert rows == [(3,)]


def test_a_value_from_a_subquery(sql):
    sql.query("SELECT id FROM issues WHERE id = (SELECT max(issue_id) FROM issue_comments)")
    sql.query(
        "SELECT id FROM pull_requests WHERE created_on > "
        "(SELECT min(created_on) + interval '1 year' FROM issues)"
    )
