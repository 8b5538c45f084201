"""Which options make which credential, and what is said of those that make none."""

from __future__ import annotations

import base64
from urllib.parse import quote

import pytest
import requests

from bitbucket_fdw import options
from bitbucket_fdw.api.credentials import Credential, redact
from bitbucket_fdw.errors import NoUserMapping, OptionError
from bitbucket_fdw.sign_in import schemes
from bitbucket_fdw.sign_in.schemes import SCHEMES, SignIn
from tests.support import leaks

GIVEN = {
    "none": {},
    "api_token": {"email": "ada@acme.example", "token": "secret-token"},
    "access_token": {"token": "secret-token"},
    "basic": {"username": "ada", "password": "secret pass"},
    "oauth2_client": {"client_id": "key", "client_secret": "secret-of-client"},
    "oauth2_code": {"client_id": "key", "client_secret": "secret-of-client", "login": "ab12"},
    "oauth2_token": {"token": "secret-token"},
    "oauth1": {"consumer_key": "key", "consumer_secret": "secret-of-consumer"},
}


def made(**mapping: str) -> Credential:
    values = options.parse(mapping, options.SERVER, options.MAPPING)
    return SignIn.of(values).credential()


def header(credential: Credential) -> str | None:
    request = requests.Request("GET", "https://api.bitbucket.org/2.0/user", auth=credential.auth)
    return request.prepare().headers.get("Authorization")


def test_every_scheme_can_be_named():
    assert set(GIVEN) == set(SCHEMES)


@pytest.mark.parametrize("scheme", [s for s in GIVEN if s not in ("oauth2_token", "none")])
def test_the_scheme_need_not_be_named_where_the_options_make_it_plain(scheme, store):
    assert made(**GIVEN[scheme]).scheme == scheme


def test_nobody_is_anonymous_without_saying_so():
    with pytest.raises(NoUserMapping, match="does not say how to sign in") as raised:
        made()
    assert "auth 'none'" in raised.value.hint


@pytest.mark.parametrize("scheme", GIVEN)
def test_the_scheme_can_be_named(scheme, store):
    assert made(auth=scheme, **GIVEN[scheme]).scheme == scheme


@pytest.mark.parametrize("scheme", GIVEN)
def test_each_option_that_is_needed_is_missed_by_name(scheme):
    for name in SCHEMES[scheme].needs:
        rest = {key: value for key, value in GIVEN[scheme].items() if key != name}
        with pytest.raises(OptionError, match=f'needs option "{name}"'):
            schemes.check({"auth": scheme, **rest})


@pytest.mark.parametrize("scheme", GIVEN)
def test_an_option_of_another_scheme_is_refused_by_name(scheme):
    other = "password" if scheme != "basic" else "token"
    with pytest.raises(OptionError, match=f'takes no option "{other}"') as raised:
        schemes.check({"auth": scheme, **GIVEN[scheme], other: "secret-x"})
    assert raised.value.hint.startswith(f"Options of {scheme}: ")
    assert "secret" not in str(raised.value).replace("client_secret", "").replace(
        "consumer_secret", ""
    ).replace("token_secret", "")


@pytest.mark.parametrize(
    "given",
    [
        {"login": "a", "refresh_token": "b", **GIVEN["oauth2_client"]},
        {"login": "a", "token": "b", "token_secret": "c", **GIVEN["oauth1"]},
        {"token": "b", **GIVEN["oauth1"]},
        {"token_secret": "c", **GIVEN["oauth1"]},
        {"auth": "api_token", **GIVEN["access_token"]},
        {"auth": "none", **GIVEN["access_token"]},
    ],
)
def test_options_that_do_not_go_together_are_refused(given):
    with pytest.raises(OptionError):
        schemes.check(given)


def test_basic_goes_out_as_basic():
    sent = base64.b64encode(b"ada@acme.example:secret-token").decode()
    assert header(made(**GIVEN["api_token"])) == f"Basic {sent}"
    sent = base64.b64encode(b"ada:secret pass").decode()
    assert header(made(**GIVEN["basic"])) == f"Basic {sent}"


@pytest.mark.parametrize("scheme", ["access_token", "oauth2_token"])
def test_tokens_go_out_as_bearer(scheme):
    assert header(made(auth=scheme, token="secret-token")) == "Bearer secret-token"


