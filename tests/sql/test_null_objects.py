"""One item of a listing in which an object is null or absent: the rows of all others stay.

Derived from the answers: every table, and every object in its items that a column is read from. An
account or a group may be gone, a branch deleted, a fork as well.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.columns import Column
from bitbucket_fdw.tables.endpoints import Shape
from bitbucket_fdw.tables.json_values import column_value
from bitbucket_fdw.tables.table import Table
from tests.support.bending import Bent, bent_workspace, listing_of, straight

IN_JSON = [table for table in TABLES if table.collection.shape is not Shape.TEXT]
GONE = object()
CHANGES = {"absent": GONE, "null": None}


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


class Items:
    """Remembers the items that pass, or changes the first of them that has an object at a path."""

    def __init__(self, table: type[Table]) -> None:
        self._is_page = listing_of(table)
        self._is_one = table.collection.shape.is_one
        self._path: list[str] = []
        self._value: Any = None
        self.seen: list[Any] = []

    def change(self, path: str, value: Any) -> None:
        self._path, self._value, self.seen = path.split("."), value, []

    def __call__(self, target: str, body: Any) -> Any:
        if self._is_page(target, body):
            body = copy.deepcopy(body)
            for item in [body] if self._is_one else body["values"]:
                if self._path and not self.seen and not self._changed(item):
                    continue
                self.seen.append(item)
        return body

    def _changed(self, item: Any) -> bool:
        *above, last = self._path
        for name in above:
            item = item.get(name) if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(item.get(last), dict):
            return False
        if self._value is GONE:
            del item[last]
        else:
            item[last] = self._value
        return True


def objects(item: Any, above: str = "") -> Iterator[str]:
    """The paths of the objects within an item."""
    for name, value in item.items():
        if isinstance(value, dict):
            yield f"{above}{name}"
            yield from objects(value, f"{above}{name}.")


def shows(column: Column, path: str) -> bool:
    """Whether a column is of what is at a path, or of something within it or around it."""
    paths = ((f"{other}.", f"{path}.") for other in column.asked_paths)
    return any(one.startswith(other) or other.startswith(one) for one, other in paths)


def is_told(table: type[Table], item: Any) -> bool:
    """Whether something tells that it is an item, and which one."""
    paths = table.key_column().asked_paths
    named = any(column_value(item, tuple(path.split("."))) is not None for path in paths)
    return named or table.typed


def rows_or_error(
    bent: Bent, table: type[Table], where: str
) -> list[dict[str, Any]] | psycopg.Error:
    try:
        return bent.rows(table, where)
    except psycopg.Error as error:
        return error


@pytest.mark.parametrize("kind", CHANGES)
@pytest.mark.parametrize("table", IN_JSON, ids=lambda table: table.name)
def test_an_object_that_one_item_lacks_spoils_no_other_row(bent, table, kind):
    where = bent.one_listing(table)
    items = Items(table)
    bent.server.bend = items
    expected = bent.rows(table, where)
    paths = dict.fromkeys(path for item in items.seen for path in objects(item))
    for path in paths:
        lost = {column.name for column in table.columns if shows(column, path)}
        if not lost:
            continue
        items.change(path, CHANGES[kind])
        found = rows_or_error(bent, table, where)
        assert isinstance(found, list) == is_told(table, items.seen[0]), f"{path}: {found}"
        if not isinstance(found, list):
            continue
        assert len(found) == len(expected), path
        kept = [name for name in expected[0] if name not in lost]
        assert _sorted(found, kept) == _sorted(expected, kept), path
        whole = [row for row in found if row not in expected]
        assert len(whole) <= 1 or table.collection.explode, path


def _sorted(rows: list[dict[str, Any]], names: list[str]) -> list[str]:
    return sorted(repr([row[name] for name in names]) for row in rows)
