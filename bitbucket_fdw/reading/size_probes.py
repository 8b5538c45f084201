"""Asks for the size of a listing before a plan is chosen that hangs on it.

A plan does not hang on it as long as nothing else could be done. So whoever calls this knows that
there is a choice, that the plan will be run, and that an option asks for it.
"""

from __future__ import annotations

from collections.abc import Callable

from ..api import Answer, Client, ScanContext, whole
from ..errors import BitbucketError, Cancelled
from ..pushdown.plan import Kind, Plan, Query
from .sizes import Sizes

_OF_ROWS = frozenset({"fields", "pagelen", "sort"})


def probe_size(client: Client, begin: Callable[[], ScanContext], sizes: Sizes, plan: Plan) -> None:
    """Learn the size of the listing that a plan begins with, if nothing is known of it.

    At most one request is made for each listing, in the life of ``sizes``. It is made once, without
    a repetition or a wait for the rate limit. Whatever it fails of, the size stays a guess.

    :param begin: begins a scan of one request.
    """
    first = plan
    while first.parent is not None:
        first = first.parent
    path = sizes.begin_probe(first) if _has_size(first) else None
    if path is None or client.hour.lacking(1, path) is not None:
        return
    [query] = first.queries
    asked = tuple(pair for pair in query.parameters if pair[0] not in _OF_ROWS)
    shortest = () if first.table.collection.pagelen is None else (("pagelen", "1"),)
    size_query = Query((*asked, ("fields", "size"), *shortest), query.q)
    scan = begin()
    try:
        url = client.url(client.endpoints.path(first.path, path), size_query.pairs())
        answer, _ = scan.wait(scan.submit(client.probe, url, scan))
        size = _size_of(answer)
        if size is not None:
            sizes.learn_answer(first, path, query, size)
    except Cancelled:
        raise
    except BitbucketError:
        return  # the scan will tell what is wrong
    finally:
        scan.stop()


def _has_size(plan: Plan) -> bool:
    """Whether it is one listing, which tells its size, and of which more than some keys are
    wanted.
    """
    collection = plan.table.collection
    return (
        plan.kind is Kind.COLLECTION
        and collection.size
        and not collection.selects
        and plan.combinations == len(plan.queries) == 1
        and plan.at_most is None
    )


def _size_of(answer: Answer | BitbucketError) -> int | None:
    if not isinstance(answer, Answer) or not isinstance(answer.json, dict):
        return None
    return whole(answer.json.get("size"))
