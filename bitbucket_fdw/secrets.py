"""Option values that name a secret instead of holding it: ``file:NAME`` and ``env:NAME``.

A user mapping's options stand in PostgreSQL's catalog and in its dumps. A reference keeps the
secret itself outside: in a file of the one directory that the server's environment variable
``BITBUCKET_FDW_SECRETS`` names (Docker and Kubernetes mount secrets so), or in a variable of the
server's environment whose name starts with ``BITBUCKET_``. Nothing else can be reached, and only
secret options refer: whoever may create a user mapping must not be able to read files or variables
of the server with it, in an error that shows an e-mail address, or an address with a client's id.

Nor may everybody use every secret. ``file:ROLE/NAME`` is for mappings of that role. The others are
shared, and the server's owner says by whom: in the mapping for ``PUBLIC``, which only the owner can
make, or for everybody's own mapping by the server option ``shared_secrets``.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Container
from pathlib import Path

from .errors import OptionError, SecretDenied
from .mapping_user import MappingUser

DIRECTORY = "BITBUCKET_FDW_SECRETS"
_FILE = "file:"
_ENV = "env:"
# No slash and no leading dot: a name cannot leave the directory or reach its hidden entries. Roles
# have names of all kinds.
_FILE_NAME = re.compile(r"(?:(?P<role>[^/.\0][^/\0]*)/)?[A-Za-z0-9_][A-Za-z0-9._-]*")
_ENV_NAME = re.compile(r"BITBUCKET_[A-Za-z0-9_]+")
_LARGEST = 65536  # bytes; a token has a few hundred


def is_reference(value: str) -> bool:
    """Whether an option value names a secret instead of being one."""
    return value.startswith((_FILE, _ENV))


def check(value: str) -> None:
    """:class:`ValueError`, worded to follow "it", if a reference is malformed."""
    if value.startswith(_FILE) and not _FILE_NAME.fullmatch(value.removeprefix(_FILE)):
        raise ValueError(f"must be a plain file name, or a role's and a file's, after {_FILE}")
    if value.startswith(_ENV) and not _ENV_NAME.fullmatch(value.removeprefix(_ENV)):
        raise ValueError(f"must be a name that starts with BITBUCKET_ after {_ENV}")


def is_shared(value: str) -> bool:
    """Whether a value is a well-formed reference to a secret that belongs to no role."""
    if not is_reference(value):
        return False
    try:
        check(value)
    except ValueError:
        return False
    return _role(value) is None


def resolve(option: str, value: str, user: MappingUser, shared: Container[str] = ()) -> str:
    """What a reference stands for, read now; any other value as it is.

    :param shared: references that the server's owner lets every mapping use.

    :class:`OptionError` says what is missing, :class:`SecretDenied` that the mapping may not refer
    to it. They repeat the reference, never what it stands for; whether a secret is there is told to
    nobody who may not use it.
    """
    if not is_reference(value):
        return value
    try:
        check(value)
        _admit(option, value, user, shared)
        text = _read(value) if value.startswith(_FILE) else _variable(value)
        if not text:
            raise ValueError("is empty")
    except ValueError as error:
        raise OptionError(
            f'option "{option}" refers to {value}, but it {error}',
            hint=f"file:NAME is a file of the directory that {DIRECTORY} names in the environment "
            "of the PostgreSQL server, env:NAME a variable of it that starts with BITBUCKET_.",
        ) from None
    return text


def _role(value: str) -> str | None:
    """The role that a well-formed reference is for; ``None`` for a shared one."""
    found = _FILE_NAME.fullmatch(value.removeprefix(_FILE)) if value.startswith(_FILE) else None
    return found["role"] if found else None


def _admit(option: str, value: str, user: MappingUser, shared: Container[str]) -> None:
    role = _role(value)
    if role == user.role if role is not None else user.trusted or value in shared:
        return
    raise SecretDenied(
        f'option "{option}" refers to {value}, which this user mapping may not use',
        hint="A mapping may use file:ROLE/NAME of its own role. Secrets without a role are for the "
        "mapping for PUBLIC and for those of the server's owner; the owner can open one to all "
        "mappings by the server option shared_secrets.",
    )


def _variable(value: str) -> str:
    name = value.removeprefix(_ENV)
    if name not in os.environ:
        raise ValueError("is not in the server's environment")
    return os.environ[name]


def _read(value: str) -> str:
    directory = os.environ.get(DIRECTORY)
    if not directory:
        raise ValueError(f"cannot be looked for: {DIRECTORY} is not in the server's environment")
    root = Path(directory).resolve()
    # Kubernetes mounts secrets as links within the directory; a link out of it is not followed.
    path = (root / value.removeprefix(_FILE)).resolve()
    if not path.is_relative_to(root):
        raise ValueError("is a link that leads out of the directory")
    try:
        # O_NONBLOCK: opening a FIFO must not hang the backend.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("is not a regular file")
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror}") from None
    if len(content) > _LARGEST:
        raise ValueError(f"is larger than {_LARGEST} bytes")
    try:
        return content.decode().rstrip("\r\n")  # editors and echo end a file with a line break
    except UnicodeDecodeError:
        raise ValueError("is not UTF-8 text") from None
