"""Changes to rows that are told by their ctid reach these rows and no other."""

from __future__ import annotations

import psycopg
import pytest
from devkit.cluster import SUPERUSER, literal
from devkit.tree import BUNDLED

from tests.support.database import Database, drop_database
from tests.writes.writing import R, document, documents

pytestmark = pytest.mark.skipif(
    f"config.getoption('--host') != '{BUNDLED}'", reason="Multicorn2 hands over no system columns"
)

ISSUES = f"{R}/issues"
TAGS = f"{R}/refs/tags"


def titles(emulator):
    return {issue["id"]: issue["title"] for issue in documents(emulator, "issues")}


# --- numbers and digests ---


@pytest.mark.parametrize("schema", ["website", "undone", "queued"])
def test_a_number_is_changed_by_its_ctid(session_in, emulator, schema):
    session = session_in(schema)
    before = titles(emulator)
    done = session.run("UPDATE issues SET title = 'new' WHERE ctid = '(7,1)'")
    assert (done.count, done.sent) == (1, [("PUT", f"{ISSUES}/7", {"title": "new"})])
    assert set(done.read) <= {f"{ISSUES}/7"}
    assert titles(emulator) == {**before, 7: "new"}
    done = session.run("DELETE FROM issues WHERE ctid IN ('(7,1)', '(9,1)', '(4711,1)')")
    assert (done.count, set(titles(emulator))) == (2, set(before) - {7, 9})


@pytest.mark.parametrize(
    ("schema", "name", "key", "where"),
    [
        ("website", "tags", "name", "name = 'v1.0'"),
        ("acme", "tags", "repository, name", "name = 'v1.0' AND repository = 'website'"),
        ("acme", "issues", "repository, id", "id = 3 AND repository = 'website'"),
        ("website", "issue_comments", "issue_id, id", "content_raw LIKE '%e%' AND issue_id < 30"),
        ("website", "branches", "name", "name LIKE 'feature/%'"),
        ("acme_queued", "issues", "repository, id", "id IN (3, 5) AND repository = 'website'"),
    ],
)
@pytest.mark.parametrize("form", ["subquery", "limit", "array", "join", "values"])
def test_the_rows_of_a_subquery_are_deleted_and_no_others(
    session_in, emulator, schema, name, key, where, form
):
    session = session_in(schema)
    meant = set(session.run(f"SELECT {key} FROM {name} WHERE {where}").rows)
    everything = set(session.run(f"SELECT {key} FROM {name}").rows)
    assert set() < meant < everything
    inner = f"SELECT ctid FROM {name} WHERE {where}"
    condition = {
        "subquery": f"ctid IN ({inner})",
        "limit": f"ctid IN ({inner} LIMIT 100)",
        "array": f"ctid = ANY (ARRAY({inner}))",
        "join": f"EXISTS (SELECT FROM {name} o WHERE o.ctid = {name}.ctid AND "
        f"(o.{key.replace(', ', ', o.')}) IN (SELECT {key} FROM {name} WHERE {where}))",
        "values": f"ctid IN ({', '.join(literal(str(c)) for (c,) in session.run(inner).rows)})",
    }[form]
    done = session.run(f"DELETE FROM {name} WHERE {condition}")
    assert done.count == len(meant)
    assert set(session.run(f"SELECT {key} FROM {name}").rows) == everything - meant


def test_returning_the_ctid(session_in, emulator):
    for schema in ("website", "acme"):
        session = session_in(schema)
        only = "repository = 'website' AND "
        [(before,)] = session.run(f"SELECT ctid FROM issues WHERE {only} id = 5").rows
        update = f"UPDATE issues SET title = 'x' WHERE {only} id = 5 RETURNING ctid, id"
        assert session.run(update).rows == [(before, 5)]
        made = "INSERT INTO issues (repository, title) VALUES ('website', 't') RETURNING ctid, id"
        [(ctid, number)] = session.run(made).rows
        assert session.run(f"SELECT id FROM issues WHERE ctid = '{ctid}'").rows == [(number,)]
        deleted = session.run(f"DELETE FROM issues WHERE ctid = '{ctid}' RETURNING id, ctid")
        assert deleted.rows == [(number, ctid)]
        emulator.reset()
    session = session_in("website")
    [(before,)] = session.run("SELECT ctid FROM tags WHERE name = 'v1.0'").rows
    assert session.run("DELETE FROM tags WHERE name = 'v1.0' RETURNING ctid").rows == [(before,)]


