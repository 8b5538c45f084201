"""How requests leave the machine: to one scheme, host and port, bounded, by one way."""

from __future__ import annotations

import pytest

from bitbucket_fdw.api import Client, Credential, Settings
from bitbucket_fdw.api.bounded import BoundedAdapter
from bitbucket_fdw.api.credentials import BearerAuth
from bitbucket_fdw.api.delivery import Delivery
from bitbucket_fdw.api.notes import Notes
from bitbucket_fdw.api.oauth_tokens import Renewals, RenewedBearer
from bitbucket_fdw.api.transport import Transport, as_sent, origin
from bitbucket_fdw.between_sessions.tokens import Token, TokenStore
from bitbucket_fdw.errors import BadResponse, BitbucketError, RequestError, Unauthorized
from tests.api.helpers import SECRET, client_of, fetch, page
from tests.api.posting import Reply, posting
from tests.api.scripted import Answer

# Each is another one than http://127.0.0.1:PORT. The first leads to the same server all the same:
# had it been followed, that would have seen it.
ELSEWHERE = (
    "http://localhost:{port}/2.0/things",
    "http://127.0.0.2:{port}/2.0/things",
    "http://127.1:{port}/2.0/things",
    "http://[::1]:{port}/2.0/things",
    "http://127.0.0.1.example:{port}/2.0/things",
    "https://127.0.0.1:{port}/2.0/things",
    "http://127.0.0.1:1/2.0/things",
    "http://127.0.0.1/2.0/things",
)


@pytest.mark.parametrize("elsewhere", ELSEWHERE)
@pytest.mark.parametrize("how", ["next", "redirect"])
def test_another_scheme_host_or_port_is_another_server(scripted, elsewhere, how):
    server = scripted(lambda _: page(1))
    link = elsewhere.format(port=server.url.rpartition(":")[2])
    client = client_of(server)
    if how == "redirect":
        server.answer = lambda _: Answer(None, 302, {"Location": link})
        with pytest.raises(BadResponse, match="leads away"):
            fetch(client, "/things")
        assert len(server.received) == 1
    else:
        with pytest.raises(BadResponse, match="leads away"):
            client.get(link, client.scan())
        assert server.received == []


def test_an_origin_is_scheme_host_and_port():
    addresses = [
        "https://api.bitbucket.org/2.0",
        "http://api.bitbucket.org/2.0",
        "https://api.bitbucket.com/2.0",
        "https://api.bitbucket.org:444/2.0",
        "https://bitbucket.org/2.0",
    ]
    assert len({origin(as_sent(address)) for address in addresses}) == len(addresses)
    for same in ("https://api.bitbucket.org:443/x", "https://API.Bitbucket.org/x"):
        assert origin(as_sent(same)) == origin(as_sent(addresses[0]))


@pytest.mark.parametrize("who", ["user@", "user:word@", ":word@", ":@"])
def test_an_address_brings_no_user_along(who):
    with pytest.raises(ValueError, match="user name"):
        as_sent(f"https://{who}api.bitbucket.org/2.0")


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("proxy", [None, "http://127.0.0.1:1"])
def test_every_connection_is_bounded_and_verified(scheme, proxy):
    transport = Transport(longest=1234, watched=True, proxy=proxy)
    session = transport.session()
    adapter = session.get_adapter(f"{scheme}://api.bitbucket.org/2.0")
    assert isinstance(adapter, BoundedAdapter)
    assert adapter._longest == 1234
    assert session.verify is True
    assert session.trust_env is False
    assert session.auth is None
    assert session.proxies == ({"https": proxy} if proxy else {})


def test_http_goes_to_no_proxy(scripted):
    """It is for this machine: a proxy would have the credential in clear."""
    proxy, server = scripted(lambda _: page(0)), scripted(lambda _: page(1))
    client = client_of(server, proxy=proxy.url)
    assert fetch(client, "/things")["values"] == [1]
    assert proxy.received == []
    assert server.received[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("there", ["/2.0/others", "http://127.0.0.1:1/2.0/things", "//x.example"])
def test_no_write_follows_a_redirect(method, status, there):
    """It would be sent twice, or something else than what was meant be changed."""
    with posting(lambda _: Reply("", status, there)) as server:
        client = Client(
            Settings(base_url=f"{server.url}/2.0", retry_limit=0),
            Credential.bearer("access_token", SECRET),
        )
        with pytest.raises(BitbucketError):
            client.send(method, client.url("/things"), {}, False, client.scan(), Delivery())
        assert [request.target for request in server.received] == ["/2.0/things"]


def test_a_token_that_is_refused_again_and_again_is_not_renewed_without_end(scripted, tmp_path):
    asked = []

    def obtain(_: Token | None) -> Token:
        asked.append(1)
        return Token(f"token-{len(asked)}", f"refresh-{len(asked)}")

    tokens = RenewedBearer(TokenStore(tmp_path), "entry", obtain, Renewals(Notes()))
    server = scripted(lambda _: Answer({"error": {"message": "no"}}, 401))
    client = Client(
        Settings(base_url=f"{server.url}/2.0"), Credential("oauth2_code", tokens, tokens=tokens)
    )
    with pytest.raises(Unauthorized):
        client.get(client.url("/things"), client.scan())
    assert len(server.received) == len(asked) == 3


@pytest.mark.parametrize("odd", ["\r\nX: y", "\n", " ", "\u20ac", "é\n", "\0", "\ud800"])
def test_a_token_that_no_header_can_hold_is_not_told(scripted, odd):
    """The library that cannot write it quotes it."""
    server = scripted(lambda _: page(1))
    for token in (SECRET + odd, odd + SECRET):
        client = Client(
            Settings(base_url=f"{server.url}/2.0", retry_limit=0),
            Credential("access_token", BearerAuth(token), (token,)),
        )
        try:
            client.get(client.url("/things"), client.scan())
        except RequestError as error:
            told = f"{error} {error!r} {error.detail} {error.hint}"
        else:
            told = ""
        assert SECRET not in told
        assert all("x" not in request.headers for request in server.received)


def test_what_leads_away_is_named_without_the_credential(scripted):
    server = scripted(lambda _: page(1))
    client = Client(
        Settings(base_url=f"{server.url}/2.0"), Credential.basic("basic", "ada", SECRET)
    )
    with pytest.raises(BadResponse) as raised:
        client.get("https://elsewhere.example/2.0/user", client.scan())
    assert "https://elsewhere.example" in str(raised.value)
    assert SECRET not in str(raised.value)
