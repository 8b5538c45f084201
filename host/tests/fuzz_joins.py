"""Asks random joins of foreign tables, with batched joins and without, and of their local copies.

    PG_CONFIG=… python host/tests/fuzz_joins.py [--minutes 10] [--first SEED] [--seeds N]

Each seed makes tables anew and asks a dozen statements. A line tells of each seed at once. What is
wrong is printed with its statement and settings, and makes the exit status 1. Wrong are

- rows that differ from those of the copies,
- errors; that the time is up is one if there was time enough without batched joins,
- more than one statement in a hundred that is dear: its scans cost much more than without batched
  joins. Plans are chosen by estimates, so that a few are dear by chance. They are printed too.
"""

from __future__ import annotations

import argparse
import dataclasses
import random
import sys
import time
from collections import Counter
from typing import Any

import psycopg
from cluster import Session, create_database, running_cluster
from random_joins import Statement
from random_tables import make_tables, make_types

NODE = "Custom Scan (Batched Join)"
SETTINGS = ("hashjoin", "mergejoin", "nestloop", "material", "memoize", "hashagg", "sort")
CURSORS = {"cursor": "CURSOR", "scrolled": "SCROLL CURSOR", "held": "SCROLL CURSOR WITH HOLD"}
WAYS = ("plain", "prepared", "limited", "ordered", *CURSORS)

MOST_SECONDS = 20
# A statement of more rows than these says no more, and takes long.
MOST_ROWS = 5000
# Requests may cost so many times more with batches: plans are chosen by estimates.
MUCH = 4
FEW = 60.0

Rows = list[tuple[Any, ...]]


@dataclasses.dataclass
class Found:
    """What came of the statements of some seeds."""

    statements: int = 0
    batched: int = 0
    slow: int = 0
    scans: Counter[str] = dataclasses.field(default_factory=Counter)
    cost: Counter[str] = dataclasses.field(default_factory=Counter)
    faults: list[str] = dataclasses.field(default_factory=list)
    dear: list[str] = dataclasses.field(default_factory=list)

    def add(self, other: Found) -> None:
        self.statements += other.statements
        self.batched += other.batched
        self.slow += other.slow
        self.scans += other.scans
        self.cost += other.cost
        self.faults += other.faults
        self.dear += other.dear

    def __str__(self) -> str:
        spared = {
            name: f"{counts['on']:.0f} for {counts['off']:.0f}"
            for name, counts in (("scans", self.scans), ("cost", self.cost))
        }
        return (
            f"{self.statements} statements, {self.batched} batched, {self.slow} slow, "
            f"scans {spared['scans']}, cost {spared['cost']}, {len(self.dear)} dear, "
            f"{len(self.faults)} faults"
        )


def fuzz(session: Session, seed: int, statements: int = 12) -> Found:
    """Ask the statements of one seed."""
    chance = random.Random(seed)
    found = Found()
    session.execute("RESET ALL")
    make_tables(session, chance)
    for _ in range(statements):
        statement = Statement(chance)
        way = chance.choice(WAYS)
        settings = _settings(chance)
        session.execute(f"RESET ALL; SET statement_timeout = '{MOST_SECONDS}s'")
        expected = _expected(session, statement)
        if expected is not None:
            _compare(session, statement, way, settings, expected, chance.random(), found)
    return found


def _settings(chance: random.Random) -> str:
    """Settings that switch some of the planner's methods off."""
    off = [name for name in SETTINGS if chance.random() < 0.3]
    commands = [f"SET enable_{name} = {'off' if name in off else 'on'}" for name in SETTINGS]
    commands.append(f"SET work_mem = {chance.choice((64, 4096))}")
    mode = chance.choice(("auto", "force_generic_plan", "force_custom_plan"))
    commands.append(f"SET plan_cache_mode = {mode}")
    commands.append(f"SET join_collapse_limit = {chance.choice((1, 8))}")
    commands.append(f"SET enable_partitionwise_join = {chance.choice(('on', 'off'))}")
    return "; ".join(commands)


def _expected(session: Session, statement: Statement) -> Rows | None:
    """The rows that local tables give; None if these are many, or take long."""
    try:
        rows = _run(session, statement, "copies", "plain", random.Random(0))
    except psycopg.errors.QueryCanceled:
        return None
    return rows if len(rows) <= MOST_ROWS else None


