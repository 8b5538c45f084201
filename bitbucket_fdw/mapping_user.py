"""Whose user mapping the wrapper acts by: the role, and whether its word is the server owner's.

The bundled host tells (``Options.levels``). Multicorn2 does not: there it is the current user,
whose name and superuser's rights the backend tells; whether the mapping is the one for ``PUBLIC``,
and who owns the server, stays unknown.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping
from dataclasses import dataclass

from .backend import function

_current_user = function("GetUserId", ctypes.c_uint, absent=0)
_name_of = function("GetUserNameFromId", ctypes.c_char_p, ctypes.c_uint, ctypes.c_bool)
_is_superuser = function("superuser", ctypes.c_bool, absent=False)


@dataclass(frozen=True, slots=True)
class MappingUser:
    """Who a mapping is for.

    :param role: the role it was looked up for; ``None`` if that is not known.
    :param mapped: false if there certainly is no mapping.
    :param trusted: only whoever owns the server can have written the mapping: it is the one for
        ``PUBLIC``, or for a role that has the owner's rights.
    """

    role: str | None = None
    mapped: bool = True
    trusted: bool = False


def mapping_user(given: Mapping[str, str]) -> MappingUser:
    """From the options as the host hands them over; on PostgreSQL's own thread."""
    levels = getattr(given, "levels", None)
    if levels is not None:
        trusted = levels.is_public or levels.owns_server
        return MappingUser(levels.user, levels.user_mapping is not None, trusted)
    name = _name_of(_current_user(), True)
    role = None if name is None else name.decode(errors="surrogateescape")
    return MappingUser(role, trusted=bool(_is_superuser()))
