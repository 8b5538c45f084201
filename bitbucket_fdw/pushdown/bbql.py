"""How conditions are written in Bitbucket's query language (BBQL).

Writing only: whether a condition may be shipped at all is decided in ``shippable``. Source: the
API's "Filtering and sorting" page. How a quote or backslash inside a string is escaped is not
documented, so that strings with either have no literal here.
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
    """``field operator value`` with PostgreSQL's operator name; ``None`` without a literal."""
    written = literal(value)
    return None if written is None else f"{field} {_OPERATORS[operator]} {written}"


def contains(field: str, text: str) -> str | None:
    """``field`` contains the text, letter case aside."""
    written = literal(text)
    return None if written is None else f"{field} ~ {written}"


def any_of(field: str, values: Iterable[Any]) -> str | None:
    """``field`` is one of the values; ``None`` if one of them has no literal."""
    written = [literal(value) for value in values]
    known = [text for text in written if text is not None]
    if len(known) != len(written):
        return None
    if len(known) == 1:
        return f"{field} = {known[0]}"
    return f"{field} IN ({', '.join(known)})"


def conjunction(terms: Iterable[str]) -> str:
    """All terms joined by AND; a term with an OR of its own brings its own parentheses."""
    return " AND ".join(terms)
