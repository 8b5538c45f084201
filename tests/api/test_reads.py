"""Reads are sent as a session of requests sends them, without what that does for each of them."""

from __future__ import annotations

import gzip
import json

import pytest
import requests

from bitbucket_fdw.api.addresses import Root
from bitbucket_fdw.api.bounded import BoundedAdapter
from bitbucket_fdw.api.credentials import Credential
from bitbucket_fdw.api.oauth1 import signature
from bitbucket_fdw.api.reads import Reads
from bitbucket_fdw.api.transport import Transport
from tests.api.helpers import client_of, fetch, page
from tests.api.scripted import Answer

TARGETS = (
    "/2.0/things",
    "/2.0/things?fields=values.id%2Cnext&q=a+%3D+%22b%22",
    "/2.0/%7B12345678-0000-4000-8000-000000000001%7D/x%20y?a=%e4&b=c d",
    "/2.0/a/../b/./c?x=é&y=%7E#part",
    "/2.0//x",
)
SIGNATURES = {
    "anonymous": lambda: None,
    "basic": lambda: Credential.basic("basic", "ada@example.com", "pässword").auth,
    "bearer": lambda: Credential.bearer("access_token", "a-token").auth,
    "oauth1": lambda: signature("key", "secret", "token", "token-secret"),
}


@pytest.mark.parametrize("how", SIGNATURES)
@pytest.mark.parametrize("accept", ["application/json", "text/plain"])
def test_a_read_is_sent_as_a_session_sends_it(scripted, how, accept):
    server = scripted(lambda _: page(1))
    transport, auth = Transport(), SIGNATURES[how]()
    reads = Reads(transport.session(), Root(f"{server.url}/2.0"), 5.0, auth)
    for target in TARGETS:
        url = server.url + target
        transport.session().get(url, headers={"Accept": accept}, auth=auth, allow_redirects=False)
        reads.get(url, accept, stream=False)
    sent = [(r.target, _comparable(r.headers)) for r in server.received]
    assert sent[::2] == sent[1::2]
    assert len(sent) == 2 * len(TARGETS)


def _comparable(headers: dict[str, str]) -> dict[str, str]:
    """Without the parts of a signature that are made of the time and of chance."""
    signed = headers.get("authorization", "")
    if signed.startswith("OAuth "):
        named = [part.partition("=")[0] for part in signed.removeprefix("OAuth ").split(", ")]
        return {**headers, "authorization": " ".join(sorted(named))}
    return headers


def test_an_answer_is_what_a_session_makes_of_it(scripted):
    told = {"X-One": "1", "x-two": "2", "Set-Cookie": "a=b", "Content-Language": "de"}
    server = scripted(lambda _: Answer({"a": "é"}, headers=told))
    reads = Reads(Transport().session(), Root(f"{server.url}/2.0"), 5.0, None)
    url = f"{server.url}/2.0/things"
    usual, answer = Transport().session().get(url), reads.get(url, "*/*", stream=False)
    assert answer.content == usual.content
    assert answer.json() == usual.json() == {"a": "é"}
    assert (answer.status_code, answer.reason, answer.url) == (200, "OK", url)
    for name in ("X-ONE", "X-Two", "content-language", "Content-Type", "Date", "X-Three"):
        assert answer.headers.get(name) == usual.headers.get(name)
    assert "date" in answer.headers


@pytest.mark.parametrize("length", [0, 1, 16 * 1024 - 1, 16 * 1024, 16 * 1024 + 1, 100_000])
@pytest.mark.parametrize("packed", [False, True])
def test_a_body_of_any_length_is_read_to_its_end(scripted, length, packed):
    body = b"x" * length
    headers = {"Content-Encoding": "gzip"} if packed else {}
    sent = gzip.compress(body) if packed else body
    server = scripted(lambda _: Answer(body=sent, headers=headers))
    reads = Reads(Transport().session(), Root(f"{server.url}/2.0"), 5.0, None)
    for _ in range(2):  # the connection is used again
        assert reads.get(f"{server.url}/2.0/things", "*/*", stream=False).content == body
    assert len({request.port for request in server.received}) == 1


def test_an_answer_leaves_no_cookie(scripted):
    server = scripted(lambda _: Answer({"values": []}, headers={"Set-Cookie": "a=b; Path=/"}))
    client = client_of(server)
    for _ in range(2):
        fetch(client, "/things")
    assert [request.headers.get("cookie") for request in server.received] == [None, None]


def test_reads_and_changes_go_over_the_same_connections(scripted):
    """One credential has one pool, whatever it asks for."""
    server = scripted(lambda _: page(1))
    client = client_of(server)
    for path in ("/things", "/others?x=1", "/things"):
        fetch(client, path)
    assert len({request.port for request in server.received}) == 1


def test_a_session_that_has_been_closed_connects_anew(scripted):
    server = scripted(lambda _: page(1))
    session = Transport().session()
    reads = Reads(session, Root(f"{server.url}/2.0"), 5.0, None)
    for _ in range(2):
        answer = reads.get(f"{server.url}/2.0/things", "*/*", stream=False)
        assert json.loads(answer.content) == {"values": [1]}
        session.close()


def test_another_host_is_another_pool(scripted):
    servers = [scripted(lambda _: page(1)), scripted(lambda _: page(2))]
    session = Transport().session()
    for turn in (0, 1, 0, 1):
        got: requests.Response = session.get(f"{servers[turn].url}/2.0/things")
        assert got.json()["values"] == [turn + 1]
    assert [len(server.received) for server in servers] == [2, 2]


def test_certificates_are_looked_for_where_the_request_says():
    """A connection that is not verified is never used for a request that has to be."""
    session = Transport().session()
    adapter = session.get_adapter("https://api.example/2.0")
    assert isinstance(adapter, BoundedAdapter)
    request = session.prepare_request(requests.Request("GET", "https://api.example/2.0/x"))
    verified = adapter.get_connection_with_tls_context(request, True, {}, None)
    assert adapter.get_connection_with_tls_context(request, True, {}, None) is verified
    assert verified.cert_reqs == "CERT_REQUIRED"
    other = adapter.get_connection_with_tls_context(request, False, {}, None)
    assert other is not verified
    assert other.cert_reqs == "CERT_NONE"
    proxied = adapter.get_connection_with_tls_context(
        request, True, {"https": "http://127.0.0.1:1"}, None
    )
    assert proxied is not verified
    assert proxied.proxy is not None
