"""Python 2's names for texts and bytes, which older wrappers import; as Multicorn2 has them."""

from __future__ import annotations

__all__ = ["basestring_", "bytes_", "unicode_"]

unicode_ = str
basestring_ = str


def bytes_(text: str) -> bytes:
    """Encode a text in UTF-8."""
    return text.encode()
