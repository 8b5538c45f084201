"""Reads again without a filter or an order, where Bitbucket refuses it.

Which fields ``q`` and ``sort`` take is documented for few endpoints only. Where Bitbucket answers
400 to one, the listing is read without it. No row is lost or added by that: PostgreSQL checks every
condition again. Where it relies on the wrapper for the order or for LIMIT, the rows are sorted or
counted here instead. What was refused is remembered, so that the next statement is planned without
it from the start.

An access token may be refused a listing that has a column more than the single item. The item is
read then, the column is NULL, and a warning says so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from ..api import Client, ScanContext
from ..errors import Forbidden
from ..pushdown import Refusals, Request, plan
from ..pushdown.plan import Plan
from ..tables.columns import Column
from .execution import Execution
from .observations import Observed
from .omissions import Omissions
from .scan_requests import Row
from .streams import ListingRefused
from .turns import Turns

# "does not support filtering" is Bitbucket's own wording. Its other wordings are hardly known.
_ABOUT_FILTERS = re.compile(r"filter|quer|operator|field", re.IGNORECASE)
_ABOUT_ORDER = re.compile(r"sort|order", re.IGNORECASE)


class Reader:
    """Plans a request and runs the plan, without what Bitbucket refuses in its course.

    :param warn: called with a message about what was refused.
    :param omissions: where to note what is left out of the rows, for a warning.
    :param strict: whether a scan over several repositories fails if one of them refuses.
    :param may_stop: whether the scan may end before all rows are read, though no limit is given.
    :param doubt: called with a message if an answer may be incomplete.
    :param turns: of scans that are read one after another, this one among them.
    """

    def __init__(
        self,
        client: Client,
        scan: ScanContext,
        observed: Observed,
        warn: Callable[[str], None],
        omissions: Omissions,
        strict: bool,
        may_stop: bool,
        doubt: Callable[[str], None],
        turns: Turns | None = None,
    ) -> None:
        self._refusals = observed.refusals
        self._execution = Execution(
            client, scan, observed, omissions, strict, may_stop, doubt, turns
        )
        self._warn = warn
        self._begun: tuple[Request, Plan] | None = None

    def start(self, request: Request) -> None:
        """Send the first request for :meth:`rows` that are wanted later, as far as nothing has to
        be waited for.
        """
        planned = plan(request)
        self._execution.start(planned)
        self._begun = request, planned

    def forget_start(self) -> None:
        """Ask anew for what :meth:`start` has asked for."""
        self._begun = None

    def rows(self, request: Request) -> Iterator[Row]:
        """The rows that answer ``request``. They are read as they are asked for.

        If it is the one that :meth:`start` was given, what that has asked for is used.
        """
        begun, self._begun = self._begun, None
        planned = begun[1] if begun is not None and begun[0] == request else plan(request)
        while True:
            began = False
            try:
                for row in self._execution.rows(planned):
                    began = True
                    yield row
                return
            except ListingRefused as error:
                refused = self._learn(error)
                # Rows that were handed to the host cannot be taken back, and must not come twice.
                if began:
                    raise
                self._warn(_told(error, refused))
                request = replace(request, refused=request.refused | refused)
                planned = plan(request)
            except Forbidden as error:
                # Bitbucket lets no access token list what belongs to an account, such as its
                # workspaces. The item itself can be read, and lacks a column of the listing.
                untold = request.of_listing_alone - request.untold
                if began or not untold or not error.by_access_token:
                    raise
                named = ", ".join(sorted(untold))
                self._warn(f"{request.table.name}: access tokens are not told {named}; it is NULL")
                request = replace(request, untold=request.untold | untold)
                planned = plan(request)

    def _learn(self, error: ListingRefused) -> Refusals:
        """What Bitbucket refused. It is remembered if the answer says that it is the reason.

        An answer without a reason may come from a proxy, or be a passing fault.
        """
        if error.ignored is not None:
            refused, certain = error.ignored, True
        elif error.status == 500:
            refused, certain = _everything(error.plan), False
        else:
            refused, certain = _blamed(error.plan, error.detail or "")
        if certain:
            self._refusals.learn(refused)
            error.hint = "Run the statement again: it will be read without."
        return refused


def _blamed(plan: Plan, said: str) -> tuple[Refusals, bool]:
    """What an answer of 400 refuses, which is at least one thing, and whether its text says so."""
    table = plan.table
    if plan.sorted_by:
        about_order = bool(_ABOUT_ORDER.search(said))
        if about_order or not plan.filtered:
            # A listing with a sort may have a q that comes from no condition.
            certain = about_order or bool(_ABOUT_FILTERS.search(said))
            return Refusals(sorts=frozenset({(table.name, plan.sorted_by)})), certain
    named = [name for name in plan.filtered if _names(said, table.column(name))]
    columns = frozenset((table.name, name) for name in named or plan.filtered)
    return Refusals(columns), bool(named or _ABOUT_FILTERS.search(said))


def _everything(plan: Plan) -> Refusals:
    """All filters and orders that a plan asks for."""
    table = plan.table.name
    return Refusals(
        frozenset((table, name) for name in plan.filtered),
        frozenset({(table, plan.sorted_by)} if plan.sorted_by else ()),
    )


def _names(said: str, column: Column) -> bool:
    """Whether a text has the name of a column's field or parameter, and not in a longer name."""
    fields = (column.filter.field if column.filter else None, column.query)
    return any(
        re.search(rf"(?<![\w.]){re.escape(field)}(?!\w|\.\w)", said) is not None
        for field in fields
        if field
    )


def _told(error: ListingRefused, refused: Refusals) -> str:
    columns = ", ".join(sorted({column for _, column in refused.filters | refused.sorts}))
    what = f"filter by {columns}; reading" if refused.filters else f"sort by {columns}; asking"
    reason = error.detail or error.message
    did = "refused to" if error.ignored is None else "did not"
    return f"{error.plan.table.name}: Bitbucket {did} {what} without ({reason})"
