"""Sizes of collections that a session has seen, for the planner's estimates."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from ..pushdown.plan import Plan
from ..tables.addresses import fill, path_text
from ..tables.endpoints import path_parameters
from ..tables.table import Table

MOST = 5000  # how many sizes are kept for one table
_PATHS = 100  # how many collections of one plan are looked up by their paths


class Sizes:
    """How many items each collection had when it was last read.

    Collections differ a lot: one repository has no pull requests, the next has thousands. So the
    estimate for a collection is its own last size. For a scan over many collections, it is the mean
    of the known sizes. As long as half of the sizes or fewer are known, the estimate is at least
    the guess in the table's declaration.
    """

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}

    def learn(self, table: type[Table], path: str, size: int) -> None:
        """Remember the size of the table's collection at a path."""
        seen = self._seen.setdefault(table.name, {})
        if len(seen) >= MOST and path not in seen:
            seen.pop(next(iter(seen)))
        seen[path] = size

    def guess(self, plan: Plan, places: float) -> float:
        """The average number of items in the collections that a plan reads.

        :param places: how many collections these are.

        It is at least one. An empty collection may not stay empty; and with an estimate of no rows,
        a scan of thousands of collections would seem as cheap as reading a few of them by key.
        """
        seen = self._seen.get(plan.table.name)
        if not seen:
            return max(1.0, plan.table.rows)
        if plan.parent is None:
            return max(1.0, _mean([seen.get(path, self._other(plan)) for path in _paths(plan)]))
        near = self._near(plan)
        if not near:
            return max(1.0, plan.table.rows)
        few = 2 * len(near) <= places
        return max(1.0, _mean(near), plan.table.rows if few else 0.0)

    def average(self, plan: Plan) -> float:
        """The average size of a fan-out's collections that were seen, and of one as declared."""
        near = self._near(plan)
        return (plan.table.rows + sum(near)) / (1 + len(near))

    def _near(self, plan: Plan) -> list[int]:
        """The sizes that were seen of a fan-out's collections."""
        prefix = _prefix(plan)
        seen = self._seen.get(plan.table.name, {})
        return [size for path, size in seen.items() if path.startswith(prefix)]

    def _other(self, plan: Plan) -> float:
        """The estimate for an unknown collection if others are known."""
        seen = self._seen[plan.table.name]
        return max(plan.table.rows, _mean(list(seen.values())))


def _mean(sizes: list[float] | list[int]) -> float:
    return sum(sizes) / len(sizes) if sizes else 1.0


def _paths(plan: Plan) -> Iterator[str]:
    """Paths of the collections that a plan without a parent reads, or of the first of them."""
    names = [binding.parameter for binding in plan.bindings]
    values = itertools.product(*(binding.values for binding in plan.bindings))
    for combination in itertools.islice(values, _PATHS):
        texts = map(path_text, combination)
        yield fill(plan.path, dict(zip(names, texts, strict=True)))


def _prefix(plan: Plan) -> str:
    """The beginning that the paths of all collections of a plan have in common."""
    fixed = {supply.parameter: supply.fixed for supply in plan.supplies if supply.fixed}
    for parameter in path_parameters(plan.path):
        if parameter not in fixed:
            head = plan.path[: plan.path.index(f"{{{parameter}}}")]
            return fill(head, fixed)
    return fill(plan.path, fixed)
