"""Which conditions become quals, and with what values."""

import pytest
from cluster import Session

COLUMNS = (
    "i int, b bigint, s smallint, t text, v varchar(9), c char(5), f bool, d date, ts timestamp,"
    " tz timestamptz, n numeric, r float8, u uuid, j jsonb, iv interval, ia int[], ta text[],"
    " by bytea"
)
U = "6ba7b810-9dad-11d1-80b4-00c04fd430c8"


@pytest.fixture
def table(session: Session) -> str:
    session.execute("SET TimeZone = 'Asia/Tokyo'; SET DateStyle = 'ISO'")
    return session.table(COLUMNS)


@pytest.mark.parametrize(
    ("condition", "qual"),
    [
        ("i = 3", ["i", "=", 3, "int"]),
        ("i <> -3", ["i", "<>", -3, "int"]),
        ("i >= 3", ["i", ">=", 3, "int"]),
        ("3 > i", ["i", "<", 3, "int"]),
        ("3 = i", ["i", "=", 3, "int"]),
        ("b = 3", ["b", "=", 3, "int"]),
        ("b = 3::bigint", ["b", "=", "3", "str"]),
        ("b = 12345678901", ["b", "=", "12345678901", "str"]),
        ("s = 3::smallint", ["s", "=", "3", "str"]),
        ("t = 'x'", ["t", "=", "x", "str"]),
        ("v = 'x'", ["v", "=", "x", "str"]),
        ("'x' < v", ["v", ">", "x", "str"]),
        ("c = 'x'", ["c", "=", "x", "str"]),
        ("t LIKE 'x%'", ["t", "~~", "x%", "str"]),
        ("t NOT LIKE 'x%'", ["t", "!~~", "x%", "str"]),
        ("t ILIKE 'x%'", ["t", "~~*", "x%", "str"]),
        ("v LIKE 'x%'", ["v", "~~", "x%", "str"]),
        ("t ~ '^x'", ["t", "~", "^x", "str"]),
        ("f", ["f", "=", "t", "str"]),
        ("f = true", ["f", "=", "t", "str"]),
        ("f = false", ["f", "<>", "t", "str"]),
        ("NOT f", ["f", "<>", "t", "str"]),
        ("f IS TRUE", ["f", "IS", "t", "str"]),
        ("f IS FALSE", ["f", "IS", "f", "str"]),
        ("f IS NOT TRUE", ["f", "IS NOT", "t", "str"]),
        ("f IS NOT FALSE", ["f", "IS NOT", "f", "str"]),
        ("f IS UNKNOWN", ["f", "IS", None, "NoneType"]),
        ("f IS NOT UNKNOWN", ["f", "IS NOT", None, "NoneType"]),
        ("i IS NULL", ["i", "=", None, "NoneType"]),
        ("t IS NOT NULL", ["t", "<>", None, "NoneType"]),
        ("d = '2024-02-29'", ["d", "=", "datetime.date(2024, 2, 29)", "date"]),
        (
            "ts < '2024-02-29 10:11:12'",
            ["ts", "<", "datetime.datetime(2024, 2, 29, 10, 11, 12)", "datetime"],
        ),
        (
            "tz > '2024-02-29 10:11:12.123456'",
            ["tz", ">", "2024-02-29 10:11:12.123456+09", "str"],
        ),
        ("n = 1.5", ["n", "=", 1.5, "float"]),
        ("r = 1.5", ["r", "=", "1.5", "str"]),
        (f"u = '{U}'", ["u", "=", U, "str"]),
        ("j @> '{\"a\": 1}'", ["j", "@>", '{"a": 1}', "str"]),
        ("iv < '1 day'", ["iv", "<", "1 day", "str"]),
        ("ia = '{1,2}'", ["ia", "=", [1, 2], "list"]),
        ("ta @> '{x}'", ["ta", "@>", ["x"], "list"]),
        ("by = '\\x0061'", ["by", "=", "b'\\x00a'", "bytes"]),
        ("i IN (1, 2)", ["i", ["=", True], [1, 2], "list"]),
        ("i = ANY ('{1,2}')", ["i", ["=", True], [1, 2], "list"]),
        ("i NOT IN (1, 2)", ["i", ["<>", False], [1, 2], "list"]),
        ("i > ALL ('{1,2}')", ["i", [">", False], [1, 2], "list"]),
        ("t LIKE ANY ('{a%,b%}')", ["t", ["~~", True], ["a%", "b%"], "list"]),
        ("v IN ('a', 'b')", ["v", ["=", True], ["a", "b"], "list"]),
        ("b IN (1, 12345678901)", ["b", ["=", True], ["1", "12345678901"], "list"]),
        ("i = ANY ('{1,NULL}')", ["i", ["=", True], [1, None], "list"]),
        ("i = ANY ('{{1,2},{3,4}}')", ["i", ["=", True], [1, 2, 3, 4], "list"]),
    ],
)
def test_qual(session: Session, table: str, condition: str, qual: list[object]) -> None:
    assert session.quals(f"SELECT 1 FROM {table} WHERE {condition}") == [qual]


