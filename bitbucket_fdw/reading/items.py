"""Reads the JSON of answers as items of one table. What cannot be an item is an error.

Something in the place of an item may lack the key, or the list that holds the rows, or not even be
an object. Without a check it would become a row of NULLs, or no row, and nobody would notice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ..errors import BadResponse
from ..tables.columns import Column
from ..tables.endpoints import Shape
from ..tables.json_readers import BadValue
from ..tables.json_values import LEFT_OUT, TYPE, column_value, extractor, has_member
from ..tables.table import Table

Row = dict[str, Any]


class Items:
    """Items of a table, as one path answers them.

    :param columns: the columns whose values are wanted.
    :param loose: columns that the foreign table shows with another type; their values are not
        checked.
    :param place: the path parameters, of which some columns are made.
    :param doubt: called with a message if a value is left out of a row, once for each column and
        path.

    Every method raises :class:`BadResponse` for JSON that is not an item of the table.
    """

    def __init__(
        self,
        table: type[Table],
        path: str,
        columns: Iterable[Column],
        loose: frozenset[str] = frozenset(),
        doubt: Callable[[str], None] = lambda _: None,
        place: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._table = table
        self._path = path
        self._key = table.key_column()
        self._find_key = _key_finder(self._key)
        columns = list(columns)
        keys = () if table.always else table.primary_key
        self._extract = extractor(columns, loose, frozenset(keys), place)
        self._mark = table.mark_column()
        self._find_mark = _key_finder(self._mark)
        self._begins = [column for column in table.columns if column.begins is not None]
        self._asked = [c.keys for c in columns if c.asked]
        self._doubt = doubt
        self._doubted: set[str] = set()

    # --- items ---

    def listed(self, values: Iterable[Any]) -> list[Row]:
        """The items of a page."""
        return [self.single(value) for value in values]

    def single(self, value: Any, asked_by: Column | None = None) -> Row:
        """An item that was read by itself.

        :param asked_by: the column whose value led to the item, if not just the key. It is an error
            if the item lacks this value, since its row would not be recognized as the one that was
            asked for.
        """
        item = self._object(value, "An item")
        # Of a text that was cut short, not even the length may be known.
        if not self._is_one(item):
            raise self._bad(f"An item has no {self._key.path}, which is its key.")
        if asked_by and asked_by is not self._key and _key_finder(asked_by)(item) is None:
            raise self._bad(f"{self._named(item)} has no {asked_by.path}, by which it was asked.")
        return item

    def _is_one(self, item: Row) -> bool:
        """Whether an object is an item of the table, and not something else in its place."""
        if self._find_key(item) is not None or self._table.collection.shape is Shape.TEXT:
            return True
        said = item.get(TYPE) if self._table.typed else None
        return isinstance(said, str) and said not in ("", "error")

    def mark(self, value: Any) -> Any:
        """A value that is different for each item of a listing; ``None`` if there is none."""
        key = self._find_mark(value)
        if self._mark.data_type.masked and self._mark.data_type.condition(key) is None:
            return None  # several items may have the same mask
        return key if isinstance(key, (str, int)) else None

    def is_nothing(self, value: Any) -> bool:
        """Whether an answer in the place of an item stands for no row, whatever else it has."""
        if self._table.nothing is None:
            return False
        name, meaning = self._table.nothing
        return bool(column_value(value, self._table.column(name).keys) == meaning)

    def incomplete(self, item: Row) -> bool:
        """Whether a listed item lacks a member that listings only have if ``fields`` names it."""
        rows_in = self._table.collection.explode
        if rows_in is not None and item.get(rows_in) is None:
            return True
        if not self._asked:
            return False
        # An absent author says that there is none, but not in a listing that leaves authors out.
        return any(keys[0] not in item or not has_member(item, keys) for keys in self._asked)

    def is_meant(self, item: Row, asked: Row) -> bool:
        """Whether an item's value begins with the part of it that led here, if a part did.

        :param asked: column values that the rows take from the path.
        """
        for column in self._begins:
            assert column.begins is not None
            if column.name in asked:
                found = column_value(item, self._table.column(column.begins).keys)
                if not str(found).startswith(str(asked[column.name])):
                    self._doubt(
                        f"no row for {column.name} {asked[column.name]}: Bitbucket takes it for "
                        f"the name of something else, whose {column.begins} is {found}"
                    )
                    return False
        return True

    # --- rows ---

    def rows(self, items: Iterable[Row]) -> Iterator[Row]:
        """The JSON of rows: the items, or one for each element of the list that holds the rows."""
        member = self._table.collection.explode
        for item in items:
            if member is None:
                yield item
                continue
            elements = item.get(member)
            if not isinstance(elements, list):
                raise self._bad(f"{self._named(item)} has no list of {member}.")
            for element in elements:
                yield {**item, member: self._object(element, f"One of its {member}")}

    def row(self, item: Row) -> Row:
        """The values of the columns."""
        try:
            row = self._extract(item)
        except BadValue as bad:
            raise self._bad(f"{self._named(item)}: {bad}.") from None
        except RecursionError:  # nested too deeply to be written again
            raise self._bad("It is nested too deeply.") from None
        if LEFT_OUT in row:
            for name in row.pop(LEFT_OUT):
                self._leave_out(name, item)
        return row

    def sort_key(self, item: Row, column: Column) -> Any:
        """The value by which sorted listings are merged."""
        value = column_value(item, column.keys)
        try:
            if value is None:
                raise ValueError("it is absent, and Bitbucket has sorted by it")
            key_of = column.data_type.sort_key
            assert key_of is not None, f"{column.name} is declared to be sorted by"
            return key_of(value)
        except ValueError as why:
            error = self._bad(f"{self._named(item)}: {column.name}: {why}.")
            error.hint = "Leave ORDER BY out, or wrap the query in a subquery with OFFSET 0."
            raise error from None

    def _leave_out(self, name: str, item: Row) -> None:
        if name not in self._doubted:
            self._doubted.add(name)
            self._doubt(
                f"GET {self._path}: {self._named(item)} has something else than a UUID as {name}, "
                "shown as NULL, and so have others perhaps"
            )

    # --- errors ---

    def _object(self, value: Any, what: str) -> Row:
        if not isinstance(value, dict) or not value:
            kind = "an empty object" if value == {} else _KINDS.get(type(value), "a number")
            raise self._bad(f"{what} is {kind} in place of an object with members.")
        return value

    def _named(self, item: Row) -> str:
        return f"The item with {self._key.path} {self._find_key(item)}"

    def _bad(self, why: str) -> BadResponse:
        return BadResponse(
            f"GET {self._path} was answered with unexpected JSON",
            method="GET",
            path=self._path,
            status=200,
            detail=f"{why} (table {self._table.name})",
            hint="The answer is not of the documented form. Leave the column or the row out, if "
            "the rest is of use.",
        )


def _key_finder(column: Column) -> Callable[[Any], Any]:
    """A function from an item to its value of a key column; ``None`` for one that is no key."""
    paths = [column.keys, *(tuple(other.split(".")) for other in column.others)]
    if column.within:
        paths.append(tuple(column.within.split(".")))
    if len(paths) == 1 and len(paths[0]) == 1:
        [[name]] = paths
        return lambda item: _no_blank(item.get(name)) if isinstance(item, dict) else None

    def find(item: Any) -> Any:
        found = (column_value(item, path) for path in paths)
        return _no_blank(next((key for key in found if key is not None), None))

    return find


def _no_blank(key: Any) -> Any:
    return None if not key and key in ("", [], {}) else key


_KINDS = {
    type(None): "null",
    str: "a text",
    list: "a list",
    bool: "true or false",
}


def exploded(table: type[Table], items: Iterable[Any]) -> Iterator[Any]:
    """The JSON of rows: the items, or one for each element of the list that holds the rows."""
    member = table.collection.explode
    for item in items:
        if member is None:
            yield item
            continue
        for element in item.get(member) or ():
            yield {**item, member: element}
