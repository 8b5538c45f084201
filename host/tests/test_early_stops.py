"""Beyond Multicorn2: whether rows of a scan may be left unread."""

from __future__ import annotations

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("it does not tell")

# Three rows that say whether the scan they come from may stop before the last of them.
ROWS = "[{'id': i, 'may_stop': self.may_stop} for i in range(3)]"


@pytest.fixture
def told(session: Session) -> str:
    return session.table("id int, may_stop bool", rows=ROWS)


MAY_STOP = (
    "SELECT may_stop FROM {t} LIMIT 2",
    "SELECT may_stop FROM {t} WHERE length(id::text) = 1 FETCH FIRST ROW ONLY",
    "SELECT may_stop FROM (SELECT may_stop FROM {t} OFFSET 0) s LIMIT 1",
    "(SELECT may_stop FROM {t} UNION ALL SELECT may_stop FROM {t}) LIMIT 4",
    "SELECT s.may_stop FROM generate_series(1, 2) g, LATERAL (SELECT may_stop FROM {t} "
    "OFFSET g LIMIT 1) s",
    "WITH c AS MATERIALIZED (SELECT may_stop FROM {t} LIMIT 1) SELECT bool_and(may_stop) FROM c",
    "WITH c AS MATERIALIZED (SELECT may_stop FROM {t}) SELECT may_stop FROM c LIMIT 1",
    "WITH c AS MATERIALIZED (SELECT may_stop FROM {t}), d AS MATERIALIZED (SELECT * FROM c) "
    "SELECT may_stop FROM d WHERE may_stop LIMIT 1",
    "WITH c AS MATERIALIZED (WITH d AS MATERIALIZED (SELECT may_stop FROM {t}) "
    "SELECT may_stop FROM d) SELECT may_stop FROM c LIMIT 1",
    # Rows that are there only if the scan was told so.
    "SELECT EXISTS (SELECT FROM {t} WHERE may_stop)",
    "SELECT EXISTS (SELECT FROM {t} WHERE may_stop AND id = g) FROM generate_series(1, 2) g",
    "SELECT count(*) = 2 FROM generate_series(1, 2) g WHERE EXISTS (SELECT FROM {t} "
    "WHERE may_stop AND id = g)",
    "SELECT count(*) = 0 FROM generate_series(1, 2) g WHERE NOT EXISTS (SELECT FROM {t} "
    "WHERE may_stop AND id = g)",
)
READS_ALL = (
    "SELECT may_stop FROM {t}",
    "SELECT bool_or(may_stop) FROM {t} LIMIT 1",
    "SELECT may_stop FROM {t} GROUP BY may_stop LIMIT 1",
    "SELECT DISTINCT may_stop FROM {t} LIMIT 1",
    "SELECT may_stop FROM {t} ORDER BY id DESC LIMIT 1",
    "SELECT bool_or(may_stop) OVER () FROM {t} LIMIT 1",
    "SELECT may_stop FROM {t} LIMIT ALL",
    "WITH c AS MATERIALIZED (SELECT may_stop FROM {t}) SELECT may_stop FROM c LIMIT ALL",
    "WITH c AS MATERIALIZED (SELECT may_stop FROM {t}) SELECT bool_or(may_stop) FROM c LIMIT 1",
    "WITH c AS MATERIALIZED (SELECT may_stop FROM {t} ORDER BY id DESC) SELECT may_stop FROM c "
    "LIMIT 1",
    "WITH c AS MATERIALIZED (SELECT id, may_stop FROM {t}) SELECT may_stop FROM c ORDER BY id "
    "LIMIT 1",
    "SELECT (SELECT bool_or(may_stop) FROM {t}) LIMIT 1",
    "SELECT bool_or(t.may_stop) FROM {t} t JOIN generate_series(0, 1) g ON g = t.id",
)


@pytest.mark.parametrize("query", MAY_STOP)
def test_a_scan_that_may_stop_is_told_so(session: Session, told: str, query: str) -> None:
    values = {value for row in session.rows(query.format(t=told)) for value in row}
    assert values == {True}


@pytest.mark.parametrize("query", READS_ALL)
def test_a_scan_that_is_read_to_its_end_is_told_nothing(
    session: Session, told: str, query: str
) -> None:
    values = {value for row in session.rows(query.format(t=told)) for value in row}
    assert values == {False}


def test_a_cursor_may_stop(session: Session, told: str) -> None:
    session.execute("BEGIN")
    session.execute(f"DECLARE c CURSOR FOR SELECT may_stop FROM {told}")
    assert session.value("FETCH c") is True
    session.execute("COMMIT")


def test_a_plan_that_is_kept_tells_the_same(session: Session, told: str) -> None:
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE few(int) AS SELECT may_stop FROM {told} WHERE id >= $1 LIMIT 1")
    session.execute(f"PREPARE every(int) AS SELECT may_stop FROM {told} WHERE id >= $1")
    for _ in range(3):
        assert session.value("EXECUTE few(1)") is True
        assert session.value("EXECUTE every(2)") is False
