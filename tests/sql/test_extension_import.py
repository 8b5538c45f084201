"""Importing a workspace and its repositories: what is made, what is added, what is reported."""

from __future__ import annotations

import threading

import psycopg
import pytest

from tests.sql.extension import (
    call_api,
    counts,
    imported,
    raises,
    role_of,
    rows,
    shape,
    tables_in,
)
from tests.sql.test_extension_names import SEVENTY
from tests.support.database import Database
from tests.support.fixtures import DatabaseFactory, EmulatorFactory

LISTING = (
    "GET /2.0/repositories/acme"
    "?fields=next%2Csize%2Cpage%2Cpagelen%2Cvalues.full_name%2Cvalues.has_issues%2Cvalues.slug"
    "&pagelen=100"
)


def test_a_workspace_gets_a_schema_and_each_of_its_repositories_one(db: Database) -> None:
    workspace, tracked, plain = counts(db)

    result = db.query("SELECT * FROM bitbucket.import_workspace('bitbucket', 'acme')")

    assert result.lines == [LISTING]  # for nine repositories, and for ninety
    assert result.columns == ["workspace", "repository", "schema", "tables", "status"]
    assert result.rows[0] == ("acme", None, "acme", workspace, "created")
    made = {repository: rest for _, repository, *rest in result.rows}
    listed = set(db.column("SELECT slug FROM acme.repositories"))
    assert set(made) == listed | {None}
    assert made["website"] == ["acme__website", tracked, "created"]
    assert made["mobile-app"] == ["acme__mobile_app", plain, "created"]
    assert made["mobile.app"] == ["acme__mobile_app__ec1d33df", tracked, "created"]
    assert db.value("SELECT count(*) FROM acme__website.pull_requests") == 150


@pytest.mark.parametrize("names", ["snake", "flat"])
@pytest.mark.parametrize("remote", ["acme", "acme/website"])
def test_the_tables_are_those_of_import_foreign_schema(
    db: Database, remote: str, names: str
) -> None:
    repository = remote.partition("/")[2]
    db.execute("CREATE SCHEMA plain")
    db.execute(
        f'IMPORT FOREIGN SCHEMA "{remote}" FROM SERVER bitbucket INTO plain '
        f"OPTIONS (names '{names}')"
    )
    if repository:
        call = f"import_repository('bitbucket', 'acme', 'website', names => '{names}')"
    else:
        call = f"import_workspace('bitbucket', 'acme', names => '{names}', repositories => '{{}}')"
    [(schema, status)] = db.rows(f"SELECT schema, status FROM bitbucket.{call}")

    assert (schema, status) == (remote.replace("/", "__"), "created")
    assert shape(db, schema) == shape(db, "plain")


@pytest.mark.parametrize(
    ("remote", "restriction", "options", "expected"),
    [
        ("acme/website", "LIMIT TO (tags, issues)", "issues 'never'", {"tags"}),
        ("acme/empty", "LIMIT TO (tags, issues)", "issues 'auto'", {"tags"}),
        ("acme/website", "LIMIT TO (tags, issues)", "issues 'auto'", {"tags", "issues"}),
        ("acme/website", "LIMIT TO (pullrequests)", "names 'flat'", {"pullrequests"}),
        ("acme", "LIMIT TO (projects, tags)", "names 'snake'", {"projects", "tags"}),
        ("acme/website", "LIMIT TO (projects, nothing)", "names 'snake'", set()),
    ],
)
def test_limit_to(
    db: Database, remote: str, restriction: str, options: str, expected: set[str]
) -> None:
    db.execute("CREATE SCHEMA mine")

    db.execute(
        f'IMPORT FOREIGN SCHEMA "{remote}" {restriction} FROM SERVER bitbucket INTO mine '
        f"OPTIONS ({options})"
    )

    assert tables_in(db, "mine") == expected


@pytest.mark.parametrize("restriction", ["LIMIT TO", "EXCEPT"])
def test_a_misspelt_table_is_warned_of(db: Database, restriction: str) -> None:
    db.execute("CREATE SCHEMA mine")

    done = db.query(
        f'IMPORT FOREIGN SCHEMA "acme/website" {restriction} (tags, pull_request, issues) '
        "FROM SERVER bitbucket INTO mine OPTIONS (issues 'never')"
    )

    assert done.notices == ['WARNING: schema "acme/website" has no table "pull_request"']


