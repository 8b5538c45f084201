"""Shorthands of these tests: clients of scripted servers, scans, whole collections."""

from __future__ import annotations

from typing import Any

from bitbucket_fdw.api import (
    Client,
    Credential,
    Listing,
    NextLinks,
    Pages,
    ScanContext,
    Settings,
    Strategy,
)
from tests.api.scripted import Answer, ScriptedServer

STATES = tuple(("state", state) for state in ("OPEN", "MERGED", "DECLINED", "SUPERSEDED"))
NEXT = NextLinks()
SECRET = "not-for-others"


def client_of(server: ScriptedServer, **settings: Any) -> Client:
    """A client of a scripted server, with a credential that must not go elsewhere."""
    given = Settings(**{"base_url": f"{server.url}/2.0", "retry_limit": 0, **settings})
    return Client(given, Credential.bearer("access_token", SECRET))


def page(*values: Any, **envelope: Any) -> Answer:
    """One page of a collection."""
    return Answer({"values": list(values), **envelope})


def scan_of(client: Client, *, max_requests: int | None = None, **arguments: Any) -> ScanContext:
    """A scan of a client, with the client's budget or another; ``interrupted`` as for the scan."""
    budget = client.settings.max_requests if max_requests is None else max_requests
    return ScanContext(client.workers, budget, **arguments)


def fetch(
    client: Client, path: str, *parameters: tuple[str, str], scan: ScanContext | None = None
) -> Any:
    """The JSON of one GET, made on a worker thread as a scan makes it."""
    scan = scan or scan_of(client)
    return scan.wait(scan.submit(client.get, client.url(path, parameters), scan)).json


def items(
    client: Client,
    path: str,
    *parameters: tuple[str, str],
    scan: ScanContext | None = None,
    strategy: Strategy = NEXT,
) -> list[Any]:
    """All items of a collection, page by page."""
    pages = Pages(client, scan or scan_of(client), Listing(path, parameters, strategy))
    return [value for values in pages for value in values]
