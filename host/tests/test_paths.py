"""Plans: look-ups by join values, sorts and limits."""

from typing import Any

import pytest
from cluster import Session

SERIES = "[{'id': n, 'v': 10 * n} for n in range(20)]"


def lookup_rows(session: Session, query: str) -> list[Any]:
    """The quals of each execution of a query's look-ups."""
    session.journal()
    session.execute(query)
    return [call["quals"] for call in session.calls("execute")]


def test_join_values_arrive_through_path_keys(session: Session, local: str, keyed: str) -> None:
    query = f"SELECT l.id, t.v FROM {local} l JOIN {keyed} t USING (id) ORDER BY 1"
    assert "Nested Loop" in session.plan(query)
    assert session.rows(query) == [(3, 30), (4, 40)]
    quals = lookup_rows(session, query)
    assert quals[:2] == [[["id", "=", 3, "int"]], [["id", "=", 4, "int"]]]


@pytest.mark.beyond("looks a NULL up as IS NULL")
def test_no_lookup_of_null(session: Session, local: str, keyed: str) -> None:
    query = f"SELECT l.id, t.v FROM {local} l LEFT JOIN {keyed} t USING (id) ORDER BY 1"
    assert session.rows(query) == [(3, 30), (4, 40), (None, None)]
    assert len(lookup_rows(session, query)) == 2


def test_no_lookup_where_a_full_scan_is_cheaper(session: Session, local: str) -> None:
    table = session.table("id int, v int", rows=SERIES, path_keys="[(('id',), 1)]", size="(1, 1)")
    assert "Join Filter" in session.plan(f"SELECT * FROM {local} JOIN {table} USING (id)") or (
        "Hash Cond" in session.plan(f"SELECT * FROM {local} JOIN {table} USING (id)")
    )


def test_lookup_by_two_columns(session: Session) -> None:
    session.execute("CREATE TEMP TABLE a AS SELECT 3 x, 30 y; ANALYZE a")
    table = session.table(
        "id int, v int", rows=SERIES, path_keys="[(('id', 'v'), 1)]", size="(10**6, 100)"
    )
    one = f"SELECT * FROM a JOIN {table} t ON t.id = a.x"
    both = f"SELECT * FROM a JOIN {table} t ON t.id = a.x AND t.v = a.y"
    fixed = f"SELECT * FROM a JOIN {table} t ON t.id = a.x AND t.v = 30"
    assert session.rows(one) == [(3, 30, 3, 30)]
    assert lookup_rows(session, one) == [[]]
    assert session.rows(both) == [(3, 30, 3, 30)]
    assert sorted(lookup_rows(session, both)[0]) == [["id", "=", 3, "int"], ["v", "=", 30, "int"]]
    assert session.rows(fixed) == [(3, 30, 3, 30)]
    assert ["id", "=", 3, "int"] in lookup_rows(session, fixed)[0]


def test_lookup_from_two_tables(session: Session) -> None:
    session.execute("CREATE TEMP TABLE a AS SELECT 3 x; CREATE TEMP TABLE b AS SELECT 30 y")
    session.execute("ANALYZE a, b")
    table = session.table(
        "id int, v int", rows=SERIES, path_keys="[(('id', 'v'), 1)]", size="(10**6, 100)"
    )
    query = f"SELECT * FROM a, b, {table} t WHERE t.id = a.x AND t.v = b.y"
    assert session.rows(query) == [(3, 30, 3, 30)]
    assert sorted(lookup_rows(session, query)[0]) == [["id", "=", 3, "int"], ["v", "=", 30, "int"]]


def test_lookup_in_lateral_and_of_varchar(session: Session) -> None:
    session.execute("CREATE TEMP TABLE a AS SELECT 'k3'::varchar AS k; ANALYZE a")
    table = session.table(
        "k text, v int",
        rows="[('k%d' % n, n) for n in range(9)]",
        path_keys="[(('k',), 1)]",
        size="(10**6, 100)",
    )
    query = f"SELECT a.k, x.v FROM a, LATERAL (SELECT v FROM {table} t WHERE t.k = a.k) x"
    assert session.rows(query) == [("k3", 3)]
    assert lookup_rows(session, query) == [[["k", "=", "k3", "str"]]]


def test_lateral_with_a_barrier(session: Session, local: str) -> None:
    table = session.table("id int, v int", rows=SERIES)
    query = (
        f"SELECT l.id, x.v FROM {local} l, LATERAL"
        f" (SELECT v FROM {table} t WHERE t.id = l.id OFFSET 0) x ORDER BY 1"
    )
    assert session.rows(query) == [(3, 30), (4, 40)]


