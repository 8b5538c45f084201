"""Random tables and random statements that join them, for foreign tables and their local copies.

A statement is written for tables that are called ``f0`` and so on; what they are is decided by the
schema in ``search_path``: ``remote`` has foreign tables, ``copies`` local ones with the same rows.
Tables ``l0`` and ``l1`` are local in both.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from typing import Any

from cluster import Session, quote

FOREIGN = 3
LOCAL = 2

# Columns by kinds that compare with each other: name, type, and a value made from a small number.
KINDS: dict[str, list[tuple[str, str, Callable[[int], str]]]] = {
    "number": [
        ("id", "int", str),
        ("big", "bigint", str),
        ("num", "numeric", lambda n: f"{n}.{'0' * (n % 3)}"),
    ],
    "text": [
        ("k", "text", lambda n: "kK"[n % 2] + str(n // 2)),
        ("c", 'text COLLATE "C"', lambda n: "kK"[n % 2] + str(n // 2)),
        ("vc", "varchar(9)", lambda n: "kK"[n % 2] + str(n // 2)),
    ],
    "time": [
        ("d", "date", lambda n: f"2024-01-{n + 1:02}"),
        ("ts", "timestamptz", lambda n: f"2024-01-{n + 1:02} 00:00:00+00"),
    ],
    "flag": [("b", "boolean", lambda n: str(n % 2 == 0).lower())],
    "uuid": [("u", "uuid", lambda n: f"00000000-0000-0000-0000-{n:012}")],
}
COLUMNS = {name: (kind, make) for kind, all_ in KINDS.items() for name, _, make in all_}
DECLARED = ", ".join(f"{name} {type_}" for all_ in KINDS.values() for name, type_, _ in all_)
HOW = ["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]
SETTINGS = ("hashjoin", "mergejoin", "nestloop", "material", "memoize", "hashagg", "sort")


def make_tables(session: Session, chance: random.Random, server: str) -> None:
    """Make the tables of one round anew; foreign ones with random keys, costs and stray rows."""
    session.execute(
        "DROP SCHEMA IF EXISTS remote, copies, plain CASCADE;"
        "CREATE SCHEMA remote; CREATE SCHEMA copies; CREATE SCHEMA plain"
    )
    for number in range(FOREIGN + LOCAL):
        name = f"f{number}" if number < FOREIGN else f"l{number - FOREIGN}"
        schema = "copies" if number < FOREIGN else "plain"
        values = [_row(chance) for _ in range(chance.choice((0, 3, 20, 60)))]
        session.execute(f"CREATE TABLE {schema}.{name} ({DECLARED})")
        for row in values:
            literals = ", ".join("NULL" if v is None else quote(v) for v in row.values())
            session.execute(f"INSERT INTO {schema}.{name} VALUES ({literals})")
        if chance.random() < 0.8:
            session.execute(f"ANALYZE {schema}.{name}")
        if number < FOREIGN:
            _make_foreign(session, chance, name, server)


def _row(chance: random.Random) -> dict[str, str | None]:
    width = chance.choice((4, 12))
    return {
        name: None if chance.random() < 0.1 else make(chance.randrange(width))
        for name, (_, make) in COLUMNS.items()
    }


def _make_foreign(session: Session, chance: random.Random, name: str, server: str) -> None:
    rows = session.value(f"SELECT coalesce(json_agg(to_json(t)), '[]') FROM copies.{name} t")
    for row in rows:
        row["num"] = None if row["num"] is None else str(row["num"])
    singles = [(column,) for column in COLUMNS if column != "b" or chance.random() < 0.2]
    pairs = [tuple(chance.sample(sorted(COLUMNS), 2)) for _ in range(8)]
    keys = singles + pairs
    most = chance.choice((2, 3, 7, 50))
    each = chance.choice((1, most))
    options = {
        "rows": f"the_rows({rows!r})",
        "silent": "",
        "path_keys": repr([(key, 1) for key in keys]),
        "list_keys": repr([(key, most, 1, each) for key in keys if chance.random() < 0.8]),
        "size": chance.choice(("(10**5, 100)", "(300, 50)", "(50, 10)")),
        "stray": str(chance.choice((0, 0, 3))),
    }
    clause = ", ".join(f"{option} {quote(value)}" for option, value in options.items())
    session.execute(
        f"CREATE FOREIGN TABLE remote.{name} ({DECLARED}) SERVER {server} OPTIONS ({clause})"
    )


def choose_settings(session: Session, chance: random.Random) -> str:
    """Switch some of the planner's methods off; return what was set."""
    off = [name for name in SETTINGS if chance.random() < 0.3]
    commands = [f"SET enable_{name} = {'off' if name in off else 'on'}" for name in SETTINGS]
    commands.append(f"SET work_mem = {chance.choice((64, 4096))}")
    mode = chance.choice(("auto", "force_generic_plan", "force_custom_plan"))
    commands.append(f"SET plan_cache_mode = {mode}")
    commands.append(f"SET join_collapse_limit = {chance.choice((1, 8))}")
    session.execute("; ".join(commands))
    return "; ".join(commands)


