"""How option values are written that refer to a secret instead of containing it.

``file:NAME`` and ``env:NAME`` are shared secrets, ``file:ROLE/NAME`` is a secret of one role. The
module :mod:`bitbucket_fdw.sign_in.secret_references` reads the secrets themselves.
"""

from __future__ import annotations

import re

FILE = "file:"
ENV = "env:"
# A name has no slash and no leading dot, so that it cannot lead out of the directory or to hidden
# files. Names of roles may contain almost anything.
_FILE_NAME = re.compile(r"(?:(?P<role>[^/.\0][^/\0]*)/)?[A-Za-z0-9_][A-Za-z0-9._-]*")
_ENV_NAME = re.compile(r"BITBUCKET_[A-Za-z0-9_]+")


def is_reference(value: str) -> bool:
    """Whether an option value names a secret instead of being one."""
    return value.startswith((FILE, ENV))


def check_reference(value: str) -> None:
    """:class:`ValueError`, worded to follow "it", if a reference is malformed."""
    if value.startswith(FILE) and not _FILE_NAME.fullmatch(value.removeprefix(FILE)):
        raise ValueError(f"must be a plain file name, or a role's and a file's, after {FILE}")
    if value.startswith(ENV) and not _ENV_NAME.fullmatch(value.removeprefix(ENV)):
        raise ValueError(f"must be a name that starts with BITBUCKET_ after {ENV}")


def is_shared(value: str) -> bool:
    """Whether a value is a well-formed reference to a secret that belongs to no role."""
    if not is_reference(value):
        return False
    try:
        check_reference(value)
    except ValueError:
        return False
    return role_of(value) is None


def role_of(value: str) -> str | None:
    """The role that a well-formed reference is for; ``None`` for a shared one."""
    found = _FILE_NAME.fullmatch(value.removeprefix(FILE)) if value.startswith(FILE) else None
    return found["role"] if found else None
