"""The store of tokens that change: one small file (an entry) per sign-in, shared by all backends.

Since 2026-05-04 Bitbucket's refresh tokens rotate: each use gives a new one and invalidates the old
one (OAuth 2 page, CHANGE-3052). If the new one is lost, or the old one is used twice, the sign-in
ends and somebody has to log in again. So

* disk space for the new token is written before the old one is used;
* the new token is on disk before it is used (written to another file, flushed, renamed, directory
  flushed). If this fails although there was space, the process keeps the token in memory and tries
  again;
* a backend that renews a token holds the entry's lock, and looks first whether another backend has
  renewed it.

An entry's name is a digest of the token endpoint, the client, and the user mapping's first token or
login. Two user mappings share an entry only if they have the same secrets.
"""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..errors import TokenStoreError
from .directory import make_private, named_or_default

DIRECTORY = "BITBUCKET_FDW_TOKENS"
# Refresh tokens lapse after three months without use. Older entries are of no use to anybody.
_KEPT = 100 * 24 * 3600
_ROOM = 32 * 1024  # bytes for an entry; Bitbucket's tokens have a few hundred
_PENDING = 1000  # unfinished logins that are kept for one owner
_POLL = 0.05  # seconds between two tries to get a lock
_NEAR_END = 60.0  # seconds of life left at which a token is renewed before it is used


@dataclass(frozen=True)
class Token:
    """The tokens in one answer of a token endpoint.

    :param access_token: what requests are signed with (OAuth 1: the token).
    :param secret: OAuth 1's token secret.
    :param obtained_at: when the answer came, in seconds since 1970 by this machine's clock.
    :param expires_in: for how many seconds it is valid from then on; ``None`` if the answer does
        not say.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(default=None, repr=False)
    secret: str | None = field(default=None, repr=False)
    obtained_at: float = 0.0
    expires_in: float | None = None
    scope: str | None = None

    def fresh(self, now: float) -> bool:
        """Whether the access token can still be used, by this machine's clock.

        A wrong clock does no harm: if Bitbucket answers 401, the token is renewed anyway.
        """
        if self.expires_in is None:
            return True
        margin = min(_NEAR_END, self.expires_in / 10)
        return now < self.obtained_at + self.expires_in - margin

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts that must never be shown."""
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
        directory = named_or_default(DIRECTORY, "tokens")
        if directory is None:
            raise TokenStoreError(
                "there is no place to keep tokens in",
                hint=f"Name a directory in the environment variable {DIRECTORY}.",
            )
        return cls(directory)

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
        with self.room(name) as keep:
            keep(token)

    @contextlib.contextmanager
    def room(self, name: str) -> Iterator[Callable[[Token], None]]:
        """Reserve disk space for an entry's next token; gives the function that stores it there.

        Enter this before the old token is used. The space is reserved by writing random bytes,
        because some file systems promise space that they do not have.
        """
        aside = self._aside(os.urandom(_ROOM))
        try:
            yield lambda token: self._fill(aside, f"{name}.token", _content(token))
        finally:
            aside.unlink(missing_ok=True)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the entry's lock, against other threads and other processes."""
        import filelock  # which takes long to load, and only tokens that are renewed need it

        self._prepare()
        # Each holder opens the file anew, so that threads exclude one another, too. All entries
        # share 256 lock files. With one per entry, anybody who names new logins could make files
        # without limit, since lock files are never removed.
        lock = filelock.FileLock(self._directory / f"{name[:2]}.lock", mode=0o600)
        try:
            lock.acquire(poll_interval=_POLL)
        except OSError as error:
            raise self._failure("locked", error) from None
        try:
            yield
        finally:
            lock.release()

    def put_aside(self, owner: str, name: str, content: dict[str, Any]) -> None:
        """Keep what a login needs again when the browser comes back.

        A limited number is kept for each owner. Beyond it the oldest ones are removed.
        """
        self._prune()
        begun = self._directory.glob(f"{owner}-*.login")
        for _, path in sorted((_age(path), path) for path in begun)[_PENDING - 1 :]:
            path.unlink(missing_ok=True)
        text = json.dumps({**content, "begun_at": time.time()})
        file = f"{owner}-{name}.login"
        aside = self._aside(text.encode())
        try:
            self._put(aside, file)
        finally:
            aside.unlink(missing_ok=True)

    def take(self, owner: str, name: str, within: float) -> dict[str, Any] | None:
        """What :meth:`put_aside` kept less than ``within`` seconds ago. It can be taken only once.

        ``None`` if it is not there, was taken before, or is too old.
        """
        file = f"{owner}-{name}.login"
        content = self._read(file)
        try:
            (self._directory / file).unlink()
        except FileNotFoundError:
            return None  # the login was never begun, or another session has just taken it
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

    def _aside(self, content: bytes) -> Path:
        """A new temporary file with this content, flushed to the disk."""
        self._prepare()
        try:
            descriptor, aside = tempfile.mkstemp(dir=self._directory, prefix=".new-")  # mode 0600
            try:
                with os.fdopen(descriptor, "wb") as new:
                    new.write(content)
                    new.flush()
                    os.fsync(new.fileno())
            except BaseException:
                Path(aside).unlink(missing_ok=True)
                raise
        except OSError as error:
            raise self._failure("written", error) from None
        return Path(aside)

    def _fill(self, aside: Path, file: str, content: bytes) -> None:
        """Write into the reserved file and give it the entry's name."""
        try:
            with aside.open("r+b") as room:
                room.write(content)
                room.flush()
                os.fsync(room.fileno())
                room.truncate(len(content))
                os.fsync(room.fileno())
        except OSError as error:
            raise self._failure("written", error) from None
        self._put(aside, file)

    def _put(self, aside: Path, file: str) -> None:
        try:
            aside.replace(self._directory / file)
            _flush_directory(self._directory)
        except OSError as error:
            raise self._failure("written", error) from None

    def _prepare(self) -> None:
        """Make the directory, and make sure that it belongs to this user alone."""
        try:
            private = make_private(self._directory)
        except OSError as error:
            raise self._failure("made", error) from None
        if not private:
            raise TokenStoreError(
                f'the token store "{self._directory}" is open to others',
                hint="It must belong to the operating system user of the PostgreSQL server, with "
                "mode 0700.",
            )

    def _prune(self) -> None:
        """Remove lapsed entries.

        Lock files stay. If one were removed, two backends could hold the lock at once: one through
        the removed file, the other through a new one.
        """
        self._prepare()
        now = time.time()
        for pattern, kept in (("*.token", _KEPT), ("*.login", 3600), (".new-*", 3600)):
            for path in self._directory.glob(pattern):
                with contextlib.suppress(OSError, ValueError, TokenStoreError):
                    if now - path.stat().st_mtime > kept and not self._lasts(path):
                        path.unlink()

    def _lasts(self, path: Path) -> bool:
        # OAuth 1 tokens are valid until they are revoked, and their files are never written again.
        return path.suffix == ".token" and "secret" in json.loads(path.read_text())

    def _damaged(self, file: str) -> TokenStoreError:
        # Entries are replaced as a whole, so that a crash here cannot leave a half-written file.
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


def _content(token: Token) -> bytes:
    known = {key: value for key, value in asdict(token).items() if value is not None}
    return json.dumps(known).encode()


def _age(path: Path) -> float:
    """Seconds since a file was written; infinity if the file is gone by now."""
    try:
        return time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _flush_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
