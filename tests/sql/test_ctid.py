"""The ctid of every table's rows: one for each key, and conditions on it find that row alone."""

from __future__ import annotations

import psycopg
import pytest

from bitbucket_fdw.tables import TABLES, Table
from tests.api.scripted import Answer, ScriptedServer
from tests.sql.querying import Both, paths, wanted
from tests.support.declared import KEYED, required

pytestmark = pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'", reason="Multicorn2 hands over no system columns"
)

# A table as the workspace has it, and as a repository does.
PLACES = [
    (table, schema)
    for table in KEYED
    for schema in ("acme", *(("website",) if table.level == "repository" else ()))
]
IDS = [f"{schema}.{table.name}" for table, schema in PLACES]
NARROWEST = dict(PLACES)  # tables of one repository take fewer requests
FREE = {"acme": ("workspace",), "website": ("workspace", "repository")}


def key_of(table: type[Table], schema: str) -> tuple[str, ...]:
    """The parts of the key that the table's options do not fix."""
    return tuple(name for name in table.primary_key if table.column(name).param not in FREE[schema])


def is_coded(table: type[Table], schema: str) -> bool:
    """Whether the ctid is the key's number."""
    key = key_of(table, schema)
    return len(key) == 1 and table.column(key[0]).type in ("bigint", "integer")


def found(sql: Both, table: type[Table], where: str, schema: str) -> list[tuple[str, ...]]:
    """The keys of the rows that a condition finds."""
    key = ", ".join(f"{name}::text" for name in table.primary_key)
    rows = source(sql, table, schema, "t")
    return sorted(sql.run(f"SELECT {key} FROM {rows} WHERE {where}", on=schema).rows)


def source(sql: Both, table: type[Table], schema: str, alias: str = "x") -> str:
    """The table, or those of its rows that can be asked for."""
    if not required(table):
        return f"{table.name} {alias}"
    where = wanted(sql.db, table, schema)
    return f"(SELECT ctid, * FROM {table.name} WHERE {where}) {alias}"


def ctids(sql: Both, table: type[Table], schema: str) -> dict[str, tuple[str, ...]]:
    """The keys of all rows, by ctid; every row of the emulator's documents is there once."""
    key = ", ".join(f"{name}::text" for name in table.primary_key)
    asked_for = source(sql, table, schema)
    rows = sql.run(f"SELECT ctid::text, {key} FROM {asked_for}", on=schema).rows
    where = wanted(sql.db, table, schema)
    expected = sql.run(f"SELECT {key} FROM {table.name} WHERE {where}", on=f"{schema}_x").rows
    assert sorted(row[1:] for row in rows) == sorted(expected)
    assert len({row[0] for row in rows}) == len(rows)
    return {row[0]: row[1:] for row in rows}


@pytest.mark.parametrize(("table", "schema"), PLACES, ids=IDS)
def test_conditions_on_a_ctid(fresh, table, schema):
    by_ctid = ctids(fresh, table, schema)
    first, last = next(iter(by_ctid)), list(by_ctid)[-1]
    both = sorted({by_ctid[first], by_ctid[last]})
    if is_coded(table, schema):
        number = by_ctid[first][table.primary_key.index(*key_of(table, schema))]
        assert first == f"({number},1)"

    def conditions() -> None:
        assert found(fresh, table, f"ctid = '{first}'", schema) == [by_ctid[first]]
        assert found(fresh, table, f"t.CTID IN ('{last}', '{first}')", schema) == both
        assert found(fresh, table, "ctid IN ('(4294967295,0)', '(4294967295,65534)')", schema) == []
        array = f"ctid = ANY ('{{\"{first}\",\"{last}\"}}'::tid[]) AND ctid <> '{last}'"
        expected = [by_ctid[first]] if first != last else []
        assert found(fresh, table, array, schema) == expected

    conditions()
    fresh.db.close()  # a backend that has handed out none of them
    conditions()


