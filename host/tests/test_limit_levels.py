"""Beyond Multicorn2: whether a LIMIT wants some of a scan's rows, and at which level."""

from __future__ import annotations

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("it does not tell")

ROWS = "[{'id': i, 'level': self.limit_level} for i in range(3)]"


@pytest.fixture
def told(session: Session) -> str:
    return session.table("id int, level int", rows=ROWS)


LEVELS = {
    "SELECT level FROM {t} LIMIT 2": 1,
    "SELECT level FROM {t} OFFSET 1 LIMIT 1": 1,
    "SELECT level FROM {t} FETCH FIRST ROW ONLY": 1,
    "SELECT level FROM {t} WHERE length(id::text) = 1 LIMIT 2": 1,
    "SELECT level FROM {t} ORDER BY id DESC LIMIT 2": 1,
    "SELECT level FROM (SELECT * FROM {t}) s LIMIT 2": 1,
    "SELECT level FROM {t} JOIN generate_series(0, 1) g ON g = id LIMIT 2": 1,
    "(SELECT level FROM {t} UNION ALL SELECT level FROM {t}) LIMIT 4": 1,
    "SELECT level FROM (SELECT level FROM {t} OFFSET 0) s LIMIT 1": 2,
    "SELECT s.level FROM generate_series(1, 2) g, LATERAL (SELECT level FROM {t} OFFSET g LIMIT 1) "
    "s": 2,
    "SELECT (SELECT level FROM {t} LIMIT 1)": 2,
    "WITH c AS MATERIALIZED (SELECT level FROM {t} LIMIT 1) SELECT min(level) FROM c": 2,
    # No LIMIT, or none that wants fewer rows of the table.
    "SELECT level FROM {t}": 0,
    "SELECT level FROM {t} OFFSET 1": 0,
    "SELECT level FROM {t} LIMIT ALL": 0,
    "SELECT max(level) FROM {t} LIMIT 1": 0,
    "SELECT level FROM {t} GROUP BY level LIMIT 1": 0,
    "SELECT DISTINCT level FROM {t} LIMIT 1": 0,
    "SELECT max(level) OVER () FROM {t} LIMIT 1": 0,
    "SELECT (SELECT max(level) FROM {t}) LIMIT 1": 0,
    "SELECT count(*) - 2 FROM generate_series(1, 2) WHERE EXISTS "
    "(SELECT FROM {t} WHERE level = 0)": 0,
    "SELECT count(*) - 2 FROM generate_series(1, 2) g WHERE EXISTS (SELECT FROM {t} "
    "WHERE level = 0 AND id + random() * 0 >= g OFFSET 0)": 0,
}


@pytest.mark.parametrize("query", LEVELS)
def test_a_scan_is_told_of_the_limit_above_it(session: Session, told: str, query: str) -> None:
    values = {value for row in session.rows(query.format(t=told)) for value in row}
    assert values == {LEVELS[query]}


def test_a_cursor_is_no_limit(session: Session, told: str) -> None:
    session.execute("BEGIN")
    session.execute(f"DECLARE c CURSOR FOR SELECT level FROM {told}")
    assert session.value("FETCH c") == 0
    session.execute("COMMIT")


def test_a_limit_that_is_a_parameter_is_one(session: Session, told: str) -> None:
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE few(int) AS SELECT level FROM {told} LIMIT $1")
    for _ in range(3):
        assert session.value("EXECUTE few(1)") == 1
