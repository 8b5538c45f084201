"""Random SELECT statements over the foreign tables, for a comparison with plain tables.

Constants are drawn from the tables' own values and from their neighbourhood (another letter case,
a part of it, one more, a microsecond later), so that conditions hold for some rows and not for
others. Everything that the planner may ship is drawn often; what it must leave alone, now and then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from devkit.cluster import identifier, literal
from hypothesis import strategies as st

from bitbucket_fdw.tables import BY_NAME, Table
from bitbucket_fdw.tables.columns import Column
from tests.sql.neighbours import DEFAULTS, EXTREME_TIMES, NEIGHBOURS
from tests.support.declared import (
    Join,
    identity,
    is_deep,
    joins_by_values,
    joins_to_parents,
    required,
)

Values = Mapping[tuple[str, str], list[str]]
"""Texts of a column's values, by names of table and column."""

ZONES = ("UTC", "Asia/Tokyo", "America/St_Johns", "Pacific/Apia", "<+0530>-05:30")
DATE_STYLES = ("ISO, MDY", "German", "SQL, DMY", "Postgres, MDY")
# Every way to join, so that each of PostgreSQL's paths to a row is taken.
PLANNER = (
    (),
    ("SET enable_hashjoin = off", "SET enable_mergejoin = off"),
    ("SET enable_nestloop = off",),
)

# The joins by values of what tables hold, which takes a while to find out, by the values' id.
_BY_VALUES: dict[int, list[list[Join]]] = {}


@dataclass
class Statement:
    """A statement, its constants, and the session's settings it runs under."""

    text: str
    ordered: bool
    schema: str
    settings: tuple[str, ...]
    types: list[str] = field(default_factory=list)
    constants: list[str] = field(default_factory=list)
    prepared: bool = False

    def commands(self) -> list[str]:
        """What to execute, the statement itself last; it returns the rows."""
        if not self.prepared:
            return [self.text]
        types = f"({', '.join(self.types)})" if self.types else ""
        arguments = f"({', '.join(self.constants)})" if self.constants else ""
        return [
            "DEALLOCATE ALL",
            f"PREPARE drawn{types} AS {self.text}",
            f"EXECUTE drawn{arguments}",
        ]

    def __repr__(self) -> str:
        return "\n".join(
            ["", f"SET search_path = {self.schema};"]
            + [f"{command};" for command in (*self.settings, *self.commands())]
        )


