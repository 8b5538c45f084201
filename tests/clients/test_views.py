"""Views of imported tables, for programs that list views but no foreign tables."""

import re
from collections import Counter
from typing import Any

import psycopg
import pytest
import sqlalchemy
from sqlalchemy.orm import Session

from bitbucket_fdw.tables import BY_NAME, TABLES
from tests.docs.pages import DOCS, blocks

OF_REPOSITORY = [table for table in TABLES if table.level == "repository"]
VIEWS = {"acme": "acme_views", "acme__website": "acme__website_views"}


@pytest.fixture
def viewed(db):
    db.execute(
        "SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme', repositories => '{website}')"
    )
    db.emulator.clear()
    made = [db.value("SELECT bitbucket.make_views(%s)", (schema,)) for schema in VIEWS]
    assert made == [len(TABLES), len(OF_REPOSITORY)]
    assert db.emulator.requests() == []
    return db


def asked(requests):
    """Requests to compare: without the mark of the page, which is drawn anew each time."""
    return Counter(
        (r.method, r.path, re.sub(r"(^|&)page=[^&]*", "", r.query), r.status) for r in requests
    )


def test_a_view_is_planned_as_its_table_is(viewed, host):
    """Every example of every table: conditions, columns, order and LIMIT go through."""
    if host == "multicorn2":
        pytest.skip("Multicorn2 crashes at EXPLAIN of a condition on what a subquery gives")
    examples = [example for table in TABLES for example in table.examples]
    assert len(examples) > len(TABLES)
    for example in examples:
        with viewed.connection.transaction():  # in which now() stays the same
            plans = []
            for schemas in (VIEWS, VIEWS.values()):
                viewed.execute(f"SET search_path = {', '.join(reversed([*schemas]))}")
                lines = viewed.explain(example).splitlines()
                plans.append([line for line in lines if "Multicorn:" in line])
        of_table, of_view = plans
        assert of_view == of_table != []


@pytest.mark.parametrize("table", ["pull_requests", "repositories", "issue_comments"])
def test_a_view_costs_what_its_table_costs(viewed, table):
    for example in BY_NAME[table].examples:
        found = []
        with viewed.connection.transaction():
            # The first time shows the session what there is, which later plans are made by.
            for schemas in (VIEWS, VIEWS, VIEWS.values()):
                viewed.execute(f"SET search_path = {', '.join(reversed([*schemas]))}")
                found.append(viewed.query(example))
        _, of_table, of_view = found
        assert of_view.columns == of_table.columns
        assert sorted(map(repr, of_view.rows)) == sorted(map(repr, of_table.rows)), example
        assert asked(of_view.requests) == asked(of_table.requests) != Counter(), example


def test_a_view_takes_changes(viewed):
    sent = {}
    for schema in ("acme__website", "acme__website_views"):
        statements = (
            f"INSERT INTO {schema}.issues (title) VALUES ('made') RETURNING id",
            f"UPDATE {schema}.issues SET title = 'changed' WHERE title = 'made' RETURNING title",
            f"DELETE FROM {schema}.issues WHERE title = 'changed' RETURNING title",
        )
        made, changed, deleted = (viewed.query(statement) for statement in statements)
        assert (changed.rows, deleted.rows) == ([("changed",)], [("changed",)])
        sent[schema] = [
            [r.path.replace(f"/{made.rows[0][0]}", "/N") for r in result.requests]
            for result in (made, changed, deleted)
        ]
    assert sent["acme__website"] == sent["acme__website_views"]


def test_views_are_described_as_their_tables_are(viewed):
    described = (
        "SELECT a.attname, obj_description(c.oid, 'pg_class'), col_description(c.oid, a.attnum) "
        "FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 "
        "WHERE c.oid = %s::regclass ORDER BY a.attnum"
    )
    for table in OF_REPOSITORY:
        names = (f"{schema}.{table.name}" for schema in ("acme__website", "acme__website_views"))
        of_table, of_view = (viewed.rows(described, (name,)) for name in names)
        assert of_view == of_table
        assert len(of_view) == len(table.columns)


def test_views_ask_with_the_credential_of_who_reads_them(viewed):
    options = viewed.column(
        "SELECT DISTINCT c.reloptions FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace "
        "WHERE n.nspname = 'acme_views'"
    )
    version = viewed.connection.info.server_version
    assert options == ([["security_invoker=true"]] if version >= 150000 else [None])


def test_making_views_again_adds_what_has_come(viewed):
    viewed.execute(
        "DROP VIEW acme__website_views.tags, acme__website_views.issues;"
        "ALTER FOREIGN TABLE acme__website.issues DROP COLUMN links_html_href"
    )
    make = "SELECT bitbucket.make_views('acme__website')"
    assert viewed.value(make) == len(OF_REPOSITORY)
    columns = "SELECT * FROM acme__website_views.issues LIMIT 0"
    before = viewed.query(columns).columns
    assert viewed.rows("SELECT name FROM acme__website_views.tags LIMIT 1")
    viewed.execute("ALTER FOREIGN TABLE acme__website.issues ADD COLUMN links_html_href text")
    assert viewed.value(make) == len(OF_REPOSITORY)
    assert viewed.query(columns).columns == [*before, "links_html_href"]


