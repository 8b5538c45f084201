"""What the PostgreSQL backend around this interpreter exports, and hosts do not hand over.

Names are looked up once, when a module is loaded. Outside of a backend, or in one of a version
without that name, there is a stand-in.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

# The functions need the interpreter's lock, which PyDLL does not let go of.
_program = ctypes.PyDLL(None)


def function(
    name: str, result: Any = None, *arguments: Any, absent: Any = None
) -> Callable[..., Any]:
    """A function, to be called on the main thread only; without it, one that gives ``absent``."""
    try:
        found = getattr(_program, name)
    except AttributeError:
        return lambda *_: absent
    found.restype, found.argtypes = result, arguments
    return found  # type: ignore[no-any-return]


def variable(name: str, kind: Any) -> Callable[[], Any]:
    """A function that gives a global variable's present value, ``None`` if there is no such one."""
    try:
        found = kind.in_dll(_program, name)
    except ValueError:
        return lambda: None
    return lambda: found.value
