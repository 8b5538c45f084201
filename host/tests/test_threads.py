"""A wrapper's worker threads run while PostgreSQL is busy with the rows.

Also where PL/Python is installed, unless the session has used it: see test_plpython.py.
"""

import pytest
from cluster import Session

ROWS = "counting_rows(int(self.options['rows_wanted']))"


@pytest.mark.beyond("keeps the interpreter's lock")
def test_threads_run_between_rows(session: Session) -> None:
    table = session.table("ticks int", rows=ROWS, rows_wanted="2")
    # Between the two rows, PostgreSQL sleeps; the thread counts on.
    query = f"SELECT ticks, pg_sleep(0.5) IS NULL FROM {table}"
    (first, _), (second, _) = session.rows(query)
    assert second - first > 5


@pytest.mark.beyond("keeps the interpreter's lock")
def test_threads_run_while_the_session_is_idle(session: Session) -> None:
    table = session.table("ticks int", rows=ROWS, rows_wanted="2")
    session.execute(f"BEGIN; DECLARE c CURSOR FOR SELECT ticks FROM {table}")
    first = session.value("FETCH 1 FROM c")
    other = Session(session.cluster, session.dbname)
    other.execute("SELECT pg_sleep(0.5)")
    other.close()
    assert session.value("FETCH 1 FROM c") - first > 5
    session.execute("COMMIT")


def test_many_threads_and_errors(session: Session) -> None:
    table = session.table("ticks int", rows=ROWS, rows_wanted="1000000")
    for _ in range(20):
        session.error(f"SELECT 1 / (row_number() OVER () - 500) FROM {table}")
        session.execute("BEGIN; SAVEPOINT a")
        session.error(f"SELECT 1 / (row_number() OVER () - 500) FROM {table}")
        session.execute(f"ROLLBACK TO a; SELECT * FROM {table} LIMIT 3; COMMIT")


def test_exit_with_threads_running(session: Session) -> None:
    for _ in range(10):
        other = Session(session.cluster, session.dbname)
        table = other.table("ticks int", rows=ROWS, rows_wanted="1000000")
        other.execute(f"BEGIN; DECLARE c CURSOR FOR SELECT * FROM {table}; FETCH 5 FROM c")
        other.close()
    # A crash of any backend would have ended this session too.
    assert session.value("SELECT 1") == 1
