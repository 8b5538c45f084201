"""From a user mapping's options to a credential: the ways to sign in, and what each takes.

What OAuth needs is imported where it is used: it takes a tenth of a session's first statement, and
most sessions sign in otherwise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from .. import options
from ..api.credentials import Credential, digest
from ..api.notes import Notes
from ..api.oauth_tokens import Renewals, RenewedBearer
from ..api.transport import Transport
from ..between_sessions.tokens import Token, TokenStore
from ..errors import NoUserMapping, OptionError, SignInError
from . import secret_references
from .mapping_user import MappingUser

if TYPE_CHECKING:
    from ..api.oauth1 import OAuth1
    from ..api.oauth2 import OAuth2

_SET = "ALTER USER MAPPING FOR CURRENT_USER SERVER … OPTIONS (SET {} '…')"
_LOGIN = "Sign in again: bitbucket-fdw login SERVER."


class Scheme(NamedTuple):
    """One way to sign in.

    :param needs: required options. Where ``auth`` is left out, the first one of them tells the
        scheme.
    :param shows: the option that error messages show to say whose credential it is.
    :param advice: what to do if Bitbucket refuses the credential.
    """

    needs: tuple[str, ...] = ()
    takes: tuple[str, ...] = ()
    shows: str | None = None
    advice: str = ""


SCHEMES: dict[str, Scheme] = {
    "none": Scheme(
        advice="Give the user mapping a credential: ALTER USER MAPPING FOR CURRENT_USER SERVER … "
        "OPTIONS (ADD email '…', ADD token '…')."
    ),
    "api_token": Scheme(
        ("email", "token"),
        shows="email",
        advice="API tokens expire within a year; app passwords stopped working on 2026-07-28. "
        "Make a new API token in the Atlassian account's security settings, then: "
        f"{_SET.format('token')}.",
    ),
    "access_token": Scheme(
        ("token",),
        advice="It may be mistyped, expired or revoked. Make a new access token in the settings of "
        f"the repository, project or workspace, then: {_SET.format('token')}.",
    ),
    "basic": Scheme(
        ("username", "password"),
        shows="username",
        advice="Bitbucket Cloud itself takes API tokens instead of passwords (auth "
        f"'api_token'). Else: {_SET.format('password')}.",
    ),
    "oauth2_client": Scheme(
        ("client_id", "client_secret"),
        shows="client_id",
        advice="Check the OAuth consumer in the workspace's settings, then: "
        f"{_SET.format('client_secret')}.",
    ),
    "oauth2_code": Scheme(
        ("client_id", "client_secret"),
        ("login", "refresh_token"),
        shows="client_id",
        advice=f"The login may have been revoked. {_LOGIN}",
    ),
    "oauth2_token": Scheme(
        ("token",),
        advice="OAuth 2 access tokens hold for an hour or two. Get a new one where this one came "
        f"from, then: {_SET.format('token')}. With auth 'oauth2_code' they are renewed.",
    ),
    "oauth1": Scheme(
        ("consumer_key", "consumer_secret"),
        ("token", "token_secret", "login"),
        shows="consumer_key",
        advice="Check the consumer, whether the token was revoked, and this machine's clock: "
        f"signatures carry the time. {_LOGIN}",
    ),
}


# A user of whom nothing is known, and who therefore may use no secret of the server.
_UNKNOWN = MappingUser()


def scheme_of(given: Mapping[str, Any]) -> str:
    """The scheme that ``auth`` names, or else the one that the other options imply."""
    if given.get("auth"):
        return str(given["auth"])
    if given.get("consumer_key"):
        return "oauth1"
    if given.get("client_id"):
        login = given.get("login") or given.get("refresh_token")
        return "oauth2_code" if login else "oauth2_client"
    if given.get("username"):
        return "basic"
    if given.get("email"):
        return "api_token"
    return "access_token" if given.get("token") else "none"


def check_options(given: Mapping[str, str], level: str) -> None:
    """Check the options of one object. Raises :class:`OptionError` for the first fault.

    :param level: as in :data:`options.LEVELS`.
    """
    options.validate(given, level)
    if options.LEVELS.get(level) == options.MAPPING:
        check(given)


def check(given: Mapping[str, Any]) -> str:
    """The scheme of a user mapping's options; :class:`OptionError` if they do not go together."""
    name = scheme_of(given)
    scheme = SCHEMES[name]
    known = {option for other in SCHEMES.values() for option in (*other.needs, *other.takes)}
    for option in sorted(known):
        present = given.get(option) is not None
        if not present and option in scheme.needs:
            raise _misfit(name, f'needs option "{option}"')
        if present and option not in (*scheme.needs, *scheme.takes):
            raise _misfit(name, f'takes no option "{option}"')
    if given.get("login") and (given.get("refresh_token") or given.get("token")):
        other = "refresh_token" if given.get("refresh_token") else "token"
        raise _misfit(name, f'takes either option "login" or option "{other}"')
    if name == "oauth1" and (given.get("token") is None) != (given.get("token_secret") is None):
        raise _misfit(name, 'takes options "token" and "token_secret" together')
    return name


