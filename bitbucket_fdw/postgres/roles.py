"""The role that the backend acts for. All functions must be called on the backend's main thread."""

from __future__ import annotations

import ctypes

from .backend import function

_current_user = function("GetUserId", ctypes.c_uint, absent=0)
_name_of = function("GetUserNameFromId", ctypes.c_char_p, ctypes.c_uint, ctypes.c_bool)
_is_superuser = function("superuser", ctypes.c_bool, absent=False)


def current_id() -> int:
    """The current user's OID; 0 outside of a backend."""
    return int(_current_user())


def current_role() -> str | None:
    """The current user's name; ``None`` outside of a backend."""
    name = _name_of(_current_user(), True)
    return None if name is None else name.decode(errors="surrogateescape")


def is_current(role: str | None) -> bool:
    """Whether it is the current user's name, as far as names can be compared.

    A name that is not known counts as the current user's, and so does one where the database's
    encoding has other bytes for it than UTF-8.
    """
    current = current_role()
    if role is None or current is None:
        return True
    return role == current or any("\udc80" <= letter <= "\udcff" for letter in current)


def is_superuser() -> bool:
    """Whether the current user is a superuser; false outside of a backend."""
    return bool(_is_superuser())
