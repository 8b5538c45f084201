"""The emulator without its transport: a request in, a reply out."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bitbucket_fdw.emulator import control, data, reads, writes
from bitbucket_fdw.emulator.call import Behaviour, Call, Listings
from bitbucket_fdw.emulator.control import Entry, RequestLog
from bitbucket_fdw.emulator.credentials import (
    AnonymousHour,
    Credential,
    Keyring,
    scope_headers,
    throttled,
    unauthorized,
)
from bitbucket_fdw.emulator.data.plan import Scale
from bitbucket_fdw.emulator.endpoints import Endpoint
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
from bitbucket_fdw.emulator.file_store import FileStore
from bitbucket_fdw.emulator.incoming import Incoming
from bitbucket_fdw.emulator.paging import PageMarks
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.emulator.sign_in.site import Site
from bitbucket_fdw.emulator.store import Store

API = "/2.0"


@dataclass(frozen=True)
class Settings:
    """What the command line sets.

    :param seed: decides all data.
    :param scale: how much data there is.
    :param latency_ms: how long every answer under ``/2.0`` is delayed.
    :param behaviour: the settings for what is not established about Bitbucket.
    """

    seed: int = 1
    scale: Scale = "tiny"
    latency_ms: int = 0
    behaviour: Behaviour = field(default_factory=Behaviour)


Action = Callable[[Incoming], Any]


class Emulator:
    """State and behaviour of one emulator.

    :param origin: its address without a path.
    :param file_origin: that of the store in which texts lie.
    """

    def __init__(self, settings: Settings, origin: str, file_origin: str) -> None:
        self.settings = settings
        self.log = RequestLog()
        self.site_log = RequestLog()
        self.faults = Faults()
        self._origin = origin
        self.files = FileStore(file_origin, f"store {settings.seed}".encode())
        self._marks = PageMarks(f"emulator {settings.seed}".encode())
        self._routes = Routes()
        self._routes.include([reads.ROUTES, writes.ROUTES])
        self._pickled: bytes | None = None
        self.reset()

    def reset(self) -> None:
        """Back to the state of a fresh start; the request log goes too."""
        self.store = self._sample()
        self.keyring = Keyring()
        self._anonymous = AnonymousHour()
        self.site = Site(self.keyring)
        self.listings = Listings()
        self.faults.clear()
        self.log.clear()
        self.site_log.clear()

    def _sample(self) -> Store:
        """A store with the sample data.

        The tests reset a tiny one some thousands of times: from its pickled form it is there in a
        quarter of the time. Larger ones would take twice their memory for it.
        """
        if self._pickled is not None:
            kept: Store = pickle.loads(self._pickled)  # noqa: S301 - made below
            return kept
        settings = self.settings
        store = data.build(
            self._origin + API, settings.seed, settings.scale, settings.behaviour.committers
        )
        if settings.scale == "tiny":
            self._pickled = pickle.dumps(store, pickle.HIGHEST_PROTOCOL)
        return store

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
        if (incoming.authorization or "").lower().startswith("oauth "):
            credential = self.site.authenticate(incoming)
        else:
            credential = self.keyring.authenticate(incoming.authorization)
        entry.credential = credential.name
        if credential.kind == "anonymous" and not self._anonymous.spend():
            return throttled(None)
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
            self.files,
            incoming.origin + incoming.path,
            names,
            incoming.parameters,
            self._body(incoming, entry),
            flags,
            incoming.accept,
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
            if incoming.content_type:
                raise bad_request("The request has a Content-Type and no body")
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
        path = incoming.path.removeprefix("/_emulator/")
        actions = self._reports() if incoming.method == "GET" else self._orders()
        action = actions.get((incoming.method, path))
        if action is None:
            raise not_found("No such control endpoint")
        result = action(incoming)
        return {"ok": True} if result is None else result

    def _reports(self) -> dict[tuple[str, str], Action]:
        """What can be looked at."""

        def requests(incoming: Incoming) -> Json:
            since = dict(incoming.parameters).get("since", "0")
            if not since.isdecimal():
                raise bad_request("'since' must be a number")
            return {"requests": self.log.list(int(since))}

        def state(incoming: Incoming) -> Json:
            wanted = dict(incoming.parameters)
            return control.state(self.store, wanted.get("collection"), wanted.get("repository"))

        return {
            ("GET", "health"): lambda _: self._health(),
            ("GET", "requests"): requests,
            ("GET", "faults"): lambda _: {"faults": self.faults.list()},
            ("GET", "credentials"): lambda _: {"credentials": control.credential_list()},
            ("GET", "state"): state,
            ("GET", "oauth"): lambda _: {**self.site.show(), "requests": self.site_log.list()},
        }

    def _orders(self) -> dict[tuple[str, str], Action]:
        """What can be changed."""
        site = self.site
        return {
            ("DELETE", "requests"): lambda _: self.log.clear(),
            ("POST", "faults"): lambda incoming: self.faults.add(_json(incoming.body)),
            ("DELETE", "faults"): lambda _: self.faults.clear(),
            ("POST", "oauth"): lambda incoming: site.rules.change(_json(incoming.body)),
            ("POST", "oauth/expire"): lambda _: {"expired": site.oauth2.expire()},
            ("POST", "oauth/revoke"): lambda _: {"revoked": site.revoke()},
            ("POST", "reset"): lambda _: self.reset(),
        }

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