def test_without_a_credential_nothing_goes_out():
    assert header(made(auth="none")) is None


def test_oauth1_signs_by_hmac_sha1_in_the_header():
    signed = requests.utils.to_native_string(header(made(**GIVEN["oauth1"])))
    assert signed.startswith("OAuth ")
    assert 'oauth_signature_method="HMAC-SHA1"' in signed
    assert 'oauth_consumer_key="key"' in signed
    assert "oauth_token=" not in signed
    three_legged = requests.utils.to_native_string(
        header(made(**GIVEN["oauth1"], token="t", token_secret="s"))
    )
    assert 'oauth_token="t"' in three_legged


@pytest.mark.parametrize(
    "token", ["two words", "line\nbreak", "tab\t", "non-ascii-é", "", " ", "nul\0"]
)
def test_a_token_that_cannot_stand_in_a_header_is_refused_unseen(token):
    with pytest.raises(OptionError, match="printable ASCII") as raised:
        options.validate({"token": token}, "user_mapping")
    assert not token.strip() or token not in str(raised.value)


@pytest.mark.parametrize("scheme", GIVEN)
def test_neither_repr_nor_label_shows_a_secret(scheme, store):
    credential = made(auth=scheme, **GIVEN[scheme])
    assert "secret" not in repr(credential).lower().replace(credential.advice.lower(), "")
    assert "secret" not in credential.label


@pytest.mark.parametrize("scheme", GIVEN)
def test_identities_tell_credentials_apart_and_hide_them(scheme, store):
    credential = made(auth=scheme, **GIVEN[scheme])
    assert credential.identity == made(auth=scheme, **GIVEN[scheme]).identity
    others = {made(auth=s, **GIVEN[s]).identity for s in GIVEN if s != scheme}
    assert credential.identity not in others
    for name in GIVEN[scheme]:
        assert made(auth=scheme, **{**GIVEN[scheme], name: "other@example.com"}).identity not in (
            credential.identity,
        )
    assert "secret" not in credential.identity


@pytest.mark.parametrize(
    "secret", ["s3cr3t+/token=with&signs", "ATATT3xFfGF0abc_-=123", "pass wörd"]
)
def test_a_secret_is_hidden_in_every_encoding_it_could_travel_in(secret):
    credential = Credential.basic("api_token", "ada@acme.example", secret)
    sent = base64.b64encode(f"ada@acme.example:{secret}".encode()).decode()
    text = f"{secret} {quote(secret, safe='')} {sent} {base64.b64encode(secret.encode()).decode()}"
    shown = credential.redact(f"before {text} after")
    assert shown.startswith("before *")
    assert shown.endswith(" after")
    assert not leaks.found(shown, secret, f"ada@acme.example:{secret}")


def test_redacting_hides_the_longer_of_two_secrets_first():
    assert redact("abcdef and abcd", ["abcd", "abcdef"]) == "*** and ***"


def test_an_option_of_the_mapping_is_refused_on_the_server():
    with pytest.raises(OptionError, match="belongs to the user mapping"):
        options.validate({"client_secret": "x"}, "server")


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("base_url", "http://api.bitbucket.org/2.0", "loopback"),
        ("oauth_url", "http://bitbucket.org/site/oauth2", "loopback"),
        ("oauth1_url", "http://10.0.0.1/oauth", "loopback"),
        ("base_url", "http://localhost.example.com/2.0", "loopback"),
        ("base_url", "http://127.0.0.1.example.com/2.0", "loopback"),
        ("base_url", "https://user:pass@api.bitbucket.org/2.0", "without user"),
        ("base_url", "ftp://api.bitbucket.org", "https://"),
        ("proxy", "http://user:pass@proxy:3128", "without user and password"),
        ("proxy", "socks5://proxy", "http://"),
        ("ca_bundle", "ca.pem", "absolute path"),
    ],
)
def test_addresses_that_would_give_a_credential_away_are_refused(name, value, why):
    with pytest.raises(OptionError, match=why):
        options.validate({name: value}, "server")


@pytest.mark.parametrize(
    "url", ["http://localhost:8280/2.0", "http://127.0.0.1/2.0", "http://[::1]/2.0"]
)
def test_loopback_addresses_may_be_plain(url):
    options.validate({"base_url": url}, "server")
