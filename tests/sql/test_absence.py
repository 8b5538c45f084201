"""One rule for what is not there or refuses: errors, warnings and rows are the same in every plan.

The statements are derived from the tables' declarations: for each table its key by ``=``, ``IN``,
``ANY`` and row by row, and all of it; alone and below a parent's key.
"""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from devkit.cluster import literal

from bitbucket_fdw.tables import TABLES, Table
from bitbucket_fdw.tables.endpoints import SLUGS
from bitbucket_fdw.writing.requests import verbs
from tests.sql.conftest import import_all
from tests.sql.querying import Both, wanted
from tests.support.database import Database
from tests.support.declared import is_deep, required

HERE = "mobile-app"  # a small repository
GONE = "nowhere"


def below(repository: str) -> str:
    """The pattern of all addresses that only a repository's rows come from."""
    return f"re:/repositories/(acme/{repository}/.|{repository}$)"


BELOW = below(HERE)
SAMPLES = {
    "text": ("'x'", "'y'"),
    "bigint": ("3", "4"),
    "uuid": (
        "'00000000-0000-4000-8000-000000000001'::uuid",
        "'00000000-0000-4000-8000-000000000002'::uuid",
    ),
    "hash": (f"'{'0' * 40}'", f"'{'1' * 40}'"),
}
REPOSITORY_TABLES = [table for table in TABLES if table.level == "repository"]


def samples(table: type[Table], name: str) -> tuple[str, str]:
    column = table.column(name)
    return SAMPLES["hash" if column.pattern else column.type]


def forms(table: type[Table], schema: str) -> Iterator[str]:
    """Statements that all ask for the table's rows: the whole, and by each key."""
    name = f"{schema}.{table.name}"
    needed = " AND ".join(f"{c.name} = {samples(table, c.name)[0]}" for c in required(table))
    where = f" WHERE {needed}" if needed else ""
    yield f"SELECT * FROM {name}{where}"
    yield f"SELECT count(*) FROM {name}{where}"
    parents = [c.name for c in table.columns if c.param and c.param not in SLUGS and not c.path]
    given = " AND ".join(f"{parent} = {samples(table, parent)[0]}" for parent in parents)
    if given:
        yield f"SELECT * FROM {name} WHERE {given}"
        yield f"SELECT count(*) FROM {name} WHERE {given}"
    below = f"{given} AND " if given else ""
    for key in dict.fromkeys(item.key for item in table.items):
        if table.column(key).param in SLUGS:
            continue
        one, other = samples(table, key)
        yield f"SELECT * FROM {name} WHERE {below}{key} = {one}"
        yield f"SELECT * FROM {name} WHERE {below}{key} IN ({one}, {other})"
        yield f"SELECT * FROM {name} WHERE {below}{key} = ANY (ARRAY[{one}, {other}])"
        yield (
            f"SELECT * FROM (VALUES ({one}), ({other})) v (k) LEFT JOIN LATERAL "
            f"(SELECT * FROM {name} WHERE {below}{key} = k OFFSET 0) t ON true"
        )
        yield f"SELECT 1 WHERE EXISTS (SELECT FROM {name} WHERE {below}{key} = {one})"


def changes(table: type[Table], schema: str) -> Iterator[str]:
    """The same for UPDATE and DELETE."""
    if not verbs(table):
        return
    key = table.column(table.primary_key[-1])
    where = "true" if key.param in SLUGS else f"{key.name} = {samples(table, key.name)[0]}"
    if "DELETE" in verbs(table):
        yield f"DELETE FROM {schema}.{table.name} WHERE {where}"
    if table.writes.update is not None and table.writes.update.fields:
        column = table.writes.update.fields[0].column
        yield f"UPDATE {schema}.{table.name} SET {column} = 'x' WHERE {where}"


@pytest.fixture(scope="module")
def elsewhere(db_factory, shared_emulator) -> Database:
    """Tables bound to a repository that is gone, and to an API that is nowhere."""
    shared_emulator.reset()
    database = db_factory()
    import_all(database)
    database.execute(
        f'CREATE SCHEMA gone; IMPORT FOREIGN SCHEMA "acme/{GONE}" FROM SERVER bitbucket INTO gone '
        "OPTIONS (issues 'always')"
    )
    database.execute(
        'CREATE SCHEMA abroad; IMPORT FOREIGN SCHEMA "nowhere" FROM SERVER bitbucket INTO abroad '
        "OPTIONS (issues 'always')"
    )
    return database


@pytest.fixture
def fresh_places(elsewhere, emulator) -> Database:
    elsewhere.close()
    elsewhere.connection.prepare_threshold = None
    return elsewhere


