"""Answers kept for a while, shared by all backends of a server (server option ``cache_ttl``).

The package requests-cache keeps them in an SQLite file that only the server's user can read. This
module makes the keys of the entries, from two things besides the request:

- The digest of the credential. So no credential sees the answers of another one.
- The generation of the server, a number. Every write through this package increases it, before and
  after it is sent. So an answer from before a write is never used after it, in any session.
"""

from __future__ import annotations

import contextlib
import hashlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from ..errors import CacheError
from .directory import make_private, named_or_default

DIRECTORY = "BITBUCKET_FDW_CACHE"


@dataclass(frozen=True)
class AnswerCache:
    """Where answers of one API are kept, and for how long.

    :param directory: made on first use, for the server's user alone.
    :param api: the API's address.
    :param identity: the credential's digest.
    :param ttl: seconds.
    """

    directory: Path
    api: str
    identity: str
    ttl: float

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

    def session(self) -> requests.Session:
        """A session that keeps successful answers to GET.

        Raises :class:`CacheError` if they cannot be kept.
        """
        import requests_cache  # here, because it takes 0.1 s, and only cache_ttl needs it

        try:
            self._prepare()
            return requests_cache.CachedSession(
                str(self.directory / f"{self._name}.sqlite"),
                backend="sqlite",
                serializer="json",
                expire_after=self.ttl,
                allowable_methods=("GET",),
                allowable_codes=(200,),
                key_fn=self._key,
                busy_timeout=5000,
                wal=True,
            )
        except (OSError, sqlite3.Error) as error:
            raise self._failure(error) from None

    def _prepare(self) -> None:
        """Make the directory, and make sure that it belongs to this user alone.

        Whoever can write to it decides what is shown as an answer of Bitbucket.
        """
        if not make_private(self.directory):
            raise CacheError(
                f'the cache "{self.directory}" is open to others',
                hint="It must belong to the operating system user of the PostgreSQL server, with "
                "mode 0700.",
            )

    def prune(self, session: requests.Session) -> None:
        """Remove expired answers. The file does not shrink, but its pages are used again."""
        # If another session has locked the file, this is left to the next session that prunes.
        with contextlib.suppress(sqlite3.Error, OSError):
            session.cache.delete(expired=True, vacuum=False)  # type: ignore[attr-defined]

    def outdate(self) -> None:
        """Begin a new generation, so that no answer kept so far is used by any session.

        Raises :class:`CacheError` if the generation's file cannot be written.
        """
        try:
            self._prepare()
            # The file's size is the generation. Appending one byte is atomic between processes.
            with self._generation.open("ab") as file:
                file.write(b".")
        except OSError as error:
            raise self._failure(error) from None

    def _key(self, request: requests.PreparedRequest, **_: Any) -> str:
        try:
            generation = self._generation.stat().st_size
        except FileNotFoundError:
            generation = 0
        parts = (self.identity, str(generation), str(request.method), str(request.url))
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()

    @property
    def _name(self) -> str:
        return hashlib.sha256(self.api.encode()).hexdigest()[:32]

    @property
    def _generation(self) -> Path:
        return self.directory / f"{self._name}.generation"

    def _failure(self, error: OSError | sqlite3.Error) -> CacheError:
        why = error.strerror if isinstance(error, OSError) else str(error)
        return CacheError(
            f'the cache "{self.directory}" cannot be used: {why}',
            hint=f"The environment variable {DIRECTORY} of the PostgreSQL server names another "
            "directory; server option cache_ttl 0 does without.",
        )
