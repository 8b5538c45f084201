"""Text from elsewhere, made fit to be shown: what a server says may be meant for a terminal.

Escape sequences move a cursor or rename a window, bidirectional controls have a line read in
another order than it is written, and what has no width hides a word from whoever looks for it.
PostgreSQL passes all of them on to clients and logs.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format (bidirectional ones among them), line and paragraph separators.
_UNSEEN = frozenset({"Cc", "Cf", "Zl", "Zp"})
_KEPT = "\n\t"
_SURROGATE = re.compile("[\ud800-\udfff]")


def visible(text: str) -> str:
    """The text without characters that are obeyed rather than shown, but for line ends and tabs."""
    if text.isprintable():
        return text
    return "".join(c for c in text if c in _KEPT or unicodedata.category(c) not in _UNSEEN)


def shortened(text: str, longest: int) -> str:
    """The text, or as much of its beginning as there is room for, an ellipsis behind it."""
    return text if len(text) <= longest else text[: longest - 1] + "…"


def whole_characters(text: str) -> str:
    """The text with U+FFFD for lone surrogates: halves of characters, which JSON can hold."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return _SURROGATE.sub("\ufffd", text)
    return text
