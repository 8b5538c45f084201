"""Lines in PostgreSQL's log alone, which hosts give wrappers no way to write.

A line is reported as the server's C code does it (``src/include/utils/elog.h``), so that it goes to
wherever the log goes, with the prefix that ``log_line_prefix`` asks for. The level never raises an
error. But the report ends with a look at interrupts, which could leave by ``longjmp`` across
running Python functions. So these are held back meanwhile.
"""

from __future__ import annotations

import ctypes

from .backend import function, storage

_LOG_SERVER_ONLY = 16  # never sent to the client

_begin = function("errstart", ctypes.c_bool, ctypes.c_int, ctypes.c_char_p, absent=False)
_message = function("errmsg_internal", ctypes.c_int, ctypes.c_char_p)
_hide_statement = function("errhidestmt", ctypes.c_int, ctypes.c_bool)
_hide_context = function("errhidecontext", ctypes.c_int, ctypes.c_bool)
_end = function("errfinish", None, ctypes.c_char_p, ctypes.c_int, ctypes.c_char_p)


def write(line: str) -> None:
    """Write a line to the log; on the main thread only.

    :param line: fit for the database's encoding.
    """
    held = storage("InterruptHoldoffCount", ctypes.c_uint32)
    if held is None:
        return
    held.value += 1
    try:
        if _begin(_LOG_SERVER_ONLY, None):
            # The message is a format, in which a % would mean something.
            _message(line.replace("%", "%%").encode())
            _hide_statement(True)
            _hide_context(True)
            _end(__file__.encode(), 0, b"write")
    finally:
        held.value -= 1