def _misfit(name: str, what: str) -> OptionError:
    scheme = SCHEMES[name]
    takes = ", ".join(scheme.needs) or "none"
    if scheme.takes:
        takes += f"; also {', '.join(scheme.takes)}"
    return OptionError(
        f'auth "{name}" {what}',
        hint=f"Options of {name}: {takes}. Change them with ALTER USER MAPPING.",
    )


@dataclass(frozen=True)
class SignIn:
    """The parsed options of a user mapping, and those of the server that signing in needs.

    :param given: options as the mapping has them: references to secrets are not followed.
    :param values: the same with references replaced by the secrets.
    :param renewals: the renewals of tokens that are under way in this backend.
    :param user: whose mapping it is.
    """

    scheme: str
    given: Mapping[str, str]
    values: Mapping[str, str]
    oauth_url: str
    oauth1_url: str
    transport: Transport
    renewals: Renewals
    user: MappingUser = _UNKNOWN

    @classmethod
    def of(
        cls,
        values: Mapping[str, Any],
        user: MappingUser = _UNKNOWN,
        renewals: Renewals | None = None,
    ) -> SignIn:
        """From all parsed options of server and user mapping.

        :param renewals: those of the backend, which waits for them before it ends. If left out, a
            new object is made that nothing waits for.

        Raises :class:`OptionError` if the options do not go together, or refer to a secret that
        does not exist or that this user may not use. Raises :class:`NoUserMapping` if there is no
        user mapping.
        """
        scheme = check(values)
        if scheme == "none" and not values.get("auth"):
            raise _no_mapping(user)
        wanted = (*SCHEMES[scheme].needs, *SCHEMES[scheme].takes)
        given = {name: values[name] for name in wanted if values.get(name) is not None}
        return cls(
            scheme,
            given,
            {
                name: secret_references.referred(name, value, user, values["shared_secrets"] or ())
                for name, value in given.items()
            },
            values["oauth_url"],
            values["oauth1_url"],
            transport(values),
            renewals or Renewals(Notes()),
            user,
        )

    def credential(self) -> Credential:
        """The credential that the options describe. No request is made for it yet."""
        made = _CREDENTIALS[self.scheme](self)
        hidden = (value for name, value in self.values.items() if options.is_secret(name))
        return replace(
            made,
            scheme=self.scheme,
            fixed=(*made.fixed, *hidden),
            label=self.label(),
            advice=SCHEMES[self.scheme].advice,
            identity=made.identity or self._entry(self.scheme, *self._parts()),
        )

    def label(self) -> str:
        """The user mapping's name in an error, without secrets; empty if it has no credential."""
        if self.scheme == "none":
            return ""
        shows = SCHEMES[self.scheme].shows
        whose = f', {shows} "{self.given[shows]}"' if shows else ""
        return f'auth "{self.scheme}"{whose}'

    # --- OAuth ---

    def oauth2(self) -> OAuth2:
        """The mapping's client at the authorization server."""
        from ..api.oauth2 import OAuth2

        return OAuth2(
            self.oauth_url, self.values["client_id"], self.values["client_secret"], self.transport
        )

    def oauth1(self) -> OAuth1:
        """The mapping's consumer."""
        from ..api.oauth1 import OAuth1

        return OAuth1(
            self.oauth1_url,
            self.values["consumer_key"],
            self.values["consumer_secret"],
            self.transport,
        )

    def login_entry(self, login: str) -> str:
        """The name of a login's entry in the token store.

        It is a digest that contains the client's or consumer's secrets, so that only mappings with
        the same secrets find the entry.
        """
        needs = SCHEMES[self.scheme].needs
        return self._entry("login", *(self.values[name] for name in needs), login)

    def _parts(self) -> list[str]:
        return [part for name in sorted(self.values) for part in (name, self.values[name])]

    def _entry(self, *parts: str) -> str:
        url = self.oauth1_url if self.scheme == "oauth1" else self.oauth_url
        return digest(url, *parts)[:40]

    def client_tokens(self) -> RenewedBearer:
        """Tokens of the client itself. All user mappings with the same client share them."""
        oauth2 = self.oauth2()
        entry = self._entry(self.scheme, *self._parts())
        return self._renewed(entry, lambda _: oauth2.from_client())

    def person_tokens(self) -> RenewedBearer:
        """Tokens of the person who logged in. Each is obtained with the refresh token before it.

        The option ``refresh_token`` is used for the first renewal only. It is also part of the
        entry's name, so that a mapping with another ``refresh_token`` begins anew.
        """
        oauth2 = self.oauth2()
        login, first = self.values.get("login"), self.values.get("refresh_token")
        entry = self.login_entry(login or first or "")

        def obtain(kept: Token | None) -> Token:
            refresh_token = (kept.refresh_token if kept else None) or first
            if refresh_token is None:
                raise _no_login(login is not None)
            return oauth2.from_refresh_token(refresh_token)

        return self._renewed(entry, obtain)

    def _renewed(self, entry: str, obtain: Callable[[Token | None], Token]) -> RenewedBearer:
        def named(kept: Token | None) -> Token:
            try:
                return obtain(kept)
            except SignInError as error:
                said = (f"The user mapping has {self.label()}.", error.detail)
                error.detail = " ".join(filter(None, said))
                raise

        return RenewedBearer(TokenStore.default(), entry, named, self.renewals)


