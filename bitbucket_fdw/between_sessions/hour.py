"""How many requests all sessions have made with one credential within the last hour.

For each minute and each group of resources there is a file, and its size is the count: appending
one byte is atomic between processes, takes no lock, and needs nothing to be put right after a
crash. The names of the files are digests, and their content says nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from .directory import make_private, named_or_default

DIRECTORY = "BITBUCKET_FDW_REQUESTS"
MINUTES = 60  # that count, besides the present one
_COUNT = re.compile(r"([0-9a-f]{32})\.([a-z_]+)\.(\d+)\.count")


class Used(NamedTuple):
    """What was used of an hour's requests.

    :param requests: how many.
    :param frees_at: seconds since 1970, when the first of them do not count any more.
    """

    requests: int
    frees_at: float


class HourFiles:
    """The counts of one credential at one API. Used by all threads.

    Its methods raise :class:`OSError` for what the file system refuses.

    :param directory: made on first use, for the server's user alone.
    :param now: tells seconds since 1970.
    """

    def __init__(
        self, directory: Path, api: str, identity: str, now: Callable[[], float] = time.time
    ) -> None:
        self._directory = directory
        self._name = hashlib.sha256(f"{api}\n{identity}".encode()).hexdigest()[:32]
        self._now = now
        self._lock = threading.Lock()
        self._minute = -1
        self._open: dict[str, int] = {}

    @classmethod
    def default_directory(cls) -> Path | None:
        """The directory that ``BITBUCKET_FDW_REQUESTS`` names, else ``bitbucket_fdw/requests``
        below the data directory; ``None`` outside of a backend.
        """
        return named_or_default(DIRECTORY, "requests")

    def add(self, group: str) -> None:
        """Count a request that goes out now.

        :param group: of lower-case letters and underscores.
        """
        minute = int(self._now() // 60)
        with self._lock:
            if minute != self._minute:
                self.close()
                self._minute = minute
            file = self._open.get(group)
            if file is None:
                file = self._open[group] = self._opened(group, minute)
            os.write(file, b".")

    def used(self) -> dict[str, Used]:
        """What was used of each group, as far as anything was."""
        make_private(self._directory)
        present = int(self._now() // 60)
        found: dict[str, list[tuple[int, int]]] = {}
        with os.scandir(self._directory) as entries:
            for entry in entries:
                counted = _COUNT.fullmatch(entry.name)
                if counted is None or counted[1] != self._name:
                    continue
                minute = int(counted[3])
                if present - MINUTES <= minute <= present:
                    with contextlib.suppress(FileNotFoundError):
                        found.setdefault(counted[2], []).append((minute, entry.stat().st_size))
        return {
            group: Used(sum(size for _, size in counts), (min(counts)[0] + MINUTES + 1) * 60.0)
            for group, counts in found.items()
        }

    def close(self) -> None:
        """Close the files of the minute."""
        for file in self._open.values():
            os.close(file)
        self._open.clear()

    def _opened(self, group: str, minute: int) -> int:
        if not make_private(self._directory):
            raise PermissionError(0, "it is open to others")
        self._remove_old(minute)
        path = self._directory / f"{self._name}.{group}.{minute}.count"
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def _remove_old(self, present: int) -> None:
        """Remove what does not count any more, of whichever credential."""
        with os.scandir(self._directory) as entries:
            for entry in entries:
                counted = _COUNT.fullmatch(entry.name)
                if counted is not None and int(counted[3]) < present - MINUTES:
                    with contextlib.suppress(FileNotFoundError):
                        Path(entry.path).unlink()
