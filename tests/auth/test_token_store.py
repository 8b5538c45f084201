"""The token store: who can read it, what survives a crash, who may write at a time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bitbucket_fdw.between_sessions import tokens as token_store
from bitbucket_fdw.between_sessions.tokens import Token, TokenStore
from bitbucket_fdw.errors import TokenStoreError
from tests.auth.conftest import eventually

TOKEN = Token("access", "refresh", obtained_at=1000.0, expires_in=7200.0, scope="repository")


@pytest.fixture
def tokens(store: Path) -> TokenStore:
    return TokenStore.default()


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def test_what_is_written_is_read(tokens):
    assert tokens.read("entry") is None
    tokens.write("entry", TOKEN)
    assert tokens.read("entry") == TOKEN
    assert tokens.read("other") is None


def test_only_the_owner_can_read_it(tokens, store):
    before = os.umask(0)
    try:
        tokens.write("entry", TOKEN)
        tokens.put_aside("role", "begun", {"callback_url": "x"})
        with tokens.locked("entry"):
            pass
    finally:
        os.umask(before)
    assert mode(store) == 0o700
    assert {path.suffix for path in store.iterdir()} == {".token", ".login", ".lock"}
    for path in store.iterdir():
        assert mode(path) == 0o600, path


@pytest.mark.parametrize("permission", [0o755, 0o750, 0o701])
def test_a_directory_that_others_can_enter_is_refused(tokens, store, permission):
    tokens.write("entry", TOKEN)
    store.chmod(permission)
    with pytest.raises(TokenStoreError, match="open to others"):
        tokens.read("entry")
    with pytest.raises(TokenStoreError, match="open to others"):
        tokens.write("entry", TOKEN)


def test_a_directory_of_somebody_else_is_refused(tokens, store):
    """Whoever owns it could open it later."""
    if os.geteuid():
        pytest.skip("takes the right to give a directory to somebody else")
    tokens.write("entry", TOKEN)
    os.chown(store, 12345, -1)
    with pytest.raises(TokenStoreError, match="open to others"):
        tokens.read("entry")


def test_without_a_variable_it_is_below_the_data_directory(tmp_path, monkeypatch):
    monkeypatch.delenv("BITBUCKET_FDW_TOKENS", raising=False)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(TokenStoreError, match="no place"):
        TokenStore.default()
    (tmp_path / "PG_VERSION").write_text("15")
    TokenStore.default().write("entry", TOKEN)
    assert (tmp_path / "bitbucket_fdw" / "tokens" / "entry.token").exists()


def test_a_write_that_fails_leaves_the_old_entry_and_nothing_else(tokens, store, monkeypatch):
    tokens.write("entry", TOKEN)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(TokenStoreError, match="No space left"):
        tokens.write("entry", Token("newer"))
    monkeypatch.undo()
    os.environ["BITBUCKET_FDW_TOKENS"] = str(store)
    assert TokenStore(store).read("entry") == TOKEN
    assert [path.name for path in store.iterdir()] == ["entry.token"]


def test_a_new_entry_is_on_disk_before_it_takes_the_old_ones_place(tokens, store, monkeypatch):
    steps: list[str] = []
    flush, replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append("directory" if target == store else "file")
        flush(descriptor)

    def renamed(self: Path, target: Path) -> Path:
        steps.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", renamed)
    tokens.write("entry", TOKEN)
    # The room, what it holds, and its length.
    assert steps == ["file", "file", "file", "rename", "directory"]


@pytest.mark.parametrize("content", ["", "[]", '{"access_token": 1}', "{", "null"])
def test_a_damaged_entry_is_an_error_that_names_the_file(tokens, store, content):
    tokens.write("entry", TOKEN)
    (store / "entry.token").write_text(content)
    with pytest.raises(TokenStoreError, match=r"entry\.token"):
        tokens.read("entry")


def test_members_that_a_later_version_adds_do_no_harm(tokens, store):
    (store).mkdir(mode=0o700)
    (store / "entry.token").write_text(json.dumps({"access_token": "a", "later": True}))
    assert tokens.read("entry") == Token("a")


def test_what_was_put_aside_can_be_taken_once(tokens):
    tokens.put_aside("role", "state", {"callback_url": "x"})
    assert tokens.take("role", "state", 60) == {"callback_url": "x"}
    assert tokens.take("role", "state", 60) is None


def test_what_was_put_aside_lapses(tokens):
    tokens.put_aside("role", "state", {"callback_url": "x"})
    assert tokens.take("role", "state", -1) is None
    assert tokens.take("role", "state", 60) is None


def test_one_owner_s_begun_logins_are_bounded_and_push_out_no_other_s(tokens, store, monkeypatch):
    monkeypatch.setattr(token_store, "_PENDING", 3)
    tokens.put_aside("ben", "first", {})
    for number in range(5):
        tokens.put_aside("ada", str(number), {"number": number})
        past = time.time() - 100 + number
        os.utime(store / f"ada-{number}.login", (past, past))
    assert tokens.take("ben", "first", 60) == {}
    assert [tokens.take("ada", str(n), 60) is not None for n in range(5)] == [False, False] + [
        True
    ] * 3


def test_locks_are_few_however_many_entries_are_named(tokens, store):
    for number in range(600):
        with tokens.locked(f"{number:040x}"[::-1]):
            pass
    assert 0 < len(list(store.glob("*.lock"))) <= 256


def test_lapsed_entries_go_and_oauth1_tokens_stay(tokens, store):
    for name, token in {"old": TOKEN, "lasting": Token("t", secret="s"), "new": TOKEN}.items():
        tokens.write(name, token)
    (store / ".new-left-behind").write_text("{}")
    long_ago = time.time() - 101 * 24 * 3600
    for name in ("old.token", "lasting.token", ".new-left-behind"):
        os.utime(store / name, (long_ago, long_ago))
    tokens.put_aside("role", "state", {})
    assert sorted(path.name for path in store.iterdir()) == [
        "lasting.token",
        "new.token",
        "role-state.login",
    ]


def test_threads_exclude_one_another(tokens):
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with tokens.locked("entry"):
                inside += 1
                most = max(most, inside)
                time.sleep(0.002)
                inside -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1


def test_other_entries_are_not_locked(tokens):
    done = threading.Event()

    def work() -> None:
        with tokens.locked("second"):
            done.set()

    with tokens.locked("first"):
        thread = threading.Thread(target=work)
        thread.start()
        assert done.wait(10)
        thread.join()


HOLDER = """
import sys, time
from pathlib import Path
from bitbucket_fdw.between_sessions import tokens as token_store
from bitbucket_fdw.between_sessions.tokens import TokenStore
with TokenStore(Path(sys.argv[1])).locked("entry"):
    print("locked", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_gives_its_lock_back(tokens, store):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(store)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "locked\n"
        got = threading.Event()

        def work() -> None:
            with tokens.locked("entry"):
                got.set()

        thread = threading.Thread(target=work)
        thread.start()
        assert not got.wait(0.3)
        holder.send_signal(signal.SIGKILL)
        eventually(got.is_set)
        thread.join()


@pytest.mark.parametrize(
    ("expires_in", "age", "fresh"),
    [
        (7200, 0, True),
        (7200, 7000, True),
        (7200, 7150, False),
        (7200, 8000, False),
        (7200, -100_000, True),  # the clock was set back: Bitbucket will tell
        (2, 0, True),
        (2, 1.9, False),
        (None, 10**9, True),
    ],
)
def test_a_token_is_fresh_until_shortly_before_its_end(expires_in, age, fresh):
    assert Token("a", obtained_at=5000.0, expires_in=expires_in).fresh(5000.0 + age) is fresh


def test_a_token_does_not_show_itself():
    assert repr(TOKEN).count("access") == repr(TOKEN).count("access_token")
    assert "refresh" not in repr(TOKEN)
