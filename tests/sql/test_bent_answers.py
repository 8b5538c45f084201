"""Answers that lack something or hold something else: right rows or a clear error, never fewer.

Derived from the declarations: every table, its listing and its items, and every member that these
were asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.endpoints import Shape
from bitbucket_fdw.tables.json_values import OTHER
from bitbucket_fdw.tables.table import Table
from tests.support.bending import Bent, bent_workspace, listing_of, straight

BY_NAME = {table.name: table for table in TABLES}
IN_JSON = [table for table in TABLES if table.collection.shape is not Shape.TEXT]
ENVELOPE = ("values", "next", "size", "page", "pagelen")


@pytest.fixture(scope="module")
def bent_once(shared_emulator, db_factory) -> Iterator[Bent]:
    shared_emulator.reset()
    with bent_workspace(db_factory, shared_emulator) as bent:
        yield bent


@pytest.fixture
def bent(emulator, bent_once: Bent) -> Iterator[Bent]:
    bent_once.server.bend = straight
    yield bent_once
    bent_once.server.bend = straight


def bent_items(table: type[Table], change: Callable[[Any], Any]) -> Callable[[str, Any], Any]:
    """Every item of the table's listing changed, or the one item that there is."""
    is_page = listing_of(table)
    is_one = table.collection.shape.is_one

    def bend(target: str, body: Any) -> Any:
        if not is_page(target, body):
            return body
        if is_one:
            return change(body)
        return {**body, "values": [change(item) for item in body["values"]]}

    return bend


def bent_single(change: Callable[[Any], Any]) -> Callable[[str, Any], Any]:
    """Every answer changed that is an item."""

    def bend(target: str, body: Any) -> Any:
        is_page = isinstance(body, dict) and "values" in body
        return body if is_page or "fields=next" in target else change(body)

    return bend


def without(member: str) -> Callable[[Any], Any]:
    return lambda item: {name: value for name, value in item.items() if name != member}


def nulled(member: str) -> Callable[[Any], Any]:
    return lambda item: {**item, member: None} if member in item else item


CHANGES = {"absent": without, "null": nulled}


def members(table: type[Table]) -> list[str]:
    """What the items have at their top, as far as columns are read from there."""
    return list(dict.fromkeys(column.keys[0] for column in table.columns if column.keys))


def refused(
    bent: Bent, table: type[Table], where: str, without: tuple[str, ...] = ()
) -> psycopg.Error | list[dict[str, Any]]:
    """The error of a scan that is a clear one, or its rows."""
    try:
        return bent.rows(table, where, without)
    except psycopg.Error as error:
        refusal = error
    said = refusal.diag.message_primary or ""
    assert "Error in python" not in said, said
    assert "GET /" in said, said
    assert table.name in said, said
    assert refusal.diag.message_hint, said
    return refusal


def assert_right_or_refused(
    bent: Bent,
    table: type[Table],
    where: str,
    expected: list[dict[str, Any]],
    member: str,
    without: tuple[str, ...] = (),
) -> None:
    found = refused(bent, table, where, without)
    if isinstance(found, psycopg.Error):
        return
    assert len(found) == len(expected), "rows are missing, or there are too many"
    below = {
        column.name
        for column in table.columns
        if any(path.partition(".")[0] == member for path in column.asked_paths)
    }

    def untouched(row: dict[str, Any]) -> str:
        return repr([value for name, value in row.items() if name not in below])

    # The rows come in the order of their keys, and a key may be what is lost.
    pairs = zip(sorted(found, key=untouched), sorted(expected, key=untouched), strict=True)
    for row, right in pairs:
        assert all(row[column.name] is not None for column in table.never_null())
        for name, value in right.items():
            lost = name in below and row[name] in (None, "false", OTHER)
            assert row[name] == value or lost, name


ITEMS = [(table, item.key) for table in TABLES for item in table.items]


def lacks(table: type[Table], key: str) -> tuple[str, ...]:
    """The columns that an item found by this key has not; a query for them reads the listing."""
    return next(item.lacks for item in table.items if item.key == key)


def named(value: Any) -> str:
    return getattr(value, "name", None) or str(value)


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("table", IN_JSON, ids=named)
def test_a_member_that_items_of_a_listing_lack(bent, table, kind):
    where = bent.one_listing(table)
    expected = bent.rows(table, where)
    assert expected
    for member in members(table):
        bent.server.bend = bent_items(table, CHANGES[kind](member))
        assert_right_or_refused(bent, table, where, expected, member)


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize(("table", "key"), ITEMS, ids=named)
def test_a_member_that_an_item_lacks(bent, table, key, kind):
    where, without = bent.one_item(table, key), lacks(table, key)
    expected = bent.rows(table, where, without)
    assert expected
    for member in members(table):
        bent.server.bend = bent_single(CHANGES[kind](member))
        assert_right_or_refused(bent, table, where, expected, member, without)


NO_ITEMS = [None, "A workspace on a Free plan does not support this.", 7, True, [], [{}], {}]


def in_the_place_of(instead, item):
    return instead


ERROR_DOCUMENT = {"type": "error", "error": {"message": "Something said"}}


@pytest.mark.parametrize("table", IN_JSON, ids=named)
def test_something_else_in_the_place_of_items(bent, table):
    where = bent.one_listing(table)
    for instead in NO_ITEMS:
        bent.server.bend = bent_items(table, functools.partial(in_the_place_of, instead))
        assert isinstance(refused(bent, table, where), psycopg.Error), instead


@pytest.mark.parametrize(("table", "key"), ITEMS, ids=named)
def test_something_else_in_the_place_of_an_item(bent, table, key):
    where = bent.one_item(table, key)
    for instead in (*NO_ITEMS, ERROR_DOCUMENT):
        bent.server.bend = bent_single(functools.partial(in_the_place_of, instead))
        found = refused(bent, table, where, lacks(table, key))
        assert isinstance(found, psycopg.Error), instead


@pytest.mark.parametrize("table", IN_JSON, ids=named)
def test_something_else_in_the_place_of_a_page(bent, table):
    where, is_page = bent.one_listing(table), listing_of(table)
    for instead in (None, "x", 7, [], ERROR_DOCUMENT):
        bent.server.bend = lambda target, body, instead=instead: (
            instead if is_page(target, body) else body
        )
        found = refused(bent, table, where)
        assert isinstance(found, psycopg.Error), instead
        if instead is ERROR_DOCUMENT:
            assert found.diag.message_detail == "Something said"


@pytest.mark.parametrize("table", IN_JSON, ids=named)
def test_an_odd_size(bent, table):
    """Read where it can be, left aside otherwise."""
    where, is_page = bent.one_listing(table), listing_of(table)
    statement = f"SELECT count(*) FROM {table.name} {where}"
    expected = bent.db.value(statement)
    for odd in (None, str, float, -1, 2.5, True, "x", [], {}):

        def bend(target: str, body: Any, odd: Any = odd) -> Any:
            if not is_page(target, body) or "size" not in body:
                return body
            return {**body, "size": odd(body["size"]) if callable(odd) else odd}

        bent.server.bend = bend
        assert bent.db.value(statement) == expected, odd
