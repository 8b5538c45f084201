"""Beyond Multicorn2: which execution a scan is of, what moments it is asked for, what ends."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("it does not tell")

MARK = "[(self.execution.kept.setdefault('mark', uuid.uuid4().hex), self.execution.may_write)]"


@pytest.fixture
def marks(session: Session) -> str:
    """A table whose only row tells executions apart, and whether they may write."""
    return session.table("mark text, may_write bool", rows=MARK)


def function(session: Session, table: str, volatility: str, language: str = "plpgsql") -> None:
    body = f"SELECT mark FROM {table} LIMIT 1"
    if language == "plpgsql":
        body = f"BEGIN RETURN ({body}); END"
    session.execute(
        f"CREATE OR REPLACE FUNCTION pg_temp.mark(ignored int) RETURNS text LANGUAGE {language} "
        f"{volatility} AS $$ {body} $$"
    )


def test_scans_of_a_query_are_of_one_execution(session: Session, marks: str) -> None:
    query = f"SELECT mark FROM {marks} UNION ALL SELECT mark FROM {marks} UNION ALL "
    query += f"SELECT (SELECT mark FROM {marks} OFFSET g * 0) FROM generate_series(1, 3) g"
    first = {row[0] for row in session.rows(query)}
    again = {row[0] for row in session.rows(query)}
    assert len(first) == len(again) == 1
    assert first != again


def test_a_cursor_is_one_execution(session: Session, marks: str) -> None:
    session.execute("BEGIN")
    session.execute(
        f"DECLARE c CURSOR FOR SELECT (SELECT mark FROM {marks} OFFSET g * 0) "
        "FROM generate_series(1, 3) g"
    )
    fetched = [session.value("FETCH c") for _ in range(3)]
    other = session.value(f"SELECT mark FROM {marks}")
    session.execute("COMMIT")
    assert len(set(fetched)) == 1
    assert other not in fetched


@pytest.mark.parametrize("language", ["plpgsql", "sql"])
@pytest.mark.parametrize(("volatility", "executions"), [("STABLE", 1), ("VOLATILE", 4)])
def test_a_function_sees_its_callers_moment_if_it_says_so(
    session: Session, marks: str, language: str, volatility: str, executions: int
) -> None:
    """As with PostgreSQL's own tables: a STABLE one has its caller's snapshot."""
    function(session, marks, volatility, language)
    rows = session.rows(f"SELECT m.mark, pg_temp.mark(g) FROM {marks} m, generate_series(1, 3) g")
    assert len({mark for row in rows for mark in row}) == executions


@pytest.mark.parametrize("isolation", ["READ COMMITTED", "REPEATABLE READ"])
def test_a_loop_asks_anew(session: Session, marks: str, isolation: str) -> None:
    session.execute(
        "CREATE OR REPLACE FUNCTION pg_temp.poll() RETURNS SETOF text LANGUAGE plpgsql AS $$ "
        f"BEGIN FOR i IN 1 .. 3 LOOP RETURN NEXT (SELECT mark FROM {marks}); END LOOP; END $$"
    )
    session.execute(f"BEGIN ISOLATION LEVEL {isolation}")
    assert len(set(session.rows("SELECT pg_temp.poll()"))) == 3
    session.execute("COMMIT")


@pytest.mark.parametrize(
    ("query", "writes"),
    [
        ("SELECT may_write FROM {}", False),
        ("SELECT may_write FROM {} -- UPDATE", False),
        ("SELECT may_write FROM {} FOR UPDATE", True),
        ("INSERT INTO copy SELECT may_write FROM {} RETURNING *", True),
        ("WITH w AS (INSERT INTO copy VALUES (true)) SELECT may_write FROM {}", True),
    ],
)
def test_whether_an_execution_may_write(
    session: Session, marks: str, query: str, writes: bool
) -> None:
    session.execute("CREATE TEMP TABLE IF NOT EXISTS copy (may_write bool)")
    for _ in range(7):
        assert session.connection.execute(query.format(marks), prepare=True).fetchone() == (writes,)


def test_a_query_within_a_change_is_told_of_it(session: Session, marks: str) -> None:
    session.execute(
        "CREATE OR REPLACE FUNCTION pg_temp.inner() RETURNS bool LANGUAGE plpgsql VOLATILE AS $$ "
        f"BEGIN RETURN (SELECT may_write FROM {marks}); END $$"
    )
    session.execute("CREATE TEMP TABLE IF NOT EXISTS copy (may_write bool)")
    inserted = session.rows(
        f"INSERT INTO copy SELECT pg_temp.inner() FROM {marks} RETURNING may_write"
    )
    assert inserted == [(True,)]
    assert session.value("SELECT pg_temp.inner()") is False


def test_what_an_execution_keeps_is_freed_with_it(session: Session) -> None:
    kept = "[(sum(isinstance(o, Kept) for o in gc.get_objects()),)] if not quals else "
    kept += "self.execution.kept.setdefault('it', Kept()) and [(1,)]"
    table = session.table("n int", rows=kept)
    for query in ("SELECT n FROM {} WHERE n = 1", "SELECT n / 0 FROM {} WHERE n = 1"):
        try:
            session.execute(query.format(table))
        except Exception:
            assert "/ 0" in query
        assert session.value(f"SELECT n FROM {table}") == 0


UTC = datetime.timezone.utc


def moments(session: Session, condition: str) -> Any:
    noted = "note('moments', of=[repr(q.instant) for q in quals]) or []"
    table = session.table("tz timestamptz, ts timestamp", rows=noted)
    session.execute(f"SELECT FROM {table} WHERE {condition}")
    (call,) = session.calls("moments")
    (moment,) = call["of"]
    return eval(moment, {"datetime": datetime})


@pytest.mark.parametrize("style", ["ISO, MDY", "German", "SQL, DMY", "Postgres, MDY"])
@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("tz > '2024-02-29 10:11:12.123456+00'", (2024, 2, 29, 10, 11, 12, 123456)),
        ("'2024-02-29 10:11:12.123456+00' < tz", (2024, 2, 29, 10, 11, 12, 123456)),
        ("tz = '2024-02-29'::date", (2024, 2, 28, 15)),
        ("tz = '2024-02-29 09:00'::timestamp", (2024, 2, 29)),
        ("tz = 'infinity'", None),
        ("tz < '12000-01-01'", None),
        ("tz IS NULL", None),
        ("ts = '2024-02-29 09:00'", None),
    ],
)
def test_a_moment_is_told_exactly(
    session: Session, style: str, condition: str, expected: object
) -> None:
    session.execute(f"SET TimeZone = 'Asia/Tokyo'; SET DateStyle = '{style}'")
    wanted = None
    if isinstance(expected, tuple):
        wanted = datetime.datetime(*expected).replace(tzinfo=UTC)
    assert moments(session, condition) == wanted


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("'{2024-02-29 00:00+00, NULL}'::timestamptz[]", [(2024, 2, 29)]),
        ("'{2024-02-29}'::date[]", [(2024, 2, 28, 15)]),
        ("'{2024-02-29 00:00+00, infinity}'::timestamptz[]", None),
        ("'{}'::timestamptz[]", []),
    ],
)
def test_the_moments_of_a_list(session: Session, values: str, expected: object) -> None:
    session.execute("SET TimeZone = 'Asia/Tokyo'")
    wanted = None
    if isinstance(expected, list):
        wanted = [datetime.datetime(*parts).replace(tzinfo=UTC) for parts in expected]
    assert moments(session, f"tz = ANY ({values})") == wanted


@pytest.mark.parametrize(
    ("end", "everything"),
    [
        ("ROLLBACK", True),
        ("/* */ abort and no chain", True),
        ("ROLLBACK TO a", False),
        ("COMMIT", False),
    ],
)
def test_a_rollback_of_everything_is_told_before_its_savepoints(
    session: Session, end: str, everything: bool
) -> None:
    table = session.table("id int", rows="[(1,)]", label="t")
    session.execute(f"BEGIN; SAVEPOINT a; SELECT * FROM {table}; SAVEPOINT b")
    session.execute(f"SELECT * FROM {table}")
    session.journal()
    session.execute(end)
    said = [c["hook"] for c in session.calls("begin_rollback", "sub_rollback", "rollback")]
    if everything:
        assert said == ["begin_rollback", "sub_rollback", "sub_rollback", "rollback"]
    else:
        assert "begin_rollback" not in said
    session.execute("ROLLBACK")


def test_the_end_of_a_failed_transaction_is_a_rollback(session: Session) -> None:
    table = session.table("id int", rows="[(1,)]", label="t")
    session.execute(f"BEGIN; SAVEPOINT a; SELECT * FROM {table}; SAVEPOINT b")
    session.error("SELECT 1 / 0")
    session.journal()
    session.execute("COMMIT")
    assert [c["hook"] for c in session.calls("begin_rollback", "rollback")] == [
        "begin_rollback", "rollback",
    ]  # fmt: skip
