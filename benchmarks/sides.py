"""Who answers the questions. Each side can be asked any question, or says that it cannot."""

from __future__ import annotations

import json
import os
import select
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg
from devkit.places import CHECKOUT

from .questions import Question, Rows

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Reply:
    """The rows of an answer, how long it took, and the seconds of processor time."""

    rows: Rows
    seconds: float
    processor: float


class TooLong(Exception):
    """An answer that did not come in time."""


class Failed(Exception):
    """A side that gave an error in place of an answer; its text says which."""


class Side(Protocol):
    """One way to answer questions."""

    name: str

    def ask(self, question: Question, limit: float) -> Reply | None:
        """The answer; ``None`` if the side cannot give one.

        :class:`TooLong` after ``limit`` seconds, :class:`Failed` for an error.
        """

    def close(self) -> None:
        """End what it has started."""


def processor_time(pid: int) -> float:
    """Seconds that a process and all its threads have used, in steps of a clock tick (proc(5))."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


class Sql:
    """Questions asked in SQL, in one session.

    :param naive: whether the tables are those of the naive wrapper.
    """

    def __init__(
        self, name: str, connection: psycopg.Connection[tuple[Any, ...]], *, naive: bool = False
    ) -> None:
        self.name = name
        self._connection = connection
        self._naive = naive

    def ask(self, question: Question, limit: float) -> Reply | None:
        statement = question.naive_sql if self._naive else question.sql
        if statement is None:
            return None
        pid = self._connection.info.backend_pid
        self._connection.execute(f"SET statement_timeout = {round(limit * 1000)}".encode())
        used, before = processor_time(pid), time.perf_counter()
        try:
            rows = self._connection.execute(statement.encode()).fetchall()
        except psycopg.errors.QueryCanceled as error:
            raise TooLong from error
        except psycopg.Error as error:
            raise Failed(str(error)[:200]) from error
        seconds = time.perf_counter() - before
        return Reply(rows, seconds, processor_time(pid) - used)

    def close(self) -> None:
        self._connection.close()


class Process:
    """Questions answered by a worker process.

    :param python: the interpreter of the environment that the way needs.
    :param told: what the worker is told at its start.
    """

    def __init__(self, name: str, python: Path, told: dict[str, Any]) -> None:
        self.name = name
        self._python = python
        self._told = told
        self._process: subprocess.Popen[bytes] | None = None
        self._read = b""

    def ask(self, question: Question, limit: float) -> Reply | None:
        process = self._running()
        assert process.stdin is not None
        process.stdin.write(f"{question.name}\n".encode())
        process.stdin.flush()
        said = json.loads(self._line(process, limit))
        if "cannot" in said:
            return None
        if "failed" in said:
            raise Failed(said["failed"])
        return Reply(list(map(tuple, said["rows"])), said["seconds"], said["processor"])

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [str(self._python), "-m", "benchmarks.worker", self.name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=CHECKOUT,
                env={**os.environ, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1"},
            )
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(self._told).encode() + b"\n")
            self._read = b""
        return self._process

    def _line(self, process: subprocess.Popen[bytes], limit: float) -> bytes:
        assert process.stdout is not None
        until = time.monotonic() + limit
        while b"\n" not in self._read:
            ready, _, _ = select.select(
                [process.stdout], [], [], max(0.0, until - time.monotonic())
            )
            if not ready:
                self.close()
                raise TooLong
            read = os.read(process.stdout.fileno(), 1 << 20)
            if not read:
                self.close()
                raise RuntimeError(f"{self.name}: its process has ended")
            self._read += read
        line, _, self._read = self._read.partition(b"\n")
        return line

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None
