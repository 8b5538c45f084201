"""The plan of a scan: which requests are made, and how their answers become rows.

The planner makes a plan, and nothing changes it afterwards. ``reading`` runs it, EXPLAIN shows it,
and estimates count its requests.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..tables.table import Reach, Table
from .conditions import Condition

# Longer than any listing. Python's indexes go up to 2**63 - 1.
_ENDLESS = 2**62

Parameters = tuple[tuple[str, str], ...]


class Kind(enum.Enum):
    """What a plan asks for."""

    NOTHING = "nothing"
    COLLECTION = "collection"
    ITEM = "item"
    COUNT = "count"
    REFUSED = "refused"


class Binding(NamedTuple):
    """The values that the conditions give for one path parameter.

    The rows have these values in ``column``, unchanged. Whether Bitbucket spells a slug differently
    is checked when the plan is run.
    """

    parameter: str
    column: str | None
    values: tuple[Any, ...]


class Supply(NamedTuple):
    """How the parent's rows supply a path parameter.

    ``supplier`` is the parent's column and ``column`` the child's. If ``values`` are given, the
    conditions allow only these, and parent rows with other values are skipped (they may occur,
    because the parent's listing cannot always be filtered by these values). ``fixed`` is the value
    that the table's options give. The rows then have it in the spelling of the options.
    """

    parameter: str
    supplier: str
    column: str | None
    values: tuple[Any, ...] | None
    fixed: str | None = None


@dataclass(frozen=True, slots=True)
class Query:
    """The query string of a request, as pairs. ``q`` is separate, because EXPLAIN shows it so.

    :param only: a condition that the answer's items are checked for, the others are left out: they
        may be in the answer to another query of the plan too, if Bitbucket compares less strictly
        than PostgreSQL, or ignores a parameter.
    """

    parameters: Parameters
    q: str | None = None
    only: Condition | None = None

    def pairs(self) -> Parameters:
        """All parameters, not yet URL-encoded, with ``q`` first."""
        return (("q", self.q), *self.parameters) if self.q else self.parameters


@dataclass(frozen=True, slots=True)
class Part:
    """Some items of a listing, of which it is enough to know how many there are.

    :param values: the column values that all of them have.
    :param query: asks for their number, and for a few of them.
    :param looks: conditions that they meet, to be checked on these few.
    """

    values: tuple[tuple[str, Any], ...]
    query: Query
    looks: tuple[Condition, ...]


class Sort(NamedTuple):
    """The order by one column that every listing of the plan is asked for."""

    column: str
    descending: bool


class Never(NamedTuple):
    """A value in a condition that no row can have.

    :param spelled: how Bitbucket spells it; ``None`` if it is no other spelling.
    :param form: what values look like.
    """

    column: str
    value: str
    spelled: str | None
    form: str | None


@dataclass(frozen=True, slots=True)
class Plan:
    """Requests and rows of one scan.

    :param columns: SQL columns the rows must hold, in declaration order.
    :param path: template; its parameters come from ``bindings`` (all combinations) or from the
        rows of ``parent``, through ``supplies``.
    :param bound: path parameters that the table's options fix.
    :param queries: the query strings. There is one request for each combination of path values and
        query string. No row is in the answers of two of them.
    :param loose: columns whose values need not be of the declared type.
    :param constants: column values known from the conditions, for rows that are only counted.
    :param listed: for ``Kind.COUNT``: the query parameters by which the items are listed instead,
        if the listing does not tell its size.
    :param hydrate: path template of a request per row, for columns that the listing lacks. Its only
        parameter is the row's key. ``None`` if no such column is needed.
    :param beside: for ``Kind.ITEM``: the query parameters by which the item is looked up in the
        listing, for columns that the item lacks. A ``q`` that names its key is added. ``None`` if
        no such column is needed.
    :param pagelen: items per page, for estimates.
    :param at_most: the most rows that one collection can have, because conditions name their keys.
    :param filtered: columns whose conditions went into ``q`` or into a query parameter.
    :param reach: how to find out whether an item that was found by its key is also in the listing.
    :param sieve: conditions to check on a parent's rows before anything is asked for their
        children.
    :param checks: conditions to check on the rows here, before LIMIT and OFFSET count them.
    :param looks: conditions that Bitbucket applies and that are checked here on some rows, because
        Bitbucket may ignore a filter and PostgreSQL checks the rows only after they were counted.
    :param hidden: columns with values; rows that have one of them are left out.
    :param sort_here: the rows come in any order, and are sorted by ``sort`` here.
    :param until: a condition on a column that the listings are asked to be sorted by, the newest
        first, if ``sort`` does not say it: reading may end at the first item that does not meet it.
    :param whole: the query of the whole listing, without the list that is spread over ``queries``.
    :param parts: for ``Kind.COLLECTION``: what each listing consists of. If their sizes add up to
        the listing's own, its rows need not be read. None if it is to be read.
    :param shipped: the conditions that are sent to Bitbucket; ``local`` are those left to
        PostgreSQL. Both are for EXPLAIN.
    :param exact: whether every row of the answers meets all of the conditions.
    :param reason: why nothing can match, for ``Kind.NOTHING``.
    :param never: values in its conditions that no row can have, to be told.
    :param lacking: columns that require a condition and have none, for ``Kind.REFUSED``.
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
    beside: Parameters | None = None
    pagelen: int | None = None
    selectivity: float = 1.0
    at_most: int | None = None
    filtered: tuple[str, ...] = ()
    reach: Reach | None = None
    sieve: tuple[Condition, ...] = ()
    checks: tuple[Condition, ...] = ()
    looks: tuple[Condition, ...] = ()
    hidden: tuple[tuple[str, Any], ...] = ()
    sort_here: bool = False
    until: Condition | None = None
    whole: Query | None = None
    parts: tuple[Part, ...] = ()
    shipped: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    exact: bool = False
    reason: str | None = None
    never: tuple[Never, ...] = ()
    lacking: tuple[str, ...] = ()

    def uncounted(self, query: Query) -> Query:
        """For a query of ``Kind.COUNT``: the query that lists the items with few small members."""
        asked = dict(self.listed)
        kept = tuple(pair for pair in query.parameters if pair[0] not in asked)
        return Query((*kept, *self.listed), query.q)

    @property
    def sorted_by(self) -> str | None:
        """The column by which the listings are asked to be sorted, if they are."""
        if self.sort is not None and not self.sort_here:
            return self.sort.column
        return None if self.until is None else self.until.column.name

    @property
    def enough(self) -> int | None:
        """After how many rows the scan can stop: OFFSET and LIMIT; ``None`` without a LIMIT."""
        enough = None if self.limit is None else self.offset + self.limit
        return None if enough is None or enough > _ENDLESS else enough

    @property
    def stop_after(self) -> int | None:
        """How many rows of one listing are enough, if that is known before they are read."""
        return None if self.checks or self.sort_here else self.enough

    @property
    def first_requests(self) -> int:
        """How many requests the first page of each listing takes for each of ``queries``."""
        redirected = self.kind in (Kind.COLLECTION, Kind.COUNT) and self.table.collection.redirects
        return 2 if redirected else 1

    @property
    def least_requests(self) -> int:
        """How many requests each listing takes at the least.

        One is enough where the whole listing may be read instead of a list's parts.
        """
        return (1 if self.whole else len(self.queries)) * self.first_requests

    @property
    def asks_every_parent(self) -> bool:
        """Whether the rows of a parent lead to the requests, and no condition chooses among them.

        Which listings the parent's rows are read from does not matter.
        """
        parent = self.parent
        if parent is None or parent.kind is not Kind.COLLECTION:
            return False
        chosen = any(
            supply.values is not None and not parent.table.column(supply.supplier).param
            for supply in self.supplies
        )
        narrowed = parent.sieve or parent.selectivity < 1 or parent.at_most is not None
        return not (chosen or narrowed)

    @property
    def combinations(self) -> int:
        """The number of combinations of the values in ``bindings``; 1 if there are none."""
        count = 1
        for binding in self.bindings:
            count *= len(binding.values)
        return count
