"""Runs a plan: fan-out over parents, requests several at a time, rows in the right order.

Everything here runs on PostgreSQL's own thread; requests and JSON run on worker threads. Nothing
holds a whole result: a collection is read page by page, and a fan-out keeps a bounded number of
first pages.
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from .api import Answer, Client, Pages, ScanContext
from .errors import BadResponse, NotFound, Rejected
from .paths import fill, path_text
from .pushdown.conditions import Condition
from .pushdown.plan import Kind, Plan, Query
from .pushdown.planner import plan
from .pushdown.request import Request
from .tables.base import Column, Table
from .tables.repositories import Repositories
from .values import column_value, extractor, instant

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Place:
    """Where one request goes: values for the path, and what its rows carry of them."""

    parameters: dict[str, str]
    carried: Row


class Sizes:
    """Sizes of collections seen so far in this backend, for the planner's estimates."""

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


class Execution:
    """Executes plans for one scan."""

    def __init__(self, client: Client, scan: ScanContext, sizes: Sizes) -> None:
        self._client = client
        self._scan = scan
        self._sizes = sizes

    def rows(self, planned: Plan) -> Iterator[Row]:
        """The plan's rows, lazily; they hold ``plan.columns``."""
        return itertools.islice(self._all_rows(planned), planned.offset, planned.enough)

    def _all_rows(self, plan: Plan) -> Iterator[Row]:
        if plan.kind is Kind.NOTHING:
            return iter(())
        streams = self._streams(plan)
        return self._merged(plan, streams) if plan.sort else self._in_turn(streams)

    # --- several streams ---

    def _in_turn(self, streams: Iterable[Stream]) -> Iterator[Row]:
        """One stream after another, with the first pages of the following ones under way.

        The window opens as the consumer goes on: one that stops after the first stream has not
        paid for eight.
        """
        waiting: deque[Stream] = deque()
        source = iter(streams)
        width = 1
        while True:
            for stream in itertools.islice(source, width - len(waiting)):
                stream.start()
                waiting.append(stream)
            if not waiting:
                return
            for _, row in waiting.popleft():
                yield row
            width = min(2 * width, self._client.settings.concurrency)

    def _merged(self, plan: Plan, streams: Iterable[Stream]) -> Iterator[Row]:
        """Streams that are sorted alike, merged; each keeps one page at a time."""
        opened = list(streams)
        for stream in opened:
            stream.start()
        reverse = plan.sort is not None and plan.sort.descending
        for _, row in heapq.merge(*opened, key=lambda pair: pair[0], reverse=reverse):
            yield row

    def _streams(self, plan: Plan) -> Iterator[Stream]:
        for place in self._places(plan):
            for query in plan.queries:
                yield _STREAMS[plan.kind](self, plan, place, query)

    # --- where requests go ---

    def _places(self, plan: Plan) -> Iterator[Place]:
        if plan.parent is None:
            self._afford(plan, plan.combinations)
            for values in itertools.product(*(binding.values for binding in plan.bindings)):
                parameters, carried = {}, {}
                for binding, value in zip(plan.bindings, values, strict=True):
                    parameters[binding.parameter] = path_text(value)
                    if binding.column:
                        carried[binding.column] = _carried(value)
                yield Place(parameters, carried)
            return
        where = plan.table.parent.where if plan.table.parent else None
        for row in self._parent_rows(plan, plan.parent):
            place = _place(plan, row)
            if place is not None and (where is None or row.get(where)):
                yield place

    def _parent_rows(self, plan: Plan, parent: Plan) -> Iterator[Row]:
        for stream in self._streams(parent):
            found = False
            for _, row in stream:
                if not found and stream.size is not None:
                    self._afford(plan, stream.size)
                found = True
                yield row
            if not found and parent.kind is Kind.ITEM:
                raise stream.missing()

    def _afford(self, plan: Plan, places: int) -> None:
        # With a LIMIT the scan is likely to stop early; the running count still holds.
        if plan.limit is None:
            self._scan.afford(places * len(plan.queries))

    def has_issues(self, workspace: str, repository: str | None) -> bool:
        """Whether a repository, or any of a workspace, has an issue tracker.

        Raises the request's error where the workspace or repository cannot be read.
        """
        bound = {"workspace": workspace}
        conditions: tuple[Condition, ...] = ()
        if repository is not None:
            slug = Repositories.column("slug")
            conditions = (Condition(slug, "=", repository),)
        planned = plan(
            Request(Repositories, bound, conditions, (), frozenset(("slug", "has_issues")))
        )
        if planned.kind is Kind.ITEM:
            stream = next(self._streams(planned))
            found = [row for _, row in stream]
            if not found:
                raise stream.missing()
            return bool(found[0]["has_issues"])
        return any(row["has_issues"] for row in self.rows(planned))

    # --- one request ---

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

    def learn(self, table: type[Table], path: str, size: int) -> None:
        self._sizes.learn(table, path, size)


