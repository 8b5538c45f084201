"""What EXPLAIN says about a plan."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Protocol

from ..pushdown.conditions import Qual
from ..pushdown.describe import texts
from ..pushdown.plan import Kind, Plan
from ..tables.columns import Column
from ..tables.types import Comparison
from . import costs
from .costs import Guess
from .unknown_values import is_placeholder, shown

Bounds = Callable[[Plan, float], tuple[float, float]]
"""A function as :data:`Guess`, which tells the least and the most that the number can be."""

LOCAL_SHARE = 0.3  # a guess of the rows that meet a condition which is not sent
UNKNOWN = "?"
"""What hosts show for a text, or for what is handed over as text, that only the execution knows."""


def with_samples(quals: Iterable[Qual], columns: Mapping[str, Column]) -> Iterator[Qual]:
    """The conditions, with some value that the column can have in place of one that is not known.

    Without it, EXPLAIN would say that nothing can match, or that there is no condition at all.
    """
    for qual in quals:
        sample = _sample(columns.get(qual.field_name))
        if sample is not None and qual.value == UNKNOWN:
            yield qual._replace(value=sample)
        elif sample is not None and qual.value == [UNKNOWN]:
            yield qual._replace(value=[sample])
        else:
            yield qual


def _sample(column: Column | None) -> Any:
    """A value for a column that cannot have every text; ``None`` for any other column."""
    if column is None:
        return None
    is_uuid = column.data_type.comparison is Comparison.IDENTITY
    return str(column.data_type.sample) if is_uuid else column.pattern and column.sample


class Taken(Protocol):
    """What scans have taken; ``waited`` in seconds."""

    requests: int
    repeats: int
    cached: int
    bytes: int
    kept: int
    waited: float


def taken(sums: Taken | None, timing: bool = True) -> list[str]:
    """Lines for EXPLAIN (ANALYZE): what the scans of one node of the plan took.

    :param sums: ``None`` if nothing was scanned.
    :param timing: whether times are to be shown, as EXPLAIN's TIMING says.
    """
    if sums is None:
        return ["Requests made: 0"]
    notes = {
        "from the cache": sums.cached,
        "repetition" if sums.repeats == 1 else "repetitions": sums.repeats,
    }
    shown = ", ".join(f"{number} {what}" for what, number in notes.items() if number)
    result = [f"Requests made: {sums.requests}" + (f" ({shown})" if shown else "")]
    if sums.kept:
        result.append(f"Answers kept from before: {sums.kept}")
    result.append(f"Bytes read: {sums.bytes}")
    if timing:
        result.append(f"Waited: {sums.waited * 1000:.0f} ms")
    return result


def lines(
    plan: Plan,
    guess: Guess,
    verbose: bool,
    most: int | None = None,
    wanted: float | None = None,
    bounds: Bounds | None = None,
    single: Plan | None = None,
) -> list[str]:
    """Lines for EXPLAIN: what is sent to Bitbucket, what stays local, how many requests it takes.

    ``fields`` and the other query parameters are shown with VERBOSE. Nothing is requested.

    :param most: the requests that the option ``preview_requests`` allows the scan.
    :param wanted: after how many rows of the result the scan ends, where that is known beside the
        plan's LIMIT.
    :param bounds: by which it is told whether the number of requests is a guess.
    :param single: the plan for one key, where ``plan`` has a list in place of keys that only the
        execution knows.
    """
    if plan.kind is Kind.NOTHING:
        return [f"Bitbucket: no request ({plan.reason})"]
    if plan.kind is Kind.REFUSED:
        return [f"Bitbucket: refused without a condition on {' and '.join(plan.lacking)}"]
    result = []
    if plan.parent is not None:
        parent = plan.parent
        result.append(f"For each of: {_request(parent)}")
        result += [f"  {line}" for line in _details(parent, verbose)]
        if parent.sieve:
            result.append(f"  Only where: {', '.join(texts(parent.sieve))}")
    result.append(f"Bitbucket: {_request(plan)}")
    result += _details(plan, verbose)
    result += _otherwise(plan)
    if plan.local:
        result.append(f"Filtered locally: {', '.join(plan.local)}")
    if plan.sort_here and plan.sort:
        result.append(f"Sorted locally: {plan.sort.column}{' DESC' * plan.sort.descending}")
    if wanted is not None:
        wanted /= LOCAL_SHARE ** len(plan.local)
    counted = plan if single is None else single
    estimated = costs.requests(counted, guess, wanted)
    keys = ""
    if single is not None:
        more = costs.requests(plan, guess, wanted) > estimated
        keys = " for each key" if more else f" for each {costs.MOST_IN_LIST} keys"
    notes = []
    if bounds is not None and _is_guess(counted, bounds, wanted, estimated):
        notes.append("guess")
    if most is not None and estimated > most:
        notes.append(f"preview_requests is {most}")
    noted = f" ({', '.join(notes)})" if notes else ""
    result.append(f"Estimated requests: {estimated}{keys}{noted}")
    return [shown(line) for line in result]


def _is_guess(plan: Plan, bounds: Bounds, wanted: float | None, estimated: int) -> bool:
    """Whether the number of requests may be another one, for want of what was not seen."""
    most = replace(plan, until=None)
    extremes = (
        costs.requests(plan, lambda *asked: bounds(*asked)[0], wanted),
        costs.requests(most, lambda *asked: bounds(*asked)[1], wanted),
    )
    if any(number != estimated for number in extremes):
        return True
    parent = plan.parent
    while parent is not None:
        if parent.sieve:
            return True
        parent = parent.parent
    passes_over = wanted is not None and (plan.local or plan.checks)
    return bool(passes_over) and _is_guess(plan, bounds, None, estimated)


def _otherwise(plan: Plan) -> list[str]:
    """What may be asked for instead, how far, and what more."""
    lines = []
    if plan.parts:
        names = dict.fromkeys(look.column.name for part in plan.parts for look in part.looks)
        lines.append(f"Or only sizes, if fewer: {len(plan.parts)}, by {', '.join(names)}")
    if plan.whole:
        lines.append("Or the whole listing, if fewer requests")
    if plan.until:
        lines.append(f"Read while: {', '.join(texts([plan.until]))}")
    if plan.beside:
        lines.append(f"For each row: GET {plan.table.collection.path}")
    if plan.hydrate:
        lines.append(f"For each row: GET {plan.hydrate}")
    if plan.reach:
        lines.append(
            f"If found: GET {plan.reach.refs}, GET {plan.reach.log} (whether it is listed)"
        )
    return lines


def _request(plan: Plan) -> str:
    collection = plan.table.collection
    path = collection.address if plan.path == collection.path else plan.path
    for binding in plan.bindings:
        if len(binding.values) == 1:
            path = path.replace(f"{{{binding.parameter}}}", str(binding.values[0]))
    counted = " (only its size)" if plan.kind is Kind.COUNT else ""
    return f"GET {path}{counted}"


def _details(plan: Plan, verbose: bool) -> list[str]:
    result = []
    several = [b for b in plan.bindings if len(b.values) > 1]
    for b in several:
        unknown = is_placeholder(b.values[0])
        result.append(f"{b.parameter}: {'each key' if unknown else f'{len(b.values)} values'}")
    for query in plan.queries[: None if verbose else 1]:
        if query.q:
            result.append(f"q: {query.q}")
        shown = ("fields", "sort", "pagelen") if verbose else ("sort",)
        others = [
            f"{name}: {value}"
            for name, value in query.parameters
            if name in shown or (name not in ("fields", "sort", "pagelen"))
        ]
        result += others
    if len(plan.queries) > 1 and not verbose:
        result.append(f"and {len(plan.queries) - 1} more like it")
    return result
