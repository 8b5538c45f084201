"""What a table's declaration adds to an error: scopes that are wanted, endpoints that are gone."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

from ..errors import (
    BitbucketError,
    ConditionMissing,
    Forbidden,
    NotFound,
    RequestError,
    TooManyRequests,
)
from ..tables import Table
from .host import HOST

_LATERAL = (
    "A join hands no values over on this host: use a LATERAL subquery with the condition in it and "
    "OFFSET 0 at its end."
)


def advised(
    error: BitbucketError,
    table: type[Table] | None,
    choosing: tuple[str, ...] = (),
    given: Collection[str] = (),
) -> BitbucketError:
    """The error, with a detail or a hint of the table's; also for a table that is not known yet.

    :param choosing: columns of the table by which a condition chooses what is read.
    :param given: columns for which the scan has values already.
    """
    if isinstance(error, TooManyRequests):
        error.hint = f"{_choose(choosing, given)} {error.hint}"
    if isinstance(error, ConditionMissing) and not HOST.keeps_join_conditions:
        # Multicorn2 is offered no joins by keys: see get_path_keys().
        error.hint = f"{error.hint} {_LATERAL}"
    if table is None or not isinstance(error, RequestError):
        return error
    if table.removed and error.status in (404, 410) and _asks_for(error, table):
        error.detail = " ".join(filter(None, (error.detail, table.removed)))
        if isinstance(error, NotFound):
            # Bitbucket may have said that it is about access to the repository instead.
            first = error.hint if "access" in (error.detail or "") else None
            error.hint = " ".join(filter(None, (first, table.removed_hint)))
    if isinstance(error, Forbidden) and error.method == "GET":
        error.hint = " ".join(_of_forbidden(error, table))
    return error


def _choose(columns: tuple[str, ...], given: Collection[str]) -> str:
    """How to ask for less of a table."""
    if not columns:
        return "Narrow it down in WHERE."
    *first, last = [name for name in columns if name not in given] or columns
    named = f"{', '.join(first)} and {last}" if first else last
    # A LIMIT above a join does not tell how many rows of the other table are wanted.
    by = "a join" if HOST.keeps_join_conditions else "a LATERAL subquery with OFFSET 0, joined"
    few = "with few rows, as of a subquery that has its own LIMIT"
    if given and all(name in given for name in columns):
        return f"Read it for fewer values of {named}: in IN (…), or by {by} {few}."
    return f"Say in WHERE which rows, by a condition on {named}: =, IN (…), or {by} {few}."


def _of_forbidden(error: Forbidden, table: type[Table]) -> Iterator[str]:
    scopes = table.scopes
    if error.by_access_token and not scopes.access_tokens:
        yield f"Access tokens cannot read {table.name}: sign in with an API token, or by OAuth."
    elif error.hint:
        yield error.hint
    wanted = " or ".join(", ".join(named) for named in (scopes.classic, scopes.granular))
    yield f"Reading {table.name} takes {wanted}."
    if table.for_whom and _asks_for(error, table):
        yield f"{table.for_whom} can read it."


def _asks_for(error: RequestError, table: type[Table]) -> bool:
    """Whether the request was the table's own, and not one for what it belongs to."""
    return re.match(re.sub(r"\{\w+\}", "[^/]+", table.collection.path), error.path) is not None
