"""Rows of one answer: of a single item, or of an object that an address stands for."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

from ..api import Answer, complaint
from ..errors import Rejected
from ..pushdown import bbql
from ..pushdown.plan import Parameters, Query
from ..tables.addresses import fill
from .items import Items
from .not_found import REFUSALS
from .scan_requests import RequestPath, Row
from .streams import Stream, bad_answer


class SingleStream(Stream):
    """The rows of one answer."""

    _future: Future[Answer] | None = None

    def start(self) -> None:
        if self._future is None:
            self._future = self._requests.submit(self._requests.url(self._path, self._query))

    def _answer(self) -> Row:
        """The answer's JSON. The request is sent now if :meth:`start` did not send it."""
        self.start()
        assert self._future is not None
        answer = self._requests.wait(self._future)
        said = complaint(answer)
        if said is not None:
            raise bad_answer(self._path, said)
        if not isinstance(answer, dict):
            raise bad_answer(self._path, "It is no object.")
        return answer


class ItemStream(SingleStream):
    """One item, or none if there is no such item, or if Bitbucket spells its key differently."""

    def _told(self, place: RequestPath) -> Row:
        # The row takes its key from the answer, since Bitbucket may accept other spellings of it.
        plan = self.plan
        # Two endpoints of a table may have the same path, with different keys.
        of_path = [item for item in plan.table.items if item.path == plan.path]
        self._item = next((item for item in of_path if item.key in place.carried), of_path[0])
        key = None if self._item.parameter in plan.bound else self._item.key
        return {name: value for name, value in place.carried.items() if name != key}

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        judge = self._requests.judge
        try:
            answer = self._answer()
        except REFUSALS as error:
            parameters = self.place.parameters
            judge.item(error, self.plan.table, self._item, parameters, self.leads)
            return
        self._answered()
        if self._items.is_nothing(answer):
            return
        key = self.plan.table.column(self._item.key)
        asked_by = key if key.name in self.plan.columns else None
        item = self._items.single(answer, asked_by)
        if self.plan.beside is not None:
            item = {**self._listed(item, self.plan.beside), **item}
        for row in self._items.rows([item]):
            keyed = self._keyed(row)
            if self._is_asked(keyed[1]):
                yield keyed

    def _is_asked(self, row: Row) -> bool:
        """Whether the answer is the item that was asked for, with the same spelling of the key."""
        column = self.plan.table.column(self._item.key)
        asked, found = self.place.carried.get(column.name), row.get(column.name)
        if asked is None or found is None or column.name in self._carried:
            return True
        read = column.data_type.condition
        if read(found) == read(asked):
            return True
        if not column.data_type.respelled:
            raise bad_answer(self._path, f"It is the item with {column.name} {found}.")
        self._requests.judge.respelled(column.param or column.name, asked, found)
        return False

    def _listed(self, item: Row, parameters: Parameters) -> Row:
        """The entry of the listing that is the item; empty, with a warning, if there is none."""
        table, collection = self.plan.table, self.plan.table.collection
        key = table.column(self._item.key)
        keys = Items(table, self._path, [key])
        value = keys.row(item)[key.name]
        test = bbql.any_of(key.filter.field, (value,)) if key.filter else None
        path = fill(collection.path, self.place.parameters)
        # The filter only spares pages: without it, the item is found in the whole listing.
        for q in (test, None):
            listing = replace(
                self.listing(Query(parameters, q)), path=path, endpoint=collection.path
            )
            try:
                for values in self._requests.pages(listing):
                    for entry in keys.listed(values):
                        if keys.row(entry)[key.name] == value:
                            return entry
                break
            except Rejected:
                if q is None:
                    raise
        lacked = ", ".join(sorted(set(self._item.lacks) & set(self.plan.columns)))
        self._requests.doubt(f"GET {path} lists no {key.name} {value}, so that {lacked} is NULL")
        return {}
