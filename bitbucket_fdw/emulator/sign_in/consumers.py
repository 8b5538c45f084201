"""The OAuth consumers that the emulator knows, and what they may be told to do differently.

A consumer has both kinds of names, since on Bitbucket OAuth 1 consumers are OAuth 2 clients too
(stated: REST introduction, "OAuth 2.0"). The values are obviously fake.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from bitbucket_fdw.emulator.credentials import CLASSIC_READ, CLASSIC_WRITE
from bitbucket_fdw.emulator.errors import Json, bad_request


@dataclass(frozen=True)
class Consumer:
    """A client of the authorization server.

    :param key: letters and digits only, as OAuth 1 wants it.
    :param callback: what a redirect address has to start with.
    :param owner: the nickname that requests signed without a token act as.
    """

    key: str
    secret: str
    name: str
    callback: str
    scopes: frozenset[str]
    owner: str = "ada"


CONSUMERS = (
    Consumer(
        "emulatorconsumerkey0001",
        "emulator-consumer-secret",
        "Acme reports",
        "http://localhost",
        CLASSIC_WRITE | {"issue:write"},
    ),
    Consumer(
        "emulatorconsumerkey0002",
        "emulator-reader-secret",
        "Read-only reports",
        "http://localhost:33333/",
        CLASSIC_READ | {"issue"},
    ),
)


def find_consumer(key: str | None) -> Consumer | None:
    """The consumer with this key."""
    return next((consumer for consumer in CONSUMERS if consumer.key == key), None)


@dataclass
class Rules:
    """Settings of the authorization server, changed by ``POST /_emulator/oauth``.

    :param expires_in: the life of new OAuth 2 access tokens, in seconds.
    :param code_expires_in: the life of codes, in seconds.
    :param refresh_grace: for how many seconds a refresh token that was used may be used again.
        Stated is only that it expires "shortly after".
    :param wrong_state: whether to hand back another ``state`` than the one that came, as an
        attacker would.
    """

    expires_in: int = 7200
    code_expires_in: int = 600
    refresh_grace: float = 0.0
    wrong_state: bool = False

    def change(self, body: Any) -> None:
        """Set the fields that ``body`` gives; raises 400 for others."""
        names = {field.name for field in fields(self)}
        if not isinstance(body, dict) or not set(body) <= names:
            raise bad_request(f"Settings are {', '.join(sorted(names))}")
        for name, value in body.items():
            if not isinstance(value, (bool, int, float)):
                raise bad_request(f"'{name}' must be a number or a boolean")
            setattr(self, name, value)

    def show(self) -> Json:
        """The settings as JSON."""
        return asdict(self)
