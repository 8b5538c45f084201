"""Slugs that cannot stand in an address, and names that others have made."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from tests.api.scripted import Answer, ScriptedServer
from tests.sql.extension import imported, role_of, rows
from tests.support.database import Database

ODD = [
    {"slug": "..", "full_name": "acme/.."},
    {"slug": ".", "full_name": "acme/."},
    {"slug": "a/b", "full_name": "acme/a/b"},
    {"slug": 'it\'s "so"', "full_name": 'acme/it\'s "so"'},
]
QUOTES = '''it's"so"'''
GOOD = [
    {"slug": "website", "full_name": "acme/website"},
    {"slug": QUOTES, "full_name": f"acme/{QUOTES}"},
    {"slug": "größe", "full_name": "acme/größe"},
    {"slug": "Website", "full_name": "acme/Website"},  # the listing moved while it was read
]


@pytest.fixture
def listing(db: Database) -> Iterator[ScriptedServer]:
    """A server that lists repositories with odd names among good ones."""
    values = [{**row, "has_issues": False} for row in (*ODD, *GOOD)]
    server = ScriptedServer(lambda _: Answer({"values": values, "size": len(values)}))
    db.execute(f"ALTER SERVER bitbucket OPTIONS (SET base_url '{server.url}/2.0')")
    yield server
    server.close()


def test_an_odd_slug_does_not_keep_the_others_from_being_imported(listing, db):
    result = db.query(
        "SELECT repository, status FROM bitbucket.import_workspace('bitbucket', 'acme')"
    )
    assert {name for name, _ in result.rows} == {None, "website", QUOTES, "größe"}
    [warning] = [notice for notice in result.notices if notice.startswith("WARNING")]
    assert f"{len(ODD)} repositories" in warning


@pytest.mark.parametrize("value", [".", "..", "a/b", "../x", ""])
@pytest.mark.parametrize("option", ["workspace", "repository"])
def test_an_option_names_no_other_address(db, option, value):
    db.emulator.clear()
    names = {"workspace": "acme", "repository": "website", option: value}
    with pytest.raises(psycopg.Error, match=f'invalid value .* for option "{option}"'):
        db.execute(
            "CREATE FOREIGN TABLE t (name text) SERVER bitbucket OPTIONS (table 'branches', "
            f"workspace '{names['workspace']}', repository '{names['repository']}')"
        )
    assert db.emulator.requests() == []


@pytest.mark.parametrize(
    "call",
    [
        "verify('bitbucket', '{}')",
        "schemas('bitbucket', '{}')",
        "import_workspace('bitbucket', '{}')",
        "import_repository('bitbucket', '{}', 'x')",
    ],
)
@pytest.mark.parametrize("value", [".", ".."])
def test_a_function_s_argument_names_no_other_address(db, call, value):
    db.emulator.clear()
    with pytest.raises(psycopg.Error):
        db.rows(f"SELECT * FROM bitbucket.{call.format(value)}")
    # That the server and the credential are good may have been looked at.
    assert {request.path for request in db.emulator.requests()} <= {"/2.0/user"}


@pytest.mark.parametrize("value", ["..", ".", "", "../..", "a/../b", "..\\..", "a\\..\\b"])
def test_a_condition_names_no_other_address(db, value):
    db.execute(
        "CREATE FOREIGN TABLE branches (repository text, name text) SERVER bitbucket "
        "OPTIONS (table 'branches', workspace 'acme')"
    )
    db.emulator.clear()
    for column in ("repository", "name"):
        statement = f"SELECT * FROM branches WHERE {column} = %s AND repository <> 'x'"
        assert db.rows(statement, (value,)) == []
    asked = [request.path for request in db.emulator.requests()]
    assert all(path.startswith("/2.0/repositories/acme") for path in asked)


def test_a_schema_that_somebody_else_calls_by_the_label_is_not_in_the_way(db: Database) -> None:
    imported(db, "'acme', repositories => '{}'")
    db.execute("ALTER SCHEMA acme RENAME TO theirs")
    with role_of(db) as role:
        db.execute(f"GRANT CREATE ON DATABASE {db.name} TO {role}")
        connection = db.connect(role)
        call = (
            "SELECT schema, status FROM bitbucket.import_workspace("
            "'bitbucket', 'acme', repositories => '{}')"
        )
        assert rows(connection, call) == [("acme", "created")]
        connection.close()


def test_verify_takes_a_listing_without_slugs(listing, db):
    listing.answer = lambda target: Answer(
        {"values": [{}, {"workspace": None}, {"full_name": "acme/website"}, {"slug": None}]}
    )
    for call in ("verify('bitbucket')", "verify('bitbucket', 'acme')"):
        checks = dict(db.rows(f"SELECT check_name, status FROM bitbucket.{call}"))
        assert checks["reachable"] == "ok"
