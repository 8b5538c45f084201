"""Requests of a plan, one listing or item at a time: what each answers, as rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from .api import (
    Answer,
    Client,
    Listing,
    NextLinks,
    Numbers,
    OwnNumbers,
    Pages,
    ScanContext,
    Strategy,
    Whole,
    complaint,
)
from .errors import BadResponse, NotFound, Rejected, RequestError, ServerFailure, TooManyRequests
from .items import Items
from .paths import fill
from .pushdown.checks import meets
from .pushdown.plan import Plan, Query
from .pushdown.request import Refusals
from .tables.base import Paging, Table

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one request goes: values for the path, and what its rows carry of them."""

    parameters: dict[str, str]
    carried: Row


class Sizes:
    """Sizes of collections seen so far in this backend, for the planner's estimates."""

    _known: ClassVar[dict[tuple[str, str], Sizes]] = {}

    @classmethod
    def of(cls, client: Client) -> Sizes:
        """Those of a client: estimates must not tell one user what another one can see."""
        key = (client.settings.base_url, client.credential.identity)
        return cls._known.setdefault(key, cls())

    def __init__(self) -> None:
        self._seen: dict[tuple[str, ...], int] = {}

    def learn(self, table: type[Table], path: str, size: int) -> None:
        self._seen[(table.name, path)] = size
        self._seen[(table.name,)] = size

    def guess(self, table: type[Table]) -> int:
        """Items of one collection of the table: as last seen, else as declared.

        At least one: an empty collection says little of the others, and no rows would have a
        fan-out over thousands of collections look as cheap as reading a few of them by key.
        """
        return max(1, self._seen.get((table.name,), table.rows))


class Requests:
    """The requests of one scan, made on worker threads.

    :param warn: told of what a query names and is not there.
    :param doubt: told of answers that may not be all there is.
    """

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        sizes: Sizes,
        warn: Callable[[str], None],
        doubt: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._client = client
        self._scan = scan
        self._sizes = sizes
        self._warn = warn
        self.doubt = doubt
        self._answering: set[str] = set()

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

    def probe(self, path: str) -> None:
        """Raise the error of an endpoint that does not answer; one that did is not asked again."""
        if path not in self._answering:
            self.wait(self.submit(self.url(path, Query((("fields", "next"),)))))
            self._answering.add(path)

    def missing(self, what: str, slug: str) -> None:
        """Let it be known that something a query names is not there."""
        self._warn(f'{what} "{slug}" is not there, or not visible to the credential: no rows')

    def learn(self, table: type[Table], path: str, size: int) -> None:
        self._sizes.learn(table, path, size)

    def guess(self, table: type[Table]) -> int:
        return self._sizes.guess(table)

    def answered_path(self, endpoint: str, path: str) -> str:
        """A listing's path in the form that its endpoint answers to."""
        return self._client.endpoints.path(endpoint, path)

    def learns(self, endpoint: str, query: Query, error: RequestError) -> bool:
        """Whether a request is worth another try in another form."""
        return self._client.endpoints.learn(endpoint, query.pairs(), error)


class ListingRefused(RequestError):
    """A listing that was asked for a filter or an order, that of ``plan``, and did not give it.

    :param ignored: what it was seen to leave out of account without a word; ``None`` if it
        answered with an error.
    """

    def __init__(self, error: RequestError, plan: Plan, ignored: Refusals | None = None) -> None:
        super().__init__(
            error.message,
            method=error.method,
            path=error.path,
            status=error.status,
            detail=error.detail,
            hint=error.hint,
        )
        self.plan = plan
        self.ignored = ignored


_STRATEGIES: dict[Paging, Strategy] = {
    Paging.NEXT: NextLinks(),
    Paging.NUMBERS: Numbers(),
    Paging.OWN_NUMBERS: OwnNumbers(),
    Paging.WHOLE: Whole(),
}


