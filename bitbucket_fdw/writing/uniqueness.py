"""Finds rows that an INSERT would overwrite, and raises a unique violation instead.

In some cases Bitbucket does not make a new row but changes an existing one, without an error: for a
pull request between the same branches as another one, and for a build status with the key of
another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any
from uuid import UUID

from ..errors import AlreadyExists
from ..tables.writing import Unique
from .current_rows import CurrentRows
from .requests import WriteRequest, verbs

Row = dict[str, Any]


def not_overwriting(
    request: WriteRequest,
    current_rows: CurrentRows,
    waiting: Iterable[WriteRequest],
    as_queued: Callable[[Row], Row | None],
    undoing: bool = False,
) -> WriteRequest:
    """The request, completed by values that Bitbucket would fill in.

    :param waiting: requests that will be sent before this one.
    :param as_queued: from a row to the row as those requests will leave it; ``None`` if they delete
        it.
    :param undoing: whether the request takes back another one.

    Raises :class:`AlreadyExists` if Bitbucket would overwrite an existing row.
    """
    table, unique = request.table, request.table.writes.unique
    if unique is None or request.verb != "INSERT":
        return request
    new = {**request.identity, **current_rows.bound_values()}
    if unique.default and new.get(unique.default.column) is None:
        new[unique.default.column] = current_rows.filled_in(new, unique.default)
    place = {name: new[name] for name in table.primary_key[:-1]}
    for other in waiting:
        if other.verb == "INSERT" and _collides(unique, place, new, other.identity):
            raise AlreadyExists("the transaction inserts such a row already")
    tests = {**place, **{name: new[name] for name in unique.columns}}
    if unique.where:
        tests[unique.where[0]] = unique.where[1]
    columns = frozenset({*table.primary_key, *tests, *filter(None, [unique.origin])})
    for row in filter(None, map(as_queued, current_rows.found(tests, columns, undoing))):
        if _counts(unique, row) and _collides(unique, place, new, row):
            updatable = "UPDATE" in verbs(table)
            raise _already_exists(unique, table.primary_key, new, row, updatable)
    return replace(request, identity=new)


def _counts(unique: Unique, row: Row) -> bool:
    return unique.where is None or row.get(unique.where[0]) == unique.where[1]


def _collides(unique: Unique, place: Row, new: Row, old: Row) -> bool:
    """Whether Bitbucket would overwrite the old row by the new one."""
    if unique.origin and _origin(unique.origin, new) != _origin(unique.origin, old):
        return False
    return all(old.get(name) == new.get(name) for name in (*place, *unique.columns))


def _already_exists(
    unique: Unique, keys: tuple[str, ...], new: Row, old: Row, updatable: bool
) -> AlreadyExists:
    key = keys[-1]
    same = ", ".join(f"{name} {new[name]!r}" for name in unique.columns if name != key)
    state = f" is {unique.where[1]}" if unique.where else ""
    shown_key = str(old[key]) if isinstance(old[key], UUID) else repr(old[key])
    return AlreadyExists(
        f"{key} {shown_key}{state or ' exists already'}" + (f" with {same}" if same else ""),
        detail="Bitbucket would overwrite it."
        if updatable
        else "Bitbucket would answer as if it had made it.",
        # The whole key, ready to be pasted: a part of it may be that of many rows.
        hint="UPDATE it: … WHERE "
        + " AND ".join(f"{name} = {_literal(old[name])}" for name in keys)
        if updatable
        else "There is nothing to insert: leave the row out, or ask first, with WHERE NOT EXISTS.",
    )


def _literal(value: Any) -> str:
    """A value as it is written in SQL."""
    if isinstance(value, (int, float)):
        return str(value)
    return "'" + str(value).replace("'", "''") + "'"


def _origin(column: str, row: Row) -> str:
    """The full name of the repository that a row comes from; its own if the row names none."""
    named = row.get(column) or f"{row.get('workspace')}/{row.get('repository')}"
    return str(named).lower()
