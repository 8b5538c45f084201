"""OAuth 2's three grants, at Bitbucket's authorization server.

Source: the API's "OAuth 2.0" page. ``/authorize`` and ``/access_token`` stand below one address;
the client signs in to the latter by HTTP Basic. Since 2026-05-04 (CHANGE-3052) refresh tokens
rotate at each use, ``client_credentials`` gives none, and tokens name what they may do in
``scope``. Lives of 1 h and 2 h are documented: only ``expires_in`` counts. oauthlib writes and
reads the messages.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import requests
from oauthlib.common import add_params_to_uri
from oauthlib.oauth2 import BackendApplicationClient, WebApplicationClient
from requests.auth import HTTPBasicAuth

from ..between_sessions.tokens import Token
from ..errors import BadResponse, ConnectionFailure, SignInError
from .credentials import tidied, tidy
from .failures import failure
from .transport import Transport, why_no_answer

URL = "https://bitbucket.org/site/oauth2"

# Seconds before a grant is asked for again. One whose answer was lost may have been carried out;
# repeating it costs nothing: its code or refresh token is spent then, and would be as good as lost
# without the answer.
_PAUSES = (0.25, 0.5)
_REPEATED = frozenset({429, 500, 502, 503, 504})


@dataclass(frozen=True)
class OAuth2:
    """One client ("OAuth consumer") at the authorization server.

    Each grant raises :class:`SignInError` if it was refused, :class:`ConnectionFailure` without an
    answer, or another :class:`RequestError` for an answer that is no token.
    """

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    transport: Transport

    def authorization_url(self, callback_url: str, state: str) -> str:
        """The page where a person allows this client in; it leads back to ``callback_url``."""
        # Not WebApplicationClient.prepare_request_uri: that refuses http, which base_url and
        # oauth_url allow for loopback addresses.
        return str(
            add_params_to_uri(
                f"{self.url}/authorize",
                [
                    ("response_type", "code"),
                    ("client_id", self.client_id),
                    ("redirect_uri", callback_url),
                    ("state", state),
                ],
            )
        )

    def from_client(self) -> Token:
        """The client's own token (grant ``client_credentials``)."""
        client = BackendApplicationClient(self.client_id)
        body = client.prepare_request_body(include_client_id=False)
        return self._token("client_credentials", body, ())

    def from_code(self, code: str, callback_url: str) -> Token:
        """The token of a person who was led back with ``code`` (``authorization_code``)."""
        client = WebApplicationClient(self.client_id)
        body = client.prepare_request_body(
            code=code, redirect_uri=callback_url, include_client_id=False
        )
        return self._token("authorization_code", body, (code,))

    def from_refresh_token(self, refresh_token: str) -> Token:
        """A new token for an old one's refresh token, which is spent with that."""
        client = WebApplicationClient(self.client_id)
        body = client.prepare_refresh_body(refresh_token=refresh_token)
        token = self._token("refresh_token", body, (refresh_token,))
        if token.refresh_token is None:
            # RFC 6749, section 6: an answer without one leaves the old one in force.
            return Token(**{**vars(token), "refresh_token": refresh_token})
        return token

    def _token(self, grant: str, body: str, secrets: Iterable[str]) -> Token:
        sent_at = time.time()
        pair = f"{self.client_id}:{self.client_secret}"
        signed = base64.b64encode(pair.encode()).decode()
        hidden = (*secrets, self.client_secret, signed, pair)
        answer = self._post(grant, body, hidden)
        scope = answer.get("scope", answer.get("scopes"))
        renewal = answer.get("refresh_token")
        token = Token(
            access_token=answer["access_token"],
            refresh_token=renewal if isinstance(renewal, str) and renewal else None,
            obtained_at=sent_at,
            expires_in=_seconds(answer.get("expires_in")),
        )
        if not isinstance(scope, str):
            return token
        return replace(token, scope=tidy(scope, (*hidden, *token.secrets)))

    def _post(self, grant: str, body: str, secrets: tuple[str, ...]) -> dict[str, Any]:
        path = urlsplit(f"{self.url}/access_token").path
        response = self._answer(grant, body, path)
        answer = _json(response)
        if response.status_code in (400, 401) and "error" in answer:
            raise _refusal(grant, answer, secrets)
        if response.status_code != 200:
            raise tidied(failure(response, "POST", path), secrets)
        if not _is_token(answer.get("access_token")):
            raise BadResponse(
                f"POST {path} ({grant}) was answered without a token that can be used",
                method="POST",
                path=path,
                status=200,
                hint="Check oauth_url, and whether a proxy answers in Bitbucket's place.",
            )
        return answer

    def _answer(self, grant: str, body: str, path: str) -> requests.Response:
        for pause in (*_PAUSES, None):
            try:
                response = self._request(body)
            except (requests.RequestException, ValueError) as error:
                if pause is None:
                    raise ConnectionFailure(
                        f"POST {path} ({grant}) got no complete answer",
                        method="POST",
                        path=path,
                        detail=why_no_answer(error, self.transport.timeout),
                        hint="Check oauth_url and the network.",
                    ) from None
            else:
                if pause is None or response.status_code not in _REPEATED:
                    break
            time.sleep(pause)
        return response

    def _request(self, body: str) -> requests.Response:
        with self.transport.session() as session:
            return session.post(
                f"{self.url}/access_token",
                data=body,
                auth=HTTPBasicAuth(self.client_id, self.client_secret),
                headers={"Content-Type": "application/x-www-form-urlencoded"},
                timeout=self.transport.timeout,
                allow_redirects=False,  # the client's secret goes to this address only
            )


def _is_token(value: Any) -> bool:
    """Whether it can go into a header: an error that says otherwise would quote it.

    RFC 6750, section 2.1, has no spaces in a token, and visible ASCII characters only.
    """
    if not isinstance(value, str) or not value:
        return False
    return value.isascii() and value.isprintable() and " " not in value


def _json(response: requests.Response) -> dict[str, Any]:
    try:
        answer = json.loads(response.content)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _seconds(value: Any) -> float | None:
    try:
        seconds = float(value)
    except (TypeError, ValueError):
        return None
    return seconds if seconds > 0 else None


_HINTS = {
    "invalid_client": "Check client_id and client_secret: they are the key and the secret of an "
    'OAuth consumer of the workspace. For grant client_credentials it must be marked "This is a '
    'private consumer".',
    "unauthorized_client": 'Mark the OAuth consumer "This is a private consumer".',
}
_SIGN_IN_AGAIN = {
    "authorization_code": "A code holds for one use and a few minutes. Begin the login again.",
    "refresh_token": "The login has lapsed (three months without use), was revoked, or its "
    "refresh token was used elsewhere. Sign in again: bitbucket-fdw login SERVER.",
}


def _refusal(grant: str, answer: dict[str, Any], secrets: tuple[str, ...]) -> SignInError:
    error, description = answer.get("error"), answer.get("error_description")
    said = ": ".join(text for text in (error, description) if isinstance(text, str))
    hint = _HINTS.get(str(error)) or (
        _SIGN_IN_AGAIN.get(grant) if error == "invalid_grant" else None
    )
    refused = SignInError(
        f"Bitbucket gave no token for grant {grant}", detail=said or None, hint=hint
    )
    return tidied(refused, secrets)
