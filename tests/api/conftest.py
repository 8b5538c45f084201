"""Clients of the emulator, and of servers that misbehave in ways of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bitbucket_fdw.api import Client, Credential, Settings
from tests.api.scripted import Answer, ScriptedServer
from tests.support.credentials import READ, mapping_options

ClientFactory = Callable[..., Client]


@pytest.fixture
def client_factory(emulator) -> ClientFactory:
    """``client_factory(credential='ada-read', retry_limit=…, …)``: a client of the emulator."""

    def factory(credential: str | None = READ, **settings: object) -> Client:
        options = mapping_options(emulator, credential) if credential else {}
        if "email" in options:
            signs = Credential.basic("api_token", options["email"], options["token"])
        elif options:
            signs = Credential.bearer("access_token", options["token"])
        else:
            signs = Credential.none()
        return Client(Settings(**{"base_url": emulator.base_url, **settings}), signs)

    return factory


@pytest.fixture
def client(client_factory: ClientFactory) -> Client:
    """A client of the emulator that may read."""
    return client_factory()


@pytest.fixture
def scripted() -> Iterator[Callable[..., ScriptedServer]]:
    """``scripted(answer)`` starts a server; a dict answers by target, with 404 for others."""
    servers = []

    def start(answer: Callable[[str], Answer] | dict[str, Answer]) -> ScriptedServer:
        if isinstance(answer, dict):
            known = answer
            server = ScriptedServer(lambda target: known.get(target, Answer({}, status=404)))
        else:
            server = ScriptedServer(answer)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()
