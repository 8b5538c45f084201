"""Where everything that is not source is kept: one state directory per checkout.

``/var/lib/bitbucket_fdw/<name>`` for root, ``$XDG_STATE_HOME/bitbucket_fdw/<name>`` (default
``~/.local/state``) for others; ``BITBUCKET_FDW_HOME`` overrides it.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from devkit.run import Failure

CHECKOUT = Path(__file__).resolve().parents[3]

# sockaddr_un.sun_path holds 108 bytes with its NUL on Linux; PostgreSQL appends
# "/.s.PGSQL.<port>" to the directory.
SOCKET_PATH_MAX = 107
SOCKET_NAME_MAX = len("/.s.PGSQL.65535")


def checkout_name(checkout: Path) -> str:
    """A directory name for this checkout: readable, and different for each path."""
    readable = re.sub(r"[^A-Za-z0-9._-]+", "-", checkout.name)[:24].strip("-.") or "checkout"
    digest = hashlib.sha256(str(checkout).encode()).hexdigest()[:8]
    return f"{readable}-{digest}"


def state_directory(
    checkout: Path = CHECKOUT,
    env: dict[str, str] | None = None,
    *,
    root: bool | None = None,
) -> Path:
    """The state directory's path (not created) for this checkout, user and environment."""
    env = dict(os.environ) if env is None else env
    root = os.geteuid() == 0 if root is None else root
    override = env.get("BITBUCKET_FDW_HOME")
    if override:
        return Path(override).expanduser().resolve()
    if root:
        base = Path("/var/lib")
    else:
        home = Path(env.get("HOME") or Path.home())
        base = Path(env.get("XDG_STATE_HOME") or home / ".local" / "state")
    return base / "bitbucket_fdw" / checkout_name(checkout)


@dataclass(frozen=True)
class Places:
    """The paths below one state directory."""

    home: Path

    @property
    def venv(self) -> Path:
        return self.home / "venv"

    @property
    def build(self) -> Path:
        return self.home / "build"

    @property
    def logs(self) -> Path:
        return self.home / "log"

    @property
    def demo(self) -> Path:
        return self.home / "demo"

    @property
    def tests(self) -> Path:
        return self.home / "tests"

    def tree(self, flavour: str, server: str) -> Path:
        return self.home / "trees" / f"{flavour}-{server}"

    @contextlib.contextmanager
    def locked(self, name: str = "setup") -> Iterator[None]:
        """Hold an exclusive lock, so that two runs do not build in the same place at once."""
        with (self.home / f"{name}.lock").open("w") as handle:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield


def open_places(home: Path | None = None) -> Places:
    """The state directory, created where missing."""
    places = Places(home or state_directory())
    try:
        for directory in (places.home, places.logs):
            directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Failure(f"cannot create the state directory {places.home}: {error}") from error
    return places


def socket_directory(preferred: Path, owner: int | None = None) -> Path:
    """``preferred``, or a private short directory when a socket path in it would be too long.

    The short one is below /tmp, where others can create names too, so it must be ours, a real
    directory and closed to others; :class:`Failure` if it is not.

    :param owner: whom it may belong to besides the caller: the server's user.
    """
    if len(os.fsencode(preferred)) + SOCKET_NAME_MAX <= SOCKET_PATH_MAX:
        preferred.mkdir(parents=True, exist_ok=True)
        return preferred
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:10]
    short = Path(tempfile.gettempdir()) / f"bbfdw-{os.geteuid()}-{digest}"
    if len(os.fsencode(short)) + SOCKET_NAME_MAX > SOCKET_PATH_MAX:
        raise Failure(f"no short directory for a socket: {short} is too long", hint="Unset TMPDIR.")
    with contextlib.suppress(FileExistsError):
        short.mkdir(mode=0o700)
    _require_private(short, {os.geteuid(), owner})
    return short


def _require_private(directory: Path, owners: set[int | None]) -> None:
    status = directory.lstat()
    if not stat.S_ISDIR(status.st_mode):
        why = "it is no directory"
    elif status.st_uid not in owners:
        why = "it belongs to somebody else"
    elif stat.S_IMODE(status.st_mode) & 0o077:
        why = "others can enter it"
    else:
        return
    raise Failure(
        f"{directory} cannot hold the server's socket: {why}",
        hint="Whoever owns it could stand in for the server. Remove it, or set TMPDIR to another "
        "directory.",
    )


def remove_tree(path: Path) -> None:
    """Remove a directory tree; absent is fine."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(path)


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first byte on."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="utf-8") as handle:
        handle.write(text)


def digest_of(*roots: Path, skip: tuple[str, ...] = ()) -> str:
    """A digest of the files below ``roots``: names and contents, without caches and products."""
    products = (".o", ".so", ".bc", ".pyc")
    ignored = {"__pycache__", ".git", *skip}
    total = hashlib.sha256()
    for root in roots:
        files = [root] if root.is_file() else sorted(root.rglob("*"))
        for file in files:
            relative = file.relative_to(root.parent)
            if file.suffix in products or ignored.intersection(relative.parts):
                continue
            if file.is_file():
                total.update(f"{relative}\0".encode())
                total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()
