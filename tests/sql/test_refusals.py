"""What Bitbucket refuses after all: filters and orders are made up for here, and remembered."""

from __future__ import annotations

import pytest

from tests.sql.querying import Both, asked

pytestmark = pytest.mark.usefixtures("refusals_expected")

PULL_REQUESTS = "*/website/pullrequests"


def refuse_filter(sql: Both, pattern: str, field: str, query: str = "*q=*") -> None:
    """Have Bitbucket refuse, from now on, to filter a listing by a field."""
    body = {"error": {"message": f"Field '{field}' does not support filtering"}}
    sql.db.emulator.fault(pattern, kind="status", status=400, query=query, count=None, body=body)


def refuse_sort(sql: Both, message: str = "Cannot sort by 'created_on'") -> None:
    body = {"error": {"message": message}}
    sql.db.emulator.fault(
        PULL_REQUESTS, kind="status", status=400, query="*sort=*", count=None, body=body
    )


def filters(result) -> set[str | None]:
    """The ``q`` of the requests that were answered."""
    return {one.q for one in asked(result) if one.status == 200}


# --- filters ---


def test_a_filter_that_is_refused_is_left_out(fresh):
    refuse_filter(fresh, PULL_REQUESTS, "author.nickname")
    statement = "SELECT id FROM pull_requests WHERE author_nickname = 'ada'"
    result = fresh.query(statement)
    assert result.rows
    first, *rest = asked(result)
    assert (first.status, first.q) == (400, 'author.nickname = "ada"')
    assert {(one.status, one.q) for one in rest} == {(200, None)}
    [notice] = result.notices
    assert "author_nickname" in notice
    assert "WARNING" in notice

    again = fresh.query(statement)
    assert {(one.status, one.q) for one in asked(again)} == {(200, None)}, "not remembered"
    assert again.notices == []


def test_the_filters_that_are_not_named_are_kept(fresh):
    refuse_filter(fresh, PULL_REQUESTS, "author.nickname", query="*nickname?%3D*")
    statement = "SELECT id FROM pull_requests WHERE author_nickname = 'ada' AND state = 'MERGED'"
    result = fresh.query(statement)
    assert filters(result) == {'state = "MERGED"'}
    assert filters(fresh.query(statement)) == {'state = "MERGED"'}


def test_an_answer_of_400_that_tells_no_reason_is_not_remembered(fresh):
    fresh.db.emulator.fault(PULL_REQUESTS, kind="status", status=400, query="*q=*", count=1)
    statement = "SELECT id FROM pull_requests WHERE state = 'MERGED'"
    assert filters(fresh.query(statement)) == {None}
    again = fresh.query(statement)
    assert filters(again) == {'state = "MERGED"'}
    assert again.notices == []


def test_a_refusal_without_a_filter_is_an_error(sql):
    sql.db.emulator.fault("*/issues", kind="status", status=400, count=None)
    with pytest.raises(Exception, match="400"):
        sql.run("SELECT id FROM issues", on="website")
    assert len(sql.db.emulator.requests()) == 1


def test_a_refusal_after_the_first_rows_is_an_error_and_no_shorter_result(fresh):
    """Of the second repository, when rows of the first have gone up already."""
    refuse_filter(fresh, "*/mobile-app/pullrequests", "state")
    statement = (
        "SELECT id FROM pull_requests WHERE repository IN ('website', 'mobile-app') "
        "AND state = 'MERGED'"
    )
    with pytest.raises(Exception, match="400"):
        fresh.run(statement, on="acme")
    assert fresh.query(statement, on="acme").rows, "the next statement knows"


