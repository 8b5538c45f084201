"""``python -m benchmarks``: measures everything, or what is named, and writes the results."""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from devkit import venv
from devkit.places import CHECKOUT, Places, open_places
from devkit.run import say

from . import measures, report, stage
from .questions import BY_NAME, QUESTIONS, Question
from .runner import Cells, measure
from .sides import Process, Side, Sql

SIDES = ("ideal", "bitbucket_fdw", "loop", "naive", "atlassian", "dlt")
PEERS = ("atlassian", "dlt")
PEERS_VARIABLE = "BITBUCKET_FDW_BENCH_PEERS"  # their Python; script/bench sets it
DATABASE = "bench"


@dataclass(frozen=True)
class Extent:
    """How much is measured.

    :param limit: seconds that one answer may take.
    :param enough: seconds after which a question is not asked more often than it has to be.
    :param seconds: after which none is, from the beginning of the whole.
    :param without: questions that are left out unless they are named.
    """

    scale: str
    rounds: int
    limit: float
    enough: float
    seconds: float
    fallback: bool
    sides: tuple[str, ...]
    without: tuple[str, ...] = ()


# The pages of all commits are one chain, which takes long and tells nothing new.
QUICK = Extent("small", 2, 2.0, 2.0, 90.0, False, ("ideal", "bitbucket_fdw", "loop"), ("commits",))
WHOLE = Extent("large", 5, 12.0, 5.0, 720.0, True, SIDES)


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    # What was started is also to be ended when this process is told to end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    extent = QUICK if options.quick else WHOLE
    scale = options.scale or extent.scale
    rounds = options.rounds or extent.rounds
    only_measures = options.measure and not (options.question or options.side)
    every = [each.name for each in QUESTIONS if each.name not in extent.without]
    names = [] if only_measures else options.question or every
    questions = [BY_NAME[name] for name in names]
    sides = ["ideal", *(s for s in options.side or extent.sides if s != "ideal")]
    latencies = options.latency if options.latency is not None else [0, 100]
    places = open_places()
    environment = venv.Venv(places.venv)
    began = time.monotonic()
    results: dict[str, Any] = {"about": _about(scale, rounds, latencies), "questions": {}}
    with tempfile.TemporaryDirectory(prefix="bitbucket-fdw-bench-") as directory:
        limit = options.limit or extent.limit
        bench = _Bench(places, environment, Path(directory), sides, limit, extent.enough)
        modes = [True, False] if extent.fallback and not options.question else [True]
        modes = modes if names else []
        for numbered in modes:
            until = began + extent.seconds * (0.9 if numbered and len(modes) > 1 else 1)
            asked = [question for question in questions if numbered or question.either]
            found = bench.ask(asked, scale, latencies, rounds, until, numbered=numbered)
            results["questions"]["numbers" if numbered else "marks"] = found
        if options.measure or not (options.question or options.side):
            chosen = options.measure or list(measures.MEASURES)
            results["measures"] = bench.measures(chosen, quick=options.quick)
    results["about"]["seconds"] = round(time.monotonic() - began)
    report.write(results, options.output)
    say(report.table(results))
    say(f"Written to {options.output}")
    wrong = report.wrong(results)
    for line in wrong:
        say(f"WRONG  {line}")
    return 1 if wrong else 0


