"""Whose user mapping it is, from what the host hands over.

The bundled host tells (``Options.levels``). Multicorn2 does not: there it is the current user,
whose name and superuser's rights the backend tells; whether the mapping is the one for ``PUBLIC``,
and who owns the server, stays unknown.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..postgres.roles import current_role, is_superuser
from ..sign_in.mapping_user import MappingUser


def mapping_user(given: Mapping[str, str]) -> MappingUser:
    """From the options as the host hands them over; on PostgreSQL's own thread."""
    levels = getattr(given, "levels", None)
    if levels is not None:
        trusted = levels.is_public or levels.owns_server
        return MappingUser(levels.user, levels.user_mapping is not None, trusted)
    return MappingUser(current_role(), trusted=is_superuser())
