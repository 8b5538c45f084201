"""ISO-8601 times in the forms that Bitbucket Cloud writes them.

Stated (REST introduction, "Standard ISO-8601 timestamps"): times are mostly UTC, sometimes in their
original zone. Seen live: ``Z`` as well as ``+00:00``, 6 or 9 fraction digits, rarely no zone.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

UTC = timezone.utc

_FORM = re.compile(
    r"(\d{4})-(\d{2})-(\d{2})"
    r"(?:T(\d{2}):(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?(Z|[+-]\d{2}:?\d{2})?)?"
)


def offset_form(moment: datetime) -> str:
    """The usual form: ``2024-01-02T03:04:05.123456+00:00`` (no fraction when it is zero)."""
    return moment.isoformat()


def zulu_form(moment: datetime, digits: int = 6) -> str:
    """The form of the pipelines service: ``2024-01-02T03:04:05.123456Z``; 3, 6 or 9 digits."""
    fraction = f"{moment.microsecond:06d}000"[:digits]
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{fraction}Z"


def bare_form(moment: datetime) -> str:
    """The rare form without a zone; it means UTC."""
    return moment.replace(tzinfo=None).isoformat()


@lru_cache(maxsize=65536)
def parse(text: str) -> datetime:
    """Read a time in any of these forms; UTC where no zone is given, digits past the sixth are cut.

    Raises ValueError when ``text`` is not such a time.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError(f"not an ISO-8601 time: {text}")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    return datetime(
        int(year),
        int(month),
        int(day),
        int(hour or 0),
        int(minute or 0),
        int(second or 0),
        int((fraction or "0")[:6].ljust(6, "0")),
        _zone(zone),
    )


def _zone(text: str | None) -> timezone:
    if text is None or text == "Z":
        return UTC
    digits = text[1:].replace(":", "")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if text[0] == "-" else offset)
