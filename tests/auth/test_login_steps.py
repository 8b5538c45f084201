"""The two steps of a login, without a database: a way back that is not the one begun is refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest

from bitbucket_fdw.errors import BitbucketError, OptionError, SignInError
from bitbucket_fdw.sign_in import login_steps
from bitbucket_fdw.sign_in.mapping_user import MappingUser
from bitbucket_fdw.sign_in.schemes import SignIn
from tests.auth.conftest import CALLBACK, AuthorizationServer

STATE = "a-state-that-nobody-guesses"
ADA = MappingUser("ada")


@pytest.fixture(params=["oauth2_code", "oauth1"])
def signs(request, authorization: AuthorizationServer, sign_in) -> SignIn:
    """Ada's mapping."""
    two = request.param == "oauth2_code"
    client = authorization.client() if two else authorization.consumer1()
    return replace(sign_in(auth=request.param, **client), user=ADA)


def code_of(back: dict[str, str]) -> str:
    return back.get("code") or back["oauth_verifier"]


@pytest.fixture
def begun(signs: SignIn, authorization: AuthorizationServer) -> str:
    """The code that the person comes back with."""
    back = authorization.visit(login_steps.begin(signs, CALLBACK, STATE))
    assert back["state"] == STATE
    return code_of(back)


def other_secret(signs: SignIn) -> SignIn:
    secret = "client_secret" if signs.scheme == "oauth2_code" else "consumer_secret"
    return replace(signs, values={**signs.values, secret: "another"})


FORGED: dict[str, Callable[[SignIn], tuple[SignIn, str, str]]] = {
    "another state": lambda signs: (signs, CALLBACK, f"{STATE}x"),
    "no state": lambda signs: (signs, CALLBACK, ""),
    "another address": lambda signs: (signs, "http://localhost:33334/", STATE),
    "another role": lambda signs: (replace(signs, user=MappingUser("ben")), CALLBACK, STATE),
    "a role that is not known": lambda signs: (replace(signs, user=MappingUser()), CALLBACK, STATE),
    "another client": lambda signs: (other_secret(signs), CALLBACK, STATE),
    "another server": lambda signs: (
        replace(signs, oauth_url=f"{signs.oauth_url}/", oauth1_url=f"{signs.oauth1_url}/"),
        CALLBACK,
        STATE,
    ),
}


@pytest.mark.parametrize("forged", FORGED)
def test_a_way_back_that_was_not_begun_asks_for_nothing(signs, begun, authorization, store, forged):
    """And does not use up the one that was, unless it has its state."""
    before = len(authorization.requests())
    with pytest.raises(SignInError, match="no login was begun"):
        login_steps.finish(FORGED[forged](signs)[0], begun, *FORGED[forged](signs)[1:])
    assert len(authorization.requests()) == before
    assert list(store.glob("*.token")) == []
    if forged != "another address":
        assert login_steps.finish(signs, begun, CALLBACK, STATE).auth == signs.scheme


def test_a_way_back_holds_once(signs, begun, authorization):
    login_steps.finish(signs, begun, CALLBACK, STATE)
    before = len(authorization.requests())
    with pytest.raises(SignInError, match="no login was begun"):
        login_steps.finish(signs, begun, CALLBACK, STATE)
    assert len(authorization.requests()) == before


@pytest.mark.parametrize(("minutes", "works"), [(14, True), (16, False)])
def test_a_way_back_holds_for_a_quarter_of_an_hour(signs, begun, monkeypatch, minutes, works):
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 60 * minutes)
    told = ""
    try:
        login_steps.finish(signs, begun, CALLBACK, STATE)
    except BitbucketError as error:  # OAuth 1 signs the time, which the server finds wrong anyhow
        told = str(error)
    assert ("no login was begun" in told) is not works


def test_each_login_has_tokens_of_its_own(signs, authorization, store):
    """And a state of its own, where none is given: neither can be guessed from another."""
    states, logins = set(), set()
    for user in ("ada", "ben"):
        url = login_steps.begin(signs, CALLBACK, None)
        back = authorization.visit(url, user)
        states.add(back["state"])
        logins.add(login_steps.finish(signs, code_of(back), CALLBACK, back["state"]).login)
    assert len(states) == len(logins) == len(list(store.glob("*.token"))) == 2
    assert all(len(text) >= 32 for text in states | logins)


def test_what_is_put_aside_says_nothing_of_the_state(signs, begun, store):
    [aside] = store.glob("*.login")
    assert STATE not in aside.name + aside.read_text()


def test_the_address_tells_bitbucket_all_and_no_secret(signs):
    url = login_steps.begin(signs, CALLBACK, STATE)
    parameters = parse_qs(urlsplit(url).query)
    if signs.scheme == "oauth2_code":
        assert parameters == {
            "response_type": ["code"],
            "client_id": [signs.values["client_id"]],
            "redirect_uri": [CALLBACK],
            "state": [STATE],
        }
    else:
        assert set(parameters) == {"oauth_token"}
    assert "secret" not in url


@pytest.mark.parametrize(
    ("callback", "state"),
    [
        ("ftp://localhost:33333/", STATE),
        ("javascript:alert(1)", STATE),
        ("//localhost:33333/", STATE),
        ("http:///x", STATE),
        ("http://localhost:33333/#x", STATE),
        (CALLBACK + "x" * 2000, STATE),
        (CALLBACK, "x" * 2001),
        (CALLBACK, "x" * 15),
    ],
)
def test_parameters_that_will_not_do_are_refused_before_anything_is_asked(
    signs, authorization, store, callback, state
):
    with pytest.raises(OptionError):
        login_steps.begin(signs, callback, state)
    assert authorization.requests() == []
    assert not list(store.glob("*.login"))
