"""The values of PostgreSQL's settings, by their names."""

from __future__ import annotations

import ctypes

from .backend import function

# const char *GetConfigOption(name, missing_ok, restrict_privileged), src/include/utils/guc.h
_setting = function(
    "GetConfigOption", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_bool, ctypes.c_bool
)


def setting(name: str) -> str:
    """A setting's present value; empty if it is not set, or outside of a backend."""
    return (_setting(name.encode(), True, False) or b"").decode("utf-8", "replace")
