"""Messages in the database's encoding.

A host turns messages into the database's encoding. Where that has no place for a character,
Multicorn2 reports a UnicodeEncodeError in the message's stead, and the cause is lost.
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
    """The text for a message: without what is not to be seen, and not endless.

    In ASCII with escapes if the database is in another encoding than UTF8.
    """
    if text is None:
        return None
    text = shortened(visible(text), _LONGEST)
    return whole_characters(text) if _is_utf8() else to_ascii(text)


def to_ascii(text: str) -> str:
    """The text in ASCII."""
    return text.replace("…", "...").encode("ascii", "backslashreplace").decode("ascii")