class _Bench:
    def __init__(
        self,
        places: Places,
        environment: venv.Venv,
        directory: Path,
        sides: Sequence[str],
        limit: float,
        enough: float,
    ) -> None:
        self._places, self._environment = places, environment
        self._directory = directory
        self._sides = list(sides)
        self._limit = limit
        self._enough = enough

    def ask(
        self,
        questions: Sequence[Question],
        scale: str,
        latencies: Sequence[int],
        rounds: int,
        until: float,
        *,
        numbered: bool,
    ) -> dict[str, Any]:
        """All that is asked of one emulator, by latency."""
        found: dict[str, Any] = {}
        links = "page numbers" if numbered else "opaque marks"
        say(f"Emulator of scale {scale}, links with {links}")
        with contextlib.ExitStack() as stack:
            emulator = stack.enter_context(
                stage.emulator(self._directory, scale, numbered=numbered)
            )
            sides = [*self._open(stack, emulator, numbered=numbered)]
            for index, latency in enumerate(latencies):
                left = len(latencies) - index
                stop = time.monotonic() + max(0.0, (until - time.monotonic()) / left)
                say(f"  {latency} ms")
                emulator.delay(latency)
                cells = measure(
                    questions,
                    sides,
                    emulator,
                    rounds=rounds,
                    limit=self._limit,
                    enough=self._enough,
                    until=stop,
                )
                found[str(latency)] = _told(cells)
        return found

    def _open(
        self, stack: contextlib.ExitStack, emulator: stage.Emulator, *, numbered: bool
    ) -> list[Side]:
        server = stack.enter_context(
            stage.cluster(self._places, self._environment, "numbers" if numbered else "marks")
        )
        stage.create_database(server, DATABASE, emulator)
        wanted = self._sides if numbered else ["ideal", "bitbucket_fdw"]
        told = {
            "base_url": emulator.control.base_url,
            "authorization": emulator.credential.authorization,
        }
        peers = Path(os.environ[PEERS_VARIABLE]) if PEERS_VARIABLE in os.environ else None
        sides: list[Side] = []
        for name in wanted:
            side: Side
            if name == "bitbucket_fdw":
                side = Sql(name, stage.connect(server, DATABASE))
            elif name == "naive":
                stage.create_naive_tables(server, DATABASE, emulator)
                side = Sql(name, stage.connect(server, DATABASE), naive=True)
            elif name not in PEERS:
                python = self._environment.python
                side = Process(name, python, {**told, "numbered": numbered})
            elif peers is None:
                say(f"  {name} is left out: it is not installed ({PEERS_VARIABLE})")
                continue
            else:
                more = {"dsn": _uri(server)} if name == "dlt" else {}
                credential = emulator.credential
                asked = {"email": credential.email, "token": credential.token}
                side = Process(name, peers, {"base_url": told["base_url"], **asked, **more})
            stack.callback(side.close)
            sides.append(side)
        return sides

    def measures(self, names: Sequence[str], *, quick: bool) -> dict[str, Any]:
        """What is not a matter of one question."""
        found = {}
        with measures.ground(self._places, self._environment, self._directory) as ground:
            for name in names:
                say(f"Measuring {name}")
                began = time.monotonic()
                found[name] = measures.MEASURES[name](ground, quick)
                say(f"  {time.monotonic() - began:.0f} s")
        return found


def _uri(server: Any) -> str:
    password = server.password_file.read_text().strip()
    return f"postgresql://postgres:{password}@127.0.0.1:{server.port}/{DATABASE}"


def _told(cells: Cells) -> dict[str, Any]:
    return {
        question: {side: cell.told() for side, cell in by_side.items()}
        for question, by_side in cells.items()
    }


def _about(scale: str, rounds: int, latencies: Sequence[int]) -> dict[str, Any]:
    commit = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    return {
        "when": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "commit": commit or None,
        "scale": scale,
        "rounds": rounds,
        "latencies": list(latencies),
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load": [round(value, 2) for value in os.getloadavg()],
    }


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="script/bench",
        description="Measure bitbucket_fdw beside other ways to answer the same questions.",
    )
    parser.add_argument("--quick", action="store_true", help="less of everything, in two minutes")
    parser.add_argument("--scale", choices=("tiny", "small", "large"), help="of the sample data")
    parser.add_argument("--rounds", type=int, help="how often each question is asked")
    parser.add_argument("--limit", type=float, help="seconds that one answer may take")
    parser.add_argument("--latency", type=int, action="append", help="milliseconds; repeatable")
    several: dict[str, Any] = {"action": "append", "metavar": "NAME"}
    parser.add_argument("--question", choices=list(BY_NAME), help=_one_of(BY_NAME), **several)
    parser.add_argument("--side", choices=SIDES, help=_one_of(SIDES), **several)
    every = list(measures.MEASURES)
    parser.add_argument("--measure", choices=every, help=_one_of(every), **several)
    results = CHECKOUT / "benchmarks" / "results"
    shown = "where the results are written; by default benchmarks/results"
    parser.add_argument("--output", type=Path, default=results, help=shown, metavar="DIRECTORY")
    return parser


def _one_of(names: Iterable[str]) -> str:
    return f"only this one; repeatable: {', '.join(names)}"


if __name__ == "__main__":
    sys.exit(main())
