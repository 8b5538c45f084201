"""Option values that name a secret instead of holding it: ``file:NAME`` and ``env:NAME``.

A user mapping's options stand in PostgreSQL's catalog and in its dumps. A reference keeps the
secret itself outside: in a file of the one directory that the server's environment variable
``BITBUCKET_FDW_SECRETS`` names (Docker and Kubernetes mount secrets so), or in a variable of the
server's environment whose name starts with ``BITBUCKET_``. Nothing else can be reached, and only
secret options refer: whoever may create a user mapping must not be able to read files or variables
of the server with it, in an error that shows an e-mail address, or an address with a client's id.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

from .errors import OptionError

DIRECTORY = "BITBUCKET_FDW_SECRETS"
_FILE = "file:"
_ENV = "env:"
# No slash and no leading dot: a name cannot leave the directory or reach its hidden entries.
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_ENV_NAME = re.compile(r"BITBUCKET_[A-Za-z0-9_]+")
_LARGEST = 65536  # bytes; a token has a few hundred


def is_reference(value: str) -> bool:
    """Whether an option value names a secret instead of being one."""
    return value.startswith((_FILE, _ENV))


def check(value: str) -> None:
    """:class:`ValueError`, worded to follow "it", if a reference is malformed."""
    if value.startswith(_FILE) and not _FILE_NAME.fullmatch(value.removeprefix(_FILE)):
        raise ValueError(f"must be a plain file name after {_FILE}")
    if value.startswith(_ENV) and not _ENV_NAME.fullmatch(value.removeprefix(_ENV)):
        raise ValueError(f"must be a name that starts with BITBUCKET_ after {_ENV}")


def resolve(option: str, value: str) -> str:
    """What a reference stands for, read now; any other value as it is.

    :class:`OptionError` says what is missing. It repeats the reference, never what it stands for.
    """
    if not is_reference(value):
        return value
    try:
        check(value)
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
