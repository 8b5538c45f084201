"""One session asks for an answer, and the others wait for it.

Whoever asks holds the lock of a file that is there only meanwhile. The operating system frees the
lock when its holder ends, however that comes.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from pathlib import Path

_MOST_TRIES = 100  # at a file that is always gone once its lock is free


class Turn:
    """One request's turn among those of all sessions that want the same answer.

    Its methods raise :class:`OSError` for what the file system refuses, but for :meth:`end`.

    :param path: the file. All that want the same answer name the same one.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None
        self._failures = 0
        self._saw_failure = False
        self._is_held = False

    def take(self) -> bool:
        """Try to be the one that asks, without waiting; whether it is."""
        for _ in range(_MOST_TRIES):
            if self._file is None:
                self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._failures = os.fstat(self._file).st_size
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
            if self._is_there():
                self._is_held = True
                return True
            # Its holder has removed it: by now another one may hold the lock of another file.
            self._saw_failure = self.has_failed
            self._close()
            if self._saw_failure:
                return False
        return False

    @property
    def has_failed(self) -> bool:
        """Whether a request has failed whose answer this one waits for."""
        if self._saw_failure or self._file is None:
            return self._saw_failure
        return os.fstat(self._file).st_size > self._failures

    def end(self, failed: bool = False) -> None:
        """Wait no more, or let the next one ask.

        :param failed: the request was answered with an error. Then all that wait shall ask at once:
            if one did so after the other, the last would wait for as many errors as there are.
        """
        if self._file is None:
            return
        if self._is_held:
            with contextlib.suppress(OSError):
                if failed:
                    os.write(self._file, b".")
                self._path.unlink()
        self._close()

    def _is_there(self) -> bool:
        assert self._file is not None
        try:
            return os.path.samestat(self._path.stat(), os.fstat(self._file))
        except FileNotFoundError:
            return False

    def _close(self) -> None:
        file, self._file, self._is_held = self._file, None, False
        if file is not None:
            os.close(file)
