"""Beyond Multicorn2: after how many rows of a scan a query ends the reading, as EXPLAIN is told."""

from __future__ import annotations

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("it does not tell")

WANTED = {
    "SELECT * FROM {t} LIMIT 3": 3,
    "SELECT * FROM {t} LIMIT 3 OFFSET 4": 7,
    "SELECT * FROM {t} WHERE v = 10 LIMIT 3": 3,
    "SELECT * FROM {t} ORDER BY id LIMIT 3": 3,
    "SELECT EXISTS (SELECT FROM {t} WHERE v = 10)": 1,
    "SELECT min(id) FROM {t}": 1,
    "SELECT max(id) FROM {t}": 1,
    # Which rows these are is not known before all are read, or how many others are passed over.
    "SELECT * FROM {t}": 0,
    "SELECT * FROM {t} LIMIT ALL": 0,
    "SELECT * FROM {t} ORDER BY v LIMIT 3": 0,
    "SELECT * FROM {t} WHERE length(v::text) = 2 LIMIT 3": 0,
    "SELECT v, count(*) FROM {t} GROUP BY v LIMIT 3": 0,
    "SELECT DISTINCT v FROM {t} LIMIT 3": 0,
    "SELECT generate_series(1, v) FROM {t} LIMIT 3": 0,
    "SELECT min(v) FROM {t}": 0,
    "SELECT t.* FROM {t} t, generate_series(1, 2) g WHERE g < id LIMIT 3": 0,
}


@pytest.mark.parametrize("query", WANTED)
def test_explain_is_told_when_the_reading_ends(session: Session, query: str) -> None:
    sortable = "[key for key in sortkeys if key.attname == 'id']"
    table = session.table("id int, v int", sortable=sortable)
    session.plan(query.format(t=table))
    assert {call["wanted"] for call in session.calls("explain")} == {WANTED[query]}


def test_a_cursor_does_not_say_when(session: Session) -> None:
    table = session.table("id int, v int")
    session.plan(f"DECLARE c CURSOR FOR SELECT * FROM {table}")
    assert [call["wanted"] for call in session.calls("explain")] == [0]
