"""Decides which requests answer a scan: makes a :class:`Plan` from a :class:`Request`.

It tries in this order: no request at all, if the conditions contradict each other; a refusal, if a
column has no condition although the table requires one; single items, if
a condition names few enough of their keys; else the collection, with the conditions that may be
sent. If no condition and no option gives a path parameter, its values come from the rows of the
parent table, for which another plan is made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from ..tables.columns import Column
from ..tables.endpoints import Item, Shape, path_parameters
from ..tables.json_values import TYPE
from ..tables.table import Parent, Reach, Table
from . import bbql, request_line
from .conditions import Condition
from .describe import selectivity, texts
from .local_filter import checks_of, looks_of
from .parent_filter import sieve_of
from .parts import parts_of
from .path_values import EQUALITY, bindings_of, contradiction, never_met, values_of
from .plan import Binding, Kind, Parameters, Plan, Query, Sort, Supply
from .q import (
    MAX_LIST,
    as_parameter,
    longest_list,
    query_parameters,
    shipments_of,
    spread_over_requests,
    spread_parameter,
)
from .query_strings import envelope, in_values, pagelen, query, size_query
from .reading_end import reading_ends_at
from .request import Request
from .sample_values import sample_values
from .shippable import Shipment

MAX_ITEMS = 50  # keys that are read by one request each; if there are more, the listing is read


def plan(request: Request) -> Plan:
    """The fewest requests that answer ``request``."""
    table = request.table
    sieve = sieve_of(request.conditions) if request.leads else ()
    checked = {c.column.name for c in request.conditions} if request.counted_off else set()
    checked |= {c.column.name for c in sieve}
    hidden = tuple(pair for pair in (request.hidden, table.nothing) if pair)
    tested = checked | {name for name, _ in hidden}
    needed = tuple(c.name for c in table.columns if c.name in request.columns | tested)
    base = Plan(
        table,
        Kind.NOTHING,
        columns=needed,
        hidden=hidden,
        bound=frozenset(request.bound),
        loose=request.loose,
        sort=request.sort,
        limit=request.limit,
        offset=request.offset,
        local=request.unread,
        sieve=sieve,
        never=never_met(request),
    )
    reason = contradiction(request)
    if reason or request.limit == 0:
        return replace(base, exact=True, reason=reason or "LIMIT 0")
    lacking = _lacking(request)
    if lacking:
        return replace(base, kind=Kind.REFUSED, lacking=lacking)
    bindings = bindings_of(request, table.parameters())
    if bindings is not None:
        item = _item_plan(request, base, bindings)
        if item is not None:
            return item
    return _collection_plan(request, base, bindings)


def _lacking(request: Request) -> tuple[str, ...]:
    """The columns that require a condition and have none which says what values they may have."""
    required = (column for column in request.table.columns if column.required)
    return tuple(column.name for column in required if values_of(request, column) is None)


def sort_column(table: type[Table], name: str) -> Column | None:
    """The column, if Bitbucket can keep its order exactly."""
    return next((c for c in table.columns if c.name == name and c.sort), None)


# --- one item at a time ---


def _item_plan(request: Request, base: Plan, bindings: tuple[Binding, ...]) -> Plan | None:
    for item in request.table.items:
        key = request.table.column(item.key)
        lacked = set(item.lacks) & set(base.columns) - request.untold
        if lacked and not request.may_filter(key):
            continue
        values = values_of(request, key)
        if values is None or len(values) > MAX_ITEMS or not all(map(request_line.fits, values)):
            continue
        if len(values) > 1 and request.may_filter(key) and _small(values):
            continue  # one request with q … IN is cheaper
        own = tuple(b for b in bindings if b.parameter in path_parameters(item.path))
        if not any(b.parameter == item.parameter for b in own):
            own = (*own, Binding(item.parameter, key.name, values))
        paths = _paths(request, _needed(request, base))
        rest = [c for c in request.conditions if not _fixed_by_path(c, own)]
        exact = not rest and not request.unread
        return replace(
            base,
            kind=Kind.ITEM,
            reach=request.table.reached or _reach_above(request.table),
            path=item.path,
            bindings=own,
            queries=(Query((("fields", ",".join(paths)),)),),
            beside=_beside(request, key, lacked) if lacked else None,
            selectivity=1.0,
            shipped=(f"{key.name} in path",),
            local=base.local + texts(rest),
            checks=checks_of(request, exact, rest),
            exact=exact,
        )
    return None


def _beside(request: Request, key: Column, lacked: set[str]) -> Parameters:
    """The parameters by which an item is looked up in the listing, for columns that it lacks."""
    collection = request.table.collection
    columns = (key, *(c for c in request.table.columns if c.name in lacked))
    paths = [path for column in columns for path in column.asked_paths]
    members = (*envelope(collection), *(in_values(collection, path) for path in paths))
    return (("fields", ",".join(members)),)


def _reach_above(table: type[Table]) -> Reach | None:
    """How to find out whether the parent that the conditions name is in its table's listing."""
    return table.parent.table.reached if table.parent else None


