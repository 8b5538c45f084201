"""Beyond Multicorn2: what get_rel_size is told of what its estimate is for."""

from __future__ import annotations

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("it does not tell")


@pytest.fixture
def table(session: Session) -> str:
    return session.table("id int, v int")  # which has the library loaded


def told(session: Session, statement: str, what: str = "plans_only") -> set[bool]:
    session.calls("get_rel_size")
    session.execute(statement)
    return {call[what] for call in session.calls("get_rel_size")}


SELECT = "SELECT count(*) FROM {t} WHERE id = 1"
PLANS_ONLY = {
    SELECT: {False},
    f"EXPLAIN {SELECT}": {True},
    f"EXPLAIN (COSTS OFF) {SELECT}": {True},
    f"EXPLAIN (ANALYZE off) {SELECT}": {True},
    f"EXPLAIN (ANALYZE, ANALYZE false) {SELECT}": {True},
    f"EXPLAIN ANALYZE {SELECT}": {False},
    f"EXPLAIN (VERBOSE, ANALYZE 1) {SELECT}": {False},
    f"CREATE TEMP TABLE copied AS {SELECT}": {False},
    f"EXPLAIN CREATE TEMP TABLE copied AS {SELECT}": {True},
    f"PREPARE p AS {SELECT}; EXPLAIN EXECUTE p": {True},
    f"PREPARE q AS {SELECT}; EXECUTE q": {False},
    f"DO $$ BEGIN EXECUTE 'EXPLAIN {SELECT}'; END $$": {True},
    f"DO $$ BEGIN PERFORM ({SELECT}); END $$": {False},
    f"DO $$ BEGIN EXECUTE 'EXPLAIN {SELECT}'; PERFORM ({SELECT}); END $$": {True, False},
    "DELETE FROM {t} WHERE id = 1": {False},
    "EXPLAIN DELETE FROM {t} WHERE id = 1": {True},
}


@pytest.mark.parametrize("statement", PLANS_ONLY)
def test_whether_a_plan_is_only_shown(session: Session, table: str, statement: str) -> None:
    assert told(session, statement.format(t=table)) == PLANS_ONLY[statement]


def test_after_an_explain_that_fails_plans_are_run_again(session: Session, table: str) -> None:
    session.error(f"EXPLAIN SELECT 1 / 0 FROM {table} WHERE v = 1 / 0")
    assert told(session, SELECT.format(t=table)) == {False}


@pytest.mark.parametrize(
    ("statement", "plans_only"),
    [
        (SELECT, {False}),
        (f"EXPLAIN {SELECT}", {True}),
        (f"EXPLAIN ANALYZE {SELECT}", {False}),
        (f"DO $$ BEGIN EXECUTE 'EXPLAIN {SELECT}'; END $$", {True}),
    ],
)
def test_the_first_statement_of_a_session(
    session: Session, table: str, statement: str, plans_only: set[bool]
) -> None:
    other = Session(session.cluster, session.dbname)
    try:
        assert told(other, statement.format(t=table)) == plans_only
    finally:
        other.close()


LOOKED_UP = {
    SELECT: False,
    "SELECT * FROM {t} WHERE id IN (1, 2) ORDER BY v LIMIT 3": False,
    "SELECT * FROM {t} WHERE id = (SELECT max(v) FROM {t})": False,
    "SELECT * FROM {t} a, {t} b": False,
    "SELECT * FROM {t} UNION ALL SELECT * FROM {t}": False,
    "SELECT * FROM {t} a JOIN {t} b USING (id)": True,
    "SELECT * FROM {t} a LEFT JOIN {t} b ON a.id = b.id AND a.v > b.v": True,
    "SELECT * FROM {t} WHERE id IN (SELECT v FROM {t})": True,
    "SELECT * FROM {t} a WHERE NOT EXISTS (SELECT FROM {t} b WHERE b.id = a.v)": True,
    "SELECT FROM (VALUES (1), (2)) o (id), LATERAL (SELECT FROM {t} i WHERE i.id = o.id) x": True,
    "SELECT * FROM (VALUES (1), (2)) o (id), (SELECT * FROM {t} UNION ALL SELECT * FROM {t}) x "
    "WHERE x.id = o.id": True,
}


@pytest.mark.parametrize("statement", LOOKED_UP)
def test_keys_are_asked_for_where_a_join_may_look_them_up(
    session: Session, table: str, statement: str
) -> None:
    session.calls("get_path_keys")
    session.execute(statement.format(t=table))
    assert bool(session.calls("get_path_keys")) == LOOKED_UP[statement]


CHOICES = {
    SELECT: {False},
    "SELECT * FROM {t} ORDER BY v LIMIT 3": {False},
    "SELECT * FROM {t} a JOIN {t} b USING (id)": {True},
    "SELECT * FROM {t} a, generate_series(1, 2) g WHERE g = id": {True},
    "SELECT * FROM generate_series(1, 2) g WHERE g IN (SELECT id FROM {t})": {True},
    "SELECT (SELECT max(v) FROM {t} WHERE id = g) FROM generate_series(1, 2) g": {True},
}


@pytest.mark.parametrize("statement", CHOICES)
def test_whether_the_size_decides(session: Session, table: str, statement: str) -> None:
    assert told(session, statement.format(t=table), "has_choices") == CHOICES[statement]
