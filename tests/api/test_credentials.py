"""What errors show of a credential: nothing, however it is said and however tokens change."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
import requests

from bitbucket_fdw.api.credentials import Credential, redact, tidied, tidy
from bitbucket_fdw.api.notes import Notes
from bitbucket_fdw.api.oauth1 import StoredSignature
from bitbucket_fdw.api.oauth_tokens import Renewals, RenewedBearer
from bitbucket_fdw.between_sessions.tokens import Token, TokenStore
from bitbucket_fdw.errors import BadResponse
from tests.support import leaks

SECRET = "not-to-be-shown/any+where=0123456789"
LONGEST = 500  # characters


def renewing(directory: Path, *tokens: Token) -> RenewedBearer:
    """The tokens of an entry, got one after the other."""
    coming = iter(tokens)
    return RenewedBearer(TokenStore(directory), "entry", lambda _: next(coming), Renewals(Notes()))


def test_tokens_that_change_are_hidden_as_they_are_now_and_as_they_were(tmp_path):
    tokens = renewing(
        tmp_path,
        Token("first-access", "first-refresh"),
        Token("second-access", "second-refresh"),
        Token("third-access", "third-refresh", "third-secret"),
    )
    credential = Credential("oauth2_code", tokens, ("fixed-secret",), tokens=tokens)
    assert credential.redact("a first-access") == "a first-access"  # nobody has it yet
    tokens.token()
    said = "fixed-secret first-access first-refresh second-access second-refresh"
    assert credential.redact(said) == "*** *** *** second-access second-refresh"
    tokens.renew()
    # A late answer may still repeat the one before.
    assert credential.redact(said) == "*** *** *** *** ***"
    tokens.renew()
    assert credential.redact("third-access third-refresh third-secret") == "*** *** ***"
    assert "second" not in credential.redact(said)


def test_the_token_of_an_oauth1_login_is_hidden_once_it_is_used(tmp_path):
    store = TokenStore(tmp_path / "tokens")
    store.write("entry", Token("login-token", secret="login-secret"))
    signs = StoredSignature("the-key", "consumer-secret", store, "entry")
    credential = Credential("oauth1", signs, ("consumer-secret",), tokens=signs)
    signed = requests.Request("GET", "https://api.bitbucket.org/2.0/user", auth=signs).prepare()
    assert "login-token" in str(signed.headers["Authorization"])
    said = f"consumer-secret login-token login-secret {signed.headers}"
    assert not leaks.found(credential.redact(said), "login-token", "login-secret")
    # It holds until it is revoked: asking for another one would not help.
    assert credential.renew_after(signed) is False


def test_a_credential_that_cannot_be_renewed_is_not_sent_again():
    assert Credential.bearer("access_token", SECRET).renew_after(None) is False


@pytest.mark.parametrize("before", [*range(LONGEST - len(SECRET) - 3, LONGEST + 1), 0, 1, 5000])
def test_a_cut_leaves_no_part_of_a_secret(before):
    told = tidy("x" * before + SECRET + "y" * 700, [SECRET])
    assert len(told) <= LONGEST
    assert SECRET[:4] not in told


@pytest.mark.parametrize("length", [1, LONGEST, LONGEST + 1, 100_000])
def test_nothing_is_endless(length):
    assert len(tidy("x" * length, [])) == min(length, LONGEST)


@pytest.mark.parametrize(
    "between", ["\u200b", "\u00ad", "\x1b", "\u202e", "\x00", "\ufeff", "\x7f"]
)
def test_what_is_not_to_be_seen_parts_no_secret(between):
    for at in range(1, len(SECRET)):
        said = SECRET[:at] + between + SECRET[at:]
        assert redact(f"before {said} after", [SECRET]) == "before *** after"


def test_an_error_is_cleaned_in_all_of_its_parts():
    long = "x" * 2 * LONGEST
    error = BadResponse(
        f"1 {SECRET} {long}",
        method="GET",
        path="/user",
        detail=f"2 {SECRET} \x1b[31m{long}",
        hint=f"3 {SECRET} {long}",
    )
    tidied(error, [SECRET])
    for number, text in enumerate((error.message, error.detail, error.hint), 1):
        assert text.startswith(f"{number} *** ")
        assert len(text) <= LONGEST
        assert "\x1b" not in text
    for text in (str(error), repr(error), repr(error.args)):
        assert not leaks.found(text, SECRET)


@pytest.mark.parametrize("secret", ["abcd", "p4ss", "ATATT3xFfGF0abc"])
def test_short_secrets_are_hidden_too(secret):
    encoded = base64.b64encode(secret.encode()).decode().rstrip("=")
    assert redact(f"a {secret} b {encoded} c", [secret]) == "a *** b *** c"


def test_what_is_sent_is_hidden_as_well_as_what_it_is_made_of():
    credential = Credential.basic("basic", "ada", SECRET)
    sent = base64.b64encode(f"ada:{SECRET}".encode()).decode()
    told = credential.redact(f"Basic {sent}, {sent.rstrip('=')}, {SECRET}")
    assert told.startswith("Basic ***")
    assert not leaks.found(told, SECRET, f"ada:{SECRET}")
