"""The requests of a plan. Each stream is one listing or item, and gives the rows in its answers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..api import (
    Listing,
)
from ..errors import (
    BadResponse,
    Gone,
    NotFound,
    Rejected,
    RequestError,
    ServerFailure,
    TooManyRequests,
)
from ..pushdown.local_filter import meets
from ..pushdown.plan import Plan, Query
from ..pushdown.request import Refusals
from ..tables.addresses import fill
from ..tables.endpoints import Item, Shape
from .items import Items
from .listings import listing_of
from .newest_first import NewestFirst
from .not_found import REFUSALS, may_be_empty
from .scan_requests import RequestPath, Row, ScanRequests
from .tallying import Tally


class ListingRefused(RequestError):
    """A listing did not apply the filter or the order that it was asked for.

    ``plan`` is the plan of the listing. ``ignored`` are the filters and orders that it was seen to
    ignore; ``None`` if it answered with an error.
    """

    plan: Plan
    ignored: Refusals | None = None

    @classmethod
    def of(cls, error: RequestError, plan: Plan, ignored: Refusals | None = None) -> ListingRefused:
        """The same error as a :class:`ListingRefused`."""
        refused = error.of_kind(cls)
        refused.plan, refused.ignored = plan, ignored
        return refused


class Stream:
    """The rows of one place and query, as pairs of sort key and row.

    ``size`` is the number of items, once it is known. ``leads`` is whether the rows are read as
    parents, to find their children. ``between_pages`` is called before a further page is waited
    for, once that was asked for.
    """

    leads: bool = False

    def __init__(
        self, requests: ScanRequests, plan: Plan, place: RequestPath, query: Query
    ) -> None:
        self._requests = requests
        self.plan = plan
        self.place = place
        self._query = query = self._selected(query)
        self._path = fill(plan.path, place.parameters)
        self._carried = self._told(place)
        self._sorted_by = plan.table.column(plan.sort.column) if plan.sort else None
        self._items = self._items_for({*plan.columns, *(c.column.name for c in plan.looks)})
        self.size: int | None = None
        self.between_pages: Callable[[], None] = _nothing

    def start(self) -> None:
        """Send the first request now, although the rows are read later."""
        raise NotImplementedError

    def go_on(self) -> None:
        """Send further requests that are known to be needed, although the rows are read later."""

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        raise NotImplementedError

    def _selected(self, query: Query) -> Query:
        """A query with the parameters that take values of the path, if the listing has such."""
        plan, place = self.plan, self.place
        chosen = plan.table.collection.selects if plan.path == plan.table.collection.path else ()
        selected = ((name, place.parameters[parameter]) for name, parameter in chosen)
        return replace(query, parameters=(*selected, *query.parameters))

    def _told(self, place: RequestPath) -> Row:
        """The column values that the rows take from the place instead of from the answer."""
        return place.carried

    def _absent(self, error: RequestError) -> None:
        """Return if the listing's refusal means that there are no rows, else raise the error."""
        table, parameters = self.plan.table, self.place.parameters
        narrower = next((n for n in table.narrower if n.path == self.plan.path), None)
        # 404 says that something is not there. 410 says that the endpoint was removed.
        may_be_none = narrower is None and table.may_be_none()
        if may_be_none and self.place.led and isinstance(error, NotFound):
            return
        if narrower is not None and not isinstance(error, Gone):
            self._requests.judge.item(error, table, narrower, parameters, leads=True)
        else:
            self._requests.judge.listing(error, table, parameters, self.place.led)

    def _is_skipped(self) -> bool:
        """Whether it would refuse as another listing of its repository did."""
        return self._requests.judge.is_skipped(self.plan.table, self.place.parameters)

    def _may_be_empty(self, error: RequestError) -> bool:
        return may_be_empty(error, self.plan.table)

    def _answered(self) -> None:
        self._requests.judge.answered(self.plan.table, self.place.parameters)

    def _learn_size(self) -> None:
        """Remember the collection's size, or how many of its items meet the filter."""
        if self.size is not None:
            self._requests.learn(self.plan, self._path, self._query, self.size)

    def _refused(self, error: RequestError) -> RequestError:
        """The error; a :class:`ListingRefused` if a filter or an order may be its reason.

        Bitbucket answers 500 if a filter or an order takes it too long (seen live).
        """
        asked = self._query.q or self.plan.filtered or self.plan.sorted_by
        if not asked or error.status not in (400, 500):
            return error
        if error.status == 500:
            # Without them pages are as long as they can be: a LIMIT shortens none.
            longest = self.plan.table.collection.pagelen or 100
            pages = math.ceil(self._requests.guess(self.plan) / longest)
            try:
                self._requests.afford(pages)
            except TooManyRequests:
                return error
        return ListingRefused.of(error, self.plan)

    def _items_for(self, columns: Iterable[str]) -> Items:
        """A reader of items for these columns, except those that the place tells."""
        plan, carried = self.plan, self._carried
        return Items(
            plan.table,
            self._path,
            [c for c in plan.table.columns if c.name in columns and c.name not in carried],
            plan.loose,
            self._requests.doubt,
            self.place.parameters,
        )

    def _keyed(self, item: Row) -> tuple[Any, Row]:
        """The sort key and the values of a row, from its JSON."""
        key = self._items.sort_key(item, self._sorted_by) if self._sorted_by else None
        return key, self._items.row(item) | self._carried

    def listing(self, query: Query) -> Listing:
        return listing_of(self.plan, self._path, query, self._items.mark)

    def look(self, row: Row) -> None:
        """Raise :class:`ListingRefused` if the row shows that a filter was not applied.

        Only filters are checked that PostgreSQL cannot check in time, before rows are counted.
        """
        plan = self.plan
        try:
            broken = [look.column.name for look in plan.looks if not meets(row, (look,))]
        except ValueError as error:
            raise bad_answer(self._path, f"The value of {error}.") from None
        if broken:
            ignored = Refusals(filters=frozenset((plan.table.name, name) for name in broken))
            why = f"An item does not meet the filter by {', '.join(broken)}."
            raise ListingRefused.of(bad_answer(self._path, why), plan, ignored)