def test_lookup_in_an_outer_join_and_a_semijoin(session: Session, local: str, keyed: str) -> None:
    less = f"(SELECT id FROM {local} WHERE id < 4)"
    left = f"SELECT l.id, t.v FROM {less} l LEFT JOIN {keyed} t ON t.id = l.id"
    assert session.rows(left) == [(3, 30)]
    assert lookup_rows(session, left) == [[["id", "=", 3, "int"]]]
    semi = f"SELECT t.v FROM {keyed} t WHERE t.id IN (SELECT id FROM {local} WHERE id < 4)"
    assert session.rows(semi) == [(30,)]
    assert lookup_rows(session, semi) == [[["id", "=", 3, "int"]]]


def test_join_of_two_foreign_tables(session: Session) -> None:
    small = session.table("id int", rows="[(3,), (4,)]", size="(2, 4)")
    large = session.table(
        "id int, v int", rows=SERIES, path_keys="[(('id',), 1)]", size="(10**6, 100)"
    )
    query = f"SELECT s.id, l.v FROM {small} s JOIN {large} l ON l.id = s.id"
    assert session.rows(query) == [(3, 30), (4, 40)]
    assert [["id", "=", 4, "int"]] in lookup_rows(session, query)


def test_unusable_path_keys(session: Session, local: str) -> None:
    table = session.table("id int, v int", rows=SERIES, path_keys="[((), 1), (('v',), 1)]")
    assert len(session.rows(f"SELECT * FROM {local} JOIN {table} USING (id)")) == 2


@pytest.mark.beyond("reads what it is given as something else")
@pytest.mark.parametrize("keys", ["5", "[5]", "[(('id',), 'many')]", "[(5, 1)]"])
def test_wrong_path_keys(session: Session, local: str, keys: str) -> None:
    table = session.table("id int", path_keys=keys)
    assert session.error(f"SELECT * FROM {local} JOIN {table} USING (id)").sqlstate == "HV000"


# Sorting


def sort_keys(session: Session, query: str) -> list[object]:
    session.journal()
    session.execute(query)
    (call,) = session.calls("execute")
    return call["sortkeys"]


SORTED = "[{'id': n, 'v': 20 - n} for n in range(20)]"


@pytest.mark.parametrize(
    ("order", "key"),
    [
        ("id", ["id", 1, False, False, None]),
        ("id DESC", ["id", 1, True, True, None]),
        ("id NULLS FIRST", ["id", 1, False, True, None]),
        ("id DESC NULLS LAST", ["id", 1, True, False, None]),
        ('t COLLATE "C"', ["t", 3, False, False, "C"]),
        ("vc", ["vc", 4, False, False, None]),
    ],
)
def test_sort(session: Session, order: str, key: list[object]) -> None:
    table = session.table("id int, v int, t text, vc varchar(3)", rows=SORTED, sortable="sortkeys")
    query = f"SELECT id FROM {table} ORDER BY {order}"
    assert "Sort" not in session.plan(query)
    assert sort_keys(session, query) == [key]


def test_sort_by_two_columns(session: Session) -> None:
    table = session.table("id int, v int", rows=SORTED, sortable="sortkeys")
    query = f"SELECT id FROM {table} ORDER BY v DESC, id"
    assert sort_keys(session, query) == [["v", 2, True, True, None], ["id", 1, False, False, None]]


def test_sort_by_a_prefix(session: Session) -> None:
    table = session.table("id int, v int", rows=SORTED, sortable="sortkeys[:1]", size="(10**5, 10)")
    query = f"SELECT id FROM {table} ORDER BY id, v DESC"
    assert "Presorted Key: id" in session.plan(query)
    assert sort_keys(session, query) == [["id", 1, False, False, None]]
    assert session.rows(query) == [(n,) for n in range(20)]


def test_sort_that_the_wrapper_declines(session: Session) -> None:
    table = session.table("id int, v int", rows=SORTED)
    query = f"SELECT id FROM {table} ORDER BY v"
    assert "Sort Key: v" in session.plan(query)
    assert sort_keys(session, query) == []
    assert session.rows(query) == [(n,) for n in range(19, -1, -1)]


