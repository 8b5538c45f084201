"""Beyond Multicorn2: joins that look up the keys of several rows at once."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from cluster import Cluster, Session
from fuzz_joins import NODE, fuzz
from random_tables import make_types

pytestmark = pytest.mark.beyond("looks up one key at a time")

SERIES = "[{'id': n, 'v': n % 7, 'k': 'k%d' % (n % 5)} for n in range(200)]"


@pytest.fixture
def searching(session: Session) -> str:
    session.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'searching') THEN"
        " CREATE SERVER searching FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'searching.SearchingWrapper'); END IF; END $$"
    )
    return "searching"


@pytest.fixture
def listed(session: Session, searching: str) -> str:
    """A table that takes ten ids at once for what one costs, or five of one value of v."""
    return session.table(
        "id int, v int, k text",
        searching,
        rows=SERIES,
        path_keys="[(('id',), 1), (('v', 'id'), 1)]",
        list_keys="[(('id',), 10, 1, 1), (('v', 'id'), 5, 1, 1)]",
        size="(10**6, 100)",
    )


@pytest.fixture
def outer(session: Session) -> str:
    """A local table of 25 rows: id, the same with some NULLs, and few different values."""
    session.execute(
        "CREATE TEMP TABLE l AS SELECT g AS id, nullif(g, 3) AS n, g % 3 AS few "
        "FROM generate_series(1, 25) g; ANALYZE l"
    )
    return "l"


def asked(session: Session, query: str) -> list[Any]:
    """The quals of each scan that a query makes."""
    session.journal()
    session.execute(query)
    return [call["quals"] for call in session.calls("execute")]


def values(session: Session, query: str) -> list[Any]:
    """What each scan of a query asks of its only column."""
    return [qual[2] for ((*qual,),) in asked(session, query)]


def numbers(first: int, last: int) -> list[int]:
    return list(range(first, last + 1))


@pytest.mark.parametrize(
    ("query", "rows"),
    [
        ("SELECT l.id, t.v FROM l JOIN {} t ON t.id = l.id", 25),
        ("SELECT l.id, t.v FROM l LEFT JOIN {} t ON t.id = l.id AND t.v = 1", 25),
        ("SELECT l.id FROM l WHERE EXISTS (SELECT FROM {} t WHERE l.id = t.id)", 25),
        ("SELECT l.id FROM l WHERE NOT EXISTS (SELECT FROM {} t WHERE l.id + 0 = t.id)", 0),
    ],
)
def test_keys_go_in_lists(session: Session, outer: str, listed: str, query: str, rows: int) -> None:
    query = query.format(listed)
    assert len(session.rows(query)) == rows
    calls = asked(session, query)
    keys = [qual for quals in calls for qual in quals if qual[0] == "id"]
    assert [key[1] for key in keys] == [["=", True]] * 3
    assert [key[2] for key in keys] == [numbers(1, 10), numbers(11, 20), numbers(21, 25)]


def test_a_list_from_a_subquery_has_each_key_once(
    session: Session, outer: str, listed: str
) -> None:
    query = f"SELECT t.id FROM {listed} t WHERE t.id IN (SELECT few FROM l)"
    assert sorted(session.rows(query)) == [(0,), (1,), (2,)]
    assert [sorted(keys) for keys in values(session, query)] == [[0, 1, 2]]


def test_many_rows_with_few_keys_are_one_list(session: Session, outer: str, listed: str) -> None:
    query = f"SELECT l.id, t.v FROM l JOIN {listed} t ON t.id = l.few ORDER BY l.id"
    assert session.rows(query) == [(n, n % 3) for n in range(1, 26)]
    assert values(session, query) == [[1, 2, 0]]


def test_no_key_is_asked_for_twice_where_lists_are_full(
    session: Session, outer: str, listed: str
) -> None:
    query = f"SELECT t.id FROM (SELECT g % 12 AS k FROM generate_series(0, 99) g) o JOIN {listed} t"
    query += " ON t.id = o.k"
    assert NODE in session.plan(query)
    assert len(session.rows(query)) == 100
    assert values(session, query) == [numbers(0, 9), [10, 11]]


def test_null_is_no_key(session: Session, outer: str, listed: str) -> None:
    query = f"SELECT count(t.id), count(*) FROM l LEFT JOIN {listed} t ON t.id = l.n"
    assert session.rows(query) == [(24, 25)]
    assert all(3 not in keys for keys in values(session, query))
    session.execute("UPDATE l SET n = NULL; ANALYZE l")
    assert session.rows(query) == [(0, 25)]
    assert values(session, query) == []


def test_keys_of_several_columns_are_never_crossed(
    session: Session, outer: str, searching: str
) -> None:
    table = session.table(
        "id int, v int",
        searching,
        rows=SERIES,
        path_keys="[(('v', 'id'), 1)]",
        list_keys="[(('v', 'id'), 5, 1, 1)]",
        size="(10**6, 100)",
    )
    query = f"SELECT l.id FROM l JOIN {table} t ON t.id = l.id AND t.v = l.few"
    expected = [(n,) for n in range(1, 26) if n % 3 == n % 7]
    assert sorted(session.rows(query)) == expected
    pairs = []
    for quals in asked(session, query):
        given = {qual[0]: qual[2] for qual in quals}
        assert not isinstance(given["v"], list)
        ids = given["id"] if isinstance(given["id"], list) else [given["id"]]
        assert len(ids) <= 5
        pairs += [(given["v"], n) for n in ids]
    assert sorted(pairs) == sorted((n % 3, n) for n in range(1, 26))


def test_a_row_that_the_scans_of_two_groups_give_counts_once(
    session: Session, outer: str, searching: str
) -> None:
    table = session.table(
        "id int, v int",
        searching,
        rows="[{'id': n, 'v': n % 3} for n in range(30)]",
        path_keys="[(('v', 'id'), 1)]",
        list_keys="[(('v', 'id'), 5, 1, 1)]",
        size="(10**6, 100)",
        stray="1",
    )
    query = f"SELECT l.id FROM l JOIN {table} t ON t.id = l.id AND t.v = l.few"
    assert NODE in session.plan(query)
    assert sorted(session.rows(query)) == [(n,) for n in range(1, 26)]


def test_keys_in_two_spellings(session: Session, searching: str) -> None:
    session.execute("CREATE TEMP TABLE s AS SELECT unnest('{a,A,b,a}'::text[]) AS k; ANALYZE s")
    table = session.table(
        "k text",
        searching,
        # As a server that takes both for the same, and answers in its own spelling.
        rows="[{'k': 'a'}, {'k': 'b'}]",
        path_keys="[(('k',), 1)]",
        list_keys="[(('k',), 10, 1, 1)]",
        size="(10**6, 100)",
        stray="1",
    )
    query = f"SELECT s.k, t.k FROM s LEFT JOIN {table} t USING (k)"
    assert NODE in session.plan(query)
    assert sorted(session.rows(query), key=str) == [("A", None), ("a", "a"), ("a", "a"), ("b", "b")]
    assert values(session, query) == [["a", "A", "b"]]


# When there is no batch, or a small one


def test_a_query_that_may_stop_begins_with_one_row(
    session: Session, outer: str, listed: str
) -> None:
    query = f"SELECT l.id, t.v FROM l JOIN {listed} t ON t.id = l.id"
    assert values(session, f"{query} LIMIT 1") == [1]
    assert values(session, f"{query} LIMIT 3") == [1, [2, 3, 4, 5]]
    assert len(values(session, f"{query} ORDER BY t.v, l.id LIMIT 3")) == 3  # all are needed
    session.execute(f"BEGIN; DECLARE c CURSOR FOR {query}")
    assert values(session, "FETCH 1 FROM c") == [1]
    session.execute("COMMIT")


def test_the_first_row_costs_as_much_as_without_batches(
    session: Session, outer: str, searching: str
) -> None:
    """A query that may stop begins with one key: under a LIMIT batches must not look cheaper."""
    table = session.table(
        "id int",
        searching,
        rows=SERIES,
        path_keys="[(('id',), 1)]",
        list_keys="[(('id',), 50, 1, 1)]",
        size="(300, 50)",
    )
    begun = {}
    for batched in ("on", "off"):
        session.execute(f"SET multicorn.enable_batched_join = {batched}")
        query = f"EXPLAIN (FORMAT JSON) SELECT t.id FROM l JOIN {table} t USING (id) LIMIT 1"
        [[[plan]]] = session.rows(query)
        begun[batched] = plan["Plan"]["Plans"][0]["Startup Cost"]
    assert begun["on"] >= begun["off"]


def test_the_outer_order_is_kept(session: Session, searching: str, listed: str) -> None:
    source = session.table("id int", searching, rows=SERIES, sortable="sortkeys", size="(100, 100)")
    query = f"SELECT s.id FROM {source} s JOIN {listed} t USING (id) ORDER BY s.id LIMIT 12"
    session.execute("SET enable_sort = off; SET enable_hashjoin = off")
    plan = session.plan(query)
    assert NODE in plan
    assert "Sort" not in plan
    assert session.rows(query) == [(n,) for n in range(12)]


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT l.id FROM l JOIN {} t USING (id) FOR UPDATE OF l",
        "UPDATE l SET few = t.v FROM {} t WHERE t.id = l.id",
        "DELETE FROM l USING {} t WHERE t.id = l.id",
        "INSERT INTO {0} SELECT l.id, t.v FROM l JOIN {0} t USING (id)",
        "WITH w AS (DELETE FROM l RETURNING id) SELECT l.id FROM l JOIN {} t USING (id)",
    ],
)
def test_no_batches_where_rows_are_changed_or_locked(
    session: Session, outer: str, listed: str, statement: str
) -> None:
    assert NODE not in session.plan(statement.format(listed))


def test_batches_for_what_goes_to_a_local_table(session: Session, outer: str, listed: str) -> None:
    select = f"SELECT l.id, t.v, l.few FROM l JOIN {listed} t USING (id)"
    assert NODE in session.plan(f"INSERT INTO l {select}")
    assert NODE in session.plan(f"CREATE TABLE made AS {select}")


def test_they_can_be_switched_off(session: Session, outer: str, listed: str) -> None:
    query = f"SELECT l.id, t.v FROM l JOIN {listed} t ON t.id = l.id ORDER BY 1"
    rows = session.rows(query)
    session.execute("SET multicorn.enable_batched_join = off")
    assert NODE not in session.plan(query)
    assert session.rows(query) == rows
    assert values(session, query) == numbers(1, 25)


def test_the_setting_may_come_before_the_library(cluster: Cluster, database: str) -> None:
    session = Session(cluster, database, options={"multicorn.enable_batched_join": "off"})
    session.value("SELECT multicorn_handler() IS NULL")
    assert session.value("SHOW multicorn.enable_batched_join") == "off"
    assert session.notices == []
    session.close()


def test_reading_the_whole_table_wins_where_it_costs_no_more(
    session: Session, outer: str, searching: str
) -> None:
    table = session.table(
        "id int, v int",
        searching,
        rows=SERIES,
        path_keys="[(('id',), 20)]",
        list_keys="[(('id',), 50, 20, 20)]",
        size="(20, 50)",
    )
    assert NODE not in session.plan(f"SELECT * FROM l JOIN {table} t USING (id)")


def test_lists_that_cost_a_request_for_each_key_are_not_for_exists(
    session: Session, outer: str, searching: str
) -> None:
    table = session.table(
        "id int, v int",
        searching,
        rows=SERIES,
        path_keys="[(('id',), 1)]",
        list_keys="[(('id',), 10, 1, 10)]",
        size="(10**6, 100)",
    )
    assert NODE in session.plan(f"SELECT * FROM l JOIN {table} t USING (id)")
    for word in ("EXISTS", "NOT EXISTS"):
        query = f"SELECT * FROM l WHERE {word} (SELECT FROM {table} t WHERE t.id = l.id)"
        assert NODE not in session.plan(query)


@pytest.mark.parametrize(
    "condition",
    ["t.c::char(9) = s.k::char(9)", "t.c COLLATE loose = s.k COLLATE loose", "t.j::text = s.k"],
)
def test_no_lists_of_what_compares_in_other_ways(
    session: Session, searching: str, condition: str
) -> None:
    session.require_icu()
    session.execute(
        "CREATE COLLATION IF NOT EXISTS loose"
        " (provider = icu, locale = 'und-u-ks-level2', deterministic = false);"
        "CREATE TEMP TABLE s AS SELECT 'a' AS k; ANALYZE s"
    )
    keys = [((name,), 1) for name in ("c", "j")]
    table = session.table(
        "c text, j json",
        searching,
        rows="[]",
        path_keys=repr(keys),
        list_keys=repr([(key, 10, 1, 1) for key, _ in keys]),
        size="(10**6, 100)",
    )
    assert NODE not in session.plan(f"SELECT * FROM s JOIN {table} t ON {condition}")


@pytest.mark.parametrize(
    "keys", ["5", "[5]", "[(('id',), 'many', 1, 1)]", "[(('id',), 10, 1, 'x')]"]
)
def test_wrong_list_keys(session: Session, local: str, keys: str) -> None:
    table = session.table("id int", list_keys=keys)
    assert session.error(f"SELECT * FROM {local} JOIN {table} USING (id)").sqlstate == "HV000"


@pytest.mark.parametrize("keys", ["[]", "[((), 9, 1, 1)]", "[(('x',), 9, 1, 1)]"])
def test_list_keys_that_cannot_be_used(session: Session, outer: str, keys: str) -> None:
    table = session.table(
        "id int", rows=SERIES, path_keys="[(('id',), 1)]", list_keys=keys, size="(10**6, 100)"
    )
    query = f"SELECT * FROM l JOIN {table} USING (id)"
    assert NODE not in session.plan(query)
    assert len(session.rows(query)) == 25


# EXPLAIN, errors, memory


def test_explain(session: Session, outer: str, listed: str) -> None:
    query = f"SELECT l.id, t.v FROM l JOIN {listed} t ON t.id = l.id"
    assert f"{NODE}\n        Keys: id\n" in session.plan(query)
    assert "Batches: 1" in session.plan(query, "analyze, costs off, timing off, verbose")
    [[[plan]]] = session.rows(f"EXPLAIN (FORMAT JSON) {query}")
    assert plan["Plan"]["Plans"][0]["Custom Plan Provider"] == "Batched Join"
    assert plan["Plan"]["Plans"][0]["Keys"] == ["id"]
    session.journal()
    session.plan(query)
    (call,) = session.calls("explain")
    assert [qual[:3] for qual in call["quals"]] == [["id", ["=", True], [0]]]


def test_an_error_in_the_middle_of_a_batch(session: Session, outer: str, searching: str) -> None:
    table = session.table(
        "id int, v int",
        searching,
        rows="[{'id': n, 'v': n if n < 13 else 'none'} for n in range(20)]",
        path_keys="[(('id',), 1)]",
        list_keys="[(('id',), 10, 1, 1)]",
        size="(10**6, 100)",
    )
    query = f"SELECT l.id, t.v FROM l JOIN {table} t USING (id)"
    error = session.error(query)
    assert error.sqlstate == "22P02"
    assert "v" in (error.context or "")
    assert len(session.rows(f"{query} WHERE l.id < 13")) == 12


def test_scans_of_a_batch_end_with_their_query(
    session: Session, outer: str, searching: str
) -> None:
    table = session.table(
        "id int",
        rows="({'id': n} for n in range(200))",
        noted="yes",
        path_keys="[(('id',), 1)]",
        list_keys="[(('id',), 10, 1, 1)]",
        size="(10**6, 100)",
    )
    session.execute(f"BEGIN; DECLARE c CURSOR FOR SELECT l.id FROM l JOIN {table} t USING (id)")
    session.execute("FETCH 2 FROM c")
    session.journal()
    session.execute("CLOSE c")
    assert len(session.calls("close")) == 1
    session.execute("COMMIT")


def test_what_a_batch_reads_may_be_large(session: Session, outer: str, searching: str) -> None:
    table = session.table(
        "id int, pad text",
        searching,
        rows="[{'id': n % 30, 'pad': '%d ' % n + 'x' * 500} for n in range(3000)]",
        path_keys="[(('id',), 1)]",
        list_keys="[(('id',), 50, 1, 1)]",
        size="(10**6, 100)",
    )
    session.execute("SET work_mem = '64kB'; SET enable_hashjoin = off; SET enable_mergejoin = off")
    query = (
        f"SELECT count(*), count(DISTINCT t.pad), bool_and(t.pad ~ '^[0-9]+ x+$'),"
        f" sum(length(t.pad)) FROM l JOIN {table} t USING (id)"
    )
    assert NODE in session.plan(query)
    expected = [f"{n} " + "x" * 500 for n in range(3000) if 1 <= n % 30 <= 25]
    assert session.rows(query) == [(2500, 2500, True, sum(map(len, expected)))]


def test_commuted_outer_joins(session: Session, searching: str) -> None:
    """The planner may do them in either order; PostgreSQL 16 marks what they make NULL."""
    session.execute(
        "CREATE TEMP TABLE a AS SELECT g AS id, nullif(g, 3) AS n, g % 3 AS few "
        "FROM generate_series(1, 6) g; ANALYZE a"
    )
    table = session.table(
        "id int, v int",
        searching,
        rows="[{'id': n, 'v': n % 4} for n in range(8)]",
        path_keys="[(('id',), 1), (('v',), 1)]",
        list_keys="[(('id',), 3, 1, 1), (('v',), 3, 1, 3)]",
        size="(10**6, 100)",
    )
    for join in ("b.id = a.n", "b.v = a.few", "coalesce(b.v, 0) = a.few"):
        query = (
            f"SELECT a.id, b.id, c.id FROM a LEFT JOIN {table} b ON {join} "
            f"LEFT JOIN {table} c ON c.id = b.v"
        )
        rows = session.rows(query)
        session.execute("SET multicorn.enable_batched_join = off")
        assert Counter(session.rows(query)) == Counter(rows)
        session.execute("RESET ALL")


def test_a_query_on_batches_can_be_canceled(session: Session, outer: str, searching: str) -> None:
    table = session.table(
        "id int",
        rows="({'id': -1} for n in itertools.count())",
        path_keys="[(('id',), 1)]",
        list_keys="[(('id',), 10, 1, 1)]",
        size="(10**6, 100)",
    )
    query = f"SELECT l.id FROM l JOIN {table} t USING (id)"
    assert NODE in session.plan(query)
    session.execute("SET statement_timeout = '200ms'")
    assert session.error(query).sqlstate == "57014"


# Against local copies


@pytest.fixture(scope="module")
def random_types(cluster: Cluster, database: str) -> None:
    session = Session(cluster, database)
    make_types(session)
    session.close()


@pytest.mark.parametrize("seed", range(8))
def test_random_joins_give_what_local_tables_give(
    session: Session, random_types: None, seed: int
) -> None:
    found = fuzz(session, seed)
    assert found.faults == []
    assert found.dear == []
    assert found.batched
    assert found.slow == 0
