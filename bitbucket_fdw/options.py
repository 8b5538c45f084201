"""Every option there is: one table feeds validation, error messages and the documentation.

The host hands a wrapper the options of foreign table, server and user mapping as one dictionary,
so that no name may stand for two things. ``wrapper`` belongs to the host and is taken out by it.
The bundled host hands them over apart as well, and then each level is checked by itself whenever
they are used: a table's ``base_url`` would have the credentials of others sent elsewhere.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from . import secrets
from .errors import OptionError
from .mapping_user import MappingUser

# Stands for a user mapping's value where only the option's name and place are to be checked.
UNSEEN = "(a value that is not looked at)"

SERVER = "server"
TABLE = "foreign table"
MAPPING = "user mapping"
COLUMN = "column"
IMPORT = "IMPORT FOREIGN SCHEMA"

# Names of the levels as hosts and SQL commands spell them.
LEVELS = {
    "server": SERVER,
    "table": TABLE,
    "foreign_table": TABLE,
    "user_mapping": MAPPING,
    "column": COLUMN,
    "attribute": COLUMN,
    "import": IMPORT,
}


def _text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def _slug(value: str) -> str:
    """What stands in addresses: a dot segment or a slash would lead to another one."""
    if not value.strip() or value in (".", "..") or "/" in value:
        raise ValueError("must be a slug: not empty, no dot segment, and without a slash")
    return value


def _false(value: str) -> bool:
    # The host hands over one set of options, in which a server's true would win over a table's
    # false, so that true has to be the absence of the option.
    if value.lower() not in ("false", "off", "no", "0"):
        raise ValueError("must be false; leave it out to allow changes")
    return False


def _whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def _seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("must be a number of seconds above 0, up to 3600")
    return seconds


def _one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of: {', '.join(choices)}")
        return value

    return parse


def _secret(value: str) -> str:
    """What goes into a header: a stray space or line break would end up in an error instead."""
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be printable ASCII without spaces")
    return value


def _password(value: str) -> str:
    if not value or not value.isprintable():
        raise ValueError("must be printable characters")
    return value


def _username(value: str) -> str:
    if ":" in value:  # HTTP Basic parts name and password at the first colon
        raise ValueError("must not hold a colon")
    return _password(value)


def _email(value: str) -> str:
    # With the user name, which app passwords went with, Bitbucket would just say 401.
    if "@" not in value:
        raise ValueError("must be an e-mail address, not the user name")
    return _username(value)


def _references(value: str) -> frozenset[str]:
    listed = frozenset(value.replace(",", " ").split())
    if not listed or not all(secrets.is_shared(reference) for reference in listed):
        raise ValueError("must be references like file:NAME and env:NAME, with commas in between")
    return listed


def _absolute_path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("must be an absolute path")
    return value


def _proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("must be an address without user and password: everybody can read it")
    return value


def _base_url(value: str) -> str:
    """``https``, or ``http`` to this machine: a credential must not cross a network in clear."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that starts with https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be an address without user, query or fragment")
    if parts.scheme == "http" and not _loopback(parts.hostname):
        raise ValueError("must start with https:// (http:// is for loopback addresses only)")
    return value.rstrip("/")


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@dataclass(frozen=True, slots=True)
class Option:
    """One option: its name, where it may stand, how it is read, and what it is for."""

    name: str
    level: str
    parse: Callable[[str], Any]
    help: str
    default: str | None = None
    secret: bool = False
    also: str | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels it may stand at."""
        return (self.level, self.also) if self.also else (self.level,)


OPTIONS: tuple[Option, ...] = (
    Option(
        "base_url",
        SERVER,
        _base_url,
        "Address of the API; http:// is refused except for loopback addresses",
        "https://api.bitbucket.org/2.0",
    ),
    Option(
        "timeout",
        SERVER,
        _seconds,
        "Seconds to wait for a connection, and for each part of an answer",
        "30",
    ),
    Option("retry_limit", SERVER, _whole(0, 20), "How often a request is repeated", "5"),
    Option(
        "on_rate_limit",
        SERVER,
        _one_of("error", "wait"),
        "What to do when the hourly limit of requests is used up and Bitbucket does not say for "
        "how long: give up after a short pause, or wait, up to an hour",
        "error",
    ),
    Option(
        "max_requests",
        SERVER,
        _whole(1, 1_000_000),
        "Requests that one scan of one table may take",
        "1000",
    ),
    Option(
        "max_answer_size",
        SERVER,
        _whole(1, 1024),
        "Size of one answer, MiB once it is decoded",
        "16",
    ),
    Option(
        "max_answer_time",
        SERVER,
        _seconds,
        "Seconds from a request to the end of its answer, however steadily it comes",
        "120",
    ),
    Option("concurrency", SERVER, _whole(1, 64), "Requests under way at a time", "8"),
    Option(
        "cache_ttl",
        SERVER,
        _whole(0, 86_400),
        "Seconds that answers are kept, on disk and for all sessions; 0 for not at all",
        "0",
    ),
    Option(
        "ca_bundle",
        SERVER,
        _absolute_path,
        "PEM file of the certificate authorities to trust instead of the built-in ones, such as "
        "/etc/ssl/certs/ca-certificates.crt",
    ),
    Option("proxy", SERVER, _proxy, "Address of an HTTP proxy for https"),
    Option(
        "oauth_url",
        SERVER,
        _base_url,
        "Address of OAuth 2's authorize and access_token",
        "https://bitbucket.org/site/oauth2",
    ),
    Option(
        "oauth1_url",
        SERVER,
        _base_url,
        "Address of OAuth 1's request_token, authenticate and access_token",
        "https://bitbucket.org/api/1.0/oauth",
    ),
    Option(
        "shared_secrets",
        SERVER,
        _references,
        "Secrets of the server that every user mapping may refer to, whoever wrote it",
    ),
    Option(
        "updatable",
        SERVER,
        _false,
        "Forbids INSERT, UPDATE and DELETE; on a server, for all of its tables",
        also=TABLE,
    ),
    Option(
        "write_mode",
        SERVER,
        _one_of("immediate", "commit"),
        "When changes are sent: as the statement makes them, or all at COMMIT",
        "immediate",
    ),
    Option(
        "on_rollback",
        SERVER,
        _one_of("warn", "undo"),
        "What a rollback does about changes that were sent: tell them, or take them back as far "
        "as Bitbucket can",
        "warn",
    ),
    Option(
        "on_denied",
        SERVER,
        _one_of("skip", "error"),
        "What a table that spans repositories does about one that is there and refuses (403, 404): "
        "leave it out with a warning, or fail; one that is not there, or not visible, has no rows "
        "either way; a server's wins over a table's",
        "skip",
        also=TABLE,
    ),
    Option(
        "drafts",
        SERVER,
        _one_of("shown"),
        "Shows comments and tasks that are not published yet, the credential owner's own; without "
        "it they are left out",
        also=TABLE,
    ),
    Option(
        "task_timeout",
        SERVER,
        _seconds,
        "Seconds to wait for what Bitbucket finishes later, such as a merge",
        "300",
    ),
    Option("table", TABLE, _text, "The Bitbucket table it shows, such as pull_requests"),
    Option(
        "service",
        TABLE,
        _text,
        "Instead of table: what the functions of schema bitbucket make temporary tables for",
    ),
    Option("workspace", TABLE, _slug, "Slug of the one workspace it is bound to"),
    Option("repository", TABLE, _slug, "Slug of the one repository it is bound to"),
    Option(
        "column_name", COLUMN, _text, "The Bitbucket column it shows, if its own name is another"
    ),
    Option(
        "auth",
        MAPPING,
        _one_of(
            "none",
            "api_token",
            "access_token",
            "basic",
            "oauth2_client",
            "oauth2_code",
            "oauth2_token",
            "oauth1",
        ),
        "How to sign in; may be left out where the other options make it plain",
    ),
    Option("email", MAPPING, _email, "E-mail address of the Atlassian account (api_token)"),
    Option(
        "token",
        MAPPING,
        _secret,
        "API token, access token, or token of OAuth 1",
        secret=True,
    ),
    Option("token_secret", MAPPING, _secret, "Secret of the OAuth 1 token", secret=True),
    Option("username", MAPPING, _username, "User name (basic)"),
    Option("password", MAPPING, _password, "Password (basic)", secret=True),
    Option("client_id", MAPPING, _secret, "Key of the OAuth consumer (OAuth 2)"),
    Option(
        "client_secret", MAPPING, _secret, "Secret of the OAuth consumer (OAuth 2)", secret=True
    ),
    Option(
        "refresh_token",
        MAPPING,
        _secret,
        "Refresh token obtained elsewhere (oauth2_code); only used until it is renewed",
        secret=True,
    ),
    Option("consumer_key", MAPPING, _secret, "Key of the OAuth consumer (OAuth 1)"),
    Option(
        "consumer_secret", MAPPING, _secret, "Secret of the OAuth consumer (OAuth 1)", secret=True
    ),
    Option(
        "login",
        MAPPING,
        _secret,
        "Name of a login's tokens in the server's token store; a login sets it",
        secret=True,
    ),
    Option(
        "names",
        IMPORT,
        _one_of("snake", "flat"),
        "Names with underscores, or without, as CData's driver has them",
        "snake",
    ),
    Option(
        "issues",
        IMPORT,
        _one_of("auto", "always", "never"),
        "Whether to import the issue tables: if there is a tracker, always, or never",
        "auto",
    ),
)

_BY_NAME = {option.name: option for option in OPTIONS}


def validate(options: Mapping[str, str], level: str) -> None:
    """Check the options of one object; :class:`OptionError` on the first fault.

    :param level: as in :data:`LEVELS`.
    """
    where = LEVELS.get(level, level)
    for name, value in options.items():
        if name == "wrapper" and where == SERVER:
            continue
        option = _BY_NAME.get(name)
        if option is None or where not in option.levels:
            raise _misplaced(name, where, option)
        _parse(option, value)


def parse(options: Mapping[str, str], *levels: str) -> dict[str, Any]:
    """All options of some levels, read, with defaults; :class:`OptionError` on a fault.

    Where the host has them apart, each has to stand at a level of its own.
    """
    apart = getattr(options, "levels", None)
    if apart is not None:
        validate(apart.table, "table")
        validate(apart.user_mapping or {}, "user_mapping")
        validate(apart.server, "server")
    for name in options:
        option = _BY_NAME.get(name)
        if option is None or not set(option.levels) & set(levels):
            raise _misplaced(name, _alternatives(levels), option)
    return {
        option.name: _parse(option, options.get(option.name, option.default))
        for option in OPTIONS
        if set(option.levels) & set(levels)
    }


def read(name: str, value: str) -> Any:
    """One option's value; :class:`ValueError` says what it must be."""
    return _BY_NAME[name].parse(value)