@pytest.mark.beyond("drops the microseconds")
def test_timestamp_keeps_microseconds(session: Session, table: str) -> None:
    (qual,) = session.quals(f"SELECT 1 FROM {table} WHERE ts = '2024-02-29 10:11:12.123456'")
    assert qual[2] == "datetime.datetime(2024, 2, 29, 10, 11, 12, 123456)"


@pytest.mark.beyond("fails, or gives a wrong year")
@pytest.mark.parametrize(
    ("condition", "value"),
    [
        ("d < 'infinity'", "infinity"),
        ("ts > '-infinity'", "-infinity"),
        ("d = '0044-03-15 BC'", "0044-03-15 BC"),
        ("d = '12024-01-01'", "12024-01-01"),
        ("ts = '12024-01-01 00:00:01'", "12024-01-01 00:00:01"),
    ],
)
def test_dates_python_has_not(session: Session, table: str, condition: str, value: str) -> None:
    (qual,) = session.quals(f"SELECT 1 FROM {table} WHERE {condition}")
    assert qual[2:] == [value, "str"]


def test_timestamptz_is_in_the_session_style(session: Session, table: str) -> None:
    session.execute("SET DateStyle = 'German'")
    (qual,) = session.quals(f"SELECT 1 FROM {table} WHERE tz = '04.03.2024 10:02:03.456789'")
    assert qual[2] == "04.03.2024 10:02:03.456789 JST"


@pytest.mark.parametrize(
    "condition",
    [
        "i = 1 OR i = 3",
        "i + 1 = 3",
        "i = s",
        "i::text = '3'",
        "i = b",
        "i = (random() * 0)::int",
        "lower(t) = 'x'",
        "NOT (i = 1 AND s = 2)",
        "i = i",
        "f = (i = 3)",
    ],
)
def test_no_qual(session: Session, table: str, condition: str) -> None:
    quals = session.quals(f"SELECT 1 FROM {table} WHERE {condition}")
    # "i = i" is "i IS NOT NULL" to the planner.
    assert quals == ([["i", "<>", None, "NoneType"]] if condition == "i = i" else [])


@pytest.mark.beyond("warns of unsupported expressions")
def test_no_warning_without_qual(session: Session, table: str) -> None:
    session.execute(f"SELECT 1 FROM {table} WHERE coalesce(f, true) AND i IS DISTINCT FROM s")
    assert session.notices == []


def test_several_quals(session: Session, table: str) -> None:
    quals = session.quals(f"SELECT 1 FROM {table} WHERE i > 1 AND i < 5 AND t = 'x' AND i + s = 3")
    assert sorted(quals) == [["i", "<", 5, "int"], ["i", ">", 1, "int"], ["t", "=", "x", "str"]]


def test_quals_known_while_planning(session: Session, table: str) -> None:
    session.execute(f"SELECT 1 FROM {table} WHERE i = 3 AND tz < now()")
    (call,) = session.calls("get_rel_size")
    assert call["quals"] == [["i", "=", 3, "int"]]


