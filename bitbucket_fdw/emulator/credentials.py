"""Who may call: the fixed sample credentials, their scopes, and what each of them sees.

Stated (REST introduction, "Authentication" and the two scope lists): API tokens go by Basic with
the Atlassian e-mail and carry the new scopes, none of which implies another; access tokens and
OAuth 2 tokens go by Bearer and carry classic scopes, some of which imply others; access tokens
never read permissions, and ``GET /user`` refuses them (seen live). The values are obviously fake.
"""

from __future__ import annotations

import base64
import binascii
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from bitbucket_fdw.emulator.errors import ApiError, Reply, error, missing_scope, plain

Vocabulary = Literal["classic", "new"]

# Classic scopes and what they imply, as the scope list states; admin scopes imply nothing.
IMPLIED = {
    "project": {"repository"},
    "repository:write": {"repository"},
    "pullrequest": {"repository"},
    "pullrequest:write": {"pullrequest", "repository:write"},
    "issue:write": {"issue"},
    "account:write": {"account"},
    "snippet:write": {"snippet"},
    "pipeline:write": {"pipeline"},
    "pipeline:variable": {"pipeline"},
    "runner:write": {"runner"},
}

_SUBJECTS = ("user", "workspace", "project", "repository", "pullrequest", "issue", "pipeline")
NEW_READ = frozenset(f"read:{subject}:bitbucket" for subject in (*_SUBJECTS, "webhook", "runner"))
NEW_WRITE = frozenset(
    f"{verb}:bitbucket"
    for verb in (
        "write:repository",
        "admin:repository",
        "delete:repository",
        "write:pullrequest",
        "admin:project",
        "write:issue",
        "delete:issue",
        "write:pipeline",
        "admin:pipeline",
        "write:webhook",
        "write:permission",
        "delete:permission",
        "delete:webhook",
    )
)
CLASSIC_READ = frozenset({"account", "project", "pullrequest", "pipeline", "webhook", "runner"})
CLASSIC_WRITE = CLASSIC_READ | {
    "project:admin",
    "repository:admin",
    "repository:delete",
    "pullrequest:write",
    "pipeline:write",
}


@dataclass(frozen=True)
class Credential:
    """One way to sign in.

    :param user: the nickname that the caller acts as; None for nobody.
    :param workspace: the slug of the workspace that it administers as a whole; None where it has
        its user's rights.
    :param repository: the full name of the only repository that it reaches; None for no such bound.
    :param state: whether it still works.
    :param expires_at: when it stops working, by ``time.monotonic()``; None for never.
    """

    name: str
    kind: Literal[
        "anonymous",
        "api_token",
        "repository_access_token",
        "workspace_access_token",
        "oauth2",
        "oauth1",
    ]
    secret: str = ""
    email: str | None = None
    user: str | None = None
    scopes: frozenset[str] = frozenset()
    workspace: str | None = None
    repository: str | None = None
    expires_at: float | None = None
    state: Literal["live", "expired", "revoked"] = "live"

    @property
    def vocabulary(self) -> Vocabulary:
        """Which list of scopes the credential's belong to."""
        return "new" if self.kind == "api_token" else "classic"

    @property
    def is_access_token(self) -> bool:
        """Whether this is a repository or workspace access token."""
        return self.kind in ("repository_access_token", "workspace_access_token")

    def granted(self) -> frozenset[str]:
        """The scopes together with those they imply."""
        found = set(self.scopes)
        frontier = list(found) if self.vocabulary == "classic" else []
        while frontier:
            for scope in IMPLIED.get(frontier.pop(), ()):
                if scope not in found:
                    found.add(scope)
                    frontier.append(scope)
        return frozenset(found)


ANONYMOUS = Credential("anonymous", "anonymous")

_ADA = "ada@acme.example"
_BEN = "ben@acme.example"

SAMPLES: tuple[Credential, ...] = (
    Credential("ada-read", "api_token", "emulator-token-ada-read", _ADA, "ada", NEW_READ),
    Credential(
        "ada-write", "api_token", "emulator-token-ada-write", _ADA, "ada", NEW_READ | NEW_WRITE
    ),
    Credential(
        "ada-no-pullrequest",
        "api_token",
        "emulator-token-ada-no-pullrequest",
        _ADA,
        "ada",
        NEW_READ - {"read:pullrequest:bitbucket"},
    ),
    Credential(
        "ada-write-only",
        "api_token",
        "emulator-token-ada-write-only",
        _ADA,
        "ada",
        NEW_WRITE,
    ),
    Credential(
        "ben-write", "api_token", "emulator-token-ben-write", _BEN, "ben", NEW_READ | NEW_WRITE
    ),
    Credential(
        "expired", "api_token", "emulator-token-expired", _ADA, "ada", NEW_READ, state="expired"
    ),
    Credential(
        "workspace",
        "workspace_access_token",
        "emulator-token-workspace",
        user="acme-token",
        workspace="acme",
        scopes=CLASSIC_READ,
    ),
    Credential(
        "workspace-write",
        "workspace_access_token",
        "emulator-token-workspace-write",
        user="acme-token",
        workspace="acme",
        scopes=CLASSIC_WRITE,
    ),
    Credential(
        "website",
        "repository_access_token",
        "emulator-token-website",
        user="website-token",
        workspace="acme",
        scopes=frozenset({"repository", "pullrequest", "pipeline"}),
        repository="acme/website",
    ),
    Credential(
        "no-pullrequest",
        "workspace_access_token",
        "emulator-token-no-pullrequest",
        user="acme-token",
        workspace="acme",
        scopes=frozenset({"repository", "pipeline", "account"}),
    ),
    Credential(
        "revoked",
        "workspace_access_token",
        "emulator-token-revoked",
        user="acme-token",
        workspace="acme",
        scopes=CLASSIC_READ,
        state="revoked",
    ),
)