@pytest.mark.parametrize(("table", "schema"), NARROWEST.items(), ids=[t.name for t in NARROWEST])
def test_other_conditions_and_joins(sql, table, schema):
    by_ctid = ctids(sql, table, schema)
    in_order = sorted(by_ctid, key=lambda ctid: tuple(map(int, ctid.strip("()").split(","))))
    middle = in_order[len(in_order) // 2]
    above = sorted(by_ctid[ctid] for ctid in in_order[len(in_order) // 2 + 1 :])
    assert found(sql, table, f"ctid > '{middle}'", schema) == above
    others = sorted(key for ctid, key in by_ctid.items() if ctid != middle)
    assert found(sql, table, f"NOT ctid = '{middle}'", schema) == others
    one, other = (source(sql, table, schema, alias) for alias in "ab")
    rows = source(sql, table, schema)
    self_join = f"SELECT count(*) FROM {one} JOIN {other} ON a.ctid = b.ctid"
    assert sql.run(self_join, on=schema).rows == [(len(by_ctid),)]
    limited = f"ctid IN (SELECT ctid FROM {rows} ORDER BY ctid LIMIT 3)"
    assert found(sql, table, limited, schema) == sorted(by_ctid[c] for c in in_order[:3])
    grouped = f"SELECT count(*) FROM (SELECT ctid FROM {rows} GROUP BY ctid) g"
    assert sql.run(grouped, on=schema).rows == [(len(by_ctid),)]
    distinct = f"SELECT count(DISTINCT ctid), count(ctid) FROM {rows}"
    assert sql.run(distinct, on=schema).rows == [(len(by_ctid), len(by_ctid))]


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", ["tags", "issues", "pull_request_comments", "pipelines"])
def test_prepared_statements(sql, name, mode):
    table = next(table for table in TABLES if table.name == name)
    by_ctid = ctids(sql, table, "website")
    key = ", ".join(f"{name}::text" for name in table.primary_key)
    sql.db.execute(f"SET plan_cache_mode = {mode}; SET search_path = website")
    sql.db.execute(f"PREPARE one(tid) AS SELECT {key} FROM {name} WHERE ctid = $1")
    sql.db.execute(f"PREPARE two(tid, tid) AS SELECT {key} FROM {name} WHERE ctid IN ($1, $2)")
    for ctid in list(by_ctid)[:8]:
        assert sql.db.rows(f"EXECUTE one('{ctid}')") == [by_ctid[ctid]]
        assert sql.db.rows(f"EXECUTE two('(0,77)', '{ctid}')") == [by_ctid[ctid]]
    assert sql.db.rows("EXECUTE one(NULL)") == []
    with sql.db.connection.cursor() as cursor:  # by the protocol, with a typed parameter
        for ctid in list(by_ctid)[:3]:
            cursor.execute(
                f"SELECT {key} FROM {name} WHERE ctid = %s::tid".encode(), [ctid], prepare=True
            )
            assert cursor.fetchall() == [by_ctid[ctid]]


def test_a_number_is_one_request_for_its_item(sql):
    base = "/repositories/acme/website"
    assert paths(sql.run("SELECT title FROM issues WHERE ctid = '(7,1)'", on="website")) == [
        f"{base}/issues/7"
    ]
    assert paths(sql.run("SELECT ctid, id FROM pull_requests WHERE id = 3", on="website")) == [
        f"{base}/pullrequests/3"
    ]
    two = sql.run("SELECT id FROM issues WHERE ctid IN ('(7,1)', '(8,1)')", on="website")
    assert (sorted(two.rows), len(two.requests)) == ([(7,), (8,)], 1)
    none = sql.run("SELECT id FROM issues WHERE ctid IN ('(7,0)', '(7,65535)')", on="website")
    assert (none.rows, len(none.requests)) == ([], 0)
    plan = sql.explain("SELECT id FROM issues WHERE ctid = '(7,1)'")
    assert "issues/7" in plan


def test_a_known_digest_is_one_request(fresh):
    statement = "SELECT name FROM tags WHERE ctid = '{}'"
    [(ctid, name)] = fresh.run(
        "SELECT ctid::text, name FROM tags ORDER BY name LIMIT 1", on="website"
    ).rows
    known = fresh.run(statement.format(ctid), on="website")
    assert (known.rows, len(known.requests)) == ([(name,)], 1)
    assert "/refs/tags/" in paths(known)[0]
    fresh.db.close()
    unknown = fresh.run(statement.format(ctid), on="website")
    assert (unknown.rows, set(paths(unknown))) == (
        [(name,)],
        {"/repositories/acme/website/refs/tags"},
    )


def test_a_join_looks_numbers_up(fresh):
    fresh.db.execute("CREATE TEMP TABLE wanted AS SELECT '(3,1)'::tid AS c; ANALYZE wanted")
    fresh.run("SELECT count(*) FROM pull_requests", on="website")  # its size is known now
    query = "SELECT p.id FROM wanted w JOIN pull_requests p ON p.ctid = w.c"
    result = fresh.run(query, on="website")
    assert (result.rows, paths(result)) == ([(3,)], ["/repositories/acme/website/pullrequests/3"])


@pytest.mark.parametrize(
    "table", [t for t in KEYED if t.level == "repository"], ids=lambda table: table.name
)
def test_a_ctid_takes_no_request_of_its_own(sql, table):
    key = ", ".join(key_of(table, "website"))
    rows = source(sql, table, "website")
    by_key = paths(sql.run(f"SELECT {key} FROM {rows}", on="website"))
    by_ctid = paths(sql.run(f"SELECT ctid FROM {rows}", on="website"))
    assert sorted(by_ctid) == sorted(by_key)


def test_a_table_without_the_key_column_has_ctids(sql):
    sql.db.execute(
        "CREATE FOREIGN TABLE website.few (title text) SERVER bitbucket"
        " OPTIONS (table 'issues', workspace 'acme', repository 'website')"
    )
    try:
        [(title,)] = sql.run("SELECT title FROM issues WHERE id = 7", on="website").rows
        result = sql.run("SELECT title, ctid FROM few WHERE ctid = '(7,1)'", on="website")
        assert (result.rows, len(result.requests)) == ([(title, "(7,1)")], 1)
    finally:
        sql.db.execute("DROP FOREIGN TABLE website.few")


def test_a_row_without_a_key_has_none(db):
    people = b'[{"user": null, "role": "REVIEWER"}, {"user": null, "role": "PARTICIPANT"}]'
    page = b'{"values": [{"id": 1, "participants": %s}], "size": 1}' % people
    server = ScriptedServer(lambda _: Answer(page))
    try:
        db.create_server("masked", credentials={}, base_url=f"{server.url}/2.0", retry_limit="0")
        db.execute(
            "CREATE FOREIGN TABLE t (pull_request_id bigint, role text) SERVER masked OPTIONS"
            " (table 'pull_request_participants', workspace 'w', repository 'r')"
        )
        assert db.rows("SELECT role FROM t") == [("REVIEWER",), ("PARTICIPANT",)]
        with pytest.raises(psycopg.errors.FeatureNotSupported) as caught:
            db.rows("SELECT ctid FROM t")
    finally:
        server.close()
    told = caught.value.diag
    assert told.message_primary == "pull_request_participants: a row without user_uuid has no ctid"
    assert told.message_hint == "Use the columns that identify a row instead of its ctid."


def test_the_catalog_has_ctids(sql):
    for table in ("tables", "columns"):
        rows = sql.db.rows(f"SELECT ctid::text FROM bitbucket.{table}")
        assert len(set(rows)) == len(rows) > 10
        [(ctid,)] = rows[:1]
        query = f"SELECT count(*) FROM bitbucket.{table} WHERE ctid = '{ctid}'"
        assert sql.db.value(query) == 1
