"""The look-ups of a join go side by side, though each of them is a scan of its own.

What is asked and answered is the same as when they go one after another.
"""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.sql.querying import OFF, ON, Both, both_ways, paths
from tests.support.database import Result

pytestmark = pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'", reason="Multicorn2 looks up no keys of a join"
)
BATCHED = "SET multicorn.enable_batched_join = on"
LOOPS = "SET enable_hashjoin = off; SET enable_mergejoin = off"
CONCURRENCY = 8

PAIRS = "pairs v"
OF_REPOSITORIES = {
    "items": f"SELECT v.r, v.id, p.title FROM {PAIRS} LEFT JOIN pull_requests p "
    "ON p.repository = v.r AND p.id = v.id",
    "exists": f"SELECT v.r, v.id FROM {PAIRS} WHERE NOT EXISTS (SELECT FROM pull_requests p "
    "WHERE p.repository = v.r AND p.id = v.id)",
    "listings": f"SELECT v.r, v.id, c.id FROM {PAIRS} JOIN pull_request_comments c "
    "ON c.repository = v.r AND c.pull_request_id = v.id",
    "two levels": "SELECT p.repository, p.id, c.id FROM pull_requests p "
    "JOIN pull_request_comments c ON c.repository = p.repository AND c.pull_request_id = p.id "
    "WHERE p.state = 'OPEN'",
    "steps": "SELECT p.repository, p.build_number, s.name FROM pipelines p JOIN pipeline_steps s "
    "ON s.repository = p.repository AND s.pipeline_uuid = p.uuid WHERE p.build_number <= 5",
    "ordered": f"SELECT v.r, v.id, p.title FROM {PAIRS} LEFT JOIN pull_requests p "
    "ON p.repository = v.r AND p.id = v.id ORDER BY p.title, v.r, v.id LIMIT 9",
}


@pytest.fixture
def joining(fresh: Both) -> Both:
    """With a local table of the keys of pull requests of all repositories.

    The plans hang on the sizes that a session has seen, so it is one that has seen none.
    """
    fresh.db.execute(
        f"{BATCHED}; {LOOPS}; CREATE TEMPORARY TABLE IF NOT EXISTS pairs AS "
        "SELECT slug AS r, id FROM acme_x.repositories, generate_series(1, 4) id; ANALYZE pairs"
    )
    return fresh


def met(result: Result) -> int:
    """The most requests that were under way at the same time."""
    return max((request.raw["in_flight"] for request in result.requests), default=0)


def assert_same(apart: Result, together: Result) -> None:
    assert Counter(map(repr, together.rows)) == Counter(map(repr, apart.rows))
    assert Counter(together.lines) == Counter(apart.lines)
    assert together.notices == apart.notices


@pytest.mark.parametrize("what", OF_REPOSITORIES)
def test_the_rows_and_the_requests_are_the_same(joining: Both, what: str) -> None:
    statement = OF_REPOSITORIES[what]
    joining.query(statement, on="acme")
    assert "Batched Join" in joining.explain(statement, on="acme")
    assert_same(*both_ways(joining, statement, "acme"))


@pytest.mark.parametrize("what", ["items", "exists", "listings", "steps"])
def test_repositories_do_not_wait_for_each_other(joining: Both, emulator, what: str) -> None:
    emulator.fault("*", kind="slow", delay_ms=200, count=None)
    apart, together = both_ways(joining, OF_REPOSITORIES[what], "acme")
    assert_same(apart, together)
    if what in ("items", "exists"):
        assert met(apart) == 1
    assert 3 <= met(together) <= CONCURRENCY


def test_one_list_for_each_repository(joining: Both) -> None:
    statement = OF_REPOSITORIES["items"]
    joining.run(statement, on="acme")
    asked = Counter(paths(joining.run(statement, on="acme")))
    assert set(asked.values()) == {1}
    assert all(path.endswith("/pullrequests") for path in asked)
    assert len(asked) == joining.db.value("SELECT count(*) FROM acme_x.repositories")


@pytest.mark.parametrize("most", [1, 5, 17])
def test_a_limit_asks_for_no_more(joining: Both, most: int) -> None:
    statement = f"{OF_REPOSITORIES['items']} LIMIT {most}"
    apart, together = both_ways(joining, statement, "acme")
    assert Counter(together.lines) == Counter(apart.lines)
    assert len(together.rows) == most


def test_a_cursor_that_stops_has_asked_for_a_little_more(joining: Both) -> None:
    made = []
    for switch in (OFF, ON):
        joining.db.execute(switch)
        joining.db.execute("SET search_path = acme")
        with joining.db.connection.transaction():
            joining.db.execute(f"DECLARE c CURSOR FOR {OF_REPOSITORIES['items']}")
            made.append(len(joining.db.query("FETCH 1 FROM c").requests))
            made.append(len(joining.db.query("FETCH 8 FROM c").requests))
    assert made[0] == made[2]
    assert made[3] <= made[1] + CONCURRENCY


def test_what_a_repository_refuses_is_told_in_its_turn(joining: Both, emulator) -> None:
    statement = OF_REPOSITORIES["listings"]
    joining.run(statement, on="acme")
    for status in (403, 404):
        emulator.fault(
            "*/website/pullrequests/*/comments*", kind="status", status=status, count=None
        )
        apart, together = both_ways(joining, statement, "acme")
        assert_same(apart, together)
        emulator.clear_faults()


def test_an_error_ends_the_statement_once(joining: Both, emulator, refusals_expected: None) -> None:
    statement = OF_REPOSITORIES["listings"]
    joining.run(statement, on="acme")
    emulator.fault("*/website/pullrequests/2/comments*", kind="status", status=400, count=None)
    errors = []
    for switch in (OFF, ON):
        joining.db.execute(switch)
        with pytest.raises(Exception, match="400") as raised:
            joining.run(statement, on="acme")
        errors.append(str(raised.value))
    assert errors[0] == errors[1]
    emulator.clear_faults()
    assert_same(*both_ways(joining, statement, "acme"))


def test_no_request_is_left_behind_by_a_cancel(joining: Both, emulator) -> None:
    joining.run(OF_REPOSITORIES["items"], on="acme")
    emulator.fault("*/pullrequests*", kind="slow", delay_ms=30_000, count=None)
    joining.db.execute("SET statement_timeout = '500ms'")
    began = time.monotonic()
    with pytest.raises(Exception, match="statement timeout"):
        joining.run(OF_REPOSITORIES["items"], on="acme")
    assert time.monotonic() - began < 5
    made = len(emulator.requests())
    emulator.clear_faults()
    time.sleep(0.3)
    assert len(emulator.requests()) == made
    joining.db.execute("RESET statement_timeout")
    assert joining.run(OF_REPOSITORIES["items"], on="acme").rows


def test_scans_below_a_join_start_together(joining: Both, emulator) -> None:
    one = (
        "SELECT s.n, p.title FROM (SELECT count(*) AS n FROM {0}) s "
        "JOIN pull_requests p ON p.id = s.n"
    )
    statement = " UNION ALL ".join(one.format(name) for name in ("tags", "branches", "issues"))
    emulator.fault("*", kind="slow", delay_ms=200, count=None)
    apart, together = both_ways(joining, statement, "website")
    assert_same(apart, together)
    assert "Batched Join" in joining.explain(statement)
    assert met(apart) < met(together)
