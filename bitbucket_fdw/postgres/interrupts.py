"""Whether PostgreSQL wants the statement to stop.

PostgreSQL's own ``CHECK_FOR_INTERRUPTS`` cannot be used, because it leaves by ``longjmp`` across
running Python functions. Instead the backend's flags are read (``src/include/miscadmin.h``), which
is safe anywhere. If one is set, the caller raises a Python exception, and the host turns it into
PostgreSQL's error. One kind of interrupt must be served while the statement goes on: a barrier that
other backends wait for. :func:`pending` serves it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

from .backend import function, variable


def _flag(name: str) -> Callable[[], bool]:
    value = variable(name, ctypes.c_int)  # sig_atomic_t
    return lambda: bool(value())


cancelled = _flag("QueryCancelPending")
"""Whether the statement was cancelled.

The end of a session is not a cancel, so that a session that is shut down still takes back its
changes.
"""

_ends = _flag("ProcDiePending")
_is_too_late = _flag("TransactionTimeoutPending")  # since 17
_is_lost = _flag("ClientConnectionLost")
_should_look_for_client = _flag("CheckClientConnectionPending")
_is_waited_for = _flag("ProcSignalBarrierPending")
_has_client = function("pq_check_connection", ctypes.c_bool, absent=True)
_pass_barrier = function("ProcessProcSignalBarrier")
_on_exit = function("on_proc_exit", None, ctypes.c_void_p, ctypes.c_size_t)


def pending() -> bool:
    """Whether the statement should stop: because of a cancel, a time-out, the end of the session,
    or because the client is gone. It must be called on the backend's main thread only.
    """
    if _is_waited_for():
        # DROP DATABASE and the like wait until every backend has closed its files.
        _pass_barrier()
    if cancelled() or _ends() or _is_too_late() or _is_lost():
        return True
    # A timer of PostgreSQL sets this flag (client_connection_check_interval). Only PostgreSQL's own
    # check clears it, so that until then each call here looks at the socket.
    return _should_look_for_client() and not _has_client()


_at_exit: list[Any] = []  # PostgreSQL has pointers to these, so that they must never be collected


def before_exit(last: Callable[[], None]) -> None:
    """Have ``last`` called on the main thread when the backend ends. It must not raise."""
    called = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_size_t)(lambda *_: last())
    _at_exit.append(called)
    _on_exit(ctypes.cast(called, ctypes.c_void_p), 0)
