"""Starting the Bitbucket emulator, and talking to its control endpoints."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from devkit.run import Failure, OsUser

READY = re.compile(r"listening on (http://127\.0\.0\.1:\d+/2\.0)")
START_TIMEOUT = 180  # seconds; the large sample takes a busy machine more than one minute

# Never by way of a proxy: the emulator is on this machine.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Request:
    """One line of the emulator's request log."""

    method: str
    path: str
    query: str
    status: int
    response_bytes: int
    raw: dict[str, Any]  # the whole entry, with the credential's name, the body and more

    @property
    def line(self) -> str:
        """Method and target, as EXPLAIN shows them: ``GET /2.0/user?fields=uuid``."""
        target = f"{self.path}?{self.query}" if self.query else self.path
        return f"{self.method} {target}"


class Control:
    """The control endpoints of a running emulator."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.root = base_url.removesuffix("/2.0")

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Call ``/_emulator/<path>``; the decoded JSON answer, None without one."""
        request = urllib.request.Request(  # noqa: S310 - the scheme is http, by construction
            f"{self.root}/_emulator/{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        try:
            with _opener.open(request, timeout=30) as response:
                answer = response.read()
        except urllib.error.HTTPError as error:
            detail = error.read().decode("utf-8", "replace")[:500]
            raise Failure(f"emulator: {method} {path} gave {error.code}: {detail}") from None
        return json.loads(answer) if answer.strip() else None

    def healthy(self) -> bool:
        """Whether it answers."""
        try:
            self.call("GET", "health")
        except (OSError, Failure):
            return False
        return True

    def requests(self) -> list[Request]:
        """All requests to /2.0 since the start or the last ``clear``, oldest first."""
        return [
            Request(
                method=entry["method"],
                path=entry["path"],
                query=entry["query"],
                status=entry["status"],
                response_bytes=entry["response_bytes"],
                raw=entry,
            )
            for entry in self.call("GET", "requests")["requests"]
        ]

    def clear(self) -> None:
        """Empty the request log."""
        self.call("DELETE", "requests")

    def fault(self, pattern: str, **fault: Any) -> None:
        """Inject a fault for paths that match ``pattern``; see the emulator's README."""
        self.call("POST", "faults", {"pattern": pattern, **fault})

    def clear_faults(self) -> None:
        self.call("DELETE", "faults")

    def reset(self) -> None:
        """Back to the data of the start, no faults, an empty log."""
        self.call("POST", "reset")

    def state(self) -> dict[str, Any]:
        """All documents per collection, as the API would show them."""
        return cast("dict[str, Any]", self.call("GET", "state"))

    def credentials(self) -> list[dict[str, Any]]:
        """The fixed credentials that the emulator accepts."""
        return list(self.call("GET", "credentials")["credentials"])


def start(
    python: Path,
    log: Path,
    *,
    port: int = 0,
    options: Sequence[str] = (),
    user: OsUser | None = None,
    cwd: Path = Path("/"),
    env: dict[str, str] | None = None,
    tied: bool = False,
) -> tuple[subprocess.Popen[bytes], str]:
    """Start the emulator as its own session; its process and base URL, once it listens.

    ``tied``: it ends with the process that started it, even when that is killed.
    """
    command = [str(python), "-m", "bitbucket_fdw.emulator", "--port", str(port), *options]
    if tied:
        command = ["setpriv", "--pdeathsig", "TERM", *command]
    # stdout goes to the log as well as stderr: a pipe would fill or break when we leave.
    with log.open("ab") as output:
        begin = output.tell()
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=cwd,
            env=env,
            **(user.spawn_options() if user else {}),
        )
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        text = log.read_bytes()[begin:].decode("utf-8", "replace")
        found = READY.search(text)
        if found:
            return process, found[1]
        if process.poll() is not None:
            raise Failure(f"the emulator ended with status {process.returncode}:\n{text[-2000:]}")
        select.select([], [], [], 0.05)
    stop_process(process)
    raise Failure(f"the emulator did not listen within {START_TIMEOUT:.0f} s", hint=f"Log: {log}")


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """End an emulator started by this process."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@dataclass(frozen=True)
class PidFile:
    """A background process across runs of a script: its pid, and when that pid was born.

    The start time makes sure that a pid used again by another program is never taken for ours.
    """

    path: Path

    def write(self, pid: int) -> None:
        self.path.write_text(f"{pid} {_born(pid)}\n")

    def pid(self) -> int | None:
        """The pid when that very process is alive."""
        try:
            pid, born = self.path.read_text().split()
        except (FileNotFoundError, ValueError):
            return None
        return int(pid) if born != "?" and _born(int(pid)) == born else None

    def stop(self, timeout: float = 10.0) -> bool:
        """End the process and wait for it; False when there was none."""
        pid = self.pid()
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + timeout
            while self.pid() is not None:
                if time.monotonic() > deadline:
                    os.kill(pid, signal.SIGKILL)
                time.sleep(0.05)
        self.path.unlink(missing_ok=True)
        return pid is not None


def _born(pid: int) -> str:
    """A process's start time in clock ticks since boot (proc(5), stat field 22), "?" if gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError, IndexError):
        # The command name in field 2 may hold spaces and parentheses: count after the last one.
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        if fields[0] != "Z":
            return fields[19]
    return "?"
