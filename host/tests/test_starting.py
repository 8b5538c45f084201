"""Scans that a statement is sure to read are begun together, and no others.

The wrapper tells of each scan that is begun ahead, and of each that is read.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("begins with no scan before its first row is wanted")

ROWS = {"a": "[(1, 1), (2, 1), (3, None)]", "b": "[(2, 5), (3, 5), (4, 0)]", "e": "[]"}


@pytest.fixture
def tables(session: Session) -> Session:
    session.execute(
        "CREATE SERVER IF NOT EXISTS eager FOREIGN DATA WRAPPER multicorn "
        "OPTIONS (wrapper 'contract.EagerWrapper')"
    )
    for name, rows in ROWS.items():
        session.execute(
            f"DROP FOREIGN TABLE IF EXISTS {name}; CREATE FOREIGN TABLE {name} (id int, n int) "
            f"SERVER eager OPTIONS (label '{name}', rows '{rows}')"
        )
    session.journal()
    return session


def begun(session: Session, sql: str) -> str:
    """The tables that scans were begun of ahead, in order; they must all have been read."""
    session.journal()
    session.execute(sql)
    calls = session.calls("ahead", "read")
    ahead = [call for call in calls if call["hook"] == "ahead"]
    read = Counter(call["scan"] for call in calls if call["hook"] == "read")
    assert all(read[call["scan"]] == 1 for call in ahead), (sql, calls)
    if ahead:
        first_read = next(i for i, call in enumerate(calls) if call["hook"] == "read")
        assert calls[:first_read] == ahead
    return "".join(call["table"] for call in ahead)


COUNT = "(SELECT count(*) FROM {})"
COUNTS = [COUNT.format(name) for name in "abe"]


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        # One scan has nothing to be started together with.
        ("SELECT * FROM a", ""),
        ("SELECT count(*) FROM a", ""),
        # All of a UNION ALL, however it is wrapped.
        ("SELECT * FROM a UNION ALL SELECT * FROM b UNION ALL SELECT * FROM e", "abe"),
        ("SELECT * FROM a UNION SELECT * FROM b", "ab"),
        ("SELECT * FROM (SELECT * FROM a UNION ALL SELECT * FROM b) x ORDER BY n, id", "ab"),
        ("SELECT count(*) FROM (SELECT * FROM a UNION ALL SELECT * FROM b OFFSET 0) x", "ab"),
        # Under LIMIT the first one may be enough, unless all rows are sorted or counted before.
        ("SELECT * FROM a UNION ALL SELECT * FROM b LIMIT 5", ""),
        ("SELECT * FROM a UNION ALL SELECT * FROM b ORDER BY n LIMIT 5", "ab"),
        ("SELECT * FROM a UNION ALL SELECT * FROM b ORDER BY n LIMIT 0", ""),
        ("SELECT count(*) FROM (SELECT * FROM a UNION ALL SELECT * FROM b) x LIMIT 1", "ab"),
        # Subqueries whose values are wanted whatever comes.
        (f"SELECT {', '.join(COUNTS)}", "abe"),
        (f"SELECT json_build_array({', '.join(COUNTS)})", "abe"),
        (f"SELECT {' + '.join(COUNTS)}", "abe"),
        (f"SELECT count(*), {COUNTS[1]} FROM a", "ab"),
        ("SELECT ARRAY(SELECT id FROM a), ARRAY(SELECT id FROM b)", "ab"),
        # Subqueries of which some may not be wanted.
        (f"SELECT coalesce({', '.join(COUNTS)})", ""),
        (f"SELECT CASE WHEN {COUNTS[0]} > 1 THEN {COUNTS[1]} ELSE {COUNTS[2]} END", ""),
        ("SELECT EXISTS (SELECT FROM a) OR EXISTS (SELECT FROM b)", ""),
        ("SELECT EXISTS (SELECT FROM a), EXISTS (SELECT FROM b)", "ab"),
        (f"SELECT id, {COUNTS[1]}, {COUNTS[0]} FROM e", ""),
        (f"SELECT count(*), {COUNTS[1]}, {COUNTS[0]} FROM e HAVING count(*) > 0", ""),
        (f"SELECT {COUNTS[0]} UNION ALL SELECT {COUNTS[1]} WHERE {COUNTS[2]} > 0", ""),
        # Counts beside each other.
        (
            "WITH x AS (SELECT count(*) FROM a), y AS (SELECT count(*) FROM b), "
            "z AS (SELECT count(*) FROM e) SELECT * FROM x, y, z",
            "abe",
        ),
        # Joins: what is empty may end them.
        ("SELECT * FROM a, b", ""),
        ("SELECT * FROM a FULL JOIN b USING (id)", "ab"),
        ("SELECT * FROM a LEFT JOIN e USING (id)", ""),
        ("SELECT * FROM a LEFT JOIN (SELECT * FROM b UNION ALL SELECT * FROM e) x USING (id)", ""),
        # What hangs on other values, and what the database's own functions give.
        ("SELECT * FROM a WHERE id = (SELECT max(id) FROM b) UNION ALL SELECT * FROM e", ""),
        ("SELECT * FROM a WHERE id = pg_temp.two() UNION ALL SELECT * FROM b", ""),
        # A statement that writes.
        ("SELECT * FROM a UNION ALL SELECT * FROM b", "ab"),
        ("INSERT INTO copy SELECT * FROM a UNION ALL SELECT * FROM b", ""),
        (
            "WITH w AS (DELETE FROM copy RETURNING *) "
            "SELECT * FROM a UNION ALL SELECT * FROM b UNION ALL SELECT * FROM w",
            "",
        ),
        ("CREATE TEMP TABLE made AS SELECT * FROM a UNION ALL SELECT * FROM b", "ab"),
        # A client, or PL/pgSQL, that may stop after some rows.
        ("DO $$ BEGIN FOR i IN 1 .. 2 LOOP PERFORM * FROM a UNION ALL SELECT * FROM b; END LOOP; "
         "END $$", ""),
        ("DO $$ DECLARE r record; BEGIN FOR r IN SELECT * FROM a UNION ALL SELECT * FROM b "
         "LOOP EXIT; END LOOP; END $$", ""),
    ],
)  # fmt: skip
def test_what_is_begun_together(tables: Session, sql: str, expected: str) -> None:
    tables.execute(
        "CREATE TEMP TABLE IF NOT EXISTS copy (id int, n int); DROP TABLE IF EXISTS pg_temp.made; "
        "CREATE OR REPLACE FUNCTION pg_temp.two() RETURNS int STABLE LANGUAGE plpgsql AS "
        "'BEGIN RETURN 2; END'"
    )
    if "FOR i IN" in sql:  # each turn is an execution of its own, and PERFORM reads it all
        tables.journal()
        tables.execute(sql)
        assert "".join(c["table"] for c in tables.calls("ahead")) == "abab"
    else:
        assert begun(tables, sql) == expected


def test_the_setting_turns_it_off(tables: Session) -> None:
    sql = "SELECT * FROM a UNION ALL SELECT * FROM b"
    tables.execute("SET multicorn.start_together TO off")
    assert begun(tables, sql) == ""
    tables.execute("RESET multicorn.start_together")
    assert begun(tables, sql) == "ab"


def test_a_cursor_begins_with_what_its_first_rows_take(tables: Session) -> None:
    tables.execute("BEGIN; DECLARE c CURSOR FOR SELECT * FROM a UNION ALL SELECT * FROM b")
    assert begun(tables, "FETCH 1 FROM c") == ""
    assert begun(tables, "FETCH ALL FROM c") == ""
    tables.execute("DECLARE d CURSOR FOR SELECT * FROM a UNION ALL SELECT * FROM b ORDER BY 1")
    assert begun(tables, "FETCH 1 FROM d") == "ab"
    tables.execute("DECLARE e CURSOR FOR SELECT * FROM a UNION ALL SELECT * FROM b")
    assert begun(tables, "FETCH ALL FROM e") == "ab"
    tables.execute("ROLLBACK")


def test_a_scan_that_fails_leaves_the_others_unread(tables: Session) -> None:
    tables.execute("ALTER FOREIGN TABLE a OPTIONS (SET rows '1 / 0')")
    for _ in range(3):
        tables.error("SELECT * FROM a UNION ALL SELECT * FROM b")
    calls = tables.journal()
    assert [call["table"] for call in calls if call["hook"] == "read"] == ["a"] * 3
    assert [call["table"] for call in calls if call["hook"] == "ahead"] == ["a", "b"] * 3


def test_a_wrapper_that_cannot_is_read_as_ever(tables: Session) -> None:
    other = tables.table("id int, n int", rows="[(7, 7)]", label="other")
    sql = f"SELECT id FROM {other} UNION ALL SELECT id FROM a UNION ALL SELECT id FROM b"
    assert begun(tables, sql) == "ab"
    assert [row[0] for row in tables.rows(sql)] == [7, 1, 2, 3, 2, 3, 4]


def test_as_many_scans_as_there_are_in_reason(tables: Session) -> None:
    sql = " UNION ALL ".join(["SELECT * FROM a"] * 40)
    assert begun(tables, sql) == "a" * 32


NODES = ("hashjoin", "mergejoin", "nestloop", "hashagg", "sort", "material", "incremental_sort")


class Queries:
    """Random queries on the tables, with columns ``id`` and ``n``."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def table(self) -> str:
        return self.random.choice("abe")

    def number(self, query: str) -> str:
        """A subquery of one value."""
        what = self.random.choice(["count(*)", "max(n)", "min(id)"])
        return f"(SELECT {what} FROM ({query}) s)"

    def query(self, depth: int) -> str:
        if depth == 0:
            return f"SELECT id, n FROM {self.table()}"
        shape = self.random.choice([self.together, self.joined, self.of_values, self.limited])
        return shape(*(self.query(self.random.randrange(depth)) for _ in range(3)))

    def together(self, one: str, two: str, three: str) -> str:
        operator = self.random.choice(["UNION", "INTERSECT", "EXCEPT ALL"])
        return self.random.choice(
            [
                f"({one}) UNION ALL ({two})",
                f"({one}) UNION ALL ({two}) UNION ALL ({three})",
                f"({one}) {operator} ({two})",
                f"WITH c AS MATERIALIZED ({one}) "
                f"SELECT * FROM c UNION ALL ({two}) UNION ALL SELECT id, 1 FROM c",
            ]
        )

    def joined(self, one: str, two: str, three: str) -> str:
        join = self.random.choice(["JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"])
        on = self.random.choice(["a.id = b.id", "a.id = b.id", "a.id = b.id AND a.n IS NULL"])
        tests = f"EXISTS ({two}) {self.random.choice(['OR', 'AND'])} NOT EXISTS ({three})"
        return self.random.choice(
            [
                f"SELECT a.id, b.n FROM ({one}) a {join} ({two}) b ON {on}",
                f"SELECT a.id, b.n FROM ({one}) a, ({two}) b",
                f"SELECT id, n FROM ({one}) q WHERE {tests}",
            ]
        )

    def of_values(self, one: str, two: str, three: str) -> str:
        first, second = self.number(two), self.number(three)
        return self.random.choice(
            [
                f"SELECT count(*)::int AS id, {first} AS n FROM ({one}) q",
                f"SELECT {first} AS id, {second} AS n",
                f"SELECT coalesce({first}, {second}) AS id, greatest({first}, {second}) AS n",
                f"SELECT id, n FROM ({one}) q WHERE {first} > 1",
            ]
        )

    def limited(self, one: str, _two: str, _three: str) -> str:
        limit = f"LIMIT {self.random.randrange(3)}"
        return self.random.choice(
            [
                f"SELECT id, n FROM ({one}) q ORDER BY id, n {limit} OFFSET 1",
                f"SELECT id, n FROM ({one}) q {limit}",
            ]
        )


def outcome(session: Session, sql: str) -> list[tuple[object, ...]] | str | None:
    try:
        return session.rows(sql)
    except Exception as error:
        return type(error).__name__


@pytest.mark.parametrize("seed", range(4))
def test_random_queries_read_all_that_is_begun(tables: Session, seed: int) -> None:
    """Also where inputs are empty. The rows are those of scans that are begun one by one."""
    queries = Queries(seed)
    for _ in range(60):
        for node in NODES:
            value = "off" if queries.random.random() < 0.3 else "on"
            tables.execute(f"SET enable_{node} TO {value}")
        sql = queries.query(3)
        tables.execute("SET multicorn.start_together TO off")
        expected = outcome(tables, sql)
        tables.execute("SET multicorn.start_together TO on")
        tables.journal()
        if isinstance(expected, str):
            assert outcome(tables, sql) == expected
            continue
        begun(tables, sql)
        assert outcome(tables, sql) == expected
        tables.execute(f"BEGIN; DECLARE c CURSOR FOR {sql}")
        begun(tables, "FETCH 1 FROM c")
        tables.execute("ROLLBACK")
