"""Scans that a statement is sure to read wait for their first answers at the same time.

What is asked and answered is the same as when they wait one after another.
"""

from __future__ import annotations

from collections import Counter

import pytest

from bitbucket_fdw.tables import TABLES
from tests.sql.querying import OFF, ON, Both, both_ways, wanted
from tests.support.database import Database, Result
from tests.support.declared import identity

pytestmark = pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 runs the scans of a statement one after another",
)
EIGHT = ("branches", "tags", "issues", "pull_requests", "commits", "pipelines", "deployments",
         "default_reviewers")  # fmt: skip
ADD_ONE = (
    "CREATE FUNCTION add_one() RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$ BEGIN "
    "INSERT INTO web.issues (title) VALUES ('new'); RETURN 0; END $$; SET search_path = web"
)


def met(result: Result) -> int:
    """How many requests came while another one waited for its answer."""
    return sum(request.raw["in_flight"] > 1 for request in result.requests)


def assert_same(apart: Result, together: Result) -> None:
    assert together.rows == apart.rows
    assert Counter(together.lines) == Counter(apart.lines)
    assert together.notices == apart.notices


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT " + ", ".join(f"(SELECT count(*) FROM {name})" for name in EIGHT),
        " UNION ALL ".join(f"SELECT count(*) FROM {name}" for name in EIGHT),
        "SELECT "
        + ", ".join(f"{name}.n" for name in EIGHT)
        + " FROM "
        + ", ".join(f"(SELECT count(*) AS n FROM {name}) {name}" for name in EIGHT),
    ],
    ids=["subqueries", "union", "beside"],
)
def test_eight_counts_do_not_wait_for_each_other(sql: Both, emulator, statement: str) -> None:
    sql.query(statement)
    emulator.fault("*/refs/branches*", kind="slow", delay_ms=1000, count=None)
    apart, together = both_ways(sql, statement, "website")
    assert_same(apart, together)
    assert met(apart) == 0
    assert met(together) >= 3  # seven at best; a busy machine may be late with some


def test_what_one_scan_finds_may_spare_another(sql: Both, emulator) -> None:
    emulator.fault("*", kind="slow", delay_ms=30, count=None)
    for statement in (
        "SELECT (SELECT count(*) FROM issues) + (SELECT count(*) FROM issues)",
        "SELECT name FROM tags UNION ALL SELECT name FROM tags WHERE length(name) > 3",
    ):
        apart, together = both_ways(sql, statement, "website")
        assert_same(apart, together)
        assert len(together.requests) == 1


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_table_is_read_as_when_it_is_read_alone(sql: Both, table) -> None:
    """Its rows, its count, its keys, and one of its rows; with the requests of either way."""
    schema = "website" if table.level == "repository" else "acme"
    keys, where = ", ".join(identity(table)), wanted(sql.db, table, schema)
    one = f"SELECT ({keys})::text AS k FROM {table.name} WHERE {where}"
    key = sql.db.column(f"SELECT {identity(table)[-1]}::text FROM {schema}_x.{table.name} LIMIT 1")
    of_key = f"AND {identity(table)[-1]}::text = '{key[0]}'" if key else ""
    statement = (
        f"SELECT * FROM ({one} UNION ALL SELECT t::text FROM {table.name} t WHERE {where} "
        f"UNION ALL SELECT count(*)::text FROM {table.name} WHERE {where} "
        f"UNION ALL {one} {of_key}) every ORDER BY 1"
    )
    assert_same(*both_ways(sql, statement, schema))


def test_a_repository_spelled_otherwise_is_looked_up_in_its_turn(sql: Both) -> None:
    one = "SELECT count(*) FROM {} WHERE repository = 'WebSite'"
    statement = f"{one.format('branches')} UNION ALL {one.format('tags')}"
    assert_same(*both_ways(sql, statement, "acme"))


@pytest.fixture
def own(db: Database) -> Database:
    """A repository's tables in a database of their own."""
    db.execute(
        'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web'
    )
    return db


def test_a_refusal_ends_the_statement_as_ever(own: Database, emulator) -> None:
    emulator.fault("*/refs/tags*", kind="status", status=403, count=None)
    own.execute("SET search_path = web")
    for _ in range(3):
        with pytest.raises(Exception, match="tags: "):
            own.rows("SELECT name FROM branches UNION ALL SELECT name FROM tags")
    assert own.value("SELECT count(*) > 0 FROM branches") is True


def test_what_is_read_after_a_write_is_read_anew(own: Database) -> None:
    own.execute(ADD_ONE)
    before = own.value("SELECT count(title) FROM issues")
    statement = (
        "SELECT count(name) + sum(public.add_one()) FROM (SELECT name FROM tags LIMIT 1) t "
        "UNION ALL SELECT count(title) FROM issues"
    )
    [_, [after]] = own.rows(statement)
    assert after == before + 1


@pytest.mark.parametrize(
    "statement",
    [
        # What a function changes, or waits for, comes before the scans behind it.
        "SELECT set_config('my.name', 'main', false) "
        "UNION ALL SELECT name FROM branches WHERE name = current_setting('my.name', true) "
        "UNION ALL SELECT name FROM tags WHERE name <> current_setting('my.name', true)",
        "SELECT public.add_one() UNION ALL SELECT count(title) FROM issues "
        "UNION ALL SELECT count(name) FROM tags",
        "SELECT 0 FROM pg_sleep(0) UNION ALL SELECT count(title) FROM issues "
        "UNION ALL SELECT count(name) FROM tags",
        # An anti join may leave its inner side at the first row.
        "SELECT c FROM (SELECT count(*) AS c FROM issues) a WHERE NOT EXISTS (SELECT FROM "
        "(SELECT name FROM tags UNION ALL SELECT name FROM branches) b "
        "WHERE length(b.name) > a.c - 100000)",
    ],
    ids=["setting", "write", "wait", "anti join"],
)
def test_nothing_is_started_before_its_time(own: Database, emulator, statement: str) -> None:
    own.execute(ADD_ONE)
    results = []
    for switch in (OFF, ON):
        emulator.reset()
        own.connection.close()
        own.execute("SET search_path = web")
        own.execute(switch)
        results.append(own.query(statement))
    assert_same(*results)
    assert met(results[1]) == 0


def test_requests_beyond_the_limit_are_refused_as_ever(db_factory, emulator) -> None:
    own = db_factory(emulator=emulator, max_requests="2")
    own.execute('CREATE SCHEMA w; IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO w')
    statement = "SELECT count(name) FROM w.tags UNION ALL SELECT count(name) FROM w.tags"
    errors = []
    for switch in (OFF, ON):
        own.execute(switch)
        with pytest.raises(Exception, match="max_requests is 2") as raised:
            own.rows(statement)
        errors.append(str(raised.value))
    assert errors[0] == errors[1]
