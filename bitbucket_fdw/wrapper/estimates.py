"""What PostgreSQL's planner and EXPLAIN are told of one foreign table's scans."""

from __future__ import annotations

from ..api import Budget, Client, ScanContext
from ..foreign_tables.binding import TableBinding
from ..foreign_tables.ctids import NAME as CTID
from ..foreign_tables.ctids import Ctids
from ..postgres import interrupts
from ..pushdown.plan import Plan
from ..pushdown.request import Request
from ..reading import costs, explain
from ..reading.observations import Observed
from ..reading.size_probes import probe_size
from .host import HOST

Keys = list[tuple[tuple[str, ...], int]]
ListKeys = list[tuple[tuple[str, ...], int, float, float]]


class Estimates:
    """The estimates for one foreign table.

    :param observed: what the session has seen, sizes among it.
    """

    def __init__(
        self, binding: TableBinding, ctids: Ctids, client: Client, observed: Observed
    ) -> None:
        self._binding = binding
        self._ctids = ctids
        self._client = client
        self._sizes = observed.sizes

    def ask_size(self, planned: Plan, asker: object) -> None:
        """Ask Bitbucket for the size that a plan hangs on; see :func:`probe_size`.

        :param asker: who may see the request.
        """

        def begin() -> ScanContext:
            about = self._binding.table.name
            return self._client.scan(interrupts.pending, Budget(1), about=about, asker=asker)

        probe_size(self._client, begin, self._sizes, planned)

    def size(self, planned: Plan) -> tuple[int, int]:
        """The rows of a scan, and the width of a row that stands for its requests."""
        rows = max(1, round(costs.rows(planned, self._sizes.guess)))
        return rows, costs.width(planned, self._sizes.guess)

    def path_keys(self) -> Keys:
        """The sets of columns by which rows are looked up; see :func:`costs.path_keys`."""
        # Multicorn2 3.2 loses the conditions of a join that are not part of the key: ON a.id = b.id
        # AND a.x = b.x would return rows for which only the first holds.
        if not HOST.keeps_join_conditions:
            return []
        keys = costs.path_keys(self._binding, self._sizes.guess)
        if self._ctids.numbers:  # the ctid is as good as the key
            shown = self._binding.shown
            keys += [
                ((CTID,), rows)
                for columns, rows in keys
                if tuple(shown[name].name for name in columns) == self._ctids.key
            ]
        return keys

    def list_keys(self, joined: frozenset[str], asked: Request) -> ListKeys:
        """The keys of which several may be looked up at once; see :func:`costs.list_keys`."""
        return costs.list_keys(self._binding, self._sizes.guess, joined, asked)

    def lines(
        self,
        planned: Plan,
        verbose: bool,
        most: int | None,
        wanted: int | None,
        single: Plan | None,
    ) -> list[str]:
        """Lines for EXPLAIN; see :func:`explain.lines`."""
        ends_early = wanted is not None or planned.enough is not None
        guess = self._sizes.likely if ends_early else self._sizes.guess
        return explain.lines(planned, guess, verbose, most, wanted, self._sizes.bounds, single)
