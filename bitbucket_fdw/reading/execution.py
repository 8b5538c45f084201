"""Runs a plan: fan-out over parents, requests several at a time, rows in the right order.

Everything here runs on PostgreSQL's own thread; requests and the reading of JSON run on worker
threads. Collections are read page by page. A fan-out that is not sorted keeps the first pages of at
most three times ``concurrency`` collections; one that is sorted by Bitbucket keeps one page of
each. Only rows that have to be sorted here are held all at once.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import itemgetter
from typing import Any

from ..api import Client, PreviewBudget, ScanContext
from ..errors import BadResponse, BitbucketError, ConditionMissing
from ..pushdown.local_filter import meets
from ..pushdown.parent_filter import passes
from ..pushdown.plan import Kind, Plan, Query, Supply
from ..pushdown.planner import plan
from ..pushdown.request import Request
from ..tables.addresses import fill, path_text
from ..tables.endpoints import SLUGS
from ..tables.table import Table
from .counting import CountStream
from .not_found import may_be_respelled
from .observations import Observed
from .omissions import Omissions
from .outlook import EARLY, Outlook, Yield
from .reachability import Reachability
from .scan_requests import RequestPath, Row, ScanRequests
from .single_answers import ItemStream
from .streams import CollectionStream, Stream, carried_value
from .turns import Turns
from .upcoming import Upcoming

Keyed = tuple[Any, Row]
"""A row's sort key, and the row."""

__all__ = ["Execution", "Row"]

_WORTH_A_LOOK = 4
"""For a list that takes more requests than these, the size of an unknown listing is asked for."""

_STREAMS: dict[Kind, type[Stream]] = {
    Kind.COLLECTION: CollectionStream,
    Kind.ITEM: ItemStream,
    Kind.COUNT: CountStream,
}


class _Begun:
    """A plan of which requests are sent before its rows are wanted.

    :param first: the plan, or the parent whose rows lead to its requests.
    :param streams: of ``first``.

    ``started`` are those of the streams whose first requests were sent.
    """

    def __init__(self, planned: Plan, first: Plan, streams: Iterator[Stream]) -> None:
        self.planned = planned
        self.first = first
        self._streams = streams
        self.started: list[Stream] = []

    def start_more(self, most: int) -> None:
        """Send the first requests of up to so many more streams.

        What fails here fails again when the streams are read.
        """
        try:
            for stream in itertools.islice(self._streams, most):
                stream.start()
                self.started.append(stream)
        except BitbucketError as error:
            self._streams = _failing(error)

    def streams(self) -> Iterator[Stream]:
        """All streams, the first of which were started."""
        return itertools.chain(self.started, self._streams)