class Drawing:
    """Draws one statement; ``draw`` is hypothesis's."""

    def __init__(self, draw: Callable[[st.SearchStrategy[Any]], Any], values: Values) -> None:
        self._draw = draw
        self._values = values
        self.prepared = self._chance(5)
        self.types: list[str] = []
        self.constants: list[str] = []

    def _joins(self, wide: bool) -> Join:
        """Two tables: one with the table that leads to it, or two that share values."""
        if self._chance(2):
            return self._one_of(joins_to_parents(wide=wide))
        if id(self._values) not in _BY_VALUES:
            _BY_VALUES[id(self._values)] = [
                joins_by_values(dict(self._values), wide=w) for w in (False, True)
            ]
        return self._one_of(_BY_VALUES[id(self._values)][wide])

    def _one_of(self, choices: Any) -> Any:
        return self._draw(st.sampled_from(tuple(choices)))

    def _chance(self, one_in: int) -> bool:
        return self._draw(st.integers(0, one_in - 1)) == one_in - 1

    # --- the whole ---

    def statement(self) -> Statement:
        wide = self._chance(4)
        shape = self._one_of((self._rows, self._rows, self._aggregate, self._join, self._nested))
        text, ordered = shape(wide)
        settings = (
            f"SET TimeZone = {literal(self._one_of(ZONES))}",
            f"SET DateStyle = {literal(self._one_of(DATE_STYLES))}",
            *self._one_of(PLANNER),
        )
        return Statement(
            text,
            ordered,
            "acme" if wide else "website",
            settings,
            self.types,
            self.constants,
            self.prepared,
        )

    def _table(self, wide: bool) -> type[Table]:
        known = [t for t in BY_NAME.values() if wide or t.level == "repository"]
        # In a whole workspace the deep tables cost hundreds of requests.
        return self._one_of([t for t in known if not (wide and is_deep(t))])

    def _rows(self, wide: bool) -> tuple[str, bool]:
        table = self._table(wide)
        columns = self._columns(table)
        distinct = "DISTINCT " if self._chance(6) else ""
        text = f"SELECT {distinct}{', '.join(columns)} FROM {table.name}{self._where(table)}"
        if distinct or not self._chance(2):
            return text, False
        return text + self._order(table) + self._window(), True

    def _columns(self, table: type[Table]) -> list[str]:
        chosen = self._draw(
            st.lists(st.sampled_from(table.columns), min_size=1, max_size=4, unique=True)
        )
        return [identifier(column.name) for column in chosen]

    def _order(self, table: type[Table], prefix: str = "") -> str:
        """A total order: by any columns, then by what tells rows apart."""
        sorts = [c for c in table.columns if c.sort]
        leading = []
        if sorts and self._chance(2):
            leading = [self._one_of(sorts)]
        elif self._chance(3):
            leading = [self._one_of(table.columns)]
        keys = [f"{prefix}{identifier(c.name)}{self._direction()}" for c in leading]
        keys += [f"{prefix}{identifier(name)}" for name in identity(table)]
        return f" ORDER BY {', '.join(keys)}"

    def _direction(self) -> str:
        return str(self._one_of(("", "", " DESC", " DESC NULLS LAST", " NULLS FIRST")))

    def _window(self) -> str:
        limit = self._one_of(("", " LIMIT 1", " LIMIT 5", " LIMIT 0", " LIMIT 60"))
        offset = self._one_of(("", "", " OFFSET 1", " OFFSET 49", " OFFSET 1000"))
        return f"{limit}{offset}"

    def _aggregate(self, wide: bool) -> tuple[str, bool]:
        table = self._table(wide)
        column = identifier(self._one_of([c for c in table.columns if c.type not in NO_MIN]).name)
        if self._chance(2):
            return f"SELECT count(*) FROM {table.name}{self._where(table)}", False
        what = f"count(*), count({column}), count(DISTINCT {column}), min({column}), max({column})"
        text = f"SELECT {what} FROM {table.name}{self._where(table)}"
        if not self._chance(2):
            return text, False
        group = identifier(self._one_of(table.columns).name)
        return f"SELECT {group}, {text.removeprefix('SELECT ')} GROUP BY {group}", False

    def _join(self, wide: bool) -> tuple[str, bool]:
        left, right, pairs = self._joins(wide)
        one, other = BY_NAME[left], BY_NAME[right]
        if self._chance(3):
            one, other, pairs = other, one, tuple((b, a) for a, b in pairs)
        how = self._one_of(("JOIN", "JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"))
        on = " AND ".join(f"a.{identifier(x)} = b.{identifier(y)}" for x, y in pairs)
        conditions = [*self._required(one, "a."), *self._required(other, "b.")]
        conditions += [
            self._term(table, f"{alias}.")
            for table, alias in ((one, "a"), (other, "b"))
            if self._chance(2)
        ]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        columns = [f"a.{c}" for c in self._columns(one)] + [f"b.{c}" for c in self._columns(other)]
        source = f"FROM {one.name} a {how} {other.name} b ON {on}{where}"
        if self._chance(4):
            return f"SELECT count(*) {source}", False
        return f"SELECT {', '.join(columns)} {source}", False

    def _nested(self, wide: bool) -> tuple[str, bool]:
        left, right, pairs = self._joins(wide)
        one, other = BY_NAME[left], BY_NAME[right]
        on = " AND ".join(f"b.{identifier(y)} = a.{identifier(x)}" for x, y in pairs)
        inner = self._term(other, "b.") if self._chance(2) else "true"
        inner = " AND ".join([inner, *self._required(other, "b.")])
        columns = ", ".join(f"a.{c}" for c in self._columns(one))
        first_x, first_y = (identifier(name) for name in pairs[0])
        inside = self._one_of(
            (
                f"EXISTS (SELECT FROM {other.name} b WHERE {on} AND {inner})",
                f"NOT EXISTS (SELECT FROM {other.name} b WHERE {on} AND {inner})",
                f"a.{first_x} IN (SELECT b.{first_y} FROM {other.name} b WHERE {inner})",
                f"a.{first_x} = (SELECT max(b.{first_y}::text)::{self._type(one, pairs)} "
                f"FROM {other.name} b WHERE {inner})",
                f"(SELECT count(*) FROM {other.name} b WHERE {on} AND {inner}) > 1",
            )
        )
        outer = f"{self._term(one, 'a.')} AND " if self._chance(2) else ""
        outer += "".join(f"{term} AND " for term in self._required(one, "a."))
        return f"SELECT {columns} FROM {one.name} a WHERE {outer}{inside}", False

    def _type(self, table: type[Table], pairs: Any) -> str:
        return table.column(pairs[0][0]).type

    # --- conditions ---

    def _where(self, table: type[Table]) -> str:
        terms = [self._term(table) for _ in range(self._one_of((0, 1, 1, 2, 2, 3)))]
        terms += self._required(table)
        if is_deep(table) and not required(table) and not self._chance(8):
            parents = [c for c in table.columns if c.param and c.param not in PLACES]
            terms.append(self._equality(table, parents[0]))
        return f" WHERE {' AND '.join(terms)}" if terms else ""

    def _term(self, table: type[Table], prefix: str = "") -> str:
        if self._chance(6):
            some = [self._simple(table, prefix) for _ in range(2)]
            return str(
                self._one_of(
                    (
                        f"({some[0]} OR {some[1]})",
                        f"NOT ({some[0]} AND {some[1]})",
                        f"NOT {some[0]}",
                    )
                )
            )
        return self._simple(table, prefix)

    def _simple(self, table: type[Table], prefix: str) -> str:
        able = [c for c in table.columns if c.filter or c.param or c.query] + [
            table.column(item.key) for item in table.items
        ]
        choices = able if able and not self._chance(4) else table.columns
        column = self._one_of(choices)
        name = prefix + identifier(column.name)
        if self._chance(10):
            return f"{name} IS {self._one_of(('', 'NOT '))}NULL"
        return CONDITIONS[column.type](self, table, column, name)

    def _required(self, table: type[Table], prefix: str = "") -> list[str]:
        """Conditions without which the table is not read."""
        return [self._equality(table, column, prefix) for column in required(table)]

    def _equality(self, table: type[Table], column: Column, prefix: str = "") -> str:
        known = self._known(table, column)
        value = self._constant(self._one_of(known), column.type)
        return f"{prefix}{identifier(column.name)} = {value}"

    def _known(self, table: type[Table], column: Column) -> list[str]:
        return self._values[table.name, column.name] or DEFAULTS[column.type]

    def _constant(self, text: str, type_name: str) -> str:
        value = f"{literal(text)}::{type_name}"
        if not self.prepared:
            return value
        self.types.append(type_name)
        self.constants.append(value)
        return f"${len(self.constants)}"

    def _list(self, table: type[Table], column: Column) -> list[str]:
        known = self._known(table, column)
        size = self._one_of((1, 2, 3, 8, 60))
        if size == 60:
            return known[:60]
        return [self._near(table, column) for _ in range(size)]

    def _membership(self, table: type[Table], column: Column, name: str) -> str:
        items = self._list(table, column)
        kind = self._one_of(("IN", "IN", "NOT IN", "= ANY", "<> ALL", "array"))
        if kind == "array":
            array = "{" + ",".join(_element(item) for item in items) + "}"
            return f"{name} = ANY ({self._constant(array, column.type + '[]')})"
        written = ", ".join(self._constant(item, column.type) for item in items)
        if kind in ("IN", "NOT IN"):
            return f"{name} {kind} ({written})"
        return f"{name} {kind} (ARRAY[{written}])"

    def _near(self, table: type[Table], column: Column) -> str:
        """A value of the column, or one that is near it."""
        value = str(self._one_of(self._known(table, column)))
        if not self._chance(3):
            return value
        return self._draw(st.sampled_from(NEIGHBOURS[column.type](value)))

    def _text(self, table: type[Table], column: Column, name: str) -> str:
        kind = self._one_of(("compare", "compare", "like", "like", "list", "other"))
        value = self._near(table, column)
        if kind == "compare":
            operator = self._one_of(("=", "=", "=", "<>", "<", ">="))
            return f"{name} {operator} {self._constant(value, 'text')}"
        if kind == "list":
            return self._membership(table, column, name)
        if kind == "like":
            operator = self._one_of(("LIKE", "LIKE", "ILIKE", "ILIKE", "NOT LIKE", "NOT ILIKE"))
            return f"{name} {operator} {self._constant(self._pattern(value), 'text')}"
        constant = self._constant(value, "text")
        return str(
            self._one_of(
                (
                    f"lower({name}) = lower({constant})",
                    f"lower({name}) LIKE lower({self._constant(self._pattern(value), 'text')})",
                    f"{name} ^@ {constant}",
                    f"strpos({name}, {constant}) > 0",
                    f"{name} || 'x' = {constant} || 'x'",
                    f"coalesce({name}, '') <> {constant}",
                    f"{constant} = {name}",
                    f'{name} COLLATE "C" < {constant}',
                )
            )
        )

    def _pattern(self, value: str) -> str:
        start = self._draw(st.integers(0, max(0, len(value) - 1)))
        length = self._draw(st.integers(1, 6))
        piece = value[start : start + length]
        escaped = piece.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
        # A pattern must not end in a lone backslash: that is an error when it is reached.
        raw = piece.replace("\\", "\\\\")
        return str(
            self._one_of(
                (
                    f"%{escaped}%",
                    f"{value[:length].replace(chr(92), chr(92) * 2)}%",
                    f"%{escaped.swapcase()}%",
                    f"%{raw}%",
                    f"%{escaped}%{escaped}%",
                    f"_%{escaped}%_",
                    f"%{''.join(chr(92) + c for c in piece)}%",
                    "%",
                    escaped,
                )
            )
        )

    def _number(self, table: type[Table], column: Column, name: str) -> str:
        value = self._near(table, column)
        operator = self._one_of(("=", "=", "<>", "<", "<=", ">", ">="))
        kind = self._one_of(("compare", "compare", "compare", "list", "other"))
        if kind == "compare":
            return f"{name} {operator} {self._constant(value, 'bigint')}"
        if kind == "list":
            return self._membership(table, column, name)
        constant = self._constant(value, "bigint")
        return str(
            self._one_of(
                (
                    f"{name} {operator} {constant} + 0.5",
                    f"{name} {operator} {constant}::float8",
                    f"{name} {operator} {constant}::numeric",
                    f"{name} {operator} {value}",
                    f"{constant} {operator} {name}",
                    f"{name} % 2 = 0",
                    f"{name} BETWEEN {constant} / 2 AND {constant}",
                    f"{name}::text = '{value}'",
                )
            )
        )

    def _boolean(self, _table: type[Table], _column: Column, name: str) -> str:
        return str(
            self._one_of(
                (
                    name,
                    f"NOT {name}",
                    f"{name} = {self._constant('true', 'boolean')}",
                    f"{name} = {self._constant('false', 'boolean')}",
                    f"{name} <> true",
                    f"{name} IS TRUE",
                    f"{name} IS NOT TRUE",
                    f"{name} IS FALSE",
                    f"{name} IS UNKNOWN",
                    f"{name} IN (true, false)",
                )
            )
        )

    def _uuid(self, table: type[Table], column: Column, name: str) -> str:
        if self._chance(3):
            return self._membership(table, column, name)
        operator = self._one_of(("=", "=", "=", "<>", "<", ">="))
        return f"{name} {operator} {self._constant(self._near(table, column), 'uuid')}"

    def _time(self, table: type[Table], column: Column, name: str) -> str:
        value = self._near(table, column)
        operator = self._one_of(("=", "<", "<=", ">", ">=", ">=", "<>"))
        kind = self._one_of(("compare", "compare", "compare", "list", "made of it", "other"))
        if kind == "compare":
            return f"{name} {operator} {self._constant(value, 'timestamptz')}"
        if kind == "made of it":
            return self._of_time(value, operator, name)
        if kind == "list":
            return self._membership(table, column, name)
        constant = self._constant(value, "timestamptz")
        return str(
            self._one_of(
                (
                    f"{name} BETWEEN {constant} - interval '40 days' AND {constant}",
                    f"{name} {operator} ({constant})::date",
                    f"{name} {operator} ({constant})::timestamp",
                    f"extract(isodow FROM {name}) = 2",
                    f"{name} {operator} {self._one_of(EXTREME_TIMES)}::timestamptz",
                    f"{constant} {operator} {name}",
                    f"{name} > now() - interval '1 year'",
                )
            )
        )

    def _of_time(self, value: str, operator: str, name: str) -> str:
        """A comparison of what is made of a time, as BI tools name days, months and years."""
        constant = self._constant(value, "timestamptz")
        zone = literal(self._one_of(("UTC", "CET", "America/St_Johns", "Pacific/Apia")))
        unit = self._one_of(("hour", "day", "week", "month", "quarter", "year"))
        form = self._one_of(
            (
                "{}::date",
                "{}::date",
                "{}::timestamp",
                f"({{}} AT TIME ZONE {zone})",
                f"({{}} AT TIME ZONE {zone})::date",
                f"date_trunc('{unit}', {{}})",
                f"date_trunc('{unit}', {{}} AT TIME ZONE {zone})",
                f"date_trunc('{unit}', {{}}, {zone})",
                f"date_trunc('{unit}', {{}})::date",
                "extract(year FROM {})",
                "date_part('isoyear', {})",
                "extract(epoch FROM {})",
            )
        )
        later = f"({constant} + interval '40 days')"
        return str(
            self._one_of(
                (
                    f"{form.format(name)} {operator} {form.format(constant)}",
                    f"{form.format(constant)} {operator} {form.format(name)}",
                    f"{form.format(name)} IN ({form.format(constant)}, {form.format('now()')})",
                    f"{form.format(name)} BETWEEN {form.format(constant)} AND {form.format(later)}",
                )
            )
        )

    def _json(self, _table: type[Table], _column: Column, name: str) -> str:
        return str(
            self._one_of(
                (
                    f"jsonb_array_length({name}) > 1",
                    f"{name} = '[]'::jsonb",
                    f"{name} @> '[{{}}]'::jsonb",
                    f"{name} -> 0 IS NULL",
                )
            )
        )


PLACES = ("workspace", "repository")
NO_MIN = ("boolean", "uuid", "jsonb")

CONDITIONS: dict[str, Callable[[Drawing, type[Table], Column, str], str]] = {
    "text": Drawing._text,
    "bigint": Drawing._number,
    "integer": Drawing._number,
    "boolean": Drawing._boolean,
    "uuid": Drawing._uuid,
    "timestamptz": Drawing._time,
    "jsonb": Drawing._json,
}


def _element(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


@st.composite
def statements(draw: Callable[[st.SearchStrategy[Any]], Any], values: Values) -> Statement:
    """Random statements with constants near ``values``."""
    return Drawing(draw, values).statement()
