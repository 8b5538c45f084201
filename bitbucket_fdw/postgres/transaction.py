"""The backend's transaction. All functions must be called on the backend's main thread."""

from __future__ import annotations

import ctypes

from .backend import function

# bool IsTransactionBlock(void), src/include/access/xact.h
_is_block = function("IsTransactionBlock", ctypes.c_bool, absent=False)


def in_block() -> bool:
    """Whether the client has begun a transaction block, in which no procedure may COMMIT."""
    return bool(_is_block())
