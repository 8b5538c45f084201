"""Functions that read the value of an option.

Each raises :class:`ValueError` for a wrong value. The error's text begins with "must", because the
message that it becomes part of puts "it" in front.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from .references import is_shared


def text(value: str) -> str:
    if not value.strip():
        raise ValueError("must not be empty")
    return value


def slug(value: str) -> str:
    """A part of an address. A dot segment or a slash would lead to another address.

    Nor has it a space: what has one is the name that a workspace or a repository is shown by.
    """
    if value in ("", ".", "..") or re.search(r"[/\s]", value):
        raise ValueError(
            "must be a slug: not empty, no dot segment, and without slashes and spaces"
            + perhaps(value)
        )
    return value


def key(value: str) -> str:
    """The key of a project, which is a part of an address as well."""
    if value in ("", ".", "..") or re.search(r"[/\s]", value):
        raise ValueError("must be a key: not empty, and without slashes and spaces")
    return value


_PAGE = re.compile(r"(?:https?://)?(?:[\w-]+\.)?bitbucket\.org/(.*)", re.IGNORECASE)
_BETWEEN_WORDS = re.compile(r"[^a-z0-9_]+")


def slugs_of_page(value: str) -> list[str]:
    """The slugs of workspace and repository in a page's address; empty for anything else."""
    page = _PAGE.fullmatch(value.strip())
    parts = [part for part in re.split(r"[?#]", page[1])[0].split("/") if part] if page else []
    # Pages of a workspace itself are below /acme/workspace or /workspaces/acme.
    return [part for part in parts if part not in ("workspace", "workspaces")][:2]


def perhaps(value: str) -> str:
    """What to write in place of an address or a name, as the end of a sentence.

    Bitbucket proposes as a slug the name in lower case, with hyphens between its words.
    """
    of_page = slugs_of_page(value)
    meant = " and ".join(f'"{slug}"' for slug in of_page)
    if len(of_page) == 2:
        return f"; the slugs in this address are {meant}"
    if of_page:
        return f"; the slug in this address is {meant}"
    made = _BETWEEN_WORDS.sub("-", value.lower()).strip("-")
    return f'; perhaps "{made}", as in the address of its page' if made and "/" not in value else ""


def false(value: str) -> bool:
    # Multicorn2 hands over one set of options, in which a server's "true" would win over a table's
    # "false". So there is no "true": changes are allowed where the option is absent.
    if value.lower() not in ("false", "off", "no", "0"):
        raise ValueError("must be false; leave it out to allow changes")
    return False


def boolean(value: str) -> bool:
    if value.lower() in ("true", "on", "yes", "1"):
        return True
    if value.lower() in ("false", "off", "no", "0"):
        return False
    raise ValueError("must be true or false")


def whole(low: int, high: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        if not value.isascii() or not value.isdigit() or not low <= int(value) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(value)

    return parse


def seconds(value: str) -> float:
    try:
        seconds = float(value)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= 3600:
        raise ValueError("must be a number of seconds above 0, up to 3600")
    return seconds


def one_of(*choices: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if value not in choices:
            lower = ", in lower case" if value.lower() in choices else ""
            raise ValueError(f"must be one of: {', '.join(choices)}{lower}")
        return value

    return parse


def words(value: str) -> tuple[str, ...]:
    """``code,pipelines``, or the same as SQL writes an array: ``{code,pipelines}``."""
    inner = value.strip()
    if inner.startswith("{") and inner.endswith("}"):
        inner = inner[1:-1]
    listed = tuple(dict.fromkeys(inner.replace(",", " ").split()))
    if not listed:
        raise ValueError("must be words with commas in between")
    return listed


def secret(value: str) -> str:
    """A value that goes into a header, where a stray space or line break would be an error."""
    if not value or not value.isascii() or not value.isprintable() or " " in value:
        raise ValueError("must be printable ASCII without spaces")
    return value


def password(value: str) -> str:
    if not value or not value.isprintable():
        raise ValueError("must be printable characters")
    return value


def username(value: str) -> str:
    if ":" in value:  # HTTP Basic parts name and password at the first colon
        raise ValueError("must not hold a colon")
    return password(value)


def email(value: str) -> str:
    # People put the user name here, as app passwords wanted it. Bitbucket would only say 401.
    if "@" not in value:
        raise ValueError("must be an e-mail address, not the user name")
    return username(value)


def references(value: str) -> frozenset[str]:
    listed = frozenset(value.replace(",", " ").split())
    if not listed or not all(is_shared(reference) for reference in listed):
        raise ValueError("must be references like file:NAME and env:NAME, with commas in between")
    return listed


def absolute_path(value: str) -> str:
    if not value.startswith("/"):
        raise ValueError("must be an absolute path")
    return value


def proxy(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that starts with http:// or https://")
    if parts.username or parts.password:
        raise ValueError("must be an address without user and password: everybody can read it")
    return value


def base_url(value: str) -> str:
    """``https``, or ``http`` to this machine. A credential must not cross a network in clear."""
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an address that starts with https://")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("must be an address without user, query or fragment")
    if parts.scheme == "http" and not loopback(parts.hostname):
        raise ValueError("must start with https:// (http:// is for loopback addresses only)")
    return value.rstrip("/")


def loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