@pytest.mark.beyond("knows no such quals")
def test_quals_estimated_while_planning(session: Session, table: str) -> None:
    estimating = session.table(COLUMNS, estimated="")
    session.execute("CREATE FUNCTION four() RETURNS int STABLE LANGUAGE sql AS 'SELECT 4 OFFSET 0'")
    session.execute(
        f"SELECT 1 FROM {estimating} a WHERE i = 3 AND s = four() AND b < length(now()::text) AND "
        "t = (SELECT max(relname) FROM pg_class)"
    )
    (call,) = session.calls("get_rel_size")
    quals = {name: rest for name, *rest in call["quals"]}
    assert quals["i"] == ["=", 3, "int"]
    assert quals["s"] == ["=", 0, "int"]  # a function of the database is not called for an estimate
    assert quals["b"][1] > 20
    assert quals["t"] == ["=", "?", "str"]
    session.execute("DROP FUNCTION four()")


@pytest.mark.beyond("knows no such quals")
def test_no_estimate_is_made_of_null(session: Session) -> None:
    estimating = session.table(COLUMNS, estimated="")
    session.execute(
        f"SELECT 1 FROM {estimating} WHERE t = nullif(current_setting('work_mem'), "
        "current_setting('work_mem'))"
    )
    (call,) = session.calls("get_rel_size")
    assert call["quals"] == []


def test_stable_function_is_evaluated(session: Session, table: str) -> None:
    session.execute(
        "CREATE FUNCTION three() RETURNS int STABLE LANGUAGE sql AS 'SELECT 3 OFFSET 0'"
    )
    assert session.quals(f"SELECT 1 FROM {table} WHERE i = three()") == [["i", "=", 3, "int"]]
    session.execute("DROP FUNCTION three()")


def test_prepared_statement(session: Session, table: str) -> None:
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(
        f"PREPARE p(int, text, int[], timestamptz) AS SELECT 1 FROM {table}"
        " WHERE i = $1 AND t = $2 AND i = ANY ($3) AND tz > $4"
    )
    expected = [
        ["i", "=", 3, "int"],
        ["i", ["=", True], [3, 4], "list"],
        ["t", "=", "x", "str"],
        ["tz", ">", "2024-01-01 00:00:00+09", "str"],
    ]
    for _ in range(2):
        quals = session.quals("EXECUTE p(3, 'x', '{3,4}', '2024-01-01')")
        assert sorted(quals, key=repr) == sorted(expected, key=repr)
    assert ["i", "=", 4, "int"] in session.quals("EXECUTE p(4, 'x', '{4}', 'today')")


def test_client_parameters(session: Session, table: str) -> None:
    quals = session.quals(f"SELECT 1 FROM {table} WHERE i = %s AND t = %s", [3, "x"])
    assert [[q[0], q[1], str(q[2])] for q in quals] == [["i", "=", "3"], ["t", "=", "x"]]


@pytest.mark.beyond("reads a NULL as IS NULL")
@pytest.mark.parametrize("condition", ["i = $1", "i <> $1", "$1 > i"])
def test_null_parameter_needs_no_scan(session: Session, table: str, condition: str) -> None:
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE p(int) AS SELECT 1 FROM {table} WHERE {condition}")
    session.journal()
    session.execute("EXECUTE p(NULL)")
    assert session.calls("execute") == []


def test_null_array_parameter(session: Session, table: str) -> None:
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE p(int[]) AS SELECT 1 FROM {table} WHERE i = ANY ($1)")
    assert session.rows("EXECUTE p(NULL)") == []


def test_init_plan(session: Session, table: str) -> None:
    quals = session.quals(f"SELECT 1 FROM {table} WHERE i = (SELECT count(*)::int FROM pg_am) - 3")
    assert [q[:2] for q in quals] == [["i", "="]]
    assert quals[0][3] == "int"


@pytest.mark.beyond("now and then cannot look up the type")
def test_domain_and_enum_values_are_text(session: Session) -> None:
    session.execute("CREATE DOMAIN small AS int; CREATE TYPE mood AS ENUM ('sad', 'ok')")
    table = session.table("d small, m mood")
    assert session.quals(f"SELECT 1 FROM {table} WHERE m = 'ok' AND d = 5::small") == [
        ["m", "=", "ok", "str"],
        ["d", "=", 5, "int"],
    ]


