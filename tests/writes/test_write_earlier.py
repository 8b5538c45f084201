"""A statement that reads while it changes finds the rows as they were before it."""

import pytest
from devkit.tree import BUNDLED

from tests.writes.writing import documents

pytestmark = pytest.mark.skipif(
    f"config.getoption('--host') != '{BUNDLED}'", reason="Multicorn2 tells no executions"
)

SCHEMAS = ("website", "undone", "queued")
NEXT_TITLE = "(SELECT b.title FROM issues b WHERE b.id = issues.id + 1)"


def titles(emulator):
    return {issue["id"]: issue["title"] for issue in documents(emulator, "issues")}


@pytest.mark.parametrize("schema", SCHEMAS)
@pytest.mark.parametrize(
    "condition",
    [
        "(SELECT count(*) FROM issues b WHERE b.id = a.id + 1) = 0",
        "(SELECT count(*) FROM issues b WHERE b.id > a.id AND b.id < 21) = 0",
        "(SELECT b.id FROM issues b WHERE b.id > a.id AND b.id < 21 ORDER BY b.id LIMIT 1) IS NULL",
        "(SELECT max(b.id) FROM issues b WHERE b.ctid > a.ctid AND b.id < 21) IS NULL",
    ],
)
def test_rows_that_it_deleted_are_there(session_in, emulator, schema, condition):
    session = session_in(schema)
    session.run("DELETE FROM issues WHERE id = 21")
    before = titles(emulator)
    done = session.run(
        f"DELETE FROM issues a WHERE id BETWEEN 10 AND 20 AND {condition} RETURNING id"
    )
    assert done.rows == [(20,)]
    assert titles(emulator).keys() == before.keys() - {20}


@pytest.mark.parametrize("schema", SCHEMAS)
def test_rows_that_it_updated_are_as_they_were(session_in, emulator, schema):
    before = titles(emulator)
    session_in(schema).run(f"UPDATE issues SET title = {NEXT_TITLE} WHERE id BETWEEN 10 AND 14")
    moved = {number: before[number + 1] for number in range(10, 15)}
    assert titles(emulator) == {**before, **moved}


def test_so_they_are_in_a_nested_loop(sql, emulator):
    before = titles(emulator)
    sql.run("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_material = off")
    sql.run(
        "UPDATE issues a SET title = b.title FROM issues b "
        "WHERE b.id = a.id + 1 AND a.id BETWEEN 10 AND 14"
    )
    moved = {number: before[number + 1] for number in range(10, 15)}
    assert titles(emulator) == {**before, **moved}


def test_conditions_go_by_what_they_were(sql, emulator):
    sql.run("UPDATE issues SET title = 'same' WHERE id BETWEEN 10 AND 12")
    others = "(SELECT count(*) FROM issues b WHERE b.title = 'same' AND b.id <> a.id)"
    sql.run(f"UPDATE issues a SET title = 'other' WHERE title = 'same' AND {others} = 2")
    assert {titles(emulator)[number] for number in (10, 11, 12)} == {"other"}


def test_rows_that_it_inserted_are_not_there(sql, emulator):
    count = len(titles(emulator))
    done = sql.run(
        "INSERT INTO issues (title) SELECT n::text FROM generate_series(1, 3) n "
        f"WHERE (SELECT count(*) FROM issues WHERE id > n) > {count - 10} "
        "RETURNING (SELECT count(*) FROM issues)"
    )
    assert done.rows == [(count,)] * 3


def test_functions_and_triggers_see_what_is_there(sql, emulator):
    sql.run(
        "CREATE FUNCTION title_of(number bigint) RETURNS text LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN (SELECT title FROM issues WHERE id = number); END $$;"
        "CREATE FUNCTION told() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE NOTICE 'now %', (SELECT title FROM issues WHERE id = NEW.id);"
        "RETURN NULL; END $$;"
        "CREATE TRIGGER told AFTER INSERT OR UPDATE ON issues FOR EACH ROW EXECUTE FUNCTION told()"
    )
    try:
        done = sql.run("UPDATE issues SET title = 'new' WHERE id = 5 RETURNING title_of(id)")
        assert done.rows == [("new",)]
        assert [notice.message for notice in done.notices] == ["now new"]
        done = sql.run("INSERT INTO issues (title) VALUES ('made') RETURNING title_of(id)")
        assert done.rows == [("made",)]
        assert [notice.message for notice in done.notices] == ["now made"]
    finally:
        sql.run("DROP FUNCTION told() CASCADE; DROP FUNCTION title_of(bigint)")


def test_what_it_does_not_know_of_them_is_an_error(sql, emulator):
    sql.run("DELETE FROM issues WHERE id = 21")
    later = "SELECT max(b.title) FROM issues b WHERE b.id > a.id AND b.id < 21"
    with sql.failing("HV000", match="reads rows again that it has changed") as failed:
        sql.run(f"DELETE FROM issues a WHERE id BETWEEN 10 AND 20 AND ({later}) IS NULL")
    assert "write_mode = 'commit'" in failed.hint
    assert titles(emulator).keys() >= set(range(10, 20))