class Reader:
    """Answers a request of PostgreSQL: plans it, runs it, and reads wider where it has to.

    Which fields ``q`` takes is documented for few endpoints. Since PostgreSQL rechecks every
    condition, one that Bitbucket refuses is simply left out: the first answer of 400 to a request
    with ``q`` has it asked again without, and the backend remembers.
    """

    _refused: ClassVar[dict[tuple[str, str], frozenset[str]]] = {}

    def __init__(
        self, client: Client, scan: ScanContext, sizes: Sizes, warn: Callable[[str], None]
    ) -> None:
        self._client = client
        self._scan = scan
        self._sizes = sizes
        self._warn = warn

    def rows(self, request: Request) -> Iterator[Row]:
        """The rows that answer ``request``, lazily."""
        table = request.table
        key = (self._client.settings.base_url, table.name)
        request = replace(request, refused=self._refused.get(key, frozenset()))
        began = False
        try:
            for row in Execution(self._client, self._scan, self._sizes).rows(plan(request)):
                began = True
                yield row
        except Rejected as error:
            shipped = _filtered_columns(request)
            if began or error.status != 400 or not shipped:
                raise
            self._refused[key] = request.refused | shipped
            self._warn(
                f"{table.name}: Bitbucket refused to filter by {', '.join(sorted(shipped))}; "
                f"reading without ({error.detail or error.message})"
            )
            retried = replace(request, refused=self._refused[key])
            yield from Execution(self._client, self._scan, self._sizes).rows(plan(retried))


def _filtered_columns(request: Request) -> frozenset[str]:
    """Columns of the request whose conditions went into ``q``."""
    if not request.table.collection.q:
        return frozenset()
    tried = {c.column.name for c in request.conditions if c.column.filter}
    return frozenset(tried - request.refused)


class Stream:
    """The rows of one place and query, as pairs of sort key and row.

    ``size`` is the number of items to come, once it is known.
    """

    def __init__(self, execution: Execution, plan: Plan, place: Place, query: Query) -> None:
        self._execution = execution
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

    def _accept_missing(self, error: NotFound) -> None:
        """Take a 404 as no rows, if the item that the rows belong to is not there.

        Comments of a pull request that does not exist are no rows, as they are in a scan of all
        comments. A repository that is not there, or shows no such listing, is an error.
        """
        parent = self._plan.table.parent
        if parent is None or parent.table.level != "repository":
            raise error
        supplied = {supplier: parameter for parameter, supplier in parent.supplies}
        item = next(item for item in parent.table.items if item.key in supplied)
        key = self._place.parameters[supplied[item.key]]
        try:
            self._probe(item.path, {**self._place.parameters, item.parameter: key})
        except NotFound:
            self._probe(parent.table.collection.path, self._place.parameters)
        else:
            raise error

    def _probe(self, template: str, parameters: dict[str, str]) -> None:
        """Raise the error of an endpoint that does not answer."""
        url = self._execution.url(fill(template, parameters), Query((("fields", "next"),)))
        self._execution.wait(self._execution.submit(url))

    def _columns(self) -> list[Column]:
        carried = self._place.carried
        return [
            column
            for column in self._plan.table.columns
            if column.name in self._plan.columns and column.name not in carried
        ]


