"""script/test: the layers of tests, each as its own pytest run, and an honest summary."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from devkit import debian, packages, pgbouncer, prebuilt, prepare, spark, tree, venv
from devkit.layers import LAYERS, Layer
from devkit.packages import Need
from devkit.places import CHECKOUT, Places, open_places
from devkit.postgres import Installation
from devkit.run import Failure, say
from devkit.spark import Spark
from devkit.venv import Venv

NO_TESTS = 5  # pytest's exit status when it collected nothing
TEST_TIMEOUT = 600  # seconds for one test: none is that slow, so one that takes longer hangs
# Seconds for one pytest run. A fixture that hangs after its test has used up the time of a test is
# ended by this alone.
RUN_TIMEOUT = 3600
SHELL_SCRIPTS = (
    "script/bootstrap",
    "script/demo",
    "script/test",
    "script/bench",
    "script/package",
    ".ci/run",
    "docker/entrypoint.sh",
)
# Outside of the package, and checked as strictly.
TYPED = ("script/lib/devkit", "tests/support", "benchmarks")
SHELLCHECK = Need("shellcheck", program="shellcheck")


@dataclass
class Tally:
    """What ran, and how it ended."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0
    problems: list[str] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)
    runs: dict[str, tuple[int, int, int, float]] = field(default_factory=dict)

    def add(self, label: str, status: int, report: Path) -> None:
        """Count one pytest run from its JUnit report; the exit status has the last word."""
        failed = 0
        before = (self.passed, self.skipped)
        seconds = 0.0
        if report.exists():
            # The report is pytest's own, written a moment ago.
            for suite in ElementTree.parse(report).getroot().iter("testsuite"):  # noqa: S314
                failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
                skipped = int(suite.get("skipped", 0))
                self.failed += failed
                self.skipped += skipped
                self.passed += int(suite.get("tests", 0)) - failed - skipped
                seconds = float(suite.get("time", 0))
        passed, skipped = self.passed - before[0], self.skipped - before[1]
        self.runs[label] = (passed, failed, skipped, seconds)
        if status == NO_TESTS:
            self.problems.append(f"{label}: no tests were found")
        elif status != 0:
            self.problems.append(f"{label}: {failed} failed (pytest's exit status {status})")


def main(arguments: list[str]) -> int:
    own, extra = _split(arguments)
    options = _parser().parse_args(own)
    known = ["lint", *(layer.name for layer in LAYERS)]
    if options.postgres:
        known = [layer.name for layer in LAYERS if layer.everywhere]
    if options.debian:
        given = [*options.layer, *(["--host", options.host] if options.host else [])]
        given += ["--postgres", options.postgres] if options.postgres else []
        given += ["--jobs", str(options.jobs), *(["--", *extra] if extra else [])]
        return debian.run(open_places(), debian.releases_of(options.debian), given)
    chosen = options.layer or known
    unknown = [name for name in chosen if name not in known]
    if unknown:
        raise Failure(f"unknown layer {unknown[0]!r}", hint=f"Layers: {', '.join(known)}.")
    layers = [layer for layer in LAYERS if layer.name in chosen]
    majors = prebuilt.majors_of(options.postgres) if options.postgres else []
    if majors and options.host == tree.MULTICORN2:
        raise Failure("--postgres has servers without Multicorn2", hint="Leave --host out.")
    started = time.monotonic()
    _end_on_signals()
    places = open_places()
    tally = Tally()
    hosts, pg_config = _prepare(places, layers, tree.BUNDLED if majors else options.host)
    environment = venv.ensure(places, "test")
    dbt = venv.ensure_dbt(places) if "clients" in chosen else None
    pool = pgbouncer.ensure(places) if "clients" in chosen else None
    sparks = spark.ensure(places, environment) if "clients" in chosen else None
    if "lint" in chosen:
        _lint(places, environment, tally)
    if majors:
        servers = [prebuilt.ensure(places, environment.python, major) for major in majors]
        jobs = _jobs_everywhere(places, layers, servers)
    else:
        jobs = [Job(layer, host) for layer in layers for host in _hosts_of(layer, hosts)]
    runner = Runner(places, environment, hosts, pg_config, dbt, pool, sparks, extra)
    if options.jobs > 1:
        # Else the longest one might run alone at the end.
        jobs.sort(key=lambda job: -job.layer.seconds)
    _run(runner, jobs, options.jobs, tally)
    tally.hosts += [host for host in hosts if any(job.uses(host) for job in jobs)]
    return _summary(tally, time.monotonic() - started, versions=bool(majors))


