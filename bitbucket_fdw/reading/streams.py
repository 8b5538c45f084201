"""Requests of a plan, one listing or item at a time: what each answers, as rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any

from ..api import (
    JSON,
    Answer,
    Client,
    Envelope,
    Listing,
    NextLinks,
    Numbers,
    OwnNumbers,
    Pages,
    ScanContext,
    Strategy,
    Wanted,
    Whole,
    complaint,
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
from ..tables.endpoints import Collection, Paging, Shape
from ..tables.table import Table
from .items import Items
from .not_found import REFUSALS, Absence
from .observations import Observed
from .omissions import Omissions

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one request goes: values for the path, and what its rows carry of them."""

    parameters: dict[str, str]
    carried: Row


class ScanRequests:
    """The requests of one scan, made on worker threads.

    :param observed: what earlier reads have shown, which is added to.
    :param omissions: told of what there are no rows of.
    :param strict: whether a spanning table fails with a repository that refuses.
    :param doubt: told of answers that may not be all there is.
    """

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        observed: Observed,
        omissions: Omissions,
        strict: bool,
        doubt: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._scan = scan
        self._sizes = observed.sizes
        self.doubt = doubt
        self.absence = Absence(self.ask, observed.known, omissions, strict)

    @property
    def concurrency(self) -> int:
        """How many may be under way at a time."""
        return self._client.settings.concurrency

    def afford(self, count: int) -> None:
        """:class:`TooManyRequests` if that many more would pass the limit."""
        self._scan.afford(count)

    def submit(self, url: str) -> Future[Answer]:
        return self._client.ask(url, self._scan)

    def wait(self, future: Future[Answer]) -> Any:
        return self._scan.wait(future).json

    def url(self, path: str, query: Query) -> str:
        return self._client.url(path, query.pairs())

    def pages(self, listing: Listing, enough: int | None = None) -> Pages:
        return Pages(self._client, self._scan, listing, enough, self.doubt)

    def ask(self, template: str, path: str, query: Query) -> Any:
        """The JSON of one answer.

        :param template: that of ``path``, whose form may have been learned.
        """
        try:
            return self.wait(self.submit(self.url(self.answered_path(template, path), query)))
        except NotFound as error:
            if not self.learns(template, query, error):
                raise
        return self.ask(template, path, query)

    def learn(self, table: type[Table], path: str, size: int) -> None:
        self._sizes.learn(table, path, size)

    def guess(self, plan: Plan) -> float:
        """About how many items one of the plan's collections has."""
        return self._sizes.guess(plan, 1)

    def answered_path(self, endpoint: str, path: str) -> str:
        """A listing's path in the form that its endpoint answers to."""
        return self._client.endpoints.path(endpoint, path)

    def learns(self, endpoint: str, query: Query, error: RequestError) -> bool:
        """Whether a request is worth another try in another form."""
        return self._client.endpoints.learn(endpoint, query.pairs(), error)


class ListingRefused(RequestError):
    """A listing that was asked for a filter or an order, and did not give it.

    ``plan`` is the listing's. ``ignored`` is what it was seen to leave out of account without a
    word; ``None`` if it answered with an error.
    """

    plan: Plan
    ignored: Refusals | None = None

    @classmethod
    def of(cls, error: RequestError, plan: Plan, ignored: Refusals | None = None) -> ListingRefused:
        """The same error, with what it is about."""
        refused = error.of_kind(cls)
        refused.plan, refused.ignored = plan, ignored
        return refused


_STRATEGIES: dict[Paging, Strategy] = {
    Paging.NEXT: NextLinks(),
    Paging.NUMBERS: Numbers(),
    Paging.OWN_NUMBERS: OwnNumbers(),
    Paging.WHOLE: Whole(),
}


_SHAPES: dict[Shape, Callable[[Any], Envelope]] = {
    Shape.PAGES: Envelope.read,
    Shape.ARRAY: Envelope.read_array,
    Shape.OBJECT: Envelope.read_object,
    Shape.TEXT: Envelope.read_object,
}