class CollectionStream(Stream):
    """A paginated listing."""

    def __init__(
        self, requests: ScanRequests, plan: Plan, place: RequestPath, query: Query
    ) -> None:
        super().__init__(requests, plan, place, query)
        self._pages = requests.pages(
            self.listing(self._query), plan.stop_after, lambda: self.between_pages()
        )
        self._last_key: Any = None
        parts = tuple(
            replace(
                part,
                values=tuple((name, carried_value(value)) for name, value in part.values),
                query=self._selected(part.query),
            )
            for part in plan.parts
        )
        self._newest_first = NewestFirst(plan.until, self._items) if plan.until else None
        self._tally = Tally(requests, plan, parts, self._path)

    def start(self) -> None:
        if not self._is_skipped():
            self._pages.start()
            self._tally.start_if_likely()

    def go_on(self) -> None:
        first = self._pages.first_if_there() if self.plan.parts else None
        if first and self._tally.pays(first.size, len(first.values)):
            self._tally.start()
        elif self._newest_first is None:
            self._pages.go_on()

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        if self._is_skipped():
            return
        for number, values in enumerate(self._existing_pages()):
            counted = self._tally.rows(self.size, values, self._items) if number == 0 else None
            if counted is not None:
                yield from ((None, row | self._carried) for row in counted)
                return
            items = self._items.listed(values)
            if self.plan.hydrate:
                items = self._hydrated(items)
            items = [
                item
                for item in self._completed(items)
                if self._items.is_meant(item, self.place.carried)
            ]
            # A page is checked as a whole before any of its rows is handed to the host.
            if self.plan.table.collection.shape is Shape.TEXT:
                self._note_what_is_cut(items)
            page = self._wanted(self._keyed(row) for row in self._items.rows(items))
            for key, row in page:
                self._check_order(key)
                if self.plan.looks:
                    self.look(row)
            yield from page
            if self._ends_with(items):
                return

    def _wanted(self, page: Iterable[tuple[Any, Row]]) -> list[tuple[Any, Row]]:
        """The rows that are the query's, and of no other query of the plan."""
        only = self._query.only
        if only is None:
            return list(page)
        try:
            return [(key, row) for key, row in page if meets(row, (only,))]
        except ValueError as error:
            raise bad_answer(self._path, f"The value of {error}.") from None

    def _ends_with(self, items: list[Row]) -> bool:
        """Whether nothing that is wanted comes after these items; how much else, is told ahead."""
        if self._newest_first is None:
            return False
        ends = self._newest_first.ends_with(items)
        self._pages.expect(self._newest_first.likely())
        return ends

    def _note_what_is_cut(self, items: list[Row]) -> None:
        shown = any(self.plan.table.column(name).path == "body" for name in self.plan.columns)
        if shown and any(item.get("cut_short") for item in items):
            self._requests.cut_short(self.plan.table, self._path)

    def _existing_pages(self) -> Iterator[list[Any]]:
        first, read = True, 0
        try:
            for values in self._pages:
                self.size, read = self._pages.size, read + len(values)
                if first:
                    self._answered()
                    self._learn_size()
                    self._foresee(len(values))
                first = False
                yield values
            if self.size is None and self.plan.stop_after is None:
                self.size = read
                self._learn_size()
        except REFUSALS as error:
            if not first:
                raise
            self._absent(error)
        except (Rejected, ServerFailure) as error:
            if not first or not self._may_be_empty(error):
                raise (self._refused(error) if first else error) from None
            self._absent(error)

    def _foresee(self, read: int) -> None:
        """After the first page: refuse what its size shows to take too many more."""
        preview, plan = self._requests.preview, self.plan
        if self.size is None or not plan.pagelen:
            return
        if self._requests.reads_all and plan.until is None:
            pages = math.ceil(max(0, self.size - read) / plan.pagelen)
            self._requests.await_hour(min(pages, len(plan.parts) or pages), read=1)
        if self.leads or preview is None:
            return
        wanted = self.size if self._requests.reads_all else plan.stop_after
        if not preview.stops or wanted is None or plan.table.collection.explode:
            return
        rows = min(self.size, wanted)
        pages = math.ceil(max(0, rows - read) / plan.pagelen)
        preview.afford(pages + (rows if plan.hydrate else 0))

    def _check_order(self, key: Any) -> None:
        """Raise :class:`ListingRefused` if items are not in the order that was asked for."""
        plan, last = self.plan, self._last_key
        self._last_key = key
        if plan.sort is None or plan.sort_here or last is None:
            return
        if (key > last) if plan.sort.descending else (key < last):
            ignored = Refusals(sorts=frozenset({(plan.table.name, plan.sort.column)}))
            why = f"The items are not in the order of {plan.sort.column} that was asked for."
            raise ListingRefused.of(bad_answer(self._path, why), plan, ignored)

    def _hydrated(self, items: list[Row]) -> list[Row]:
        """Each item as its own endpoint gives it, for columns that the listing lacks."""
        template, query = self.plan.hydrate, self.plan.hydrate_query
        if template is None or query is None:
            return items
        return self._read_each(items, self.plan.table.items[0], query)

    def _completed(self, items: list[Row]) -> list[Row]:
        """The items, completed where the listing lacks members that ``fields`` asked for."""
        table = self.plan.table
        endpoint = table.completed_by or next(iter(table.items), None)
        lacking = [item for item in items if self._items.incomplete(item)]
        if not lacking or endpoint is None:
            return items
        fields = dict(self._query.parameters).get("fields", "").split(",")
        wanted = [name.removeprefix("values.") for name in fields if name.startswith("values.")]
        query = Query((("fields", ",".join(wanted)),))
        whole_items = iter(self._read_each(lacking, endpoint, query))
        return [next(whole_items) if self._items.incomplete(item) else item for item in items]

    def _read_each(self, items: list[Row], item: Item, query: Query) -> list[Row]:
        column = self.plan.table.column(item.key)
        keys = Items(self.plan.table, self._path, [column])
        futures = []
        for listed in items:
            key = str(keys.row(listed)[column.name])
            path = fill(item.path, {**self.place.parameters, item.parameter: key})
            futures.append(self._requests.submit(self._requests.url(path, query)))
        details = [self._items.single(self._requests.wait(future)) for future in futures]
        return [{**listed, **detail} for listed, detail in zip(items, details, strict=True)]


def _nothing() -> None:
    pass


def carried_value(value: Any) -> Any:
    """The value of a path parameter as a column value: UUIDs are text there."""
    return value if isinstance(value, (str, int)) else str(value)


def bad_answer(path: str, why: str) -> BadResponse:
    return BadResponse(
        f"GET {path} was answered with unexpected JSON",
        method="GET",
        path=path,
        status=200,
        detail=why,
        hint="The answer is not of the documented form: check base_url, and whether a proxy "
        "answers in Bitbucket's place.",
    )
