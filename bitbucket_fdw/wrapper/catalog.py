"""The foreign data wrapper behind ``bitbucket.tables`` and its kin."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from multicorn import ForeignDataWrapper

from ..api import Made
from ..api.credentials import redact
from ..postgres import roles, transaction
from ..postgres.encoding import sayable
from ..reference import catalog
from .backend_state import STATE
from .foreign_table import BitbucketFdw
from .reports import reporting

TRANSACTION = "transaction"  # a table of one row, about the transaction that reads it
REQUESTS = "requests"  # those that the session has made
_MADE_AT_ONCE = (TRANSACTION, REQUESTS)


class CatalogFdw(ForeignDataWrapper):  # type: ignore[misc, unused-ignore]
    """The table declarations, for the extension's ``bitbucket.tables``; nothing is requested.

    The rows come from this package and not from the extension's script, so that they are those of
    the version in use.
    """

    @reporting
    def __init__(self, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> None:
        super().__init__(dict(fdw_options), dict(fdw_columns))
        self._table = fdw_options.get("table", "")
        # Rows that are made for the question asked have no ctid of their own.
        self.gives_ctid = self._table not in (catalog.OPTION_CHECKS, *_MADE_AT_ONCE)
        rows = () if self._table in _MADE_AT_ONCE else catalog.rows(self._table)
        self._rows = [{**row, "ctid": f"({number},1)"} for number, row in enumerate(rows, 1)]

    @classmethod
    def validate_options(cls, given: Mapping[str, str], level: str) -> None:
        """Take the catalog's own tables, and whatever :class:`BitbucketFdw` takes.

        A host is not told the server that a table is of, and refuses what no class takes.
        """
        if level != "table" or given.get("table") not in (*catalog.NAMES, *_MADE_AT_ONCE):
            BitbucketFdw.validate_options(given, level)

    def get_rel_size(self, quals: list[Any], columns: Iterable[str]) -> tuple[int, int]:
        # The host's own guess, a hundred million rows, would have every query compiled by JIT.
        return len(self._rows), 100

    def execute(self, quals: list[Any], *_: Any, **__: Any) -> Iterator[Mapping[str, Any]]:
        """Every row, whatever is asked: PostgreSQL filters them."""
        if self._table == catalog.OPTION_CHECKS:
            asked = {q.field_name: q.value for q in quals if q.operator == "="}
            return catalog.option_faults(asked.get("level"), asked.get("options"))
        if self._table == TRANSACTION:
            return iter([{"in_block": transaction.in_block()}])
        if self._table == REQUESTS:
            return _session_requests()
        return iter(self._rows)


def _session_requests() -> Iterator[Mapping[str, Any]]:
    """What the session has asked, as far as it was asked by the current user.

    A function with the rights of its owner may have asked what its caller must not know.
    """
    user, sees_all = roles.current_id(), roles.is_superuser()
    secrets = STATE.clients.secrets_in_use()

    def may_see(made: Made) -> bool:
        return sees_all or made.asker == user

    return STATE.requests.rows(may_see, lambda text: sayable(redact(text, secrets)))
