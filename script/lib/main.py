"""The command that script/bootstrap starts: ``main.py {demo,test,bench,package} …``."""

from __future__ import annotations

import os
import select
import signal
import sys

from devkit import bench, demo, package, prepare, suite
from devkit.run import Failure, fail

COMMANDS = {"demo": demo.main, "test": suite.main, "bench": bench.main, "package": package.main}


def main(arguments: list[str]) -> int:
    # What is installed here must be readable by the server's OS user, whatever the caller's umask;
    # files with secrets are made private one by one.
    os.umask(0o022)
    try:
        if not arguments:
            return prepare.everything()
        command = COMMANDS.get(arguments[0])
        if command is None:
            raise Failure(
                f"unknown command {arguments[0]!r}", hint=f"Commands: {', '.join(COMMANDS)}."
            )
        return command(arguments[1:])
    except Failure as failure:
        return fail(failure)
    except KeyboardInterrupt:
        return 130


def until_nobody_reads(arguments: list[str]) -> int:
    """Run a command; where its output leads to a program that has ended, end as others do."""
    try:
        try:
            return main(arguments)
        finally:
            if sys.stdout is not None:  # None where the caller closed it
                sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        # What is still in the buffers has nowhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGPIPE)
        raise


def _nobody_reads() -> bool:
    """Whether the reader of the output has gone, and not that of some other pipe or socket."""
    outputs = select.poll()
    for stream in (sys.stdout, sys.stderr):
        outputs.register(stream, select.POLLOUT)
    return any(event & select.POLLERR for _, event in outputs.poll(0))


if __name__ == "__main__":
    sys.exit(until_nobody_reads(sys.argv[1:]))