def unauthorized(credential: Credential | None = None) -> ApiError:
    """401: JSON for Bearer tokens, no body at all for Basic (both forms were seen live)."""
    if credential is not None and credential.kind == "api_token":
        return plain(401, "", {"WWW-Authenticate": 'Basic realm="Bitbucket.org HTTP"'})
    return error(401, "Token is invalid, expired, or not supported for this endpoint.")


class Keyring:
    """The credentials known at present: the samples and the tokens that sign-ins add."""

    def __init__(self) -> None:
        self._basic = {(c.email, c.secret): c for c in SAMPLES if c.kind == "api_token"}
        self._bearer = {c.secret: c for c in SAMPLES if c.kind != "api_token"}

    def authenticate(self, authorization: str | None) -> Credential:
        """The credential that an Authorization header carries; raises 401 when it is no good."""
        if authorization is None:
            return ANONYMOUS
        scheme, _, value = authorization.partition(" ")
        credential = self._find(scheme.lower(), value.strip())
        if credential is None:
            raise plain(401, "") if scheme.lower() == "basic" else unauthorized()
        late = credential.expires_at is not None and time.monotonic() >= credential.expires_at
        if late or credential.state != "live":
            raise unauthorized(credential)
        return credential

    def _find(self, scheme: str, value: str) -> Credential | None:
        if scheme == "bearer":
            return self._bearer.get(value)
        if scheme != "basic":
            return None
        try:
            email, _, token = base64.b64decode(value, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return None
        return self._basic.get((email, token))

    def add_bearer(self, credential: Credential) -> None:
        """Make a new token known."""
        self._bearer[credential.secret] = credential

    def forget_bearer(self, secret: str) -> None:
        """Make a token unknown."""
        self._bearer.pop(secret, None)

    def expire_bearer(self, secret: str) -> bool:
        """Let a token run out now; returns whether it was known."""
        credential = self._bearer.get(secret)
        if credential is not None:
            self._bearer[secret] = replace(credential, state="expired")
        return credential is not None


@dataclass(frozen=True)
class Scopes:
    """What an endpoint asks for: all of the scopes of the caller's vocabulary.

    :param classic: those of access tokens and OAuth 2.
    :param new: those of API tokens, without ``:bitbucket``.
    """

    classic: tuple[str, ...] = ()
    new: tuple[str, ...] = ()

    def required(self, vocabulary: Vocabulary) -> list[str]:
        """The full names in one vocabulary."""
        return [f"{s}:bitbucket" for s in self.new] if vocabulary == "new" else list(self.classic)

    def check(self, credential: Credential) -> None:
        """Raise 403 when ``credential`` lacks one of the scopes."""
        required = self.required(credential.vocabulary)
        if not set(required) <= credential.granted():
            raise missing_scope(sorted(credential.scopes), required)


def scope_headers(credential: Credential, scopes: Scopes) -> dict[str, str]:
    """The headers that tell a caller what it has and what the endpoint wants."""
    if credential.kind == "anonymous":
        return {}
    headers = {
        "X-OAuth-Scopes": ", ".join(sorted(credential.scopes)),
        "X-Accepted-OAuth-Scopes": ", ".join(scopes.required(credential.vocabulary)),
        "X-Credential-Type": credential.kind,
    }
    if credential.is_access_token:
        headers["X-RateLimit-Limit"] = "1000"
        headers["X-RateLimit-Resource"] = "api.bitbucket.org/2.0/repositories"
        headers["X-RateLimit-NearLimit"] = "false"
    return headers


class AnonymousHour:
    """Counts the requests without a credential, of which 60 an hour are answered.

    Stated: the limit is for each address. All requests to the emulator come from one.
    """

    LIMIT = 60
    SECONDS = 3600.0

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent: deque[float] = deque()

    def spend(self) -> bool:
        """Count a request; False where the hour before it has had its 60 already."""
        now = self._clock()
        while self._spent and self._spent[0] <= now - self.SECONDS:
            self._spent.popleft()
        if len(self._spent) >= self.LIMIT:
            return False
        self._spent.append(now)
        return True


def throttled(retry_after: int | None) -> Reply:
    """429: plain text; Retry-After only when asked for (seen live without it)."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    text = b"Rate limit for this resource has been exceeded"
    return Reply(429, text, headers, "text/plain; charset=utf-8")
