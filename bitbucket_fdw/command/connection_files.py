"""The files that hold connection settings, and writing them.

A file is replaced as a whole, so that no program reads half of it, and its mode is kept unless a
password comes into it.
"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import tempfile
from pathlib import Path

from . import ini_files

# How unixODBC's odbcinst calls them; the defaults are Debian's.
_SYSTEM_SOURCES = "SYSTEM DATA SOURCES"
_USER_SOURCES = "USER DATA SOURCES"
_DRIVERS = "DRIVERS"


def odbc_ini(*, system: bool) -> Path:
    """The file of the user's data sources (ODBCINI names it), or of everybody's.

    unixODBC does not go by HOME: it takes the user's home from the system's user database.
    """
    if system:
        return _told_by_odbcinst().get(_SYSTEM_SOURCES) or _system_directory() / "odbc.ini"
    named = os.environ.get("ODBCINI")
    if named:
        return Path(named)
    return _told_by_odbcinst().get(_USER_SOURCES) or _home_of_user() / ".odbc.ini"


def odbc_ini_below_home() -> Path | None:
    """The file below HOME, where unixODBC reads another one; None where it is the same."""
    below = Path.home() / ".odbc.ini"
    return None if below == odbc_ini(system=False) else below


def _home_of_user() -> Path:
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except (ImportError, KeyError):  # Windows, or a user who is in no database
        return Path.home()


def odbcinst_ini() -> Path:
    """The file in which drivers are registered."""
    return _told_by_odbcinst().get(_DRIVERS) or _system_directory() / "odbcinst.ini"


def _system_directory() -> Path:
    return Path(os.environ.get("ODBCSYSINI") or "/etc")


def _told_by_odbcinst() -> dict[str, Path]:
    """The files that this machine's unixODBC reads; empty where its command is missing."""
    told = (line.partition(":") for line in _output("odbcinst", "-j").splitlines())
    return {key.rstrip("."): Path(path.strip()) for key, _, path in told if path.strip()}


def _output(*command: str) -> str:
    """What a command of this machine prints; nothing where it is missing or does not answer."""
    try:
        done = subprocess.run(  # noqa: S603 - found like any command
            command, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def service_file(*, system: bool) -> Path | None:
    """The file of the user's libpq services (PGSERVICEFILE), or of everybody's (PGSYSCONFDIR).

    None where this machine's place for everybody's is not known.
    """
    if not system:
        named = os.environ.get("PGSERVICEFILE")
        return Path(named) if named else Path.home() / ".pg_service.conf"
    directory = os.environ.get("PGSYSCONFDIR")
    if not directory:
        directory = _output("pg_config", "--sysconfdir").strip()
    return Path(directory) / "pg_service.conf" if directory else None


def read(path: Path) -> str:
    """The text of a file, empty if it is not there; bytes that are not UTF-8 survive."""
    try:
        return path.read_bytes().decode("utf-8", "surrogateescape")
    except FileNotFoundError:
        return ""


class NoRegularFile(OSError):
    """A device, a pipe or a directory, which cannot be replaced by a file."""


def write_entry(
    path: Path, name: str, lines: list[str], *, secret: bool, exact: bool = False
) -> None:
    """Add or replace an entry; :class:`OSError` if the file cannot be written.

    :param secret: whether a password is among the lines, so that only the owner may read the file.
    :param exact: see :func:`ini_files.with_entry`.
    """
    path = path.resolve()  # of a link, what it leads to is replaced
    if path.exists() and not path.is_file():
        raise NoRegularFile(errno.EINVAL, "not a regular file", str(path))
    text = ini_files.with_entry(read(path), name, lines, exact=exact)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(text.encode("utf-8", "surrogateescape"))
            _like(path, file.fileno(), secret=secret)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink()
        raise


def _like(path: Path, descriptor: int, *, secret: bool) -> None:
    """Give a new file the owner and the mode of the one that it replaces."""
    try:
        before = path.stat()
    except FileNotFoundError:
        # mkstemp's file is its owner's alone, which a file for all users must not be.
        if not secret:
            umask = os.umask(0)
            os.umask(umask)
            os.fchmod(descriptor, 0o666 & ~umask)
        return
    if os.geteuid() == 0:
        os.fchown(descriptor, before.st_uid, before.st_gid)
    mode = stat.S_IMODE(before.st_mode)
    os.fchmod(descriptor, mode & 0o700 if secret else mode)


def others_can_read(path: Path) -> bool:
    """Whether users besides the owner can read the file."""
    return bool(path.stat().st_mode & 0o077)