@pytest.mark.parametrize("names", ["snake", "flat"])
def test_except(db: Database, names: str) -> None:
    left_out = "pull_requests" if names == "snake" else "pullrequests"
    spelled = "name" if names == "snake" else "flat_name"
    db.execute("CREATE SCHEMA mine")

    db.execute(
        f'IMPORT FOREIGN SCHEMA "acme" EXCEPT ({left_out}, tags) FROM SERVER bitbucket INTO mine '
        f"OPTIONS (names '{names}')"
    )

    every = set(db.column(f"SELECT {spelled} FROM bitbucket.tables"))
    assert tables_in(db, "mine") == every - {left_out, "tags"}


def test_statements_for_the_flat_names_run_as_they_are(db: Database) -> None:
    db.rows(
        "SELECT bitbucket.import_repository("
        "'bitbucket', 'acme', 'website', schema => 'website', names => 'flat')"
    )
    db.execute("SET search_path TO website")

    result = db.query("SELECT Title, ContentRaw FROM Issues WHERE Id = '1'")

    assert result.columns == ["title", "contentraw"]
    assert len(result.rows) == 1
    assert [request.path for request in result.requests] == [
        "/2.0/repositories/acme/website/issues/1"
    ]


@pytest.mark.parametrize(
    ("issues", "expected"),
    [
        ("auto", {"website": True, "empty": False, None: True}),
        ("always", {"website": True, "empty": True, None: True}),
        ("never", {"website": False, "empty": False, None: False}),
    ],
)
def test_issue_tables_come_with_an_issue_tracker(
    db: Database, issues: str, expected: dict[str | None, bool]
) -> None:
    result = db.query(
        "SELECT repository, schema FROM bitbucket.import_workspace("
        f"'bitbucket', 'acme', issues => '{issues}', repositories => '{{website,empty}}')"
    )

    assert result.lines == [LISTING]
    has = {repository: "issues" in tables_in(db, schema) for repository, schema in result.rows}
    assert has == expected


def test_a_tracker_that_is_switched_on_later_brings_its_tables(db: Database) -> None:
    before = imported(db, "'acme', repositories => '{empty}'")
    call_api(db.emulator, "PUT", "/repositories/acme/empty", {"has_issues": True})

    after = imported(db, "'acme', repositories => '{empty}'")

    assert before["empty"][1:] == (counts(db)[2], "created")
    assert after["empty"] == ("acme__empty", 2, "extended")
    assert {"issues", "issue_comments"} <= tables_in(db, "acme__empty")


def test_slugs_beyond_the_length_of_an_identifier_are_bound_in_full(db: Database) -> None:
    slugs = [SEVENTY, f"{SEVENTY}-2"]
    made = imported(db, f"'acme', repositories => '{{{','.join(slugs)}}}'")

    for slug in slugs:
        schema = made[slug][0]
        assert len(schema) == 63
        result = db.query(f"SELECT repository, name FROM {schema}.branches")
        assert {repository for repository, _ in result.rows} == {slug}
        assert {request.path for request in result.requests} == {
            f"/2.0/repositories/acme/{slug}/refs/branches"
        }
    assert db.notices == []  # in particular none about a truncated identifier


def test_slugs_in_capitals_mean_the_same_repository(db: Database) -> None:
    call = "SELECT * FROM bitbucket.import_repository('bitbucket', 'ACME', 'Website')"
    [first], [second] = db.rows(call), db.rows(call)

    assert first[:3] == second[:3] == ("acme", "website", "acme__website")
    assert (first[4], second[4]) == ("created", "unchanged")
    assert imported(db, "'Acme', repositories => '{WEBSITE}'")["website"][2] == "unchanged"


def test_a_schema_keeps_its_tables_under_a_new_name(db: Database) -> None:
    imported(db, "'acme', repositories => '{website}'")
    db.execute("ALTER SCHEMA acme__website RENAME TO site")
    db.execute("CREATE VIEW site.open AS SELECT * FROM site.pull_requests WHERE state = 'OPEN'")

    result = imported(db, "'acme', repositories => '{website}'")

    assert result["website"] == ("site", 0, "unchanged")
    assert db.column("SELECT nspname FROM pg_namespace WHERE nspname = 'acme__website'") == []


def test_a_table_of_ones_own_does_not_make_a_schema_the_repositorys(db: Database) -> None:
    db.execute("CREATE SCHEMA mine")
    db.execute(
        'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (pull_requests) '
        "FROM SERVER bitbucket INTO mine OPTIONS (issues 'never')"
    )

    assert imported(db, "'acme', repositories => '{website}'")["website"][0] == "acme__website"
    assert tables_in(db, "mine") == {"pull_requests"}
    assert db.rows(
        "SELECT schema, tables FROM bitbucket.schemas('bitbucket', 'acme') "
        "WHERE repository = 'website'"
    ) == [("acme__website", counts(db)[1]), ("mine", 1)]


