"""Every option there is: one table feeds validation, error messages and the documentation.

The host hands a wrapper the options of foreign table, server and user mapping as one dictionary,
so that no name may stand for two things. ``wrapper`` belongs to the host and is taken out by it.
"""

from __future__ import annotations

import difflib
import ipaddress
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from .api.credentials import Credential
from .errors import OptionError

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


def _boolean(value: str) -> bool:
    known = {"true": True, "on": True, "yes": True, "1": True}
    known |= {"false": False, "off": False, "no": False, "0": False}
    if value.lower() not in known:
        raise ValueError("must be true or false")
    return known[value.lower()]


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
        "max_requests",
        SERVER,
        _whole(1, 1_000_000),
        "Requests that one scan of one table may take",
        "1000",
    ),
    Option("concurrency", SERVER, _whole(1, 64), "Requests under way at a time", "8"),
    Option("table", TABLE, _text, "The Bitbucket table it shows, such as pull_requests"),
    Option("workspace", TABLE, _text, "Slug of the one workspace it is bound to"),
    Option("repository", TABLE, _text, "Slug of the one repository it is bound to"),
    Option(
        "column_name", COLUMN, _text, "The Bitbucket column it shows, if its own name is another"
    ),
    Option(
        "auth",
        MAPPING,
        _one_of("none", "api_token", "access_token"),
        "How to sign in; may be left out where the other options make it plain",
    ),
    Option("email", MAPPING, _text, "E-mail address of the Atlassian account (API token)"),
    Option("token", MAPPING, _text, "API token, or access token", secret=True),
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
        if option is None or option.level != where:
            raise _misplaced(name, where, option)
        _parse(option, value)


def parse(options: Mapping[str, str], *levels: str) -> dict[str, Any]:
    """All options of some levels, read, with defaults; :class:`OptionError` on a fault."""
    for name in options:
        option = _BY_NAME.get(name)
        if option is None or option.level not in levels:
            raise _misplaced(name, " or ".join(levels), option)
    return {
        option.name: _parse(option, options.get(option.name, option.default))
        for option in OPTIONS
        if option.level in levels
    }


def credential(values: Mapping[str, Any]) -> Credential:
    """The credential that a user mapping's options describe; none without options."""
    email, token = values.get("email"), values.get("token")
    scheme = values.get("auth")
    if scheme is None:
        scheme = "api_token" if email else "access_token" if token else "none"
    wants = {"none": (), "api_token": ("email", "token"), "access_token": ("token",)}[scheme]
    given = {"email": email, "token": token}
    for name, value in given.items():
        if (value is None) == (name in wants):
            wrong = "needs" if value is None else "takes no"
            raise OptionError(
                f'auth "{scheme}" {wrong} option "{name}"',
                hint=f"Options of {scheme}: {', '.join(wants) or 'none'}. Change them with ALTER "
                "USER MAPPING.",
            )
    if scheme == "api_token":
        return Credential.basic(scheme, str(email), str(token))
    if scheme == "access_token":
        return Credential.bearer(scheme, str(token))
    return Credential.none()


def _parse(option: Option, value: str | None) -> Any:
    if value is None:
        return None
    try:
        return option.parse(value)
    except ValueError as error:
        shown = "" if option.secret else f' "{value}"'
        raise OptionError(
            f'invalid value{shown} for option "{option.name}": it {error}', hint=option.help + "."
        ) from None


def _misplaced(name: str, where: str, option: Option | None) -> OptionError:
    valid = [o.name for o in OPTIONS if o.level in where]
    hint = f"Valid options here are: {', '.join(valid)}." if valid else None
    if option is not None:
        return OptionError(
            f'option "{name}" belongs to the {option.level}, not to the {where}', hint=hint
        )
    close = difflib.get_close_matches(name, valid, 1)
    if close:
        hint = f'Perhaps you meant "{close[0]}". {hint}'
    return OptionError(f'unknown option "{name}" for the {where}', hint=hint)
