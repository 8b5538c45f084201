"""Conditions that mean the same as a qual, and are written in another form."""

from __future__ import annotations

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("tells nothing of conditions in other forms")

COLUMNS = "i int, b bigint, t text, n int NOT NULL, m int NOT NULL, tz timestamptz, f bool, d date"
VALUES = [
    {"i": i, "b": b, "t": t, "n": n, "m": m, "tz": tz, "f": f, "d": None}
    for n, (i, b, t, m, tz, f) in enumerate(
        (i, b, t, m, tz, f)
        for i in (None, 1, 2, 3)
        for b, f in ((None, None), (1, True), (2, False))
        for t, m in ((None, 0), ("a", 1), ("A", 2), ("b", 3))
        for tz in (None, "2024-01-01T00:00:00+00:00")
    )
]


@pytest.fixture
def table(session: Session) -> str:
    return session.table(COLUMNS, implied="true")


@pytest.fixture
def both(session: Session) -> str:
    """Rows in table "here", and a foreign table that drops those which do not meet its quals."""
    session.execute(f"CREATE TABLE IF NOT EXISTS here ({COLUMNS}); TRUNCATE here")
    names = list(VALUES[0])
    session.connection.cursor().executemany(
        f"INSERT INTO here VALUES ({', '.join(['%s'] * len(names))})",
        [[row[name] for name in names] for row in VALUES],
    )
    return session.table(
        COLUMNS,
        implied="true",
        silent="true",
        data=repr(VALUES),
        rows="[r for r in eval(self.options['data']) if all(holds(q, r) for q in quals)]",
    )


SAME = {
    "i = 1 OR i = 2": [["i", ["=", True], [1, 2], "list"]],
    "1 = i OR 2 = i OR i = 3": [["i", ["=", True], [1, 2, 3], "list"]],
    "i = 1 OR i IN (2, 3)": [["i", ["=", True], [1, 2, 3], "list"]],
    "i IN (1, 2) OR i = ANY (ARRAY[3])": [["i", ["=", True], [1, 2, 3], "list"]],
    "i = 1 OR i = NULL OR i = 2": [["i", ["=", True], [1, 2], "list"]],
    "i = 1 OR i = 2::bigint OR i = 3::smallint": [["i", ["=", True], ["1", "2", "3"], "list"]],
    "b = 1 OR b = ANY ('{2,3}')": [["b", ["=", True], ["1", "2", "3"], "list"]],
    "i = 1 OR i = ANY ('{2,NULL}')": [["i", ["=", True], [1, 2, None], "list"]],
    "t = 'a' OR t = 'b'": [["t", ["=", True], ["a", "b"], "list"]],
    "(i = 1 OR i = 2) AND t = 'a'": [
        ["i", ["=", True], [1, 2], "list"],
        ["t", "=", "a", "str"],
    ],
    "i = ANY (ARRAY[1, 2])": [["i", ["=", True], [1, 2], "list"]],
    "i = SOME (ARRAY[1])": [["i", ["=", True], [1], "list"]],
    "NOT (i <> 1)": [["i", "=", 1, "int"]],
    "NOT (i <> 1 AND i <> 2)": [["i", ["=", True], [1, 2], "list"]],
    "NOT (i <> ALL ('{1,2}'))": [["i", ["=", True], [1, 2], "list"]],
    "i IS NOT DISTINCT FROM 1": [["i", "=", 1, "int"]],
    "1 IS NOT DISTINCT FROM i": [["i", "=", 1, "int"]],
    "i IS NOT DISTINCT FROM NULL": [["i", "=", None, "NoneType"]],
    "(i = 1) IS TRUE": [["i", "=", 1, "int"]],
    "(i = 1 OR i = 2) IS TRUE": [["i", ["=", True], [1, 2], "list"]],
    "(i = 1) IS TRUE OR i = 2": [],
    "NOT (i = 1 OR t IS NULL)": [["i", "<>", 1, "int"], ["t", "<>", None, "NoneType"]],
    "n = 1 OR n IS NULL": [["n", "=", 1, "int"]],
    "n IS NULL OR n IN (1, 2)": [["n", ["=", True], [1, 2], "list"]],
    "n = 1 OR n = 2 OR n IS NULL": [["n", ["=", True], [1, 2], "list"]],
    "n > 5 OR n IS NULL": [["n", ">", 5, "int"]],
    "n <> 5 OR n IS NULL": [["n", "<>", 5, "int"]],
    "i = 1 OR n IS NULL": [["i", "=", 1, "int"]],
    "i = 1 OR m IS NULL OR n IS NULL": [["i", "=", 1, "int"]],
}
OTHERS = (
    "i = 1 OR i IS NULL",
    "i = 1 OR i IS NOT NULL",
    "i = 1 OR t = 'a'",
    "i = 1 OR i > 2",
    "d = '2024-01-01' OR d = timestamp '2024-01-01'",
    "i = 1 OR i = b",
    "i = 1 OR i <> 2",
    "i = 1 OR i > ALL ('{2}')",
    "i = 1 OR i < ANY ('{2}')",
    "i = 1 OR abs(i) = 2",
    "i = 1 OR i = (random() * 9)::int",
    "t = 'a' OR t = 'b' COLLATE \"C\"",
    "i IS DISTINCT FROM 1",
    "(i = 1) IS NOT FALSE",
    "(i = 1) IS NOT TRUE",
    "(i = 1) IS UNKNOWN",
    "(i = 1 AND t = 'a') OR i = 2",
    "i = 1 OR (n, m) IS NULL",
    "n = 1 OR n + 1 IS NULL",
)