def _alternatives(levels: Sequence[str]) -> str:
    *others, last = levels
    return f"{', '.join(others)} or {last}" if others else last


def is_secret(name: str) -> bool:
    """Whether the option's value must never be shown."""
    return _BY_NAME[name].secret


def referred(name: str, value: str, user: MappingUser, shared: Container[str] = ()) -> Any:
    """A user mapping's option value as it is used, a reference to a secret followed.

    Only a secret option's is: other values are shown, in errors and as parts of addresses.
    :class:`OptionError` if there is no such secret, the mapping may not use it, or it is no value
    for the option.

    :param shared: value of the server option ``shared_secrets``.
    """
    option = _BY_NAME[name]
    if not option.secret:
        return _parse(option, value)
    return _parse(option, secrets.resolve(name, value, user, shared), followed=True)


def _parse(option: Option, value: str | None, *, followed: bool = False) -> Any:
    if value is None or value is UNSEEN:
        return value
    try:
        if option.level == MAPPING and not followed and secrets.is_reference(value):
            if not option.secret:
                raise ValueError("must stand here itself: only secret options refer to secrets")
            secrets.check(value)
            return value
        return option.parse(value)
    except ValueError as error:
        # People paste a secret where a name belongs, too: of a user mapping just "auth" is shown.
        hidden = followed or (option.level == MAPPING and option.name != "auth")
        shown = "" if hidden else f' "{value}"'
        raise OptionError(
            f'invalid value{shown} for option "{option.name}": it {error}', hint=option.help + "."
        ) from None


def _misplaced(name: str, where: str, option: Option | None) -> OptionError:
    valid = [o.name for o in OPTIONS if any(level in where for level in o.levels)]
    hint = f"Valid options here are: {', '.join(valid)}." if valid else None
    if option is not None:
        return OptionError(
            f'option "{name}" belongs to the {option.level}, not to the {where}', hint=hint
        )
    close = difflib.get_close_matches(name, valid, 1)
    if close:
        hint = f'Perhaps you meant "{close[0]}". {hint}'
    return OptionError(f'unknown option "{name}" for the {where}', hint=hint)