def refused(db: Database, statement: str) -> None:
    with pytest.raises(psycopg.Error) as caught:
        db.execute(statement)
    assert "was answered 404" in caught.value.diag.message_primary, statement
    assert "Check the workspace and repository" in caught.value.diag.message_hint, statement


@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
def test_a_bound_repository_that_is_gone_is_an_error_in_every_plan(fresh_places, table):
    for statement in (*forms(table, "gone"), *changes(table, "gone")):
        refused(fresh_places, statement)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_bound_workspace_that_is_gone_is_an_error_in_every_plan(fresh_places, table):
    if not any(column.param == "workspace" and not column.path for column in table.columns):
        pytest.skip("the table is bound to no workspace")
    for statement in (*forms(table, "abroad"), *changes(table, "abroad")):
        refused(fresh_places, statement)
    if table.level == "repository":
        [whole, *_] = forms(table, "abroad")
        refused(fresh_places, f"SELECT * FROM ({whole}) x WHERE repository = 'website'")


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_an_api_that_is_elsewhere_is_an_error_in_every_plan(fresh_places, table):
    """Everything is answered 404, as with a wrong base_url."""
    fresh_places.emulator.fault("*", kind="status", status=404, count=None)
    schemas = ("acme", "website") if table.level == "repository" else ("acme",)
    for schema in schemas:
        for statement in (*forms(table, schema), *changes(table, schema)):
            refused(fresh_places, statement)


def test_a_bound_repository_of_workspaces_that_are_open(fresh_places):
    """Case: slug = 'x' in a table that is bound to nothing, and the API is elsewhere."""
    db = fresh_places
    db.emulator.fault("*", kind="status", status=404, count=None)
    columns = "slug text, name text"
    db.execute(
        f"CREATE FOREIGN TABLE pg_temp.open ({columns}) SERVER bitbucket "
        "OPTIONS (table 'workspaces')"
    )
    for where in ("slug = 'acme'", "slug IN ('acme', 'globex')", "true"):
        refused(db, f"SELECT * FROM pg_temp.open WHERE {where}")


# --- one repository among others ---


@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("status", [403, 404])
def test_a_repository_that_refuses_is_left_out_with_a_warning(fresh: Both, table, status):
    """By name, by key and among others; and the others have their rows."""
    if status == 404 and table.may_be_none() and not is_deep(table):
        pytest.skip("a 404 says that the one item is not there")
    db = fresh.db
    db.emulator.fault(BELOW, kind="status", status=status, count=None)
    if table.feature is not None or table.parent.where or _below_feature(table):
        said = "no rows of repositories without" if status == 404 else "skipped repository"
    elif status == 404 and any(narrower.parameter in SLUGS for narrower in table.narrower):
        said = "is not there"
    else:
        said = "skipped repository"
    # Its 404 means that it was never made, as the repository itself is there.
    silent = table.may_be_none() and status == 404 and table.feature is None
    for statement in forms(table, "acme"):
        joined = statement.replace(" WHERE ", f" WHERE repository = '{HERE}' AND ", 1)
        if "VALUES" in statement or "EXISTS" in statement:
            continue
        if joined == statement:
            joined = f"{statement} WHERE repository = '{HERE}'"
        result = db.query(joined)
        assert result.rows in ([], [(0,)]), joined
        if silent:
            # Only of a listing above may the 404 say something.
            assert all(_below_feature(table) and said in notice for notice in result.notices)
            continue
        [notice] = result.notices
        assert said in notice, joined
        assert f'"acme/{HERE}"' in notice, joined
    needed = wanted(db, table, "acme")
    among = f"repository IN ('{HERE}', 'mobile.app') AND {needed}"
    result = db.query(f"SELECT * FROM acme.{table.name} WHERE {among}")
    plain = db.rows(
        f"SELECT * FROM acme_x.{table.name} WHERE repository = 'mobile.app' AND {needed}"
    )
    assert sorted(map(repr, result.rows)) == sorted(map(repr, plain))
    if not _passed_over(table) and not silent:
        assert len(result.notices) == 1


def _below_feature(table: type[Table]) -> bool:
    if table.parent is None:
        return False
    return table.parent.table.feature is not None or _below_feature(table.parent.table)


def _passed_over(table: type[Table]) -> bool:
    """Whether repositories without a tracker are never asked."""
    return bool(table.parent and (table.parent.where or _passed_over(table.parent.table)))


@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
def test_a_bound_repository_that_refuses_is_an_error(fresh_places, table):
    fresh_places.emulator.fault(below("website"), kind="status", status=403, count=None)
    for statement in forms(table, "website"):
        with pytest.raises(psycopg.Error, match="403"):
            fresh_places.execute(statement)