def _compare(
    session: Session,
    statement: Statement,
    way: str,
    settings: str,
    expected: Rows,
    seed: float,
    found: Found,
) -> None:
    found.statements += 1
    cost = {}
    plans = {}
    for batched in ("off", "on"):
        said = f"\n{settings}; SET multicorn.enable_batched_join = {batched}\n{way}: "
        said += statement.literal
        session.execute(f"{settings}; SET multicorn.enable_batched_join = {batched}")
        session.rows("SELECT * FROM asked")
        try:
            rows = _run(session, statement, "remote", way, random.Random(seed))
        except psycopg.Error as error:
            session.execute("ROLLBACK")
            if batched == "off" and isinstance(error, psycopg.errors.QueryCanceled):
                found.slow += 1
                return
            found.faults.append(f"{type(error).__name__}: {error}{said}")
            return
        asked = dict(session.rows("SELECT * FROM asked"))
        found.scans[batched] += asked["scans"]
        found.cost[batched] += asked["cost"]
        cost[batched] = asked["cost"]
        if not _right(rows, expected, way, statement):
            found.faults.append(f"wrong rows{said}\n{_plan(session, statement, way)}")
        plans[batched] = _plan(session, statement, way)
    found.batched += NODE in plans["on"]
    if cost["on"] > MUCH * cost["off"] + FEW:
        both = "\n".join(plans.values())
        found.dear.append(f"cost {cost['on']} for {cost['off']}{said}\n{both}")


def _right(rows: Rows, expected: Rows, way: str, statement: Statement) -> bool:
    if way == "limited":
        return len(rows) == min(3, len(expected)) and not Counter(rows) - Counter(expected)
    if way == "ordered":
        return len(rows) == min(7, len(expected)) and not Counter(rows) - Counter(expected)
    return Counter(rows) == Counter(expected)


def _run(
    session: Session, statement: Statement, schema: str, way: str, chance: random.Random
) -> Rows:
    """The rows of the statement: all, or as many as the way of asking gives."""
    session.execute(f"SET search_path = {schema}, plain, public")
    if way in CURSORS:
        return _from_cursor(session, statement, way, chance)
    if way == "prepared":
        session.execute(f"DEALLOCATE ALL; PREPARE q(int) AS {statement.text}")
        first = session.rows(_command(statement, way))
        second = session.rows(_command(statement, way))
        return second if Counter(first) == Counter(second) else [*first, *second]
    return session.rows(_command(statement, way))


def _command(statement: Statement, way: str) -> str:
    if way in CURSORS:
        return f"DECLARE c {CURSORS[way]} FOR {statement.literal}"
    columns = ", ".join(map(str, range(1, statement.columns + 1)))
    return {
        "plain": statement.literal,
        "prepared": f"EXECUTE q({statement.parameter})",
        "limited": f"{statement.literal} LIMIT 3",
        "ordered": f"{statement.literal} ORDER BY {columns} LIMIT 7",
    }[way]


def _plan(session: Session, statement: Statement, way: str) -> str:
    return session.plan(_command(statement, way), "costs on")


def _from_cursor(session: Session, statement: Statement, way: str, chance: random.Random) -> Rows:
    session.execute(f"BEGIN; {_command(statement, way)}")
    rows: Rows = []
    if way != "cursor":
        begun = session.rows(f"FETCH {chance.choice((1, 5, 40))} FROM c")
        session.execute(f"MOVE BACKWARD {len(begun) + 1} FROM c")
    if way == "held":
        session.execute("COMMIT")
    while fetched := session.rows(f"FETCH {chance.choice((5, 40, 1000))} FROM c"):
        rows += fetched
    if way != "cursor":
        again = session.rows("FETCH BACKWARD ALL FROM c")
        if again[::-1] != rows or rows[: len(begun)] != begun:
            rows += again
    session.execute("CLOSE c" if way == "held" else "COMMIT")
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--first", type=int, default=0, metavar="SEED")
    parser.add_argument("--seeds", type=int, metavar="N", help="how many (default: no end)")
    parser.add_argument("--minutes", type=float, default=10, metavar="N")
    arguments = parser.parse_args()
    end = time.monotonic() + 60 * arguments.minutes
    total = Found()
    with running_cluster("bundled") as cluster:
        create_database(cluster, "fuzz")
        session = Session(cluster, "fuzz")
        make_types(session)
        seed = arguments.first
        while time.monotonic() < end and seed - arguments.first != arguments.seeds:
            found = fuzz(session, seed)
            print(f"seed {seed}: {found}", *found.faults, *found.dear, sep="\n\n", flush=True)
            total.add(found)
            seed += 1
    print(f"In all: {total}")
    return 1 if total.faults or len(total.dear) * 100 > total.statements else 0


if __name__ == "__main__":
    sys.exit(main())
