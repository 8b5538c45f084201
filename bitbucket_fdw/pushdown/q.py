"""Conditions as parts of a query string: BBQL terms, and parameters that select by equality."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from . import bbql
from .conditions import Condition
from .request import Request
from .request_line import length
from .shippable import Shipment, ship

MAX_LIST = 50  # elements of one IN; more are spread over several requests
_FEWEST = 10  # elements that are worth a request


def shipments_of(
    request: Request, conditions: Iterable[Condition], room: int
) -> list[tuple[Condition, Shipment | None]]:
    """What is shipped of each condition; what would make the address too long stays local.

    One list that is too long for one request is ``divided``: its elements are spread over several.

    :param room: bytes for all of it in an address.
    """
    divided = False
    result = []
    for condition in conditions:
        shipment = _ship(request, condition)
        if shipment is not None:
            needed = length(shipment.term)
            too_many = condition.op == "in" and len(condition.value) > MAX_LIST
            if too_many or (needed > room and _divisible(condition)):
                shipment = replace(shipment, divided=True)
                needed = needed * _FEWEST // len(condition.value)
                # Two of them would take a request for each pair of parts.
                needed = room + 1 if divided else needed
            if needed > room:
                shipment = None
            else:
                room -= needed
                divided = divided or shipment.divided
        result.append((condition, shipment))
    return result


def _ship(request: Request, condition: Condition) -> Shipment | None:
    if not request.may_filter(condition.column):
        return None
    shipment = ship(condition)
    if shipment is None or condition.op != "in" or len(condition.value) <= MAX_LIST:
        return shipment
    return shipment if _divisible(condition) else None


def _divisible(condition: Condition) -> bool:
    """Whether a list can be spread over requests."""
    is_list = condition.op == "in" and len(condition.value) > _FEWEST
    return is_list and condition.column.data_type.spread


def spread_over_requests(
    shipped: list[tuple[Condition, Shipment]], room: int
) -> list[tuple[str, ...]]:
    """The BBQL terms of each request: one request unless a list is too long for it."""
    fixed = tuple(shipment.term for _, shipment in shipped if not shipment.divided)
    for condition, shipment in shipped:
        if shipment.divided:
            left = room - sum(map(length, fixed))
            return [(*fixed, part) for part in _parts(condition, left)]
    return [fixed]


def _parts(condition: Condition, room: int) -> Iterable[str]:
    """The list in parts that are as large as they can be."""
    test = condition.column.filter
    values = list(condition.value)
    while test is not None and values:
        count = min(MAX_LIST, len(values))
        part = bbql.any_of(test.field, values[:count]) or ""
        while length(part) > room and count > 1:
            count -= 1
            part = bbql.any_of(test.field, values[:count]) or ""
        yield part
        del values[:count]


def query_parameters(
    conditions: Iterable[Condition], room: int
) -> tuple[tuple[tuple[str, str], ...], list[Condition]]:
    """Equality conditions on columns that have a query parameter of their own, as far as there is
    room for them.
    """
    chosen: dict[str, Condition] = {}
    for condition in conditions:
        parameter = condition.column.query
        if parameter and condition.op == "=" and condition.value and parameter not in chosen:
            needed = length(f"{parameter}={condition.value}")
            if needed <= room:
                room -= needed
                chosen[parameter] = condition
    pairs = tuple((name, str(condition.value)) for name, condition in chosen.items())
    return pairs, list(chosen.values())
