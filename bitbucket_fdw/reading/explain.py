"""What EXPLAIN says about a plan."""

from __future__ import annotations

from ..pushdown.describe import texts
from ..pushdown.plan import Kind, Plan
from . import costs
from .costs import Guess


def lines(plan: Plan, guess: Guess, verbose: bool) -> list[str]:
    """Lines for EXPLAIN: what is sent to Bitbucket, what stays local, how many requests it takes.

    ``fields`` and the other query parameters are shown with VERBOSE. Nothing is requested.
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
    if plan.hydrate:
        result.append(f"For each row: GET {plan.hydrate}")
    if plan.reach:
        result.append(
            f"If found: GET {plan.reach.refs}, GET {plan.reach.log} (whether it is listed)"
        )
    if plan.local:
        result.append(f"Filtered locally: {', '.join(plan.local)}")
    if plan.sort_here and plan.sort:
        result.append(f"Sorted locally: {plan.sort.column}{' DESC' * plan.sort.descending}")
    result.append(f"Estimated requests: {costs.requests(plan, guess)}")
    return result


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
    result += [f"{b.parameter}: {len(b.values)} values" for b in several]
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