OF_THE_USER = {
    "a condition": "VIEW {view} AS SELECT * FROM {table} WHERE state = 'new'",
    "fewer columns": "VIEW {view} AS SELECT id, title FROM {table}",
    "the first columns": "VIEW {view} {options} AS SELECT {first} FROM {table}",
    "a limit": "VIEW {view} AS SELECT * FROM {table} LIMIT 5",
    "an order": "VIEW {view} AS SELECT * FROM {table} ORDER BY id",
    "another table": "VIEW {view} AS SELECT * FROM acme__website.tags",
    "a changed column": "VIEW {view} AS SELECT {changed} FROM {table}",
    "the rights of its owner": "VIEW {view} WITH (security_barrier) AS SELECT * FROM {table}",
    "a table": "TABLE {view} (id bigint)",
    "a materialized view": "MATERIALIZED VIEW {view} AS SELECT * FROM {table} LIMIT 1",
    "a sequence": "SEQUENCE {view}",
}


@pytest.mark.parametrize("kind", OF_THE_USER)
def test_what_the_user_has_under_a_name_is_left_alone(viewed, kind):
    view, table = "acme__website_views.issues", "acme__website.issues"
    names = viewed.column(
        "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 "
        "ORDER BY attnum",
        (table,),
    )
    changed = ", ".join("'all' AS title" if name == "title" else name for name in names)
    viewed.execute(f"DROP VIEW {view}")
    version = viewed.connection.info.server_version
    made = OF_THE_USER[kind].format(
        view=view,
        table=table,
        first=names[0],
        changed=changed,
        options="WITH (security_invoker = true)" if version >= 150000 else "",
    )
    viewed.execute(f"CREATE {made}")
    state = (
        "SELECT oid, relkind, reloptions, xmin::text, obj_description(oid, 'pg_class'), "
        f"pg_get_viewdef(oid) FROM pg_class WHERE oid = '{view}'::regclass"
    )
    before = viewed.rows(state)
    made = viewed.query("SELECT bitbucket.make_views('acme__website')")
    assert made.rows == [(len(OF_REPOSITORY) - 1,)]
    assert made.notices == [f"WARNING: left alone what was not made by make_views: {view}"]
    assert viewed.rows(state) == before
    viewed.execute(f"DROP {OF_THE_USER[kind].partition(' {')[0]} {view}")
    again = viewed.query("SELECT bitbucket.make_views('acme__website')")
    assert (again.rows, again.notices) == ([(len(OF_REPOSITORY),)], [])


def test_views_of_any_name_are_known_again(viewed):
    """As are those of tables and columns whose names need quotes, or look like something else."""
    viewed.execute(
        'ALTER SCHEMA acme__website RENAME TO "a;  B"'
        ';ALTER FOREIGN TABLE "a;  B".issues RENAME TO "is.""sue  s"'
        ';ALTER FOREIGN TABLE "a;  B".tags RENAME COLUMN name TO "select  "'
    )
    for _ in range(2):
        made = viewed.query("SELECT bitbucket.make_views('a;  B', 'V w')")
        assert (made.rows, made.notices) == ([(len(OF_REPOSITORY),)], [])


def test_the_schema_of_the_views_can_be_named(viewed):
    make = "SELECT bitbucket.make_views('acme__website', %s)"
    assert viewed.value(make, ("Site",)) == len(OF_REPOSITORY)
    assert viewed.rows('SELECT id FROM "Site".issues LIMIT 1')
    with pytest.raises(psycopg.errors.InvalidParameterValue) as failed:
        viewed.value(make, ("acme__website",))
    assert failed.value.diag.message_hint
    longest = "a" * 60
    viewed.execute(f"ALTER SCHEMA acme__website RENAME TO {longest}")
    with pytest.raises(psycopg.errors.NameTooLong) as refused:
        viewed.value(f"SELECT bitbucket.make_views('{longest}')")
    assert refused.value.diag.message_hint == (
        f"Give the views' schema a name: bitbucket.make_views('{longest}', '...')."
    )
    assert viewed.query("SELECT bitbucket.make_views('nowhere')").notices == [
        'WARNING: schema "nowhere" has no imported tables'
    ]
    assert viewed.rows("SELECT FROM pg_namespace WHERE nspname = 'nowhere_views'") == []


def test_the_documented_program_maps_every_table_with_a_key(viewed):
    viewed.execute("DROP SCHEMA acme_views, acme__website_views CASCADE")
    _, shown = blocks(DOCS / "clients.md", "python")
    [placeholder] = re.findall(r'"(postgresql[^"]+)"', shown.text)
    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        "postgres",
        database=viewed.name,
        query={"host": str(viewed.cluster.sockets), "port": str(viewed.cluster.port)},
    ).render_as_string(hide_password=False)
    viewed.emulator.clear()
    names: dict[str, Any] = {"__name__": "documented"}
    exec(shown.text.replace(placeholder, url), names)
    classes, engine = names["Base"].classes, names["engine"]
    sent = [(r.method, r.path) for r in viewed.emulator.requests()]
    issue = "/2.0/repositories/acme/website/issues/2"
    assert set(sent) == {("GET", issue), ("PUT", issue)}
    keys = dict(viewed.rows("SELECT name, key FROM bitbucket.keys('acme__website')"))
    assert {mapper.class_.__name__ for mapper in names["Base"].registry.mappers} == set(keys)
    assert {table.name for table in OF_REPOSITORY} - set(keys) == {
        table.name
        for table in OF_REPOSITORY
        if not set(table.primary_key) - {"workspace", "repository"}
    }
    with Session(engine) as session:
        made = classes.issues(title="Made by a class")
        session.add(made)
        session.commit()
        assert made.id > 2
    assert viewed.value("SELECT title FROM acme__website.issues WHERE id = 2") == "Another title"
    inspector = sqlalchemy.inspect(engine)
    assert set(inspector.get_view_names("site")) == {t.name for t in OF_REPOSITORY}
    engine.dispose()