class Stream:
    """The rows of one place and query, as pairs of sort key and row.

    ``size`` is the number of items to come, once it is known.
    """

    def __init__(self, requests: Requests, plan: Plan, place: Place, query: Query) -> None:
        self._requests = requests
        self._plan = plan
        self._place = place
        chosen = plan.table.collection.selects if plan.path == plan.table.collection.path else ()
        selected = ((name, place.parameters[parameter]) for name, parameter in chosen)
        self._query = query = replace(query, parameters=(*selected, *query.parameters))
        self._path = fill(plan.path, place.parameters)
        self._sorted_by = plan.table.column(plan.sort.column) if plan.sort else None
        self._items = self._items_for({*plan.columns, *(c.column.name for c in plan.looks)})
        self.size: int | None = None

    def start(self) -> None:
        """Send the first request, for a consumer that will come later."""
        raise NotImplementedError

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        raise NotImplementedError

    def missing(self) -> NotFound:
        """The error for an item that others depend on and that is not there."""
        return NotFound(
            f"GET {self._path} was answered 404 Not Found",
            method="GET",
            path=self._path,
            status=404,
            hint="Check the workspace and repository. Bitbucket also answers 404 for what the "
            "credential may not see.",
        )

    def accept_no_item(self) -> None:
        """Take the item of a plan that is one item as not there; or raise as below."""
        table = self._plan.table
        item = next(item for item in table.items if item.path == self._plan.path)
        if item.parameter in self._plan.bound:
            raise self.missing()
        self._accept_absent(table, item.parameter)

    def _accept_missing(self, error: NotFound, table: type[Table] | None = None) -> None:
        """Take a 404 of a table's listing as no rows, if what it belongs to is not there.

        Comments of a pull request that does not exist are no rows, as they are in a scan of all
        comments. So is what belongs to a repository or a workspace that is not there, where the
        query names it: the name may come of a join, whose rows must not depend on the way that
        PostgreSQL takes. What the table's own options name has to be there, and so has a listing
        of something that is there.
        """
        table = table or self._plan.table
        parent = table.parent
        if parent is None:
            raise error
        supplied = {supplier: parameter for parameter, supplier in parent.supplies}
        item = next(item for item in parent.table.items if item.key in supplied)
        parameter = supplied[item.key]
        if parameter in self._plan.bound:
            raise error
        key = self._place.parameters[parameter]
        try:
            self._probe(item.path, {**self._place.parameters, item.parameter: key})
        except NotFound:
            self._accept_absent(parent.table, parameter)
        else:
            raise error

    def _accept_absent(self, table: type[Table], parameter: str) -> None:
        """Take an item of a table as not there, if the table's listing is, or is absent likewise.

        For Bitbucket also answers 404 where a whole repository or workspace is not visible.
        """
        try:
            self._probe(table.collection.path, self._place.parameters)
        except NotFound as error:
            self._accept_missing(error, table)
            return
        names = [name for name in ("workspace", "repository") if name in self._place.parameters]
        if parameter in names:
            names = names[: names.index(parameter) + 1]
            slug = "/".join(self._place.parameters[name] for name in names)
            self._requests.missing(parameter, slug)

    def _refused(self, error: RequestError) -> RequestError:
        """The error, with what may have been refused if anything was asked for.

        500 is how a filter or an order fails that takes Bitbucket too long (seen live).
        """
        asked = self._query.q or (self._plan.sort and not self._plan.sort_here)
        if not asked or error.status not in (400, 500):
            return error
        if error.status == 500:
            pages = math.ceil(self._requests.guess(self._plan.table) / (self._plan.pagelen or 100))
            try:
                self._requests.afford(pages)
            except TooManyRequests:
                return error
        return ListingRefused(error, self._plan)

    def _probe(self, template: str, parameters: dict[str, str]) -> None:
        """Raise the error of an endpoint that does not answer."""
        path = fill(template, parameters)
        self._requests.probe(self._requests.answered_path(template, path))

    def _items_for(self, columns: Iterable[str]) -> Items:
        """Items of which the columns are read that the place does not tell."""
        plan, carried = self._plan, self._place.carried
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
        return key, {**self._items.row(item), **self._place.carried}

    def listing(self, query: Query) -> Listing:
        table = self._plan.table
        collection = table.collection
        filters = {column.query for column in table.columns}
        return Listing(
            self._path,
            query.pairs(),
            _STRATEGIES[collection.paging],
            self._plan.path,
            self._items.mark if collection.unique else None,
            # Whether the size heeds what is not said in q is not known.
            counted=not any(name in filters for name, _ in query.parameters),
        )

    def look(self, row: Row) -> None:
        """Raise :class:`ListingRefused` if a filter was not applied that nobody else checks."""
        plan = self._plan
        try:
            broken = [look.column.name for look in plan.looks if not meets(row, (look,))]
        except ValueError as error:
            raise bad_answer(self._path, f"The value of {error}.") from None
        if broken:
            ignored = Refusals(filters=frozenset((plan.table.name, name) for name in broken))
            why = f"An item does not meet the filter by {', '.join(broken)}."
            raise ListingRefused(bad_answer(self._path, why), plan, ignored)


