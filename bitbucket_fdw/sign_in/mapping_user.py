"""Whose user mapping the wrapper acts by: the role, and whether its word is the server owner's."""

from __future__ import annotations

from dataclasses import dataclass


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