@pytest.mark.parametrize("condition", SAME)
def test_a_condition_in_another_form_is_a_qual(
    session: Session, table: str, condition: str
) -> None:
    quals = session.quals(f"SELECT 1 FROM {table} WHERE {condition}")
    assert sorted(quals, key=repr) == SAME[condition]


@pytest.mark.parametrize("condition", OTHERS)
def test_others_are_none(session: Session, table: str, condition: str) -> None:
    assert session.quals(f"SELECT 1 FROM {table} WHERE {condition}") == []


@pytest.mark.parametrize("condition", [*SAME, *OTHERS])
def test_rows_are_those_of_a_local_table(session: Session, both: str, condition: str) -> None:
    there, here = (f"SELECT n FROM {name} WHERE {condition} ORDER BY n" for name in (both, "here"))
    if "random" not in condition:
        assert session.rows(there) == session.rows(here)


@pytest.mark.parametrize(
    "condition",
    [
        "i = $1 OR i = $2",
        "i = $1 OR i IN (3, $2)",
        "i = ANY (ARRAY[$1, $2]) OR i = 3",
        "i IS NOT DISTINCT FROM $1 AND $2 > 0",
        "n = $1 OR n IS NULL OR n = $2",
        "n = $1 OR n IS NULL AND $2 = 1",
        "(i = $1 OR i = $2) IS TRUE",
    ],
)
@pytest.mark.parametrize("values", ["1, 2", "NULL, 1", "2, NULL", "NULL, NULL", "1, 1"])
def test_values_that_only_the_execution_knows(
    session: Session, both: str, condition: str, values: str
) -> None:
    session.execute("SET plan_cache_mode = force_generic_plan; DEALLOCATE ALL")
    for name, table in (("p", both), ("q", "here")):
        query = f"SELECT n FROM {table} WHERE {condition} ORDER BY n"
        session.execute(f"PREPARE {name}(int, int) AS {query}")
    assert session.rows(f"EXECUTE p({values})") == session.rows(f"EXECUTE q({values})")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT a.n, b.n FROM here a LEFT JOIN {} b ON b.n = a.i WHERE b.n = 1 OR b.n IS NULL",
        "SELECT a.n, b.n FROM here a LEFT JOIN {} b ON b.n = a.i AND (b.n = 1 OR b.n IS NULL)",
        "SELECT a.n, b.n FROM {} b RIGHT JOIN here a ON b.n = a.i WHERE b.n IS NULL OR b.m = 1",
        "SELECT a.n, b.n FROM here a FULL JOIN {} b ON b.n = a.i WHERE b.n = 1 OR b.n IS NULL",
        "SELECT a.n FROM here a WHERE NOT EXISTS (SELECT FROM {} b WHERE b.n = a.i OR b.n IS NULL)",
        "SELECT a.n, l.n FROM here a LEFT JOIN LATERAL (SELECT n FROM {} b "
        "WHERE b.i = a.i OR b.i = a.m OFFSET 0) l ON true",
        "SELECT a.n, l.n FROM here a LEFT JOIN LATERAL (SELECT n FROM {} b "
        "WHERE b.i IS NOT DISTINCT FROM a.i OFFSET 0) l ON true",
    ],
)
def test_what_an_outer_join_makes_null_is_not_taken_for_what_is_never_null(
    session: Session, both: str, query: str
) -> None:
    expected = sorted(map(repr, session.rows(query.format("here"))))
    for setting in ("enable_hashjoin", "enable_nestloop", "enable_mergejoin"):
        session.execute(f"SET {setting} = off")
        assert sorted(map(repr, session.rows(query.format(both)))) == expected
        session.execute(f"RESET {setting}")


def test_moments_are_told_of_a_list_too(session: Session, table: str) -> None:
    session.execute("SET TimeZone = 'UTC'")
    (qual,) = session.quals(
        f"SELECT 1 FROM {table} WHERE tz = '2024-01-01' OR tz = '2024-01-02 00:00+02'"
    )
    assert qual[:2] == ["tz", ["=", True]]
    assert qual[2] == ["2024-01-01 00:00:00+00", "2024-01-01 22:00:00+00"]


def test_only_wrappers_that_take_them_are_told(session: Session) -> None:
    table = session.table(COLUMNS)
    for condition in ("i = 1 OR i = 2", "i IS NOT DISTINCT FROM 1", "(i = 1) IS TRUE"):
        assert session.quals(f"SELECT 1 FROM {table} WHERE {condition}") == []
    assert session.quals(f"SELECT 1 FROM {table} WHERE n = 1 OR n IS NULL") == [
        ["n", "=", 1, "int"]
    ]


def test_explain_shows_what_is_not_known(session: Session, both: str) -> None:
    query = f"SELECT n FROM {both} WHERE i = (SELECT 1) OR i = (SELECT 2)"
    assert "Foreign Scan" in session.plan(query)
    assert session.rows(query)
