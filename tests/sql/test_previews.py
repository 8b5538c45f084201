"""Previews: a few hundred requests at most, or refused with the first ones; so are dear scans."""

from __future__ import annotations

import psycopg
import pytest
from devkit.emulator import Control, Request

from bitbucket_fdw.tables import TABLES, Table
from tests.support.database import Database
from tests.support.fixtures import DatabaseFactory, EmulatorFactory

MOST = 200  # requests of a preview
EARLY = 5  # requests of a preview that is refused ahead
# Their first parents have more rows than most parents. So it takes some of them until it shows that
# the rows are too few.
SEEM_CHEAP = {"commit_statuses", "pull_request_comments", "pull_request_statuses", "issue_comments"}
LATE = 50


@pytest.fixture(scope="module")
def busy(db_factory: DatabaseFactory, emulator_factory: EmulatorFactory) -> Database:
    """Both schemas on an emulator with thousands of pull requests and commits."""
    emulator: Control = emulator_factory(scale="small")
    database = db_factory(emulator=emulator)
    for schema, place in (("acme", "acme"), ("website", "acme/website")):
        database.execute(f"CREATE SCHEMA {schema}")
        database.execute(
            f'IMPORT FOREIGN SCHEMA "{place}" FROM SERVER bitbucket INTO {schema} '
            "OPTIONS (issues 'always')"
        )
    return database


@pytest.fixture(autouse=True)
def _new_session(busy: Database) -> None:
    """Without the sizes that an earlier preview has seen."""
    busy.close()


def tried(
    database: Database, statement: str
) -> tuple[list[tuple[object, ...]], list[Request], psycopg.Error | None]:
    """The rows, the requests, and the error if there is one."""
    database.emulator.clear()
    rows: list[tuple[object, ...]] = []
    refusal = None
    try:
        rows = database.rows(statement)
    except psycopg.Error as error:
        refusal = error
    return rows, database.emulator.requests(), refusal


def imported(database: Database, schema: str) -> list[str]:
    return database.column(
        "SELECT foreign_table_name FROM information_schema.foreign_tables "
        f"WHERE foreign_table_schema = '{schema}'"
    )


@pytest.mark.parametrize("schema", ["acme", "website"])
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_preview_takes_few_requests_or_is_refused_at_once(
    busy: Database, table: type[Table], schema: str
) -> None:
    if table.name not in imported(busy, schema):
        pytest.skip("it is not imported there")
    rows, requests, refusal = tried(busy, f"SELECT * FROM {schema}.{table.name} LIMIT {MOST}")
    if refusal is None:
        assert len(requests) <= MOST
        assert len(rows) == MOST or len(rows) == len(set(map(str, rows)))
        return
    assert len(requests) <= (LATE if table.name in SEEM_CHEAP else EARLY), refusal
    assert table.name in str(refusal)
    choosing = [c.name for c in table.columns if c.required or c.param]
    hint = refusal.diag.message_hint or ""
    assert any(name in hint for name in choosing)
    if refusal.sqlstate == "54000":
        assert "a subquery that has its own LIMIT" in hint
        assert "owner can" in hint


FEWER = {
    "issue_id IN (%s) AND repository = 'website'": "Read it for fewer values of",
    "issue_id IN (%s)": "Say in WHERE which rows, by a condition on repository: ",
}


@pytest.mark.parametrize("condition", FEWER)
def test_the_hint_asks_for_no_condition_that_is_there(busy, condition):
    values = condition % ", ".join(map(str, range(1, 302)))
    select = f"SELECT content_raw FROM acme.issue_comments WHERE {values} LIMIT 250"
    _, _, refusal = tried(busy, select)
    assert refusal is not None
    assert refusal.diag.message_hint.startswith(FEWER[condition])
    assert "a subquery that has its own LIMIT" in refusal.diag.message_hint


def test_nor_for_one_beside_a_join(busy):
    _, _, refusal = tried(
        busy,
        "SELECT content_raw FROM generate_series(1, 301) g JOIN acme.issue_comments x "
        "ON x.issue_id = g AND x.repository = 'website' LIMIT 250",
    )
    assert refusal is not None
    first = refusal.diag.message_hint.partition(":")[0]
    assert "issue_id" in first
    assert "repository" not in first or first.startswith("Read it for fewer values of")


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT count(key) FROM website.commit_statuses",
        "SELECT key FROM website.commit_statuses ORDER BY created_on DESC LIMIT 10",
        "SELECT count(name) FROM acme.pull_request_statuses",
        "SELECT count(name) FROM website.pull_request_statuses WHERE state = 'FAILED'",
        "SELECT count(id) FROM acme.commit_comments WHERE repository = 'website'",
    ],
)
def test_what_asks_every_parent_is_refused_ahead_without_a_limit_too(busy, statement):
    _, requests, refusal = tried(busy, statement)
    assert refusal is not None
    assert "preview_requests is 200" in refusal.diag.message_primary
    assert len(requests) <= EARLY


@pytest.mark.parametrize(
    "statement",
    [
        # More than 200 requests each, because a condition chooses the parents, or there are none.
        "SELECT count(id) FROM website.pull_request_tasks WHERE pull_request_id BETWEEN 1 AND 205",
        "SELECT count(id) FROM acme.pull_requests",
        "SELECT state, count(*) FROM website.pull_requests GROUP BY 1 LIMIT 3",
        # A LIMIT for each row of another table is no preview.
        "SELECT count(s.name) FROM generate_series(1, 205) g, LATERAL (SELECT name "
        "FROM website.pull_request_statuses WHERE pull_request_id = g LIMIT 1) s",
    ],
)
def test_what_is_no_preview_is_not_held_to_it(busy, statement):
    rows, _, refusal = tried(busy, statement)
    assert refusal is None, refusal
    assert rows


def test_a_preview_that_turns_out_to_be_dear_ends_at_the_limit(busy):
    """Conditions that stay with PostgreSQL do not tell how many rows are wanted."""
    statement = (
        "SELECT id FROM website.pull_request_tasks WHERE length(content_raw) > 99999 LIMIT 1"
    )
    _, requests, refusal = tried(busy, statement)
    assert refusal is not None
    assert "more than 200 requests, and preview_requests is 200" in refusal.diag.message_primary
    assert "200 requests were made" in refusal.diag.message_detail
    assert "pull_request_id" in refusal.diag.message_hint
    assert len(requests) == MOST


def test_an_order_that_reads_everything_is_foreseen_by_the_size(busy):
    busy.execute("ALTER SERVER bitbucket OPTIONS (ADD preview_requests '20')")
    try:
        _, requests, refusal = tried(
            busy, "SELECT id FROM website.pull_requests ORDER BY title LIMIT 3"
        )
        assert refusal is not None
        assert "preview_requests is 20" in refusal.diag.message_primary
        assert len(requests) == 1
    finally:
        busy.execute("ALTER SERVER bitbucket OPTIONS (DROP preview_requests)")


def test_who_wants_the_dear_scan_can_have_it(busy):
    statement = "SELECT count(id) FROM website.issue_comments"
    _, _, refusal = tried(busy, statement)
    assert refusal is not None
    assert "ALTER FOREIGN TABLE" in refusal.diag.message_hint
    busy.execute("ALTER FOREIGN TABLE website.issue_comments OPTIONS (ADD preview_requests '0')")
    try:
        _, requests, refusal = tried(busy, statement)
        assert refusal is None
        assert len(requests) > MOST
    finally:
        busy.execute("ALTER FOREIGN TABLE website.issue_comments OPTIONS (DROP preview_requests)")
