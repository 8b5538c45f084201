"""On a host that hands over no ctid, a statement that goes by one is refused."""

from __future__ import annotations

import psycopg
import pytest
from devkit.tree import BUNDLED

pytestmark = pytest.mark.skipif(
    f"config.getoption('--host') == '{BUNDLED}'", reason="rows have a ctid there"
)

HINT = (
    "Use name instead of the ctid, of local tables too, or read these in a statement of their own."
)


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT name FROM tags WHERE ctid = '(4294967295,0)'",
        "DELETE FROM tags WHERE ctid IN (SELECT ctid FROM tags WHERE name = 'v1.0')",
        "DELETE FROM tags WHERE ctid = ANY (ARRAY(SELECT t.ctid FROM tags t LIMIT 1))",
        "UPDATE issues SET title = 'x' FROM tags t WHERE t.ctid = issues.ctid",
        "SELECT DISTINCT ctid FROM tags",
        "SELECT count(*) FROM tags GROUP BY ctid",
        "CREATE TABLE public.tids AS SELECT ctid FROM tags",
        "DO $$ BEGIN DELETE FROM tags WHERE ctid = '(4294967295,0)'; END $$",
        "EXPLAIN SELECT name FROM tags WHERE \"ctid\" = '(4294967295,0)'",
    ],
)
def test_refused_before_anything_is_sent(sql, statement):
    before = len(sql.db.emulator.requests())
    with pytest.raises(psycopg.Error, match="rows cannot be told by their ctid here") as caught:
        sql.run(statement, on="website")
    assert (caught.value.diag.message_hint or "").startswith("Use ")
    assert not [r for r in sql.db.emulator.requests()[before:] if r.method != "GET"]


def test_the_hint_names_the_key(sql):
    with pytest.raises(psycopg.Error) as caught:
        sql.run("SELECT name FROM tags WHERE ctid = '(0,1)'", on="website")
    assert caught.value.diag.message_hint == HINT


def test_shown(sql):
    rows = sql.run("SELECT name, ctid, tags.ctid::text FROM tags", on="website").rows
    assert len(rows) > 10
    assert sql.run("SELECT name AS ctid FROM tags WHERE name = 'ctid'", on="website").rows == []


def test_statements_by_the_protocol(sql):
    sql.db.execute("SET search_path = website")
    with sql.db.connection.cursor() as cursor, pytest.raises(psycopg.Error, match="ctid"):
        cursor.execute("SELECT name FROM tags WHERE ctid = %s::tid", ["(0,1)"], prepare=True)
    with sql.db.connection.cursor() as cursor:
        cursor.execute("SELECT name, ctid FROM tags LIMIT %s", [3], prepare=True)
        assert len(cursor.fetchall()) == 3


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
@pytest.mark.parametrize("name", ["gone", "GONE", '"It ""is"" gone"', "g" * 80])
def test_statements_by_prepare(sql, name, mode):
    sql.db.execute(f"SET search_path = website; SET plan_cache_mode = {mode}")
    sql.db.execute(f"PREPARE {name} (tid) AS DELETE FROM tags WHERE ctid = $1")
    before = len(sql.db.emulator.requests())
    for way in ("EXECUTE", "EXPLAIN EXECUTE", "EXPLAIN (COSTS OFF) EXECUTE"):
        with pytest.raises(psycopg.Error, match="rows cannot be told by their ctid here"):
            sql.db.execute(f"{way} {name} ('(4294967295,0)')")
    assert sql.db.emulator.requests()[before:] == []
    sql.db.execute("PREPARE shown (int) AS SELECT name, ctid FROM tags LIMIT $1")
    assert len(sql.db.rows("EXECUTE shown (3)")) == 3
