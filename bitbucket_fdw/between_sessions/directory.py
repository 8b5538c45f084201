"""The directories for what backends share, which nobody else may read or write."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def named_or_default(variable: str, name: str) -> Path | None:
    """The directory that an environment variable names, else ``bitbucket_fdw/NAME`` below the data
    directory, which is a backend's working directory; ``None`` outside of a backend.
    """
    named = os.environ.get(variable)
    if named:
        return Path(named)
    here = Path.cwd()
    return here / "bitbucket_fdw" / name if (here / "PG_VERSION").exists() else None


def make_private(directory: Path) -> bool:
    """Make the directory if there is none, and return whether it belongs to this user alone.

    Somebody else who could write to it could forge answers of Bitbucket, and somebody who could
    read it would get tokens. Raises :class:`OSError` if the directory cannot be made or looked at.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    return is_private(directory)


def is_private(directory: Path) -> bool:
    """Whether a directory belongs to this user alone. Raises :class:`OSError` if there is none."""
    status = directory.stat()
    return status.st_uid == os.geteuid() and not stat.S_IMODE(status.st_mode) & 0o077
