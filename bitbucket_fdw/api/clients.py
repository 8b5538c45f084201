"""The clients of one backend: one for each server and credential."""

from __future__ import annotations

from .client import Client
from .credentials import Credential
from .exchange import Settings
from .shared import Shared


class Clients:
    """Makes each client on its first use, and gives it again after that.

    :param shared: what all of them have in common.
    """

    def __init__(self, shared: Shared | None = None) -> None:
        self.shared = shared or Shared()
        self._clients: dict[tuple[Settings, str], Client] = {}

    def client_for(self, settings: Settings, credential: Credential) -> Client:
        """The client of a server and a credential.

        Foreign tables share it, and with it connections; other credentials never get it.
        """
        key = (settings, credential.identity)
        if key not in self._clients:
            self._clients[key] = Client(settings, credential, self.shared)
        return self._clients[key]

    def secrets_in_use(self) -> tuple[str, ...]:
        """Every text that must not be shown: the secrets of all credentials with a client here."""
        clients = list(self._clients.values())
        return tuple(secret for c in clients for secret in c.credential.secrets())