class Stream:
    """The rows of one place and query, as pairs of sort key and row.

    ``size`` is the number of items to come, once it is known; ``leads`` is whether its rows lead
    to those of another table.
    """

    leads: bool = False

    def __init__(self, requests: ScanRequests, plan: Plan, place: Place, query: Query) -> None:
        self._requests = requests
        self.plan = plan
        self.place = place
        chosen = plan.table.collection.selects if plan.path == plan.table.collection.path else ()
        selected = ((name, place.parameters[parameter]) for name, parameter in chosen)
        self._query = query = replace(query, parameters=(*selected, *query.parameters))
        self._path = fill(plan.path, place.parameters)
        self._carried = self._told(place)
        self._sorted_by = plan.table.column(plan.sort.column) if plan.sort else None
        self._items = self._items_for({*plan.columns, *(c.column.name for c in plan.looks)})
        self.size: int | None = None

    def start(self) -> None:
        """Send the first request, for a consumer that will come later."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        raise NotImplementedError

    def _told(self, place: Place) -> Row:
        """What the rows carry of the place, in place of what the answer says."""
        return place.carried

    def _absent(self, error: RequestError) -> None:
        """Take a refusal of the listing as no rows, or raise."""
        table, parameters = self.plan.table, self.place.parameters
        narrower = next((n for n in table.narrower if n.path == self.plan.path), None)
        # What is not there is answered by 404. 410 is for an endpoint that was taken away.
        if narrower is not None and not isinstance(error, Gone):
            self._requests.absence.item(error, table, narrower, parameters)
        else:
            self._requests.absence.listing(error, table, parameters)

    def _answered(self) -> None:
        self._requests.absence.answered(self.plan.table, self.place.parameters)

    def _learn_size(self) -> None:
        """Remember the collection's size, if nothing was asked of its items."""
        if self.size is not None and not self._query.q and self.plan.selectivity == 1.0:
            self._requests.learn(self.plan.table, self._path, self.size)

    def _refused(self, error: RequestError) -> RequestError:
        """The error, with what may have been refused if anything was asked for.

        500 is how a filter or an order fails that takes Bitbucket too long (seen live).
        """
        asked = self._query.q or (self.plan.sort and not self.plan.sort_here)
        if not asked or error.status not in (400, 500):
            return error
        if error.status == 500:
            pages = math.ceil(self._requests.guess(self.plan) / (self.plan.pagelen or 100))
            try:
                self._requests.afford(pages)
            except TooManyRequests:
                return error
        return ListingRefused.of(error, self.plan)

    def _items_for(self, columns: Iterable[str]) -> Items:
        """Items of which the columns are read that the place does not tell."""
        plan, carried = self.plan, self._carried
        return Items(
            plan.table,
            self._path,
            [c for c in plan.table.columns if c.name in columns and c.name not in carried],
            plan.loose,
            self._requests.doubt,
        )

    def _keyed(self, item: Row) -> tuple[Any, Row]:
        """A row's JSON as its sort key and its values."""
        key = self._items.sort_key(item, self._sorted_by) if self._sorted_by else None
        return key, {**self._items.row(item), **self._carried}

    def listing(self, query: Query) -> Listing:
        table = self.plan.table
        collection = table.collection
        filters = {column.query for column in table.columns}
        return Listing(
            self._path,
            query.pairs(),
            _STRATEGIES[collection.paging],
            self.plan.path,
            self._items.mark if collection.unique else None,
            _SHAPES[collection.shape],
            # Whether the size heeds what is not said in q is not known.
            counted=not any(name in filters for name, _ in query.parameters),
            wanted=_wanted(collection),
        )

    def look(self, row: Row) -> None:
        """Raise :class:`ListingRefused` if a filter was not applied that nobody else checks."""
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

    def __init__(self, requests: ScanRequests, plan: Plan, place: Place, query: Query) -> None:
        super().__init__(requests, plan, place, query)
        self._pages = requests.pages(self.listing(self._query), plan.stop_after)
        self._last_key: Any = None

    def start(self) -> None:
        self._pages.start()

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        for values in self._existing_pages():
            items = self._items.listed(values)
            if self.plan.hydrate:
                items = self._hydrated(items)
            items = self._completed(items)
            # A page is looked at as a whole, so that none of it has gone up if it is not to be.
            page = [self._keyed(row) for row in self._items.rows(items)]
            for key, row in page:
                self._check_order(key)
                if self.plan.looks:
                    self.look(row)
            yield from page

    def _existing_pages(self) -> Iterator[list[Any]]:
        first = True
        try:
            for values in self._pages:
                self.size = self._pages.size
                if first:
                    self._answered()
                    self._learn_size()
                first = False
                yield values
        except REFUSALS as error:
            if not first:
                raise
            self._absent(error)
        except (Rejected, ServerFailure) as error:
            raise (self._refused(error) if first else error) from None

    def _check_order(self, key: Any) -> None:
        """Raise :class:`ListingRefused` for items that are not in the order asked for."""
        plan, last = self.plan, self._last_key
        self._last_key = key
        if plan.sort is None or plan.sort_here or last is None:
            return
        if (key > last) if plan.sort.descending else (key < last):
            ignored = Refusals(sorts=frozenset({(plan.table.name, plan.sort.column)}))
            why = f"The items are not in the order of {plan.sort.column} that was asked for."
            raise ListingRefused.of(bad_answer(self._path, why), plan, ignored)

    def _hydrated(self, items: list[Row]) -> list[Row]:
        """Each item with what only its own endpoint tells."""
        template, query = self.plan.hydrate, self.plan.hydrate_query
        if template is None or query is None:
            return items
        return self._read_each(items, template, query)

    def _completed(self, items: list[Row]) -> list[Row]:
        """The items with what the listing should have told and did not, as ``fields`` asked."""
        endpoints = self.plan.table.items
        lacking = [item for item in items if self._items.incomplete(item)]
        if not lacking or not endpoints:
            return items
        fields = dict(self._query.parameters).get("fields", "").split(",")
        wanted = [name.removeprefix("values.") for name in fields if name.startswith("values.")]
        query = Query((("fields", ",".join(wanted)),))
        whole_items = iter(self._read_each(lacking, endpoints[0].path, query))
        return [next(whole_items) if self._items.incomplete(item) else item for item in items]

    def _read_each(self, items: list[Row], template: str, query: Query) -> list[Row]:
        item = self.plan.table.items[0]
        column = self.plan.table.column(item.key)
        keys = Items(self.plan.table, self._path, [column])
        futures = []
        for listed in items:
            key = str(keys.row(listed)[column.name])
            path = fill(template, {**self.place.parameters, item.parameter: key})
            futures.append(self._requests.submit(self._requests.url(path, query)))
        details = [self._items.single(self._requests.wait(future)) for future in futures]
        return [{**listed, **detail} for listed, detail in zip(items, details, strict=True)]


