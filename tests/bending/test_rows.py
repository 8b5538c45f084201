"""While the API is bent, rows are those of plain tables, or what is wrong is told."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.bending.proxy import Proxy
from tests.bending.rules import RULES, Rule
from tests.bending.statements import of_all_tables
from tests.sql import reference
from tests.sql.comparison import Comparison
from tests.sql.conftest import import_all
from tests.sql.statements import Statement, statements
from tests.support.database import Database, drop_database

SHOWN = 5  # of the statements that a rule breaks
EXAMPLES = int(os.environ.get("BITBUCKET_FDW_EXAMPLES", "0"))


class Bent(Comparison):
    """A comparison while a rule is in force; the reading session is new with each rule."""

    def __init__(self, db: Database, proxy: Proxy) -> None:
        super().__init__(db)
        self.proxy = proxy
        self.rule = RULES[0]
        self.warnings: list[str] = []
        self.known: dict[str, list[tuple[Any, ...]]] = {}

    def follow(self, rule: Rule) -> None:
        self.connection.close()
        self.proxy.bend()
        self.connection = self.connected()
        self.connection.add_notice_handler(
            lambda said: self.warnings.append(f"{said.severity}: {said.message_primary}")
        )
        self.rule = rule
        self.proxy.bend(rule.ask, rule.change)

    def check(self, statement: Statement) -> None:
        plain = self.plain(statement)
        self.warnings.clear()
        try:
            foreign = self.run(statement, statement.schema)
        except psycopg.Error as error:
            self.judge(error)
            return
        if not statement.ordered:
            plain, foreign = (sorted(rows, key=repr) for rows in (plain, foreign))
        if foreign != plain:
            told = [w for w in self.warnings if self.rule.warned and re.search(self.rule.warned, w)]
            assert told, f"silently {len(foreign)} rows for {len(plain)}: {self.warnings}"

    def plain(self, statement: Statement) -> list[tuple[Any, ...]]:
        """The rows of plain tables, which no rule changes."""
        key = repr(statement)
        if key not in self.known:
            self.known[key] = self.run(statement, f"{statement.schema}_x")
        return self.known[key]

    def judge(self, error: psycopg.Error) -> None:
        said = error.diag
        whole = "\n".join(filter(None, (said.message_primary, said.message_detail)))
        if "has no issue tracker" in whole:  # asked for by name it is an error, bent or not
            return
        assert "Error in python" not in whole, whole
        assert self.rule.told, f"{error.sqlstate}: {whole}"
        assert re.search(self.rule.told, whole, re.IGNORECASE), f"{error.sqlstate}: {whole}"


@pytest.fixture(scope="module")
def bent(emulator_factory: Any, db_factory: Any) -> Iterator[Bent]:
    emulator = emulator_factory(page_numbers="linked")
    with Proxy(emulator.base_url).running() as proxy:
        database = db_factory(emulator=emulator, base_url=proxy.base_url, retry_limit="0")
        import_all(database)
        reference.load(database, emulator)
        yield Bent(database, proxy)
        drop_database(database)


def _marked(rule: Rule) -> Any:
    marks = [pytest.mark.xfail(strict=True, reason=rule.pending)] if rule.pending else []
    return pytest.param(rule, id=rule.name, marks=marks)


@pytest.mark.parametrize("rule", [_marked(rule) for rule in RULES])
def test_rows_are_right_or_the_fault_is_told(bent: Bent, rule: Rule) -> None:
    bent.follow(rule)
    problems = []
    for statement in of_all_tables(bent.values):
        try:
            bent.check(statement)
        except AssertionError as problem:
            problems.append(f"{statement!r}\n{str(problem).splitlines()[0]}")
    if problems:
        pytest.fail("\n".join([f"{len(problems)} statements", *problems[:SHOWN]]), pytrace=False)

    @settings(
        max_examples=EXAMPLES or 20,
        derandomize=not EXAMPLES,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
        print_blob=bool(EXAMPLES),
    )
    @given(data=st.data())
    def random_statements(data: Any) -> None:
        bent.check(data.draw(statements(bent.values), label="statement"))

    random_statements()
    if rule is not RULES[0]:
        assert bool(bent.proxy.struck) is not rule.avoided, "how often the rule had an effect"
