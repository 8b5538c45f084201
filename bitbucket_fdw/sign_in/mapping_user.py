"""Whose user mapping is used: the role, and whether the server's owner vouches for the mapping."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MappingUser:
    """Who a mapping is for.

    :param role: the role it was looked up for; ``None`` if that is not known.
    :param mapped: false if it is certain that there is no mapping.
    :param trusted: only whoever owns the server can have written the mapping: it is the one for
        ``PUBLIC``, or for a role that has the owner's rights.
    """

    role: str | None = None
    mapped: bool = True
    trusted: bool = False