def test_sort_is_not_asked_for_expressions(session: Session) -> None:
    table = session.table("id int, v int", rows=SORTED, sortable="sortkeys")
    session.execute(f"SELECT id FROM {table} ORDER BY id + 1")
    session.execute(f"SELECT id FROM {table} ORDER BY v, id + 1")
    assert session.calls("can_sort") == []


def test_sort_for_grouping_and_distinct(session: Session) -> None:
    table = session.table("id int, v int", rows=SORTED, sortable="sortkeys", size="(10**6, 10)")
    session.execute("SET enable_hashagg = off")
    plan = session.plan(f"SELECT DISTINCT id FROM {table}")
    assert "Unique" in plan
    assert "Sort" not in plan
    assert len(session.rows(f"SELECT id, count(*) FROM {table} GROUP BY id")) == 20


def test_minimum_by_a_sorted_scan(session: Session) -> None:
    table = session.table("id int, v int", rows=SORTED, sortable="sortkeys", size="(10**6, 10)")
    assert session.value(f"SELECT min(id) FROM {table}") == 0
    (call,) = session.calls("execute")
    assert call["sortkeys"] == [["id", 1, False, False, None]]
    assert call["quals"] == [["id", "<>", None, "NoneType"]]


# LIMIT and OFFSET

SLICE = "[offset or 0:None if limit is None else (offset or 0) + limit]"
LIMITED = "[{'id': n, 'v': n} for n in range(100)]" + SLICE


def limits(session: Session, query: str) -> tuple[Any, Any]:
    session.journal()
    session.execute(query)
    (call,) = session.calls("execute")
    return call["limit"], call["offset"]


@pytest.fixture
def limited(session: Session) -> str:
    return session.table("id int, v int", rows=LIMITED, limited="True", sortable="sortkeys")


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("LIMIT 3", (3, None)),
        ("LIMIT 3 OFFSET 2", (3, 2)),
        ("LIMIT 0", (0, None)),
        ("LIMIT ALL", (None, None)),
        ("", (None, None)),
        ("FETCH FIRST 3 ROWS ONLY", (3, None)),
        ("ORDER BY id LIMIT 3", (3, None)),
        ("ORDER BY id, v LIMIT 3 OFFSET 1", (3, 1)),
    ],
)
def test_limit(session: Session, limited: str, clause: str, expected: tuple[Any, Any]) -> None:
    query = f"SELECT id FROM {limited} {clause}"
    assert limits(session, query) == expected
    limit, offset = expected
    start = offset or 0
    stop = 100 if limit is None else start + limit
    assert session.rows(query) == [(n,) for n in range(start, stop)]


@pytest.mark.beyond("takes an OFFSET without LIMIT for minus one row")
def test_offset_alone(session: Session, limited: str) -> None:
    query = f"SELECT id FROM {limited} OFFSET 98"
    assert limits(session, query) == (None, 98)
    assert session.rows(query) == [(98,), (99,)]


@pytest.mark.beyond("takes a negative LIMIT for none, and reads the rows before it refuses")
@pytest.mark.parametrize(
    ("clause", "sqlstate"),
    [
        ("LIMIT -1", "2201W"),
        ("OFFSET -1", "2201X"),
        ("LIMIT 3 OFFSET -1", "2201X"),
        ("LIMIT -1 OFFSET 3", "2201W"),
        ("LIMIT (-9223372036854775808)", "2201W"),
        ("FETCH FIRST (-1) ROWS ONLY", "2201W"),
    ],
)
@pytest.mark.parametrize("source", ["{}", "{} WHERE id >= 0", "{} ORDER BY id"])
def test_negative_limit(
    session: Session, exact_server: str, clause: str, sqlstate: str, source: str
) -> None:
    table = session.table(
        "id int, v int", exact_server, rows=LIMITED, limited="True", sortable="sortkeys"
    )
    query = f"SELECT id FROM {source.format(table)} {clause}"
    assert session.error(query).sqlstate == sqlstate
    assert session.calls("can_limit", "execute") == []
    parameters = clause.replace("-1", "$1").replace("-9223372036854775808", "$1")
    session.execute(f"PREPARE q(bigint) AS SELECT id FROM {source.format(table)} {parameters}")
    for _ in range(7):
        assert session.error("EXECUTE q(-1)").sqlstate == sqlstate
    session.execute("DEALLOCATE q")


@pytest.mark.beyond("keeps 32 bits of it")
def test_large_limit(session: Session, limited: str) -> None:
    assert limits(session, f"SELECT id FROM {limited} LIMIT 5000000000") == (5000000000, None)


