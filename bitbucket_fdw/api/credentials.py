"""What a request is signed with.

Sources: the API's "Authentication methods" page. API tokens go with the Atlassian account's
e-mail address as HTTP Basic credentials; repository, project and workspace access tokens are
Bearer tokens.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

from requests import PreparedRequest
from requests.auth import AuthBase, HTTPBasicAuth


class BearerAuth(AuthBase):
    """``Authorization: Bearer``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        request.headers["Authorization"] = f"Bearer {self._token}"
        return request


@dataclass(frozen=True)
class Credential:
    """A scheme and its secrets; compared and printed without showing them.

    ``secrets`` lists every text that must never be shown, in each encoding it is sent in.
    ``identity`` names the credential in cache keys without revealing it.
    """

    scheme: str
    auth: AuthBase | None = field(repr=False, compare=False, default=None)
    secrets: tuple[str, ...] = field(repr=False, compare=False, default=())
    identity: str = ""

    @classmethod
    def none(cls) -> Credential:
        """Anonymous requests: public data only."""
        return cls("none", identity=_digest("none"))

    @classmethod
    def basic(cls, scheme: str, username: str, password: str) -> Credential:
        """HTTP Basic, for API tokens (``username`` is the e-mail address)."""
        user, secret = username.encode(), password.encode()
        sent = base64.b64encode(user + b":" + secret).decode()
        return cls(
            scheme,
            HTTPBasicAuth(user, secret),
            (password, sent),
            _digest(scheme, username, password),
        )

    @classmethod
    def bearer(cls, scheme: str, token: str) -> Credential:
        """A Bearer token."""
        return cls(scheme, BearerAuth(token), (token,), _digest(scheme, token))

    def redact(self, text: str) -> str:
        """``text`` without any of the secrets."""
        return redact(text, self.secrets)


def redact(text: str, secrets: Iterable[str]) -> str:
    """``text`` with each secret replaced by asterisks."""
    for secret in secrets:
        if secret:
            text = text.replace(secret, "***")
    return text


def _digest(*parts: str) -> str:
    # A length before each part keeps ("ab", "c") apart from ("a", "bc").
    return hashlib.sha256("".join(f"{len(p)}:{p}" for p in parts).encode()).hexdigest()
