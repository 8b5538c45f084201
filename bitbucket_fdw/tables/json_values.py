"""Reads the values of a table's columns from the JSON of its items.

:func:`extractor` makes a function for the columns that a scan needs, which then runs once for each
item. :mod:`.types` says how a value of each type is read.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import quote

from .columns import Column
from .json_readers import BadValue, as_it_is, without_users


def column_value(item: Any, keys: tuple[str, ...]) -> Any:
    """The member at a path; ``None`` if something on the path is absent or not an object."""
    for key in keys:
        if not isinstance(item, dict):
            return None
        item = item.get(key)
    return item


def has_member(item: Any, keys: tuple[str, ...]) -> bool:
    """Whether an item tells the member at a path, be it ``null``.

    This is also true if an object on the path is absent or ``null``: an item without an author
    tells that there is no author's name.
    """
    *above, last = keys
    holder = column_value(item, tuple(above)) if above else item
    return not isinstance(holder, dict) or last in holder


LEFT_OUT = ""
"""The key under which a row names columns whose values were left out, if there are any.

No column has an empty name.
"""


TYPE = "type"
"""The member in which an object of the API says what it is. That of an error says ``error``."""


OTHER = "other"
"""The kind of an item that has none of the members that a union knows."""


def extractor(
    columns: Iterable[Column],
    loose: frozenset[str] = frozenset(),
    keys: frozenset[str] = frozenset(),
    place: Mapping[str, str] = MappingProxyType({}),
) -> Callable[[Any], dict[str, Any]]:
    """A function from an item's JSON to ``{column name: value}`` for these columns.

    The function raises :class:`BadValue` for a value that is not of the column's type. UUIDs are an
    exception: Bitbucket masks those of some accounts (``{masked}``, seen live), and one such
    account must not make all rows unreadable. The value is left out, and the row names the column
    under :data:`LEFT_OUT`. For columns in ``keys`` it is an error all the same. Values of ``loose``
    columns are not checked.
    ``place`` are the path parameters, of which some columns are made.
    """
    columns = list(columns)
    plan = [
        (column.name, _finder(column), _reader(column, loose, place))
        for column in columns
        if column.keys
    ]
    # A bad value in one of these columns is left out. A key cannot be left out.
    masked = {c.name for c in columns if c.data_type.masked and not c.present} - loose - keys
    # These columns have no place in the JSON, such as columns that can only be written.
    blank: dict[str, Any] = {column.name: None for column in columns if not column.path}

    def extract(item: Any) -> dict[str, Any]:
        try:
            row = {
                name: None if (value := find(item)) is None else convert(value)
                for name, find, convert in plan
            }
        except BadValue:
            return extract_carefully(item)
        row.update(blank)
        return row

    def extract_carefully(item: Any) -> dict[str, Any]:
        """The same of an item that has a bad value: it is left out, or named in the error."""
        row = dict(blank)
        left_out = None
        for name, find, convert in plan:
            value = find(item)
            if value is None:
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


def _finder(column: Column) -> Callable[[Any], Any]:
    """A function from an item to the value that the column is read from, ``None`` for none.

    It runs for each item, so that all that depends on the column alone is decided here.
    """
    find = at_path = _at(column.keys)
    if _is_elsewhere(column):
        elsewhere = _elsewhere(column)
        find = lambda item: elsewhere(item, at_path(item))  # noqa: E731
    if column.present:
        return lambda item: find(item) is not None
    return find


def _at(keys: tuple[str, ...]) -> Callable[[Any], Any]:
    """:func:`column_value` for one path."""
    if len(keys) == 1:
        [name] = keys
        return lambda item: item.get(name) if isinstance(item, dict) else None
    if len(keys) == 2:
        return functools.partial(_second, *keys)
    return lambda item: column_value(item, keys)


def _second(outer: str, inner: str, item: Any) -> Any:
    above = item.get(outer) if isinstance(item, dict) else None
    return above.get(inner) if isinstance(above, dict) else None


def _reader(
    column: Column, loose: frozenset[str], place: Mapping[str, str]
) -> Callable[[Any], Any]:
    if column.present:
        return as_it_is
    if column.template:
        return _filled(column.template, place)
    data_type = column.data_type
    if column.anonymous:
        return lambda value: data_type.json(without_users(value))
    return data_type.loose_json if column.name in loose else data_type.json


def _is_elsewhere(column: Column) -> bool:
    return bool(column.within or column.others or column.union or column.member)


def _elsewhere(column: Column) -> Callable[[Any, Any], Any]:
    """A function that finds a value that may be elsewhere than at the column's path.

    It takes the item and the value at the path.
    """
    if column.union:
        members = tuple(path.partition(".")[0] for path in column.union)
        return lambda item, _: next((m for m in members if item.get(m) is not None), OTHER)
    if column.member:
        return _of_element(column.name, *column.member)
    others = tuple(tuple(path.split(".")) for path in column.others)
    unless = tuple(column.unless.split(".")) if column.unless else ()
    within = tuple(column.within.split(".")) if column.within else ()

    def found(item: Any, value: Any) -> Any:
        if unless and column_value(item, unless) is not None:
            return value
        for keys in others:
            if value is not None:
                return value
            value = column_value(item, keys)
        return _last_part(column_value(item, within)) if value is None and within else value

    return found


def _filled(template: str, place: Mapping[str, str]) -> Callable[[Any], str | None]:
    """A function that makes an address of the template with a value and the place's."""
    encoded = {name: quote(value, safe="") for name, value in place.items()}

    def address(value: Any) -> str | None:
        if isinstance(value, (bool, list, dict)):
            raise BadValue(f"{json.dumps(value)} in place of a part of an address")
        try:
            return template.format(quote(str(value), safe=""), **encoded)
        except KeyError:
            return None  # the place is not known

    return address


def _of_element(column: str, name: str, value: str, wanted: str) -> Callable[[Any, Any], Any]:
    """A function that finds a member of that element of a list whose ``name`` has this value."""

    def found(_: Any, elements: Any) -> Any:
        if elements is None:
            return None
        if not isinstance(elements, list):
            raise BadValue(f"{column} is in something that is no list")
        objects = (element for element in elements if isinstance(element, dict))
        return next((e.get(wanted) for e in objects if e.get(name) == value), None)

    return found


def _last_part(text: Any) -> str | None:
    return text.rpartition("/")[2] or None if isinstance(text, str) else None
