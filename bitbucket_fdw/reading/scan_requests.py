"""The requests of one scan, and what is shared by its streams."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, NamedTuple

from ..api import (
    Answer,
    Client,
    Listing,
    Pages,
    PreviewBudget,
    ScanContext,
    Window,
    whole,
)
from ..errors import NotFound, RequestError
from ..pushdown.plan import Plan, Query
from ..pushdown.query_strings import size_query
from ..tables.table import Table
from . import costs
from .not_found import RefusalJudge
from .observations import Observed
from .omissions import Omission, Omissions

Row = dict[str, Any]


class RequestPath(NamedTuple):
    """The path of one request, or of one listing.

    ``parameters`` are the values of the path parameters. ``carried`` are values of columns that the
    rows take from the path. ``led`` is whether a parent's row led there, so that the parent exists.
    """

    parameters: dict[str, str]
    carried: Row
    led: bool = False


class ScanRequests:
    """The requests of one scan, made on worker threads.

    :param observed: what earlier reads have shown; what this one shows is added.
    :param omissions: where to note what is left out of the rows, for a warning.
    :param strict: whether a scan over several repositories fails if one of them refuses.
    :param doubt: called with a message if an answer may be incomplete.

    ``planned`` is the scan's plan, and ``asks_every_parent`` whether it does. ``reads_all`` is
    whether it is known that every listing is read to its end. ``window`` is shared by all listings.
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
        self._omissions = omissions
        self.planned: Plan | None = None
        self.asks_every_parent = False
        self.reads_all = False
        self.window = Window(client.settings.concurrency)
        # Whether every page of every listing is surely wanted.
        self.every = False
        self.judge = RefusalJudge(self.ask, observed.known, omissions, strict)

    def afford(self, count: int, whole: bool = True) -> None:
        """Raise :class:`TooManyRequests` if so many more requests would exceed a limit.

        :param whole: whether these are about all that the scan takes. If not, the error has the
            estimate that EXPLAIN shows.
        """
        estimate = None
        if not whole and self.planned is not None:
            estimate = functools.partial(costs.requests, self.planned, self._sizes.guess)
        if self.preview is not None and (self.preview.stops or self.asks_every_parent):
            self.preview.afford(count, estimate)
        self._scan.afford(count, estimate)
        self.await_hour(count)

    def await_hour(self, count: int, read: int = 0) -> None:
        """See to it that the hour has so many requests left; see :meth:`Client.await_hour`."""
        path = self.planned.table.collection.path if self.planned is not None else ""
        self._client.await_hour(count, path, self._scan, read)

    @property
    def preview(self) -> PreviewBudget | None:
        """How many requests the scan may make to show some rows."""
        return self._scan.preview

    def submit(self, url: str) -> Future[Answer]:
        return self._client.ask(url, self._scan)

    def wait(self, future: Future[Answer]) -> Any:
        return self._scan.wait(future).json

    def url(self, path: str, query: Query) -> str:
        return self._client.url(path, query.pairs())

    def pages(
        self,
        listing: Listing,
        enough: int | None = None,
        between: Callable[[], None] = lambda: None,
    ) -> Pages:
        return Pages(
            self._client,
            self._scan,
            listing,
            enough,
            self.doubt,
            every=self.every,
            window=self.window,
            between=between,
        )

    def ask(self, template: str, path: str, query: Query) -> Any:
        """The JSON of one answer.

        :param template: the template of ``path``. Some endpoints answer only with a slash at the
            end, or only without; which form works is remembered by template.
        """
        try:
            return self.wait(self.submit(self.url(self.answered_path(template, path), query)))
        except NotFound as error:
            if not self.learns(template, query, error):
                raise
        return self.ask(template, path, query)

    def cut_short(self, table: type[Table], path: str) -> None:
        """Note that the text of a row is longer than what is shown of it."""
        shown = f"The first {self._client.settings.max_text_size:,} bytes are shown."
        self._omissions.add(table.name, Omission("cut", "text", path, shown))

    def learn(self, plan: Plan, path: str, query: Query, size: int) -> None:
        """Remember the size of a listing, or of what a query's filter leaves of it."""
        self._sizes.learn_answer(plan, path, query, size)

    def guess(self, plan: Plan) -> float:
        """About how many items one of the plan's collections has."""
        return self._sizes.whole(plan, 1)

    def size_of(self, plan: Plan, path: str, may_ask: bool) -> int | None:
        """How many items the whole listing has, as far as that was seen, or may be asked for."""
        size = self._sizes.seen(plan.table, path)
        if size is None and may_ask and self._sizes.may_look(plan.table, path):
            query = size_query(plan.table.collection, (), (), ())
            with contextlib.suppress(RequestError):
                answer = self.ask(plan.path, path, query)
                size = whole(answer.get("size")) if isinstance(answer, dict) else None
            if size is not None:
                self._sizes.learn(plan.table, path, size)
        return size

    def expected(self, plan: Plan, path: str) -> float:
        """As :meth:`Sizes.expected`; none if the scan may not make the requests for so many."""
        size = self._sizes.expected(plan, path)
        requests = math.ceil(size / (plan.pagelen or 1)) + len(plan.parts)
        return size if self._scan.has_room(requests) else 0

    def likely_rows(self, plan: Plan) -> float:
        """How many items one of a fan-out's collections is likely to give; may be less than one."""
        return self._sizes.average(plan) * plan.selectivity

    def answered_path(self, endpoint: str, path: str) -> str:
        """A listing's path in the form that its endpoint answers to."""
        return self._client.endpoints.path(endpoint, path)

    def learns(self, endpoint: str, query: Query, error: RequestError) -> bool:
        """Whether to try a refused request again with the other form of its path."""
        return self._client.endpoints.learn(endpoint, query.pairs(), error)
