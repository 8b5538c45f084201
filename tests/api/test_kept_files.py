"""The files of the cache of answers: how much they may take, and when they are removed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bitbucket_fdw.between_sessions.answers import AnswerCache
from tests.api.scripted import Answer, ScriptedServer
from tests.api.test_answer_cache import ask, session_of

API = "https://api.example/2.0"


def cache_in(directory: Path, api: str = API, ttl: float = 600, **more: int) -> AnswerCache:
    cache = AnswerCache(directory / "cache", api, "identity", ttl, **more)
    cache.prepare()
    return cache


def kept(cache: AnswerCache) -> set[bytes]:
    return {file.read_bytes() for file in cache.directory.glob("*.json")}


def age(path: Path, seconds: float) -> None:
    when = time.time() - seconds
    os.utime(path, (when, when))


def test_an_answer_is_found_again(tmp_path):
    cache = cache_in(tmp_path)
    place = cache.place(f"{API}/one")
    assert cache.find(place) is None
    version = cache.keep(place, b"{}")
    found = cache_in(tmp_path).find(place)
    assert found is not None
    assert (found.content, found.version) == (b"{}", version)
    assert cache.held() == (1, 2)


@pytest.mark.parametrize("seconds", [601, -5])
def test_one_too_old_or_of_the_future_is_not_found(tmp_path, seconds):
    """A clock that was set back must not make an answer live longer."""
    cache = cache_in(tmp_path)
    place = cache.place(f"{API}/one")
    cache.keep(place, b"{}")
    age(place.file, seconds)
    assert cache.find(place) is None
    assert cache.held() == (0, 0)
    cache.prune()
    assert kept(cache) == set()


def test_a_server_that_keeps_answers_for_a_shorter_time_has_its_own(tmp_path):
    long, short = cache_in(tmp_path), cache_in(tmp_path, ttl=5)
    long.keep(long.place(f"{API}/one"), b"{}")
    assert short.find(short.place(f"{API}/one")) is None
    short.prune()
    assert kept(long) == {b"{}"}


def test_what_a_write_has_outdated_is_removed_and_no_other_api_s(tmp_path):
    one, other = cache_in(tmp_path), cache_in(tmp_path, "https://other.example/2.0")
    for cache in (one, other):
        cache.keep(cache.place(f"{API}/one"), cache.api.encode())
    one.outdate()
    other.prune()
    assert kept(one) == {b"https://other.example/2.0"}


def test_the_oldest_go_first_beyond_the_bound(tmp_path):
    cache = cache_in(tmp_path, most=1000)
    for number in range(20):
        place = cache.place(f"{API}/{number}")
        cache.keep(place, b"%02d" % number + bytes(98))
        if place.file.exists():
            age(place.file, 100 - number)
    cache.keep(cache.place(f"{API}/last"), b"20" + bytes(98))
    assert cache.held() == (9, 900)
    assert {content[:2] for content in kept(cache)} == {b"%02d" % n for n in range(12, 21)}


def test_the_bound_is_kept_without_being_asked_to(tmp_path):
    cache = cache_in(tmp_path, most=100_000)
    for number in range(300):
        cache.keep(cache.place(f"{API}/{number}"), bytes(1000))
    assert cache.held()[1] <= 100_000 * 33 / 32 + 1000
    cache.keep(cache.place(f"{API}/large"), bytes(50_000))
    assert bytes(50_000) not in kept(cache)


def test_what_crashes_and_the_first_version_have_left_is_removed(tmp_path):
    cache = cache_in(tmp_path)
    digest = "0" * 32
    old = [cache.directory / f"{digest}.sqlite", cache.directory / f"{digest}.sqlite-wal"]
    for name in (".new-abc", f"{digest}.0.600.{'1' * 64}.lock"):
        path = cache.directory / name
        path.write_bytes(b"")
        age(path, 4000)
        old.append(path)
    for path in old[:2]:
        path.touch()
    others = [cache.directory / name for name in ("notes.txt", ".new-young")]
    for path in others:
        path.write_bytes(b"")
    cache.prune()
    assert [path.exists() for path in old] == [False] * 4
    assert [path.exists() for path in others] == [True, True]


def test_what_is_no_json_is_asked_for_again(tmp_path, monkeypatch, scripted):
    """As a crash of the machine may leave it."""
    monkeypatch.setenv("BITBUCKET_FDW_CACHE", str(tmp_path / "cache"))
    server: ScriptedServer = scripted(lambda _: Answer({"number": len(server.received)}))
    assert ask(session_of(server)) == 1
    [file] = (tmp_path / "cache").glob("*.json")
    for damage in (b"", b'{"number', bytes(20)):
        file.write_bytes(damage)
        expected = len(server.received) + 1
        assert ask(session_of(server)) == ask(session_of(server)) == expected
