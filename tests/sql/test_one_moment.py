"""One execution of a query asks no address twice, and sees one moment; the next one asks anew."""

from __future__ import annotations

import pytest

from tests.sql.querying import Both, asked
from tests.support.credentials import READ, mapping_options
from tests.support.database import Database, Result

bundled = pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 tells no executions apart: answers are kept for some seconds of a statement",
)
IMPORT = 'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web'


def assert_no_repetition(result: Result) -> None:
    lines = result.lines
    assert len(lines) == len(set(lines)), [line for line in lines if lines.count(line) > 1]


@pytest.mark.parametrize(
    "statement",
    [
        # A column of another table by a key that many rows share.
        "SELECT c.id, (SELECT p.title FROM pull_requests p WHERE p.id = c.pull_request_id) "
        "FROM pull_request_comments c",
        # One that many rows share, and that is not there.
        "SELECT id, (SELECT i.title FROM issues i WHERE i.id = g % 2 + 100000) FROM "
        "generate_series(1, 20) g, LATERAL (SELECT g AS id) x",
        "SELECT a.id FROM pull_requests a JOIN pull_requests b ON b.id = a.id + 1",
        "SELECT id FROM issues UNION ALL SELECT id FROM issues WHERE length(title) > 10",
        "SELECT g, (SELECT count(*) FROM tags WHERE length(name) > g) FROM generate_series(1, 9) g",
        "SELECT (SELECT max(id) FROM issues), (SELECT min(id) FROM issues), "
        "(SELECT count(id) FROM issues)",
        "SELECT id FROM issues WHERE id IN (SELECT issue_id FROM issue_comments) "
        "AND id NOT IN (SELECT issue_id FROM issue_comments WHERE length(content_raw) > 40)",
    ],
)
@pytest.mark.parametrize("nested", [False, True])
def test_no_address_is_asked_twice(sql: Both, statement: str, nested: bool) -> None:
    if nested:
        sql.db.execute(
            "SET enable_hashjoin = off; SET enable_mergejoin = off; "
            "SET enable_material = off; SET enable_memoize = off"
        )
    assert_no_repetition(sql.query(statement))


def test_distinct_values_are_what_a_correlated_subquery_costs(sql: Both) -> None:
    # Six distinct keys in sixty rows.
    result = sql.query(
        "SELECT g, (SELECT i.title FROM issues i WHERE i.id = g % 6 + 1) "
        "FROM generate_series(1, 60) g ORDER BY g"
    )
    assert len(result.requests) == 6


def test_kept_answers_do_not_count_as_requests(db_factory, emulator) -> None:
    database = db_factory(emulator=emulator, max_requests="3")
    database.execute(IMPORT)
    statement = (
        "SELECT count(x) FROM (SELECT (SELECT i.title FROM web.issues i "
        "WHERE i.id = g % 3 + 1) AS x FROM generate_series(1, 90) g) y"
    )
    assert database.value(statement) == 90


def test_a_statement_asks_anew(sql: Both) -> None:
    statement = "SELECT count(title) FROM issues"
    assert len(sql.query(statement).requests) == len(sql.query(statement).requests) == 1


def test_so_does_a_prepared_one(sql: Both) -> None:
    sql.db.execute("SET search_path = website; PREPARE s AS SELECT count(title) FROM issues")
    for _ in range(7):
        assert len(sql.db.query("EXECUTE s").requests) == 1


@bundled
def test_a_loop_that_waits_for_a_change_sees_it(db: Database) -> None:
    """Each turn is an execution of its own."""
    db.execute(IMPORT)
    db.execute(
        "CREATE FUNCTION poll() RETURNS SETOF bigint LANGUAGE plpgsql AS $$ BEGIN "
        "FOR i IN 1 .. 4 LOOP RETURN NEXT (SELECT count(title) FROM web.issues); END LOOP; END $$"
    )
    assert len(db.query("SELECT poll()").requests) == 4
    db.execute(
        "CREATE PROCEDURE polls() LANGUAGE plpgsql AS $$ DECLARE n bigint; BEGIN "
        "FOR i IN 1 .. 4 LOOP SELECT count(title) INTO n FROM web.issues; COMMIT; "
        "END LOOP; END $$"
    )
    assert len(db.query("CALL polls()").requests) == 4