class Statement:
    """One random statement; ``parameter`` is the value of its ``$1``."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.aliases = 0
        self.parameter = chance.randrange(12)
        self.may_use_parameter = chance.random() < 0.5
        source, names = self.source(chance.choice((1, 2, 2, 3)))
        where = self.conditions(names, outer=[])
        shown = [self.column(names) for _ in range(chance.choice((1, 3)))]
        if chance.random() < 0.3:
            shown.append(f"coalesce({self.column(names, 'number')}::int, -1)")
        if chance.random() < 0.15:
            shown.append(f"({self.counted(names)})")
        listed = ", ".join(shown)
        self.text = f"SELECT {listed} FROM {source}{where}"
        if chance.random() < 0.2:
            group = shown[0]
            self.text = f"SELECT {group}, count(*) FROM {source}{where} GROUP BY {group}"
        elif chance.random() < 0.1:
            self.text = f"SELECT DISTINCT {listed} FROM {source}{where}"

    @property
    def literal(self) -> str:
        """The statement with a value in place of its parameter."""
        return self.text.replace("$1", str(self.parameter))

    def run(
        self, session: Session, schema: str, how: str, chance: random.Random
    ) -> list[tuple[Any, ...]]:
        """The rows of the statement: of all, or of the first three if that is how."""
        session.execute(f"SET search_path = {schema}, plain, public")
        if how == "limited":
            return session.rows(f"{self.literal} LIMIT 3")
        if how == "prepared":
            session.execute(f"DEALLOCATE ALL; PREPARE q(int) AS {self.text}")
            first, second = (session.rows(f"EXECUTE q({self.parameter})") for _ in range(2))
            assert Counter(first) == Counter(second)
            return second
        if how == "plain":
            return session.rows(self.literal)
        session.execute(f"BEGIN; DECLARE c CURSOR FOR {self.literal}")
        found = []
        while rows := session.rows(f"FETCH {chance.choice((1, 5, 40))} FROM c"):
            found += rows
        session.execute("COMMIT")
        return found

    def table(self) -> str:
        name = self.chance.choice(["f0", "f1", "f2", "f0", "f1", "f2", "l0", "l1"])
        self.aliases += 1
        return f"{name} a{self.aliases}"

    def column(self, names: list[str], kind: str | None = None) -> str:
        columns = [c for c, (k, _) in COLUMNS.items() if kind in (None, k)]
        return f"{self.chance.choice(names)}.{self.chance.choice(columns)}"

    def equality(self, left: list[str], right: list[str]) -> str:
        kind = self.chance.choice(["number", "number", "text", "text", "time", "flag", "uuid"])
        mine, other = self.column(left, kind), self.column(right, kind)
        if kind == "text":
            other += self.chance.choice((' COLLATE "default"', ' COLLATE "C"'))
        if kind == "number" and self.chance.random() < 0.2:
            other = f"{other} + {self.chance.randrange(3)}"
        return f"{mine} = {other}" if self.chance.random() < 0.5 else f"{other} = {mine}"

    def condition(self, left: list[str], right: list[str]) -> str:
        """A condition beside an equality."""
        choice = self.chance.randrange(6)
        if choice == 0:
            return f"{self.column(left, 'number')} < {self.column(right, 'number')}"
        if choice == 1:
            return (
                f'({self.column(left, "text")} <> {self.column(right, "text")} COLLATE "C" '
                f"OR {self.column(right)} IS NULL)"
            )
        if choice == 2:
            return f"{self.column(right, 'number')} IN (1, 2, 3, 5)"
        if choice == 3 and self.may_use_parameter:
            return f"{self.column(right, 'number')} > $1::int"
        return self.equality(left, right)

    def source(self, joins: int) -> tuple[str, list[str]]:
        """A FROM item of so many joins, and its aliases."""
        if joins == 0:
            table = self.table()
            return table, [table.split()[1]]
        on_left = self.chance.randrange(joins)
        left, left_names = self.source(on_left)
        if joins == 1 and self.chance.random() < 0.12:
            return self.lateral(left, left_names)
        right, right_names = self.source(joins - 1 - on_left)
        if " " in right and len(right_names) > 1:
            right = f"({right})"
        on = [self.equality(left_names, right_names)]
        how = self.chance.choice(HOW)
        while how != "FULL JOIN" and self.chance.random() < 0.35:
            on.append(self.condition(left_names, right_names))
        return f"{left} {how} {right} ON {' AND '.join(on)}", left_names + right_names

    def lateral(self, left: str, names: list[str]) -> tuple[str, list[str]]:
        inner, inner_names = self.source(self.chance.choice((0, 1)))
        self.aliases += 1
        alias = f"a{self.aliases}"
        columns = ", ".join(f"max({inner_names[0]}.{c}::text) AS {c}" for c in ("k", "c", "vc"))
        rest = ", ".join(
            f"NULL::{type_.split(' COLLATE')[0]} AS {name}"
            for all_ in KINDS.values()
            for name, type_, _ in all_
            if name not in ("k", "c", "vc")
        )
        fence = self.chance.choice(("", " OFFSET 0"))
        return (
            f"{left} CROSS JOIN LATERAL (SELECT {columns}, {rest} FROM {inner} "
            f"WHERE {self.equality(names, inner_names)}{fence}) {alias}",
            [*names, alias],
        )

    def counted(self, outer: list[str]) -> str:
        inner, names = self.source(self.chance.choice((0, 1)))
        return f"SELECT count(*) FROM {inner} WHERE {self.equality(outer, names)}"

    def conditions(self, names: list[str], outer: list[str]) -> str:
        found = []
        if self.chance.random() < 0.4:
            inner, inner_names = self.source(self.chance.choice((0, 0, 1)))
            on = [self.equality(names, inner_names)]
            if self.chance.random() < 0.4:
                on.append(self.condition(names, inner_names))
            word = self.chance.choice(("EXISTS", "NOT EXISTS"))
            found.append(f"{word} (SELECT FROM {inner} WHERE {' AND '.join(on)})")
        if self.chance.random() < 0.2:
            inner, inner_names = self.source(0)
            mine = self.column(names, "number")
            word = self.chance.choice(("IN", "IN", "NOT IN"))
            found.append(
                f"{mine} {word} (SELECT {self.column(inner_names, 'number')} FROM {inner})"
            )
        if self.chance.random() < 0.2:
            found.append(self.condition(names, names))
        return f" WHERE {' AND '.join(found)}" if found else ""
