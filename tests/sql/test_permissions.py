"""Who may do what: one consistent world, what is refused, and what a row without a key comes to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from devkit.tree import BUNDLED

from bitbucket_fdw.tables import BY_NAME, TABLES
from tests.sql.querying import asked, only, paths
from tests.support.credentials import mapping_options
from tests.support.database import Database
from tests.support.documents import rows_of

OF_ALL = "/workspaces/acme/permissions/repositories"
REFUSING_TOKENS = [table for table in TABLES if not table.scopes.access_tokens]
EXPLICIT = [table for table in TABLES if table.nothing]
NOBODY = {
    "user_uuid": "00000000-0000-4000-8000-00000000dead",
    "group_slug": "nobody",
}


# --- who administers what, and why ---


def administrators(emulator) -> set[tuple[str, str, str]]:
    """Repository, name and reason of every administrator, by loops over the emulator's data."""
    state = {
        name: [row for row in rows_of(emulator, name) if row["workspace"] == "acme"]
        for name in (
            *("repositories", "repository_permissions", "workspace_permissions"),
            *("repository_user_permissions", "repository_group_permissions"),
            *("project_user_permissions", "project_group_permissions"),
        )
    }

    def given(collection: str, place: str, value: str, kind: str, member: str) -> list[str]:
        return [
            row["document"][kind][member]
            for row in state[collection]
            if row[place] == value and row["document"]["permission"] == "admin"
        ]

    owners = [
        row["document"]["user"]["uuid"]
        for row in state["workspace_permissions"]
        if row["document"]["permission"] == "owner"
    ]
    projects = {
        r["document"]["slug"]: r["document"]["project"]["key"] for r in state["repositories"]
    }
    found = set()
    for row in state["repository_permissions"]:
        document = row["document"]
        if document["permission"] != "admin":
            continue
        slug, user = document["repository"]["full_name"].split("/")[1], document["user"]
        reasons = []
        if user["uuid"] in owners:
            reasons.append("owner of the workspace")
        if user["uuid"] in given("repository_user_permissions", "repository", slug, "user", "uuid"):
            reasons.append("directly")
        key = projects[slug]
        if user["uuid"] in given("project_user_permissions", "project_key", key, "user", "uuid"):
            reasons.append("by project")
        groups = {
            *given("repository_group_permissions", "repository", slug, "group", "name"),
            *given("project_group_permissions", "project_key", key, "group", "name"),
        }
        why = ", ".join(reasons) or f"by one of: {', '.join(sorted(groups))}"
        found.add((slug, user["display_name"], why))
    return found


def test_who_administers_which_repository_and_why(sql):
    [example] = [e for e in BY_NAME["repository_permissions"].examples if "by one of" in e]
    expected = administrators(sql.db.emulator)
    reasons = {why.split(":")[0] for _, _, why in expected}
    assert reasons >= {"owner of the workspace", "directly", "by project", "by one of"}
    sql.db.execute("SET search_path = website, acme")
    assert {tuple(row) for row in sql.db.rows(example)} == expected


# --- which requests are made ---


def test_one_listing_has_the_permissions_of_a_workspace(sql):
    result = sql.query("SELECT * FROM repository_permissions", on="acme")
    assert set(paths(result)) == {OF_ALL}
    assert None in {row[1] for row in result.rows}  # a row of no repository


@pytest.mark.parametrize(
    "where", ["repository = 'website'", "repository IN ('website', 'mobile-app')"]
)
def test_named_repositories_have_a_listing_each(sql, where):
    result = sql.query(f"SELECT * FROM repository_permissions WHERE {where}", on="acme")
    assert result.rows
    assert {path.removeprefix(OF_ALL) for path in paths(result)} <= {"/website", "/mobile-app"}


def test_a_repositorys_schema_asks_for_it_alone(sql):
    result = sql.query("SELECT * FROM repository_permissions")
    assert paths(result) == [f"{OF_ALL}/website"]
    assert sql.db.value("SELECT count(*) FROM website.repository_permissions") == len(result.rows)