def test_limit_with_expressions_in_the_target_list(session: Session, limited: str) -> None:
    query = f"SELECT id * 2 AS twice, 'x' FROM {limited} LIMIT 2"
    assert limits(session, query) == (2, None)
    assert session.rows(query) == [(0, "x"), (2, "x")]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT id FROM {} WHERE v > 5 LIMIT 3",
        "SELECT count(*) FROM {} LIMIT 3",
        "SELECT DISTINCT v % 7 FROM {} LIMIT 3",
        "SELECT v % 7, count(*) FROM {} GROUP BY 1 LIMIT 3",
        "SELECT id FROM {} ORDER BY id + 1 LIMIT 3",
        "SELECT row_number() OVER (ORDER BY -id) FROM {} LIMIT 3",
        "SELECT id FROM {} ORDER BY id FETCH FIRST 3 ROWS WITH TIES",
        "SELECT id FROM {} LIMIT (SELECT 3)",
        "SELECT id FROM {} WHERE (SELECT true) LIMIT 3",
        "SELECT id FROM {} WHERE random() >= 0 LIMIT 3",
        "SELECT id FROM {0} UNION ALL SELECT 5 LIMIT 3",
    ],
)
def test_limit_stays_local(session: Session, limited: str, query: str) -> None:
    assert limits(session, query.format(limited)) == (None, None)


@pytest.mark.beyond("pushes it past a set-returning function, row locks, and some conditions")
@pytest.mark.parametrize(
    "query",
    [
        "SELECT id, generate_series(1, 2) FROM {} LIMIT 3",
        "SELECT id FROM {} LIMIT 3 FOR UPDATE",
        "SELECT id FROM {} WHERE v % 2 IN (SELECT 1) LIMIT 3",
    ],
)
def test_limit_stays_local_too(session: Session, limited: str, query: str) -> None:
    assert limits(session, query.format(limited)) == (None, None)
    assert len(session.rows(query.format(limited))) == 3


def test_limit_in_a_subquery_of_a_join(session: Session, limited: str, local: str) -> None:
    query = f"SELECT * FROM (SELECT id FROM {limited} LIMIT 4) s JOIN {local} l USING (id)"
    assert session.rows(query) == [(3,)]
    assert limits(session, query) == (4, None)


def test_limit_the_wrapper_declines(session: Session) -> None:
    table = session.table("id int", rows="[(1,), (2,), (3,)]")
    assert session.rows(f"SELECT id FROM {table} LIMIT 2") == [(1,), (2,)]
    calls = session.calls("can_limit", "execute")
    assert [(c["limit"], c["offset"]) for c in calls] == [(2, None), (None, None)]


@pytest.fixture
def exact_server(session: Session) -> str:
    session.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'exact') THEN"
        " CREATE SERVER exact FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'contract.ExactWrapper'); END IF; END $$"
    )
    return "exact"


EXACT = "[{'id': n, 'v': n} for n in range(50, 100)]" + SLICE


@pytest.mark.beyond("has no such hook")
def test_limit_with_exact_quals(session: Session, exact_server: str) -> None:
    table = session.table(
        "id int, v int", exact_server, rows=EXACT, limited="True", sortable="sortkeys"
    )
    query = f"SELECT id FROM {table} WHERE id >= 50 AND v < 1000 ORDER BY v LIMIT 2 OFFSET 1"
    session.journal()
    assert session.rows(query) == [(51,), (52,)]
    exact, execute = session.calls("exact_quals", "execute")
    assert sorted(exact["quals"]) == [["id", ">=", 50, "int"], ["v", "<", 1000, "int"]]
    assert (execute["limit"], execute["offset"]) == (2, 1)
    assert "Limit" not in session.plan(query)


@pytest.mark.parametrize(
    ("where", "options"),
    [
        ("id >= 50", {"exact": "False"}),
        ("id >= 50 AND id + v > 3", {}),
        ("id >= 50 AND id < (SELECT 1000)", {}),
        ("id >= 50 AND (SELECT true)", {}),
        ("id >= 50", {"limited": "False"}),
    ],
)
def test_limit_without_exact_quals(
    session: Session, exact_server: str, where: str, options: dict[str, str]
) -> None:
    table = session.table(
        "id int, v int", exact_server, **{"rows": EXACT, "limited": "True"} | options
    )
    query = f"SELECT id FROM {table} WHERE {where} LIMIT 2"
    assert limits(session, query) == (None, None)
    assert session.rows(query) == [(50,), (51,)]
