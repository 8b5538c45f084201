"""Beyond Multicorn2: the look-ups of a batch begin together, and are read one after another.

The wrapper tells of each scan that is to wait for its turn, of its turn, and of its end.
"""

from __future__ import annotations

import pytest
from cluster import Cluster, Session

pytestmark = pytest.mark.beyond("looks up one key at a time")

NODE = "Custom Scan (Batched Join)"
MOST_AHEAD = 32


@pytest.fixture(scope="module", autouse=True)
def _switched_on(cluster: Cluster, database: str) -> None:
    with cluster.connect() as connection:
        connection.execute(f"ALTER DATABASE {database} SET multicorn.enable_batched_join = on")


@pytest.fixture
def groups(session: Session) -> str:
    """A table that is looked up by two columns, whose lists are of one value of the first one."""
    return make_groups(session, "[{'g': n % 5, 'id': n, 'v': n} for n in range(200)]")


def make_groups(session: Session, rows: str, most: int = 20, **options: str) -> str:
    session.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'searching') THEN"
        " CREATE SERVER searching FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'searching.SearchingWrapper'); END IF; END $$;"
        "CREATE TEMP TABLE IF NOT EXISTS l AS SELECT g AS id, g % 5 AS g FROM "
        "generate_series(1, 60) g; ANALYZE l"
    )
    return session.table(
        "g int, id int, v int",
        "searching",
        rows=rows,
        path_keys="[(('g', 'id'), 1)]",
        list_keys=f"[(('g', 'id'), {most}, 1, 1)]",
        size="(10**6, 100)",
        **options,
    )


def turns(session: Session, query: str) -> list[tuple[str, int]]:
    """What the wrapper tells, in order; whatever waits for its turn is asked for only once."""
    session.journal()
    session.execute(query)
    calls = session.calls("in turn", "its turn", "over")
    return [(call["hook"], call["scan"]) for call in calls]


def told(calls: list[tuple[str, int]], hook: str) -> list[int]:
    return [scan for name, scan in calls if name == hook]


JOIN = "SELECT l.id, t.v FROM l JOIN {} t USING (g, id)"


@pytest.mark.parametrize(
    "query",
    [
        JOIN,
        "SELECT l.id, t.v FROM l LEFT JOIN {} t ON t.g = l.g AND t.id = l.id AND t.v % 2 = 0",
        "SELECT l.id FROM l WHERE EXISTS (SELECT FROM {} t WHERE t.g = l.g AND t.id = l.id)",
        "SELECT l.id FROM l WHERE NOT EXISTS "
        "(SELECT FROM {} t WHERE t.g = l.g AND t.id = l.id + 3)",
        "CREATE TEMP TABLE made ON COMMIT DROP AS " + JOIN,
    ],
)
def test_all_groups_of_a_batch_begin_before_the_first_is_read(
    session: Session, groups: str, query: str
) -> None:
    if not query.startswith("CREATE"):
        assert NODE in session.plan(query.format(groups))
    calls = turns(session, query.format(groups))
    waiting = told(calls, "in turn")
    assert len(waiting) == 5
    assert calls[:5] == [("in turn", scan) for scan in waiting]
    assert told(calls, "its turn") == waiting


@pytest.mark.parametrize("kind", ["JOIN", "LEFT JOIN"])
def test_the_rows_are_those_of_looking_up_each_key(
    session: Session, groups: str, kind: str
) -> None:
    query = f"SELECT l.id, t.v FROM l {kind} {groups} t ON t.g = l.g AND t.id = l.id * 4 ORDER BY 1"
    together = session.rows(query)
    session.execute("SET multicorn.start_together = off")
    assert turns(session, query) == []
    assert session.rows(query) == together
    session.execute("SET multicorn.enable_batched_join = off")
    assert session.rows(query) == together


def test_each_list_is_asked_for_once(session: Session, groups: str) -> None:
    asked = []
    for switch in ("off", "on"):
        session.execute(f"SET multicorn.start_together = {switch}")
        session.journal()
        session.execute(JOIN.format(groups))
        asked.append([call["quals"] for call in session.calls("execute")])
    assert asked[0] == asked[1]
    assert len(asked[0]) == 5


