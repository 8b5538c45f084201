"""What is known of a statement: from the host if it tells, else from the statement's text.

The bundled host lists in ``multicorn.CAPABILITIES`` what it tells beyond Multicorn2. Its README
explains each name. Multicorn2 3.2 has no such list and tells none of it. In its place this module
reads the statement's text (:mod:`.statement_text`) where the text answers the question.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from . import statement_text


class Host:
    """The host that runs this Python.

    :param told: the names in :data:`multicorn.CAPABILITIES`.
    """

    def __init__(self, told: Collection[str] = ()) -> None:
        self.keeps_join_conditions = "join_conditions" in told
        self.tells_clauses = "clauses" in told
        self._tells_ctids = "ctids" in told
        self._tells_early_stops = "early_stops" in told
        self.tells_executions = "executions" in told
        self._tells_limits = "limits" in told
        self._tells_limit_levels = "limit_levels" in told
        self.tells_instants = "instants" in told
        self.tells_planning = "planning" in told
        self._tells_plan_nodes = "plan_nodes" in told
        self._tells_plain_quals = "plain_quals" in told
        self._tells_rollbacks = "rollbacks" in told
        self._tells_whole_rows = "whole_rows" in told

    def columns(self, named: Iterable[str], every: Iterable[str]) -> Iterable[str]:
        """The columns that a scan has to give.

        These are the ``named`` ones, or ``every`` column if whole rows may be used and the host
        does not name the columns of these.
        """
        if self._tells_whole_rows or not statement_text.present().may_use_whole_rows:
            return named
        return every

    def compares_plainly(self, qual: Any) -> bool | None:
        """Whether a scan's condition compares as its operator's name says; ``None`` in doubt."""
        if self._tells_plain_quals:
            plain: bool | None = qual.plain
            return plain
        return None if statement_text.present().may_compare_loosely else True

    def loses_ctids(self) -> bool:
        """Whether the present statement relies on the ctid although all rows have the same one."""
        return not self._tells_ctids and statement_text.present().goes_by_ctid

    def shows_executed_plans(self) -> bool:
        """Whether a plan that is explained was executed before, and the host does not say so."""
        return not self._tells_plan_nodes and statement_text.present().explains_executed

    def tells_limits(self) -> bool:
        """Whether the present statement's LIMIT and OFFSET are handed over as they are."""
        return self._tells_limits or not statement_text.present().may_limit_widely

    def may_stop_early(self, told: bool, quals: Iterable[Any], columns: Iterable[str]) -> bool:
        """Whether a scan may end before all of its rows are read.

        :param told: what the host says about it; only used if the host tells.
        """
        if self._tells_early_stops:
            return told
        present = statement_text.present()
        bare = {qual.field_name for qual in quals}.issuperset(columns)
        return present.may_stop_early or (bare and present.has_exists)

    def limit_level(self, told: int, limit: int | None) -> int:
        """The level in the statement of the query of which a LIMIT wants some rows; 0 without one.

        On a host that does not tell the level, it is 2 for any: it may be that of a subquery, which
        is run many times.

        :param told: what the host says about it; only used if the host tells.
        :param limit: the LIMIT of the scan itself, if the host hands one over.
        """
        if self._tells_limit_levels:
            return told
        return 2 if limit is not None or statement_text.present().limits_rows else 0

    def may_write(self, execution: Any) -> bool:
        """Whether the statement that a scan belongs to may change rows.

        :param execution: the execution that the host hands over; ``None`` if it hands over none.
        """
        if self.tells_executions and execution is not None:
            return bool(execution.may_write)
        return statement_text.present().may_write

    def rolls_back_everything(self, told: bool) -> bool:
        """Whether the whole transaction is being rolled back, and not just to a savepoint.

        :param told: what the host says about it; only used if the host tells.
        """
        return told if self._tells_rollbacks else statement_text.present().is_rollback
