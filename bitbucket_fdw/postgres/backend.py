"""Functions and variables of the PostgreSQL backend that this Python runs in, through ctypes.

Names are looked up once, when a module is loaded. A stand-in takes the place of a name that does
not exist: outside of a backend, or in a version of PostgreSQL without it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

# PyDLL, unlike CDLL, holds Python's global interpreter lock during a call. So no other Python
# thread runs while PostgreSQL does.
_program = ctypes.PyDLL(None)


def function(
    name: str, result: Any = None, *arguments: Any, absent: Any = None
) -> Callable[..., Any]:
    """The backend's function of that name; it must be called on the main thread only.

    Where the backend has none, a function that returns ``absent``.
    """
    try:
        found = getattr(_program, name)
    except AttributeError:
        return lambda *_: absent
    found.restype, found.argtypes = result, arguments
    return found  # type: ignore[no-any-return]


def storage(name: str, kind: Any) -> Any:
    """A global variable itself, whose ``value`` can be set; ``None`` if there is none."""
    try:
        return kind.in_dll(_program, name)
    except ValueError:
        return None


def variable(name: str, kind: Any) -> Callable[[], Any]:
    """A function that returns the present value of a global variable; ``None`` if there is none."""
    found = storage(name, kind)
    return lambda: None if found is None else found.value


_is_child = variable("IsUnderPostmaster", ctypes.c_bool)


def is_postmaster() -> bool:
    """Whether this is the process that sessions are copies of, and not a session."""
    return _is_child() is False
