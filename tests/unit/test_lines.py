"""Requests stay below the length of a line that servers take, whatever a query asks for."""

from __future__ import annotations

import uuid
from urllib.parse import quote, urlencode

import pytest

from bitbucket_fdw.pushdown import Condition, Request, plan
from bitbucket_fdw.pushdown.plan import Kind, Plan, Sort
from bitbucket_fdw.tables import TABLES, Table
from bitbucket_fdw.tables.addresses import fill

LONGEST = 4000
PLACE = {"workspace": "w" * 62, "repository": "r" * 62}
LONG = ("x" * 900, "日本語" * 40, "%&=+ " * 60)
MANY = {
    "bigint": tuple(10**12 + n for n in range(300)),
    "integer": tuple(10**6 + n for n in range(300)),
    "uuid": tuple(uuid.UUID(int=2**127 + n) for n in range(300)),
    "text": tuple(f"{n:03}-{'x' * 60}" for n in range(45)),
}


def longest(table: type[Table], parameter: str) -> str:
    """A value of a path parameter, as long as its column's values get."""
    column = table.column_of(parameter)
    if column is None:
        assert table.parent is not None
        column = table.parent.table.column(dict(table.parent.supplies)[parameter])
    if column.type == "uuid":
        return "{" + "f" * 36 + "}"
    return "9" * 12 if column.type == "bigint" else "b" * column.longest


def lines(planned: Plan) -> list[str]:
    """The first lines of a plan's requests as they are sent, by values of the greatest length."""
    if planned.kind in (Kind.NOTHING, Kind.REFUSED):
        return []
    table = planned.table
    values = {name: longest(table, name) for name in table.parameters()} | PLACE
    for binding in planned.bindings:
        values[binding.parameter] = max(map(str, binding.values), key=len)
    path = fill(planned.path, values)
    selects = [(name, values[p]) for name, p in table.collection.selects]
    found = []
    for query in planned.queries:
        pairs = [*selects, *query.pairs(), ("page", "100000")]
        # As requests writes them, blanks among them.
        found.append(f"GET /2.0{path}?{urlencode(pairs, quote_via=quote)}")
    return found + (lines(planned.parent) if planned.parent else [])


def conditions(table):
    """Long conditions on every column that could be shipped."""
    for column in table.columns:
        if column.type == "text":
            yield Condition(column, "=", LONG[0])
            yield Condition(column, "~~", f"%{LONG[1]}%")
        if column.type in MANY:
            yield Condition(column, "in", MANY[column.type])


@pytest.mark.parametrize("bound", [PLACE, {"workspace": PLACE["workspace"]}, {}], ids=len)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_no_line_is_too_long(table, bound):
    everything = frozenset(column.name for column in table.columns)
    several = tuple(conditions(table))
    sorts = [Sort(column.name, True) for column in table.columns if column.sort]
    for asked in (*((one,) for one in several), several, several[::-1], ()):
        for sort in (None, *sorts[:1]):
            request = Request(table, bound, asked, (), everything, sort=sort)
            for line in lines(plan(request)):
                assert len(line) < LONGEST, line


def test_a_list_that_is_too_long_for_a_line_is_spread():
    table = next(table for table in TABLES if table.name == "pull_requests")
    wide = Condition(table.column("title"), "=", "x" * 1800)
    several = Condition(table.column("author_uuid"), "in", MANY["uuid"][:40])
    result = plan(Request(table, PLACE, (wide, several), (), frozenset({"id"})))
    assert len(result.queries) > 1
    asked = [query.q.count("-") // 4 for query in result.queries]
    assert sum(asked) == 40
    assert not result.local


def test_a_key_that_no_path_can_hold_is_not_looked_up():
    table = next(table for table in TABLES if table.name == "branches")
    request = Request(
        table, PLACE, (Condition(table.column("name"), "=", "x" * 5000),), (), frozenset({"name"})
    )
    result = plan(request)
    assert result.kind is Kind.COLLECTION
    assert result.local
