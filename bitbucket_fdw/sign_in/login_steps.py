"""The two steps of a login: the page that a person is sent to, and the exchange for tokens.

What the first step made is kept in the token store until the second one. It is found by the
``state``, a text that travels with the person's browser. The second step is refused for an unknown
state, for one that was used before, and for one that is too old. This is the protection against
forged callbacks that RFC 6749, section 10.12, asks for.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..api.credentials import digest
from ..between_sessions.tokens import Token, TokenStore
from ..errors import OptionError, SignInError
from .schemes import SignIn

WITHIN = 900  # seconds from the first step to the second
_LONGEST = 2000  # characters; both are kept until the person comes back
_SHORTEST_STATE = 16  # characters; a state that can be guessed protects from nothing


@dataclass(frozen=True, slots=True)
class Outcome:
    """A login that is in the token store.

    :param auth: value for the user mapping's option ``auth``.
    :param login: value for its option ``login``.
    """

    auth: str
    login: str
    expires_in: float | None
    scopes: str | None


def begin(sign_in: SignIn, callback_url: str, state: str | None) -> str:
    """The address of the page to send a person to, who comes back to ``callback_url``.

    The person's browser comes back with ``state``. If none is given, one is made; it is in the
    address. Raises :class:`OptionError` for invalid parameters, :class:`SignInError` or a
    :class:`RequestError` if Bitbucket refuses.
    """
    _check_callback(callback_url)
    if len(callback_url) > _LONGEST or len(state or "") > _LONGEST:
        raise OptionError(f"callback_url and state may have {_LONGEST} characters each at most")
    state = state or secrets.token_urlsafe(24)
    if len(state) < _SHORTEST_STATE:
        raise OptionError(
            f"state must have at least {_SHORTEST_STATE} characters",
            hint="It must not be guessed: take random ones, or leave it out.",
        )
    store = TokenStore.default()
    aside: dict[str, str] = {"callback_url": callback_url}
    if sign_in.scheme == "oauth1":
        consumer = sign_in.oauth1()
        temporary = consumer.request_token(callback_url, state)
        aside |= {"token": temporary.access_token, "secret": temporary.secret or ""}
        url = consumer.authorization_url(temporary)
    else:
        url = sign_in.oauth2().authorization_url(callback_url, state)
    store.put_aside(_owner(sign_in), _name(sign_in, state), aside)
    return url


def finish(sign_in: SignIn, code: str, callback_url: str, state: str) -> Outcome:
    """Exchange what the person came back with (OAuth 1: the verifier) for tokens, and keep them.

    Raises :class:`SignInError` if no :func:`begin` belongs to the state, or if Bitbucket refuses
    the code.
    """
    store = TokenStore.default()

    def obtain() -> Token:
        aside = store.take(_owner(sign_in), _name(sign_in, state), WITHIN)
        if aside is None or aside.get("callback_url") != callback_url:
            raise SignInError(
                "no login was begun with this state and callback address, or it is over",
                hint="A state holds once, for 15 minutes, for the role, server and client it was "
                "made for. Begin again. If you did not begin a login, somebody else tried to log "
                "you in.",
            )
        if sign_in.scheme == "oauth1":
            temporary = Token(access_token=aside["token"], secret=aside["secret"])
            return sign_in.oauth1().access_token(temporary, code)
        return sign_in.oauth2().from_code(code, callback_url)

    login = secrets.token_hex(16)
    token = sign_in.renewals.keep(store, sign_in.login_entry(login), obtain)
    auth = "oauth1" if sign_in.scheme == "oauth1" else "oauth2_code"
    return Outcome(auth, login, token.expires_in, token.scope)


def _owner(sign_in: SignIn) -> str:
    """The token store's name for the role that begins logins.

    The number of unfinished logins is limited for each role, so that no role can displace those of
    another one.
    """
    return digest("role", sign_in.user.role or "")[:12]


def _name(sign_in: SignIn, state: str) -> str:
    return digest(sign_in.login_entry("begun"), state)[:40]


def _check_callback(callback_url: str) -> None:
    parts = urlsplit(callback_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment:
        raise OptionError(
            f'callback_url "{callback_url}" is not an address to come back to',
            hint="It starts with the callback URL that the OAuth consumer has at Bitbucket, such "
            "as http://localhost:33333/.",
        )
