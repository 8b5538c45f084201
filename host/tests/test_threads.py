"""A wrapper's worker threads run while PostgreSQL is busy with the rows.

Not where PL/Python is installed: it takes for granted that no other thread runs Python.
"""

from pathlib import Path

import pytest
from cluster import Cluster, Session

ROWS = "counting_rows(int(self.options['rows_wanted']))"


def pl_python(cluster: Cluster) -> Path:
    """The library of PL/Python, whether it is installed or not."""
    return cluster.inside("pkglibdir") / "plpython3.so"


def skip_beside_pl_python(session: Session) -> None:
    if pl_python(session.cluster).exists():
        pytest.skip("PL/Python is installed: worker threads stand still between rows")


@pytest.mark.beyond("keeps the interpreter's lock")
def test_threads_run_between_rows(session: Session) -> None:
    skip_beside_pl_python(session)
    table = session.table("ticks int", rows=ROWS, rows_wanted="2")
    # Between the two rows, PostgreSQL sleeps; the thread counts on.
    query = f"SELECT ticks, pg_sleep(0.5) IS NULL FROM {table}"
    (first, _), (second, _) = session.rows(query)
    assert second - first > 5


@pytest.mark.beyond("keeps the interpreter's lock")
def test_threads_run_while_the_session_is_idle(session: Session) -> None:
    skip_beside_pl_python(session)
    table = session.table("ticks int", rows=ROWS, rows_wanted="2")
    session.execute(f"BEGIN; DECLARE c CURSOR FOR SELECT ticks FROM {table}")
    first = session.value("FETCH 1 FROM c")
    other = Session(session.cluster, session.dbname)
    other.execute("SELECT pg_sleep(0.5)")
    other.close()
    assert session.value("FETCH 1 FROM c") - first > 5
    session.execute("COMMIT")


@pytest.mark.beyond("keeps the interpreter's lock, always")
def test_threads_stand_still_between_rows_beside_pl_python(session: Session) -> None:
    library = pl_python(session.cluster)
    installed = library.exists()
    if not installed:
        library.touch()  # that it could be loaded in this session is what counts
    try:
        other = Session(session.cluster, session.dbname)
        table = other.table("ticks int", rows=ROWS, rows_wanted="2")
        query = f"SELECT ticks, pg_sleep(0.5) IS NULL FROM {table}"
        (first, _), (second, _) = other.rows(query)
        other.close()
    finally:
        if not installed:
            library.unlink()
    assert second - first <= 5


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
