"""Requests of a plan, one listing or item at a time: what each answers, as rows."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, ClassVar

from .api import Answer, Client, Pages, ScanContext
from .errors import BadResponse, NotFound, Rejected
from .paths import fill
from .pushdown.plan import Kind, Plan, Query
from .tables.base import Column, Table
from .values import column_value, extractor, instant

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
    """

    def __init__(
        self, client: Client, scan: ScanContext, sizes: Sizes, warn: Callable[[str], None]
    ) -> None:
        self._client = client
        self._scan = scan
        self._sizes = sizes
        self._warn = warn
        self._answering: set[str] = set()

    @property
    def concurrency(self) -> int:
        """How many may be under way at a time."""
        return self._client.settings.concurrency

    def afford(self, count: int) -> None:
        """:class:`TooManyRequests` if that many more would pass the limit."""
        self._scan.afford(count)

    def submit(self, url: str) -> Future[Answer]:
        return self._scan.submit(self._client.get, url, self._scan)

    def wait(self, future: Future[Answer]) -> Any:
        return self._scan.wait(future).json

    def url(self, path: str, query: Query) -> str:
        return self._client.url(path, query.pairs())

    def pages(
        self, path: str, query: Query, lossy_next: bool = False, enough: int | None = None
    ) -> Pages:
        return Pages(self._client, self._scan, path, query.pairs(), lossy_next, enough)

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


class ListingRefused(Rejected):
    """400 to a listing that was asked for a filter or an order: that of ``plan``."""

    def __init__(self, error: Rejected, plan: Plan) -> None:
        super().__init__(
            error.message,
            method=error.method,
            path=error.path,
            status=error.status,
            detail=error.detail,
            hint=error.hint,
        )
        self.plan = plan


class Stream:
    """The rows of one place and query, as pairs of sort key and row.

    ``size`` is the number of items to come, once it is known.
    """

    def __init__(self, requests: Requests, plan: Plan, place: Place, query: Query) -> None:
        self._requests = requests
        self._plan = plan
        self._place = place
        self._query = query
        self._path = fill(plan.path, place.parameters)
        self._sorted_by = plan.table.column(plan.sort.column) if plan.sort else None
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

    def _refused(self, error: Rejected) -> Rejected:
        """The error, with what may have been refused if anything was asked for."""
        asked = self._query.q or (self._plan.sort and not self._plan.sort_here)
        return ListingRefused(error, self._plan) if asked and error.status == 400 else error

    def _probe(self, template: str, parameters: dict[str, str]) -> None:
        """Raise the error of an endpoint that does not answer."""
        self._requests.probe(fill(template, parameters))

    def _extractor(self) -> Callable[[Any], Row]:
        """A function from an item's JSON to the columns that the place does not tell."""
        carried = self._place.carried
        extract = extractor(
            column
            for column in self._plan.table.columns
            if column.name in self._plan.columns and column.name not in carried
        )

        def row(item: Any) -> Row:
            try:
                return extract(item)
            except RecursionError:  # nested too deeply to be written again
                raise _bad(self._path) from None

        return row


