"""What ten thousand pull requests cost, where a part of them or their number is wanted."""

from __future__ import annotations

import pytest
from devkit.emulator import Control

from tests.sql.conftest import import_all
from tests.support.database import Database
from tests.support.fixtures import DatabaseFactory


@pytest.fixture(scope="module")
def large(large_emulator: Control, db_factory: DatabaseFactory) -> Database:
    database = db_factory(emulator=large_emulator)
    import_all(database)
    database.execute("SET search_path = website; SET TimeZone = 'UTC'")
    return database


BY_STATE = {
    "SELECT state, count(*) FROM pull_requests GROUP BY 1": lambda rows: rows,
    "SELECT state, count(*) FROM pull_requests GROUP BY 1 HAVING count(*) > 1000": lambda rows: [
        row for row in rows if row[1] > 1000
    ],
    "SELECT count(*) FILTER (WHERE state = 'OPEN'), count(*) FROM pull_requests": lambda rows: [
        (dict(rows)["OPEN"], sum(dict(rows).values()))
    ],
    "SELECT DISTINCT state FROM pull_requests": lambda rows: [(state,) for state, _ in rows],
}


def test_states_are_counted_by_a_size_each(large: Database) -> None:
    # With another column, the rows themselves are read.
    whole = large.query("SELECT state, count(*), max(id) FROM pull_requests GROUP BY 1")
    assert len(whole.requests) >= 200
    rows = [row[:2] for row in whole.rows]
    for statement, of in BY_STATE.items():
        result = large.query(statement)
        assert sorted(result.rows) == sorted(of(rows)), statement
        assert len(result.requests) == 5, statement


def test_a_month_by_a_cast_of_its_days_is_asked_for(large: Database, host: str) -> None:
    [(day,)] = large.rows("SELECT created_on::date::text FROM pull_requests WHERE id = 5000")
    statement = (
        f"SELECT id FROM pull_requests WHERE created_on::date BETWEEN '{day}'::date AND "
        f"'{day}'::date + 2"
    )
    found = large.query(statement)
    assert (5000,) in found.rows
    if host == "bundled":
        asked = len(found.requests)
        assert asked <= 1 + len(found.rows) // 50
        large.execute("SET multicorn.implied_conditions = off")
        read = large.query(statement)
        large.execute("RESET multicorn.implied_conditions")
        assert sorted(read.rows) == sorted(found.rows)
        assert len(read.requests) >= 200
