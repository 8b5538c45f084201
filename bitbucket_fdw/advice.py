"""What a table's declaration adds to an error: scopes that are wanted, endpoints that are gone."""

from __future__ import annotations

from .errors import BitbucketError, NotFound, RequestError
from .tables import Table


def advised(error: BitbucketError, table: type[Table] | None) -> BitbucketError:
    """The error, with a detail or a hint of the table's; also for a table that is not known yet."""
    if table is None or not isinstance(error, RequestError):
        return error
    if table.removed and error.status in (404, 410):
        error.detail = " ".join(filter(None, (error.detail, table.removed)))
        if isinstance(error, NotFound):
            error.hint = (
                "The repository has no issue tracker, or the endpoint is gone. Import with "
                "OPTIONS (issues 'never') to leave these tables out."
            )
    if error.status == 403 and error.method == "GET":
        wanted = " or ".join(", ".join(s) for s in (table.scopes.classic, table.scopes.granular))
        error.hint = f"{error.hint or ''} Reading {table.name} takes {wanted}.".strip()
    return error
