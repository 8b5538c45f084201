"""Which files of the cache of answers are of no use any more.

Their names say whose and how old they may be: see ``answers``.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from pathlib import Path

_ANSWER = re.compile(r"([0-9a-f]{32})\.(\d+)\.([0-9.e+]+)\.[0-9a-f]{64}\.json")
_GENERATION = re.compile(r"([0-9a-f]{32})\.generation")
_MEANWHILE = re.compile(r"\.new-.*|[0-9a-f]{32}\..*\.lock")
_EARLIER = re.compile(r"[0-9a-f]{32}\.sqlite(-wal|-shm)?")  # how version 0.1 kept answers
_ABANDONED = 3600.0  # seconds after which a file of a request under way is one of a crash
_ROOM = 0.9  # how much of the bound is left in use once it was passed


class Removal:
    """The files of a directory as they are now.

    :param root: the directory.
    :param now: seconds since 1970.
    """

    def __init__(self, root: Path, now: float) -> None:
        self._now = now
        self._generations: dict[str, int] = {}
        with os.scandir(root) as entries:
            self._entries = list(entries)
        for entry in self._entries:
            if found := _GENERATION.fullmatch(entry.name):
                self._generations[found[1]] = entry.stat().st_size

    def carry_out(self, most: int) -> None:
        """Remove what is not used any more, and the oldest answers beyond so many bytes."""
        answers = []
        for entry in self._entries:
            # Other sessions remove files at the same time.
            with contextlib.suppress(FileNotFoundError):
                if self._is_of_no_use(entry):
                    Path(entry.path).unlink()
                elif _ANSWER.fullmatch(entry.name):
                    status = entry.stat()
                    answers.append((status.st_mtime, status.st_size, entry.path))
        total = sum(size for _, size, _ in answers)
        if total <= most:
            return
        for _, size, path in sorted(answers):
            with contextlib.suppress(FileNotFoundError):
                Path(path).unlink()
            total -= size
            if total <= most * _ROOM:
                return

    def used(self, api: str) -> list[int]:
        """The sizes of an API's answers that can still be used."""
        return list(self._sizes(api))

    def _sizes(self, api: str) -> Iterator[int]:
        for entry in self._entries:
            with contextlib.suppress(FileNotFoundError):
                found = _ANSWER.fullmatch(entry.name)
                if found and found[1] == api and not self._is_of_no_use(entry):
                    yield entry.stat().st_size

    def _is_of_no_use(self, entry: os.DirEntry[str]) -> bool:
        if found := _ANSWER.fullmatch(entry.name):
            api, generation, ttl = found[1], int(found[2]), float(found[3])
            age = self._now - entry.stat().st_mtime
            return generation < self._generations.get(api, 0) or not 0 <= age < ttl
        if _MEANWHILE.fullmatch(entry.name):
            return self._now - entry.stat().st_mtime > _ABANDONED
        return _EARLIER.fullmatch(entry.name) is not None