@bundled
def test_a_stable_function_sees_its_callers_moment(db: Database) -> None:
    db.execute(IMPORT)
    for volatility, requests in (("STABLE", 1), ("VOLATILE", 5)):
        db.execute(
            f"CREATE OR REPLACE FUNCTION titles(ignored int) RETURNS bigint LANGUAGE plpgsql "
            f"{volatility} AS $$ BEGIN RETURN (SELECT count(title) FROM web.issues); END $$"
        )
        result = db.query(
            "SELECT count(title), (SELECT sum(titles(g)) FROM "
            "generate_series(1, 4) g) FROM web.issues"
        )
        assert len(result.requests) == requests


def test_a_change_within_the_statement_is_seen(db: Database) -> None:
    """A function may write; what was read before that is not taken for what is there after it."""
    db.execute(IMPORT)
    db.execute(
        "CREATE FUNCTION add_one(n bigint) RETURNS bigint LANGUAGE plpgsql VOLATILE AS $$ BEGIN "
        "INSERT INTO web.issues (title) VALUES ('new'); "
        "RETURN (SELECT count(title) FROM web.issues); END $$"
    )
    before = db.value("SELECT count(title) FROM web.issues")
    [[first, second]] = db.rows("SELECT add_one(1), add_one(2)")
    assert (first, second) == (before + 1, before + 2)


def test_what_a_changing_statement_reads_is_not_kept(db: Database) -> None:
    db.execute(IMPORT)
    before = db.value("SELECT count(*) FROM web.issues WHERE title = 'one'")
    db.execute("UPDATE web.issues SET title = 'one' WHERE id IN (1, 2)")
    db.execute("UPDATE web.issues SET title = 'one' WHERE id = (SELECT max(id) FROM web.issues)")
    assert db.value("SELECT count(*) FROM web.issues WHERE title = 'one'") == before + 3


def test_a_cursor_keeps_its_moment(db: Database) -> None:
    db.execute(IMPORT)
    ids = db.column("SELECT id FROM web.issues ORDER BY id LIMIT 3")
    with db.connection.transaction():
        db.execute(
            "DECLARE c CURSOR WITH HOLD FOR SELECT i.title, (SELECT t.title FROM web.issues "
            f"t WHERE t.id = i.id) FROM web.issues i WHERE i.id IN ({ids[0]}, {ids[1]})"
        )
        assert db.rows("FETCH c")
        with db.connect() as other:
            other.execute(b"UPDATE web.issues SET title = 'other' WHERE id = %s", [ids[1]])
    assert len(db.rows("FETCH ALL FROM c")) == 1
    assert db.rows(f"SELECT title FROM web.issues WHERE id = {ids[1]}") == [("other",)]


def test_another_credential_asks_for_itself(db: Database) -> None:
    """Two servers of one API in one statement: neither has the other's answers."""
    db.execute(IMPORT)
    db.create_server("other", credentials=mapping_options(db.emulator, READ))
    db.execute(
        'CREATE SCHEMA others; IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (issues) '
        "FROM SERVER other INTO others"
    )
    statement = "SELECT count(title) FROM web.issues UNION ALL SELECT count(title) FROM {}.issues"
    assert len(db.query(statement.format("web")).requests) == 1
    assert len(db.query(statement.format("others")).requests) == 2


def test_a_listing_that_is_read_twice_is_kept_page_by_page(sql: Both) -> None:
    result = sql.query(
        "SELECT a.id FROM pull_requests a JOIN pull_requests b "
        "ON b.title = a.title WHERE a.id <> b.id"
    )
    requests = asked(result)
    assert len(requests) > 1
    assert_no_repetition(result)


def test_a_failure_is_not_kept(db: Database) -> None:
    db.execute(IMPORT)
    db.emulator.fault(pattern="*/issues/2", kind="status", status=503, count=1)
    result = db.query(
        "SELECT (SELECT title FROM web.issues i WHERE i.id = 2 OFFSET g * 0) "
        "FROM generate_series(1, 5) g"
    )
    assert all(row[0] for row in result.rows)
    assert [r.status for r in result.requests] == [503, 200]
