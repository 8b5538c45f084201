"""EXPLAIN: a wrapper's lines, and what it is told to make them of."""

import json

import pytest
from cluster import Session

LINES = (
    "['%s %s' % (sorted((q.field_name, q.operator) for q in quals), sorted(columns)),"
    " 'verbose %s' % verbose]"
)
SERIES = "[{'id': n, 'v': 10 * n} for n in range(20)]"


def test_explain(session: Session) -> None:
    table = session.table("id int, v int", lines=LINES.replace(", 'verbose %s' % verbose", ""))
    plan = session.plan(f"SELECT v FROM {table} WHERE id = 3")
    assert "Multicorn: [('id', '=')] ['id', 'v']" in plan
    assert session.calls("execute") == []


def test_explain_arguments(session: Session) -> None:
    table = session.table("id int, v int", rows=SERIES, limited="True", sortable="sortkeys")
    for options, verbose in (("costs off", False), ("verbose, costs off", True)):
        session.plan(f"SELECT v FROM {table} ORDER BY id LIMIT 3", options)
        (call,) = session.calls("explain")
        assert call["verbose"] is verbose
        assert call["sortkeys"] == [["id", 1, False, False, None]]
        assert (call["limit"], call["offset"]) == (3, None)


def test_explain_analyze(session: Session) -> None:
    table = session.table("id int, v int", rows=SERIES, lines="['a line', 5]")
    plan = session.plan(f"SELECT v FROM {table} WHERE id > 3", "analyze, costs off, timing off")
    assert "Multicorn: a line" in plan
    assert "Multicorn: 5" in plan
    assert "rows=16" in plan


@pytest.mark.beyond("does not ask for it")
def test_analyze_shows_what_the_runs_of_each_scan_kept(session: Session) -> None:
    counting = "self.plan_node.update(runs=self.plan_node.get('runs', 0) + 1) or " + SERIES
    table = session.table(
        "id int, v int", rows=counting, analyzed="['%s, %s' % (plan_node, timing)]"
    )
    # OFFSET 0 keeps the subquery from becoming a join; it runs once for each outer row.
    inner = f"SELECT max(v) FROM {table} s WHERE s.id < t.id OFFSET 0"
    query = f"SELECT ({inner}) FROM {table} t WHERE t.v > 0"
    for timing in (True, False):
        plan = session.plan(query, f"analyze, costs off, timing {'on' if timing else 'off'}")
        assert f"Multicorn: {{'runs': 1}}, {timing}" in plan
        assert f"Multicorn: {{'runs': 19}}, {timing}" in plan
    assert "runs" not in session.plan(query)


@pytest.mark.beyond("does not ask for it")
@pytest.mark.parametrize("analyzed", ["None", "[]", "iter(['a line'])"])
def test_analyze_of_a_scan_that_does_not_run(session: Session, analyzed: str) -> None:
    table = session.table("id int, v int", rows=SERIES, lines="['first']", analyzed=analyzed)
    plan = session.plan(f"SELECT * FROM {table} WHERE id = (SELECT NULL::int)", "analyze")
    assert "Multicorn: first" in plan
    assert ("Multicorn: a line" in plan) == ("line" in analyzed)


def test_explain_of_a_lookup_shows_a_stand_in(session: Session, local: str, keyed: str) -> None:
    session.plan(f"SELECT l.id, t.v FROM {local} l JOIN {keyed} t USING (id)")
    (call,) = session.calls("explain")
    assert call["quals"] == [["id", "=", 0, "int"]]


@pytest.mark.beyond("does not tell")
@pytest.mark.parametrize(
    ("condition", "unknown"),
    [
        ("id = 0", False),
        ("id = ANY(ARRAY[0])", False),
        ("id = (SELECT max(relnatts) FROM pg_class)", True),
        ("id = ANY(ARRAY(SELECT relnatts::int FROM pg_class))", True),
    ],
)
def test_explain_tells_which_values_are_not_known(
    session: Session, condition: str, unknown: bool
) -> None:
    table = session.table("id int, v int", lines="[str(q.unknown) for q in quals]")
    plan = session.plan(f"SELECT v FROM {table} WHERE {condition}")
    assert f"Multicorn: {unknown}" in plan
    assert f"Multicorn: {not unknown}" not in plan


