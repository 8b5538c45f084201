"""script/bench: the benchmark of bitbucket_fdw, or another one by its name."""

from __future__ import annotations

import os
import subprocess

from devkit import prepare, tree, venv
from devkit.places import CHECKOUT, Places, open_places
from devkit.run import Failure, say

RUNNERS = {"host": CHECKOUT / "host" / "bench" / "run"}
PEERS = "BITBUCKET_FDW_BENCH_PEERS"

HELP = f"""\
usage: script/bench [OPTIONS]
       script/bench {{{",".join(RUNNERS)}}} ...

Without a name: bitbucket_fdw beside other ways to answer the same questions, in less than a
quarter of an hour; --quick in two minutes. "script/bench --quick --help" lists the options:
single questions, sides and measures, the latency, and where results are written.
With a name: another benchmark, to which all that follows is passed on.
"""


def main(arguments: list[str]) -> int:
    if arguments[:1] in (["-h"], ["--help"]):
        say(HELP)
        return 0
    named = arguments[0] if arguments and not arguments[0].startswith("-") else None
    if named is not None and named not in RUNNERS:
        raise Failure(f"unknown benchmark {named!r}", hint=f"Benchmarks: {', '.join(RUNNERS)}.")
    places = open_places()
    installation = prepare.server(places)
    environment = venv.ensure(places, "test")
    env = {
        **os.environ,
        "PATH": environment.path(os.environ["PATH"]),
        "PG_CONFIG": str(tree.pg_config_with_headers(places, installation)),
    }
    if named is not None:
        command = [str(environment.python), str(RUNNERS[named]), *arguments[1:]]
    else:
        command = [str(environment.python), "-m", "benchmarks", *arguments]
        env |= {
            "PYTHONPATH": os.pathsep.join(map(str, (CHECKOUT, CHECKOUT / "script" / "lib"))),
            "PYTHONDONTWRITEBYTECODE": "1",
            "BITBUCKET_FDW_HOME": str(places.home),
            **_peers(places, arguments),
        }
    return subprocess.run(command, env=env, cwd=CHECKOUT, check=False).returncode


def _peers(places: Places, arguments: list[str]) -> dict[str, str]:
    """Where the libraries are that bitbucket_fdw is compared with; nothing if they are not used."""
    used = "--quick" not in arguments or {"atlassian", "dlt"}.intersection(arguments)
    if "--help" in arguments or not used:
        return {}
    try:
        return {PEERS: str(venv.ensure_peers(places))}
    except Failure as failure:
        say(f"  The libraries to compare with are left out: {failure}")
        return {}