def _hosts_of(layer: Layer, hosts: list[str]) -> list[str | None]:
    return [*hosts] if layer.per_host else [None]


def _jobs_everywhere(
    places: Places, layers: Sequence[Layer], servers: Sequence[Installation]
) -> list[Job]:
    """The slices of the layers on each of the servers; the host is built for each beforehand."""
    for server in servers:
        tree.ensure(places, server, tree.BUNDLED)
    return [
        Job(layer, host, server)
        for server in servers
        for layer in layers
        for host in _hosts_of(layer, [tree.BUNDLED])
    ]


def _run(runner: Runner, jobs: Sequence[Job], at_once: int, tally: Tally) -> None:
    lanes = max(1, min(at_once, len(jobs)))
    with ThreadPoolExecutor(lanes) as pool:
        running = [pool.submit(runner.run, job, aside=lanes > 1) for job in jobs]
        try:
            for finished in as_completed(running):
                tally.add(*finished.result())
        except KeyboardInterrupt as interrupt:
            # The terminal has interrupted the running ones, too; no other is to start.
            pool.shutdown(wait=False, cancel_futures=True)
            if isinstance(interrupt, _Terminated):
                runner.interrupt()
            pool.shutdown(wait=True)
            raise


class _Terminated(KeyboardInterrupt):
    """A signal that only this process got: its pytest runs go on unless they are told."""


