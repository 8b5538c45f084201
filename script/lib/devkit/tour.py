"""The tour: the statements of tour.sql, each with its result, its time and the requests it took.

Those of tour-writes.sql follow on the sample workspace, and only there.
"""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
import textwrap
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from devkit.cluster import Cluster, client_environment, identifier, literal
from devkit.demo_database import ROLE, Target
from devkit.emulator import Control, Request
from devkit.places import CHECKOUT
from devkit.run import Failure, say

READS = CHECKOUT / "script" / "tour.sql"
WRITES = CHECKOUT / "script" / "tour-writes.sql"
SHOWN_REQUESTS = 4  # of each statement; the count says how many there were
TIMING = re.compile(r"^Time: ([\d.]+) ms.*$")


@dataclass(frozen=True)
class Stop:
    """One statement of the tour, with the comment above it."""

    title: str
    statement: str


def read(path: Path) -> list[Stop]:
    """The stops: paragraphs of a comment and a statement; a paragraph of comments is skipped."""
    stops = []
    for paragraph in re.split(r"\n\s*\n", path.read_text(encoding="utf-8").strip()):
        lines = paragraph.splitlines()
        comment = list(itertools.takewhile(lambda line: line.startswith("--"), lines))
        statement = "\n".join(lines[len(comment) :]).strip()
        if statement:
            title = " ".join(line.removeprefix("--").strip() for line in comment)
            stops.append(Stop(title, statement))
    return stops


class Psql:
    """One psql session that runs statement after statement, so that caches act as for a user."""

    def __init__(self, cluster: Cluster, database: str) -> None:
        self._marks = itertools.count(1)
        self._process = subprocess.Popen(
            [
                *cluster.psql_command(database, ROLE),
                "--no-psqlrc",
                "--quiet",
                "--pset=pager=off",
                "--pset=linestyle=unicode",
                "--pset=null=∅",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            env={**client_environment(), "PGCLIENTENCODING": "UTF8"},
        )

    def run(self, text: str) -> list[str]:
        """Send SQL or psql commands; the lines that psql prints for them."""
        mark = f"--- end {next(self._marks)}"
        assert self._process.stdin is not None
        self._process.stdin.write(f"{text}\n\\echo {mark}\n")
        self._process.stdin.flush()
        return list(self._until(mark))

    def _until(self, mark: str) -> Iterator[str]:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.rstrip("\n") == mark:
                return
            yield line.rstrip("\n")
        raise Failure("psql ended in the middle of the tour")

    def close(self) -> None:
        self._process.communicate()


def run(cluster: Cluster, target: Target, control: Control | None) -> None:
    """Run every statement of the tour and print what came of it.

    ``control`` is given for the sample: its emulator counts requests, and may be written to.
    Raises Failure, at its end, when a statement failed.
    """
    names = _schemas(cluster, target)
    psql = Psql(cluster, target.database)
    failed = 0
    try:
        psql.run("\\timing on")
        stops = read(READS) + (read(WRITES) if control else [])
        for number, stop in enumerate(stops, 1):
            failed += not _show(psql, number, fill(stop, names), control)
    finally:
        psql.close()
    if failed:
        raise Failure(f"{failed} statements of the tour failed; see above")


def fill(stop: Stop, names: dict[str, str]) -> Stop:
    """The stop with this workspace's schema names in the place of ``:workspace`` and the like."""
    statement = stop.statement
    for variable, name in names.items():
        plain = re.fullmatch(r"[a-z_][a-z0-9_]*", name)
        statement = statement.replace(f":{variable}.", f"{name if plain else identifier(name)}.")
    return replace(stop, statement=statement)


def _schemas(cluster: Cluster, target: Target) -> dict[str, str]:
    """The schemas the tour looks at: the workspace's, and one repository's.

    Of the imported repositories the sample's website is taken, elsewhere the one that changed
    last: there is most to see.
    """
    imported = f"""
        SELECT schema FROM bitbucket.imported_tables
        WHERE workspace = lower({literal(target.workspace)}) AND repository IS NULL LIMIT 1;
    """
    workspace = cluster.sql(imported, target.database, ROLE).strip()
    if not workspace:
        raise Failure(f"the tables of workspace {target.workspace} were not imported")
    latest = f"""
        SELECT i.schema
        FROM {identifier(workspace)}.repositories r
        JOIN (SELECT DISTINCT workspace, repository, schema FROM bitbucket.imported_tables) i
             ON (i.workspace, i.repository) = (lower(r.workspace), lower(r.slug))
        ORDER BY r.slug = 'website' DESC, r.updated_on DESC NULLS LAST LIMIT 1;
    """
    repository = cluster.sql(latest, target.database, ROLE).strip()
    if not repository:
        raise Failure(f"workspace {target.workspace} has no repository that this credential sees")
    return {"workspace": workspace, "repository": repository}


def _show(psql: Psql, number: int, stop: Stop, control: Control | None) -> bool:
    """Print one stop; False when its statement failed."""
    say(f"\n{number}. {stop.title}\n")
    say(textwrap.indent(stop.statement, "   "))
    say()
    before = len(control.requests()) if control else 0
    lines = psql.run(stop.statement)
    timing = [found[1] for line in lines if (found := TIMING.match(line))]
    result = [line for line in lines if not TIMING.match(line)]
    say(textwrap.indent("\n".join(result).strip("\n"), "   "))
    seconds = f"{sum(map(float, timing)):.0f} ms"
    if control:
        requests = control.requests()[before:]
        say(f"   → {seconds}, {_plural(len(requests), 'request')}")
        _show_requests(requests)
    else:
        say(f"   → {seconds}")
    return not any(re.search(r"\b(ERROR|FATAL):", line) for line in result)


def _show_requests(requests: list[Request]) -> None:
    width = max(shutil.get_terminal_size((100, 24)).columns, 60) - 8
    for request in requests[:SHOWN_REQUESTS]:
        line = urllib.parse.unquote_plus(request.line)
        say(f"     {line if len(line) <= width else line[: width - 1] + '…'}")
    if len(requests) > SHOWN_REQUESTS:
        say(f"     and {len(requests) - SHOWN_REQUESTS} more")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
