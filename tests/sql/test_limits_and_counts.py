"""LIMIT, ORDER BY and count(*): the fewest pages that can answer, and never a row short."""

from __future__ import annotations

import re

import psycopg
import pytest

from bitbucket_fdw.tables import TABLES
from tests.sql.querying import asked, only
from tests.support.declared import is_deep

MANY = "SELECT id, title FROM pull_requests"


def test_limit_reads_one_short_page(sql):
    result = sql.run(f"{MANY} LIMIT 5", on="website")
    assert len(result.rows) == 5
    assert only(result).pagelen == "5"


def test_limit_and_offset_read_one_page(sql):
    result = sql.run(f"{MANY} LIMIT 5 OFFSET 3", on="website")
    assert len(result.rows) == 5
    assert only(result).pagelen == "8"


def test_a_limit_beyond_a_page_reads_as_many_as_it_takes(sql):
    result = sql.run(f"{MANY} LIMIT 60", on="website")
    assert len(result.rows) == 60
    assert len(asked(result)) == 2


@pytest.mark.parametrize(
    "where",
    [
        "state = 'MERGED'",  # shipped, exact
        "created_on > '2020-01-01'",  # shipped a little wider
        "title <> 'x'",  # not shipped
        "state = 'MERGED' AND title <> 'x'",
    ],
)
def test_limit_with_where_reads_one_page(sql, where):
    result = sql.run(f"{MANY} WHERE {where} LIMIT 5", on="website")
    assert len(result.rows) == 5
    assert len(asked(result)) == 1


def test_limit_is_passed_on_beside_conditions_that_are_exact(sql, host):
    """Multicorn2 passes no LIMIT on beside WHERE; the bundled host does where nothing is left."""
    exact = only(sql.run(f"{MANY} WHERE state = 'MERGED' LIMIT 5", on="website"))
    assert exact.pagelen == ("5" if host == "bundled" else "50")
    wider = only(sql.run(f"{MANY} WHERE created_on > '2020-01-01' LIMIT 5", on="website"))
    assert wider.pagelen == "50"


def test_a_test_for_null_that_another_condition_implies_costs_nothing(sql):
    """As Spark writes each condition: ``state IS NOT NULL AND state = 'MERGED'``."""
    for alone, tested in (
        ("state = 'MERGED'", "state = 'MERGED' AND state IS NOT NULL"),
        ("draft", "draft IS NOT NULL AND draft"),
    ):
        for asks in ("count(*)", "id"):
            statement = f"SELECT {asks} FROM pull_requests WHERE"
            limit = " LIMIT 3" if asks == "id" else ""
            expected = sql.run(f"{statement} {alone}{limit}", on="website")
            found = sql.run(f"{statement} {tested}{limit}", on="website")
            assert found.rows == expected.rows
            assert asked(found) == asked(expected)
    # It stays a condition where no other says anything of the column.
    every = sql.run("SELECT count(*) FROM pull_requests", on="website").rows
    closed = "SELECT count(*) FROM pull_requests WHERE closed_by_uuid IS NOT NULL"
    assert sql.query(closed, on="website").rows < every


def test_limit_finds_rows_that_stand_far_behind(sql):
    """A page cut short to the LIMIT would miss rows that pass a local condition later."""
    oldest = sql.db.column("SELECT id FROM website_x.pull_requests ORDER BY id LIMIT 3")
    rows = sql.query(
        f"SELECT id FROM pull_requests WHERE id + 0 = ANY ('{{{oldest[0]},"
        f"{oldest[1]},{oldest[2]}}}') LIMIT 3"
    ).rows
    assert len(rows) == 3


CLAUSES = [
    "LIMIT -1",
    "OFFSET -1",
    "LIMIT 5 OFFSET -1",
    "LIMIT -1 OFFSET 5",
    "FETCH FIRST (-3) ROWS ONLY",
    "LIMIT 9223372036854775807 OFFSET 1",
    "LIMIT 1 OFFSET 9223372036854775807",
    "LIMIT 9223372036854775807 OFFSET 9223372036854775807",
    "LIMIT 4294967297",
    "LIMIT 4294967295 OFFSET 3",
    "LIMIT 3 OFFSET 4294967297",
    "LIMIT NULL",
    "LIMIT NULL OFFSET 3",
    "LIMIT 3 OFFSET NULL",
    "OFFSET 3",
    "LIMIT ALL OFFSET 58",
    "LIMIT 0 OFFSET -1",
]


def outcome(sql, statement: str, on: str) -> object:
    """How many rows a statement has, or its error."""
    try:
        return len(sql.run(statement, on=on).rows)
    except psycopg.Error as error:
        return error.sqlstate, error.diag.message_primary


