"""From parsed options to the client of a server and a credential."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .api import Client, Clients, Settings
from .sign_in.mapping_user import MappingUser
from .sign_in.schemes import SignIn


def settings_of(values: Mapping[str, Any]) -> Settings:
    """How to talk to the API, from the server's options."""
    return Settings(
        base_url=values["base_url"],
        timeout=values["timeout"],
        retry_limit=values["retry_limit"],
        concurrency=values["concurrency"],
        max_concurrency=values["max_concurrency"],
        max_requests=values["max_requests"],
        ca_bundle=values["ca_bundle"],
        proxy=values["proxy"],
        cache_ttl=values["cache_ttl"],
        max_answer_size=values["max_answer_size"] * 2**20,
        max_text_size=values["max_text_size"] * 2**10,
        on_rate_limit=values["on_rate_limit"],
        rate_limit=values["rate_limit"],
        max_answer_time=values["max_answer_time"],
        log_requests=values["log_requests"],
    )


def client_of(values: Mapping[str, Any], user: MappingUser, clients: Clients) -> Client:
    """The backend's client, from the options of server and user mapping.

    :param clients: all clients of the backend.
    """
    sign_in = SignIn.of(values, user, clients.shared.renewals)
    return clients.client_for(settings_of(values), sign_in.credential())
