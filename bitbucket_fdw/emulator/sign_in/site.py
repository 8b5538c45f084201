"""The addresses of the authorization server, below ``/site/oauth2`` and ``/api/1.0/oauth``."""

from __future__ import annotations

from bitbucket_fdw.emulator.credentials import Credential, Keyring
from bitbucket_fdw.emulator.data.accounts import PEOPLE
from bitbucket_fdw.emulator.errors import ApiError, Json, Reply, error, html, plain
from bitbucket_fdw.emulator.incoming import Incoming
from bitbucket_fdw.emulator.sign_in import oauth1, oauth2
from bitbucket_fdw.emulator.sign_in.consumers import CONSUMERS, Rules
from bitbucket_fdw.emulator.sign_in.oauth1 import OAuth1, Signed, form_fields
from bitbucket_fdw.emulator.sign_in.oauth2 import OAuth2

PREFIXES = ("/site/oauth2/", f"{oauth1.BASE}/")


class Site:
    """The authorization server: OAuth 1 and OAuth 2, each at its own addresses."""

    def __init__(self, keyring: Keyring) -> None:
        self.rules = Rules()
        self.oauth2 = OAuth2(keyring, self.rules)
        self.oauth1 = OAuth1()

    def respond(self, incoming: Incoming) -> Reply:
        """Answer a request to the authorization server."""
        try:
            return self._dispatch(incoming)
        except ApiError as refused:
            return refused.reply

    def _dispatch(self, incoming: Incoming) -> Reply:
        if incoming.method == "POST" and not incoming.content_length:
            raise error(411, "Length Required")
        people = list(PEOPLE[:2])
        query, form = dict(incoming.parameters), form_fields(incoming.body)
        match incoming.method, incoming.path:
            case "GET", oauth2.AUTHORIZE:
                return self.oauth2.ask(query, people)
            case "POST", oauth2.AUTHORIZE:
                return self.oauth2.decide(form)
            case "POST", oauth2.TOKEN:
                if not incoming.content_type.startswith("application/x-www-form-urlencoded"):
                    raise plain(415, "Unsupported media type")
                return self.oauth2.token(incoming.authorization, form)
            case "GET", oauth1.AUTHENTICATE:
                return self.oauth1.ask(query, people)
            case "POST", oauth1.AUTHENTICATE:
                return self.oauth1.decide(form)
            case "POST", "/api/1.0/oauth/request_token":
                return self.oauth1.request_token(signed(incoming))
            case "POST", "/api/1.0/oauth/access_token":
                return self.oauth1.access_token(signed(incoming))
        raise html(404, "Resource not found")

    def authenticate(self, incoming: Incoming) -> Credential:
        """The credential of a request signed by OAuth 1."""
        return self.oauth1.authenticate(signed(incoming))

    def revoke(self) -> int:
        """End every grant of either protocol; returns how many there were."""
        return self.oauth2.revoke() + self.oauth1.revoke()

    def show(self) -> Json:
        """What ``GET /_emulator/oauth`` answers."""
        consumers = [
            {
                "key": consumer.key,
                "secret": consumer.secret,
                "name": consumer.name,
                "callback": consumer.callback,
                "scopes": sorted(consumer.scopes),
            }
            for consumer in CONSUMERS
        ]
        counts = dict(self.oauth2.counts)
        return {"settings": self.rules.show(), "counts": counts, "consumers": consumers}


def signed(incoming: Incoming) -> Signed:
    """A request as OAuth 1 signs it: a JSON body is no part of the signature."""
    uri = incoming.origin + incoming.path + (f"?{incoming.query}" if incoming.query else "")
    headers = {
        "Authorization": incoming.authorization or "",
        "Content-Type": incoming.content_type,
    }
    is_form = incoming.content_type.startswith("application/x-www-form-urlencoded")
    body = incoming.body.decode("utf-8", "replace") if is_form else ""
    return Signed(incoming.method, uri, body, headers)
