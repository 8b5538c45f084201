"""Importing once more: what is added to a schema, and what stays as it is."""

from __future__ import annotations

import re

import psycopg
import pytest

from tests.sql.extension import call_api, counts, imported, shape, tables_in
from tests.support.database import Database


def test_again_it_changes_nothing(db: Database) -> None:
    first = imported(db, "'acme'")
    before = db.rows("SELECT * FROM bitbucket.imported_tables ORDER BY relation")

    second = imported(db, "'acme'")

    assert second == {name: (schema, 0, "unchanged") for name, (schema, *_) in first.items()}
    assert db.rows("SELECT * FROM bitbucket.imported_tables ORDER BY relation") == before


def test_again_it_adds_new_repositories_and_reports_those_that_are_gone(db: Database) -> None:
    imported(db, "'acme'")
    call_api(db.emulator, "POST", "/repositories/acme/new-one", {"scm": "git"})
    call_api(db.emulator, "DELETE", "/repositories/acme/orphan-fork")

    result = imported(db, "'acme'")

    changed = {name: row for name, row in result.items() if row[2] != "unchanged"}
    assert changed == {
        "new-one": ("acme__new_one", counts(db)[2], "created"),
        "orphan-fork": ("acme__orphan_fork", 0, "gone"),
    }
    assert "pull_requests" in tables_in(db, "acme__orphan_fork")
    [gone] = db.rows("SELECT * FROM bitbucket.schemas('bitbucket') WHERE status = 'gone'")
    assert gone == ("acme", "orphan-fork", "acme__orphan_fork", counts(db)[2], "gone")


def test_again_it_adds_missing_tables_and_columns_with_comments(db: Database) -> None:
    db.rows("SELECT bitbucket.import_repository('bitbucket', 'acme', 'website')")
    complete = {row[0]: row for row in shape(db, "acme__website") if row[3] != "title"}
    db.execute("DROP FOREIGN TABLE acme__website.tags")
    db.execute("ALTER FOREIGN TABLE acme__website.pull_requests DROP title, DROP state")

    [result] = db.rows("SELECT * FROM bitbucket.import_repository('bitbucket', 'acme', 'website')")

    assert result == ("acme", "website", "acme__website", 1, "extended")
    assert set(complete) == {row[0] for row in shape(db, "acme__website")}
    described = db.rows(
        "SELECT attname, col_description(attrelid, attnum) FROM pg_attribute "
        "WHERE attrelid = 'acme__website.pull_requests'::regclass AND attnum > 0 "
        "AND NOT attisdropped ORDER BY attnum DESC LIMIT 2"
    )
    assert described == [("state", "OPEN, MERGED, DECLINED or SUPERSEDED"), ("title", "Title")]
    assert db.rows("SELECT title, state FROM acme__website.pull_requests WHERE id = 1") != []


def test_a_column_that_an_older_version_had_is_an_error_that_says_how_to_import_again(
    db: Database,
) -> None:
    call = "SELECT * FROM bitbucket.import_repository('bitbucket', 'acme', 'website')"
    db.rows(call)
    db.execute("ALTER FOREIGN TABLE acme__website.tags ADD gone text, DROP message")
    with pytest.raises(psycopg.Error, match='tags has no column "gone"') as caught:
        db.rows("SELECT name FROM acme__website.tags")
    assert caught.value.diag.message_hint is not None
    drop, again = re.findall(r"(?:ALTER|SELECT).*?;", caught.value.diag.message_hint)
    db.execute(drop.replace("…", "acme__website.tags"))
    [result] = db.rows(again.replace("…", "bitbucket"))
    assert result == ("acme", "website", "acme__website", 0, "extended")
    assert db.rows("SELECT name, message FROM acme__website.tags")


@pytest.mark.parametrize("names", ["snake", "flat"])
def test_a_renamed_column_is_an_error_that_says_how_to_mend_it(db: Database, names: str) -> None:
    db.rows(
        "SELECT bitbucket.import_repository('bitbucket', 'acme', 'website', names => %s)", (names,)
    )
    statement = "SELECT id, title FROM acme__website.issues ORDER BY id"
    before = db.rows(statement)
    db.execute("ALTER FOREIGN TABLE acme__website.issues RENAME COLUMN title TO headline")
    renamed = statement.replace("title", "headline")
    with pytest.raises(psycopg.Error, match='issues has no column "headline"') as caught:
        db.rows(renamed)
    hint = caught.value.diag.message_hint or ""
    [cure] = re.findall(r"ALTER FOREIGN TABLE … ALTER COLUMN .*?\)", hint)
    assert "'title'" in cure
    db.execute(cure.replace("…", "acme__website.issues"))
    assert db.rows(renamed) == before
    db.execute("ALTER FOREIGN TABLE acme__website.issues RENAME COLUMN headline TO heading")
    assert db.rows(renamed.replace("headline", "heading")) == before


def test_columns_are_added_below_a_view_which_stays_as_it_is(db: Database) -> None:
    call = "SELECT status FROM bitbucket.import_repository('bitbucket', 'acme', 'website')"
    db.value(call)
    db.execute("ALTER FOREIGN TABLE acme__website.pipelines DROP target_pullrequest_id")
    db.execute("CREATE VIEW acme__website.runs AS SELECT * FROM acme__website.pipelines")
    statement = "SELECT * FROM acme__website.runs WHERE build_number = 7"
    before = db.rows(statement)

    assert db.value(call) == "extended"
    assert before
    assert db.rows(statement) == before
    found = db.column("SELECT target_pullrequest_id FROM acme__website.pipelines")
    assert any(found)


def test_a_column_that_is_added_under_a_flat_name_shows_the_same(db: Database) -> None:
    call = "SELECT status FROM bitbucket.import_repository('bitbucket', 'acme', 'website', "
    db.value(call + "names => 'flat')")
    before = db.rows("SELECT id, contentraw FROM acme__website.issues ORDER BY id")
    db.execute("ALTER FOREIGN TABLE acme__website.issues DROP contentraw")

    assert db.value(call + "names => 'flat')") == "extended"
    assert db.rows("SELECT id, contentraw FROM acme__website.issues ORDER BY id") == before