class CollectionStream(Stream):
    """A paginated listing."""

    def __init__(self, execution: Execution, plan: Plan, place: Place, query: Query) -> None:
        super().__init__(execution, plan, place, query)
        self._pages = execution.pages(
            self._path, query, plan.table.collection.lossy_next, plan.enough
        )

    def start(self) -> None:
        self._pages.start()

    def __iter__(self) -> Iterator[tuple[Any, Row]]:
        plan, carried = self._plan, self._place.carried
        extract = extractor(self._columns())
        unwrap = plan.table.collection.unwrap
        for values in self._existing_pages():
            items = [item.get(unwrap) or {} if unwrap else item for item in values]
            if plan.hydrate:
                items = self._hydrated(items)
            for item in exploded(plan.table, items):
                yield _sort_key(item, self._sorted_by), {**extract(item), **carried}

    def _existing_pages(self) -> Iterator[list[Any]]:
        first = True
        try:
            for values in self._pages:
                self.size = self._pages.size
                if first and self.size is not None and not self._query.q:
                    self._execution.learn(self._plan.table, self._path, self.size)
                first = False
                yield values
        except NotFound as error:
            if not first:
                raise
            self._accept_missing(error)

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
            futures.append(self._execution.submit(self._execution.url(path, query)))
        details = [self._execution.wait(future) for future in futures]
        return [
            {**listed, **(detail if isinstance(detail, dict) else {})}
            for listed, detail in zip(items, details, strict=True)
        ]


class SingleStream(Stream):
    """The rows of one answer."""

    _future: Future[Answer] | None = None

    def start(self) -> None:
        if self._future is None:
            self._future = self._execution.submit(self._execution.url(self._path, self._query))

    def _answer(self) -> Any:
        """The answer's JSON, asked for now if it was not before."""
        self.start()
        assert self._future is not None
        return self._execution.wait(self._future)


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
        extract = extractor(self._columns())
        for row in exploded(plan.table, [item]):
            yield _sort_key(row, self._sorted_by), {**extract(row), **self._place.carried}

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
        self.size = envelope.get("size") if isinstance(envelope, dict) else None
        constants = {name: _carried(value) for name, value in self._plan.constants}
        row = {**constants, **self._place.carried}
        for _ in self._counted() if self.size is None else range(self.size):
            yield None, row

    def _counted(self) -> Iterator[Any]:
        """The items themselves, for an envelope without a size, which is not promised."""
        pages = self._execution.pages(self._path, self._plan.uncounted(self._query))
        return itertools.chain.from_iterable(pages)


_STREAMS: dict[Kind, type[Stream]] = {
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


def _place(plan: Plan, row: Row) -> Place | None:
    """Where a parent's row leads; ``None`` if it lacks a part of the path or is not wanted."""
    parameters, carried = {}, {}
    for supply in plan.supplies:
        value = row[supply.supplier]
        if value is None:
            return None
        if supply.values is not None:
            # The rows must carry the conditions' own spelling, or the recheck drops them.
            spelled = {_folded(v): v for v in supply.values}
            if _folded(value) not in spelled:
                return None
            value = spelled[_folded(value)]
        is_uuid = plan.parent is not None and (
            plan.parent.table.column(supply.supplier).type == "uuid"
        )
        parameters[supply.parameter] = f"{{{value}}}" if is_uuid else path_text(value)
        if supply.column:
            carried[supply.column] = _carried(value)
    return Place(parameters, carried)


def _folded(value: Any) -> str:
    return str(value).casefold()


def _carried(value: Any) -> Any:
    """A bound value as a column value; UUIDs travel as text."""
    return value if isinstance(value, (str, int)) else str(value)


def _sort_key(item: Any, column: Column | None) -> Any:
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
