"""Long scans, many scans and failing ones leave the backend's memory as it was."""

import gc
from pathlib import Path

import psycopg
import pytest
from cluster import Session

# The bounds that a leak of a few bytes a row, or of one object a scan, would pass.
ROWS = 300_000
SCANS = 5_000
CHANGES = 60_000
MEGABYTE = 1024 * 1024


def resident(session: Session) -> int:
    """The backend's private memory in bytes, without the shared buffers it has touched."""
    for line in Path(f"/proc/{session.pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


def python_objects(session: Session) -> int:
    """How many objects the backend's Python tracks."""
    table = session.table("n int", rows="[(gc.collect() * 0 + objects(),)]")
    session.value(f"SELECT n FROM {table}")
    count: int = session.value(f"SELECT n FROM {table}")
    return count


COLUMNS = "id int, name text, ts timestamptz, n numeric, tags text[], doc jsonb, u uuid"
ROW = (
    "{'id': n, 'name': 'name %d' % n, 'ts': datetime.datetime.now(UTC), 'n': Decimal(n) / 7,"
    " 'tags': ['a', 'b%d' % n], 'doc': '[1, null]', 'u': uuid.UUID(int=n)}"
)


def test_long_scan(session: Session) -> None:
    # The journal is not for hundreds of thousands of rows, so this table is not "noted".
    table = session.table(f"{COLUMNS}, bad int", rows=f"({ROW} for n in range({ROWS}))")
    short = session.table(COLUMNS, rows=f"({ROW} for n in range(1000))")
    everything = "SELECT count(id), max(name), max(ts), sum(n), max(tags), max(doc::text) FROM {}"
    session.rows(everything.format(short))
    before = resident(session)
    assert session.rows(everything.format(table))[0][0] == ROWS
    assert resident(session) - before < 4 * MEGABYTE


INSERT = (
    "INSERT INTO {} SELECT n, 'name ' || n, now(), n / 7.0, ARRAY['a', 'b' || n], '[1, null]',"
    " md5(n::text)::uuid, repeat('x', 100)::bytea FROM generate_series(1, {}) n"
)


@pytest.mark.beyond("keeps what each row needed until the statement ends")
@pytest.mark.parametrize(
    ("statement", "returns", "batch"),
    [
        (INSERT, "None", "1"),
        (INSERT, "values", "1"),
        (INSERT, "values", "100"),
        ("UPDATE {} SET name = 'other ' || id WHERE id < {}", "values", "1"),
        ("DELETE FROM {} WHERE id < {}", "{'name': 'x' * 100, 'tags': ['a', 'b']}", "1"),
    ],
)
def test_long_change(session: Session, statement: str, returns: str, batch: str) -> None:
    options = {"rows": f"({ROW} for n in range({CHANGES}))", "returns": returns, "batch": batch}
    table = session.table(f"{COLUMNS}, data bytea", silent="1", **options)
    session.execute(statement.format(table, 1000))
    before = resident(session)
    assert session.execute(statement.format(table, CHANGES)).rowcount == CHANGES
    assert resident(session) - before < 4 * MEGABYTE


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT id, name, tags, doc FROM {} WHERE id >= 1 AND name LIKE 'n%' LIMIT 1",
        "SELECT (SELECT count(*) FROM {0} i WHERE i.id <= o.id) FROM {0} o",
        "INSERT INTO {} (id, name, tags) VALUES (1, 'x', '{{a,b}}')",
        pytest.param(
            "UPDATE {} SET name = 'y' WHERE id = 1", marks=pytest.mark.beyond("leaks a little")
        ),
        "EXPLAIN SELECT * FROM {} ORDER BY id LIMIT 3",
        "IMPORT FOREIGN SCHEMA x LIMIT TO (nothing) FROM SERVER s INTO public",
        "BEGIN; SAVEPOINT a; SELECT * FROM {}; ROLLBACK TO a; SELECT * FROM {}; COMMIT",
    ],
)
def test_many_statements(session: Session, statement: str) -> None:
    rows = f"({ROW} for n in range(3))"
    table = session.table(COLUMNS, rows=rows, sortable="sortkeys", limited="True", silent="1")
    repeat(session, statement.format(table, table), fails=False)


@pytest.mark.beyond("leaks what a failing scan held")
@pytest.mark.parametrize(
    ("options", "statement"),
    [
        ({"rows": "[{'id': 'x' * 100}]"}, "SELECT id FROM {}"),
        ({"rows": "[{'id': n} for n in range(99)]"}, "SELECT 1 / (id - 1) FROM {}"),
        ({"fail": "after_execute"}, "SELECT id FROM {}"),
        ({"fail": "get_rel_size"}, "SELECT id FROM {}"),
        ({"fail": "insert"}, "INSERT INTO {} VALUES (1)"),
        ({"fail": "pre_commit"}, "SELECT id FROM {}"),
        ({"fail": "init"}, "SELECT id FROM {}"),
    ],
)
def test_many_failures(session: Session, options: dict[str, str], statement: str) -> None:
    table = session.table("id int, name text", silent="1", **options)
    repeat(session, statement.format(table), fails=True)


def repeat(session: Session, statement: str, fails: bool) -> None:
    def run(times: int) -> None:
        for _ in range(times):
            try:
                session.execute(statement)
            except psycopg.Error:
                assert fails
            else:
                assert not fails

    run(SCANS // 10)
    objects = python_objects(session)
    before = resident(session)
    run(SCANS // 5)
    gc.collect()
    assert resident(session) - before < 1 * MEGABYTE
    assert python_objects(session) - objects < 50


@pytest.mark.beyond("leaks the old ones")
def test_many_instances(session: Session) -> None:
    table = session.table("id int", rows="[(1,)]", silent="1", extra="0")

    def run(times: int) -> None:
        for n in range(times):
            session.execute(f"ALTER FOREIGN TABLE {table} OPTIONS (SET extra '{n}{times}')")
            session.execute(f"SELECT * FROM {table}")

    run(200)
    objects = python_objects(session)
    before = resident(session)
    run(500)
    # The catalog cache may grow a little.
    assert resident(session) - before < 2 * MEGABYTE
    assert python_objects(session) - objects < 50


def test_dropped_tables_are_forgotten(session: Session) -> None:
    def run(times: int) -> None:
        for _ in range(times):
            session.execute("CREATE FOREIGN TABLE gone (id int) SERVER s OPTIONS (silent '1')")
            session.execute("SELECT * FROM gone; DROP FOREIGN TABLE gone")

    run(50)
    objects = python_objects(session)
    run(200)
    if session.cluster.host == "bundled":
        assert python_objects(session) - objects < 50
