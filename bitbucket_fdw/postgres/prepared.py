"""The text of a statement that ``PREPARE`` made, while ``EXECUTE`` runs it.

The client's text is then only ``EXECUTE name (…)``. The backend stores prepared statements under
their names, in structures that ``src/include/commands/prepare.h`` and
``src/include/utils/plancache.h`` define. They are read here from memory. The second structure
begins with a magic number, which is checked before anything else of it is read.
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
    """The text of the prepared statement that ``statement`` executes; empty if it executes none."""
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
    # Between the magic number and the text there is one pointer to a parse tree, since 18 two.
    trees = 2 if int(_setting(b"server_version_num", True, False) or 0) >= 180000 else 1
    text = ctypes.c_char_p.from_address(source + (1 + trees) * _POINTER).value
    return (text or b"").decode("utf-8", "replace")