def test_not_all_of_many_groups_wait_at_once(session: Session) -> None:
    table = make_groups(session, "[{'g': n, 'id': n, 'v': n} for n in range(200)]")
    session.execute(
        "CREATE TEMP TABLE many AS SELECT n AS g, n AS id FROM generate_series(1, 100) n"
    )
    query = f"SELECT many.id, t.v FROM many JOIN {table} t USING (g, id)"
    assert NODE in session.plan(query)
    assert len(session.rows(query)) == 100
    waiting, most = set(), 0
    for hook, scan in turns(session, query):
        if hook == "in turn":
            waiting.add(scan)
        elif hook == "its turn":
            waiting.remove(scan)
        most = max(most, len(waiting))
    assert not waiting
    assert most == MOST_AHEAD + 1  # the one whose turn has come


@pytest.fixture
def small(session: Session) -> str:
    """The same with lists of two keys, so that two batches have the local table's rows."""
    return make_groups(session, "[{'g': n % 5, 'id': n, 'v': n} for n in range(200)]", most=2)


def test_the_next_batch_begins_before_the_first_is_read(session: Session, small: str) -> None:
    query = JOIN.format(small)
    assert "Batches: 2" in session.plan(query, "analyze, costs off")
    calls = turns(session, query)
    waiting = told(calls, "in turn")
    assert calls[:MOST_AHEAD] == [("in turn", scan) for scan in waiting[:MOST_AHEAD]]
    assert told(calls, "its turn") == waiting
    rows = session.rows(query)
    assert sorted(rows) == [(n, n) for n in range(1, 61)]
    asked = [call["quals"] for call in session.calls("execute")]
    session.execute("SET multicorn.start_together = off")
    assert turns(session, query) == []
    assert session.rows(query) == rows
    assert [call["quals"] for call in session.calls("execute")] == asked


@pytest.mark.parametrize("count", [1, 32, 33, 63, 64, 65, 100])
@pytest.mark.parametrize("kind", ["JOIN", "LEFT JOIN"])
def test_batches_of_every_size(session: Session, small: str, count: int, kind: str) -> None:
    session.execute(
        f"CREATE TEMP TABLE many AS SELECT n % 5 AS g, n AS id FROM generate_series(1, {count}) n;"
        "ANALYZE many; SET enable_hashjoin = off; SET enable_mergejoin = off"
    )
    query = f"SELECT many.id, t.v FROM many {kind} {small} t ON t.g = many.g AND t.id = many.id"
    assert session.rows(query) == [(n, n) for n in range(1, count + 1)]
    calls = turns(session, query)
    assert told(calls, "in turn") == told(calls, "its turn")
    assert len(told(calls, "in turn")) == len(told(calls, "over"))


def test_a_join_that_is_run_again_forgets_both_batches(session: Session, small: str) -> None:
    query = (
        "SELECT o.n, (SELECT string_agg(t.v::text, ',' ORDER BY t.v) FROM l "
        f"JOIN {small} t USING (g, id) WHERE t.v % 10 = o.n) FROM generate_series(0, 2) o (n)"
    )
    assert NODE in session.plan(query)
    expected = [(n, ",".join(str(v) for v in range(1, 61) if v % 10 == n)) for n in range(3)]
    assert session.rows(query) == expected


def test_an_error_of_the_other_side_ends_the_query(session: Session, small: str) -> None:
    query = f"SELECT l.id, t.v FROM (SELECT id, g / (id - 50) AS x, g FROM l) l JOIN {small} t"
    query += " ON t.id = l.id AND t.g = l.g WHERE l.x < 100"
    for _ in range(2):
        assert session.error(query).sqlstate == "22012"
    assert len(session.rows(JOIN.format(small))) == 60


@pytest.mark.parametrize(
    "query",
    [
        JOIN.replace("t.v", "random()"),
        "SELECT l.id, t.v FROM (SELECT * FROM l WHERE random() < 2) l JOIN {} t USING (g, id)",
    ],
    ids=["volatile", "volatile below"],
)
def test_nothing_begins_before_its_time(session: Session, groups: str, query: str) -> None:
    assert NODE in session.plan(query.format(groups))
    assert turns(session, query.format(groups)) == []