class Execution:
    """Executes plans for one scan."""

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        observed: Observed,
        omissions: Omissions | None = None,
        strict: bool = False,
        may_stop: bool = False,
        doubt: Callable[[str], None] = lambda _: None,
        turns: Turns | None = None,
    ) -> None:
        """Prepare to execute plans.

        :param observed: what earlier reads have shown; what this one shows is added.
        :param omissions: where to note what is left out of the rows, for a warning.
        :param strict: whether a scan over several repositories fails if one of them refuses. It
            always fails if there are no ``omissions``.
        :param may_stop: whether the scan may end before all rows are read, even without a limit.
        :param doubt: called with a message if an answer may be incomplete.
        :param turns: of scans that are read one after another, this one among them.
        """
        self._may_stop = may_stop
        self._turns = turns
        self._scan = scan
        self._requests = ScanRequests(
            client, scan, observed, omissions or Omissions(), strict or omissions is None, doubt
        )
        # A read for a change (without omissions) must find the row, even if no listing has it.
        self._proves = omissions is not None
        self._reach = Reachability(self._requests)
        self._outlook = Outlook()
        self._yield = Yield()
        self._begun: _Begun | None = None
        self._starts = False  # while nothing is to be waited for

    def start(self, planned: Plan) -> None:
        """Send the first request of a plan whose :meth:`rows` are wanted later. Nothing is waited
        for: where something has to be asked before, or would fail, nothing is sent.

        If it waits for its turn, it is sent as soon as that is not far, and others with it.
        """
        first = planned
        while first.parent is not None:
            first = first.parent
        if planned.kind not in _STREAMS or first.kind not in _STREAMS or _asks_for_slugs(first):
            return
        self._prepare(planned)
        self._begun = _Begun(planned, first, self._new_streams(first))
        if self._turns is None:
            self.start_more(1)
        else:
            self._turns.enter(self)

    @property
    def started(self) -> int:
        """How many requests were sent ahead of the rows."""
        return 0 if self._begun is None else len(self._begun.started)

    def start_more(self, most: int) -> None:
        """Send up to so many of the first requests ahead, as far as all of them will be wanted."""
        begun = self._begun
        if begun is None:
            return
        if not self._requests.every or begun.first is not begun.planned:
            most = min(most, 1 - self.started)
        self._starts = True
        begun.start_more(most)
        self._starts = False
        if not begun.started:  # it failed, or has none
            self._begun = None

    @property
    def over(self) -> bool:
        """Whether nobody wants the rows any more."""
        return self._scan.stopped.is_set()

    def rows(self, planned: Plan) -> Iterator[Row]:
        """The plan's rows with ``plan.columns``. They are read as they are asked for."""
        if self._turns is not None:
            self._turns.leave(self)
        if planned.kind is Kind.REFUSED:
            raise _refusal(planned)
        if self._begun is None or self._begun.planned is not planned:
            self._begun = None
            self._prepare(planned)
        rows = (row for _, row in self._keyed_rows(planned))
        return itertools.islice(rows, planned.offset, planned.enough)

    def _prepare(self, planned: Plan) -> None:
        self._requests.judge.reader = planned.table.name
        self._requests.judge.bound = planned.bound
        for never in planned.never:
            self._requests.judge.never(never)
        self._requests.planned = planned
        self._requests.asks_every_parent = planned.asks_every_parent
        self._requests.reads_all = planned.stop_after is None and not self._may_stop
        self._requests.every = planned.sort_here or self._requests.reads_all
        self._outlook, self._yield = Outlook(), Yield()

    def _keyed_rows(self, plan: Plan) -> Iterator[Keyed]:
        """All rows in their order, each with its sort key."""
        if plan.kind is Kind.NOTHING:
            return iter(())
        streams = self._streams(plan)
        merged = plan.sort is not None and not plan.sort_here
        rows = self._merged(plan, streams) if merged else self._in_turn(streams)
        if plan.hidden:
            rows = (pair for pair in rows if not _is_hidden(plan, pair[1]))
        if plan.checks:
            rows = (pair for pair in rows if _meets(plan, pair[1]))
        return _sorted(plan, rows) if plan.sort_here else rows

    # --- several streams ---

    def _in_turn(self, streams: Iterable[Stream]) -> Iterator[Keyed]:
        """One stream after another. The pages of the following ones are requested meanwhile, and
        after them those of the scans that wait for their turn.
        """
        upcoming = Upcoming(
            streams, self._requests.window, self._requests.every, self._turns or Turns()
        )
        for stream in upcoming:
            for keyed in self._proven(stream):
                self._yield.rows += 1
                yield keyed
            self._yield.listings += 1

    def _merged(self, plan: Plan, streams: Iterable[Stream]) -> Iterator[Keyed]:
        """Merge streams with the same order. Each of them keeps one page at a time."""
        opened = list(streams)
        # A LIMIT does not spare any of the first pages.
        self._requests.afford(len(opened) * plan.first_requests)
        for stream in opened:
            stream.start()
        yield from heapq.merge(
            *map(self._proven, opened), key=itemgetter(0), reverse=_descending(plan)
        )

    def _proven(self, stream: Stream) -> Iterator[Keyed]:
        """A stream's rows; none if it has to be checked that a listing has them, and none does."""
        plan, place = stream.plan, stream.place
        listing = plan.kind is Kind.COLLECTION and plan.table.reached is not None
        first = True
        for keyed in stream:
            if first and self._proves and not self._reach.lists(plan, place):
                return
            first = False
            if listing:
                self._reach.note(plan, place, keyed[1].get(plan.table.primary_key[-1]))
            yield keyed

    def _streams(self, plan: Plan) -> Iterator[Stream]:
        if self._begun is not None and self._begun.first is plan:
            begun, self._begun = self._begun, None
            return begun.streams()
        return self._new_streams(plan)

    def _new_streams(self, plan: Plan) -> Iterator[Stream]:
        for place in self._places(plan):
            for query in self._cheapest(plan, place):
                yield _STREAMS[plan.kind](self._requests, plan, place, query)

    def _cheapest(self, plan: Plan, place: RequestPath) -> tuple[Query, ...]:
        """The queries of a plan; that of the whole listing if it has no more pages than these are.

        How many it has is asked for only where that is worth a request.
        """
        if plan.whole is None:
            return plan.queries
        by_value = plan.queries[0].only is not None
        if not self._requests.reads_all:
            return (plan.whole,) if by_value else plan.queries
        may_ask = len(plan.queries) > _WORTH_A_LOOK and not self._starts and not by_value
        size = self._requests.size_of(plan, fill(plan.path, place.parameters), may_ask)
        if size is None and by_value:
            # Of many listings that were not seen, most may be short.
            alone = plan.parent is None and plan.combinations == 1
            size = math.ceil(self._requests.guess(plan)) if alone else 0
        pages = math.ceil(size / (plan.pagelen or 1)) if size is not None else math.inf
        return (plan.whole,) if pages <= len(plan.queries) else plan.queries

    # --- where requests go ---

    def _places(self, plan: Plan) -> Iterator[RequestPath]:
        if plan.parent is None:
            self._afford(plan, plan.combinations)
            for parameters, carried in _combinations(plan):
                if self._spelled_so(plan, parameters):
                    yield RequestPath(parameters, carried)
            return
        led = self._led(plan, plan.parent)
        preview = self._requests.preview
        if self._reads_all(plan):
            yield from self._counted_ahead(plan, led)
        elif preview is not None and preview.stops and plan.stop_after is not None:
            yield from self._foreseen(plan, led, preview, plan.stop_after)
        else:
            yield from led

    def _led(self, plan: Plan, parent: Plan) -> Iterator[RequestPath]:
        """Where the parent's rows lead. Rows are skipped that cannot lead to a wanted row."""
        where = plan.table.parent.where if plan.table.parent else None
        for row in self._parent_rows(plan, parent):
            # A parent that does not say that it has no children may have some.
            if (where is None or row[where] is not False) and passes(row, parent.sieve):
                place = self._place(plan, row)
                if place is not None:
                    yield from self._narrowed(plan, place)

    def _narrowed(self, plan: Plan, place: RequestPath) -> Iterator[RequestPath]:
        """The place itself, or one place for each value by which a narrower listing is read."""
        for parameters, carried in _combinations(plan):
            yield RequestPath(
                {**place.parameters, **parameters}, {**place.carried, **carried}, place.led
            )

    def _counted_ahead(self, plan: Plan, places: Iterable[RequestPath]) -> Iterator[RequestPath]:
        """All places, collected before the first request for one. Too many are an error.

        They are not collected if the parent's only listing tells how many there are.
        """
        assert plan.parent is not None
        level = self._outlook.level(plan)
        found: deque[RequestPath] = deque()
        source = iter(places)
        for place in source:
            found.append(place)
            level.waiting += 1
            # Other listings of parents, and further pages of them, may lead to more.
            told = plan.parent.parent is None and level.size is not None
            whole = told and plan is self._requests.planned
            self._requests.afford(self._outlook.to_come(), whole)
            if told:
                break
        while found:
            level.waiting -= 1
            yield found.popleft()
        yield from source

    def _foreseen(
        self, plan: Plan, places: Iterator[RequestPath], preview: PreviewBudget, wanted: int
    ) -> Iterator[RequestPath]:
        """Places of a preview, as long as its rows are likely to be found within its requests.

        Otherwise all places may have to be asked, so that they are counted before the next request
        for one.
        """
        each = plan.least_requests
        guessed = self._requests.likely_rows(plan)
        made = None
        for place in places:
            made = preview.spent if made is None else made + each
            more = self._yield.listings_for(wanted, guessed) * each
            if made >= EARLY and made + more > preview.limit:
                yield from self._counted_ahead(plan, itertools.chain([place], places))
                return
            yield place

    def _parent_rows(self, plan: Plan, parent: Plan) -> Iterator[Row]:
        level, leads_each = self._outlook.level(plan), _leads_each(plan, parent)
        # A preview is refused as soon as what it has seen tells that it takes too much.
        ahead = self._requests.every and self._requests.preview is None
        for stream in Upcoming(self._streams(parent), self._requests.window, ahead, Turns()):
            stream.leads = True
            with level.listing():
                for _, row in self._proven(stream):
                    if level.seen == 0 and stream.size is not None and leads_each:
                        level.size = stream.size
                        self._afford(plan, stream.size * plan.combinations)
                    level.seen += 1
                    yield row

    def _spelled_so(self, plan: Plan, parameters: dict[str, str]) -> bool:
        """Whether the query spells slugs as Bitbucket does. In SQL, other spellings are not equal.

        The key of a single item is not checked here but in its answer.
        """
        own = {item.parameter for item in plan.table.items if item.path == plan.path}
        return all(
            self._requests.judge.spelling(plan.table, name, parameters) == parameters[name]
            for name in SLUGS
            if name in parameters and name not in plan.bound | own
        )

    def _place(self, plan: Plan, row: Row) -> RequestPath | None:
        """Where a parent's row leads; ``None`` if it lacks a part of the path or is not wanted."""
        parameters, carried = {}, {}
        for supply in plan.supplies:
            value = row[supply.supplier] if supply.fixed is None else supply.fixed
            if value is None or not self._is_wanted(supply, value):
                return None
            assert plan.parent is not None
            supplier = plan.parent.table.column(supply.supplier)
            parameters[supply.parameter] = supplier.data_type.path_form(value)
            if supply.column:
                carried[supply.column] = carried_value(value)
        return RequestPath(parameters, carried, led=True)

    def _is_wanted(self, supply: Supply, value: Any) -> bool:
        """Whether the conditions allow a parent's value."""
        if supply.fixed is not None or supply.values is None:
            return True
        if str(value) in map(str, supply.values):
            return True
        for wanted in supply.values:
            if isinstance(wanted, str) and wanted.lower() == str(value).lower():
                self._requests.judge.respelled(supply.parameter, wanted, str(value))
        return False

    def _afford(self, plan: Plan, places: int) -> None:
        """Fail now if all places will be asked and the requests for them would exceed the limit.

        Otherwise the scan fails at the request that exceeds it. If rows have to be put in order,
        every place is asked, even with a LIMIT.
        """
        if self._reads_all(plan):
            whole = plan is self._requests.planned
            self._requests.afford(places * plan.least_requests, whole)

    def _reads_all(self, plan: Plan) -> bool:
        """Whether every place will be asked."""
        return plan.sort is not None or (plan.stop_after is None and not self._may_stop)

    def any_is_true(self, table: type[Table], column: str, bound: Mapping[str, str]) -> bool:
        """Whether a boolean column is true in some row of a table.

        :param bound: path parameters, as the options of a foreign table fix them.

        Raises the request's error if the rows cannot be read.
        """
        needed = frozenset((table.key_column().name, column))
        planned = plan(Request(table, bound, columns=needed))
        return any(row[column] for row in self.rows(planned))


