"""Whose credential is whose: what connections, kept answers and tokens are told apart by."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from bitbucket_fdw import options
from bitbucket_fdw.api.credentials import Credential, digest
from bitbucket_fdw.errors import SignInError
from bitbucket_fdw.sign_in.mapping_user import MappingUser
from bitbucket_fdw.sign_in.schemes import SCHEMES, SignIn


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITBUCKET_FDW_TOKENS", str(tmp_path))


def sign_in(mapping: dict[str, str], **server: str) -> SignIn:
    values = options.parse({**server, **mapping}, options.SERVER, options.MAPPING)
    return SignIn.of(values, MappingUser("ada"))


def mappings() -> Iterator[dict[str, str]]:
    """For each scheme the options it needs, with each that it takes besides, and with any changed.

    All have the same value otherwise, so that nothing but names tells them apart.
    """
    for name, scheme in SCHEMES.items():
        for taken in ((), *((option,) for option in scheme.takes)):
            more = (
                ("token", "token_secret") if taken[:1] in (("token",), ("token_secret",)) else taken
            )
            given = {"auth": name, **dict.fromkeys((*scheme.needs, *more), "a@example.com")}
            yield given
            for option in given:
                if option != "auth":
                    yield {**given, option: "b@example.com"}


ALL = list({tuple(sorted(mapping.items())): mapping for mapping in mappings()}.values())


def test_no_two_mappings_share_connections_and_answers():
    identities = {sign_in(mapping).credential().identity for mapping in ALL}
    assert len(identities) == len(ALL)
    again = {sign_in(mapping).credential().identity for mapping in ALL}
    assert again == identities
    assert not any("example" in identity for identity in identities)


RENEWED = [m for m in ALL if m["auth"] in ("oauth2_client", "oauth2_code")]


def place(signs: SignIn) -> str:
    """The token store's entry of a mapping whose tokens are renewed."""
    is_client = signs.scheme == "oauth2_client"
    return (signs.client_tokens() if is_client else signs.person_tokens())._entry


def test_no_two_clients_share_tokens():
    """A login is known by its name, or by the refresh token that it began with."""
    distinct = [m for m in RENEWED if "refresh_token" not in m]
    assert len({place(sign_in(mapping)) for mapping in distinct}) == len(distinct)
    begun = [m for m in RENEWED if "login" not in m]
    assert len({place(sign_in(mapping)) for mapping in begun}) == len(begun)


@pytest.mark.parametrize("mapping", RENEWED)
def test_tokens_belong_to_one_authorization_server(mapping):
    """Else a server whose owner names another address would be sent the tokens of the first."""
    places = {
        place(sign_in(mapping)),
        place(sign_in(mapping, oauth_url="https://elsewhere.example/oauth2")),
    }
    assert len(places) == 2


@pytest.mark.parametrize(
    ("scheme", "address"), [("oauth2_code", "oauth_url"), ("oauth1", "oauth1_url")]
)
def test_a_login_is_of_use_to_its_server_client_and_name_alone(scheme, address):
    first, second = SCHEMES[scheme].needs
    mapping = {"auth": scheme, first: "a", second: "b"}
    entries = [
        sign_in(mapping).login_entry("one"),
        sign_in(mapping).login_entry("two"),
        sign_in({**mapping, first: "c"}).login_entry("one"),
        sign_in({**mapping, second: "c"}).login_entry("one"),
        sign_in({**mapping, first: "b", second: "a"}).login_entry("one"),
        sign_in(mapping, **{address: "https://elsewhere.example"}).login_entry("one"),
    ]
    assert len(set(entries)) == len(entries)
    assert entries[0] == sign_in(mapping).login_entry("one")


def test_a_login_that_is_not_there_is_not_the_consumer_itself():
    """Which may see other rows than the person."""
    mapping = {"consumer_key": "a", "consumer_secret": "b", "login": "gone"}
    request = requests.Request(
        "GET", "https://api.bitbucket.org/2.0/user", auth=sign_in(mapping).credential().auth
    )
    with pytest.raises(SignInError, match="does not hold the login"):
        request.prepare()


def test_parts_of_a_name_do_not_run_into_each_other():
    parts = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("", "abc"),
        ("abc", ""),
        ("1:a", "b"),
        ("1:a1:b",),
    ]
    assert len({digest(*some) for some in parts}) == len(parts)


def test_credentials_are_the_same_by_what_they_are():
    for make in (
        Credential.none,
        lambda: Credential.bearer("access_token", "x"),
        lambda: Credential.basic("basic", "ada", "x"),
    ):
        assert make() == make()
    assert Credential.bearer("access_token", "x") != Credential.bearer("oauth2_token", "x")
    assert Credential.basic("basic", "ada", "x") != Credential.basic("basic", "ben", "x")
    assert Credential.basic("basic", "ada", "x") != Credential.basic("basic", "ada", "y")
