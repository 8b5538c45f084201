"""Programs that look around in the catalog, and never ask Bitbucket while they do."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest
import sqlalchemy
from sqlalchemy.orm import Session, declarative_base

from bitbucket_fdw.tables import TABLES
from tests.docs.pages import DOCS, blocks

SCHEMAS = ("acme", "acme__website")
COMMANDS = (
    *(r"\d {0}.*", r"\d+ {0}.*", r"\dE+ {0}.*", r"\det+ {0}.*", r"\dp {0}.*", r"\dn+ {0}"),
    *(r"\df+ bitbucket.*", r"\des+", r"\dew+", r"\deu", r"\dx+ bitbucket_fdw", r"\l+"),
)
# What JDBC's drivers and BI tools ask: tables, columns, keys, indexes, sizes, privileges.
CATALOG = (
    "SELECT n.nspname, c.relname, c.relkind, d.description FROM pg_catalog.pg_namespace n "
    "JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid LEFT JOIN pg_catalog.pg_description d "
    "ON d.objoid = c.oid AND d.objsubid = 0 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')",
    "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, "
    "pg_get_expr(f.adbin, f.adrelid), col_description(c.oid, a.attnum) FROM pg_catalog.pg_class c "
    "JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_catalog.pg_attrdef f "
    "ON f.adrelid = a.attrelid AND f.adnum = a.attnum WHERE a.attnum > 0",
    "SELECT c.relname, x.n FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c "
    "ON c.oid = i.indrelid, information_schema._pg_expandarray(i.indkey) AS x WHERE i.indisprimary",
    "SELECT relname, reltuples, pg_relation_size(oid), pg_total_relation_size(oid), "
    "has_table_privilege(oid, 'SELECT'), pg_relation_is_updatable(oid, true) "
    "FROM pg_catalog.pg_class",
)


@pytest.fixture
def workspace(db):
    db.execute("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")
    db.close()  # a new session has seen nothing yet
    db.emulator.clear()
    return db


def test_psql_describes_everything_without_a_request(workspace):
    commands = [command.format(schema) for schema in SCHEMAS for command in COMMANDS]
    done = subprocess.run(
        ["psql", "-X", "-v", "ON_ERROR_STOP=1", workspace.conninfo()],
        input="\n".join(commands),
        capture_output=True,
        text=True,
        check=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("PG")},
    )
    for table in TABLES:
        assert f'Foreign table "acme.{table.name}"' in done.stdout
    assert workspace.emulator.requests() == []


def test_every_view_of_the_information_schema_is_read_without_a_request(workspace):
    views = workspace.column(
        "SELECT format('%I.%I', table_schema, table_name) FROM information_schema.tables "
        "WHERE table_schema = 'information_schema'"
    )
    assert len(views) > 50
    for view in views:
        workspace.rows(f"SELECT * FROM {view}")
    for statement in CATALOG:
        assert workspace.rows(statement) or "indisprimary" in statement
    assert workspace.emulator.requests() == []


@pytest.mark.parametrize(
    "question", ["{} LIMIT 0", "{} WHERE 1 = 0", "EXPLAIN {}", "PREPARE {table} AS {}"]
)
def test_a_question_about_the_columns_alone_makes_no_request(workspace, question):
    for table in TABLES:
        statement = f"SELECT * FROM acme.{table.name}"
        workspace.query(question.format(statement, table=table.name))
    assert workspace.emulator.requests() == []


@pytest.fixture
def engine(workspace):
    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        "postgres",
        database=workspace.name,
        query={"host": str(workspace.cluster.sockets), "port": str(workspace.cluster.port)},
    )
    engine = sqlalchemy.create_engine(url)
    yield engine
    engine.dispose()


def test_sqlalchemy_finds_tables_columns_and_comments(engine, workspace):
    inspector = sqlalchemy.inspect(engine)
    assert set(inspector.get_foreign_table_names(schema="acme")) == {t.name for t in TABLES}
    assert inspector.get_table_names(schema="acme") == []
    for table in TABLES:
        columns = inspector.get_columns(table.name, schema="acme")
        filled = {column.name for column in table.never_null()}
        assert [(c["name"], c["nullable"], c["comment"]) for c in columns] == [
            (c.name, c.name not in filled, c.description) for c in table.columns
        ]
        assert inspector.get_pk_constraint(table.name, schema="acme")["constrained_columns"] == []
    assert workspace.emulator.requests() == []


def test_sqlalchemy_reflects_a_table_and_maps_it_by_the_key_that_it_is_told(engine, workspace):
    base = declarative_base()

    class Issue(base):  # type: ignore[misc, valid-type]
        __table__ = sqlalchemy.Table(
            "issues",
            base.metadata,
            sqlalchemy.Column("id", sqlalchemy.BigInteger, primary_key=True),
            schema="acme__website",
            autoload_with=engine,
        )

    assert workspace.emulator.requests() == []
    with Session(engine) as session:
        issue = session.get(Issue, 1)
        assert issue is not None
        issue.title = "Changed by an object"
        session.commit()
        made = Issue(title="Made by an object")
        session.add(made)
        session.commit()
        assert made.id > 1
    titles = "SELECT title FROM acme__website.issues WHERE id IN (1, %s) ORDER BY id"
    assert workspace.column(titles, (made.id,)) == ["Changed by an object", "Made by an object"]
    sent = [(r.method, r.path) for r in workspace.emulator.requests() if r.method != "GET"]
    assert [method for method, _ in sent] == ["PUT", "POST"]


def test_the_documented_program_runs(engine, workspace):
    shown, _ = blocks(DOCS / "clients.md", "python")
    [placeholder] = re.findall(r'"(postgresql[^"]+)"', shown.text)
    url = engine.url.render_as_string(hide_password=False)
    names: dict[str, object] = {"__name__": "documented"}
    exec(shown.text.replace(placeholder, url), names)
    names["engine"].dispose()  # type: ignore[attr-defined]
    title = "SELECT title FROM acme__website.issues WHERE id = 1"
    assert workspace.value(title) == "A better title"


def test_every_test_that_the_page_names_is_there():
    page = (DOCS / "clients.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(test_\w+\.py)`", page))
    tests = {path.name for path in (DOCS.parent / "tests").rglob("test_*.py")}
    assert named <= tests
    own = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert own <= named


def test_a_materialized_view_is_refreshed_while_others_read_it(workspace):
    workspace.execute(
        "CREATE MATERIALIZED VIEW public.kept AS SELECT id, title FROM acme__website.issues;"
        "CREATE UNIQUE INDEX ON public.kept (id)"
    )
    reader = workspace.connect(autocommit=False)
    [(before,)] = reader.execute("SELECT title FROM public.kept WHERE id = 1").fetchall()
    workspace.execute("UPDATE acme__website.issues SET title = 'Another' WHERE id = 1")
    workspace.execute("SET lock_timeout = '10s'")
    asked = workspace.requests("REFRESH MATERIALIZED VIEW CONCURRENTLY public.kept")
    assert {request.path for request in asked} == {"/2.0/repositories/acme/website/issues"}
    assert before != "Another"
    reader.rollback()
    assert workspace.value("SELECT title FROM public.kept WHERE id = 1") == "Another"
    workspace.emulator.clear()
    assert workspace.value("SELECT count(*) FROM public.kept") > 1
    assert workspace.emulator.requests() == []
