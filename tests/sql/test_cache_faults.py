"""A cache that cannot be used is done without, for reads and writes, and one WARNING says so."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

from tests.support.database import Database

IMPORT = 'CREATE SCHEMA web; IMPORT FOREIGN SCHEMA "acme/website" FROM SERVER bitbucket INTO web'
COUNT = "SELECT count(title) FROM web.issues"
TITLES = "SELECT count(*) FROM web.issues WHERE title = 'new'"
WARNING = "WARNING: this session does without the cache of answers"


@pytest.fixture
def place(db: Database) -> Iterator[Path]:
    """Where the server keeps answers; what other tests have there is put back."""
    directory = Path(db.value("SHOW data_directory")) / "bitbucket_fdw" / "cache"
    aside = directory.with_name("aside")
    directory.parent.mkdir(mode=0o700, exist_ok=True)
    db.cluster.user.own(directory.parent)
    if directory.exists():
        directory.rename(aside)
    yield directory
    subprocess.run(["umount", str(directory)], check=False, capture_output=True)
    subprocess.run(["rm", "-rf", str(directory)], check=True)
    if aside.exists():
        aside.rename(directory)


def a_file_in_its_place(db: Database, place: Path) -> None:
    place.write_text("")


def one_that_cannot_be_written(db: Database, place: Path) -> None:
    place.mkdir(mode=0o700)
    db.cluster.user.own(place)
    place.chmod(0o500)


def one_of_somebody_else(db: Database, place: Path) -> None:
    if os.geteuid():
        pytest.skip("takes the right to give a directory to somebody else")
    place.mkdir(mode=0o777)


def one_that_others_can_write_to(db: Database, place: Path) -> None:
    place.mkdir()
    db.cluster.user.own(place)
    place.chmod(0o777)


def one_whose_files_are_directories(db: Database, place: Path) -> None:
    place.mkdir(mode=0o700)
    db.cluster.user.own(place)
    name = sha256(db.emulator.base_url.encode()).hexdigest()[:32]
    generation = place / f"{name}.generation"
    generation.mkdir()
    with db.connect() as session:
        session.execute(COUNT)
    answers = list(place.glob("*.json"))
    for file in answers:
        file.unlink()
        file.mkdir()
    for file in (generation, *answers):
        db.cluster.user.own(file)


def a_full_disk(db: Database, place: Path) -> None:
    place.mkdir(mode=0o700)
    db.cluster.user.own(place)
    user = place.stat().st_uid
    options = f"size=64k,mode=0700,uid={user}"
    command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("takes the right to mount a file system")
    with (place / "ballast").open("wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass


FAULTS = (
    a_file_in_its_place,
    one_that_cannot_be_written,
    one_of_somebody_else,
    one_that_others_can_write_to,
    one_whose_files_are_directories,
    a_full_disk,
)


@pytest.fixture(params=FAULTS, ids=lambda fault: fault.__name__)
def broken(request: pytest.FixtureRequest, db: Database, place: Path) -> Database:
    """A database whose server keeps answers where that is not possible."""
    db.execute(IMPORT)
    db.execute("ALTER SERVER bitbucket OPTIONS (ADD cache_ttl '600')")
    request.param(db, place)
    return db


def warnings(notices: list[str]) -> list[str]:
    return [notice for notice in notices if notice.startswith("WARNING")]


def test_reads_do_without(broken):
    first = broken.query(COUNT)
    assert warnings(first.notices) == [WARNING]
    assert 1 <= len(first.requests) <= 2  # what was answered may not be kept: asked again then
    again = broken.query(COUNT)
    assert (again.rows, warnings(again.notices)) == (first.rows, [])
    assert len(again.requests) == 1


def test_writes_do_without(broken):
    written = broken.query("INSERT INTO web.issues (title) VALUES ('new')")
    assert warnings(written.notices) == [WARNING]
    assert [request.method for request in written.requests] == ["POST"]
    assert broken.rows(TITLES) == [(1,)]


def test_a_cache_that_breaks_in_a_session_is_done_without(db, place):
    db.execute(IMPORT)
    db.execute("ALTER SERVER bitbucket OPTIONS (ADD cache_ttl '600')")
    first = db.query(COUNT)
    assert warnings(first.notices) == []
    subprocess.run(["rm", "-rf", str(place)], check=True)
    place.write_text("")
    written = db.query("INSERT INTO web.issues (title) VALUES ('new')")
    assert warnings(written.notices) == [WARNING]
    assert db.rows(TITLES) == [(1,)]
