"""script/bench: run a benchmark by name."""

from __future__ import annotations

import argparse
import os
import subprocess

from devkit import prepare, tree, venv
from devkit.places import CHECKOUT, open_places
from devkit.run import Failure

RUNNERS = {"host": CHECKOUT / "host" / "bench" / "run"}


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Run a benchmark; what follows its name is passed on to it.",
    )
    parser.add_argument("name", choices=sorted(RUNNERS), help="the benchmark to run")
    parser.add_argument("rest", nargs=argparse.REMAINDER, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    runner = RUNNERS[options.name]
    if not runner.exists():
        raise Failure(f"{runner.relative_to(CHECKOUT)} is missing")
    places = open_places()
    installation = prepare.server(places)
    environment = venv.ensure(places, "test")
    env = {
        **os.environ,
        "PATH": environment.path(os.environ["PATH"]),
        "PG_CONFIG": str(tree.pg_config_with_headers(places, installation)),
    }
    command = [str(environment.python), str(runner), *options.rest]
    return subprocess.run(command, env=env, cwd=CHECKOUT, check=False).returncode
