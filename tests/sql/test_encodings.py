"""Databases in other encodings than UTF8: what has a place there is right, the rest is an error."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from devkit.cluster import Cluster
from devkit.emulator import Control

from tests.support.credentials import READ, mapping_options
from tests.support.database import Database, drop_database

Maker = Callable[[str], Database]


@pytest.fixture
def database_in(postgres: Cluster, emulator: Control) -> Iterator[Maker]:
    """``database_in('LATIN1')``: a database of that encoding with the repository imported."""
    made = []

    def make(encoding: str) -> Database:
        name = f"test_in_{encoding.lower()}"
        postgres.sql(f"CREATE DATABASE {name} ENCODING '{encoding}' LOCALE 'C' TEMPLATE template0")
        database = Database(postgres, emulator, name)
        made.append(database)
        database.execute("CREATE EXTENSION bitbucket_fdw CASCADE")
        database.create_server(credentials=mapping_options(emulator, READ))
        database.execute(
            'CREATE SCHEMA website; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket '
            "INTO website"
        )
        database.execute("SET client_encoding = 'UTF8'")
        return database

    yield make
    for database in made:
        drop_database(database)


def titles(emulator: Control) -> dict[int, str]:
    return {
        row["document"]["id"]: row["document"]["title"]
        for row in emulator.state()["pull_requests"]
        if (row["workspace"], row["repository"]) == ("acme", "website")
    }


@pytest.mark.parametrize(("encoding", "codec"), [("LATIN1", "latin-1"), ("EUC_JP", "euc_jp")])
def test_titles_that_have_a_place_in_the_encoding(database_in, emulator, encoding, codec):
    database = database_in(encoding)
    known = titles(emulator)
    seen = []
    for number, title in known.items():
        if title.encode(codec, "ignore").decode(codec) != title or seen.count(title):
            continue
        seen.append(title)
        if len(seen) > 30:
            break
        statement = f"SELECT title FROM website.pull_requests WHERE id = {number}"
        assert database.value(statement) == title
    assert len(seen) > 5
    assert any(not title.isascii() for title in seen)


@pytest.mark.parametrize(("encoding", "codec"), [("LATIN1", "latin-1"), ("EUC_JP", "euc_jp")])
def test_a_title_that_has_none_is_an_error_and_the_session_goes_on(
    database_in, emulator, encoding, codec
):
    database = database_in(encoding)
    number = next(
        number
        for number, title in titles(emulator).items()
        if title.encode(codec, "ignore").decode(codec) != title
    )
    with pytest.raises(psycopg.Error):
        database.rows(f"SELECT title FROM website.pull_requests WHERE id = {number}")
    assert database.rows(f"SELECT id FROM website.pull_requests WHERE id = {number}") == [(number,)]


def test_conditions_are_sent_in_utf8_whatever_the_database_has(database_in, emulator):
    database = database_in("LATIN1")
    statement = "SELECT count(*) FROM website.pull_requests WHERE title LIKE '%ö%'"
    expected = sum("ö" in title for title in titles(emulator).values())
    result = database.query(statement)
    assert result.rows == [(expected,)]
    assert "%C3%B6" in result.requests[0].query


@pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 takes the bytes of a SQL_ASCII database for ASCII",
)
def test_an_encoding_that_is_none(database_in, emulator):
    database = database_in("SQL_ASCII")
    rows = database.rows("SELECT id, title FROM website.pull_requests")
    assert dict(rows) == titles(emulator)


@pytest.mark.parametrize("encoding", ["LATIN1", "EUC_JP", "SQL_ASCII"])
def test_errors_and_plans_are_told_in_every_encoding(database_in, encoding):
    database = database_in(encoding)
    database.execute("ALTER SERVER bitbucket OPTIONS (ADD max_requests '2')")
    with pytest.raises(psycopg.Error) as caught:
        database.rows("SELECT id, content_raw FROM website.pull_request_comments")
    assert "max_requests is 2" in caught.value.diag.message_primary
    assert "ALTER SERVER ... OPTIONS" in caught.value.diag.message_hint
    plan = database.explain("SELECT id FROM website.issues WHERE votes IN (1, 2, 3, 4, 5, 6, 7)")
    assert "q: votes IN (1, 2, 3, 4, 5, 6, 7)" in plan