def test_schemas_of_other_names(db: Database) -> None:
    imported(db, "'acme', repositories => '{website}'")

    second = imported(
        db, "'acme', names => 'flat', schema => 'CData', repositories => '{website,mobile.app}'"
    )

    assert [row[0] for row in second.values()] == [
        "CData",
        "CData__mobile_app__ec1d33df",
        "CData__website",
    ]
    assert "pullrequests" in tables_in(db, '"CData__website"')
    # Each spelling finds its own again, without being told.
    again = imported(db, "'acme', names => 'flat', repositories => '{website}'")
    assert again["website"] == ("CData__website", 0, "unchanged")
    again = imported(db, "'acme', repositories => '{website}'")
    assert again["website"] == ("acme__website", 0, "unchanged")


def test_an_existing_schema_that_is_empty_is_used(db: Database) -> None:
    db.execute("CREATE SCHEMA acme__website")

    result = imported(db, "'acme', repositories => '{website}'")

    assert result["website"] == ("acme__website", counts(db)[1], "extended")


def test_tables_imported_by_hand_are_completed(db: Database) -> None:
    db.execute("CREATE SCHEMA acme")
    db.execute('IMPORT FOREIGN SCHEMA "acme" EXCEPT (tags) FROM SERVER bitbucket INTO acme')

    assert imported(db, "'acme', repositories => '{}'") == {None: ("acme", 1, "extended")}


@pytest.mark.parametrize(
    ("occupy", "call", "message"),
    [
        (
            "CREATE TABLE acme__website.customers ()",
            "import_repository('bitbucket', 'acme', 'website')",
            'schema "acme__website" exists, and holds other tables',
        ),
        (
            "SELECT bitbucket.import_repository("
            "'bitbucket', 'acme', 'mobile.app', schema => 'acme__website')",
            "import_repository('bitbucket', 'acme', 'website')",
            'schema "acme__website" holds tables of acme/mobile.app (server bitbucket)',
        ),
        (
            "SELECT bitbucket.import_repository("
            "'bitbucket', 'acme', 'website', schema => 'acme__website')",
            "import_repository('bitbucket', 'acme', 'website', 'acme__website', 'flat')",
            "schema \"acme__website\" was imported with names 'snake'",
        ),
    ],
)
def test_an_occupied_schema_is_refused(db: Database, occupy: str, call: str, message: str) -> None:
    db.execute("CREATE SCHEMA acme__website")
    db.execute(occupy)
    before = tables_in(db, "acme__website")

    with raises() as error:
        db.execute(f"SELECT bitbucket.{call}")

    assert (error.sqlstate, error.message) == ("42P06", message)
    assert 'parameter "schema"' in error.hint
    assert tables_in(db, "acme__website") == before


def test_a_schema_with_other_tables_is_used_when_it_is_named(db: Database) -> None:
    db.execute("CREATE SCHEMA mine CREATE TABLE customers ()")

    [result] = db.rows(
        "SELECT * FROM bitbucket.import_repository('bitbucket', 'acme', 'website', 'mine')"
    )

    assert result == ("acme", "website", "mine", counts(db)[1], "extended")


