"""The foreign data wrapper behind the functions of schema ``bitbucket``."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from typing import Any

from multicorn import ForeignDataWrapper

from .. import options
from ..api import ScanContext
from ..api.scan import Workers
from ..connection import settings_of
from ..errors import OptionError
from ..postgres import interrupts, roles
from ..reading.execution import Row
from ..sql_functions import dispatch
from .backend_state import STATE, begin_session
from .mapping_user import mapping_user
from .reports import reporting


class ServiceFdw(ForeignDataWrapper):  # type: ignore[misc, unused-ignore]
    """A service behind one of the extension's functions; see ``services``.

    It acts when a scan of it is executed, never while one is planned or explained.
    """

    @reporting
    def __init__(self, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> None:
        super().__init__(dict(fdw_options), dict(fdw_columns))
        begin_session()
        self._values = options.parse(fdw_options, options.SERVER, options.TABLE, options.MAPPING)
        self._user = mapping_user(fdw_options)
        self._service = dispatch.find(self._values["service"])

    def get_rel_size(self, quals: list[Any], columns: Iterable[str]) -> tuple[int, int]:
        return 10, 100

    def explain(self, *_: Any, **__: Any) -> list[str]:
        return [f"Bitbucket: service {self._service}"]

    @reporting
    def execute(self, quals: list[Any], columns: Iterable[str], *_: Any, **__: Any) -> list[Row]:
        given = [q.value for q in quals if (q.field_name, q.operator) == ("argument", "=")]
        if len(given) != 1 or given[0] is None:
            raise OptionError(
                f"service {self._service} takes one argument",
                hint="It is meant to be used by the functions of schema bitbucket.",
            )
        settings = settings_of(self._values)
        workers = Workers(1)
        clients, renewals = STATE.clients, STATE.clients.shared.renewals
        scan = ScanContext(
            workers,
            settings.max_requests,
            interrupts.pending,
            renewals=renewals,
            about=self._service,
            asker=roles.current_id(),
        )
        connect = functools.partial(clients.client_for, settings)
        call = dispatch.Call(self._values, self._user, connect, renewals, scan)
        try:
            results = scan.wait(scan.submit(dispatch.run, self._service, call, given[0]))
        finally:
            scan.stop()
            workers.abandon()
        return [{"argument": given[0], "result": result} for result in results]