def transport(values: Mapping[str, Any]) -> Transport:
    """How requests leave this machine, from parsed server options."""
    return Transport(values["timeout"], values["ca_bundle"], values["proxy"])


def _no_mapping(user: MappingUser) -> NoUserMapping:
    """The error for a role without a user mapping.

    It is an error because a request without a credential would succeed, with fewer rows.
    """
    who = f' for "{user.role}"' if user.role else ""
    if user.mapped:
        message = f"the user mapping{who} does not say how to sign in"
        example = (
            "ALTER USER MAPPING FOR CURRENT_USER SERVER … OPTIONS (ADD email '…', ADD token '…')"
        )
    else:
        message = f"user mapping not found{who}"
        example = "CREATE USER MAPPING FOR CURRENT_USER SERVER … OPTIONS (email '…', token '…')"
    return NoUserMapping(
        message, hint=f"{example}; with auth 'none' instead it reads what is public."
    )


def _no_login(named: bool) -> SignInError:
    why = (
        "the token store does not hold a login that can be renewed"
        if named
        else "nobody has logged in for this user mapping yet"
    )
    return SignInError(
        why,
        hint="Sign in: bitbucket-fdw login SERVER, or bitbucket.oauth_authorization_url() and "
        "bitbucket.oauth_access_token() from a web application.",
    )


def _stored(scheme: str, tokens: RenewedBearer) -> Credential:
    return Credential(scheme, tokens, tokens=tokens)


def _oauth1(sign_in: SignIn) -> Credential:
    from ..api.oauth1 import StoredSignature, signature

    values = sign_in.values
    consumer = values["consumer_key"], values["consumer_secret"]
    if "login" in values:
        entry = sign_in.login_entry(values["login"])
        stored = StoredSignature(*consumer, TokenStore.default(), entry)
        return Credential("oauth1", stored, tokens=stored)
    signed = signature(*consumer, values.get("token"), values.get("token_secret"))
    return Credential("oauth1", signed)


_CREDENTIALS: dict[str, Callable[[SignIn], Credential]] = {
    "none": lambda _: Credential.none(),
    "api_token": lambda s: Credential.basic("api_token", s.values["email"], s.values["token"]),
    "access_token": lambda s: Credential.bearer("access_token", s.values["token"]),
    "basic": lambda s: Credential.basic("basic", s.values["username"], s.values["password"]),
    "oauth2_client": lambda s: _stored("oauth2_client", s.client_tokens()),
    "oauth2_code": lambda s: _stored("oauth2_code", s.person_tokens()),
    "oauth2_token": lambda s: Credential.bearer("oauth2_token", s.values["token"]),
    "oauth1": _oauth1,
}
