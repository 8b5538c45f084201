"""Sizes of collections that a session has seen, for the planner's estimates."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import TypeVar

from ..pushdown.plan import Plan, Query
from ..tables.addresses import fill, path_text
from ..tables.endpoints import path_parameters
from ..tables.table import Table

T = TypeVar("T")

MOST = 5000  # how many sizes are kept for one table
MOST_FILTERS = 100  # for how many filters sizes are kept, of one table
_PATHS = 100  # how many collections of one plan are looked up by their paths
_ENDLESS = 1e7  # more items than there are
_TIME_OF_DAY = re.compile(r"(\d{4}-\d\d-\d\d)T[0-9:.]+(?:Z|[+-][0-9:]+)?")


def filter_of(table: type[Table], query: Query) -> str | None:
    """The filter of a query, as sizes are kept by it; ``None`` if the size may not be the filter's.

    Times are cut to the day: the last year from now is another filter each time it is asked for.
    """
    filters = {column.query for column in table.columns}
    # It is not known whether the size takes account of parameters other than q.
    if not query.q or any(name in filters for name, _ in query.parameters):
        return None
    return _TIME_OF_DAY.sub(r"\1", query.q)


class Sizes:
    """How many items each collection had when it was last read.

    Collections differ a lot: one repository has no pull requests, the next has thousands. So the
    estimate for a collection is its own last size. For a scan over many collections, it is the mean
    of the known sizes. As long as half of the sizes or fewer are known, the estimate is at least
    the guess in the table's declaration.

    Narrower listings of a table are apart from its whole one: the entries of one pull request are
    few, however many there are in the repository.

    The same holds for what a filter leaves of a collection. If that was not seen yet, it is guessed
    from the whole collection's size.
    """

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], dict[str, int]] = {}
        self._filtered: dict[str, dict[str, dict[str, int]]] = {}
        self._probed: set[tuple[str, str]] = set()

    def learn(self, table: type[Table], path: str, size: int) -> None:
        """Remember the size of the table's collection at a path."""
        listing = (table.name, _template(table, path))
        _keep(self._seen.setdefault(listing, {}), path, size, MOST)

    def learn_filtered(self, table: type[Table], path: str, query: Query, size: int) -> None:
        """Remember how many items of the table's collection at a path meet a query's filter."""
        name = filter_of(table, query)
        if name is not None:
            filters = self._filtered.setdefault(table.name, {})
            of_filter = filters.get(name, {})
            _keep(of_filter, path, size, MOST // MOST_FILTERS)
            _keep(filters, name, of_filter, MOST_FILTERS)

    def seen(self, table: type[Table], path: str) -> int | None:
        """How many items the table's collection at a path had when it was last read, if it was."""
        return self._seen.get((table.name, _template(table, path)), {}).get(path)

    def expected(self, plan: Plan, path: str) -> float:
        """How many items a plan is likely to find in a collection, to ask for more than a page.

        What is asked for is in vain if they are few. So nothing is expected of a collection that
        was not seen, unless it is the only one, and one request is at stake.
        """
        found = self._seen_filtered(plan).get(path)
        if found is not None:
            return found
        size: float | None = self.seen(plan.table, path)
        if size is None:
            alone = plan.parent is None and plan.combinations == 1 and len(plan.parts) == 1
            size = _declared(plan) if alone else 0
        return size * plan.selectivity

    def learn_answer(self, plan: Plan, path: str, query: Query, size: int) -> None:
        """Remember the size that was answered to a query of a plan, at a path."""
        if query.q:
            self.learn_filtered(plan.table, path, query, size)
        # A q that comes from no condition leaves everything.
        if (plan.selectivity == 1.0 and not plan.filtered) or _asks_for_everything(plan, query):
            self.learn(plan.table, path, size)

    def may_look(self, table: type[Table], path: str) -> bool:
        """Whether to ask for the size of the table's collection at a path; once for each."""
        probe = (table.name, path)
        if probe in self._probed or len(self._probed) >= MOST:
            return False
        self._probed.add(probe)
        return True

    def begin_probe(self, plan: Plan) -> str | None:
        """The path of a plan's only listing, if its size is not known and was not asked for.

        From then on it counts as asked for.
        """
        [path] = _paths(plan)
        known = path in self._like(plan) or path in self._seen_filtered(plan)
        return None if known or not self.may_look(plan.table, path) else path

    def guess(self, plan: Plan, places: float) -> float:
        """The average number of items that a plan's filters leave of the collections it reads.

        :param places: how many collections these are.
        """
        found = self._guess_filtered(plan, places)
        return self.whole(plan, places) * plan.selectivity if found is None else found

    def bounds(self, plan: Plan, places: float) -> tuple[float, float]:
        """The least and the most that :meth:`guess` can be, as far as sizes were seen."""
        filtered, whole = self._known(plan, self._seen_filtered(plan), places), None
        if filtered is None:
            whole = self._known(plan, self._like(plan), places)
        if filtered is not None or (whole is not None and plan.selectivity == 1.0):
            found = self.guess(plan, places)
            return found, found
        return 0.0, _ENDLESS if whole is None else whole

    def _known(self, plan: Plan, seen: dict[str, int], places: float) -> float | None:
        """The average of the sizes that were seen of a plan's collections, if most of them were."""
        if plan.parent is None:
            paths = list(_paths(plan))
            return _mean([seen[p] for p in paths]) if all(p in seen for p in paths) else None
        near = _below(plan, seen)
        return _mean(near) if 2 * len(near) > places else None

    def whole(self, plan: Plan, places: float) -> float:
        """The average number of items in the collections that a plan reads.

        It is at least one. An empty collection may not stay empty; and with an estimate of no rows,
        a scan of thousands of collections would seem as cheap as reading a few of them by key.
        """
        seen, declared = self._like(plan), _declared(plan)
        if not seen:
            return max(1.0, declared)
        if plan.parent is None:
            return max(1.0, _mean([seen.get(path, self._other(plan)) for path in _paths(plan)]))
        near = self._near(plan)
        if not near:
            return max(1.0, declared)
        few = 2 * len(near) <= places
        return max(1.0, _mean(near), declared if few else 0.0)

    def average(self, plan: Plan) -> float:
        """The average size of a fan-out's collections that were seen, and of one as declared."""
        near = self._near(plan)
        return (_declared(plan) + sum(near)) / (1 + len(near))

    def likely(self, plan: Plan, places: float) -> float:
        """As :meth:`guess`, for a reading that ends as soon as it has enough rows.

        Here it matters how many collections are empty. What is declared counts for a tenth of a
        collection.
        """
        if plan.parent is None:
            return self.guess(plan, places)
        near: list[int] | list[float] = _below(plan, self._seen_filtered(plan))
        near = near or [size * plan.selectivity for size in self._near(plan)]
        return (0.1 * _declared(plan) * plan.selectivity + sum(near)) / (0.1 + len(near))

    def _guess_filtered(self, plan: Plan, places: float) -> float | None:
        """The same as :meth:`guess`, where something was seen of what the filters leave."""
        seen = self._seen_filtered(plan)
        otherwise = self.whole(plan, places) * plan.selectivity
        if plan.parent is None:
            paths = list(_paths(plan))
            known = seen.keys() & set(paths)
            return _mean([seen.get(path, otherwise) for path in paths]) if known else None
        near = _below(plan, seen)
        if not near:
            return None
        return max(_mean(near), otherwise) if 2 * len(near) <= places else _mean(near)

    def _seen_filtered(self, plan: Plan) -> dict[str, int]:
        """By path, the number of items that all queries of a plan leave together."""
        filters = self._filtered.get(plan.table.name, {})
        narrower = bool(plan.table.narrower)
        names = [filter_of(plan.table, query) for query in plan.queries]
        if not names or any(name not in filters for name in names):
            return {}
        each = [filters[name] for name in names if name is not None]
        return {
            path: sum(of_filter[path] for of_filter in each)
            for path in each[0]
            if all(path in of_filter for of_filter in each)
            and not (narrower and _template(plan.table, path) != plan.path)
        }

    def _near(self, plan: Plan) -> list[int]:
        """The sizes that were seen of a fan-out's collections."""
        return _below(plan, self._like(plan))

    def _like(self, plan: Plan) -> dict[str, int]:
        """By path, the sizes that were seen of the listings which a plan reads some of."""
        return self._seen.get((plan.table.name, plan.path), {})

    def _other(self, plan: Plan) -> float:
        """The estimate for an unknown collection if others are known."""
        return max(_declared(plan), _mean(list(self._like(plan).values())))


def _asks_for_everything(plan: Plan, query: Query) -> bool:
    """Whether a query leaves out what the values of a list would leave, and nothing else."""
    by_value = any(one.only is not None for one in plan.queries)
    filters = {column.query for column in plan.table.columns}
    filtered = bool(query.q) or any(name in filters for name, _ in query.parameters)
    return by_value and query.only is None and not filtered


def _template(table: type[Table], path: str) -> str:
    """The template of the listing of a table that a path is of."""
    narrower = next((listing for listing in table.narrower if listing.is_at(path)), None)
    return table.collection.path if narrower is None else narrower.path


def _declared(plan: Plan) -> float:
    """The guess, in the table's declaration, of the items in a listing that a plan reads."""
    listings = (n for n in plan.table.narrower if n.path == plan.path)
    return next((listing.rows for listing in listings), plan.table.rows)


def _keep(kept: dict[str, T], name: str, value: T, most: int) -> None:
    """Keep a value as the latest one, and forget the earliest beyond so many."""
    kept.pop(name, None)
    kept[name] = value
    if len(kept) > most:
        kept.pop(next(iter(kept)))


def _mean(sizes: list[float] | list[int]) -> float:
    return sum(sizes) / len(sizes) if sizes else 1.0


def _paths(plan: Plan) -> Iterator[str]:
    """Paths of the collections that a plan without a parent reads, or of the first of them."""
    names = [binding.parameter for binding in plan.bindings]
    values = itertools.product(*(binding.values for binding in plan.bindings))
    for combination in itertools.islice(values, _PATHS):
        texts = map(path_text, combination)
        yield fill(plan.path, dict(zip(names, texts, strict=True)))


def _below(plan: Plan, seen: dict[str, int]) -> list[int]:
    """Of sizes by path, those of a fan-out's collections."""
    prefix = _prefix(plan)
    return [size for path, size in seen.items() if path.startswith(prefix)]


def _prefix(plan: Plan) -> str:
    """The beginning that the paths of all collections of a plan have in common."""
    fixed = {supply.parameter: supply.fixed for supply in plan.supplies if supply.fixed}
    for parameter in path_parameters(plan.path):
        if parameter not in fixed:
            head = plan.path[: plan.path.index(f"{{{parameter}}}")]
            return fill(head, fixed)
    return fill(plan.path, fixed)