def test_prepared_statements_as_a_driver_sends_them(sql, emulator):
    sql.run("SET plan_cache_mode = force_generic_plan")
    with sql.doing() as done, sql.connection.cursor() as cursor:
        for number in (3, 4, 5):
            cursor.execute(
                "UPDATE issues SET title = %s WHERE ctid = %s::tid RETURNING ctid",
                [f"n{number}", f"({number},1)"],
                prepare=True,
            )
            assert cursor.fetchall() == [(f"({number},1)",)]
    assert [(path, body) for _, path, body in done.sent] == [
        (f"{ISSUES}/{number}", {"title": f"n{number}"}) for number in (3, 4, 5)
    ]


# --- postgres_fdw in a second database ---


@pytest.fixture
def outside(writes_db, db_factory, emulator):
    """A database that has tables of ``website`` and ``acme`` through postgres_fdw."""
    db: Database = db_factory(emulator=emulator)
    password = writes_db.cluster.password_file.read_text().strip()
    db.execute("CREATE EXTENSION postgres_fdw")
    db.execute(
        "CREATE SERVER inner_db FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1',"
        f" port '{writes_db.cluster.port}', dbname {literal(writes_db.name)})"
    )
    db.execute(
        "CREATE USER MAPPING FOR CURRENT_USER SERVER inner_db OPTIONS"
        f" (user {literal(SUPERUSER)}, password {literal(password)})"
    )
    for schema in ("website", "acme"):
        db.execute(f"CREATE SCHEMA {schema}")
        db.execute(
            f"IMPORT FOREIGN SCHEMA {schema} LIMIT TO (issues, tags) FROM SERVER inner_db"
            f" INTO {schema}"
        )
    db.execute("CREATE TABLE todo AS SELECT * FROM (VALUES (3, 'c'), (8, 'h'), (3, 'd')) v(id, t)")
    yield db
    drop_database(db)


@pytest.mark.parametrize("schema", ["website", "acme"])
def test_postgres_fdw_changes_the_rows_that_were_meant(outside, emulator, schema):
    before = titles(emulator)
    outside.execute(f"SET search_path = {schema}, public")
    only = "repository = 'website'"
    with outside.connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE issues i SET title = i.title || t FROM todo WHERE todo.id = i.id AND {only}"
            " AND todo.t <> 'd'".encode()
        )
        assert cursor.rowcount == 2
        # A condition that cannot be shipped: the function is not known to be the same there.
        cursor.execute(f"UPDATE issues SET title = 'x' WHERE md5(id::text) = md5('5') AND {only}")
        assert cursor.rowcount == 1
        cursor.execute(f"DELETE FROM issues USING todo WHERE todo.id + 1 = issues.id AND {only}")
        assert cursor.rowcount == 2
        cursor.execute(f"DELETE FROM tags WHERE random() >= 0 AND name = 'v1.0' AND {only}")
        assert cursor.rowcount == 1
    expected = {**before, 3: before[3] + "c", 8: before[8] + "h", 5: "x"}
    assert titles(emulator) == {n: t for n, t in expected.items() if n not in (4, 9)}
    assert document(emulator, "tags", "v1.0") is None
    assert len(documents(emulator, "tags")) > 10


# --- partitions ---


def test_a_row_that_moves_to_bitbucket_is_not_updated_again(sql, emulator, writes_db):
    sql.run(
        "CREATE TABLE public.parts (id bigint, title text) PARTITION BY RANGE (id);"
        "CREATE TABLE public.parts_local PARTITION OF public.parts FOR VALUES FROM (-100) TO (1);"
        "CREATE FOREIGN TABLE public.parts_remote PARTITION OF public.parts"
        " FOR VALUES FROM (1) TO (1000) SERVER bitbucket"
        " OPTIONS (table 'issues', workspace 'acme', repository 'website');"
        "INSERT INTO public.parts VALUES (-1, 'local')"
    )
    try:
        with sql.failing("0A000", match="cannot route tuples into foreign table") as failed:
            sql.run("UPDATE public.parts SET id = id + 10 WHERE title = 'local'")
        assert failed.done.sent == []
        done = sql.run("UPDATE public.parts SET id = NULLIF(id, -1) WHERE id = -2")
        assert done.count == 0
    finally:
        sql.run("DROP TABLE public.parts")


def test_no_ctid_of_a_function_table(writes_db):
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="ctid"):
        writes_db.rows("SELECT ctid FROM bitbucket_private.option_checks")
