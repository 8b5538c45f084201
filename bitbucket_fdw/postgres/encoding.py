"""Messages in the database's encoding.

A host converts messages to the database's encoding. If that encoding lacks a character, Multicorn2
reports a UnicodeEncodeError instead of the message, and the cause is lost.
"""

from __future__ import annotations

import ctypes
import functools
from typing import overload

from ..plain_text import shortened, visible, whole_characters
from .backend import function

_LONGEST = 20_000  # characters; a transaction's list of changes may be long


@functools.cache
def _is_utf8() -> bool:
    name = function("GetDatabaseEncodingName", ctypes.c_char_p, absent=b"UTF8")
    return bool(name() == b"UTF8")


@overload
def sayable(text: str) -> str: ...


@overload
def sayable(text: None) -> None: ...


def sayable(text: str | None) -> str | None:
    """The text as a message may contain it: without control characters, and of limited length.

    If the database's encoding is not UTF8, the text is in ASCII with escapes.
    """
    if text is None:
        return None
    text = shortened(visible(text), _LONGEST)
    return whole_characters(text) if _is_utf8() else to_ascii(text)


def to_ascii(text: str) -> str:
    """The text in ASCII."""
    return text.replace("…", "...").encode("ascii", "backslashreplace").decode("ascii")
