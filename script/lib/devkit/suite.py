"""script/test: the layers of tests, each as its own pytest run, and an honest summary."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

from devkit import packages, prepare, tree, venv
from devkit.packages import Need
from devkit.places import CHECKOUT, Places, open_places
from devkit.run import Failure, say
from devkit.venv import Venv

NO_TESTS = 5  # pytest's exit status when it collected nothing
TEST_TIMEOUT = 600  # seconds for one test: none is that slow, so one that takes longer hangs
SHELL_SCRIPTS = (
    "script/bootstrap",
    "script/demo",
    "script/test",
    "script/bench",
    ".ci/run",
    "docker/entrypoint.sh",
)
SHELLCHECK = Need("shellcheck", program="shellcheck")


@dataclass(frozen=True)
class Layer:
    """One set of tests. ``server``: needs PostgreSQL; ``per_host``: runs on each host."""

    name: str
    path: str
    about: str
    server: bool = False
    per_host: bool = False
    needs: tuple[Need, ...] = ()


LAYERS = (
    Layer("unit", "tests/unit", "planner, BBQL, options: no network, no database"),
    Layer("api", "tests/api", "the HTTP client against the emulator"),
    Layer("emulator", "tests/emulator", "the emulator itself"),
    Layer(
        "docs",
        "tests/docs",
        "everything is documented, and every example runs",
        server=True,
        per_host=True,
    ),
    Layer(
        "script",
        "tests/script",
        "the set-up behind these scripts",
        server=True,
        needs=(Need("python3-yaml", file="/usr/lib/python3/dist-packages/yaml/__init__.py"),),
    ),
    Layer("sql", "tests/sql", "SQL on a real PostgreSQL", server=True, per_host=True),
    Layer(
        "writes",
        "tests/writes",
        "INSERT, UPDATE, DELETE and transactions",
        server=True,
        per_host=True,
        needs=packages.CLIENTS,
    ),
    Layer(
        "auth",
        "tests/auth",
        "signing in, and what must never leak",
        server=True,
        per_host=True,
        needs=packages.SIGNING_IN,
    ),
    Layer(
        "clients",
        "tests/clients",
        "ODBC, PHP and other clients",
        server=True,
        per_host=True,
        needs=packages.CLIENTS,
    ),
    # host/tests goes through the hosts itself: it is one suite for both.
    Layer("host", "host/tests", "the bundled Multicorn host", server=True),
)


@dataclass
class Tally:
    """What ran, and how it ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)

    def add(self, label: str, status: int, report: Path) -> None:
        """Count one pytest run from its JUnit report; the exit status has the last word."""
        failed = 0
        if report.exists():
            # The report is pytest's own, written a moment ago.
            for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314
                failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
                skipped = int(suite.get("skipped", 0))
                self.failed += failed
                self.skipped += skipped
                self.passed += int(suite.get("tests", 0)) - failed - skipped
        if status == NO_TESTS:
            self.problems.append(f"{label}: no tests were found")
        elif status != 0:
            self.problems.append(f"{label}: {failed} failed (pytest's exit status {status})")


def main(arguments: list[str]) -> int:
    own, extra = _split(arguments)
    options = _parser().parse_args(own)
    known = ["lint", *(layer.name for layer in LAYERS)]
    chosen = options.layer or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise Failure(f"unknown layer {unknown[0]!r}", hint=f"Layers: {', '.join(known)}.")
    layers = [layer for layer in LAYERS if layer.name in chosen]
    started = time.monotonic()
    places = open_places()
    tally = Tally()
    hosts, pg_config = _prepare(places, layers, options.host)
    environment = venv.ensure(places, "test")
    dbt = venv.ensure_dbt(places) if "clients" in chosen else None
    if "lint" in chosen:
        _lint(places, environment, tally)
    jobs = [Job(layer, host) for layer in layers for host in (hosts if layer.per_host else [None])]
    runner = Runner(places, environment, hosts, pg_config, dbt, extra)
    lanes = max(1, min(options.jobs, len(jobs)))
    with ThreadPoolExecutor(lanes) as pool:
        running = [pool.submit(runner.run, job, aside=lanes > 1) for job in jobs]
        try:
            for finished in as_completed(running):
                tally.add(*finished.result())
        except KeyboardInterrupt:
            # The terminal has interrupted the running ones, too; no other is to start.
            pool.shutdown(wait=True, cancel_futures=True)
            raise
    tally.hosts += [host for host in hosts if any(job.uses(host) for job in jobs)]
    return _summary(tally, time.monotonic() - started)


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _parser() -> argparse.ArgumentParser:
    about = "\n".join(f"  {layer.name:10}{layer.about}" for layer in LAYERS)
    parser = argparse.ArgumentParser(
        prog="script/test",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Run all tests, or the layers that are named.",
        usage="script/test [--host HOST] [--jobs N] [LAYER ...] [-- PYTEST ARGUMENTS]",
        epilog=f"layers:\n  lint      ruff, mypy and shellcheck\n{about}\n\n"
        "What needs PostgreSQL runs on the bundled host, and once more on Multicorn2 where that\n"
        "is installed. Example: script/test sql -- -k pushdown -x",
    )
    parser.add_argument("layer", nargs="*", metavar="LAYER", help="default: all of them")
    parser.add_argument(
        "--jobs",
        type=int,
        default=min(2, os.cpu_count() or 1),
        metavar="N",
        help="layers to run at the same time (default: 2 where there are two processors)",
    )
    parser.add_argument("--host", choices=tree.FLAVOURS, help="only this host")
    return parser


