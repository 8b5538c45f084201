"""The requests of the last hour, counted in files that sessions share."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from bitbucket_fdw.api import Client, Credential, Settings
from bitbucket_fdw.api.hour import Hour, group_of
from bitbucket_fdw.api.notes import Notes
from bitbucket_fdw.api.shared import Shared
from bitbucket_fdw.between_sessions.hour import HourFiles, Used
from bitbucket_fdw.errors import HourUsedUp

API = "https://api.example/2.0"


class Moment:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.seconds = 600_000.0

    def __call__(self) -> float:
        return self.seconds


def files_in(directory: Path, now: Moment, identity: str = "ada") -> HourFiles:
    return HourFiles(directory / "requests", API, identity, now)


def test_sessions_add_up_and_credentials_do_not(tmp_path):
    now = Moment()
    one, two, other = files_in(tmp_path, now), files_in(tmp_path, now), files_in(tmp_path, now, "b")
    for session in (one, two, other, one):
        session.add("repositories")
    two.add("user")
    assert one.used() == two.used()
    assert {group: used.requests for group, used in one.used().items()} == {
        "repositories": 3,
        "user": 1,
    }
    assert other.used()["repositories"].requests == 1


def test_what_is_older_than_an_hour_does_not_count_and_is_removed(tmp_path):
    now = Moment()
    files = files_in(tmp_path, now)
    files.add("repositories")
    now.seconds += 1800
    files.add("repositories")
    assert files.used()["repositories"] == Used(2, 600_000 + 3660)
    now.seconds += 1860
    assert files.used()["repositories"] == Used(1, 601_800 + 3660)
    now.seconds += 3600
    assert files.used() == {}
    files.add("user")
    assert len(list((tmp_path / "requests").iterdir())) == 1


def test_threads_lose_no_request(tmp_path):
    files = files_in(tmp_path, Moment())
    threads = [
        threading.Thread(target=lambda: [files.add("user") for _ in range(200)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert files.used()["user"].requests == 1600


def test_only_the_server_s_user_can_read_it(tmp_path):
    files_in(tmp_path, Moment()).add("user")
    directory = tmp_path / "requests"
    assert directory.stat().st_mode & 0o7777 == 0o700
    [file] = directory.iterdir()
    assert file.stat().st_mode & 0o7777 == 0o600
    assert "ada" not in file.name


def test_a_directory_that_others_can_enter_is_not_written_to(tmp_path, monkeypatch):
    directory = tmp_path / "requests"
    directory.mkdir()
    directory.chmod(0o755)
    monkeypatch.setenv("BITBUCKET_FDW_REQUESTS", str(directory))
    notes = Notes()
    hour = Hour(Settings(base_url=API), "ada", notes)
    hour.count("/user", False)
    hour.count("/user", False)
    assert [note.message for note in notes.take()] == ["this session does not count its requests"]
    assert list(directory.iterdir()) == []


def test_nothing_is_refused_unless_the_limit_is_known(tmp_path, monkeypatch):
    monkeypatch.setenv("BITBUCKET_FDW_REQUESTS", str(tmp_path / "requests"))
    unknown = Hour(Settings(base_url=API), "ada", Notes())
    known = Hour(Settings(base_url=API, rate_limit=10), "ada", Notes())
    for _ in range(8):
        unknown.count("/repositories/acme/website", False)
    path = "/repositories/{workspace}/{repository}/issues"
    assert unknown.lacking(10_000, path) is None
    assert known.lacking(2, path) is None
    assert known.lacking(3, "/user") is None
    lacking = known.lacking(3, path)
    assert lacking is not None
    assert lacking.frees_at is not None
    assert "would take 3 requests, and 2 of the hour's 10 are left" in lacking.message
    full = Hour(Settings(base_url=API, rate_limit=8), "ada", Notes()).lacking(1, path)
    assert full is not None
    assert "would take 1 request, and 0 of the hour's 8 are left" in full.message
    assert 3500 < lacking.frees_at - time.time() <= 3660
    too_many = known.lacking(11, path)
    assert too_many is not None
    assert too_many.frees_at is None  # not within any hour
    assert known.lacking(11, "/user") is not None
    unknown.hear("/repositories/acme", {"X-RateLimit-Limit": "9"}, False)
    assert unknown.lacking(2, path) is not None
    assert [row["remaining"] for row in unknown.shown()] == [1]


@pytest.mark.parametrize("said", ["", "many", "-1", "0", "1e3", "9" * 30])
def test_a_header_that_says_nothing_is_left_out(said):
    hour = Hour(Settings(base_url=API), "ada", Notes())
    hour.hear("/user", {"X-RateLimit-Limit": said}, False)
    assert hour.limit("user") is None


@pytest.mark.parametrize(
    ("path", "is_text", "group"),
    [
        ("/repositories/a/b/src/main/x", True, "files"),
        ("/repositories/a/b/src/main/x", False, "repositories"),
        ("/repositories/a/b/pipelines/1/steps/2/log", True, "repositories"),
        ("/workspaces", False, "workspaces"),
        ("/user", False, "user"),
        ("/../etc", False, "other"),
        ("", False, "other"),
    ],
)
def test_groups(path, is_text, group):
    assert group_of(path, is_text) == group


@pytest.fixture
def waiting(tmp_path, monkeypatch) -> Client:
    """A client under ``on_rate_limit 'wait'``, of whose two requests an hour one is left."""
    monkeypatch.setenv("BITBUCKET_FDW_REQUESTS", str(tmp_path / "requests"))
    settings = Settings(base_url=API, rate_limit=2, on_rate_limit="wait")
    client = Client(settings, Credential.none(), Shared())
    client.hour.count("/user", False)
    return client


def test_a_scan_waits_until_there_are_enough(waiting, tmp_path, monkeypatch):
    said: list[str] = []
    waiting.notice = said.append
    scan = waiting.scan()
    paused: list[float] = []

    def pause(seconds: float) -> None:
        scan.check()
        paused.append(seconds)
        [file] = (tmp_path / "requests").iterdir()
        file.unlink()  # as if its minute were over

    monkeypatch.setattr(scan, "pause", pause)
    waiting.await_hour(1, "/user", scan)
    assert paused == []
    waiting.await_hour(2, "/user", scan)
    assert len(paused) == 1
    assert 3500 < paused[0] <= 3660
    assert said == [f"the hour has not enough requests left: waiting for {paused[0]:.0f} seconds"]


def test_a_scan_that_fits_into_no_hour_does_not_wait(waiting):
    with pytest.raises(HourUsedUp, match="would take 3 requests"):
        waiting.await_hour(3, "/user", waiting.scan())