def _failing(error: BitbucketError) -> Iterator[Stream]:
    yield from ()  # makes this a generator, which raises only when a stream is asked for
    raise error


def _asks_for_slugs(plan: Plan) -> bool:
    """Whether requests tell how Bitbucket spells the slugs of the plan's path."""
    return any(
        binding.parameter in SLUGS and any(may_be_respelled(path_text(v)) for v in binding.values)
        for binding in plan.bindings
    )


def _combinations(plan: Plan) -> Iterator[tuple[dict[str, str], Row]]:
    """Every combination of the values in ``bindings``: path parameters, and columns of the rows."""
    for values in itertools.product(*(binding.values for binding in plan.bindings)):
        pairs = list(zip(plan.bindings, values, strict=True))
        yield (
            {binding.parameter: path_text(value) for binding, value in pairs},
            {binding.column: carried_value(value) for binding, value in pairs if binding.column},
        )


def _leads_each(plan: Plan, parent: Plan) -> bool:
    """Whether each of the parent's rows leads to a request, so that requests can be counted."""
    return (
        parent.exact
        and (plan.table.parent is None or plan.table.parent.where is None)
        and all(supply.supplier in parent.table.primary_key for supply in plan.supplies)
    )


def _sorted(plan: Plan, rows: Iterator[Keyed]) -> Iterator[Keyed]:
    """The rows sorted here. All of them are held in memory, or as many as a LIMIT asks for."""
    key, descending = itemgetter(0), _descending(plan)
    if plan.enough is None:
        yield from sorted(rows, key=key, reverse=descending)
    else:
        first = heapq.nlargest if descending else heapq.nsmallest
        yield from first(plan.enough, rows, key=key)


def _descending(plan: Plan) -> bool:
    return plan.sort is not None and plan.sort.descending


def _refusal(plan: Plan) -> ConditionMissing:
    table, columns = plan.table.name, " and ".join(plan.lacking)
    some = f"{plan.lacking[0]} = …"
    return ConditionMissing(
        f"{table} is not read without a condition on {columns}",
        detail="Without one, it would take a request for everything there might be.",
        hint=f"Say what is wanted: WHERE {some}, or IN (…), or a join on it.",
    )


def _is_hidden(plan: Plan, row: Row) -> bool:
    return any(row.get(name) == value for name, value in plan.hidden)


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
