"""A disk without room for the next token ends no login: real files, and real limits.

A refresh token is good for one use. So there is room on the disk before it is used, and if what
came for it cannot be stored after all, this process keeps it and tries again.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitbucket_fdw.api.oauth2 import OAuth2
from bitbucket_fdw.between_sessions.tokens import Token, TokenStore
from bitbucket_fdw.errors import OptionError, TokenStoreError
from bitbucket_fdw.sign_in import login_steps as steps
from tests.auth.conftest import CALLBACK, get


@contextlib.contextmanager
def no_file_grows() -> Iterator[None]:
    """No file of this process gets longer than a few bytes: as on a full disk, writing fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (16, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A token store on a file system of its own, of 256 KiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=0700", "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(command, capture_output=True, check=False).returncode:
        pytest.skip("takes the right to mount a file system")
    monkeypatch.setenv("BITBUCKET_FDW_TOKENS", str(place / "tokens"))
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(place: Path) -> None:
    """Take all room that is left."""
    with contextlib.suppress(OSError), (place / "ballast").open("ab", buffering=0) as ballast:
        while True:
            ballast.write(bytes(4096))


@pytest.fixture
def person(authorization) -> dict[str, str]:
    return {**authorization.client(), "refresh_token": authorization.refresh_token()}


def test_without_room_no_refresh_token_is_spent(authorization, sign_in, connect, person):
    with no_file_grows(), pytest.raises(TokenStoreError, match="could not be written"):
        get(connect(sign_in(**person)))
    assert authorization.count("refresh_token") == 0
    assert get(connect(sign_in(**person)))
    assert authorization.count("refresh_token") == 1


def test_on_a_full_disk_no_refresh_token_is_spent(
    authorization, sign_in, connect, person, small_disk
):
    get(connect(sign_in(**person)))
    fill(small_disk)
    authorization.expire()
    with pytest.raises(TokenStoreError, match="No space left"):
        get(connect(sign_in(**person)))
    assert authorization.count("refresh_token") == 1
    (small_disk / "ballast").unlink()
    assert get(connect(sign_in(**person)))
    assert authorization.count("refresh_token refused") == 0


def test_without_room_a_begun_login_is_not_used_up(authorization, sign_in, store):
    signs = sign_in(auth="oauth2_code", **authorization.client())
    back = authorization.visit(steps.begin(signs, CALLBACK, None))
    with no_file_grows(), pytest.raises(TokenStoreError, match="could not be written"):
        steps.finish(signs, back["code"], CALLBACK, back["state"])
    assert steps.finish(signs, back["code"], CALLBACK, back["state"]).login


@pytest.mark.parametrize("long", ["callback_url", "state"])
def test_a_begun_login_takes_little_room(sign_in, authorization, store, long):
    signs = sign_in(auth="oauth2_code", **authorization.client())
    given = {"callback_url": CALLBACK, "state": "s" * 20}
    for characters in (2001, 1_000_000):
        given[long] = (CALLBACK if long == "callback_url" else "").ljust(characters, "x")
        with pytest.raises(OptionError, match="at most"):
            steps.begin(signs, **given)
    assert not store.exists() or list(store.glob("*.login")) == []
    given[long] = given[long][:2000]
    steps.begin(signs, **given)
    [file] = store.glob("*.login")
    assert file.stat().st_size < 8192


def during(monkeypatch: pytest.MonkeyPatch, happens: object) -> None:
    """Let something happen while the authorization server makes a token."""
    ask = OAuth2.from_refresh_token

    def asked(self: OAuth2, refresh_token: str) -> Token:
        token = ask(self, refresh_token)
        happens()  # type: ignore[operator]
        return token

    monkeypatch.setattr(OAuth2, "from_refresh_token", asked)


def test_a_disk_that_fills_up_meanwhile_has_the_room_that_was_made(
    authorization, sign_in, connect, person, small_disk, shared, monkeypatch
):
    get(connect(sign_in(**person)))
    authorization.expire()
    during(monkeypatch, lambda: fill(small_disk))
    assert get(connect(sign_in(**person)))
    assert shared.notes.take() == []
    assert get(connect(sign_in(**person)))  # it is on the disk
    assert authorization.count("refresh_token") == 2


def test_a_token_that_cannot_be_stored_is_kept_in_memory_and_stored_later(
    authorization, sign_in, connect, person, store, shared, monkeypatch
):
    get(connect(sign_in(**person)))
    authorization.expire()

    def lost() -> None:
        for path in store.glob(".new-*"):
            path.unlink()

    with monkeypatch.context() as patched:
        during(patched, lost)
        assert get(connect(sign_in(**person)))
    [said] = shared.notes.take()
    assert "could not be stored" in said.message
    assert "emulator-" not in str(said)
    # Another client of this process goes on with it, and renews it.
    authorization.expire()
    assert get(connect(sign_in(**person)))
    assert authorization.count("refresh_token refused") == 0
    assert not shared.renewals.unsaved


def test_what_could_not_be_stored_is_tried_again_at_the_end(
    authorization, sign_in, connect, person, store, shared, monkeypatch
):
    signs = sign_in(**person)

    def lost() -> None:
        for path in store.glob(".new-*"):
            path.unlink()

    with monkeypatch.context() as patched:
        during(patched, lost)
        assert get(connect(signs))
    shared.notes.take()
    assert list(store.glob("*.token")) == []
    shared.renewals.save()
    [file] = store.glob("*.token")
    kept = TokenStore.default().read(file.stem)
    assert kept is not None
    assert not shared.renewals.unsaved
