"""Option values that name a secret instead of holding it: ``file:NAME`` and ``env:NAME``.

The options of a user mapping are stored in PostgreSQL's catalog and in its dumps. A reference keeps
the secret itself out of them. ``file:NAME`` is a file in the one directory that the environment
variable ``BITBUCKET_FDW_SECRETS`` of the server names (Docker and Kubernetes mount secrets like
that). ``env:NAME`` is a variable of the server's environment whose name starts with ``BITBUCKET_``.
Other files and variables cannot be reached, and only secret options may be references. The reason
is that some options are shown, such as an e-mail address in an error or a client's id in an
address. Whoever may create a user mapping could otherwise read files or variables of the server.

Not everybody may use every secret. ``file:ROLE/NAME`` is for mappings of that role. All other
secrets are shared, and the server's owner decides who may use them: the mapping for ``PUBLIC``,
which only the owner can make, may use all of them, and other mappings may use those that the server
option ``shared_secrets`` lists.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Container
from pathlib import Path
from typing import Any

from .. import options
from ..errors import OptionError, SecretDenied
from ..options.references import ENV, FILE, check_reference, is_reference, role_of
from .mapping_user import MappingUser

DIRECTORY = "BITBUCKET_FDW_SECRETS"
_LARGEST = 65536  # bytes; a token has a few hundred


def referred(name: str, value: str, user: MappingUser, shared: Container[str] = ()) -> Any:
    """The value of a user mapping's option, with a reference to a secret replaced by the secret.

    This is done for secret options only. Other values are shown in errors and addresses. Raises
    :class:`OptionError` if there is no such secret, if the mapping may not use it, or if the
    secret is not a valid value of the option.

    :param shared: value of the server option ``shared_secrets``.
    """
    if not options.is_secret(name):
        return options.parse_one(name, value)
    return options.parse_one(name, resolve(name, value, user, shared), followed=True)


def resolve(option: str, value: str, user: MappingUser, shared: Container[str] = ()) -> str:
    """The secret that a reference names, read now. A value that is no reference is returned as is.

    :param shared: references that the server's owner lets every mapping use.

    Raises :class:`OptionError` if the secret cannot be read, :class:`SecretDenied` if the mapping
    may not use it. Both messages contain the reference and never the secret. The permission is
    checked first, so that nobody learns whether a secret exists that he may not use.
    """
    if not is_reference(value):
        return value
    try:
        check_reference(value)
        _admit(option, value, user, shared)
        text = _read(value) if value.startswith(FILE) else _variable(value)
        if not text:
            raise ValueError("is empty")
    except ValueError as error:
        raise OptionError(
            f'option "{option}" refers to {value}, but it {error}',
            hint=f"file:NAME is a file of the directory that {DIRECTORY} names in the environment "
            "of the PostgreSQL server, env:NAME a variable of it that starts with BITBUCKET_.",
        ) from None
    return text


def _admit(option: str, value: str, user: MappingUser, shared: Container[str]) -> None:
    role = role_of(value)
    if role == user.role if role is not None else user.trusted or value in shared:
        return
    raise SecretDenied(
        f'option "{option}" refers to {value}, which this user mapping may not use',
        hint="A mapping may use file:ROLE/NAME of its own role. Secrets without a role are for the "
        "mapping for PUBLIC and for those of the server's owner; the owner can open one to all "
        "mappings by the server option shared_secrets.",
    )


def _variable(value: str) -> str:
    name = value.removeprefix(ENV)
    if name not in os.environ:
        raise ValueError("is not in the server's environment")
    return os.environ[name]


def _read(value: str) -> str:
    directory = os.environ.get(DIRECTORY)
    if not directory:
        raise ValueError(f"cannot be looked for: {DIRECTORY} is not in the server's environment")
    root = Path(directory).resolve()
    # Kubernetes mounts secrets as symbolic links within the directory. A link that leads out of the
    # directory is refused.
    path = (root / value.removeprefix(FILE)).resolve()
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
