"""``python -m bitbucket_fdw.emulator``: run the emulator until it is stopped."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence


def parser() -> argparse.ArgumentParser:
    """The command line."""
    made = argparse.ArgumentParser(
        prog="bitbucket-fdw emulator",
        description="Emulate Bitbucket Cloud's REST API 2.0 with made-up data, on this machine.",
    )
    made.add_argument("--port", type=int, default=8280, help="port; 0 takes a free one")
    made.add_argument("--seed", type=int, default=1, help="the same seed gives the same data")
    made.add_argument("--scale", choices=("tiny", "small", "large"), default="small")
    made.add_argument(
        "--latency", type=int, default=0, metavar="MS", help="delay of each answer, milliseconds"
    )
    made.add_argument(
        "--text-equality",
        choices=("sensitive", "insensitive"),
        default="sensitive",
        help="whether = on text minds case (not established for Bitbucket)",
    )
    made.add_argument(
        "--issues",
        choices=("live", "removed"),
        default="live",
        help="whether the issue tracker, removed from Bitbucket on 2026-08-20, still answers",
    )
    made.add_argument(
        "--page-numbers",
        choices=("refused", "accepted", "linked"),
        default="refused",
        help="whether page=2 works, and next links have it, or only the marks in next links",
    )
    made.add_argument(
        "--committers",
        choices=("absent", "present"),
        default="absent",
        help="whether commits say who committed them (both were seen)",
    )
    return made


def main(argv: Sequence[str] | None = None) -> int:
    """Run the emulator; returns the exit status (1 when the port cannot be had)."""
    options = parser().parse_args(argv)

    # Imported late, so that --help and mistakes do not wait for the web server's modules.
    from bitbucket_fdw.emulator.call import Behaviour
    from bitbucket_fdw.emulator.emulator import Settings
    from bitbucket_fdw.emulator.server import listen, serve

    settings = Settings(
        options.seed,
        options.scale,
        options.latency,
        Behaviour(
            case_sensitive=options.text_equality == "sensitive",
            issues_removed=options.issues == "removed",
            page_numbers=options.page_numbers != "refused",
            numbered_links=options.page_numbers == "linked",
            committers=options.committers == "present",
        ),
    )
    try:
        listener = listen(options.port)
    except OSError as problem:
        message = f"cannot listen on port {options.port}: {problem.strerror}"
        print(message, file=sys.stderr)
        return 1
    asyncio.run(serve(listener, settings))
    return 0


if __name__ == "__main__":
    sys.exit(main())