def test_two_sessions_that_import_at_once_do_not_meet(db: Database) -> None:
    statement = "SELECT status FROM bitbucket.import_workspace('bitbucket', 'acme')"
    found: list[set[str]] = []

    def run(connection: psycopg.Connection[tuple[str, ...]]) -> None:
        found.append({status for (status,) in rows(connection, statement)})

    threads = [threading.Thread(target=run, args=(db.connect(),)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(found, key=sorted) == [{"created"}, {"unchanged"}]


def test_a_failure_half_way_leaves_nothing(db: Database) -> None:
    db.execute("CREATE SCHEMA acme__website CREATE TABLE customers ()")

    with raises():
        imported(db, "'acme'")

    assert db.column("SELECT nspname FROM pg_namespace WHERE nspname LIKE 'acme%'") == [
        "acme__website"
    ]


def test_a_workspace_or_repository_that_is_not_there(db: Database) -> None:
    with raises() as error:
        imported(db, "'nowhere'")
    assert "/repositories/nowhere" in error.message

    for call in (
        "import_repository('bitbucket', 'acme', 'no-such')",
        "import_workspace('bitbucket', 'acme', repositories => '{website,no-such}')",
    ):
        with raises() as error:
            db.rows(f"SELECT bitbucket.{call}")
        assert (error.sqlstate, error.message) == (
            "P0002",
            'workspace "acme" has no repository "no-such"',
        )
        assert "bitbucket.schemas('bitbucket', 'acme')" in error.hint


def test_a_workspace_of_many_repositories(
    db_factory: DatabaseFactory, emulator_factory: EmulatorFactory
) -> None:
    emulator = emulator_factory()
    many = [f"many-{number}" for number in range(560)]
    for slug in many:
        call_api(emulator, "POST", f"/repositories/acme/{slug}", {"scm": "git"})
    db = db_factory(emulator=emulator)
    assert db.value("SELECT current_setting('max_locks_per_transaction')") == "64"

    # Each table takes one of some 6700 locks: all at once they are refused before anything is made.
    with raises() as error:
        imported(db, "'acme'")
    assert error.sqlstate == "54000"
    assert "max_locks_per_transaction" in error.hint
    assert db.value("SELECT count(*) FROM bitbucket.imported_tables") == 0

    part = f"'acme', repositories => '{{{','.join(many[:20])}}}'"
    result = db.query(f"SELECT status FROM bitbucket.import_workspace('bitbucket', {part})")
    assert result.rows == [("created",)] * 21
    assert len(result.requests) == 6  # one for each hundred repositories
    assert {status for *_, status in imported(db, part).values()} == {"unchanged"}


def test_the_schemas_of_a_credential(db: Database) -> None:
    imported(db, "'acme', repositories => '{website}'")

    result = db.query("SELECT * FROM bitbucket.schemas('bitbucket')")

    assert [request.path for request in result.requests] == [
        "/2.0/user/workspaces",
        "/2.0/repositories/acme",
        "/2.0/repositories/globex",
    ]
    assert result.columns == ["workspace", "repository", "schema", "tables", "status"]
    workspace, repository, _ = counts(db)
    assert result.rows[0] == ("acme", None, "acme", workspace, "imported")
    assert ("acme", "website", "acme__website", repository, "imported") in result.rows
    assert ("acme", "mobile.app", None, 0, "available") in result.rows
    assert ("globex", None, None, 0, "available") in result.rows
    assert ("globex", "website", None, 0, "available") in result.rows
    assert result.rows == sorted(result.rows, key=lambda row: (row[0], row[1] or "", row[2] or ""))


def test_the_schemas_of_one_workspace(db: Database) -> None:
    imported(db, "'acme', repositories => '{}'")
    db.rows("SELECT bitbucket.import_repository('bitbucket', 'globex', 'reactor')")

    result = db.query("SELECT * FROM bitbucket.schemas('bitbucket', 'Globex')")

    assert [request.path.casefold() for request in result.requests] == ["/2.0/repositories/globex"]
    assert [row[:3] for row in result.rows] == [
        ("globex", None, None),
        ("globex", "reactor", "globex__reactor"),
        ("globex", "website", None),
    ]


def test_an_access_token_is_told_to_name_its_workspace(db_factory: DatabaseFactory) -> None:
    db = db_factory(credentials="website")

    with raises() as error:
        db.rows("SELECT * FROM bitbucket.schemas('bitbucket')")
    assert "/user/workspaces" in error.message
    assert "bitbucket.schemas('bitbucket', 'acme')" in error.hint
    assert db.rows("SELECT workspace, repository FROM bitbucket.schemas('bitbucket', 'acme')") == [
        ("acme", None),
        ("acme", "website"),
    ]


def test_listing_leaves_no_table_behind(db: Database) -> None:
    db.rows("SELECT * FROM bitbucket.schemas('bitbucket')")
    with raises():
        db.rows("SELECT * FROM bitbucket.schemas('bitbucket', 'nowhere')")
    db.rows("SELECT * FROM bitbucket.schemas('bitbucket')")

    assert db.column("SELECT relname FROM pg_class WHERE relname = 'bitbucket_listing'") == []


def test_an_ordinary_role_imports_with_usage_and_create(db: Database) -> None:
    db.execute(f"GRANT CREATE ON DATABASE {db.name} TO PUBLIC")
    with role_of(db) as role:
        connection = db.connect(role)
        result = rows(
            connection,
            "SELECT schema, status FROM bitbucket.import_workspace('bitbucket', 'acme', "
            "repositories => '{website}')",
        )
        assert result == [("acme", "created"), ("acme__website", "created")]
        assert rows(connection, "SELECT count(*) FROM acme__website.pull_requests") == [(150,)]
        assert len(rows(connection, "SELECT * FROM bitbucket.schemas('bitbucket')")) > 10
        owners = "SELECT DISTINCT relowner::regrole::text FROM pg_class WHERE relkind = 'f' AND "
        assert db.column(owners + "relname = 'pull_requests'") == [role]
