"""Tokens on their way: none is lost at a session's end, none overwrites a later one."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from bitbucket_fdw.api import notes, oauth_tokens
from bitbucket_fdw.between_sessions.tokens import Token, TokenStore
from bitbucket_fdw.errors import Cancelled, SignInError


@pytest.fixture
def store(tmp_path) -> TokenStore:
    return TokenStore(tmp_path / "tokens")


@pytest.fixture(autouse=True)
def session(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A session that may end, without the one of these tests doing so."""
    monkeypatch.setattr(oauth_tokens, "_ending", False)
    monkeypatch.setattr(oauth_tokens, "_unsaved", {})
    yield
    notes.taken()


def token(name: str, at: float) -> Token:
    return Token(name, f"{name}-refresh", obtained_at=at)


def unsaved(store: TokenStore, got: Token) -> None:
    """Get a token that cannot be stored: its room is gone by then."""

    def obtain() -> Token:
        for room in store._directory.glob(".new-*"):
            room.unlink()
        return got

    assert oauth_tokens.keep(store, "entry", obtain) is got
    assert store.read("entry") is None
    assert len(notes.taken()) == 1


def test_a_token_that_could_not_be_stored_is_used_and_stored_at_the_end(store):
    unsaved(store, token("mine", 100.0))
    tokens = oauth_tokens.RenewedBearer(store, "entry", lambda _: pytest.fail("it has one"))
    assert tokens.token().access_token == "mine"
    store._directory.joinpath("entry.token").unlink(missing_ok=True)
    unsaved(store, token("later", 200.0))
    oauth_tokens.end_renewals()
    assert store.read("entry") == token("later", 200.0)


@pytest.mark.parametrize("end", [oauth_tokens.end_renewals, oauth_tokens._save])
def test_one_that_another_session_got_later_is_not_overwritten(store, end):
    """Its refresh token is the one that has not been used."""
    unsaved(store, token("mine", 100.0))
    store.write("entry", token("theirs", 200.0))
    end()
    assert store.read("entry") == token("theirs", 200.0)


def test_one_that_another_session_got_later_is_used(store):
    unsaved(store, token("mine", 100.0))
    store.write("entry", token("theirs", 200.0))
    asked: list[Token | None] = []

    def obtain(kept: Token | None) -> Token:
        asked.append(kept)
        return token("next", 300.0)

    tokens = oauth_tokens.RenewedBearer(store, "entry", obtain)
    assert tokens.token().access_token == "theirs"
    tokens.renew()
    assert asked == [token("theirs", 200.0)]


def test_one_that_another_session_had_before_is_not_used_again(store):
    unsaved(store, token("mine", 200.0))
    store.write("entry", token("theirs", 100.0))
    tokens = oauth_tokens.RenewedBearer(store, "entry", lambda _: pytest.fail("it has one"))
    assert tokens.token().access_token == "mine"


def test_a_renewal_that_fails_leaves_nothing_behind(store):
    store.write("entry", token("mine", 100.0))

    def refused() -> Token:
        raise SignInError("no")

    with pytest.raises(SignInError):
        oauth_tokens.keep(store, "entry", refused)
    assert [path.name for path in store._directory.iterdir()] == ["entry.token"]
    assert store.read("entry") == token("mine", 100.0)


def test_no_renewal_begins_once_the_session_ends(store):
    oauth_tokens.end_renewals()
    with pytest.raises(Cancelled):
        oauth_tokens.keep(store, "entry", lambda: pytest.fail("its refresh token would be spent"))


@pytest.mark.parametrize(
    "end", [oauth_tokens.end_renewals, lambda: oauth_tokens.let_renewals_end(60)]
)
def test_the_end_waits_for_a_renewal_under_way(store, end):
    begun = threading.Event()

    def obtain() -> Token:
        begun.set()
        time.sleep(0.5)
        return token("new", 100.0)

    thread = threading.Thread(target=oauth_tokens.keep, args=(store, "entry", obtain))
    thread.start()
    assert begun.wait(20)
    end()
    assert store.read("entry") == token("new", 100.0)
    thread.join()


def test_a_cancelled_statement_waits_no_longer_than_it_is_told(store):
    begun, on = threading.Event(), threading.Event()

    def obtain() -> Token:
        begun.set()
        on.wait(60)
        return token("new", 100.0)

    thread = threading.Thread(target=oauth_tokens.keep, args=(store, "entry", obtain))
    thread.start()
    assert begun.wait(20)
    oauth_tokens.let_renewals_end(0.05)
    assert store.read("entry") is None
    on.set()
    thread.join()
    assert store.read("entry") == token("new", 100.0)
