"""Services: functions from JSON to JSON that the extension's SQL functions call.

SQL can reach Python only through foreign tables. A foreign table with option ``service`` has two
columns of type text, ``argument`` and ``result``. ``SELECT result … WHERE argument = '{…}'`` runs
the service, with the options of the table's server and of the current user's mapping. The functions
of schema ``bitbucket`` make such a table for one statement and drop it again, so that only those
can run a service who may use the server. Planning and EXPLAIN run nothing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from ..api import Client, Credential, Renewals, ScanContext
from ..errors import CacheError, OptionError, SignInError
from ..sign_in import login_steps
from ..sign_in.mapping_user import MappingUser
from ..sign_in.schemes import SignIn
from .curl import Curl
from .verify import Imported, Verification

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call:
    """What a service gets: for whom it acts, and how it reaches Bitbucket.

    :param options: of server and user mapping, parsed.
    :param user: whose mapping that is.
    :param connect: the client of a credential at this server.
    :param renewals: of tokens, those of the backend.
    """

    options: Mapping[str, Any]
    user: MappingUser
    connect: Callable[[Credential], Client]
    renewals: Renewals
    scan: ScanContext

    @property
    def sign_in(self) -> SignIn:
        return SignIn.of(self.options, self.user, self.renewals)

    def oauth(self) -> SignIn:
        """The mapping's way to sign in, which must be one by which people log in."""
        sign_in = self.sign_in
        # Before the first login, a mapping with a client's id and secret need not say "auth".
        client = sign_in.scheme == "oauth2_client" and not self.options.get("auth")
        if sign_in.scheme in ("oauth2_code", "oauth1") or client:
            return sign_in
        raise SignInError(
            f'nobody logs in for auth "{sign_in.scheme}"',
            hint="The user mapping has to be one of auth 'oauth2_code', with client_id and "
            "client_secret of an OAuth consumer, or of auth 'oauth1', with consumer_key and "
            "consumer_secret.",
        )


def verify(call: Call, argument: Json) -> Iterable[Json]:
    """``tables`` (each with table, workspace, repository) and ``workspaces`` to check."""
    sign_in, options = call.sign_in, call.options
    curl = Curl(
        sign_in.scheme,
        options["oauth_url"],
        options["ca_bundle"],
        options["proxy"],
    )
    credential = sign_in.credential()
    verification = Verification(
        call.connect(credential),
        call.connect(Credential.none()),
        call.scan,
        curl,
        [Imported(**table) for table in argument.get("tables", ())],
        argument.get("workspaces", ()),
    )
    # The checks repeat headers and answers of a server, which might contain the credential.
    return [
        {k: v and credential.redact(v) for k, v in asdict(check).items()}
        for check in verification.checks()
    ]


def oauth_authorization_url(call: Call, argument: Json) -> Iterable[Json]:
    """``callback_url`` and ``state``: the page to send a person to."""
    url = login_steps.begin(call.oauth(), argument["callback_url"], argument.get("state"))
    return [{"url": url}]


def oauth_access_token(call: Call, argument: Json) -> Iterable[Json]:
    """``code``, ``callback_url``, ``state``: tokens into the store, options for the mapping."""
    outcome = login_steps.finish(
        call.oauth(), argument["code"], argument["callback_url"], argument["state"]
    )
    return [asdict(outcome)]


def oauth_refresh(call: Call, _: Json) -> Iterable[Json]:
    """A new access token now."""
    sign_in = call.sign_in
    if sign_in.scheme == "oauth2_code":
        tokens = sign_in.person_tokens()
    elif sign_in.scheme == "oauth2_client":
        tokens = sign_in.client_tokens()
    else:
        raise SignInError(
            f'auth "{sign_in.scheme}" has no token to refresh',
            hint="Tokens of auth 'oauth2_code' and 'oauth2_client' are refreshed, and by "
            "themselves when they run out.",
        )
    token = tokens.renew()
    return [{"auth": sign_in.scheme, "expires_in": token.expires_in, "scopes": token.scope}]


def cache_stats(call: Call, _: Json) -> Iterable[Json]:
    """What is kept of the server's answers, and how often this session was given any."""
    return [call.connect(call.sign_in.credential()).shared_answers.stats()]


def clear_cache(call: Call, _: Json) -> Iterable[Json]:
    """Remove the server's answers."""
    return [{"removed": call.connect(call.sign_in.credential()).shared_answers.clear()}]


def rate_limit(call: Call, _: Json) -> Iterable[Json]:
    """The requests that all sessions have made within an hour with the user's credential."""
    try:
        return call.connect(call.sign_in.credential()).hour.shown()
    except OSError as error:
        raise CacheError(
            f"the counts of requests cannot be read: {error.strerror}",
            hint="The environment variable BITBUCKET_FDW_REQUESTS of the PostgreSQL server names "
            "another directory.",
        ) from None


SERVICES: dict[str, Callable[[Call, Json], Iterable[Json]]] = {
    service.__name__: service
    for service in (
        *(verify, oauth_authorization_url, oauth_access_token, oauth_refresh),
        *(cache_stats, clear_cache, rate_limit),
    )
}


def run(name: str, call: Call, argument: str) -> list[str]:
    """The results of a service, as JSON texts. Blocks; to be run on a worker thread."""
    return [json.dumps(result) for result in SERVICES[name](call, json.loads(argument))]


def find(name: str) -> str:
    """The name, if there is such a service; :class:`OptionError` else."""
    if name not in SERVICES:
        raise OptionError(
            f'there is no service "{name}"', hint=f"There are: {', '.join(SERVICES)}."
        )
    return name