def test_a_join_with_repositories_finds_what_their_listings_have(sql):
    sql.query(
        "SELECT r.slug, p.user_uuid, p.permission FROM repositories r JOIN repository_permissions p"
        " ON p.workspace = r.workspace AND p.repository = r.slug WHERE r.language = 'swift'",
        on="acme",
    )


@pytest.mark.parametrize(
    ("where", "q"),
    [
        ("permission = 'admin'", 'permission = "admin"'),
        ("permission IN ('admin', 'write')", 'permission IN ("admin", "write")'),
        ("permission <> 'read'", None),
        ("permission = 'other'", None),
    ],
)
@pytest.mark.parametrize("table", ["repository_permissions", "user_repository_permissions"])
def test_only_equality_on_a_permission_is_sent(sql, table, where, q):
    result = sql.query(f"SELECT user_uuid FROM {table} WHERE {where}", on="acme")
    assert asked(result)[0].q == q


def test_a_count_by_a_permission_is_the_listings_size(sql):
    result = sql.query(
        "SELECT count(*) FROM workspace_permissions WHERE permission = 'owner'", on="acme"
    )
    assert result.rows == [(1,)]
    assert only(result).fields <= {"permission", "size"}


def test_times_without_a_zone_are_utc_and_may_be_gone(sql):
    """An organisation manages globex."""
    sql.db.execute(
        "CREATE FOREIGN TABLE pg_temp.members (workspace text, added_on timestamptz, "
        "last_accessed timestamptz) SERVER bitbucket OPTIONS (table 'workspace_permissions')"
    )
    sql.db.execute("SET TimeZone = 'Asia/Tokyo'")
    added = sql.db.column(
        "SELECT added_on AT TIME ZONE 'UTC' FROM pg_temp.members WHERE workspace = 'acme' "
        "AND added_on IS NOT NULL"
    )
    assert added
    assert {moment.hour for moment in added} <= {8, 3}
    sql.db.execute("RESET TimeZone")


# --- who may not ask ---


@pytest.fixture
def server(sql, emulator) -> Iterator[Any]:
    """Makes foreign tables for another credential, in schemas ``theirs`` and ``anywhere``."""

    def make(credential: str) -> Database:
        db = sql.db
        db.create_server("theirs", credentials=mapping_options(emulator, credential))
        for schema, options in (("theirs", ", workspace 'acme'"), ("anywhere", "")):
            db.execute(f"CREATE SCHEMA {schema}")
            for table in REFUSING_TOKENS:
                columns = ", ".join(f'"{c.name}" {c.type}' for c in table.columns)
                db.execute(
                    f"CREATE FOREIGN TABLE {schema}.{table.name} ({columns}) SERVER theirs "
                    f"OPTIONS (table '{table.name}'{options})"
                )
        emulator.clear()
        return db

    yield make
    sql.db.execute("DROP SCHEMA theirs, anywhere CASCADE; DROP SERVER theirs CASCADE")


@pytest.mark.parametrize("table", REFUSING_TOKENS, ids=lambda table: table.name)
def test_an_access_token_is_refused_once_and_told_so(server, host, table):
    db = server("workspace-write")
    with pytest.raises(psycopg.Error, match="403") as caught:
        db.rows(f"SELECT * FROM theirs.{table.name}")
    if host == BUNDLED:  # Multicorn2 passes no SQLSTATE on
        assert caught.value.sqlstate == "42501"
    assert f"Access tokens cannot read {table.name}" in caught.value.diag.message_hint
    refused = [request for request in db.emulator.requests() if request.status == 403]
    assert len(refused) <= 8  # those that were under way together, and no more


def test_who_is_no_administrator_of_the_workspace_is_told_so(server):
    db = server("ben-write")
    for table in ("workspace_permissions", "repository_permissions"):
        with pytest.raises(psycopg.Error, match="403") as caught:
            db.rows(f"SELECT * FROM theirs.{table}")
        assert "Only administrators of the workspace" in caught.value.diag.message_hint


@pytest.mark.parametrize("table", ["workspace_permissions", "repository_permissions"])
def test_a_workspace_that_refuses_is_left_out_among_others(server, table):
    """Ben administers globex and not acme."""
    db = server("ben-write")
    result = db.query(f"SELECT DISTINCT workspace FROM anywhere.{table}")
    assert result.rows == [("globex",)]
    [notice] = result.notices
    assert 'skipped workspace "acme"' in notice


