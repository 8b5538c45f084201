"""OAuth 1.0a: temporary credentials, consent, token credentials, and signed requests.

oauthlib's server side checks signatures, nonces and times (RFC 5849); this module keeps the
tokens. A request signed without a token acts as the consumer's owner ("one-legged").
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from oauthlib.oauth1 import (
    SIGNATURE_HMAC_SHA1,
    RequestValidator,
    SignatureOnlyEndpoint,
    WebApplicationServer,
)

from bitbucket_fdw.emulator.credentials import Credential, unauthorized
from bitbucket_fdw.emulator.errors import Reply
from bitbucket_fdw.emulator.sign_in import pages
from bitbucket_fdw.emulator.sign_in.consumers import Consumer, find_consumer

BASE = "/api/1.0/oauth"
AUTHENTICATE = f"{BASE}/authenticate"
_OUT_OF_BAND = "oob"


@dataclass
class Token:
    """A token of OAuth 1: temporary credentials first, token credentials later.

    :param verifier: what shows that the person agreed; None once it is used up.
    :param user: the nickname of the person; None until then.
    """

    consumer: Consumer
    secret: str
    callback: str = ""
    verifier: str | None = None
    user: str | None = None


@dataclass(frozen=True)
class Signed:
    """A request as it was signed: absolute address, form body (if it has one) and headers."""

    method: str
    uri: str
    body: str
    headers: dict[str, str]


class _Validator(RequestValidator):  # type: ignore[misc] # oauthlib has no annotations
    """What oauthlib asks about consumers and tokens."""

    enforce_ssl = False  # the emulator is on this machine
    allowed_signature_methods = (SIGNATURE_HMAC_SHA1,)
    nonce_length = (1, 64)
    timestamp_lifetime = 300
    dummy_client = "dummyconsumerkey00000000"
    dummy_request_token = "dummyrequesttoken0000000"  # noqa: S105
    dummy_access_token = "dummyaccesstoken00000000"  # noqa: S105

    def __init__(self) -> None:
        super().__init__()
        self.temporary: dict[str, Token] = {}
        self.tokens: dict[str, Token] = {}
        self._seen: set[tuple[Any, ...]] = set()

    def validate_client_key(self, client_key: str, request: Any) -> bool:
        return find_consumer(client_key) is not None

    def get_client_secret(self, client_key: str, request: Any) -> str:
        consumer = find_consumer(client_key)
        return consumer.secret if consumer else "no such consumer"

    def validate_timestamp_and_nonce(
        self,
        client_key: str,
        timestamp: str,
        nonce: str,
        request: Any,
        request_token: str | None = None,
        access_token: str | None = None,
    ) -> bool:
        use = (client_key, timestamp, nonce, request_token, access_token)
        fresh = use not in self._seen
        self._seen.add(use)
        return fresh

    def validate_redirect_uri(self, client_key: str, redirect_uri: str, request: Any) -> bool:
        consumer = find_consumer(client_key)
        if consumer is None:
            return False
        asked, callback = urlsplit(redirect_uri), urlsplit(consumer.callback)
        return redirect_uri == _OUT_OF_BAND or asked.hostname == callback.hostname

    def get_default_realms(self, client_key: str, request: Any) -> list[str]:
        return []

    def validate_requested_realms(self, client_key: str, realms: Any, request: Any) -> bool:
        return True

    def get_realms(self, token: str, request: Any) -> list[str]:
        return []

    def verify_realms(self, token: str, realms: Any, request: Any) -> bool:
        return True

    def validate_realms(self, *_: Any, **__: Any) -> bool:
        return True

    def save_request_token(self, token: dict[str, str], request: Any) -> None:
        consumer = find_consumer(request.client_key)
        if consumer is not None:
            made = Token(consumer, token["oauth_token_secret"], request.redirect_uri)
            self.temporary[token["oauth_token"]] = made

    def verify_request_token(self, token: str, request: Any) -> bool:
        return token in self.temporary

    def validate_request_token(self, client_key: str, token: str, request: Any) -> bool:
        found = self.temporary.get(token)
        return found is not None and found.consumer.key == client_key

    def get_request_token_secret(self, client_key: str, token: str, request: Any) -> str:
        found = self.temporary.get(token)
        return found.secret if found else "no such token"

    def get_redirect_uri(self, token: str, request: Any) -> str:
        return self.temporary[token].callback

    def save_verifier(self, token: str, verifier: dict[str, str], request: Any) -> None:
        self.temporary[token].verifier = verifier["oauth_verifier"]

    def validate_verifier(self, client_key: str, token: str, verifier: str, request: Any) -> bool:
        found = self.temporary.get(token)
        return found is not None and found.verifier is not None and found.verifier == verifier

    def invalidate_request_token(self, client_key: str, request_token: str, request: Any) -> None:
        self.temporary.pop(request_token, None)

    def save_access_token(self, token: dict[str, str], request: Any) -> None:
        temporary = self.temporary[request.resource_owner_key]
        made = Token(temporary.consumer, token["oauth_token_secret"], user=temporary.user)
        self.tokens[token["oauth_token"]] = made

    def validate_access_token(self, client_key: str, token: str, request: Any) -> bool:
        found = self.tokens.get(token)
        return found is not None and found.consumer.key == client_key

    def get_access_token_secret(self, client_key: str, token: str, request: Any) -> str:
        found = self.tokens.get(token)
        return found.secret if found else "no such token"


class OAuth1:
    """The state of OAuth 1 sign-ins."""

    def __init__(self) -> None:
        self._validator = _Validator()
        self._server = WebApplicationServer(self._validator)
        self._one_legged = SignatureOnlyEndpoint(self._validator)

    def request_token(self, signed: Signed) -> Reply:
        """Hand out temporary credentials."""
        return _form(
            *self._server.create_request_token_response(
                signed.uri, signed.method, signed.body, signed.headers
            )
        )

    def access_token(self, signed: Signed) -> Reply:
        """Exchange temporary credentials and a verifier for token credentials."""
        return _form(
            *self._server.create_access_token_response(
                signed.uri, signed.method, signed.body, signed.headers
            )
        )

    def ask(self, parameters: dict[str, str], users: list[tuple[str, str]]) -> Reply:
        """Show the consent page for temporary credentials."""
        key = parameters.get("oauth_token", "")
        token = self._validator.temporary.get(key)
        if token is None or token.verifier is not None:
            return pages.problem("Unknown or used oauth_token.")
        consumer = token.consumer
        return pages.consent(AUTHENTICATE, key, consumer.name, sorted(consumer.scopes), users)

    def decide(self, form: dict[str, str]) -> Reply:
        """Take the answer to a consent page; send the person back, or show the verifier."""
        key = form.get("request", "")
        token = self._validator.temporary.get(key)
        if token is None or token.verifier is not None:
            return pages.problem("This page was answered before, or never shown.")
        if form.get("decision") != "grant":
            del self._validator.temporary[key]
            return pages.problem("Access was denied.")
        token.user = form.get("user", "ada")
        token.verifier = secrets.token_hex(10)
        if token.callback == _OUT_OF_BAND:
            return pages.verifier(token.verifier)
        joint = "&" if urlsplit(token.callback).query else "?"
        answer = urlencode({"oauth_token": key, "oauth_verifier": token.verifier})
        return Reply(302, None, {"Location": f"{token.callback}{joint}{answer}"})

    def authenticate(self, signed: Signed) -> Credential:
        """The credential of a signed API request; raises 401 when the signature is no good."""
        authorization = signed.headers.get("Authorization", "")
        if "oauth_token=" in authorization:
            valid, request = self._server.validate_protected_resource_request(
                signed.uri, signed.method, signed.body, signed.headers, []
            )
            token = self._validator.tokens.get(request.resource_owner_key) if valid else None
            if token is None:
                raise unauthorized()
            return _credential(token.consumer, token.user)
        valid, request = self._one_legged.validate_request(
            signed.uri, signed.method, signed.body, signed.headers
        )
        consumer = find_consumer(request.client_key) if valid else None
        if consumer is None:
            raise unauthorized()
        return _credential(consumer, consumer.owner)

    def revoke(self) -> int:
        """Forget all token credentials; returns how many there were."""
        count = len(self._validator.tokens)
        self._validator.tokens.clear()
        return count


def _credential(consumer: Consumer, user: str | None) -> Credential:
    return Credential(f"oauth1:{user}", "oauth1", user=user, scopes=consumer.scopes)


def _form(headers: dict[str, str], body: str | None, status: int) -> Reply:
    """A reply from oauthlib's answer; errors come out as it words them."""
    kind = headers.pop("Content-Type", "application/x-www-form-urlencoded")
    return Reply(status, (body or "").encode(), {"Cache-Control": "no-store", **headers}, kind)


def form_fields(body: bytes) -> dict[str, str]:
    """The fields of a form body."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
