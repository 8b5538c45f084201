"""OAuth 2: the authorize page and the token endpoint.

Stated (REST introduction, "OAuth 2.0" and the changes of 2026-05-04): grants authorization_code,
client_credentials and refresh_token; client id and secret go as Basic; refresh tokens rotate with
each use and the old one dies; client_credentials gives no refresh token and acts as an app user;
the answer has ``scope``; tokens go in the header only. RFC 6749 gives the rest: error codes, codes
that work once and only with the redirect address they were asked with. Assumed: using a dead
refresh token or a used code again ends the whole grant.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from urllib.parse import urlencode, urlsplit

from bitbucket_fdw.emulator.credentials import Credential, Keyring
from bitbucket_fdw.emulator.errors import ApiError, Json, Reply
from bitbucket_fdw.emulator.sign_in import pages
from bitbucket_fdw.emulator.sign_in.consumers import Consumer, Rules, find_consumer

AUTHORIZE = "/site/oauth2/authorize"
TOKEN = "/site/oauth2/access_token"  # noqa: S105 - an address

Form = dict[str, str]


@dataclass
class Question:
    """A consent page that was shown, until it is answered."""

    consumer: Consumer
    redirect_uri: str
    given_redirect_uri: str | None
    state: str | None


@dataclass
class Grant:
    """What a person allowed a consumer: the tokens made from it end with it."""

    consumer: Consumer
    user: str
    redirect_uri: str | None
    code_expires: float
    code_used: bool = False
    refresh_token: str | None = None
    spent: dict[str, float] = field(default_factory=dict)
    access_tokens: list[str] = field(default_factory=list)


def _refused(code: str, description: str, status: int = 400) -> ApiError:
    headers = {"Cache-Control": "no-store"}
    if status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="Bitbucket"'
    return ApiError(Reply(status, {"error": code, "error_description": description}, headers))


class OAuth2:
    """The state of the authorization server; :attr:`counts` counts outcomes by grant type."""

    def __init__(self, keyring: Keyring, rules: Rules) -> None:
        self._keyring, self._rules = keyring, rules
        self._questions: dict[str, Question] = {}
        self._codes: dict[str, Grant] = {}
        self._refresh_tokens: dict[str, Grant] = {}
        self._issued: list[str] = []
        self.counts: Counter[str] = Counter()

    # The person's side

    def ask(self, parameters: Form, users: list[tuple[str, str]]) -> Reply:
        """Show the consent page, or why there is none."""
        consumer = find_consumer(parameters.get("client_id"))
        if consumer is None:
            return pages.problem("Unknown client_id.")
        given = parameters.get("redirect_uri")
        redirect_uri = given or consumer.callback
        if not _may_redirect(consumer, redirect_uri):
            return pages.problem("redirect_uri does not start with the consumer's callback URL.")
        question = Question(consumer, redirect_uri, given, parameters.get("state"))
        if parameters.get("response_type") != "code":
            return self._send_back(question, {"error": "unsupported_response_type"})
        identifier = secrets.token_urlsafe(16)
        self._questions[identifier] = question
        return pages.consent(AUTHORIZE, identifier, consumer.name, sorted(consumer.scopes), users)

    def decide(self, form: Form) -> Reply:
        """Take the answer to a consent page and send the person back to the consumer."""
        question = self._questions.pop(form.get("request", ""), None)
        if question is None:
            return pages.problem("This page was answered before, or never shown.")
        if form.get("decision") != "grant":
            return self._send_back(question, {"error": "access_denied"})
        code = f"emulator-code-{secrets.token_hex(16)}"
        expires = time.monotonic() + self._rules.code_expires_in
        self._codes[code] = Grant(
            question.consumer, form.get("user", "ada"), question.given_redirect_uri, expires
        )
        return self._send_back(question, {"code": code})

    def _send_back(self, question: Question, answer: Form) -> Reply:
        if question.state is not None:
            wrong = self._rules.wrong_state
            answer["state"] = secrets.token_urlsafe(8) if wrong else question.state
        joint = "&" if urlsplit(question.redirect_uri).query else "?"
        return Reply(302, None, {"Location": f"{question.redirect_uri}{joint}{urlencode(answer)}"})

    # The consumer's side

    def token(self, authorization: str | None, form: Form) -> Reply:
        """Answer a request to the token endpoint; raises ApiError with RFC 6749's error codes."""
        grant_type = form.get("grant_type", "")
        grants = {
            "authorization_code": self._from_code,
            "refresh_token": self._from_refresh_token,
            "client_credentials": self._from_client,
        }
        name = grant_type if grant_type in grants else "unsupported"
        try:
            consumer = _consumer_of(authorization)
            if grant_type not in grants:
                raise _refused("unsupported_grant_type", "This grant type is not supported")
            body = grants[grant_type](consumer, form)
        except ApiError:
            self.counts[f"{name} refused"] += 1
            raise
        self.counts[name] += 1
        return Reply(200, body, {"Cache-Control": "no-store"})

    def _from_code(self, consumer: Consumer, form: Form) -> Json:
        grant = self._codes.get(form.get("code", ""))
        if grant is None or grant.consumer is not consumer:
            raise _refused("invalid_grant", "The specified code is not valid.")
        if grant.code_used:
            self._end(grant)
            raise _refused("invalid_grant", "The specified code was used before.")
        if time.monotonic() > grant.code_expires:
            raise _refused("invalid_grant", "The specified code has expired.")
        if form.get("redirect_uri") != grant.redirect_uri:
            raise _refused("invalid_grant", "redirect_uri differs from the one asked with.")
        grant.code_used = True
        return self._renew(grant)

    def _from_refresh_token(self, consumer: Consumer, form: Form) -> Json:
        token = form.get("refresh_token", "")
        grant = self._refresh_tokens.get(token)
        if grant is None or grant.consumer is not consumer:
            raise _refused("invalid_grant", "Invalid refresh_token")
        if token != grant.refresh_token:
            spent_at = grant.spent.get(token, 0.0)
            if time.monotonic() - spent_at > self._rules.refresh_grace:
                self._end(grant)
                raise _refused("invalid_grant", "This refresh_token was used before.")
        return self._renew(grant)

    def _from_client(self, consumer: Consumer, form: Form) -> Json:
        return self._access_token(consumer, "oauth-app", "acme")

    def _renew(self, grant: Grant) -> Json:
        """A new access token and a new refresh token; the refresh token before it dies."""
        body = self._access_token(grant.consumer, grant.user, None)
        if grant.refresh_token is not None:
            grant.spent[grant.refresh_token] = time.monotonic()
        grant.refresh_token = f"emulator-refresh-{secrets.token_hex(16)}"
        grant.access_tokens.append(body["access_token"])
        self._refresh_tokens[grant.refresh_token] = grant
        return {**body, "refresh_token": grant.refresh_token}

    def _access_token(self, consumer: Consumer, user: str, workspace: str | None) -> Json:
        token = f"emulator-access-{secrets.token_hex(16)}"
        self._keyring.add_bearer(
            Credential(
                f"oauth2:{user}",
                "oauth2",
                token,
                user=user,
                scopes=consumer.scopes,
                workspace=workspace,
                expires_at=time.monotonic() + self._rules.expires_in,
            )
        )
        self._issued.append(token)
        return {
            "access_token": token,
            "token_type": "bearer",
            "expires_in": self._rules.expires_in,
            "scope": " ".join(sorted(consumer.scopes)),
        }

    # Control

    def _end(self, grant: Grant) -> None:
        """End a grant: none of its tokens works any more."""
        for token in grant.access_tokens:
            self._keyring.forget_bearer(token)
        for spent in grant.spent:
            self._refresh_tokens.pop(spent, None)
        self._refresh_tokens.pop(grant.refresh_token or "", None)

    def expire(self) -> int:
        """Let every access token run out now; returns how many there were."""
        expired = sum(self._keyring.expire_bearer(token) for token in self._issued)
        self._issued.clear()
        return expired

    def revoke(self) -> int:
        """End every grant, as a person does who withdraws access; returns how many there were."""
        grants = {id(grant): grant for grant in self._refresh_tokens.values()}
        for grant in grants.values():
            self._end(grant)
        return len(grants)


def _may_redirect(consumer: Consumer, redirect_uri: str) -> bool:
    """Whether an address is the consumer's callback, or below it (or on another port of it)."""
    callback, asked = urlsplit(consumer.callback), urlsplit(redirect_uri)
    if asked.scheme != callback.scheme or asked.hostname != callback.hostname or asked.fragment:
        return False
    if callback.port is not None and asked.port != callback.port:
        return False
    return (asked.path or "/").startswith(callback.path or "/")


def _consumer_of(authorization: str | None) -> Consumer:
    """The consumer whose key and secret a Basic header carries."""
    scheme, _, value = (authorization or "").partition(" ")
    try:
        decoded = base64.b64decode(value.strip(), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        decoded = ""
    key, _, secret = decoded.partition(":")
    consumer = find_consumer(key)
    known = consumer is not None and secrets.compare_digest(
        secret.encode(), consumer.secret.encode()
    )
    if scheme.lower() != "basic" or consumer is None or not known:
        raise _refused("invalid_client", "Client id or secret is wrong", 401)
    return consumer
