"""Random statements that join the tables of random_tables.py."""

from __future__ import annotations

import random

from random_tables import COLUMNS, DECLARED, KINDS, NAMES, PARTITIONED, SHOWN_AS_TEXT

HOW = ["JOIN", "JOIN", "LEFT JOIN", "LEFT JOIN", "RIGHT JOIN", "FULL JOIN"]
# What a statement compares most is what wrappers look up most.
OFTEN = ["number", "number", "text", "text"]


class Statement:
    """One random statement; ``parameter`` is the value of its ``$1``.

    ``shown`` counts its columns. ``whole`` is false if its rows are not rows as they were joined.
    """

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.aliases = 0
        self.parameter = chance.randrange(12)
        self.may_use_parameter = chance.random() < 0.5
        source, names = self.source(chance.choice((1, 2, 2, 3)))
        where = self.conditions(names)
        shown = [self.shown(names) for _ in range(chance.choice((1, 3)))]
        if chance.random() < 0.3:
            shown.append(f"coalesce({self.column(names, 'number')}::int, -1)")
        if chance.random() < 0.1:
            shown.append(f"({chance.choice(names)} IS NULL)")
        if chance.random() < 0.1:
            shown.append(f"{chance.choice(names)}::text")
        if chance.random() < 0.2:
            shown.append(f"({self.scalar(names)})")
        if chance.random() < 0.1:
            shown.append(f"count(*) OVER (PARTITION BY {shown[0]})")
        self.columns = len(shown)
        listed = ", ".join(shown)
        self.text = f"SELECT {listed} FROM {source}{where}"
        if chance.random() < 0.2:
            group = shown[0]
            having = " HAVING count(*) > 1" if chance.random() < 0.3 else ""
            self.columns = 3
            self.text = (
                f"SELECT {group}, count(*), max({self.column(names, 'number')}) "
                f"FROM {source}{where} GROUP BY {group}{having}"
            )
        elif chance.random() < 0.1:
            self.text = f"SELECT DISTINCT {listed} FROM {source}{where}"

    @property
    def literal(self) -> str:
        """The statement with a value in place of its parameter."""
        return self.text.replace("$1", str(self.parameter))

    def table(self) -> str:
        """A table, or a subquery with the columns of one."""
        self.aliases += 1
        name = self.chance.choice(NAMES)
        choice = self.chance.random()
        if choice < 0.06:
            name = PARTITIONED
        elif choice < 0.10:
            name = f'(SELECT * FROM {name} x ORDER BY x::text COLLATE "C" LIMIT 9)'
        elif choice < 0.13:
            name = f"(SELECT * FROM {name} UNION ALL SELECT * FROM {self.chance.choice(NAMES)})"
        elif choice < 0.16:
            with_ = self.chance.choice(("MATERIALIZED", "NOT MATERIALIZED"))
            name = f"(WITH w AS {with_} (SELECT * FROM {name}) SELECT * FROM w)"
        return f"{name} a{self.aliases}"

    def column(self, names: list[str], kind: str | None = None) -> str:
        columns = [c for c, column in COLUMNS.items() if kind in (None, column.kind)]
        return f"{self.chance.choice(names)}.{self.chance.choice(columns)}"

    def shown(self, names: list[str]) -> str:
        column = self.column(names)
        odd = COLUMNS[column.split(".")[1]].kind in SHOWN_AS_TEXT
        return f'{column}::text COLLATE "C"' if odd else column

    def equality(self, left: list[str], right: list[str]) -> str:
        kind = self.chance.choice(OFTEN + KINDS)
        mine, other = self.column(left, kind), self.column(right, kind)
        if kind == "text":
            other += self.chance.choice((' COLLATE "default"', ' COLLATE "C"'))
        if kind == "number" and self.chance.random() < 0.2:
            other = f"{other} + {self.chance.randrange(3)}"
        if kind == "number" and self.chance.random() < 0.05:
            self.aliases += 1
            inner = f"a{self.aliases}"
            other = (
                f"(SELECT max({inner}.id) FROM {self.chance.choice(NAMES)} {inner} "
                f"WHERE {inner}.id <= {other})"
            )
        return f"{mine} = {other}" if self.chance.random() < 0.5 else f"{other} = {mine}"

    def condition(self, left: list[str], right: list[str]) -> str:
        """A condition beside an equality."""
        choice = self.chance.randrange(7)
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
            operator = self.chance.choice((">", "=", "="))
            return f"{self.column(right, 'number')} {operator} $1::int"
        if choice == 4:
            return f"{self.equality(left, right)} IS NOT TRUE"
        return self.equality(left, right)

    def source(self, joins: int) -> tuple[str, list[str]]:
        """A FROM item of so many joins, and its aliases."""
        if joins == 0:
            table = self.table()
            return table, [table.split()[-1]]
        on_left = self.chance.randrange(joins)
        left, left_names = self.source(on_left)
        if joins == 1 and self.chance.random() < 0.12:
            return self.lateral(left, left_names)
        right, right_names = self.source(joins - 1 - on_left)
        if len(right_names) > 1:
            right = f"({right})"
        on = [self.equality(left_names, right_names)]
        how = self.chance.choice(HOW)
        while how != "FULL JOIN" and self.chance.random() < 0.35:
            on.append(self.condition(left_names, right_names))
        return f"{left} {how} {right} ON {' AND '.join(on)}", left_names + right_names

    def lateral(self, left: str, names: list[str]) -> tuple[str, list[str]]:
        """A join with what a subquery has for each row: one row of an aggregate, or several."""
        inner, inner_names = self.source(self.chance.choice((0, 1)))
        self.aliases += 1
        alias = f"a{self.aliases}"
        where = f" WHERE {self.equality(names, inner_names)}"
        how = self.chance.choice(("CROSS JOIN LATERAL", "LEFT JOIN LATERAL"))
        on = " ON true" if how.startswith("LEFT") else ""
        fence = self.chance.choice(("", "", " OFFSET 0"))
        if self.chance.random() < 0.5:
            first = inner_names[0]
            texts = [name for name, column in COLUMNS.items() if column.kind == "text"]
            columns = ", ".join(
                f"max({first}.{name}::text) AS {name}"
                if name in texts
                else f"NULL::{declared.split(' COLLATE')[0].split(' ', 1)[1]} AS {name}"
                for name, declared in zip(COLUMNS, DECLARED.split(", "), strict=True)
            )
        else:
            columns = f"{self.chance.choice(inner_names)}.*"
            if self.chance.random() < 0.3:
                fence = f' ORDER BY {inner_names[0]}::text COLLATE "C", '
                fence += ", ".join(f'{n}::text COLLATE "C"' for n in inner_names) + " LIMIT 2"
        subquery = f"(SELECT {columns} FROM {inner}{where}{fence})"
        return f"{left} {how} {subquery} {alias}{on}", [*names, alias]

    def scalar(self, outer: list[str]) -> str:
        """A subquery of one value that depends on the rows around it."""
        inner, names = self.source(self.chance.choice((0, 1)))
        where = f"FROM {inner} WHERE {self.equality(outer, names)}"
        if self.chance.random() < 0.3:
            where += f" AND {self.condition(outer, names)}"
        if self.chance.random() < 0.5:
            return f"SELECT count(*) {where}"
        key = self.column(names, "number")
        return f"SELECT {key}::int {where} ORDER BY 1 LIMIT 1"

    def conditions(self, names: list[str]) -> str:
        found = []
        if self.chance.random() < 0.4:
            inner, inner_names = self.source(self.chance.choice((0, 0, 1)))
            on = [self.equality(names, inner_names)]
            if self.chance.random() < 0.4:
                on.append(self.condition(names, inner_names))
            word = self.chance.choice(("EXISTS", "NOT EXISTS"))
            exists = f"{word} (SELECT FROM {inner} WHERE {' AND '.join(on)})"
            if self.chance.random() < 0.2:
                exists = f"({exists} OR {self.condition(names, names)})"
            found.append(exists)
        if self.chance.random() < 0.2:
            inner, inner_names = self.source(0)
            mine = self.column(names, "number")
            word = self.chance.choice(("IN", "IN", "NOT IN", "= ANY"))
            listed = f"SELECT {self.column(inner_names, 'number')} FROM {inner}"
            if word == "= ANY":
                listed = f"ARRAY({listed})"
            found.append(f"{mine} {word} ({listed})")
        if self.chance.random() < 0.2:
            found.append(self.condition(names, names))
        return f" WHERE {' AND '.join(found)}" if found else ""