def _prepare(
    places: Places, layers: Sequence[Layer], only: str | None
) -> tuple[list[str], Path | None]:
    """Install what the layers need; the hosts to run on, and a pg_config to build against.

    None of either where no layer needs PostgreSQL.
    """
    if not any(layer.server for layer in layers):
        return [], None
    needs = tuple(need for layer in layers for need in layer.needs)
    installation = prepare.server(places, build_host=only != tree.MULTICORN2, extra=needs)
    found = prepare.hosts(installation)
    if only is not None and only not in found:
        raise Failure(f"{only} is not installed for {installation.version}")
    hosts = [only] if only else found
    for host in hosts:
        tree.ensure(places, installation, host)
    return hosts, tree.pg_config_with_headers(places, installation)


def _environment(places: Places, environment: Venv) -> dict[str, str]:
    """The tests' environment: this one's programs in reach, all caches outside the checkout."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PG") and name not in ("PYTHONPATH", "PYTHONHOME")
    }
    cache = places.home / "cache"
    return {
        **kept,
        "PATH": environment.path(os.environ["PATH"]),
        "PYTHONPYCACHEPREFIX": str(cache / "python"),
        "HYPOTHESIS_STORAGE_DIRECTORY": str(cache / "hypothesis"),
        "RUFF_CACHE_DIR": str(cache / "ruff"),
        "MYPY_CACHE_DIR": str(cache / "mypy"),
        "BITBUCKET_FDW_HOME": str(places.home),
        "PYTHON": venv.system_python(),
    }


@dataclass(frozen=True)
class Job:
    """One pytest run: a layer, on a host where it runs once per host."""

    layer: Layer
    host: str | None

    @property
    def label(self) -> str:
        return f"{self.layer.name} ({self.host})" if self.host else self.layer.name

    def uses(self, host: str) -> bool:
        return self.host == host or (self.host is None and self.layer.server)


@dataclass(frozen=True)
class Runner:
    """What all pytest runs share."""

    places: Places
    environment: Venv
    hosts: list[str]
    pg_config: Path | None
    dbt: Path | None
    extra: list[str]

    def run(self, job: Job, *, aside: bool) -> tuple[str, int, Path]:
        """Run a job; its label, exit status and JUnit report.

        ``aside``: others run at the same time, so its output is kept back until it has ended.
        """
        name = job.label.replace(" (", "-").rstrip(")")
        report = self.places.logs / f"junit-{name}.xml"
        report.unlink(missing_ok=True)
        title = f"\n== {job.label}: {job.layer.about}"
        command = [
            str(self.environment.python),
            "-m",
            "pytest",
            job.layer.path,
            "--quiet",
            f"--timeout={TEST_TIMEOUT}",
            f"--junitxml={report}",
            f"--override-ini=cache_dir={self.places.home / 'cache' / f'pytest-{name}'}",
            *([f"--host={job.host}"] if job.host else []),
            *self.extra,
        ]
        say(f"  running {job.label}" if aside else title)
        done = subprocess.run(
            command,
            cwd=CHECKOUT,
            env=self._environment(job),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if aside else None,
            stderr=subprocess.STDOUT if aside else None,
            text=True,
            errors="replace",
            check=False,
        )
        if aside:
            say(f"{title}\n{done.stdout.rstrip()}")
        return job.label, done.returncode, report

    def _environment(self, job: Job) -> dict[str, str]:
        env = _environment(self.places, self.environment)
        if job.layer.server:
            env |= {"BITBUCKET_FDW_HOSTS": ",".join(self.hosts), "PG_CONFIG": str(self.pg_config)}
        if self.dbt:
            env["BITBUCKET_FDW_DBT"] = str(self.dbt)
        return env


def _lint(places: Places, environment: Venv, tally: Tally) -> None:
    say("\n== lint: ruff, mypy and shellcheck")
    packages.ensure(places, [SHELLCHECK])
    env = _environment(places, environment)
    ruff = str(environment.directory / "bin" / "ruff")
    mypy = [str(environment.python), "-m", "mypy"]
    helpers = {**env, "MYPYPATH": os.pathsep.join(["script/lib", "host/python", "."])}
    shellcheck = shutil.which("shellcheck") or "shellcheck"
    checks: list[tuple[str, list[str], dict[str, str]]] = [
        ("ruff check", [ruff, "check", "."], env),
        ("ruff format", [ruff, "format", "--check", "."], env),
        ("mypy", mypy, env),
        (
            "mypy (scripts)",
            [*mypy, "--strict", "--explicit-package-bases", "script/lib/devkit", "tests/support"],
            helpers,
        ),
        ("shellcheck", [shellcheck, *SHELL_SCRIPTS], env),
    ]
    for name, command, variables in checks:
        done = subprocess.run(
            command, cwd=CHECKOUT, env=variables, stdin=subprocess.DEVNULL, check=False
        )
        say(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}")
        if done.returncode != 0:
            tally.problems.append(f"lint: {name} failed")


def _summary(tally: Tally, seconds: float) -> int:
    say("\n== summary")
    for problem in tally.problems:
        say(f"FAILED  {problem}")
    say(f"Hosts: {', '.join(tally.hosts) or 'none needed'} ({seconds:.0f} s)")
    if not tally.passed and not tally.failed and not tally.problems:
        say("no pytest layer was asked for")
    say(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.problems or tally.failed else 0
