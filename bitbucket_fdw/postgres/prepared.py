"""The text of a statement that ``PREPARE`` made, while ``EXECUTE`` runs it.

The client's text is then ``EXECUTE name (…)``. The backend keeps what was prepared by its name,
with its text, in structures that are read here as ``src/include/commands/prepare.h`` and
``src/include/utils/plancache.h`` lay them out; a mark at the beginning of the second tells that it
is the right place.
"""

from __future__ import annotations

import ctypes
import re

from .backend import function

_EXECUTE = re.compile(
    r"\bexecute\s+(?:\"(?P<quoted>(?:[^\"]|\"\")+)\"|(?P<plain>[^\W\d][\w$]*))", re.IGNORECASE
)
_NAME_SIZE = 64  # NAMEDATALEN
_MAGIC = 195726186  # CACHEDPLANSOURCE_MAGIC
_POINTER = ctypes.sizeof(ctypes.c_void_p)


class _PreparedStatement(ctypes.Structure):
    _fields_ = (("name", ctypes.c_char * _NAME_SIZE), ("source", ctypes.c_void_p))


_fetch = function(
    "FetchPreparedStatement",
    ctypes.POINTER(_PreparedStatement),
    ctypes.c_char_p,
    ctypes.c_bool,
    absent=None,
)
_setting = function(
    "GetConfigOption", ctypes.c_char_p, ctypes.c_char_p, ctypes.c_bool, ctypes.c_bool, absent=None
)


def prepared_text(statement: str) -> str:
    """The text of the statement that ``statement`` has executed; empty if there is none."""
    match = _EXECUTE.search(statement)
    if match is None:
        return ""
    quoted, plain = match["quoted"], match["plain"]
    name = quoted.replace('""', '"') if quoted else plain.lower()
    return _text_of(name.encode()[: _NAME_SIZE - 1])


def _text_of(name: bytes) -> str:
    found = _fetch(name, False)
    if not found or found.contents.name != name or not found.contents.source:
        return ""
    source = found.contents.source
    if ctypes.c_int.from_address(source).value != _MAGIC:
        return ""
    # Behind the mark there is one parse tree, and 18 has another.
    trees = 2 if int(_setting(b"server_version_num", True, False) or 0) >= 180000 else 1
    text = ctypes.c_char_p.from_address(source + (1 + trees) * _POINTER).value
    return (text or b"").decode("utf-8", "replace")