def _small(values: tuple[Any, ...]) -> bool:
    return len(values) <= MAX_LIST and bbql.any_of("x", values) is not None


def _fixed_by_path(condition: Condition, bindings: tuple[Binding, ...]) -> bool:
    return condition.op in EQUALITY and any(
        binding.column == condition.column.name for binding in bindings
    )


# --- collections ---


def _collection_plan(request: Request, base: Plan, bindings: tuple[Binding, ...] | None) -> Plan:
    collection = request.table.collection
    parent, supplies = (None, ()) if bindings is not None else _parent_plan(request)
    if parent is not None and parent.kind is Kind.NOTHING:
        return replace(base, exact=True, reason=parent.reason)
    if parent is not None and parent.kind is Kind.REFUSED:
        return replace(base, kind=Kind.REFUSED, lacking=parent.lacking)
    path, narrowing = _narrowed(request)
    own = (*(_unsupplied(request) if bindings is None else bindings), *narrowing)
    in_path = _path_columns(request, own)
    rest = tuple(
        c for c in request.conditions if not (c.op in EQUALITY and c.column.name in in_path)
    )
    room = request_line.room(request.table, own, _widest_parameters(request, base))
    shipments = shipments_of(request, rest, room)
    shipped = [(c, s) for c, s in shipments if s is not None]
    left = [c for c, s in shipments if s is None and request.may_select(c.column)]
    selected, by_query = query_parameters(left, room)
    terms: list[tuple[str, ...]] = [()]
    if collection.q:
        terms = spread_over_requests(shipped, room, longest_list(request))
    spread = None
    if len(terms) == 1 and not request.counted_off:
        seen = [c for c in left if c.column.name in base.columns]
        spread = spread_parameter(seen, selected, room, MAX_ITEMS)
    each: tuple[Condition | None, ...] = (None,)
    if spread is not None:
        by_query, each = [*by_query, spread[0]], spread[1]
    exact = not request.unread and all(s is not None and s.exact for _, s in shipments)
    result = replace(
        base,
        kind=Kind.COLLECTION,
        path=path,
        bindings=own,
        parent=parent,
        supplies=supplies,
        reach=_reach_above(request.table) if parent is None else None,
        selectivity=selectivity([c for c, _ in shipped] + by_query),
        at_most=_at_most(request.table, [c for c, _ in shipped]),
        filtered=tuple(dict.fromkeys(c.column.name for c in (*(c for c, _ in shipped), *by_query))),
        checks=checks_of(request, exact, rest),
        sort_here=_is_refused(request, base.sort),
        until=reading_ends_at(request),
        shipped=texts(
            [c for c in request.conditions if c not in rest] + [c for c, _ in shipped] + by_query
        ),
        local=base.local + texts(c for c, s in shipments if s is None and c not in by_query),
        exact=exact,
    )
    result = replace(result, pagelen=pagelen(collection, result.stop_after))
    looks = looks_of(c for c, _ in shipped)
    constants = _countable(request, result, shipments)
    if constants is not None:
        result = replace(result, constants=constants, looks=looks)
        return _counted(request, result, terms, selected)
    if exact and request.counted_off:
        result = replace(result, looks=looks)
    if len(terms) == 1 and not selected and spread is None:
        known = _path_columns(request, result.bindings)
        result = replace(result, parts=parts_of(request, result, rest, known, room))
    parameters = _page_parameters(request, result)
    queries = tuple(
        query(collection, some, (*selected, *as_parameter(only)), parameters, only)
        for some in terms
        for only in each
    )
    whole = None
    if len(queries) > 1 and not request.counted_off:
        fixed = tuple(shipment.term for _, shipment in shipped if not shipment.divided)
        whole = query(collection, fixed, selected, parameters)
    return _hydrated(request, replace(result, queries=queries, whole=whole))


