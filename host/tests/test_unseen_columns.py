"""Beyond Multicorn2: the columns of which nothing sees a value but the quals."""

from __future__ import annotations

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("it does not tell")

ROWS = "[{'id': 1, 'other': 1, 't': ','.join(sorted(self.unseen_columns)) or 'none'}]"


@pytest.fixture
def told(session: Session) -> str:
    """A table whose column t says which columns are not seen; t itself is, wherever it is used."""
    return session.table("id int, other int, t text, tz timestamptz", rows=ROWS)


UNSEEN = {
    "SELECT t FROM {t}": "none",
    "SELECT t FROM {t} WHERE id = 1": "id",
    "SELECT t FROM {t} WHERE id > 0 AND id < 9": "id",
    "SELECT t FROM {t} WHERE id > 0 AND other IN (1, 2)": "id,other",
    "SELECT t FROM {t} WHERE id = 1 ORDER BY t LIMIT 1": "id",
    "SELECT max(t) FROM {t} WHERE id = 1": "id",
    "SELECT t FROM {t} GROUP BY t, other HAVING count(*) = 1": "none",
    "SELECT t FROM {t} s WHERE id = 1 AND EXISTS (SELECT WHERE s.other = 1)": "id,other",
    "WITH c AS MATERIALIZED (SELECT t FROM {t} WHERE id = 1) SELECT t FROM c": "id",
    "SELECT t FROM (SELECT t, id FROM {t}) s WHERE id = 1": "id",
    "SELECT t FROM {t} WHERE id = (SELECT 1)": "id",
    # Seen by what is shown, sorted, grouped or joined, ...
    "SELECT t FROM {t} WHERE id = 1 ORDER BY id": "none",
    "SELECT t FROM {t} WHERE id > 0 ORDER BY -id": "none",
    "SELECT max(t) FILTER (WHERE id = 1) FROM {t} WHERE id > 0": "none",
    "SELECT max(t) FROM {t} WHERE id > 0 GROUP BY id": "none",
    "SELECT DISTINCT ON (id) t FROM {t} WHERE id > 0": "none",
    "SELECT t FROM {t} JOIN generate_series(1, 2) g ON g = id WHERE id > 0": "none",
    "SELECT t FROM {t} LEFT JOIN generate_series(2, 2) n ON n = id + other WHERE id > 0": "none",
    "SELECT t FROM {t} s WHERE id > 0 AND EXISTS (SELECT FROM generate_series(1, 2) g "
    "WHERE g = s.id)": "none",
    "SELECT s.t FROM {t} s, LATERAL (SELECT s.id + 1 OFFSET 0) l(n) WHERE id > 0 AND n > 0": "none",
    "SELECT s.t FROM {t} s WHERE s.id > 0 AND s IS NOT NULL OR s.id = 1": "none",
    "SELECT (s).t FROM (SELECT s FROM {t} s WHERE id > 0 OFFSET 0) x": "none",
    # ... and by conditions that are no quals, or more than their quals.
    "SELECT t FROM {t} WHERE id = 1 AND id + 1 = 2": "none",
    "SELECT t FROM {t} WHERE id = 1 AND id + other = 2": "none",
    "SELECT t FROM {t} WHERE id = 1 OR other = 3": "none",
    "SELECT t FROM {t} WHERE id = other": "none",
    "SELECT t FROM {t} WHERE id > 0 AND CASE WHEN id = 1 THEN true END": "none",
    "SELECT t FROM {t} WHERE id > 0 AND id * random() >= 0": "none",
}


@pytest.mark.parametrize("query", UNSEEN)
def test_a_scan_is_told_what_only_quals_see(session: Session, told: str, query: str) -> None:
    assert [row[0] for row in session.rows(query.format(t=told))] == [UNSEEN[query]]


def test_a_condition_that_implies_quals_sees_its_column(session: Session) -> None:
    rows = "[{'tz': '2024-01-01T12:00Z', 't': repr(set(self.unseen_columns))}]"
    table = session.table("t text, tz timestamptz", implied="true", rows=rows)
    session.execute("SET TimeZone = 'UTC'")
    for condition, unseen in {
        "tz >= '2024-01-01'": "{'tz'}",
        "tz::date = '2024-01-01'": "set()",
        "tz::date = '2024-01-01' AND tz >= '2024-01-01'": "set()",
    }.items():
        assert session.value(f"SELECT t FROM {table} WHERE {condition}") == unseen


def test_a_kept_plan_tells_the_same(session: Session, told: str) -> None:
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE few(int) AS SELECT t FROM {told} WHERE id >= $1")
    for _ in range(3):
        assert session.value("EXECUTE few(1)") == "id"


def test_rows_that_are_locked_or_changed_are_seen(session: Session, told: str) -> None:
    rows = session.rows(f"SELECT t FROM {told} WHERE id = 1 FOR UPDATE")
    assert rows == [("none",)]
