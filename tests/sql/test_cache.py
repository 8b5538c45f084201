"""Server option cache_ttl: answers shared by all sessions, never between credentials."""

import time
from pathlib import Path

import pytest

from tests.support.database import Database

COUNT = "SELECT count(title) FROM web.issues"
IMPORT = 'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web'


@pytest.fixture
def cached(emulator, db_factory) -> Database:
    database = db_factory(emulator=emulator, cache_ttl="600")
    database.execute(IMPORT)
    return database


def test_an_answer_is_asked_for_once_by_all_sessions(cached):
    first = cached.query(COUNT)
    assert len(first.requests) == 1
    again = cached.query(COUNT)
    assert (again.rows, again.requests) == (first.rows, [])
    with cached.connect() as other:
        assert other.execute(COUNT).fetchall() == first.rows
    assert len([r for r in cached.emulator.requests() if "values.title" in r.line]) == 1


def test_without_the_option_nothing_is_kept(db):
    db.execute(IMPORT)
    assert len(db.query(COUNT).requests) == len(db.query(COUNT).requests) == 1


def test_a_write_drops_what_was_kept_in_every_session(cached):
    [[before]] = cached.query(COUNT).rows
    with cached.connect() as other:
        other.execute("INSERT INTO web.issues (title) VALUES ('new')")
    assert cached.query(COUNT).rows == [(before + 1,)]


def test_an_update_compares_with_the_row_as_it_is(cached):
    cached.execute("UPDATE web.issues SET title = 'mine' WHERE id = 1")
    read = "SELECT title FROM web.issues WHERE id = 1"
    assert cached.rows(read) == [("mine",)]
    # Somebody else's change, that the cache knows nothing of.
    cached.emulator.reset()
    assert cached.rows(read) == [("mine",)]
    cached.execute("UPDATE web.issues SET title = 'mine' WHERE id = 1")
    assert cached.rows(read) == [("mine",)]
    assert any(r.method == "PUT" for r in cached.emulator.requests())


def test_errors_are_not_kept(cached):
    cached.emulator.fault(pattern="*/issues", kind="status", status=403, count=1)
    with pytest.raises(Exception, match="403"):
        cached.rows(COUNT)
    assert cached.rows(COUNT)


def test_another_credential_asks_for_itself(cached, db_factory):
    cached.rows(COUNT)
    cached.execute(
        "ALTER USER MAPPING FOR CURRENT_USER SERVER bitbucket "
        "OPTIONS (SET token 'emulator-token-ada-read')"
    )
    assert len(cached.query(COUNT).requests) == 1


def test_only_the_servers_user_can_read_it_and_no_secret_is_in_it(cached):
    cached.rows(COUNT)
    kept = Path(cached.value("SHOW data_directory")) / "bitbucket_fdw" / "cache"
    assert kept.stat().st_mode & 0o077 == 0
    files = list(kept.iterdir())
    assert any(file.suffix == ".json" for file in files)
    for file in files:
        content = file.read_bytes()
        assert b"emulator-token" not in content
        assert b"Basic " not in content


def test_what_has_expired_is_removed(cached):
    cached.execute("ALTER SERVER bitbucket OPTIONS (SET cache_ttl '1')")
    directory = Path(cached.value("SHOW data_directory")) / "bitbucket_fdw" / "cache"

    def kept() -> set[Path]:
        return set(directory.glob("*.1.*.json"))  # for one second; other tests have longer ones

    cached.rows("SELECT count(priority) FROM web.issues")  # which no other test asks for
    old = kept()
    assert old
    time.sleep(max(file.stat().st_mtime for file in old) + 1.1 - time.time())
    with cached.connect() as other:
        other.execute("SELECT count(name) FROM web.tags")
    assert not kept() & old
