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
from operator import itemgetter
from typing import Any

from .api import Client, ScanContext
from .counting import CountStream
from .errors import BadResponse
from .paths import path_text
from .pushdown.checks import meets
from .pushdown.conditions import Condition
from .pushdown.plan import Kind, Plan
from .pushdown.planner import plan
from .pushdown.request import Request
from .streams import (
    CollectionStream,
    ItemStream,
    Place,
    Requests,
    Row,
    Sizes,
    Stream,
    carried_value,
)
from .tables.repositories import Repositories

Keyed = tuple[Any, Row]
"""A row and what it is sorted by."""

__all__ = ["Execution", "Row", "Sizes"]

_STREAMS: dict[Kind, type[Stream]] = {
    Kind.COLLECTION: CollectionStream,
    Kind.ITEM: ItemStream,
    Kind.COUNT: CountStream,
}


class Execution:
    """Executes plans for one scan."""

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        sizes: Sizes,
        warn: Callable[[str], None] = lambda _: None,
        doubt: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._requests = Requests(client, scan, sizes, warn, doubt)

    def rows(self, planned: Plan) -> Iterator[Row]:
        """The plan's rows, lazily; they hold ``plan.columns``."""
        rows = (row for _, row in self._keyed_rows(planned))
        return itertools.islice(rows, planned.offset, planned.enough)

    def _keyed_rows(self, plan: Plan) -> Iterator[Keyed]:
        """All rows, each with what it is sorted by, in their order."""
        if plan.kind is Kind.NOTHING:
            return iter(())
        streams = self._streams(plan)
        merged = plan.sort is not None and not plan.sort_here
        rows = self._merged(plan, streams) if merged else self._in_turn(streams)
        if plan.checks:
            rows = (pair for pair in rows if _meets(plan, pair[1]))
        return _sorted(plan, rows) if plan.sort_here else rows

    # --- several streams ---

    def _in_turn(self, streams: Iterable[Stream]) -> Iterator[Keyed]:
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
            yield from waiting.popleft()
            width = min(2 * width, self._requests.concurrency)

    def _merged(self, plan: Plan, streams: Iterable[Stream]) -> Iterator[Keyed]:
        """Streams that are sorted alike, merged; each keeps one page at a time."""
        opened = list(streams)
        for stream in opened:
            stream.start()
        yield from heapq.merge(*opened, key=itemgetter(0), reverse=_descending(plan))

    def _streams(self, plan: Plan) -> Iterator[Stream]:
        for place in self._places(plan):
            for query in plan.queries:
                yield _STREAMS[plan.kind](self._requests, plan, place, query)

    # --- where requests go ---

    def _places(self, plan: Plan) -> Iterator[Place]:
        if plan.parent is None:
            self._afford(plan, plan.combinations)
            for values in itertools.product(*(binding.values for binding in plan.bindings)):
                parameters, carried = {}, {}
                for binding, value in zip(plan.bindings, values, strict=True):
                    parameters[binding.parameter] = path_text(value)
                    if binding.column:
                        carried[binding.column] = carried_value(value)
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
                if not found and stream.size is not None and _leads_each(plan, parent):
                    self._afford(plan, stream.size)
                found = True
                yield row
            if not found and parent.kind is Kind.ITEM:
                stream.accept_no_item()

    def _afford(self, plan: Plan, places: int) -> None:
        # With a LIMIT the scan is likely to stop early; the running count still holds.
        if plan.stop_after is None:
            self._requests.afford(places * len(plan.queries))

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


def _leads_each(plan: Plan, parent: Plan) -> bool:
    """Whether each of the parent's rows leads to a request, so that they can be counted ahead."""
    return (
        parent.exact
        and (plan.table.parent is None or plan.table.parent.where is None)
        and all(supply.supplier in parent.table.primary_key for supply in plan.supplies)
    )


def _sorted(plan: Plan, rows: Iterator[Keyed]) -> Iterator[Keyed]:
    """Rows put in order here: held all at once, or as many of them as a LIMIT asks for."""
    key, descending = itemgetter(0), _descending(plan)
    if plan.enough is None:
        yield from sorted(rows, key=key, reverse=descending)
    else:
        first = heapq.nlargest if descending else heapq.nsmallest
        yield from first(plan.enough, rows, key=key)


def _descending(plan: Plan) -> bool:
    return plan.sort is not None and plan.sort.descending


def _meets(plan: Plan, row: Row) -> bool:
    try:
        return meets(row, plan.checks)
    except ValueError as error:
        raise BadResponse(
            f"GET {plan.path} was answered with unexpected JSON",
            method="GET",
            path=plan.path,
            detail=f"The value of {error}.",
        ) from None


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
            carried[supply.column] = carried_value(value)
    return Place(parameters, carried)


def _folded(value: Any) -> str:
    return str(value).casefold()
