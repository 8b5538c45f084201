"""OAuth 1.0a (RFC 5849): requests signed with HMAC-SHA1, and the three-legged login.

Atlassian's text says that OAuth 1 consumers carry over as OAuth 2 clients; whether signed requests
still work everywhere is not established. requests-oauthlib signs.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast
from urllib.parse import urlsplit

import requests
from oauthlib.common import add_params_to_uri, urldecode
from requests import PreparedRequest
from requests.auth import AuthBase
from requests_oauthlib import OAuth1 as Signature

from ..between_sessions.tokens import Token, TokenStore
from ..errors import BadResponse, ConnectionFailure, SignInError
from .failures import failure
from .transport import Transport, why_no_answer

URL = "https://bitbucket.org/api/1.0/oauth"


def signature(
    consumer_key: str,
    consumer_secret: str,
    token: str | None = None,
    token_secret: str | None = None,
) -> AuthBase:
    """Signs each request; without a token as the consumer itself ("one-legged")."""
    return cast(
        AuthBase,
        Signature(
            consumer_key,
            client_secret=consumer_secret,
            resource_owner_key=token,
            resource_owner_secret=token_secret,
        ),
    )


class StoredSignature(AuthBase):
    """Signs with the token of a login, which is read from the store when it is first needed."""

    def __init__(
        self, consumer_key: str, consumer_secret: str, store: TokenStore, entry: str
    ) -> None:
        self._consumer = (consumer_key, consumer_secret)
        self._store = store
        self._entry = entry
        self._token: Token | None = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        token = self._token or self._store.read(self._entry)
        if token is None:
            raise SignInError(
                "the token store does not hold the login that the user mapping names",
                hint="Sign in again: bitbucket-fdw login SERVER.",
            )
        self._token = token
        sign = signature(*self._consumer, token.access_token, token.secret)
        return sign(request)

    def renew_after(self, refused: PreparedRequest) -> bool:
        """Never: these tokens hold until they are revoked."""
        return False

    def secrets(self) -> Iterable[str]:
        return self._token.secrets if self._token else ()


@dataclass(frozen=True)
class OAuth1:
    """The three-legged login of one consumer.

    Both requests raise :class:`SignInError` if they are refused, :class:`ConnectionFailure`
    without an answer, or another :class:`RequestError` for an answer that is no token.
    """

    url: str
    consumer_key: str
    consumer_secret: str = field(repr=False)
    transport: Transport

    def request_token(self, callback_url: str, state: str) -> Token:
        """Temporary credentials, to send a person to :meth:`authorization_url` with.

        OAuth 1 knows no state: it comes back as a part of the callback address.
        """
        back = str(add_params_to_uri(callback_url, [("state", state)]))
        return self._post(
            "request_token",
            Signature(self.consumer_key, client_secret=self.consumer_secret, callback_uri=back),
        )

    def authorization_url(self, temporary: Token) -> str:
        """The page where a person allows this consumer in."""
        address = f"{self.url}/authenticate"
        return str(add_params_to_uri(address, [("oauth_token", temporary.access_token)]))

    def access_token(self, temporary: Token, verifier: str) -> Token:
        """The token of a person who was led back with ``verifier``."""
        return self._post(
            "access_token",
            Signature(
                self.consumer_key,
                client_secret=self.consumer_secret,
                resource_owner_key=temporary.access_token,
                resource_owner_secret=temporary.secret,
                verifier=verifier,
            ),
        )

    def _post(self, what: str, sign: AuthBase) -> Token:
        url = f"{self.url}/{what}"
        path = urlsplit(url).path
        try:
            with self.transport.session() as session:
                response = session.post(
                    url, auth=sign, timeout=self.transport.timeout, allow_redirects=False
                )
        except (requests.RequestException, ValueError) as error:
            raise ConnectionFailure(
                f"POST {path} got no complete answer",
                method="POST",
                path=path,
                detail=why_no_answer(error, self.transport.timeout),
                hint="Check oauth1_url and the network.",
            ) from None
        if response.status_code in (400, 401, 403):
            raise SignInError(
                f"POST {path} was answered {response.status_code}: the consumer, its token or its "
                "signature was refused",
                hint="Check consumer_key and consumer_secret, that the callback address is the "
                "consumer's, and this machine's clock: signatures carry the time.",
            )
        if response.status_code != 200:
            failed = failure(response, "POST", path)
            # What was signed could be quoted, in a form that nothing would be found in.
            failed.message = f"POST {path} was answered {response.status_code}"
            failed.detail = failed.hint = None
            failed.args = (failed.message,)
            raise failed
        return _token(response, path)


def _token(response: requests.Response, path: str) -> Token:
    try:
        answer = dict(urldecode(response.text))
    except ValueError:
        answer = {}
    if not answer.get("oauth_token") or not answer.get("oauth_token_secret"):
        raise BadResponse(
            f"POST {path} was answered without a token",
            method="POST",
            path=path,
            status=response.status_code,
            hint="Check oauth1_url, and whether a proxy answers in Bitbucket's place.",
        )
    return Token(access_token=answer["oauth_token"], secret=answer["oauth_token_secret"])