def test_operator_without_commutator(session: Session, table: str) -> None:
    assert session.quals(f"SELECT 1 FROM {table} WHERE 'xyz' ~~ t") == []


def test_quals_of_a_view_and_a_security_barrier(session: Session, table: str) -> None:
    session.execute(
        f"CREATE VIEW w WITH (security_barrier) AS SELECT i, t FROM {table} WHERE i > 5"
    )
    quals = session.quals("SELECT 1 FROM w WHERE t = 'x'")
    assert sorted(quals) == [["i", ">", 5, "int"], ["t", "=", "x", "str"]]
    session.execute("DROP VIEW w")


def test_qual_objects(session: Session) -> None:
    rows = (
        "[{'t': repr([(q, q.is_list_operator, q.list_any_or_all is __import__('multicorn').ANY,"
        " q == q, hash(q) == hash(q) if not q.is_list_operator else None) for q in quals])}]"
    )
    table = session.table("i int, t text", rows=rows)
    assert session.rows(f"SELECT t FROM {table} WHERE i IS NULL AND i IN (1, 2) ") == []
    assert session.value(f"SELECT t FROM {table} WHERE t <> 'a'") == (
        "[(t <> a, False, False, True, True)]"
    )


@pytest.mark.beyond("tells no comparison from another of the same name")
@pytest.mark.parametrize(
    ("condition", "plain"),
    [
        ("t = 'x'", True),
        ("t = 'x' COLLATE \"C\"", True),
        ("v = 'x'", True),
        ("c = 'x'", True),
        ("t = ANY ('{x}')", True),
        ("t = 'x' COLLATE loose", False),
        ("'x' COLLATE loose = v", False),
        ("t = ANY ('{x}' COLLATE loose)", False),
        ("t::bpchar = 'x'", False),
        ("t::bpchar IN ('x', 'y')", False),
        ("t OPERATOR(own.=) 'x'", False),
        ("i OPERATOR(own.=) 3", False),
    ],
)
def test_whether_a_comparison_means_what_its_name_says(
    session: Session, table: str, condition: str, plain: bool
) -> None:
    prepare_comparisons(session, condition)
    [qual] = session.quals(f"SELECT 1 FROM {table} WHERE {condition}")
    assert (qual[4:] == []) is plain


@pytest.mark.beyond("tells no comparison from another of the same name")
@pytest.mark.parametrize(
    ("condition", "keyed"),
    [("t = o.x", True), ("t = o.x COLLATE loose", False), ("t OPERATOR(own.=) o.x", False)],
)
def test_a_key_takes_plain_equality(session: Session, condition: str, keyed: bool) -> None:
    prepare_comparisons(session, condition)
    inner = session.table("i int, t text", path_keys="[(('t',), 1)]", size="(10**6, 100)")
    session.execute("CREATE TEMP TABLE o AS SELECT 'x'::text AS x; ANALYZE o")
    session.execute("SET enable_hashjoin = off; SET enable_mergejoin = off")
    plan = session.execute(f"EXPLAIN (COSTS OFF) SELECT 1 FROM o, {inner} WHERE {condition}")
    lines = [line.strip() for (line,) in plan.fetchall()]
    assert any(line.startswith("Filter:") for line in lines) is keyed, lines
    assert any(line.startswith("Join Filter:") for line in lines) is not keyed, lines


def prepare_comparisons(session: Session, condition: str) -> None:
    session.execute("CREATE SCHEMA IF NOT EXISTS own")
    if "loose" in condition:
        session.require_icu()
        session.execute(
            "CREATE COLLATION IF NOT EXISTS loose"
            " (provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
        )
    for left, function in (("text", "texteq"), ("int", "int4eq")):
        session.execute(
            "DO $$ BEGIN"
            f" CREATE OPERATOR own.= (LEFTARG = {left}, RIGHTARG = {left}, FUNCTION = {function},"
            " COMMUTATOR = OPERATOR(own.=));"
            " EXCEPTION WHEN duplicate_function THEN END $$"
        )
