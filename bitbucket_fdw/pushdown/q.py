"""Conditions as parts of a query string: BBQL terms, and parameters that select by equality."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from ..tables.addresses import path_text
from . import bbql
from .conditions import Condition
from .request import Request
from .request_line import length
from .shippable import Shipment, ship

MAX_LIST = 50  # the most elements of one IN, where pages are not longer than that
_FEWEST = 10  # the fewest elements for which a request is made when a list is spread


def shipments_of(
    request: Request, conditions: Iterable[Condition], room: int
) -> list[tuple[Condition, Shipment | None]]:
    """What is sent of each condition. A condition that would make the address too long stays local.

    One list that is too long for one request is ``divided``: its elements are spread over several.

    :param room: how many bytes of the address all of this may take.
    """
    divided = False
    result = []
    for condition in conditions:
        shipment = _ship(request, condition)
        if shipment is not None:
            needed = length(shipment.term)
            too_many = condition.op == "in" and len(condition.value) > longest_list(request)
            if too_many or (needed > room and _divisible(condition)):
                shipment = replace(shipment, divided=True)
                needed = needed * _FEWEST // len(condition.value)
                # Only one list is divided. Two would take a request for each pair of their parts.
                needed = room + 1 if divided else needed
            if needed > room:
                shipment = None
            else:
                room -= needed
                divided = divided or shipment.divided
        result.append((condition, shipment))
    return result


def longest_list(request: Request) -> int:
    """The most elements of one IN. Longer lists are spread over several requests.

    As many as a page has items: with more of them, pages would follow, one for as many elements.
    """
    return max(MAX_LIST, request.table.collection.pagelen or 0)


def _ship(request: Request, condition: Condition) -> Shipment | None:
    if not request.may_filter(condition.column):
        return None
    shipment = ship(condition)
    if shipment is None or condition.op != "in" or len(condition.value) <= longest_list(request):
        return shipment
    return shipment if _divisible(condition) else None


def _divisible(condition: Condition) -> bool:
    """Whether a list can be spread over requests, so that no item is an answer to two of them.

    An item with a list meets several parts of a condition on the list's elements.
    """
    is_list = condition.op == "in" and len(condition.value) > _FEWEST
    test = condition.column.filter
    of_list = test is not None and test.of_list
    return is_list and condition.column.data_type.spread and not of_list


def spread_over_requests(
    shipped: list[tuple[Condition, Shipment]], room: int, most: int = MAX_LIST
) -> list[tuple[str, ...]]:
    """The BBQL terms of each request. There is one request, unless a list is divided.

    :param most: elements of one IN.
    """
    fixed = tuple(shipment.term for _, shipment in shipped if not shipment.divided)
    for condition, shipment in shipped:
        if shipment.divided:
            left = room - sum(map(length, fixed))
            return [(*fixed, part) for part in _parts(condition, left, most)]
    return [fixed]


def _parts(condition: Condition, room: int, most: int) -> Iterable[str]:
    """The list divided into parts that are as large as possible."""
    test = condition.column.filter
    values = list(condition.value)
    while test is not None and values:
        count = min(most, len(values))
        part = bbql.any_of(test.field, values[:count]) or ""
        while length(part) > room and count > 1:
            count -= 1
            part = bbql.any_of(test.field, values[:count]) or ""
        yield part
        del values[:count]


def spread_parameter(
    conditions: Iterable[Condition],
    selected: Iterable[tuple[str, str]],
    room: int,
    most: int,
) -> tuple[Condition, tuple[Condition, ...]] | None:
    """A list on a column that has its own query parameter, which takes one value.

    There is a request for each of its values, whose conditions come with the list's.

    :param selected: the parameters that have a value already.
    :param most: values of a list.
    """
    taken = {name for name, _ in selected}
    for condition in conditions:
        is_list = condition.op == "in" and len(condition.value) <= most
        if is_list and condition.column.query not in taken:
            each = tuple(Condition(condition.column, "=", v) for v in condition.value)
            if all(one.value and _fits(one, room) for one in each):
                return condition, each
    return None


def as_parameter(condition: Condition | None) -> tuple[tuple[str, str], ...]:
    """The query parameter of an equality condition; none without one."""
    parameter = condition and condition.column.query
    if condition is None or not parameter:
        return ()
    return ((parameter, path_text(condition.value)),)


def _fits(condition: Condition, room: int) -> bool:
    return all(length(f"{name}={value}") <= room for name, value in as_parameter(condition))


def query_parameters(
    conditions: Iterable[Condition], room: int
) -> tuple[tuple[tuple[str, str], ...], list[Condition]]:
    """Equality conditions on columns that have their own query parameter, as far as they fit."""
    pairs: dict[str, str] = {}
    chosen: list[Condition] = []
    for condition in conditions:
        if condition.op != "=" or not condition.value or condition.column.query in pairs:
            continue
        for name, value in as_parameter(condition):
            needed = length(f"{name}={value}")
            if needed <= room:
                room -= needed
                pairs[name] = value
                chosen.append(condition)
    return tuple(pairs.items()), chosen
