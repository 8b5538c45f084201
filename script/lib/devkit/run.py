"""Running programs: quiet while they work, the whole log when they fail; other OS users."""

from __future__ import annotations

import os
import pwd
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRESS_EVERY = 10.0  # seconds between two lines that say a long step is still going
LOG_TAIL = 60  # lines of a log shown when its step failed

# What sudo, apt, dpkg and pip say where the network is not to blame. In another language than
# English it is only noticed later: the step is tried again like one that the network failed.
_PERMANENT = re.compile(
    r"a password is required|a terminal is required|is not in the sudoers file"
    r"|not allowed to (?:execute|run)|are you root\?|Permission denied|Operation not permitted"
    r"|No space left on device|Read-only file system"
)


class Failure(Exception):
    """A set-up step failed; ``hint`` says what the user can do."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class Permanent(Failure):
    """A failure that another attempt meets just the same."""


def say(text: str = "") -> None:
    """A line for the user, at once even when stdout is a pipe."""
    print(text, flush=True)


@dataclass(frozen=True)
class OsUser:
    """The account the server runs as; None fields mean the caller's own account."""

    name: str
    uid: int
    gid: int

    @property
    def is_caller(self) -> bool:
        return self.uid == os.geteuid()

    def spawn_options(self) -> dict[str, Any]:
        """Keyword arguments for subprocess that make a child run as this user."""
        if self.is_caller:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def own(self, path: Path) -> None:
        """Give a path to this user."""
        if not self.is_caller:
            os.chown(path, self.uid, self.gid)


def server_user() -> OsUser:
    """PostgreSQL refuses to run as root, so root lends it the account its packages create."""
    if os.geteuid() != 0:
        entry = pwd.getpwuid(os.geteuid())
        return OsUser(entry.pw_name, entry.pw_uid, entry.pw_gid)
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        raise Failure(
            "there is no OS user 'postgres' to run the server as",
            hint="Install PostgreSQL's server package, which creates it, or run as a normal user.",
        ) from None
    return OsUser(entry.pw_name, entry.pw_uid, entry.pw_gid)


def require_reachable(path: Path, user: OsUser) -> None:
    """Fail early, by name, when ``user`` cannot enter one of the directories above ``path``."""
    if user.is_caller:
        return
    for directory in reversed([path, *path.parents]):
        test = subprocess.run(
            ["/usr/bin/test", "-x", str(directory)], cwd="/", check=False, **user.spawn_options()
        )
        if test.returncode != 0:
            raise Failure(
                f"the server's OS user {user.name} cannot enter {directory}",
                hint="Set BITBUCKET_FDW_HOME to a directory that other users may enter.",
            )


def as_root(command: Sequence[str]) -> list[str]:
    """``command`` with sudo in front where this is not root."""
    if os.geteuid() == 0:
        return list(command)
    sudo = shutil.which("sudo")
    if sudo is None:
        raise Permanent(
            f"this needs root: {' '.join(command)}",
            hint="Run it as root once, or install sudo.",
        )
    return [sudo, *command]


def run_logged(
    command: Sequence[str],
    log: Path,
    *,
    what: str,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: OsUser | None = None,
) -> None:
    """Run ``command`` with its output in ``log``; a long run says every few seconds how it goes.

    Raises Failure with the end of the log when the command fails.
    """
    started = time.monotonic()
    with log.open("ab") as output:
        output.write(f"\n$ {' '.join(command)}\n".encode())
        output.flush()
        begin = output.tell()
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            **(user.spawn_options() if user else {}),
        )
        done = threading.Event()
        watcher = threading.Thread(
            target=_report_progress, args=(done, started, log, begin), daemon=True
        )
        watcher.start()
        try:
            status = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
        finally:
            done.set()
            watcher.join()
    if status != 0:
        tail = _tail(log, begin, LOG_TAIL)
        kind = Permanent if _PERMANENT.search(tail) else Failure
        raise kind(f"{what} failed (exit status {status}):\n{tail}", hint=f"Full log: {log}")


def _report_progress(done: threading.Event, started: float, log: Path, begin: int) -> None:
    while not done.wait(PROGRESS_EVERY):
        last = _tail(log, begin, 1).strip()[:70]
        say(f"    … {time.monotonic() - started:.0f} s  {last}")


def _tail(log: Path, begin: int, lines: int) -> str:
    with log.open("rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        handle.seek(max(begin, end - 20_000))
        text = handle.read().decode("utf-8", "replace")
    return "\n".join(text.replace("\r", "\n").splitlines()[-lines:])


def retried(
    action: Callable[[], None],
    *,
    what: str,
    attempts: int = 5,
    pause: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Call ``action`` until it succeeds, for steps that fetch from a network.

    The pause grows with each attempt; the last failure is raised as it is, and so is the first
    that no other attempt would mend.
    """
    for attempt in range(1, attempts + 1):
        try:
            action()
        except Failure as failure:
            if attempt == attempts or isinstance(failure, Permanent):
                raise
            first = str(failure).splitlines()[-1][:100]
            say(f"    {what}: attempt {attempt} of {attempts} failed ({first}); trying again")
            sleep(pause * attempt)
        else:
            return


def output_of(
    command: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    user: OsUser | None = None,
    stdin: str | None = None,
) -> str:
    """A short command's stdout; Failure with its stderr when it fails."""
    done = subprocess.run(
        list(command),
        input=stdin or "",
        capture_output=True,
        text=True,
        check=False,
        env=None if env is None else dict(env),
        cwd="/",
        **(user.spawn_options() if user else {}),
    )
    if done.returncode != 0:
        detail = (done.stderr or done.stdout).strip()
        raise Failure(f"{Path(command[0]).name} failed (exit status {done.returncode}): {detail}")
    return str(done.stdout)


def fail(failure: Failure) -> int:
    """Print a Failure the way every script does; the exit status to use."""
    print(f"error: {failure}", file=sys.stderr)
    if failure.hint:
        print(f"hint: {failure.hint}", file=sys.stderr)
    return 1