LIMITED = [
    "SELECT count(*) FROM (SELECT id FROM pull_requests WHERE id <= 20 LIMIT 10) x",
    "SELECT count(*) FROM (SELECT id FROM pull_requests WHERE id <= 20 LIMIT 10 OFFSET 15) x",
    "SELECT count(*) FROM (SELECT id FROM pull_requests WHERE id IN (3, 60) OFFSET 1) x",
    "SELECT count(*), min(draft::text) FROM "
    "(SELECT draft FROM pull_requests WHERE draft = true LIMIT 3) x",
    "SELECT count(*), min(state) FROM (SELECT state FROM pull_requests "
    "WHERE state IN ('MERGED', 'DECLINED') AND id < 60 LIMIT 7) x",
    "SELECT id FROM pull_requests WHERE id <= 20 AND state = 'MERGED' ORDER BY id LIMIT 3 OFFSET 2",
]


@pytest.mark.parametrize("statement", LIMITED)
def test_rows_are_counted_off_after_they_were_checked(fresh, statement):
    fresh.db.emulator.fault(PULL_REQUESTS, kind="status", status=400, query="*q=*", count=1)
    fresh.query(statement)
    fresh.query(statement)


@pytest.mark.parametrize("statement", LIMITED)
def test_what_is_known_to_be_refused_is_planned_so(fresh, statement):
    refuse_filter(fresh, PULL_REQUESTS, "id", query="*q=*")
    assert fresh.query(statement).notices
    again = fresh.query(statement)
    assert again.notices == []
    assert filters(again) == {None}
    plan = fresh.explain(statement)
    if "IN (3, 60)" not in statement:  # which is read item by item, and leaves nothing to check
        assert "Limit" in plan
        assert "Filtered locally" in plan


def test_a_plan_made_before_a_refusal_counts_off_right(fresh):
    """A generic plan leaves the LIMIT to the wrapper for good."""
    for schema in ("website", "website_x"):
        fresh.db.execute(f"SET search_path = {schema}; SET plan_cache_mode = force_generic_plan")
        fresh.db.execute(
            f"PREPARE {schema}_some AS SELECT id FROM pull_requests WHERE state = 'MERGED' "
            "ORDER BY id LIMIT 5 OFFSET 2"
        )
    expected = fresh.db.rows("EXECUTE website_x_some")
    assert fresh.db.rows("EXECUTE website_some") == expected
    refuse_filter(fresh, PULL_REQUESTS, "state")
    for _ in range(2):
        assert fresh.db.rows("EXECUTE website_some") == expected


PLANNED = [
    "SELECT id, created_on FROM pull_requests ORDER BY created_on DESC LIMIT 5 OFFSET 2",
    "SELECT id, state FROM pull_requests WHERE state = 'MERGED' ORDER BY id DESC",
    "SELECT id, state FROM pull_requests WHERE state = 'MERGED' ORDER BY id DESC LIMIT 4",
    "SELECT DISTINCT ON (id) id, state FROM pull_requests WHERE id > 3 ORDER BY id LIMIT 9",
    "SELECT max(id), min(created_on) FROM pull_requests",
]


@pytest.mark.parametrize("mode", ["auto", "force_generic_plan"])
@pytest.mark.parametrize("refused", ["filter", "sort", "both"])
@pytest.mark.parametrize("statement", PLANNED)
def test_a_plan_that_was_kept_is_right_when_its_promises_are_refused(
    fresh, statement, refused, mode
):
    """Order, LIMIT and conditions were left to the wrapper before Bitbucket refused them."""
    fresh.db.execute(f"SET plan_cache_mode = {mode}; SET search_path = website_x")
    expected = fresh.db.rows(statement)
    fresh.db.execute("SET search_path = website")
    fresh.db.execute(f"PREPARE kept AS {statement}")
    assert [fresh.db.rows("EXECUTE kept") for _ in range(7)] == [expected] * 7
    if refused != "sort":
        refuse_filter(fresh, PULL_REQUESTS, "id", query="*q=*")
    if refused != "filter":
        refuse_sort(fresh, "Cannot sort by this field")
    assert [fresh.db.rows("EXECUTE kept") for _ in range(7)] == [expected] * 7


def test_a_count_of_what_is_not_filtered_is_counted_here(fresh):
    refuse_filter(fresh, PULL_REQUESTS, "draft")
    for _ in range(2):
        fresh.query("SELECT count(*) FROM pull_requests WHERE draft")


