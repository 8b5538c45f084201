"""Conditions as parts of a query string: BBQL terms, and parameters that select by equality."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from urllib.parse import quote

from . import bbql
from .conditions import Condition
from .request import Request
from .shippable import Shipment, ship

MAX_LIST = 50  # elements of one IN; more are spread over several requests
# Characters of one q as it stands in an address. Bitbucket's limit is not documented; servers
# commonly take 8,000 for all of it, and "fields" may need half of that.
MAX_QUERY = 3500


def shipments_of(
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
    if not request.may_filter(condition.column):
        return None
    shipment = ship(condition)
    if shipment is None or condition.op != "in" or len(condition.value) <= MAX_LIST:
        return shipment
    # A long list of numbers or UUIDs is spread over requests; a long list of texts is not, since
    # two spellings of one value could then bring the same row twice.
    return shipment if condition.column.type in ("bigint", "integer", "uuid") else None


def spread_over_requests(shipped: list[tuple[Condition, Shipment]]) -> list[tuple[str, ...]]:
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


def query_parameters(
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
