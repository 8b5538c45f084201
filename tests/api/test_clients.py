"""Clients of one backend: what each of them knows is of its own credential and server."""

from __future__ import annotations

import pytest
import requests

from bitbucket_fdw.api import Clients, Credential, KeptAnswers, Settings
from bitbucket_fdw.api.transport import why_no_answer
from tests.api.helpers import page
from tests.api.scripted import ScriptedServer

SECRET = "not-for-others"
ADA = Credential.bearer("access_token", "token-of-ada")
BEN = Credential.bearer("access_token", "token-of-ben")


def test_what_one_execution_keeps_is_each_credential_s_own(scripted):
    """A join of a view of its owner's with a table of the caller's asks for both."""
    server: ScriptedServer = scripted(lambda _: page(len(server.received)))
    clients = Clients()
    kept = KeptAnswers(clients.shared.writes)
    settings = Settings(base_url=f"{server.url}/2.0")

    def ask(credential: Credential) -> object:
        client = clients.client_for(settings, credential)
        scan = client.scan(kept=kept)
        return scan.wait(client.ask(client.url("/things"), scan)).json["values"][0]

    assert [ask(one) for one in (ADA, BEN, Credential.none())] == [1, 2, 3]
    assert [ask(one) for one in (ADA, BEN, Credential.none())] == [1, 2, 3]
    sent = [request.headers.get("authorization") for request in server.received]
    assert sent == ["Bearer token-of-ada", "Bearer token-of-ben", None]


def test_the_secrets_of_all_clients_are_known():
    """Whatever is told is searched for them."""
    clients = Clients()
    assert clients.secrets_in_use() == ()
    for number in (1, 2):
        clients.client_for(Settings(base_url=f"http://127.0.0.1:{number}"), ADA)
    clients.client_for(Settings(), Credential.basic("basic", "ben", "password-of-ben"))
    assert {"token-of-ada", "password-of-ben"} <= set(clients.secrets_in_use())


@pytest.mark.parametrize(
    "kind",
    [
        *(requests.ConnectionError, requests.Timeout, requests.ConnectTimeout),
        *(requests.exceptions.SSLError, requests.exceptions.ProxyError),
        *(requests.exceptions.ChunkedEncodingError, requests.exceptions.InvalidHeader),
        *(requests.exceptions.ContentDecodingError, requests.exceptions.InvalidURL, ValueError),
    ],
)
def test_a_library_s_own_words_are_not_repeated(kind):
    """They quote headers that could not be sent."""
    assert SECRET not in why_no_answer(kind(f"Invalid header value b'Bearer {SECRET}'"), 5.0)
