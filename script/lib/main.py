"""The command that script/bootstrap starts: ``main.py {demo,test,bench,package} …``."""

from __future__ import annotations

import os
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


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
