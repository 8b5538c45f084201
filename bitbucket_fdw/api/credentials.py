"""What a request is signed with, and what must be hidden of it.

Sources: the API's "Authentication methods" page. API tokens go with the Atlassian account's
e-mail address as HTTP Basic credentials; repository, project and workspace access tokens and
OAuth 2 access tokens are Bearer tokens; OAuth 1.0a signs each request (RFC 5849).
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from urllib.parse import quote, quote_plus, unquote, unquote_plus

from requests import PreparedRequest
from requests.auth import AuthBase

from ..errors import BitbucketError
from ..plain_text import shortened, visible

E = TypeVar("E", bound=BitbucketError)

_LONGEST = 500  # characters of a message, detail or hint that a server had a part in
_SHORTEST = 4  # hiding every "a" would leave no error to read


class HeaderAuth(AuthBase):
    """An ``Authorization`` header that is the same for each request."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class BearerAuth(HeaderAuth):
    """``Authorization: Bearer``."""

    def __init__(self, token: str) -> None:
        super().__init__(f"Bearer {token}")


class Renewable(Protocol):
    """Tokens that change while the credential stays the same."""

    def renew_after(self, refused: PreparedRequest) -> bool:
        """Whether the request may go out again after a 401: there is another token now."""

    def secrets(self) -> Iterable[str]:
        """The texts of the present tokens that must never be shown."""


@dataclass(frozen=True)
class Credential:
    """A scheme and its secrets; compared and printed without showing them.

    :param auth: signs a request; ``None`` for anonymous ones.
    :param fixed: texts that must never be shown.
    :param identity: names the credential in cache keys without revealing it.
    :param label: what the user mapping says of it, secrets left out; for errors.
    :param advice: what to do once it is refused.
    """

    scheme: str
    auth: AuthBase | None = field(repr=False, compare=False, default=None)
    fixed: tuple[str, ...] = field(repr=False, compare=False, default=())
    identity: str = ""
    label: str = ""
    advice: str = ""
    tokens: Renewable | None = field(repr=False, compare=False, default=None)

    @property
    def is_access_token(self) -> bool:
        """Whether it is the access token of a repository, project or workspace."""
        return self.scheme == "access_token"

    @classmethod
    def none(cls) -> Credential:
        """Anonymous requests: public data only."""
        return cls("none", identity=digest("none"))

    @classmethod
    def basic(cls, scheme: str, username: str, password: str) -> Credential:
        """HTTP Basic, for API tokens (``username`` is the e-mail address)."""
        pair = f"{username}:{password}"
        sent = base64.b64encode(pair.encode()).decode()
        return cls(
            scheme,
            HeaderAuth(f"Basic {sent}"),
            (password, sent, pair),  # the last one in all spellings, without padding among them
            digest(scheme, username, password),
        )

    @classmethod
    def bearer(cls, scheme: str, token: str) -> Credential:
        """A Bearer token."""
        return cls(scheme, BearerAuth(token), (token,), digest(scheme, token))

    def renew_after(self, refused: PreparedRequest) -> bool:
        """Whether a request that was answered 401 may be sent once more, with another token."""
        return self.tokens is not None and self.tokens.renew_after(refused)

    def secrets(self) -> tuple[str, ...]:
        """Every text that must not be shown, those of the present tokens among them."""
        return (*self.fixed, *(self.tokens.secrets() if self.tokens else ()))

    def redact(self, text: str) -> str:
        """``text`` without any of the secrets: see :func:`redact`."""
        if self.tokens is None:
            return without_forms(text, self._forms)
        return redact(text, self.secrets())

    @functools.cached_property
    def _forms(self) -> list[str]:
        """The spellings of the texts that stay the same, made once: each request asks for them."""
        return forms_of(self.fixed)


def tidied(error: E, secrets: Iterable[str]) -> E:
    """The error with message, detail and hint fit to be shown: see :func:`tidy`."""
    secrets = tuple(secrets)
    error.message = tidy(error.message, secrets)
    error.detail = tidy(error.detail, secrets) if error.detail else None
    error.hint = tidy(error.hint, secrets) if error.hint else None
    error.args = (error.message,)
    return error


def tidy(text: str, secrets: Iterable[str]) -> str:
    """What a server said, without secrets and invisible characters, and shortened.

    It is shortened last: of a secret that was cut, the rest would not be recognized.
    """
    return shortened(redact(text, secrets), _LONGEST)


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with each secret, as it is or encoded, replaced by asterisks.

    And without what is not to be seen: a secret that has something invisible in it is one, too.
    In a link of a server's making any of its characters may be encoded. A text that has a secret
    once it is decoded is shown decoded.
    """
    return without_forms(text, forms_of(secrets))


def forms_of(secrets: Iterable[str]) -> list[str]:
    """All spellings of all secrets, as :func:`without_forms` wants them."""
    # Longest first: a secret may be a part of another, or of its own encoding.
    return sorted({form for s in secrets for form in encodings(s)}, key=len, reverse=True)


def without_forms(text: str, forms: list[str]) -> str:
    """:func:`redact` for the spellings of secrets."""
    text = visible(text)
    text = _without(text, forms)
    once = unquote(text)
    decodings = [once]
    if "+" in text or "%" in once:  # otherwise all of them are the same
        decodings += [unquote_plus(text), unquote(once)]
    for decoded in decodings:
        plain = decoded if decoded == text else visible(decoded)
        if any(form in plain for form in forms):
            text = _without(plain, forms)
    return text


def _without(text: str, forms: Iterable[str]) -> str:
    for form in forms:
        text = text.replace(form, "***")
    return text


def encodings(secret: str) -> Iterator[str]:
    """A secret in the spellings that headers, addresses, bodies and dumps could have it in."""
    if len(secret) < _SHORTEST:
        return
    yield secret
    # A half of a surrogate pair cannot be sent, and must not keep the rest from being redacted.
    quoted = quote(secret, safe="", errors="surrogatepass")
    yield quoted
    yield quote_plus(secret, errors="surrogatepass")
    yield json.dumps(secret)[1:-1]
    for text in (secret.encode(errors="surrogatepass"), quoted.encode()):
        yield base64.b64encode(text).decode().rstrip("=")
        yield base64.urlsafe_b64encode(text).decode().rstrip("=")


def digest(*parts: str) -> str:
    """A name for what the parts are together; a length before each keeps them apart."""
    return hashlib.sha256("".join(f"{len(p)}:{p}" for p in parts).encode()).hexdigest()