def _end_on_signals() -> None:
    """Let SIGTERM and SIGHUP end the pytest runs, too, so that these stop their servers."""

    def end(number: int, _: FrameType | None) -> None:
        raise _Terminated

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, end)
    # A shell starts what is to run in the background with this one ignored. The pytest runs would
    # inherit that, and could not be interrupted any more.
    signal.signal(signal.SIGINT, signal.default_int_handler)


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
        usage="script/test [--host HOST | --postgres MAJORS] [--debian RELEASES] [--jobs N] "
        "[LAYER ...] "
        "[-- PYTEST ARGUMENTS]",
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
    parser.add_argument(
        "--postgres",
        metavar="MAJORS",
        help="the host's tests and a slice of sql and writes on each of these PostgreSQL versions, "
        f"such as 14,18 or all ({', '.join(map(str, prebuilt.VERSIONS))}), which are fetched",
    )
    parser.add_argument(
        "--debian",
        metavar="RELEASES",
        help="the same on other releases of Debian, such as trixie,sid, each in a root directory "
        "of its own; needs root",
    )
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
    """One pytest run: a layer, on a host where it runs once per host.

    ``server``: its slice on this PostgreSQL, in place of all of it on the machine's own.
    """

    layer: Layer
    host: str | None
    server: Installation | None = None

    @property
    def label(self) -> str:
        where = self.server.label if self.server else self.host
        return f"{self.layer.name} ({where})" if where else self.layer.name

    @property
    def paths(self) -> tuple[str, ...]:
        return self.layer.everywhere if self.server else (self.layer.path,)

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
    pgbouncer: Path | None
    spark: Spark | None
    extra: list[str]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def interrupt(self) -> None:
        """End the pytest runs as Ctrl-C does: they stop what they have started."""
        for process in self.running:
            process.send_signal(signal.SIGINT)

    def run(self, job: Job, *, aside: bool) -> tuple[str, int, Path]:
        """Run a job; its label, exit status and JUnit report.

        ``aside``: others run at the same time, so its output is kept back until it has ended.
        Meanwhile it is in a file beside the report.
        """
        name = job.label.replace(" (", "-").rstrip(")")
        report = self.places.logs / f"junit-{name}.xml"
        report.unlink(missing_ok=True)
        title = f"\n== {job.label}: {job.layer.about}"
        command = [
            str(self.environment.python),
            "-m",
            "pytest",
            *job.paths,
            "--quiet",
            f"--timeout={TEST_TIMEOUT}",
            f"--junitxml={report}",
            f"--override-ini=cache_dir={self.places.home / 'cache' / f'pytest-{name}'}",
            *([f"--host={job.host}"] if job.host else []),
            *self.extra,
        ]
        say(f"  running {job.label}" if aside else title)
        log = self.places.logs / f"pytest-{name}.log"
        with log.open("wb") if aside else contextlib.nullcontext() as output:
            process = subprocess.Popen(
                command,
                cwd=CHECKOUT,
                env=self._environment(job),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if aside else None,
            )
        self.running.append(process)
        in_time = ended(process, RUN_TIMEOUT)
        self.running.remove(process)
        if aside:
            say(f"{title}\n{log.read_text(errors='replace').rstrip()}")
        if not in_time:
            say(f"{job.label}: ended after {RUN_TIMEOUT} s")
        return job.label, process.returncode, report

    def _environment(self, job: Job) -> dict[str, str]:
        env = _environment(self.places, self.environment)
        if job.layer.server:
            pg_config = job.server.pg_config if job.server else self.pg_config
            env |= {"BITBUCKET_FDW_HOSTS": ",".join(self.hosts), "PG_CONFIG": str(pg_config)}
        if job.layer.preloaded and not job.server:
            env["BITBUCKET_FDW_PRELOAD"] = "1"
        if job.server:
            # Its own programs know where its libraries are, its modules (postgres_fdw) do not.
            libraries = str(job.server.directories["LIBDIR"])
            env |= {
                "BITBUCKET_FDW_PG_CONFIG": str(job.server.pg_config),
                "LD_LIBRARY_PATH": libraries,
            }
        if self.dbt:
            env["BITBUCKET_FDW_DBT"] = str(self.dbt)
        if self.pgbouncer:
            env["BITBUCKET_FDW_PGBOUNCER"] = str(self.pgbouncer)
        if self.spark:
            env |= self.spark.environment
        return env


def ended(process: subprocess.Popen[bytes], seconds: float, grace: float = 60) -> bool:
    """Wait for a pytest run; whether it ended in time.

    If not, it is interrupted, so that it stops its servers and reports what it has, and killed if
    it has not ended ``grace`` seconds later.
    """
    try:
        process.wait(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        return False
    return True


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
            [*mypy, "--strict", "--explicit-package-bases", *TYPED],
            helpers,
        ),
        ("mypy (tests)", [*mypy, "--config-file", "tests/mypy.ini", "tests", "host/tests"], env),
        ("shellcheck", [shellcheck, *SHELL_SCRIPTS], env),
    ]
    for name, command, variables in checks:
        done = subprocess.run(
            command, cwd=CHECKOUT, env=variables, stdin=subprocess.DEVNULL, check=False
        )
        say(f"{name}: {'ok' if done.returncode == 0 else 'FAILED'}")
        if done.returncode != 0:
            tally.problems.append(f"lint: {name} failed")


def _summary(tally: Tally, seconds: float, *, versions: bool) -> int:
    say("\n== summary")
    for problem in tally.problems:
        say(f"FAILED  {problem}")
    if versions:
        say(f"{'PostgreSQL and layer':24}{'passed':>8}{'failed':>8}{'skipped':>8}{'seconds':>9}")
        for label, (passed, failed, skipped, took) in sorted(tally.runs.items()):
            say(f"{label:24}{passed:8}{failed:8}{skipped:8}{took:9.0f}")
    say(f"Hosts: {', '.join(tally.hosts) or 'none needed'} ({seconds:.0f} s)")
    if not tally.passed and not tally.failed and not tally.problems:
        say("no pytest layer was asked for")
    say(f"{tally.passed} passed, {tally.failed} failed, {tally.skipped} skipped")
    return 1 if tally.problems or tally.failed else 0
