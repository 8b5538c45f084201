"""Whether PostgreSQL wants the statement to stop, asked without jumping out of Python.

``CHECK_FOR_INTERRUPTS`` leaves by ``longjmp``, through live Python frames. Reading the backend's
own flags (``src/include/miscadmin.h``) is safe anywhere: the caller raises a Python exception, all
frames unwind, and the host turns it into an error. What must not wait for that is served here.
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
"""Whether a cancel waits. A session that is being shut down still takes back its changes."""

_ends = _flag("ProcDiePending")
_is_too_late = _flag("TransactionTimeoutPending")  # since 17
_is_lost = _flag("ClientConnectionLost")
_should_look_for_client = _flag("CheckClientConnectionPending")
_is_waited_for = _flag("ProcSignalBarrierPending")
_has_client = function("pq_check_connection", ctypes.c_bool, absent=True)
_pass_barrier = function("ProcessProcSignalBarrier")
_on_exit = function("on_proc_exit", None, ctypes.c_void_p, ctypes.c_size_t)


def pending() -> bool:
    """Whether the statement should stop: by a cancel, a time-out, the session's end, or since
    nobody is there any more to hear its result. To be asked on the backend's main thread only.
    """
    if _is_waited_for():
        # DROP DATABASE and the like wait until every backend has closed its files.
        _pass_barrier()
    if cancelled() or _ends() or _is_too_late() or _is_lost():
        return True
    # PostgreSQL itself looks once and sets its timer again when it gets to it; until then the flag
    # stays, and each look here is a look at the socket.
    return _should_look_for_client() and not _has_client()


_at_exit: list[Any] = []  # what PostgreSQL has a pointer to must never be collected


def before_exit(last: Callable[[], None]) -> None:
    """Have ``last`` called on the main thread when the backend ends. It must not raise."""
    called = ctypes.CFUNCTYPE(None, ctypes.c_int, ctypes.c_size_t)(lambda *_: last())
    _at_exit.append(called)
    _on_exit(ctypes.cast(called, ctypes.c_void_p), 0)