@pytest.mark.parametrize("table", ["project_user_permissions", "project_group_permissions"])
def test_projects_that_refuse_are_left_out_with_a_warning(server, table):
    db = server("ben-write")
    result = db.query(f"SELECT * FROM theirs.{table}")
    assert result.rows == []
    [notice] = result.notices
    assert "skipped 4 projects" in notice
    assert '"acme/WEB"' in notice
    one = db.query(f"SELECT * FROM theirs.{table} WHERE project_key = 'WEB'")
    assert one.rows == []
    assert 'skipped project "acme/WEB"' in one.notices[0]


def test_repositories_that_refuse_are_left_out_with_a_warning(server):
    db = server("ben-write")
    result = db.query("SELECT * FROM theirs.repository_user_permissions")
    assert result.rows == []
    [notice] = result.notices
    assert "skipped 3 repositories" in notice


def test_a_project_that_is_not_there_has_no_rows(sql):
    for statement in (
        "SELECT * FROM acme.project_user_permissions WHERE project_key = 'NOPE'",
        "SELECT * FROM acme.project_group_permissions WHERE project_key IN ('NOPE', 'NADA')",
    ):
        assert sql.db.rows(statement) == []


def test_everybody_sees_what_they_may_do_themselves(server):
    db = server("ben-write")
    assert db.rows("SELECT permission FROM theirs.user_workspace_permissions") == [
        ("create-project",)
    ]
    assert db.rows("SELECT nickname FROM anywhere.authenticated_user") == [("ben",)]
    assert db.rows(
        "SELECT repository_full_name, permission FROM theirs.user_repository_permissions"
    ) == [("acme/website", "read")]


# --- what is disputed, and rows without a key ---


@pytest.mark.parametrize("table", EXPLICIT, ids=lambda table: table.name)
@pytest.mark.parametrize("answer", ["404", "none"])
def test_what_was_not_given_is_no_row_whatever_the_answer(sql, table, answer):
    if answer == "none":
        sql.db.emulator.fault("*/permissions-config/*", kind="permission_none", count=None)
    key = table.primary_key[-1]
    place = "project_key = 'WEB'" if table.level == "workspace" else "repository = 'website'"
    for where in (
        f"{place} AND {key} = '{NOBODY[key]}'",
        f"{place} AND {key} IN ('{NOBODY[key]}', '{NOBODY[key][:-1]}e')",
        f"{place} AND {key} = '{NOBODY[key]}' AND permission = 'none'",
    ):
        for what in (key, "permission", "count(*)"):
            rows = sql.db.rows(f"SELECT {what} FROM acme.{table.name} WHERE {where}")
            assert rows in ([], [(0,)]), where
    assert sql.db.rows(f"SELECT {key} FROM acme.{table.name} WHERE {place}")


@pytest.mark.parametrize("table", ["repository_user_permissions", "project_user_permissions"])
def test_an_account_that_is_gone_has_a_row_without_a_key(sql, table):
    name = f"acme.{table}"
    count = sql.db.value(f"SELECT count(*) FROM {name}")
    sql.db.emulator.fault("*/permissions-config/*", kind="former_accounts", count=None)
    assert sql.db.value(f"SELECT count(user_display_name) FROM {name}") == count
    gone = sql.db.rows(f"SELECT user_display_name FROM {name} WHERE user_uuid IS NULL")
    assert gone == [("Former user",)]
    assert len(sql.db.rows(f"SELECT * FROM {name} WHERE user_uuid IS NOT NULL")) == count - 1


def test_a_masked_uuid_hides_no_other_row(sql):
    masked = {"type": "user", "uuid": "{masked}", "display_name": "Somebody"}
    page = {"values": [{"permission": "read", "user": masked}]}
    sql.db.emulator.fault("*/permissions-config/users", kind="status", status=200, body=page)
    result = sql.db.query(
        "SELECT user_display_name, user_uuid, permission FROM website.repository_user_permissions"
    )
    assert result.rows == [("Somebody", None, "read")]
    assert "something else than a UUID" in result.notices[0]
