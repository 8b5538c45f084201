"""Where tokens that change are kept: one small file per sign-in, shared by all backends.

Since 2026-05-04 Bitbucket's refresh tokens rotate: each use gives a new one and kills the old one
(OAuth 2 page, CHANGE-3052). Losing the new one, or using the old one twice, ends the sign-in. So

* a new token is on disk (written aside, flushed, renamed, directory flushed) before it is used;
* whoever renews holds the entry's lock, and looks first whether somebody else has renewed.

An entry's name is a digest of what the sign-in is: token endpoint, client, and the mapping's own
first token or login. Two user mappings share an entry only if they hold the same secrets.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import filelock

from ..errors import TokenStoreError

DIRECTORY = "BITBUCKET_FDW_TOKENS"
# Refresh tokens lapse after three months unused; what is older cannot be of use to anybody.
_KEPT = 100 * 24 * 3600
_POLL = 0.05  # seconds between two tries to get a lock
_NEAR_END = 60.0  # seconds of life left at which a token is renewed before it is used


@dataclass(frozen=True)
class Token:
    """What a token endpoint gave.

    :param access_token: what requests are signed with (OAuth 1: the token).
    :param secret: OAuth 1's token secret.
    :param obtained_at: when it came, in seconds since 1970 by this machine's clock.
    :param expires_in: its life in seconds from then on; ``None`` if it was not said.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    obtained_at: float = 0.0
    expires_in: float | None = None
    scope: str | None = None

    def fresh(self, now: float) -> bool:
        """Whether it can still be used, by this machine's clock.

        A clock that is wrong or was set does no harm: Bitbucket's 401 has the last word.
        """
        if self.expires_in is None:
            return True
        margin = min(_NEAR_END, self.expires_in / 10)
        return now < self.obtained_at + self.expires_in - margin

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts in it that must never be shown."""
        return tuple(filter(None, (self.access_token, self.refresh_token, self.secret)))


_MEMBERS = tuple(member.name for member in fields(Token))


class TokenStore:
    """The entries of one directory.

    Every failure to read or write is a :class:`TokenStoreError`.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @classmethod
    def default(cls) -> TokenStore:
        """The directory that ``BITBUCKET_FDW_TOKENS`` names, else ``bitbucket_fdw/tokens`` below
        the data directory, which is a backend's working directory.
        """
        named = os.environ.get(DIRECTORY)
        if named:
            return cls(Path(named))
        here = Path.cwd()
        if not (here / "PG_VERSION").exists():
            raise TokenStoreError(
                "there is no place to keep tokens in",
                hint=f"Name a directory in the environment variable {DIRECTORY}.",
            )
        return cls(here / "bitbucket_fdw" / "tokens")

    def read(self, name: str) -> Token | None:
        """The entry's token, if there is one."""
        file = f"{name}.token"
        content = self._read(file)
        if content is None:
            return None
        if not isinstance(content.get("access_token"), str):
            raise self._damaged(file)
        return Token(**{key: content[key] for key in _MEMBERS if key in content})

    def write(self, name: str, token: Token) -> None:
        """Keep a token; it has reached the disk when this returns."""
        known = {key: value for key, value in asdict(token).items() if value is not None}
        self._write(f"{name}.token", known)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the entry's lock, against other threads and other processes."""
        self._prepare()
        # Each holder opens the file for itself, so that threads exclude one another, too.
        lock = filelock.FileLock(self._directory / f"{name}.lock", mode=0o600)
        try:
            lock.acquire(poll_interval=_POLL)
        except OSError as error:
            raise self._failure("locked", error) from None
        try:
            yield
        finally:
            lock.release()

    def put_aside(self, name: str, content: dict[str, Any]) -> None:
        """Keep what a login needs again when the browser comes back."""
        self._prune()
        self._write(f"{name}.login", {**content, "begun_at": time.time()})

    def take(self, name: str, within: float) -> dict[str, Any] | None:
        """What was put aside less than ``within`` seconds ago; it can be taken once only."""
        content = self._read(f"{name}.login")
        try:
            (self._directory / f"{name}.login").unlink()
        except FileNotFoundError:
            return None  # never begun, or taken by another a moment ago
        except OSError as error:
            raise self._failure("written", error) from None
        if content is None or time.time() - content.pop("begun_at", 0.0) > within:
            return None
        return content

    def _read(self, file: str) -> dict[str, Any] | None:
        self._prepare()
        try:
            text = (self._directory / file).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._failure("read", error) from None
        try:
            content = json.loads(text)
        except ValueError:
            content = None
        if not isinstance(content, dict):
            raise self._damaged(file)
        return content

    def _write(self, file: str, content: dict[str, Any]) -> None:
        self._prepare()
        try:
            descriptor, aside = tempfile.mkstemp(dir=self._directory, prefix=".new-")  # mode 0600
            try:
                with os.fdopen(descriptor, "w", encoding="utf-8") as new:
                    json.dump(content, new)
                    new.flush()
                    os.fsync(new.fileno())
                Path(aside).replace(self._directory / file)
            except BaseException:
                Path(aside).unlink(missing_ok=True)
                raise
            _flush_directory(self._directory)
        except OSError as error:
            raise self._failure("written", error) from None

    def _prepare(self) -> None:
        """Make the directory, and make sure that it is this user's alone."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            status = self._directory.stat()
        except OSError as error:
            raise self._failure("made", error) from None
        if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
            raise TokenStoreError(
                f'the token store "{self._directory}" is open to others',
                hint="It must belong to the operating system user of the PostgreSQL server, with "
                "mode 0700.",
            )

    def _prune(self) -> None:
        """Remove entries that have lapsed (locks stay: removing one would split its waiters)."""
        self._prepare()
        now = time.time()
        for pattern, kept in (("*.token", _KEPT), ("*.login", 3600), (".new-*", 3600)):
            for path in self._directory.glob(pattern):
                with contextlib.suppress(OSError, ValueError, TokenStoreError):
                    if now - path.stat().st_mtime > kept and not self._lasts(path):
                        path.unlink()

    def _lasts(self, path: Path) -> bool:
        # OAuth 1 tokens hold until they are revoked; they are never written again.
        return path.suffix == ".token" and "secret" in json.loads(path.read_text())

    def _damaged(self, file: str) -> TokenStoreError:
        # Entries are replaced whole: nothing written here can be torn.
        return TokenStoreError(
            f'"{self._directory / file}" is not an entry of the token store',
            hint="Remove the file and sign in again.",
        )

    def _failure(self, what: str, error: OSError) -> TokenStoreError:
        return TokenStoreError(
            f'the token store "{self._directory}" could not be {what}: {error.strerror}',
            hint=f"The environment variable {DIRECTORY} of the PostgreSQL server names another "
            "directory.",
        )


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