@pytest.mark.parametrize("clause", CLAUSES)
@pytest.mark.parametrize("source", [MANY, f"{MANY} WHERE state = 'MERGED' ORDER BY id DESC"])
def test_any_limit_and_offset_mean_what_they_mean_for_a_table(sql, source, clause):
    expected = outcome(sql, f"{source} {clause}", "website_x")
    assert outcome(sql, f"{source} {clause}", "website") == expected
    numbers = re.findall(r"-?\d+|NULL", clause)
    for mode in ("auto", "force_generic_plan"):
        sql.db.execute(f"SET plan_cache_mode = {mode}; SET search_path = website")
        parameters = re.sub(r"-?\d+|NULL", "%s", clause) % tuple(
            f"${n}" for n in range(1, len(numbers) + 1)
        )
        types = ", ".join(["bigint"] * len(numbers))
        sql.db.execute(f"PREPARE q({types}) AS {source} {parameters}")
        execute = f"EXECUTE q({', '.join(numbers)})"
        assert [outcome(sql, execute, "website") for _ in range(2)] == [expected] * 2
        sql.db.execute("DEALLOCATE q")


def test_limit_zero_asks_nothing(sql):
    result = sql.run(f"{MANY} LIMIT 0", on="website")
    assert (result.rows, result.requests) == ([], [])


def test_exists_reads_one_page(sql):
    result = sql.query("SELECT EXISTS (SELECT FROM pull_requests WHERE state = 'OPEN')")
    assert result.rows == [(True,)]
    assert len(asked(result)) == 1


def test_a_cursor_reads_as_far_as_it_is_fetched(sql):
    db = sql.db
    with db.connection.transaction():
        db.execute("SET LOCAL search_path = website")
        db.execute(f"DECLARE c CURSOR FOR {MANY}")
        assert len(db.rows("FETCH 10 FROM c")) == 10
        assert len(db.emulator.requests()) == 1
        assert len(db.rows("FETCH 45 FROM c")) == 45
        # The second page, and the third under way: a consumer that came back will come again.
        assert len(db.emulator.requests()) <= 3
        db.execute("CLOSE c")
    assert len(db.emulator.requests()) <= 3


# --- order ---


@pytest.mark.parametrize("direction", ["", " DESC"])
def test_an_order_that_bitbucket_keeps_is_asked_for(sql, direction):
    result = sql.query(f"SELECT id FROM pull_requests ORDER BY created_on{direction}, id LIMIT 5")
    sort = f"{'-' if direction else ''}created_on"
    assert {one.sort for one in asked(result)} <= {sort, None}
    result = sql.query(f"SELECT id FROM pull_requests ORDER BY id{direction} LIMIT 5")
    assert (only(result).sort, only(result).pagelen) == (f"{'-' if direction else ''}id", "5")
    assert "Sort" not in sql.explain(f"SELECT id FROM pull_requests ORDER BY id{direction}")


def test_only_one_sort_field_is_sent(sql):
    result = sql.query("SELECT id FROM pull_requests ORDER BY updated_on DESC, id LIMIT 10")
    assert len(result.rows) == 10
    assert {one.sort for one in asked(result)} <= {"-updated_on", None}


@pytest.mark.parametrize(
    "order", ["title", "author_nickname NULLS FIRST", "state", "comment_count", "id + 0", "draft"]
)
def test_an_order_that_bitbucket_may_not_keep_is_made_by_postgresql(sql, order):
    """Text above all: its order depends on the collation."""
    statement = f"SELECT id FROM pull_requests ORDER BY {order}, id"
    assert {one.sort for one in asked(sql.query(statement))} == {None}
    assert "Sort" in sql.explain(statement)


SORTED = [(t, c) for t in TABLES if not is_deep(t) for c in t.columns if c.sort]


@pytest.mark.parametrize(("table", "column"), SORTED, ids=[f"{t.name}.{c.name}" for t, c in SORTED])
def test_every_order_that_is_declared_is_sent(sql, table, column):
    schema = "website" if table.level == "repository" else "acme"
    result = sql.query(
        f"SELECT {column.name} FROM {table.name} ORDER BY {column.name} DESC LIMIT 3", on=schema
    )
    assert len(result.rows) > 1
    assert {one.sort for one in asked(result)} == {f"-{column.sort}"}


def test_refs_are_not_sorted_by_bitbucket(sql):
    """``sort=name`` is natural order there: v2 before v10."""
    result = sql.query("SELECT name FROM tags ORDER BY name")
    assert {one.sort for one in asked(result)} == {None}


