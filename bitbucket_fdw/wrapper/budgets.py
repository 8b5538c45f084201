"""How many requests the scans of one foreign table may make, and how many of them ahead."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any

from ..api import Budget, PreviewBudget
from ..postgres.statement_text import PerStatement
from ..reading.turns import Turns
from .host import HOST


def question_of(quals: list[Any], columns: Iterable[str]) -> tuple[Any, ...]:
    """What a scan asks, but for the values."""
    return frozenset(columns), tuple((qual.field_name, qual.operator) for qual in quals)


class Budgets:
    """The budgets of one foreign table's scans.

    :param most: option ``max_requests``.
    :param most_to_preview: option ``preview_requests``.
    """

    def __init__(self, most: int, most_to_preview: int) -> None:
        self._most = most
        self._most_to_preview = most_to_preview
        self._budgets: PerStatement[dict[Hashable, Budget]] = PerStatement(dict)

    def of(self, question: tuple[Any, ...]) -> Budget:
        """One for all scans of a statement that ask the same but for the values.

        These are a join's or a subquery's for each row of another table: the host does not say so.
        A join may hand over one key or a list of them, which is the same question.
        """
        columns, conditions = question
        alike = tuple((name, "=" if op == ("=", True) else op) for name, op in conditions)
        return self._budgets.current().setdefault((columns, alike), Budget(self._most))

    def preview(
        self, limit: int | None, limit_level: int, node: dict[str, Any] | None
    ) -> PreviewBudget | None:
        """How many requests a scan may make to show some rows; ``None`` if that is nothing less.

        All runs of a scan count together that the outermost query makes, as for a join. A subquery
        with a LIMIT of its own may well be run for each of many rows.

        :param limit_level: as the host tells it; 0 if it does not.
        :param node: what the host keeps for the scan's node of the plan; ``None`` if it keeps none.
        """
        most = self._most_to_preview
        if most == 0 or most >= self._most:
            return None
        level = HOST.limit_level(limit_level, limit)
        fresh = PreviewBudget(most, stops=level > 0)
        if level != 1 or node is None:
            return fresh
        kept: PreviewBudget = node.setdefault(f"{__package__}.preview", fresh)
        return kept


def turns_of(
    node: dict[str, Any] | None, preview: PreviewBudget | None, concurrency: int, certain: bool
) -> Turns:
    """Where the scans of a plan's node wait that are read one after another.

    A preview is over as soon as it has its rows: nothing is asked for ahead of them.

    :param node: what the host keeps for the node.
    :param certain: whether all of them will be read.
    """
    if node is None or (preview is not None and preview.stops):
        return Turns()
    kept: Turns = node.setdefault(f"{__package__}.turns", Turns(concurrency, certain))
    return kept