@pytest.mark.parametrize("table", ["pull_requests", "pull_request_comments", "branches"])
def test_on_denied_has_it_be_an_error(fresh: Both, table):
    db = fresh.db
    db.emulator.fault(BELOW, kind="status", status=403, count=None)
    db.execute(f"ALTER FOREIGN TABLE acme.{table} OPTIONS (ADD on_denied 'error')")
    try:
        for where in ("", f" WHERE repository = '{HERE}'", " WHERE repository <> 'website'"):
            with pytest.raises(psycopg.Error, match=f"{HERE}/.* was answered 403"):
                db.execute(f"SELECT * FROM acme.{table}{where}")
    finally:
        db.execute(f"ALTER FOREIGN TABLE acme.{table} OPTIONS (DROP on_denied)")


def test_many_that_refuse_are_counted_and_named_once(fresh: Both):
    db = fresh.db
    db.emulator.fault("re:/repositories/acme/[a-m][^/]*/.", kind="status", status=403, count=None)
    slugs = db.column("SELECT slug FROM acme_x.repositories WHERE slug ~ '^[a-m]'")
    statement = (
        "SELECT count(name) FROM acme.branches UNION ALL SELECT count(name) FROM acme.branches "
        "UNION ALL SELECT count(id) FROM acme.pull_requests"
    )
    for _ in range(2):  # each statement says so anew
        [notice] = db.query(statement).notices
        assert f"skipped {len(slugs)} repositories" in notice
        assert all(f'"acme/{slug}"' in notice for slug in slugs)
        assert "branches, pull_requests" in notice


def test_a_statement_that_failed_leaves_nothing_to_be_said(fresh: Both):
    db = fresh.db
    db.emulator.fault(BELOW, kind="status", status=403, count=None)
    with pytest.raises(psycopg.Error):
        db.execute("SELECT 1 / (count(name) - count(name)) FROM acme.branches")
    assert db.query("SELECT count(*) FROM website.tags").notices == []


def test_an_error_that_a_function_catches_takes_no_warning_away(fresh: Both):
    db = fresh.db
    db.emulator.fault(BELOW, kind="status", status=403, count=None)
    db.execute(
        "CREATE FUNCTION pg_temp.caught(text) RETURNS int LANGUAGE plpgsql AS "
        "$$ BEGIN RETURN 1 / 0; EXCEPTION WHEN division_by_zero THEN RETURN 0; END $$"
    )
    [notice] = db.query("SELECT pg_temp.caught(name) FROM acme.branches").notices
    assert f'"acme/{HERE}"' in notice


def test_a_scope_that_is_missing_is_an_error_and_no_skipped_repository(fresh: Both):
    body = {
        "type": "error",
        "error": {
            "message": "Your credentials lack one or more required privilege scopes.",
            "detail": {"required": ["pullrequest"], "granted": ["repository"]},
        },
    }
    fresh.db.emulator.fault("*/pullrequests", kind="status", status=403, body=body, count=None)
    with pytest.raises(psycopg.Error, match="403"):
        fresh.db.execute("SELECT id FROM acme.pull_requests")


# --- features that are off ---


def test_pipelines_that_are_off_have_no_rows_and_a_warning(fresh_places):
    db = fresh_places
    db.emulator.fault("re:/website/pipelines", kind="status", status=404, count=None)
    for table in ("pipelines", "pipeline_steps"):
        for statement in forms(next(t for t in TABLES if t.name == table), "website"):
            if "VALUES" in statement:
                continue
            result = db.query(statement)
            assert result.rows in ([], [(0,)]), statement
            [notice] = result.notices
            assert f'{table}: no rows of repositories without Pipelines: "acme/website"' in notice


# --- what an item's 404 costs ---


def test_missing_rows_cost_one_more_request_in_a_session(fresh: Both):
    db = fresh.db
    db.execute("SET search_path = website")
    assert len(db.requests("SELECT id FROM pull_requests WHERE id = 99999")) == 2
    assert len(db.requests("SELECT id FROM pull_requests WHERE id = 99998")) == 1
    assert len(db.requests("SELECT name FROM branches WHERE name = 'none'")) == 2
    db.rows("SELECT name FROM tags LIMIT 1")
    assert len(db.requests("SELECT name FROM tags WHERE name = 'none'")) == 1


def test_a_session_does_not_go_on_believing_in_a_repository(fresh: Both):
    db = fresh.db
    db.execute("SET search_path = website")
    assert db.rows("SELECT id FROM pull_requests WHERE id = 99999") == []
    db.emulator.fault("re:/repositories/acme/website", kind="status", status=404, count=None)
    for statement in ("SELECT id FROM pull_requests", "SELECT id FROM pull_requests WHERE id = 3"):
        with pytest.raises(psycopg.Error, match="answered 404"):
            db.execute(statement)