class CollectionStream(Stream):
    """A paginated listing."""

    def __init__(self, requests: Requests, plan: Plan, place: Place, query: Query) -> None:
        super().__init__(requests, plan, place, query)
        self._pages = requests.pages(
            self._path, query, plan.table.collection.lossy_next, plan.stop_after
        )

    def start(self) -> None:
        self._pages.start()

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        plan, carried = self._plan, self._place.carried
        extract = self._extractor()
        unwrap = plan.table.collection.unwrap
        for values in self._existing_pages():
            items = [item.get(unwrap) or {} if unwrap else item for item in values]
            if plan.hydrate:
                items = self._hydrated(items)
            for item in exploded(plan.table, items):
                yield sort_key(item, self._sorted_by), {**extract(item), **carried}

    def _existing_pages(self) -> Iterator[list[Any]]:
        first = True
        try:
            for values in self._pages:
                self.size = self._pages.size
                if first and self.size is not None and not self._query.q:
                    self._requests.learn(self._plan.table, self._path, self.size)
                first = False
                yield values
        except NotFound as error:
            if not first:
                raise
            self._accept_missing(error)
        except Rejected as error:
            raise (self._refused(error) if first else error) from None

    def _hydrated(self, items: list[Any]) -> list[Any]:
        """Each item with what only its own endpoint tells."""
        template, query = self._plan.hydrate, self._plan.hydrate_query
        if template is None or query is None:
            return items
        item = self._plan.table.items[0]
        keys = self._plan.table.column(item.key).keys
        futures = []
        for listed in items:
            key = str(column_value(listed, keys))
            path = fill(template, {**self._place.parameters, item.parameter: key})
            futures.append(self._requests.submit(self._requests.url(path, query)))
        details = [self._requests.wait(future) for future in futures]
        return [
            {**listed, **(detail if isinstance(detail, dict) else {})}
            for listed, detail in zip(items, details, strict=True)
        ]


class SingleStream(Stream):
    """The rows of one answer."""

    _future: Future[Answer] | None = None

    def start(self) -> None:
        if self._future is None:
            self._future = self._requests.submit(self._requests.url(self._path, self._query))

    def _answer(self) -> Any:
        """The answer's JSON, asked for now if it was not before."""
        self.start()
        assert self._future is not None
        return self._requests.wait(self._future)


class ItemStream(SingleStream):
    """One item, or none if there is no such item."""

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        plan = self._plan
        try:
            item = self._answer()
        except NotFound as error:
            self._accept_missing_item(error)
            return
        if not isinstance(item, dict):
            raise _bad(self._path)
        extract = self._extractor()
        for row in exploded(plan.table, [item]):
            yield sort_key(row, self._sorted_by), {**extract(row), **self._place.carried}

    def _accept_missing_item(self, error: NotFound) -> None:
        """Tell an item that is not there from an endpoint that was removed."""
        if not self._plan.table.removed:
            return
        try:
            self._probe(self._plan.table.collection.path, self._place.parameters)
        except NotFound:
            self._accept_missing(error)


class CountStream(SingleStream):
    """As many equal rows as the collection's envelope says there are items."""

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        try:
            envelope = self._answer()
        except NotFound as error:
            self._accept_missing(error)
            return
        except Rejected as error:
            raise self._refused(error) from None
        self.size = envelope.get("size") if isinstance(envelope, dict) else None
        constants = {name: carried_value(value) for name, value in self._plan.constants}
        row = {**constants, **self._place.carried}
        for _ in self._counted() if self.size is None else range(self.size):
            yield None, row

    def _counted(self) -> Iterator[Any]:
        """The items themselves, for an envelope without a size, which is not promised."""
        pages = self._requests.pages(self._path, self._plan.uncounted(self._query))
        return itertools.chain.from_iterable(pages)


STREAMS: dict[Kind, type[Stream]] = {
    Kind.COLLECTION: CollectionStream,
    Kind.ITEM: ItemStream,
    Kind.COUNT: CountStream,
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


def carried_value(value: Any) -> Any:
    """A bound value as a column value; UUIDs travel as text."""
    return value if isinstance(value, (str, int)) else str(value)


def sort_key(item: Any, column: Column | None) -> Any:
    """What a sorted stream is merged by; ``None`` without an order to keep."""
    if column is None:
        return None
    value = column_value(item, column.keys)
    if value is None:
        raise BadResponse(
            f"an item that Bitbucket sorted by {column.sort} has none",
            method="GET",
            path="",
            hint="Leave ORDER BY out of the query, or wrap it in a subquery with OFFSET 0.",
        )
    return instant(value) if column.type == "timestamptz" else value


def _bad(path: str) -> BadResponse:
    return BadResponse(
        f"GET {path} was answered with unexpected JSON",
        method="GET",
        path=path,
        status=200,
        detail="The answer is not of the documented form.",
    )
