"""At most so many requests under way at the same time, over all sessions of a credential.

There is a file for each request that may be under way, and whoever makes one holds the lock of one
of them. The operating system frees the lock when its holder ends, however that comes. Locking and
unlocking takes microseconds.

Whoever finds no free lock stands at the head of a queue, which is one more lock: nobody else takes
a lock meanwhile, so that a session with many requests cannot keep others out for good.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import threading
from pathlib import Path

from .directory import make_private, named_or_default
from .hour import DIRECTORY


class Slots:
    """The requests that may be under way with one credential at one API. Used by all threads.

    Its methods raise :class:`OSError` for what the file system refuses.

    :param directory: made on first use, for the server's user alone.
    :param most: how many requests may be under way. Sessions that say different numbers share the
        first ones.
    """

    def __init__(self, directory: Path, api: str, identity: str, most: int) -> None:
        self._directory = directory
        self._name = hashlib.sha256(f"{api}\n{identity}".encode()).hexdigest()[:32]
        self._most = most
        self._lock = threading.Lock()
        self._idle: dict[int, int] = {}  # open files by their numbers; this session holds no lock
        self._held: dict[int, int] = {}
        self._latest = 0
        self._queue: int | None = None
        self._is_head = False

    @classmethod
    def default_directory(cls) -> Path | None:
        """The same as that of the counts of requests; ``None`` outside of a backend."""
        return named_or_default(DIRECTORY, "requests")

    def take(self) -> int | None:
        """Try to take one, without waiting: its number, or ``None`` if that has to wait.

        Whoever was told so stands in the queue, for this session, until it is given one or calls
        :meth:`leave`. So one thread at a time may wait, and calls this again and again.
        """
        with self._lock:
            if not self._is_head:
                self._is_head = self._lock_queue()
            if not self._is_head:
                return None
            number = self._free()
            if number is not None:
                self._unlock_queue()
            return number

    def leave(self) -> None:
        """Wait no more."""
        with self._lock:
            if self._is_head:
                self._unlock_queue()

    def give_back(self, number: int) -> None:
        """The request is over."""
        with self._lock:
            file = self._held.pop(number)
            fcntl.flock(file, fcntl.LOCK_UN)
            self._idle[number] = file

    def close(self) -> None:
        """Close the files, which gives everything back."""
        with self._lock:
            files = [*self._idle.values(), *self._held.values()]
            if self._queue is not None:
                files.append(self._queue)
            self._idle, self._held, self._queue, self._is_head = {}, {}, None, False
        for file in files:
            os.close(file)

    def _lock_queue(self) -> bool:
        if self._queue is None:
            self._queue = self._opened("queue")
        return _try_lock(self._queue)

    def _unlock_queue(self) -> None:
        assert self._queue is not None
        fcntl.flock(self._queue, fcntl.LOCK_UN)
        self._is_head = False

    def _free(self) -> int | None:
        """Lock a file that nobody has locked; the one that was locked last is tried first."""
        for offset in range(self._most):
            number = (self._latest + offset) % self._most
            if number in self._held:
                continue
            file = self._idle.get(number)
            if file is None:
                file = self._idle[number] = self._opened(f"{number}.slot")
            if _try_lock(file):
                self._held[number] = self._idle.pop(number)
                self._latest = number
                return number
        return None

    def _opened(self, ending: str) -> int:
        if not make_private(self._directory):
            raise PermissionError(0, "it is open to others")
        path = self._directory / f"{self._name}.{ending}"
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _try_lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
