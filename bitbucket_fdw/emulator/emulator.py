"""The emulator without its transport: a request in, a reply out."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl

from bitbucket_fdw.emulator import control, data, reads, writes
from bitbucket_fdw.emulator.call import Behaviour, Call, Listings
from bitbucket_fdw.emulator.control import Entry, RequestLog
from bitbucket_fdw.emulator.credentials import (
    Credential,
    Keyring,
    scope_headers,
    unauthorized,
)
from bitbucket_fdw.emulator.data.plan import Scale
from bitbucket_fdw.emulator.errors import (
    ApiError,
    Json,
    Reply,
    bad_request,
    error,
    html,
    not_found,
    removed,
)
from bitbucket_fdw.emulator.faults import Faults
from bitbucket_fdw.emulator.paging import Marks
from bitbucket_fdw.emulator.routes import Endpoint, Routes

API = "/2.0"


@dataclass(frozen=True)
class Settings:
    """What the command line sets; *latency_ms* delays every answer under ``/2.0``."""

    seed: int = 1
    scale: Scale = "tiny"
    latency_ms: int = 0
    behaviour: Behaviour = field(default_factory=Behaviour)


@dataclass
class Incoming:
    """A request as the transport hands it over; *path* is raw (still encoded)."""

    method: str
    path: str
    query: str
    origin: str
    authorization: str | None = None
    content_length: bool = True
    content_type: str = ""
    body: bytes = b""

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query parameters; ``+`` is a space."""
        return parse_qsl(self.query, keep_blank_values=True)


class Emulator:
    """State and behaviour of one emulator; *origin* is its address without a path."""

    def __init__(self, settings: Settings, origin: str) -> None:
        self.settings = settings
        self.log = RequestLog()
        self.faults = Faults()
        self._origin = origin
        self._marks = Marks(f"emulator {settings.seed}".encode())
        self._routes = Routes()
        self._routes.include([reads.ROUTES, writes.ROUTES])
        self.reset()

    def reset(self) -> None:
        """Back to the state of a fresh start; the request log goes too."""
        self.store = data.build(self._origin + API, self.settings.seed, self.settings.scale)
        self.keyring = Keyring()
        self.listings = Listings()
        self.faults.clear()
        self.log.clear()

    # The API

    def respond(self, incoming: Incoming, entry: Entry, flags: set[str]) -> Reply:
        """Carry out a request under ``/2.0``; never raises for what a caller can do wrong."""
        headers: dict[str, str] = {}
        try:
            reply = self._dispatch(incoming, entry, flags, headers)
        except ApiError as problem:
            reply = problem.reply
        reply.headers = {**headers, **reply.headers}
        return reply

    def _dispatch(
        self, incoming: Incoming, entry: Entry, flags: set[str], headers: dict[str, str]
    ) -> Reply:
        credential = self.keyring.authenticate(incoming.authorization)
        entry.credential = credential.name
        path = incoming.path.removeprefix(API)
        endpoint, names, allowed = self._routes.find(incoming.method, path)
        if endpoint is None:
            if not allowed:
                raise html(404, "Resource not found")
            raise error(405, "Method not allowed", headers={"Allow": ", ".join(sorted(allowed))})
        headers.update(scope_headers(credential, endpoint.scopes))
        self._admit(endpoint, credential)
        call = Call(
            self.store,
            endpoint,
            credential,
            self.settings.behaviour,
            self._marks,
            self.listings,
            incoming.origin + incoming.path,
            names,
            incoming.parameters,
            self._body(incoming, entry),
            flags,
        )
        call.check_parameters()
        result = endpoint.handler(call)
        if incoming.method != "GET":
            self.store.changed()
        return call.answer(result)

    def _admit(self, endpoint: Endpoint, credential: Credential) -> None:
        """Raise unless the endpoint is still there and the caller may use it."""
        if endpoint.gone:
            raise removed(endpoint.gone)
        if endpoint.issue_tracker and self.settings.behaviour.issues_removed:
            raise removed("CHANGE-3071")
        if credential.kind == "anonymous":
            if not endpoint.public:
                raise unauthorized()
            return
        if credential.is_access_token and not endpoint.access_tokens:
            raise error(403, "Access tokens cannot be used with this endpoint.")
        endpoint.scopes.check(credential)

    def _body(self, incoming: Incoming, entry: Entry) -> Any:
        """The JSON body of a write; None when there is none."""
        if incoming.method not in ("POST", "PUT"):
            return None
        if not incoming.content_length:
            raise error(411, "Length Required")
        if not incoming.body:
            return None
        if not incoming.content_type.startswith("application/json"):
            raise error(415, "Unsupported media type")
        try:
            entry.body = json.loads(incoming.body)
        except ValueError:
            raise bad_request("The request body is not valid JSON") from None
        return entry.body

    # Control

    def control(self, incoming: Incoming) -> Reply:
        """Answer a request under ``/_emulator``."""
        try:
            return Reply(200, self._control(incoming))
        except ApiError as problem:
            return problem.reply

    def _control(self, incoming: Incoming) -> Any:
        parameters = dict(incoming.parameters)
        match incoming.method, incoming.path.removeprefix("/_emulator/"):
            case "GET", "health":
                return self._health()
            case "GET", "requests":
                return {"requests": self.log.list(int(parameters.get("since", "0")))}
            case "DELETE", "requests":
                self.log.clear()
            case "GET", "faults":
                return {"faults": self.faults.list()}
            case "POST", "faults":
                return self.faults.add(_json(incoming.body))
            case "DELETE", "faults":
                self.faults.clear()
            case "GET", "credentials":
                return {"credentials": control.credential_list()}
            case "GET", "state":
                return control.state(
                    self.store, parameters.get("collection"), parameters.get("repository")
                )
            case "POST", "reset":
                self.reset()
            case _:
                raise not_found("No such control endpoint")
        return {"ok": True}

    def _health(self) -> Json:
        settings = self.settings
        return {
            "status": "ok",
            "api": self._origin + API,
            "seed": settings.seed,
            "scale": settings.scale,
            "latency_ms": settings.latency_ms,
        }


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        raise bad_request("The request body is not valid JSON") from None
