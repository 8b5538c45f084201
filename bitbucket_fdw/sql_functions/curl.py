"""Shell commands that repeat a request without this package.

In the place of secrets they have variables of the shell.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

# The options by which curl signs a request, for each scheme. The shell fills in the variables.
_SIGNED = {
    "none": "",
    "api_token": '-u "$BITBUCKET_EMAIL:$BITBUCKET_API_TOKEN" ',
    "basic": '-u "$BITBUCKET_USERNAME:$BITBUCKET_PASSWORD" ',
    # Each request has its own signature, and curl cannot make one.
    "oauth1": '-H "Authorization: $OAUTH1_AUTHORIZATION_HEADER" ',
}
_BEARER = '-H "Authorization: Bearer $BITBUCKET_ACCESS_TOKEN" '
_CLIENT = '-u "$BITBUCKET_CLIENT_ID:$BITBUCKET_CLIENT_SECRET" '
_GRANTS = {
    "oauth2_client": "-d grant_type=client_credentials ",
    # Running this uses up the refresh token.
    "oauth2_code": '-d grant_type=refresh_token -d "refresh_token=$BITBUCKET_REFRESH_TOKEN" ',
}


@dataclass(frozen=True, slots=True)
class Curl:
    """Writes commands for one server and one scheme of signing in."""

    scheme: str
    oauth_url: str
    ca_bundle: str | None = None
    proxy: str | None = None

    def request(self, url: str, *, signed: bool = True) -> str:
        """GET of an address of the API, with the answer's headers."""
        signature = _SIGNED.get(self.scheme, _BEARER) if signed else ""
        return f"curl -sS -i {self._connection()}{signature}{shlex.quote(url)}"

    def token_request(self) -> str | None:
        """The request for an access token, where the scheme makes one."""
        grant = _GRANTS.get(self.scheme)
        if grant is None:
            return None
        address = shlex.quote(f"{self.oauth_url}/access_token")
        return f"curl -sS -i {self._connection()}{_CLIENT}{grant}{address}"

    def _connection(self) -> str:
        parts = (("--cacert", self.ca_bundle), ("--proxy", self.proxy))
        return "".join(f"{name} {shlex.quote(value)} " for name, value in parts if value)