def test_streams_of_several_repositories_are_merged_in_order(sql):
    statement = "SELECT repository, id, created_on FROM pull_requests ORDER BY created_on DESC"
    result = sql.run(statement, on="acme")
    times = [created for _, _, created in result.rows]
    assert times == sorted(times, reverse=True)
    assert len({repository for repository, _, _ in result.rows}) > 3
    everything = sql.run("SELECT repository, id, created_on FROM pull_requests", on="acme_x")
    assert sorted(result.rows) == sorted(everything.rows)


def test_the_newest_of_all_repositories(sql):
    sql.query(
        "SELECT repository, id FROM pull_requests ORDER BY created_on DESC LIMIT 7", on="acme"
    )


# --- counting ---

COUNTED = [
    ("pull_requests", "true", None),
    ("pull_requests", "state = 'OPEN'", 'state = "OPEN"'),
    ("pull_requests", "NOT draft", "draft = false"),
    ("pull_requests", "state = 'MERGED' AND repository = 'website'", 'state = "MERGED"'),
    ("issues", "kind = 'bug' AND priority = 'major'", 'kind = "bug" AND priority = "major"'),
    ("branches", "true", None),
    ("pipelines", "true", None),
]


@pytest.mark.parametrize(("table", "where", "q"), COUNTED)
def test_a_count_takes_one_request(sql, table, where, q):
    result = sql.query(f"SELECT count(*) FROM {table} WHERE {where}")
    one = only(result)
    assert one.q == q
    filtered = [term.partition(" ")[0] for term in q.split(" AND ")] if q else []
    assert one.one("fields") == ",".join(["size", *(f"values.{name}" for name in filtered)])
    assert one.pagelen == ("10" if q else None)
    assert result.rows[0][0] > 0


NOT_COUNTED = [
    ("pull_requests", "author_nickname = 'ada'"),  # may not mind letter case
    ("pull_requests", "created_on = '2024-01-01'"),  # shipped a little wider
    ("pull_requests", "closed_on > '2024-01-01'"),
    ("pull_requests", "title LIKE '%date%'"),
    ("pull_requests", "comment_count > 0"),
    ("pull_requests", "state <> 'OPEN'"),  # may hold for rows without a state
    ("pull_requests", "title IS NOT NULL"),
    ("commits", "true"),  # no size in the envelope
]


@pytest.mark.parametrize(("table", "where"), NOT_COUNTED)
def test_a_count_that_bitbucket_does_not_give_is_counted_here(sql, table, where):
    result = sql.query(f"SELECT count(*) FROM {table} WHERE {where}")
    assert all((one.one("fields") or "").split(",")[0] != "size" for one in asked(result))


def test_a_count_with_a_time_takes_no_size_alone(sql, host):
    """It is shipped a little wider. A size with less than that proves the count."""
    result = sql.query("SELECT count(*) FROM pull_requests WHERE created_on > '2024-01-01'")
    sizes = [one.q for one in asked(result) if (one.one("fields") or "").startswith("size")]
    told = "created_on >= 2024-01-01T00:00:00.001000+00:00"
    assert sizes == ([told] if host == "bundled" else [])
    assert {one.q for one in asked(result)}.difference(sizes)


def test_a_count_over_a_workspace_takes_a_request_per_repository(sql):
    result = sql.query("SELECT count(*) FROM branches", on="acme")
    repositories = sql.db.value("SELECT count(*) FROM acme_x.repositories")
    assert len(asked(result)) == 1 + repositories


def test_a_count_by_repository(sql):
    sql.query("SELECT repository, count(*) FROM pull_requests GROUP BY 1", on="acme")


def test_aggregates_are_right(sql):
    sql.query(
        "SELECT min(id), max(id), sum(comment_count), min(created_on), max(updated_on), "
        "count(DISTINCT author_uuid) FROM pull_requests"
    )
    sql.query(
        "SELECT state, count(*), avg(id) FROM pull_requests GROUP BY state "
        "HAVING count(*) > 3 ORDER BY state"
    )


def test_set_operations_and_windows(sql):
    sql.query("SELECT author_uuid FROM pull_requests UNION SELECT assignee_uuid FROM issues")
    sql.query("SELECT id FROM pull_requests EXCEPT SELECT id FROM issues")
    sql.query(
        "SELECT id, row_number() OVER (PARTITION BY state ORDER BY id) FROM pull_requests "
        "ORDER BY id"
    )
    sql.query(
        "WITH open AS (SELECT * FROM pull_requests WHERE state = 'OPEN') "
        "SELECT count(*), (SELECT count(*) FROM open WHERE draft) FROM open"
    )
