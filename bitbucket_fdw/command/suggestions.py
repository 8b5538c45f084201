"""Names in messages: the one that was probably meant, and of many only some."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches

SHOWN = 5


def perhaps(name: str, known: Collection[str]) -> str | None:
    """The known name that is most like a wrong one, capitals aside; None if none is like it."""
    lower = {other.lower(): other for other in known}
    close = get_close_matches(name.lower(), lower, n=1)
    return lower[close[0]] if close else None


def some(names: Collection[str]) -> str:
    """The first of the names in order, and how many others there are."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:SHOWN])
    others = len(ordered) - SHOWN
    return f"{shown} and {others} more" if others > 0 else shown


def instead_of(wrong: Collection[str], known: Collection[str]) -> str:
    """A sentence with the names that may have been meant; with some known ones if none is like."""
    meant = [found for name in wrong if (found := perhaps(name, known)) is not None]
    if meant:
        return f"Perhaps you meant {', '.join(dict.fromkeys(meant))}."
    return f"There are: {some(known)}." if known else ""
