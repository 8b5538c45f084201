"""Where credentials go: to base_url and the authorization server, over verified TLS."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from bitbucket_fdw import options
from bitbucket_fdw.api import Client, Listing, Pages, ScanContext, Settings
from bitbucket_fdw.connection import settings_of
from bitbucket_fdw.errors import BadResponse, BitbucketError, ConnectionFailure, NotFound
from bitbucket_fdw.sign_in.schemes import SignIn
from tests.api.scripted import Answer, ScriptedServer
from tests.auth import network
from tests.auth.conftest import get

TOKEN = "emulator-token-workspace"
SCHEMES: dict[str, dict[str, str]] = {
    "api_token": {"email": "ada@acme.example", "token": TOKEN},
    "access_token": {"token": TOKEN},
    "basic": {"username": "ada", "password": TOKEN},
    "oauth2_token": {"auth": "oauth2_token", "token": TOKEN},
    "oauth1": {"consumer_key": "key", "consumer_secret": "s", "token": "t", "token_secret": "u"},
}


@pytest.fixture
def elsewhere() -> Iterator[network.Stranger]:
    with network.stranger() as made:
        yield made


@pytest.fixture
def api() -> Iterator[ScriptedServer]:
    server = ScriptedServer(lambda _: Answer({}))
    yield server
    server.close()


def client_of(api: ScriptedServer, mapping: dict[str, str], **server: str) -> Client:
    given = {"base_url": f"{api.url}/2.0", **server, **mapping}
    values = options.parse(given, options.SERVER, options.MAPPING)
    settings = replace(settings_of(values), retry_limit=0)
    return Client(settings, SignIn.of(values).credential())


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_redirect_to_another_host_is_not_followed(api, elsewhere, scheme):
    client = client_of(api, SCHEMES[scheme])
    for status in (301, 302, 303, 307, 308):
        there = {"Location": f"{elsewhere.url}/2.0/user"}
        api.answer = lambda _, s=status, t=there: Answer(None, s, t)
        with pytest.raises(BadResponse, match="leads away"):
            get(client)
    assert elsewhere.seen == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_next_link_to_another_host_is_not_followed(api, elsewhere, scheme):
    client = client_of(api, SCHEMES[scheme])
    api.answer = lambda _: Answer({"values": [1], "next": f"{elsewhere.url}/2.0/x?page=2"})
    scan = ScanContext(client.workers, 10)
    with pytest.raises(BadResponse, match="leads away"):
        list(Pages(client, scan, Listing("/x", ())))
    assert elsewhere.seen == []


@pytest.mark.parametrize(
    "link",
    [
        "{scheme}://{host}:1/2.0/x",
        "{scheme}://{host}.example/2.0/x",
        "{scheme}://user@{host}.example:{port}/2.0/x",
        "https://{host}:{port}/2.0/x",
        "//elsewhere.example/2.0/x",
        "{scheme}://user:word@{host}:{port}/2.0/x",
        "{scheme}://{host}:notaport/2.0/x",
    ],
)
def test_an_address_that_only_looks_like_the_apis_is_not_followed(api, link):
    client = client_of(api, SCHEMES["access_token"])
    parts = urlsplit(api.url)
    link = link.format(scheme="http", host=parts.hostname, port=parts.port)
    api.answer = lambda _: Answer({"values": [1], "next": link})
    with pytest.raises(BadResponse, match="leads away"):
        list(Pages(client, ScanContext(client.workers, 10), Listing("/x", ())))
    assert len(api.received) == 1


AMBIGUOUS = (
    # One reader takes what stands before the "@" for a user name, another for the host.
    "http://{there}\\@{here}/2.0/x",
    "http://{there}\\\\@{here}/2.0/x",
    "http:\\\\{there}\\@{here}/2.0/x",
    "\\\\{there}/2.0/x",
    "/\\{there}/2.0/x",
    "http://{there}#@{here}/2.0/x",
    "http://{there}?@{here}/2.0/x",
    "http://{there}\t@{here}/2.0/x",
    " http://{there}/2.0/x",
    "http://{here}@{there}/2.0/x",
)


@pytest.mark.parametrize("link", AMBIGUOUS)
@pytest.mark.parametrize("how", ["next", "redirect"])
def test_an_address_that_readers_disagree_on_leads_nowhere_else(api, elsewhere, link, how):
    client = client_of(api, SCHEMES["api_token"])
    link = link.format(here=urlsplit(api.url).netloc, there=urlsplit(elsewhere.url).netloc)
    first = Answer({"values": [1], "next": link})
    if how == "redirect":
        first = Answer(None, 302, {"Location": link})
    answers = iter([first])
    api.answer = lambda _: next(answers, Answer({"values": []}))
    with contextlib.suppress(BadResponse, NotFound):
        list(Pages(client, ScanContext(client.workers, 10), Listing("/x", ())))
    assert elsewhere.seen == []


def test_redirects_within_the_api_stay_signed(api):
    client = client_of(api, SCHEMES["access_token"])

    def answer(target: str) -> Answer:
        if target.endswith("/diff"):
            return Answer(None, 302, {"Location": "/2.0/moved"})
        return Answer({"moved": True})

    api.answer = answer
    assert get(client, "/diff") == {"moved": True}
    assert [r.headers["authorization"] for r in api.received] == [f"Bearer {TOKEN}"] * 2


def test_the_token_endpoint_does_not_lead_the_client_secret_away(sign_in, elsewhere, connect):
    front = ScriptedServer(lambda _: Answer({}))
    try:
        # Only GET is scripted; a POST is answered 501, a redirect is what a proxy would send.
        values = options.parse(
            {
                "base_url": f"{front.url}/2.0",
                "oauth_url": f"{elsewhere.url}/site/oauth2",
                "client_id": "key",
                "client_secret": "emulator-consumer-secret",
            },
            options.SERVER,
            options.MAPPING,
        )
        client = Client(
            Settings(base_url=values["base_url"], retry_limit=0), SignIn.of(values).credential()
        )
        with pytest.raises(BadResponse, match="without a token"):
            get(client)
        assert front.received == []  # nothing goes to the API before there is a token
        [seen] = elsewhere.seen
        assert seen.startswith("POST /site/oauth2/access_token ")
    finally:
        front.close()


def test_the_environment_decides_nothing(api, monkeypatch, tmp_path):
    with network.proxy() as proxy:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        netrc = tmp_path / ".netrc"
        netrc.write_text("machine 127.0.0.1 login stray password stray\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        get(client_of(api, {"auth": "none"}))
    assert proxy.lines == []
    assert "authorization" not in api.received[0].headers


# --- TLS ---


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> network.Certificates:
    return network.make_certificates(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def tls_port(certificates, emulator) -> Iterator[int]:
    """The emulator behind TLS."""
    with network.tls_front(certificates, urlsplit(emulator.base_url).port) as port:
        yield port


def secure(port: int, host: str = "localhost", **server: str) -> Client:
    given = {"base_url": f"https://{host}:{port}/2.0", "token": TOKEN, **server}
    values = options.parse(given, options.SERVER, options.MAPPING)
    settings = replace(settings_of(values), retry_limit=0)
    return Client(settings, SignIn.of(values).credential())


PATH = "/repositories/acme?pagelen=1"


def test_an_unknown_authority_is_refused_before_anything_is_sent(tls_port, emulator):
    with pytest.raises(ConnectionFailure, match="could not be verified") as raised:
        get(secure(tls_port), PATH)
    assert "ca_bundle" in str(raised.value)
    assert emulator.requests() == []


def test_the_authority_that_ca_bundle_names_is_trusted(tls_port, certificates):
    assert get(secure(tls_port, ca_bundle=str(certificates.authority)), PATH)


def test_a_certificate_of_another_host_is_refused(tls_port, certificates, emulator):
    client = secure(tls_port, "localhost.localdomain", ca_bundle=str(certificates.authority))
    with pytest.raises(ConnectionFailure):
        get(client, PATH)
    assert emulator.requests() == []


@pytest.mark.parametrize("content", [None, "not a certificate"])
def test_a_ca_bundle_that_cannot_be_used_is_an_error(tls_port, tmp_path, content):
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    with pytest.raises(BitbucketError) as raised:
        get(secure(tls_port, ca_bundle=str(bundle)), PATH)
    assert "ca_bundle" in str(raised.value)


def test_https_goes_through_the_proxy_and_stays_closed_to_it(tls_port, certificates):
    with network.proxy() as proxy:
        address = f"http://127.0.0.1:{proxy.port}"
        assert get(secure(tls_port, ca_bundle=str(certificates.authority), proxy=address), PATH)
    assert proxy.lines == [f"CONNECT localhost:{tls_port} HTTP/1.0"] or proxy.lines == [
        f"CONNECT localhost:{tls_port} HTTP/1.1"
    ]
    assert TOKEN.encode() not in proxy.readable
    assert b"authorization" not in proxy.readable.lower()


def test_a_proxy_that_is_down_is_told(tls_port, certificates):
    client = secure(tls_port, ca_bundle=str(certificates.authority), proxy="http://127.0.0.1:1")
    with pytest.raises(ConnectionFailure, match="proxy"):
        get(client, PATH)


def test_http_to_this_machine_does_not_go_out_to_a_proxy(api):
    with network.proxy() as proxy:
        get(client_of(api, SCHEMES["access_token"], proxy=f"http://127.0.0.1:{proxy.port}"))
    assert proxy.lines == []
    assert len(api.received) == 1


def test_the_authorization_server_is_reached_in_the_same_way(
    tls_port, certificates, authorization, store: Path
):
    values = options.parse(
        {
            "base_url": f"https://localhost:{tls_port}/2.0",
            "oauth_url": f"https://localhost:{tls_port}/site/oauth2",
            "ca_bundle": str(certificates.authority),
            **authorization.client(),
        },
        options.SERVER,
        options.MAPPING,
    )
    signs = SignIn.of(values)
    with network.proxy() as proxy:
        values["proxy"] = f"http://127.0.0.1:{proxy.port}"
        assert SignIn.of(values).client_tokens().token().access_token
        assert len(proxy.lines) == 1
    assert signs.client_tokens().renew().access_token