def test_nothing_begins_below_a_condition_that_may_pass_over_it(
    session: Session, groups: str
) -> None:
    query = (
        "SELECT l.id, t.v FROM l LEFT JOIN "
        f"(SELECT * FROM {groups} WHERE current_setting('port') = '0') t USING (g, id)"
    )
    plan = session.plan(query)
    assert NODE in plan
    # PostgreSQL 18 checks it on the rows that were read, so that each look-up has its turn.
    passes_over = "One-Time Filter" in plan
    assert passes_over or "Join Filter" in plan
    assert (turns(session, query) == []) == passes_over


@pytest.mark.parametrize(
    ("query", "certain"),
    [
        (JOIN, True),
        (JOIN + " ORDER BY t.v LIMIT 30", True),
        ("SELECT count(*) FROM l WHERE NOT EXISTS "
         "(SELECT FROM {} t WHERE t.g = l.g AND t.id = l.id)", True),
        ("SELECT l.id FROM l WHERE EXISTS (SELECT FROM {} t WHERE t.g = l.g AND t.id = l.id) "
         "LIMIT 30", False),
        (JOIN + " LIMIT 30", False),
        (JOIN + " ORDER BY l.id LIMIT 30", False),
        ("SELECT EXISTS (SELECT FROM l JOIN {} t USING (g, id) WHERE t.v > 30)", False),
    ],
)  # fmt: skip
def test_the_wrapper_is_told_whether_each_turn_will_come(
    session: Session, groups: str, query: str, certain: bool
) -> None:
    session.execute("SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_sort = off")
    session.execute("CREATE INDEX ON l (id)")
    plan = session.plan(query.format(groups))
    assert NODE in plan
    session.journal()
    session.execute(query.format(groups))
    assert {call["certain"] for call in session.calls("in turn")} == {certain}, plan


def test_a_cursor_begins_with_what_it_reads(session: Session, groups: str) -> None:
    session.execute(f"BEGIN; DECLARE c CURSOR FOR {JOIN.format(groups)}")
    assert turns(session, "FETCH 1 FROM c") == []
    some = turns(session, "FETCH 2 FROM c")
    rest = turns(session, "FETCH ALL FROM c")
    assert len(told(some, "in turn")) == 4  # of a batch of four rows
    session.execute("COMMIT")
    assert len(told(some + rest, "in turn")) == len(told(some + rest, "its turn"))


def test_what_waits_ends_with_the_query(session: Session, groups: str) -> None:
    session.execute(f"BEGIN; DECLARE c CURSOR FOR {JOIN.format(groups)}")
    calls = turns(session, "FETCH 2 FROM c")
    waiting = set(told(calls, "in turn")) - set(told(calls, "over"))
    assert waiting
    read = set(told(calls, "its turn"))
    assert set(told(turns(session, "CLOSE c"), "over")) == waiting & read
    session.execute("COMMIT")


def test_a_group_that_cannot_begin_fails_in_its_turn(session: Session) -> None:
    table = make_groups(
        session,
        "[{'g': n % 5, 'id': n, 'v': n} for n in range(200)]",
        refuses="any(q.field_name == 'g' and q.value == 4 for q in quals)",
    )
    query = JOIN.format(table)
    for _ in range(2):
        session.execute(f"BEGIN; DECLARE c CURSOR FOR {query}")
        assert session.rows("FETCH 3 FROM c") == [(1, 1), (2, 2), (3, 3)]
        assert "refused" in (session.error("FETCH 2 FROM c").message_detail or "")
        session.execute("ROLLBACK")
    session.journal()
    assert "refused" in (session.error(query).message_detail or "")
    calls = session.calls("in turn", "its turn")
    assert len([call for call in calls if call["hook"] == "in turn"]) == 5
    assert len([call for call in calls if call["hook"] == "its turn"]) == 3


def test_a_join_below_another_one_begins_its_scans_too(session: Session, groups: str) -> None:
    other = make_groups(session, "[{'g': n % 3, 'id': n, 'v': n} for n in range(99)]")
    query = (
        f"SELECT l.id, a.v, b.v FROM l JOIN {groups} a USING (g, id) "
        f"LEFT JOIN {other} b ON b.g = a.g AND b.id = a.v"
    )
    assert session.plan(query).count(NODE) == 2
    rows = sorted(session.rows(query), key=repr)
    calls = turns(session, query)
    assert len(told(calls, "in turn")) == len(told(calls, "its turn")) == 10
    session.execute("SET multicorn.start_together = off")
    assert sorted(session.rows(query), key=repr) == rows