def _narrowed(request: Request) -> tuple[str, tuple[Binding, ...]]:
    """The path of the listing to read, with its parameter's values if it is a narrower one."""
    for narrower in request.table.narrower:
        key = request.table.column(narrower.key)
        values = values_of(request, key)
        if values is not None and len(values) <= MAX_ITEMS and all(map(request_line.fits, values)):
            return narrower.path, (Binding(narrower.parameter, key.name, values),)
    return request.table.collection.path, ()


def _counted(
    request: Request,
    result: Plan,
    terms: Iterable[tuple[str, ...]],
    selected: tuple[tuple[str, str], ...],
) -> Plan:
    """The plan that asks for a listing's size, and for a few items to check if it is filtered."""
    collection = request.table.collection
    looked_at = tuple(dict.fromkeys(c.column.name for c in result.looks))
    return replace(
        result,
        kind=Kind.COUNT,
        queries=tuple(
            size_query(collection, some, selected, [c.column for c in result.looks])
            for some in terms
        ),
        listed=_page_parameters(
            request, replace(result, columns=looked_at, pagelen=collection.pagelen, sort_here=True)
        ),
        pagelen=None,
    )


def _at_most(table: type[Table], shipped: Iterable[Condition]) -> int | None:
    """The number of keys that equality conditions name; ``None`` if there is no such condition."""
    keys = {item.key for item in table.items}
    counts = [
        len(condition.value) if condition.op == "in" else 1
        for condition in shipped
        if condition.op in EQUALITY and condition.column.name in keys
    ]
    return min(counts, default=None)


def _path_columns(request: Request, bindings: tuple[Binding, ...]) -> set[str]:
    """Columns whose equality conditions are fulfilled by the path, or by the parent's path."""
    columns = {binding.column for binding in bindings if binding.column}
    bound = {binding.parameter for binding in bindings}
    parent = request.table.parent
    if parent and not bound.issuperset(request.table.parameters()):
        supplied = (request.table.column_of(parameter) for parameter, _ in parent.supplies)
        columns |= {column.name for column in supplied if column}
    return columns


def _page_parameters(request: Request, result: Plan) -> tuple[tuple[str, str], ...]:
    collection = request.table.collection
    parameters = []
    if collection.shape is not Shape.TEXT:
        paths = _paths(request, (c for c in _needed(request, result) if c.listed))
        fields = [*envelope(collection), *(in_values(collection, path) for path in paths)]
        parameters.append(("fields", ",".join(fields)))
    if request.sort and not result.sort_here:
        field_name = request.table.column(request.sort.column).sort
        parameters.append(("sort", f"{'-' if request.sort.descending else ''}{field_name}"))
    elif result.until is not None:
        parameters.append(("sort", f"-{result.until.column.sort}"))
    if result.pagelen is not None:
        parameters.append(("pagelen", str(result.pagelen)))
    return tuple(parameters)


def _widest_parameters(request: Request, base: Plan) -> tuple[tuple[str, str], ...]:
    """As :func:`_page_parameters`, but the longest they can get: before it is known what can be
    left out.
    """
    longest = request.table.collection.pagelen
    return _page_parameters(request, replace(base, pagelen=longest, sort_here=False))


def _is_refused(request: Request, sort: Sort | None) -> bool:
    return sort is not None and (request.table.name, sort.column) in request.refused.sorts


def _needed(request: Request, result: Plan) -> Iterator[Column]:
    """Columns whose JSON the requests have to fetch: those that are wanted, and the sort column."""
    for column in request.table.columns:
        if column.name in result.columns or (request.sort and column.name == request.sort.column):
            yield column


