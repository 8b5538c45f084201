"""How conditions are written in Bitbucket's query language (BBQL).

This module only writes. Whether a condition may be sent at all is decided in ``shippable``. Source:
the API's "Filtering and sorting" page. It does not document how to escape a quote or a backslash in
a string, so that strings with either of them are not written.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import datetime, timezone
from typing import Any

_OPERATORS = {"=": "=", "<>": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">="}


def literal(value: Any) -> str | None:
    """A value as BBQL writes it, or ``None`` if there is no safe way to write it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, uuid.UUID):
        return f'"{{{value}}}"'
    if isinstance(value, datetime):
        utc = value.astimezone(timezone.utc)
        # strftime does not pad years before 1000.
        return utc.strftime("%Y-%m-%dT%H:%M:%S.%f+00:00").rjust(32, "0")
    if isinstance(value, str) and _quotable(value):
        return f'"{value}"'
    return None


def _quotable(text: str) -> bool:
    return not any(character in '"\\' or ord(character) < 32 for character in text)


def comparison(field: str, operator: str, value: Any) -> str | None:
    """``field operator value``; ``None`` if the value cannot be written safely.

    :param operator: PostgreSQL's name of the operator.
    """
    written = literal(value)
    return None if written is None else f"{field} {_OPERATORS[operator]} {written}"


def contains(field: str, text: str) -> str | None:
    """The test that ``field`` contains the text, in any letter case."""
    written = literal(text)
    return None if written is None else f"{field} ~ {written}"


def any_of(field: str, values: Iterable[Any]) -> str | None:
    """The test that ``field`` is one of the values; ``None`` if one cannot be written safely."""
    written = [literal(value) for value in values]
    known = [text for text in written if text is not None]
    if len(known) != len(written):
        return None
    if len(known) == 1:
        return f"{field} = {known[0]}"
    return f"{field} IN ({', '.join(known)})"


def conjunction(terms: Iterable[str]) -> str:
    """All terms joined by AND. A term that contains OR must already be in parentheses."""
    return " AND ".join(terms)
