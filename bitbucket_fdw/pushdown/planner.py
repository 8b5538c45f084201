"""From a table, typed conditions, columns, sort and limit to a :class:`Plan`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from ..tables.base import Collection, Column, Item, Table, path_parameters
from . import bbql
from .conditions import Condition
from .plan import Binding, Kind, Plan, Query, Sort, Supply
from .shippable import Shipment, ship

MAX_LIST = 50  # elements of one IN; more are spread over several requests
# Characters of one q as it stands in an address. Bitbucket's limit is not documented; servers
# commonly take 8,000 for all of it, and "fields" may need half of that.
MAX_QUERY = 3500
MAX_ITEMS = 50  # keys that are worth a request each; beyond it the collection is read

_EQUALITY = ("=", "in")


@dataclass(frozen=True, slots=True)
class Request:
    """What PostgreSQL asks of a table.

    :param bound: path parameters fixed by table options.
    :param conditions: what all rows must meet, typed.
    :param unread: conditions that could not be typed, as text; PostgreSQL keeps them.
    :param columns: names of the columns needed, those of conditions among them.
    :param sort: an order that :func:`sort_column` has agreed to.
    :param limit: rows wanted after ``offset``, only given when no row will be dropped later.
    :param refused: columns whose filter Bitbucket was seen to refuse.
    """

    table: type[Table]
    bound: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()
    unread: tuple[str, ...] = ()
    columns: frozenset[str] = frozenset()
    sort: Sort | None = None
    limit: int | None = None
    offset: int = 0
    refused: frozenset[str] = frozenset()


def plan(request: Request) -> Plan:
    """The fewest requests that answer ``request``."""
    table = request.table
    needed = tuple(c.name for c in table.columns if c.name in request.columns)
    base = Plan(
        table,
        Kind.NOTHING,
        columns=needed,
        sort=request.sort,
        limit=request.limit,
        offset=request.offset,
        local=request.unread,
    )
    reason = _contradiction(request)
    if reason or request.limit == 0:
        return replace(base, exact=True, reason=reason or "LIMIT 0")
    bindings = _bindings(request, table.parameters())
    if bindings is not None:
        item = _item_plan(request, base, bindings)
        if item is not None:
            return item
    return _collection_plan(request, base, bindings)


def sort_column(table: type[Table], name: str) -> Column | None:
    """The column, if Bitbucket can keep its order exactly."""
    return next((c for c in table.columns if c.name == name and c.sort), None)


# --- path parameters ---


def _contradiction(request: Request) -> str | None:
    """Why no row can match, told from the conditions alone."""
    for column in request.table.columns:
        values = _values(request, column)
        if values is not None and not values:
            return f"no value of {column.name} meets its conditions"
    return None


def _values(request: Request, column: Column) -> tuple[Any, ...] | None:
    """All values that equality conditions and table options leave a column, ``None`` for any."""
    wanted: list[Any] | None = None
    option = request.bound.get(column.param) if column.param else None
    if option is not None:
        wanted = [option]
    for condition in request.conditions:
        if condition.column.name == column.name and condition.op in _EQUALITY:
            values = condition.value if condition.op == "in" else (condition.value,)
            wanted = [v for v in (values if wanted is None else wanted) if v in values]
    if wanted is None:
        return None
    in_path = column.param is not None or any(i.key == column.name for i in request.table.items)
    possible = [value for value in wanted if _possible(column, value, in_path)]
    return tuple(_without_respellings(column, possible))


def _possible(column: Column, value: Any, in_path: bool) -> bool:
    if column.pattern is not None and not re.fullmatch(column.pattern, str(value)):
        return False
    # No slug, key or ref name is empty or a dot segment; in a path they would name another
    # resource.
    return not (in_path and value in ("", ".", ".."))


def _without_respellings(column: Column, values: list[Any]) -> Iterator[Any]:
    """Slugs that differ by letter case alone name one repository: ask for it once."""
    seen = set()
    for value in values:
        key = value.casefold() if column.param and isinstance(value, str) else value
        if key not in seen:
            seen.add(key)
            yield value


def _bindings(request: Request, parameters: Iterable[str]) -> tuple[Binding, ...] | None:
    """Values for every path parameter, or ``None`` if a parent has to supply one."""
    bindings = []
    for parameter in parameters:
        column = request.table.column_of(parameter)
        values = _values(request, column) if column else None
        if values is None:
            return None
        bindings.append(Binding(parameter, column.name if column else None, values))
    return tuple(bindings)


# --- one item at a time ---


def _item_plan(request: Request, base: Plan, bindings: tuple[Binding, ...]) -> Plan | None:
    for item in request.table.items:
        key = request.table.column(item.key)
        values = _values(request, key)
        if values is None or len(values) > MAX_ITEMS:
            continue
        if len(values) > 1 and key.filter and request.table.collection.q and _small(values):
            continue  # one request with q … IN is cheaper
        own = tuple(b for b in bindings if b.parameter in path_parameters(item.path))
        if not any(b.parameter == item.parameter for b in own):
            own = (*own, Binding(item.parameter, key.name, values))
        paths = _paths(request, _needed(request, base))
        rest = [c for c in request.conditions if not _fixed_by_path(c, own)]
        return replace(
            base,
            kind=Kind.ITEM,
            path=item.path,
            bindings=own,
            queries=(Query((("fields", ",".join(paths)),)),),
            selectivity=1.0,
            shipped=(f"{key.name} in path",),
            local=base.local + _texts(rest),
            exact=not rest and not request.unread,
        )
    return None


def _small(values: tuple[Any, ...]) -> bool:
    return len(values) <= MAX_LIST and bbql.any_of("x", values) is not None


def _fixed_by_path(condition: Condition, bindings: tuple[Binding, ...]) -> bool:
    return condition.op in _EQUALITY and any(
        binding.column == condition.column.name for binding in bindings
    )


# --- collections ---


def _collection_plan(request: Request, base: Plan, bindings: tuple[Binding, ...] | None) -> Plan:
    collection = request.table.collection
    parent, supplies = (None, ()) if bindings is not None else _parent_plan(request)
    if parent is not None and parent.kind is Kind.NOTHING:
        return replace(base, exact=True, reason=parent.reason)
    own = bindings or ()
    in_path = _path_columns(request, own)
    rest = tuple(
        c for c in request.conditions if not (c.op in _EQUALITY and c.column.name in in_path)
    )
    shipments = _shipments(request, rest)
    shipped = [(c, s) for c, s in shipments if s is not None]
    selected, by_query = _query_parameters(c for c, s in shipments if s is None)
    terms = _spread(shipped) if collection.q else [()]
    result = replace(
        base,
        kind=Kind.COLLECTION,
        path=collection.path,
        bindings=own,
        parent=parent,
        supplies=supplies,
        pagelen=_pagelen(request, collection),
        selectivity=_selectivity([c for c, _ in shipped] + by_query),
        shipped=_texts(
            [c for c in request.conditions if c not in rest] + [c for c, _ in shipped] + by_query
        ),
        local=base.local + _texts(c for c, s in shipments if s is None and c not in by_query),
        exact=not request.unread and all(s is not None and s.exact for _, s in shipments),
    )
    constants = _countable(request, result, shipments)
    if constants is not None and len(terms) == 1:
        counted = [_query(collection, terms[0], selected, (("fields", "size"),))]
        return replace(
            result, kind=Kind.COUNT, queries=tuple(counted), constants=constants, pagelen=None
        )
    parameters = _page_parameters(request, result)
    return _hydrated(
        request,
        replace(
            result,
            queries=tuple(_query(collection, term, selected, parameters) for term in terms),
        ),
    )


def _path_columns(request: Request, bindings: tuple[Binding, ...]) -> set[str]:
    """Columns whose equality conditions the path (or the parent's path) takes care of."""
    columns = {binding.column for binding in bindings if binding.column}
    parent = request.table.parent
    if not bindings and parent:
        supplied = (request.table.column_of(parameter) for parameter, _ in parent.supplies)
        columns |= {column.name for column in supplied if column}
    return columns


def _shipments(
    request: Request, conditions: Iterable[Condition]
) -> list[tuple[Condition, Shipment | None]]:
    """What is shipped of each condition; what would make the address too long stays local."""
    left = MAX_QUERY
    spread = False
    result = []
    for condition in conditions:
        shipment = _ship(request, condition)
        if shipment is not None:
            long_list = condition.op == "in" and len(condition.value) > MAX_LIST
            length = len(quote(f"{shipment.term} AND "))
            if long_list:  # a part of it at a time
                length = length * MAX_LIST // len(condition.value)
            if length > left or (long_list and spread):
                shipment = None
            else:
                left -= length
                spread = spread or long_list
        result.append((condition, shipment))
    return result


def _ship(request: Request, condition: Condition) -> Shipment | None:
    if not request.table.collection.q or condition.column.name in request.refused:
        return None
    shipment = ship(condition)
    if shipment is None or condition.op != "in" or len(condition.value) <= MAX_LIST:
        return shipment
    # A long list of numbers or UUIDs is spread over requests; a long list of texts is not, since
    # two spellings of one value could then bring the same row twice.
    return shipment if condition.column.type in ("bigint", "integer", "uuid") else None


def _spread(shipped: list[tuple[Condition, Shipment]]) -> list[tuple[str, ...]]:
    """The BBQL terms of each request: one request unless a list is too long for it."""
    fixed: list[str] = []
    alternatives: list[str] | None = None
    for condition, shipment in shipped:
        if condition.op == "in" and len(condition.value) > MAX_LIST:
            alternatives = _chunks(condition)
        else:
            fixed.append(shipment.term)
    if alternatives is None:
        return [tuple(fixed)]
    return [(*fixed, alternative) for alternative in alternatives]


def _chunks(condition: Condition) -> list[str]:
    values = iter(condition.value)
    chunks = iter(lambda: tuple(itertools.islice(values, MAX_LIST)), ())
    test = condition.column.filter
    terms = (bbql.any_of(test.field, chunk) for chunk in chunks) if test else ()
    return [term for term in terms if term]


def _query_parameters(
    conditions: Iterable[Condition],
) -> tuple[tuple[tuple[str, str], ...], list[Condition]]:
    """Equality conditions on columns that have a query parameter of their own."""
    chosen: dict[str, Condition] = {}
    for condition in conditions:
        parameter = condition.column.query
        if parameter and condition.op == "=" and condition.value and parameter not in chosen:
            chosen[parameter] = condition
    pairs = tuple((name, str(condition.value)) for name, condition in chosen.items())
    return pairs, list(chosen.values())


def _query(
    collection: Collection,
    terms: tuple[str, ...],
    selected: tuple[tuple[str, str], ...],
    parameters: tuple[tuple[str, str], ...],
) -> Query:
    q = bbql.conjunction(terms) or None
    # Without q the listing may hide items by default, with it never.
    shown = () if q else collection.without_q
    return Query((*selected, *shown, *parameters), q)


def _page_parameters(request: Request, result: Plan) -> tuple[tuple[str, str], ...]:
    collection = request.table.collection
    prefix = f"values.{collection.unwrap}." if collection.unwrap else "values."
    paths = _paths(request, (c for c in _needed(request, result) if c.listed))
    envelope = ["next"]
    if collection.size:
        envelope.append("size")
    if collection.lossy_next:
        envelope += ["page", "pagelen"]
    fields = [*envelope, *(prefix + path for path in paths)]
    parameters = [("fields", ",".join(fields))]
    if request.sort:
        field_name = request.table.column(request.sort.column).sort
        parameters.append(("sort", f"{'-' if request.sort.descending else ''}{field_name}"))
    if result.pagelen is not None:
        parameters.append(("pagelen", str(result.pagelen)))
    return tuple(parameters)


def _pagelen(request: Request, collection: Collection) -> int | None:
    if collection.pagelen is None or request.limit is None:
        return collection.pagelen
    return max(1, min(collection.pagelen, request.limit + request.offset))


def _needed(request: Request, result: Plan) -> Iterator[Column]:
    """Columns whose JSON the requests must bring: those asked for, and the sort's."""
    for column in request.table.columns:
        if column.name in result.columns or (request.sort and column.name == request.sort.column):
            yield column


def _paths(request: Request, columns: Iterable[Column]) -> list[str]:
    """The columns' JSON paths; never none, and one within the list that holds the rows."""
    paths = [column.path for column in columns if column.path]
    rows_in = request.table.collection.explode
    if not paths or (rows_in and not any(path.startswith(f"{rows_in}.") for path in paths)):
        paths.append(_key_path(request.table))
    return paths


def _key_path(table: type[Table]) -> str:
    """The path of a small member every item has, for when no column is needed."""
    return next(
        column.path
        for name in reversed(table.primary_key)
        if (column := table.column(name)).path is not None
    )


def _countable(
    request: Request, result: Plan, shipments: list[tuple[Condition, Shipment | None]]
) -> tuple[tuple[str, Any], ...] | None:
    """Column values of the rows, if their number is all that has to be asked for.

    That is so if every condition is applied exactly and every column needed is fixed by an
    equality condition or by the path.
    """
    if not request.table.collection.size or not result.exact:
        return None
    constants = {c.column.name: c.value for c, _ in shipments if c.op == "="}
    carried = _path_columns(request, result.bindings)
    if any(name not in constants and name not in carried for name in result.columns):
        return None
    return tuple(constants.items())


def _hydrated(request: Request, result: Plan) -> Plan:
    """Add a request per row if a column is needed that the listing's items lack."""
    lacking = [c.path for c in _needed(request, result) if not c.listed and c.path]
    if not lacking:
        return result
    item: Item = request.table.items[0]
    key = request.table.column(item.key)
    columns = result.columns
    if key.name not in columns:
        columns = tuple(c.name for c in request.table.columns if c.name in {*columns, key.name})
        first = _page_parameters(request, replace(result, columns=columns))
        result = replace(
            result, queries=tuple(_with_fields(query, first) for query in result.queries)
        )
    return replace(
        result,
        columns=columns,
        hydrate=item.path,
        hydrate_query=Query((("fields", ",".join(lacking)),)),
    )


def _with_fields(query: Query, parameters: tuple[tuple[str, str], ...]) -> Query:
    fresh = dict(parameters)
    kept = tuple((name, fresh.get(name, value)) for name, value in query.parameters)
    return Query(kept, query.q)


# --- parents ---


def _parent_plan(request: Request) -> tuple[Plan, tuple[Supply, ...]]:
    """The plan of the parent table whose rows supply the path parameters, and how they do.

    What is known of the parameters narrows the parent's rows as conditions on its own columns.
    """
    parent = request.table.parent
    if parent is None:
        raise ValueError(f"{request.table.name} has no parent to supply its path parameters")
    conditions = []
    bound = {}
    supplies = []
    for parameter, supplier in parent.supplies:
        column = request.table.column_of(parameter)
        target = parent.table.column(supplier)
        values = _values(request, column) if column else None
        if target.param and parameter in request.bound:
            bound[target.param] = request.bound[parameter]
        if values is not None:
            conditions.append(Condition(target, "in", values))
        supplies.append(Supply(parameter, supplier, column.name if column else None, values))
    columns = {supply.supplier for supply in supplies}
    if parent.where:
        columns.add(parent.where)
    return plan(Request(parent.table, bound, tuple(conditions), (), frozenset(columns))), tuple(
        supplies
    )


# --- describing ---


def _texts(conditions: Iterable[Condition]) -> tuple[str, ...]:
    return tuple(describe(condition) for condition in conditions)


def describe(condition: Condition) -> str:
    """A condition in SQL's words, values and all, as EXPLAIN shows it."""
    name = condition.column.name
    if condition.op in ("is null", "is not null"):
        return f"{name} {condition.op.upper()}"
    if condition.op == "in":
        return f"{name} IN ({', '.join(map(_show, condition.value[:5]))}" + (
            ", …)" if len(condition.value) > 5 else ")"
        )
    return f"{name} {condition.op} {_show(condition.value)}"


def _show(value: Any) -> str:
    return str(value) if isinstance(value, (int, bool)) else f"'{value}'"


def _selectivity(conditions: list[Condition]) -> float:
    """The share of rows that shipped conditions are guessed to keep."""
    share = 1.0
    for condition in conditions:
        guess: Callable[[Condition], float] = _GUESSES.get(condition.op, lambda _: 0.3)
        share *= guess(condition)
    return share


_GUESSES: dict[str, Callable[[Condition], float]] = {
    "=": lambda _: 0.1,
    "in": lambda condition: min(1.0, 0.1 * len(condition.value)),
    "<>": lambda _: 0.9,
}