class CollectionStream(Stream):
    """A paginated listing."""

    def __init__(self, requests: Requests, plan: Plan, place: Place, query: Query) -> None:
        super().__init__(requests, plan, place, query)
        self._pages = requests.pages(self.listing(self._query), plan.stop_after)
        self._last_key: Any = None

    def start(self) -> None:
        self._pages.start()

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        for values in self._existing_pages():
            items = self._items.listed(values)
            if self._plan.hydrate:
                items = self._hydrated(items)
            items = self._completed(items)
            # A page is looked at as a whole, so that none of it has gone up if it is not to be.
            page = [self._keyed(row) for row in self._items.rows(items)]
            for key, row in page:
                self._check_order(key)
                if self._plan.looks:
                    self.look(row)
            yield from page

    def _existing_pages(self) -> Iterator[list[Any]]:
        first = True
        try:
            for values in self._pages:
                self.size = self._pages.size
                if first and self.size is not None and not self._plan.filtered:
                    self._requests.learn(self._plan.table, self._path, self.size)
                first = False
                yield values
        except NotFound as error:
            if not first:
                raise
            self._accept_missing(error)
        except (Rejected, ServerFailure) as error:
            raise (self._refused(error) if first else error) from None

    def _check_order(self, key: Any) -> None:
        """Raise :class:`ListingRefused` for items that are not in the order asked for."""
        plan, last = self._plan, self._last_key
        self._last_key = key
        if plan.sort is None or plan.sort_here or last is None:
            return
        if (key > last) if plan.sort.descending else (key < last):
            ignored = Refusals(sorts=frozenset({(plan.table.name, plan.sort.column)}))
            why = f"The items are not in the order of {plan.sort.column} that was asked for."
            raise ListingRefused(bad_answer(self._path, why), plan, ignored)

    def _hydrated(self, items: list[Row]) -> list[Row]:
        """Each item with what only its own endpoint tells."""
        template, query = self._plan.hydrate, self._plan.hydrate_query
        if template is None or query is None:
            return items
        return self._read_each(items, template, query)

    def _completed(self, items: list[Row]) -> list[Row]:
        """The items with what the listing should have told and did not, as ``fields`` asked."""
        endpoints = self._plan.table.items
        lacking = [item for item in items if self._items.incomplete(item)]
        if not lacking or not endpoints:
            return items
        fields = dict(self._query.parameters).get("fields", "").split(",")
        wanted = [name.removeprefix("values.") for name in fields if name.startswith("values.")]
        query = Query((("fields", ",".join(wanted)),))
        whole_items = iter(self._read_each(lacking, endpoints[0].path, query))
        return [next(whole_items) if self._items.incomplete(item) else item for item in items]

    def _read_each(self, items: list[Row], template: str, query: Query) -> list[Row]:
        item = self._plan.table.items[0]
        column = self._plan.table.column(item.key)
        keys = Items(self._plan.table, self._path, [column])
        futures = []
        for listed in items:
            key = str(keys.row(listed)[column.name])
            path = fill(template, {**self._place.parameters, item.parameter: key})
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
    """One item, or none if there is no such item."""

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        try:
            answer = self._answer()
        except NotFound as error:
            self._accept_missing_item(error)
            return
        for row in self._items.rows([self._items.single(answer)]):
            yield self._keyed(row)

    def _accept_missing_item(self, error: NotFound) -> None:
        """Tell an item that is not there from an endpoint that was removed."""
        if not self._plan.table.removed:
            return
        try:
            self._probe(self._plan.table.collection.path, self._place.parameters)
        except NotFound:
            self._accept_missing(error)


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
