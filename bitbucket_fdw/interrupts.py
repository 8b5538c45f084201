"""Whether PostgreSQL wants the statement to stop, asked without jumping out of Python.

``CHECK_FOR_INTERRUPTS`` leaves by ``longjmp``, through live Python frames. Reading the backend's
own flags (``src/include/miscadmin.h``) is safe anywhere: the caller raises a Python exception, all
frames unwind, and the host turns it into an error.
"""

from __future__ import annotations

import ctypes


def _flag(name: str) -> ctypes.c_int | None:
    try:
        return ctypes.c_int.in_dll(ctypes.CDLL(None), name)  # sig_atomic_t
    except ValueError:  # not inside a PostgreSQL backend
        return None


_CANCEL = _flag("QueryCancelPending")
_DIE = _flag("ProcDiePending")


def pending() -> bool:
    """Whether a cancel (by a user or statement_timeout) or a shutdown of the session waits."""
    return cancelled() or (_DIE is not None and bool(_DIE.value))


def cancelled() -> bool:
    """Whether a cancel waits. A session that is being shut down still takes back its changes."""
    return _CANCEL is not None and bool(_CANCEL.value)
