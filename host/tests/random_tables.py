"""Random tables, each as a foreign one and as its local copy, for statements that join them.

What a table ``f0`` is, is decided by the schema in ``search_path``: ``remote`` has foreign tables,
``copies`` local ones with the same rows. Tables ``l0`` and ``l1`` are local in both. ``p0`` has
partitions, of which two are foreign in ``remote``.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, NamedTuple

from cluster import Session, quote

FOREIGN = 3
LOCAL = 2
NAMES = [f"f{n}" for n in range(FOREIGN)] * 2 + [f"l{n}" for n in range(LOCAL)]
PARTITIONED = "p0"


class Column(NamedTuple):
    """``value`` makes a value from a small number. ``searched``: the wrapper looks for values."""

    kind: str
    type: str
    value: Callable[[int], str]
    searched: bool = True


def _word(number: int) -> str:
    return "kK"[number % 2] + str(number // 2)


# Columns of one kind compare with each other. Some have values that are equal and look different.
COLUMNS = {
    "id": Column("number", "int", str),
    "big": Column("number", "bigint", str),
    "num": Column("number", "numeric", lambda n: f"{n}.{'0' * (n % 3)}"),
    "k": Column("text", "text", _word),
    "c": Column("text", 'text COLLATE "C"', _word),
    "vc": Column("text", "varchar(9)", _word),
    "dom": Column("text", "word", _word, searched=False),
    "d": Column("time", "date", lambda n: f"2024-01-{n + 1:02}"),
    "ts": Column("time", "timestamptz", lambda n: f"2024-01-{n + 1:02} 00:00:00+00"),
    "b": Column("flag", "boolean", lambda n: str(n % 2 == 0).lower()),
    "u": Column("uuid", "uuid", lambda n: f"00000000-0000-0000-0000-{n:012}"),
    "bp": Column("padded", "char(4)", lambda n: _word(n) + " " * (n % 3), searched=False),
    "nd": Column("loose", "loose", _word, searched=False),
    "f": Column("float", "float8", lambda n: ("NaN", "-0", "0", "1.5")[n % 4], searched=False),
    "f4": Column("float", "float4", lambda n: ("NaN", "0", "1.5", "-0")[n % 4], searched=False),
    "iv": Column(
        "interval", "interval", lambda n: ("1 mon", "30 days", "720:00:00", "1 day")[n % 4], False
    ),
    "mood": Column("enum", "mood", lambda n: ("sad", "ok", "happy")[n % 3], searched=False),
    "arr": Column("array", "int[]", lambda n: f"{{{n % 3},{n % 2}}}", searched=False),
    "js": Column("json", "jsonb", lambda n: ("1", "1.0", '{"a": [1]}')[n % 3], searched=False),
}
KINDS = sorted({column.kind for column in COLUMNS.values()})
# Of other types, the text is shown: it can be compared in Python.
SHOWN_AS_TEXT = ("padded", "loose", "float", "interval", "enum", "array", "json")
DECLARED = ", ".join(f"{name} {column.type}" for name, column in COLUMNS.items())
TYPES = """
CREATE DOMAIN word AS text;
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
DO $$ BEGIN
    CREATE COLLATION without_case
        (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE DOMAIN loose AS text COLLATE without_case;
EXCEPTION WHEN feature_not_supported THEN CREATE DOMAIN loose AS text;
END $$;
CREATE SERVER chance FOREIGN DATA WRAPPER multicorn
    OPTIONS (wrapper 'searching.SearchingWrapper');
CREATE FOREIGN TABLE asked (what text, times float8) SERVER s
    OPTIONS (rows '__import__(''searching'').take_asked()', silent '');
"""


def make_types(session: Session) -> None:
    """Make what is the same for all rounds in a database: types, and the wrapper's server."""
    session.execute(TYPES)


def make_tables(session: Session, chance: random.Random) -> None:
    """Make the tables of one round anew; foreign ones with random keys, costs and stray rows."""
    session.execute(
        "DROP SCHEMA IF EXISTS remote, copies, plain CASCADE;"
        "CREATE SCHEMA remote; CREATE SCHEMA copies; CREATE SCHEMA plain"
    )
    for number in range(FOREIGN):
        _make_copy(session, chance, f"copies.f{number}", f"({DECLARED})")
        _make_foreign(session, chance, f"f{number}", f"({DECLARED})")
    for number in range(LOCAL):
        _make_copy(session, chance, f"plain.l{number}", f"({DECLARED})")
    _make_partitions(session, chance)


def _make_partitions(session: Session, chance: random.Random) -> None:
    for schema in ("copies", "remote"):
        session.execute(
            f"CREATE TABLE {schema}.{PARTITIONED} ({DECLARED}) PARTITION BY LIST (mood)"
        )
    for name, moods in (("happy", "'happy'"), ("sad", "'sad'"), ("others", "'ok', NULL")):
        bounds = f"PARTITION OF {{}}.{PARTITIONED} FOR VALUES IN ({moods})"
        wanted = [mood.strip("'") for mood in moods.split(", ")]
        _make_copy(session, chance, f"copies.{name}", bounds.format("copies"), wanted)
        if name == "others":
            session.execute(
                f"CREATE TABLE remote.{name} {bounds.format('remote')};"
                f"INSERT INTO remote.{name} SELECT * FROM copies.{name}"
            )
        else:
            _make_foreign(session, chance, name, bounds.format("remote"))


def _make_copy(
    session: Session, chance: random.Random, table: str, how: str, moods: list[str] | None = None
) -> None:
    session.execute(f"CREATE TABLE {table} {how}")
    for _ in range(chance.choice((0, 3, 20, 60)) // (3 if moods else 1)):
        row = _row(chance)
        if moods:
            mood = chance.choice(moods)
            row["mood"] = None if mood == "NULL" else mood
        literals = ", ".join("NULL" if v is None else quote(v) for v in row.values())
        session.execute(f"INSERT INTO {table} VALUES ({literals})")
    if chance.random() < 0.8:
        session.execute(f"ANALYZE {table}")


def _row(chance: random.Random) -> dict[str, str | None]:
    width = chance.choice((4, 12))
    return {
        name: None if chance.random() < 0.1 else column.value(chance.randrange(width))
        for name, column in COLUMNS.items()
    }


def _rows(session: Session, table: str) -> list[dict[str, Any]]:
    """The rows of a copy, as a wrapper's ``the_rows`` takes them."""
    as_text = ", ".join(
        f"{name}::text" if column.kind in (*SHOWN_AS_TEXT, "number") else name
        for name, column in COLUMNS.items()
    )
    rows: list[dict[str, Any]] = session.value(
        f"SELECT coalesce(json_agg(to_json(t)), '[]') FROM (SELECT {as_text} FROM {table}) t"
    )
    for row in rows:
        for name in ("id", "big"):
            row[name] = None if row[name] is None else int(row[name])
    return rows


def _make_foreign(session: Session, chance: random.Random, name: str, how: str) -> None:
    singles = [(column,) for column in COLUMNS if column != "b" or chance.random() < 0.2]
    pairs = [tuple(chance.sample(sorted(COLUMNS), 2)) for _ in range(12)]
    keys = singles + pairs
    most = chance.choice((2, 3, 7, 50))
    each = chance.choice((1, most))
    options = {
        "rows": f"the_rows({_rows(session, f'copies.{name}')!r})",
        "silent": "",
        "path_keys": repr([(key, 1) for key in keys if chance.random() < 0.7]),
        "list_keys": repr([(key, most, 1, each) for key in keys if chance.random() < 0.8]),
        "size": chance.choice(("(10**5, 100)", "(300, 50)", "(50, 10)")),
        "stray": str(chance.choice((0, 0, 3))),
        "searched": repr([column for column in COLUMNS if COLUMNS[column].searched]),
    }
    clause = ", ".join(f"{option} {quote(value)}" for option, value in options.items())
    session.execute(f"CREATE FOREIGN TABLE remote.{name} {how} SERVER chance OPTIONS ({clause})")