@pytest.mark.beyond("crashes")
@pytest.mark.parametrize(
    ("type_name", "value"),
    [
        ("text", ["?", "str"]),
        ("uuid", ["?", "str"]),
        ("numeric", [0.0, "float"]),
        ("bigint", ["0", "str"]),
        ("timestamptz", ["2000-01-01 00:00:00+00", "str"]),
        ("bytea", ["?", "str"]),
        ("mood", ["?", "str"]),
    ],
)
def test_stand_ins_of_other_types(session: Session, type_name: str, value: list[object]) -> None:
    session.execute("CREATE TYPE pg_temp.mood AS ENUM ('happy')")
    session.execute(f"CREATE TEMP TABLE keys (k {type_name})")
    table = session.table(f"k {type_name}", path_keys="[(('k',), 1)]", size="(10**9, 100)")
    session.plan(f"SELECT * FROM keys JOIN {table} USING (k)")
    (call,) = session.calls("explain")
    assert call["quals"] == [["k", "=", *value]]


def test_explain_of_a_prepared_statement(session: Session) -> None:
    table = session.table("id int, v int", rows=SERIES)
    session.execute("SET plan_cache_mode = force_generic_plan")
    session.execute(f"PREPARE q(int) AS SELECT v FROM {table} WHERE id = $1")
    session.journal()
    session.rows("EXPLAIN EXECUTE q(7)")
    (call,) = session.calls("explain")
    assert [q[:2] for q in call["quals"]] == [["id", "="]]
    if session.cluster.host == "bundled":  # Multicorn2 shows 0 for every parameter
        assert call["quals"][0][2] == 7


@pytest.mark.beyond("takes any value for unknown ones")
def test_explain_of_a_generic_plan(session: Session) -> None:
    if session.connection.info.server_version < 160000:
        pytest.skip("new in PostgreSQL 16")
    table = session.table("id int, v int", rows=SERIES)
    session.plan(f"SELECT v FROM {table} WHERE id = $1", "generic_plan")
    (call,) = session.calls("explain")
    assert call["quals"] == [["id", "=", 0, "int"]]


@pytest.mark.beyond("repeats the key")
@pytest.mark.parametrize("lines", [["a line", 'an "other"'], ["a line"], []])
def test_explain_in_other_formats(session: Session, lines: list[str]) -> None:
    table = session.table("id int", lines=repr(lines))
    query = f"SELECT * FROM {table}"

    def pairs(found: list[tuple[str, object]]) -> dict[str, object]:
        assert len({key for key, _ in found}) == len(found), "a key is there twice"
        return dict(found)

    # As text: psycopg would have read the JSON already.
    session.execute(
        f"DO $$ DECLARE found text; BEGIN EXECUTE 'EXPLAIN (FORMAT JSON) {query}' INTO found;"
        " PERFORM set_config('test.plan', found, false); END $$"
    )
    json_text = session.value("SELECT current_setting('test.plan')")
    assert json.loads(json_text, object_pairs_hook=pairs)[0]["Plan"].get("Multicorn", []) == lines
    xml = session.value(f"EXPLAIN (FORMAT XML) {query}")
    assert xml.count("<Multicorn>") == bool(lines)
    yaml = session.value(f"EXPLAIN (FORMAT YAML) {query}")
    assert yaml.count("Multicorn:") == bool(lines)


@pytest.mark.beyond("crashes")
@pytest.mark.parametrize("lines", ["None", "[]"])
def test_explain_without_lines(session: Session, lines: str) -> None:
    table = session.table("id int", lines=lines)
    assert "Multicorn" not in session.plan(f"SELECT * FROM {table}")