def test_a_list_of_keys_that_is_refused_is_read_item_by_item(fresh):
    refuse_filter(fresh, PULL_REQUESTS, "id")
    statement = "SELECT id, title FROM pull_requests WHERE id IN (3, 7)"
    fresh.query(statement)
    again = fresh.query(statement)
    assert {one.path.rpartition("/")[2] for one in asked(again)} == {"3", "7"}


# --- the filter of the listing that leads to the rows ---

TASKS = (
    "SELECT repository, pull_request_id, id FROM pull_request_tasks "
    "WHERE pull_request_id IN (3, 4) AND state = 'RESOLVED'"
)


def test_the_filter_of_the_parents_is_left_out_alone(fresh):
    refuse_filter(fresh, "*/pullrequests", "id")
    result = fresh.query(TASKS, on="acme")
    tasks = [one for one in asked(result) if one.path.endswith("/tasks")]
    assert {one.q for one in tasks} == {'state = "RESOLVED"'}
    assert {one.path.split("/")[-2] for one in tasks} <= {"3", "4"}
    [notice] = result.notices
    assert "pull_requests: Bitbucket refused to filter by id" in notice

    again = fresh.query(TASKS, on="acme")
    assert again.notices == []
    assert {one.status for one in asked(again)} <= {200, 404}


# --- orders ---

ORDERED = [
    "SELECT id FROM pull_requests ORDER BY created_on DESC",
    "SELECT id FROM pull_requests ORDER BY created_on DESC LIMIT 5 OFFSET 2",
    "SELECT id, state FROM pull_requests WHERE state = 'MERGED' ORDER BY id DESC LIMIT 60",
    "SELECT id FROM pull_requests WHERE length(title) > 5 ORDER BY created_on LIMIT 4",
]


@pytest.mark.parametrize("message", ["Cannot sort by this field", "Something went wrong"])
@pytest.mark.parametrize("statement", ORDERED)
def test_rows_are_put_in_order_here(fresh, statement, message):
    refuse_sort(fresh, message)
    [*_, notice] = fresh.query(statement).notices
    assert "refused to sort by" in notice
    fresh.query(statement)


def test_an_order_that_is_refused_is_postgresqls_from_then_on(fresh):
    statement = "SELECT id FROM pull_requests WHERE state = 'MERGED' ORDER BY id DESC"
    assert "Sort" not in fresh.explain(statement).replace("sort:", "")
    refuse_sort(fresh, "Invalid sort field")
    first = fresh.query(statement)
    assert {one.q for one in asked(first)} == {'state = "MERGED"'}, "the filter was not at fault"
    assert "Sort Key" in fresh.explain(statement)
    again = fresh.query(statement)
    assert again.notices == []
    assert {one.status for one in asked(again)} == {200}


def test_several_repositories_are_put_in_order_here(fresh):
    body = {"error": {"message": "Cannot sort by 'created_on'"}}
    fresh.db.emulator.fault(
        "*/pullrequests", kind="status", status=400, query="*sort=*", count=None, body=body
    )
    statement = "SELECT created_on FROM pull_requests ORDER BY created_on DESC LIMIT 20"
    fresh.query(statement, on="acme")


@pytest.mark.skipif("config.getoption('--host') != 'bundled'", reason="looks up one key at a time")
def test_a_filter_that_is_refused_is_offered_to_no_further_join(fresh):
    fresh.db.execute(
        "CREATE TEMPORARY TABLE team AS SELECT DISTINCT ON (author_uuid) author_uuid AS uuid "
        "FROM website.pull_requests ORDER BY author_uuid LIMIT 2; ANALYZE team"
    )
    join = "SELECT p.id FROM team JOIN pull_requests p ON p.author_uuid = team.uuid"
    refuse_filter(fresh, PULL_REQUESTS, "author.uuid", query="*uuid+IN*")
    assert "Keys: author_uuid" in fresh.explain(join)
    fresh.query(join)
    assert "Batched Join" not in fresh.explain(join)
    fresh.query(join)