def test_whether_an_empty_repository_answers_404_or_an_empty_page(fresh: Both):
    for status in (None, 404):
        if status:
            fresh.db.emulator.fault("*/empty/commits", kind="status", status=status, count=None)
        result = fresh.query("SELECT hash FROM commits WHERE repository = 'empty'", on="acme")
        assert result.rows == []
        assert result.notices == []


# --- spelling ---

SPELLED = ["Website", "WEBSITE", "{uuid}"]


def spelled(db: Database, form: str) -> str:
    uuid = db.value("SELECT uuid::text FROM acme_x.repositories WHERE slug = 'website'")
    return form.replace("uuid", uuid)


@pytest.mark.parametrize("form", SPELLED)
@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
def test_another_spelling_finds_no_rows_and_a_notice_names_the_right_one(fresh, table, form):
    given = spelled(fresh.db, form)
    needed = wanted(fresh.db, table)
    where = f"{needed} AND repository = {literal(given)}"
    for clause in (where, f"{needed} AND repository IN ({literal(given)}, 'nowhere-else')"):
        result = fresh.query(f"SELECT repository FROM {table.name} WHERE {clause}", on="acme")
        [notice] = [n for n in result.notices if n.startswith("NOTICE")]
        assert f'repository: "{given}" is spelled "website"' in notice
    counted = fresh.query(f"SELECT count(*) FROM {table.name} WHERE {where}", on="acme")
    assert len(counted.notices) == 1


def test_another_spelling_beside_the_right_one(fresh):
    for where in (
        "repository IN ('Website', 'website')",
        "repository = 'Website' AND repository = 'website'",
        "workspace = 'ACME'",
        "repository = 'website' AND workspace = 'Acme'",
    ):
        fresh.query(f"SELECT repository, name FROM branches WHERE {where}", on="acme")
    for where in ("slug = 'Website'", "slug IN ('Website', 'website')"):
        result = fresh.query(f"SELECT slug FROM repositories WHERE {where}", on="acme")
        assert '"Website" is spelled "website"' in result.notices[0]


@pytest.mark.parametrize("off", ["", "hashjoin", "nestloop", "mergejoin"])
def test_a_join_with_another_spelling_does_not_depend_on_the_plan(fresh, off):
    fresh.db.execute("CREATE TEMPORARY TABLE named (repo text)")
    fresh.db.execute("INSERT INTO named VALUES ('Website'), ('website'), ('mobile-app')")
    fresh.db.execute("ANALYZE named")
    if off:
        fresh.db.execute(f"SET enable_{off} = off")
    fresh.query(
        "SELECT n.repo, b.name FROM named n LEFT JOIN branches b ON b.repository = n.repo",
        on="acme",
    )


def test_the_right_spelling_is_asked_for_once_in_a_session(fresh):
    db = fresh.db
    statement = "SELECT count(*) FROM acme.tags WHERE repository = 'Website'"
    assert [r.path for r in db.requests(statement)] == ["/2.0/repositories/acme/Website"]
    assert db.requests(statement) == []
    lower = "SELECT count(*) FROM acme.tags WHERE repository = 'website'"
    assert len(db.requests(lower)) == 1


@pytest.mark.parametrize("table", REPOSITORY_TABLES, ids=lambda table: table.name)
@pytest.mark.parametrize("form", ["Website", "{uuid}"])
def test_an_options_spelling_stands_in_every_row(fresh, table, form):
    given = spelled(fresh.db, form)
    name = f"pg_temp.{table.name}_respelled"
    columns = ", ".join(f'"{c.name}" {c.type}' for c in table.columns)
    fresh.db.execute(
        f"CREATE FOREIGN TABLE {name} ({columns}) SERVER bitbucket OPTIONS "
        f"(table '{table.name}', workspace 'acme', repository {literal(given)}, "
        "preview_requests '0')"
    )
    if not any(c.param and c.param not in SLUGS and not c.path for c in table.columns):
        count = fresh.db.value(f"SELECT count(*) FROM website_x.{table.name}")
        found = fresh.db.rows(f"SELECT repository, count(*) FROM {name} GROUP BY 1")
        assert found == [(given, count)]
    where = f"repository = {literal(given)} AND {wanted(fresh.db, table)}"
    by_option = f"SELECT * FROM {name} WHERE {where} LIMIT 1"
    assert len(fresh.db.rows(by_option)) == 1
