"""The requests of the last hour, which Bitbucket bounds, over all sessions of a credential.

Bitbucket counts the requests of the last hour for each credential and each group of resources (the
API's "Rate limits" page). Which plan has which limit is not known for certain, and most answers do
not tell. So requests are counted in any case, and nothing is refused unless the limit is known: by
server option ``rate_limit``, or by the header ``X-RateLimit-Limit`` of an answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ..between_sessions.hour import HourFiles, Used
from ..errors import HourUsedUp
from .exchange import Settings
from .notes import Notes

_FILES = re.compile(r"/repositories/[^/]+/[^/]+/src(/|$)")
_GROUP = re.compile(r"/([a-z_]{1,30})(?:/|$)")


def group_of(path: str, is_text: bool = False) -> str:
    """The group of resources that a request counts for: the beginning of its path, as the limits
    page tells them apart. Texts below src are a group of their own there ("raw files").

    :param path: below ``base_url``.
    :param is_text: whether it asks for a text as it is.
    """
    if is_text and _FILES.match(path):
        return "files"
    found = _GROUP.match(path)
    return found[1] if found else "other"


class Hour:
    """What one client knows of its credential's hour. Used by all threads.

    :param identity: the credential's digest.
    :param notes: where it is said that requests are not counted.
    """

    def __init__(self, settings: Settings, identity: str, notes: Notes) -> None:
        self._limit = settings.rate_limit
        self._notes = notes
        self._told: dict[str, int] = {}
        directory = HourFiles.default_directory()
        self._files = (
            None if directory is None else HourFiles(directory, settings.base_url, identity)
        )

    def count(self, path: str, is_text: bool) -> None:
        """Count a request that goes out now. No request fails for it."""
        if self._files is None:
            return
        try:
            self._files.add(group_of(path, is_text))
        except OSError as error:
            self._files = None
            self._notes.add(
                "this session does not count its requests",
                detail=f"The directory for the counts cannot be used: {error.strerror}.",
                hint="The environment variable BITBUCKET_FDW_REQUESTS of the PostgreSQL server "
                "names another one. bitbucket.rate_limit tells too little meanwhile.",
            )

    def hear(self, path: str, headers: Mapping[str, str], is_text: bool) -> None:
        """Be told of the headers of an answer."""
        said = headers.get("X-RateLimit-Limit", "")
        # Of 0 nothing could be asked any more, not even whether it is still so.
        if said.isascii() and said.isdigit() and len(said) < 10 and int(said):
            self._told[group_of(path, is_text)] = int(said)

    def limit(self, group: str) -> int | None:
        """How many requests an hour are answered; ``None`` if that is not known."""
        return self._limit or self._told.get(group)

    def used(self) -> dict[str, Used]:
        """What was used of each group. Raises :class:`OSError`."""
        return {} if self._files is None else self._files.used()

    def shown(self) -> list[dict[str, Any]]:
        """Rows of ``bitbucket.rate_limit``. Raises :class:`OSError`."""
        rows = []
        for group, used in sorted(self.used().items()):
            limit = self.limit(group)
            rows.append(
                {
                    "resources": group,
                    "used": used.requests,
                    "hourly_limit": limit,
                    "remaining": None if limit is None else max(limit - used.requests, 0),
                    "frees_at": used.frees_at,
                }
            )
        return rows

    def lacking(self, count: int, path: str) -> HourUsedUp | None:
        """The error for so many more requests, if it is known that the hour has not as many left.

        :param path: of one of them.
        """
        group = group_of(path)
        limit = self.limit(group)
        if limit is None:
            return None
        try:
            used = self.used().get(group)
        except OSError:
            return None
        made = 0 if used is None else used.requests
        if made + count <= limit:
            return None
        return HourUsedUp(
            f"this scan would take {count} request{'s' * (count != 1)}, and "
            f"{max(limit - made, 0)} of the hour's {limit} are left",
            detail=f"All sessions have made {made} request{'s' * (made != 1)} for {group} within "
            "an hour with this credential.",
            hint="bitbucket.rate_limit tells from when there are more. Ask for fewer rows, give "
            "each application a credential of its own, or have server option on_rate_limit 'wait' "
            "wait. Server option rate_limit '0' lifts the limit here, but not Bitbucket's.",
            frees_at=None if used is None or count > limit else used.frees_at,
        )
