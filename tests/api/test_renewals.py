"""Tokens on their way: none is lost at a session's end, none overwrites a later one."""

from __future__ import annotations

import threading
import time

import pytest

from bitbucket_fdw.api.notes import Notes
from bitbucket_fdw.api.oauth_tokens import Renewals, RenewedBearer
from bitbucket_fdw.between_sessions.tokens import Token, TokenStore
from bitbucket_fdw.errors import Cancelled, SignInError


@pytest.fixture
def store(tmp_path) -> TokenStore:
    return TokenStore(tmp_path / "tokens")


@pytest.fixture
def notes() -> Notes:
    """What the session has to tell."""
    return Notes()


@pytest.fixture
def renewals(notes: Notes) -> Renewals:
    """Those of a session."""
    return Renewals(notes)


def token(name: str, at: float) -> Token:
    return Token(name, f"{name}-refresh", obtained_at=at)


def unsaved(renewals: Renewals, store: TokenStore, got: Token) -> None:
    """Get a token that cannot be stored: its room is gone by then."""

    def obtain() -> Token:
        for room in store._directory.glob(".new-*"):
            room.unlink()
        return got

    assert renewals.keep(store, "entry", obtain) is got
    assert renewals.unsaved
    assert store.read("entry") is None


def test_a_token_that_could_not_be_stored_is_used_and_stored_at_the_end(store, renewals, notes):
    unsaved(renewals, store, token("mine", 100.0))
    assert "could not be stored" in notes.take()[0].message
    tokens = RenewedBearer(store, "entry", lambda _: pytest.fail("it has one"), renewals)
    assert tokens.token().access_token == "mine"
    store._directory.joinpath("entry.token").unlink(missing_ok=True)
    unsaved(renewals, store, token("later", 200.0))
    renewals.end()
    assert store.read("entry") == token("later", 200.0)


@pytest.mark.parametrize("end", ["end", "save"])
def test_one_that_another_session_got_later_is_not_overwritten(store, renewals, end):
    """Its refresh token is the one that has not been used."""
    unsaved(renewals, store, token("mine", 100.0))
    store.write("entry", token("theirs", 200.0))
    getattr(renewals, end)()
    assert store.read("entry") == token("theirs", 200.0)


def test_one_that_another_session_got_later_is_used(store, renewals):
    unsaved(renewals, store, token("mine", 100.0))
    store.write("entry", token("theirs", 200.0))
    asked: list[Token | None] = []

    def obtain(kept: Token | None) -> Token:
        asked.append(kept)
        return token("next", 300.0)

    tokens = RenewedBearer(store, "entry", obtain, renewals)
    assert tokens.token().access_token == "theirs"
    tokens.renew()
    assert asked == [token("theirs", 200.0)]


def test_one_that_another_session_had_before_is_not_used_again(store, renewals):
    unsaved(renewals, store, token("mine", 200.0))
    store.write("entry", token("theirs", 100.0))
    tokens = RenewedBearer(store, "entry", lambda _: pytest.fail("it has one"), renewals)
    assert tokens.token().access_token == "mine"


def test_a_renewal_that_fails_leaves_nothing_behind(store, renewals):
    store.write("entry", token("mine", 100.0))

    def refused() -> Token:
        raise SignInError("no")

    with pytest.raises(SignInError):
        renewals.keep(store, "entry", refused)
    assert [path.name for path in store._directory.iterdir()] == ["entry.token"]
    assert store.read("entry") == token("mine", 100.0)


def test_no_renewal_begins_once_the_session_ends(store, renewals):
    renewals.end()
    with pytest.raises(Cancelled):
        renewals.keep(store, "entry", lambda: pytest.fail("its refresh token would be spent"))


@pytest.mark.parametrize("end", [Renewals.end, lambda renewals: renewals.let_end(60)])
def test_the_end_waits_for_a_renewal_under_way(store, renewals, end):
    begun = threading.Event()

    def obtain() -> Token:
        begun.set()
        time.sleep(0.5)
        return token("new", 100.0)

    thread = threading.Thread(target=renewals.keep, args=(store, "entry", obtain))
    thread.start()
    assert begun.wait(20)
    end(renewals)
    assert store.read("entry") == token("new", 100.0)
    thread.join()


def test_a_cancelled_statement_waits_no_longer_than_it_is_told(store, renewals):
    begun, on = threading.Event(), threading.Event()

    def obtain() -> Token:
        begun.set()
        on.wait(60)
        return token("new", 100.0)

    thread = threading.Thread(target=renewals.keep, args=(store, "entry", obtain))
    thread.start()
    assert begun.wait(20)
    renewals.let_end(0.05)
    assert store.read("entry") is None
    on.set()
    thread.join()
    assert store.read("entry") == token("new", 100.0)
