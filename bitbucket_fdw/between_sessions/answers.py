"""Answers kept for a while, shared by all backends of a server (server option ``cache_ttl``).

Each answer is a file that only the server's user can read, with the answer's body and nothing else.
It is written beside its place and then renamed, so that no reader sees a part of it; what a crash
of the machine leaves of it is no JSON, and is asked for again. The file's name says which answer it
is, without saying it in clear:

- the digest of the API's address;
- the generation of the server, a number. Every write through this package increases it, before and
  after it is sent. So an answer from before a write is never used after it, in any session;
- for how many seconds it is kept. A server that keeps answers for a shorter time has its own;
- the digest of the credential and the request. So no credential sees the answers of another one.

The file's time of change says when the answer came.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from ..errors import CacheError
from .directory import is_private, make_private, named_or_default
from .leftovers import Removal

DIRECTORY = "BITBUCKET_FDW_CACHE"
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PRUNE_EVERY = 60.0  # seconds between two removals of expired answers, whichever session does it
_SHARE = 32  # a session looks at the size of all when it has added a thirty-second of the bound


class Place(NamedTuple):
    """Where the answer to one request is kept, if it is: a file, and one that is locked meanwhile.

    It belongs to the generation of the moment when it was made.
    """

    file: Path

    @property
    def lock(self) -> Path:
        """The file that is locked. Most answers are found, and need none."""
        return self.file.with_suffix(".lock")


class Kept(NamedTuple):
    """An answer that is kept.

    :param version: differs whenever the file was written anew.
    """

    content: bytes
    version: tuple[int, int]


@dataclass
class AnswerCache:
    """Where answers of one API are kept, and for how long.

    Every method but ``prune`` raises :class:`OSError` for what the file system refuses, and
    :class:`CacheError` if the directory is open to others. Used by all threads.

    :param directory: made on first use, for the server's user alone.
    :param api: the API's address.
    :param identity: the credential's digest.
    :param ttl: seconds.
    :param most: bytes of all answers in the directory; the oldest go first.
    """

    directory: Path
    api: str
    identity: str
    ttl: float
    most: int = 256 * 2**20
    _added: int = field(default=0, repr=False)

    def __post_init__(self) -> None:
        self._api = hashlib.sha256(self.api.encode()).hexdigest()[:32]
        self._generation = self.directory / f"{self._api}.generation"
        self._stamp = self.directory / "pruned"

    @classmethod
    def default_directory(cls) -> Path:
        """The directory that ``BITBUCKET_FDW_CACHE`` names, else ``bitbucket_fdw/cache`` below the
        data directory, which is a backend's working directory.

        Raises :class:`CacheError` if there is neither.
        """
        directory = named_or_default(DIRECTORY, "cache")
        if directory is None:
            raise CacheError(
                "there is no place to keep answers in",
                hint=f"Name a directory in the environment variable {DIRECTORY}.",
            )
        return directory

    def prepare(self) -> None:
        """Make the directory, and make sure that it belongs to this user alone.

        Whoever can write to it decides what is shown as an answer of Bitbucket.
        """
        if not make_private(self.directory):
            raise self._open_to_others()

    def place(self, url: str) -> Place:
        """Where the answer to a GET of this address belongs, if it was asked for now."""
        if not is_private(self.directory):
            raise self._open_to_others()
        try:
            generation = self._generation.stat().st_size
        except FileNotFoundError:
            generation = 0
        digest = hashlib.sha256(f"{self.identity}\n{url}".encode()).hexdigest()
        return Place(self.directory / f"{self._api}.{generation}.{self.ttl:g}.{digest}.json")

    def version(self, place: Place) -> tuple[int, int] | None:
        """Which version of the answer is kept there; ``None`` for none, or one that is too old."""
        try:
            return self._version(place.file.stat())
        except FileNotFoundError:
            return None

    def _version(self, status: os.stat_result) -> tuple[int, int] | None:
        # A clock that was set back must not make an answer live longer.
        is_young = 0 <= time.time() - status.st_mtime < self.ttl
        return (status.st_ino, status.st_mtime_ns) if is_young else None

    def find(self, place: Place) -> Kept | None:
        """The answer that is kept there."""
        try:
            with place.file.open("rb", buffering=0) as file:
                version = self._version(os.fstat(file.fileno()))
                return None if version is None else Kept(file.readall(), version)
        except FileNotFoundError:
            return None

    def keep(self, place: Place, content: bytes) -> tuple[int, int] | None:
        """Keep an answer that was asked for when the place was made; gives the file's version.

        ``None`` if it is too large to be kept.
        """
        if len(content) > self.most // 4:
            return None
        if not is_private(self.directory):
            raise self._open_to_others()
        aside = self.directory / f".new-{os.urandom(8).hex()}"
        # As tempfile.mkstemp does it, which takes several times as long to think of a name.
        descriptor = os.open(aside, _NEW, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                if file.write(content) != len(content):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # a part of it was taken
                now = time.time()
                os.utime(file.fileno(), (now, now))  # by the clock that is compared with it
                status = os.fstat(file.fileno())
            aside.replace(place.file)
        except BaseException:
            with contextlib.suppress(OSError):
                aside.unlink()
            raise
        self._added += len(content)
        self._prune_if_due()
        return status.st_ino, status.st_mtime_ns

    def _prune_if_due(self) -> None:
        now = time.time()
        if self._added * _SHARE < self.most:
            with contextlib.suppress(OSError):
                if 0 <= now - self._stamp.stat().st_mtime < min(_PRUNE_EVERY, self.ttl):
                    return
        self._added = 0
        with self._stamp.open("ab") as file:
            os.utime(file.fileno(), (now, now))
        self.prune()

    def prune(self) -> None:
        """Remove what is not used any more, and the oldest of what is too much.

        What cannot be removed is left to the next time.
        """
        with contextlib.suppress(OSError):
            Removal(self.directory, time.time()).carry_out(self.most)

    def outdate(self) -> None:
        """Begin a new generation, so that no answer kept so far is used by any session."""
        self.prepare()
        # The file's size is the generation. Appending one byte is atomic between processes.
        with self._generation.open("ab") as file:
            file.write(b".")

    def held(self) -> tuple[int, int]:
        """How many answers of this API and this credential's generation are kept, and their bytes.

        Answers of every credential count.
        """
        self.prepare()
        found = Removal(self.directory, time.time()).used(self._api)
        return len(found), sum(found)

    def failure(self, error: OSError) -> CacheError:
        """What to say of an error of the file system."""
        return CacheError(
            f'the cache "{self.directory}" cannot be used: {error.strerror}',
            hint=f"The environment variable {DIRECTORY} of the PostgreSQL server names another "
            "directory; server option cache_ttl 0 does without.",
        )

    def _open_to_others(self) -> CacheError:
        return CacheError(
            f'the cache "{self.directory}" is open to others',
            hint="It must belong to the operating system user of the PostgreSQL server, with "
            "mode 0700.",
        )
