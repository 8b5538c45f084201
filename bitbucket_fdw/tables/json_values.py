"""Reads the values of a table's columns from the JSON of its items.

:func:`extractor` makes a function for the columns that a scan needs, which then runs once for each
item. How the value of one type is read is a matter of its row in :mod:`.types`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from .columns import Column
from .json_readers import BadValue


def column_value(item: Any, keys: tuple[str, ...]) -> Any:
    """The member at a path; ``None`` once something on the way is absent or not an object."""
    for key in keys:
        if not isinstance(item, dict):
            return None
        item = item.get(key)
    return item


def has_member(item: Any, keys: tuple[str, ...]) -> bool:
    """Whether there is a member at a path, ``null`` or not; of an absent object: yes.

    Whoever has no author has no author's name either, and that is known.
    """
    *above, last = keys
    holder = column_value(item, tuple(above)) if above else item
    return not isinstance(holder, dict) or last in holder


LEFT_OUT = ""
"""Where a row names the columns whose value was left out, if there are any: no column is called
so."""


OTHER = "other"
"""The kind of an item that has none of the members that a union knows."""


def extractor(
    columns: Iterable[Column],
    loose: frozenset[str] = frozenset(),
    keys: frozenset[str] = frozenset(),
) -> Callable[[Any], dict[str, Any]]:
    """A function from an item's JSON to ``{column name: value}`` for these columns.

    It raises :class:`BadValue` for a value that is not of the column's type. A UUID is an
    exception: Bitbucket masks those of some accounts (``{masked}``, seen live), and one account
    must not hide all rows. It is left out, unless the column is one of ``keys``, and named under
    :data:`LEFT_OUT`. Nothing is checked of ``loose`` columns.
    """
    columns = list(columns)
    plan = [(column.name, column.keys, _reader(column, loose)) for column in columns]
    plan = [(name, path, convert) for name, path, convert in plan if path]
    # Of these a bad value is left out; that of a key would leave the row without one.
    masked = {c.name for c in columns if c.data_type.masked and not c.present} - loose - keys
    elsewhere = {c.name: _elsewhere(c) for c in columns if c.within or c.others or c.union}
    # Columns that are only written have nothing to read.
    blank: dict[str, Any] = {column.name: None for column in columns if not column.path}

    def extract(item: Any) -> dict[str, Any]:
        row = dict(blank)
        left_out = None
        for name, path, convert in plan:
            value = column_value(item, path)
            if name in elsewhere:
                value = elsewhere[name](item, value)
            if value is None and convert is not _presence:
                row[name] = None
                continue
            try:
                row[name] = convert(value)
            except BadValue as bad:
                if name not in masked:
                    raise BadValue(f"{name} is {bad}") from None
                row[name] = None
                left_out = (*(left_out or ()), name)
        if left_out:
            row[LEFT_OUT] = left_out
        return row

    return extract


def _reader(column: Column, loose: frozenset[str]) -> Callable[[Any], Any]:
    if column.present:
        return _presence
    data_type = column.data_type
    return data_type.loose_json if column.name in loose else data_type.json


def _elsewhere(column: Column) -> Callable[[Any, Any], Any]:
    """How a value is found that need not stand at the column's path.

    The function takes the item and what there is at the path.
    """
    if column.union:
        members = tuple(path.partition(".")[0] for path in column.union)
        return lambda item, _: next((m for m in members if item.get(m) is not None), OTHER)
    others = tuple(tuple(path.split(".")) for path in column.others)
    within = (column.within,) if column.within else ()

    def found(item: Any, value: Any) -> Any:
        for keys in others:
            if value is not None:
                return value
            value = column_value(item, keys)
        return _last_part(column_value(item, within)) if value is None and within else value

    return found


def _presence(value: Any) -> bool:
    return value is not None


def _last_part(text: Any) -> str | None:
    return text.rpartition("/")[2] or None if isinstance(text, str) else None