def _paths(request: Request, columns: Iterable[Column]) -> list[str]:
    """The columns' JSON paths, and some more.

    One is that of the items' key, without which an item would not be recognized, or else its type,
    and one that of what tells items apart, which may be another. One is a path within the list that
    holds the rows, if there is such a list.
    """
    table = request.table
    wanted = [*columns, table.key_column(), table.mark_column()]
    paths = [path for column in wanted for path in column.asked_paths]
    rows_in = table.collection.explode
    if rows_in and not any(path.startswith(f"{rows_in}.") for path in paths):
        paths.append(_key_path(table))
    if table.typed:
        paths.append(TYPE)
    return list(dict.fromkeys(paths))


def _key_path(table: type[Table]) -> str:
    """The path of a small member that every row has."""
    return next(
        column.path
        for name in reversed(table.primary_key)
        if (column := table.column(name)).path is not None
    )


def _countable(
    request: Request, result: Plan, shipments: list[tuple[Condition, Shipment | None]]
) -> tuple[tuple[str, Any], ...] | None:
    """Column values of the rows, if their number is all that has to be asked for.

    ``None`` otherwise. The number is enough if every condition is applied exactly and the value of
    every needed column is known from an equality condition or from the path, or not seen.
    """
    collection = request.table.collection
    if not collection.size or collection.explode or not result.exact:
        return None
    constants = {c.column.name: c.value for c, _ in shipments if c.op == "="}
    carried = _path_columns(request, result.bindings)
    constants |= sample_values(request, set(result.columns).difference(carried, constants))
    if any(name not in constants and name not in carried for name in result.columns):
        return None
    return tuple(constants.items())


def _hydrated(request: Request, result: Plan) -> Plan:
    """The plan, with a request per row if a column is needed that the listing's items lack."""
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
        whole=None,  # each of its rows would take a request
        hydrate=item.path,
        hydrate_query=Query((("fields", ",".join((*key.asked_paths, *lacking))),)),
    )


def _with_fields(query: Query, parameters: tuple[tuple[str, str], ...]) -> Query:
    fresh = dict(parameters)
    kept = tuple((name, fresh.get(name, value)) for name, value in query.parameters)
    return replace(query, parameters=kept)


# --- parents ---


def _parent_plan(request: Request) -> tuple[Plan, tuple[Supply, ...]]:
    """The plan of the parent table, and how its rows supply the path parameters.

    Conditions on the path parameters become conditions on the parent's columns.
    """
    parent = request.table.parent
    if parent is None:
        raise ValueError(f"{request.table.name} has no parent to supply its path parameters")
    bound = {}
    supplies = []
    conditions = _of_parent(request, parent)
    for parameter, supplier in parent.supplies:
        column = request.table.column_of(parameter)
        target = parent.table.column(supplier)
        values = values_of(request, column) if column else None
        if target.param and parameter in request.bound:
            bound[target.param] = request.bound[parameter]
        if values is not None:
            conditions.append(Condition(target, "in", values))
        supplies.append(
            Supply(
                parameter,
                supplier,
                column.name if column else None,
                values,
                request.bound.get(parameter),
            )
        )
    columns = {supply.supplier for supply in supplies}
    if parent.where:
        columns.add(parent.where)
    narrowed = Request(
        parent.table,
        bound,
        tuple(conditions),
        (),
        frozenset(columns),
        refused=request.refused,
        leads=True,
    )
    return plan(narrowed), tuple(supplies)


def _unsupplied(request: Request) -> tuple[Binding, ...]:
    """Values for the path parameters that the parent's rows do not supply."""
    parent = request.table.parent
    supplied = {parameter for parameter, _ in parent.supplies} if parent else set()
    own = [name for name in request.table.parameters() if name not in supplied]
    bindings = bindings_of(request, own)
    if bindings is None:
        raise ValueError(f"{request.table.name} has a path parameter that nothing supplies")
    return bindings


def _of_parent(request: Request, parent: Parent) -> list[Condition]:
    """Conditions on the parent's rows that follow from the table's conditions, except equality."""
    suppliers = {
        column.name: parent.table.column(supplier)
        for parameter, supplier in parent.supplies
        if (column := request.table.column_of(parameter)) is not None
    }
    found = [
        replace(condition, column=suppliers[condition.column.name])
        for condition in request.conditions
        if condition.op not in EQUALITY and condition.column.name in suppliers
    ]
    for count in parent.counts:
        values = values_of(request, request.table.column(count.column))
        if values is not None and set(values) == {count.value}:
            found.append(Condition(parent.table.column(count.counted_in), ">", 0))
    return found
