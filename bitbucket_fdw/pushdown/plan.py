"""The plan of a scan: which requests are made, and how their answers become rows.

The planner makes it, and it is never changed afterwards. ``reading`` runs it, EXPLAIN shows it and
estimates count its requests.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from ..tables.table import Reach, Table
from .conditions import Condition

# No listing is as long, and Python's indexes end at the next power of two.
_ENDLESS = 2**62

Parameters = tuple[tuple[str, str], ...]


class Kind(enum.Enum):
    """What a plan asks for."""

    NOTHING = "nothing"
    COLLECTION = "collection"
    ITEM = "item"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class Binding:
    """Values for one path parameter; the rows carry them in ``column`` just as they are here.

    Slugs that Bitbucket spells differently are found out when the plan is run.
    """

    parameter: str
    column: str | None
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Supply:
    """How the parent's rows supply a path parameter.

    ``supplier`` is the parent's column and ``column`` the child's. Where ``values`` are given, the
    conditions allow only these: a parent row with another value is passed over, which matters
    where the parent could not be asked for them alone. ``fixed`` is the value that the table's
    options give: the rows carry it as it is spelled there.
    """

    parameter: str
    supplier: str
    column: str | None
    values: tuple[Any, ...] | None
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """The query string of a request, as pairs; ``q`` is kept apart for EXPLAIN."""

    parameters: Parameters
    q: str | None = None

    def pairs(self) -> Parameters:
        """Everything to be URL-encoded, ``q`` first."""
        return (("q", self.q), *self.parameters) if self.q else self.parameters


@dataclass(frozen=True, slots=True)
class Sort:
    """An order that every request of the plan is asked to keep."""

    column: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests and rows of one scan.

    :param columns: SQL columns the rows must hold, in declaration order.
    :param path: template; its parameters come from ``bindings`` (all combinations) or from the
        rows of ``parent``, through ``supplies``.
    :param bound: path parameters that the table's options fix.
    :param queries: one request per combination and query; together they cover the answer once.
    :param loose: columns whose values need not be of the declared type.
    :param constants: column values known from the conditions, for rows that are only counted.
    :param listed: parameters of ``Kind.COUNT`` for a listing that does not tell its size.
    :param hydrate: template of a request per row for columns that the listing lacks, if needed;
        its single parameter is the row's key.
    :param pagelen: items per page, for estimates.
    :param at_most: how many items of one collection have the keys that the conditions name.
    :param filtered: columns whose conditions went into ``q``.
    :param reach: how to tell whether what a key has found is listed too.
    :param sieve: conditions to test rows by that lead to another table's.
    :param checks: conditions to check on the rows before they are counted off.
    :param looks: conditions that Bitbucket applies, for a look at whether it has: nobody else will
        check them before rows are counted.
    :param hidden: a boolean column; rows in which it is true are left out.
    :param sort_here: the rows come in any order, and ``sort`` is done here.
    :param shipped: the conditions as shipped; ``local`` those left to PostgreSQL (for EXPLAIN).
    :param exact: whether every row brought meets all of the conditions.
    :param reason: why nothing can match, for ``Kind.NOTHING``.
    """

    table: type[Table]
    kind: Kind
    columns: tuple[str, ...] = ()
    path: str = ""
    bindings: tuple[Binding, ...] = ()
    bound: frozenset[str] = frozenset()
    parent: Plan | None = None
    supplies: tuple[Supply, ...] = ()
    queries: tuple[Query, ...] = ()
    loose: frozenset[str] = frozenset()
    constants: tuple[tuple[str, Any], ...] = ()
    listed: Parameters = ()
    sort: Sort | None = None
    limit: int | None = None
    offset: int = 0
    hydrate: str | None = None
    hydrate_query: Query | None = None
    pagelen: int | None = None
    selectivity: float = 1.0
    at_most: int | None = None
    filtered: tuple[str, ...] = ()
    reach: Reach | None = None
    sieve: tuple[Condition, ...] = ()
    checks: tuple[Condition, ...] = ()
    looks: tuple[Condition, ...] = ()
    hidden: str | None = None
    sort_here: bool = False
    shipped: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    exact: bool = False
    reason: str | None = None

    def uncounted(self, query: Query) -> Query:
        """The query of ``Kind.COUNT`` as one that lists the items with a few small members."""
        asked = dict(self.listed)
        kept = tuple(pair for pair in query.parameters if pair[0] not in asked)
        return Query((*kept, *self.listed), query.q)

    @property
    def enough(self) -> int | None:
        """How many rows, those passed over by OFFSET among them, are all that is wanted."""
        enough = None if self.limit is None else self.offset + self.limit
        return None if enough is None or enough > _ENDLESS else enough

    @property
    def stop_after(self) -> int | None:
        """How many rows of one listing are enough, if that can be told before they are read."""
        return None if self.checks or self.sort_here else self.enough

    @property
    def combinations(self) -> int:
        """How many combinations of bound values there are, one without any."""
        count = 1
        for binding in self.bindings:
            count *= len(binding.values)
        return count