class SingleStream(Stream):
    """The rows of one answer."""

    _future: Future[Answer] | None = None

    def start(self) -> None:
        if self._future is None:
            self._future = self._requests.submit(self._requests.url(self._path, self._query))

    def _answer(self) -> Row:
        """The answer's JSON, asked for now if it was not before."""
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
    """One item, or none if there is no such item, or none that is spelled so."""

    def _told(self, place: Place) -> Row:
        # The row has its key from the answer: Bitbucket may take another spelling for it.
        plan = self.plan
        # Two endpoints of a table by different keys may have the same path.
        of_path = [item for item in plan.table.items if item.path == plan.path]
        self._item = next((item for item in of_path if item.key in place.carried), of_path[0])
        key = None if self._item.parameter in plan.bound else self._item.key
        return {name: value for name, value in place.carried.items() if name != key}

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        absence = self._requests.absence
        try:
            answer = self._answer()
        except REFUSALS as error:
            parameters = self.place.parameters
            absence.item(error, self.plan.table, self._item, parameters, self.leads)
            return
        self._answered()
        key = self.plan.table.column(self._item.key)
        asked_by = key if key.name in self.plan.columns else None
        for row in self._items.rows([self._items.single(answer, asked_by)]):
            keyed = self._keyed(row)
            if self._is_asked(keyed[1]):
                yield keyed

    def _is_asked(self, row: Row) -> bool:
        """Whether the answer is the item that was asked for, in that spelling."""
        column = self.plan.table.column(self._item.key)
        asked, found = self.place.carried.get(column.name), row.get(column.name)
        if asked is None or found is None or column.name in self._carried:
            return True
        read = column.data_type.condition
        if read(found) == read(asked):
            return True
        if not column.data_type.respelled:
            raise bad_answer(self._path, f"It is the item with {column.name} {found}.")
        self._requests.absence.respelled(column.param or column.name, asked, found)
        return False


def _wanted(collection: Collection) -> Wanted:
    if collection.accept is None:
        return JSON
    return Wanted(collection.accept, text=True, elsewhere=collection.elsewhere)


def carried_value(value: Any) -> Any:
    """A bound value as a column value; UUIDs travel as text."""
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
