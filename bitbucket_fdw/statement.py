"""The text of the statement the client sent, as far as the backend tells.

Some things that hosts do not tell can only be read there:

- whether a statement has RETURNING: in mode ``commit`` the values that Bitbucket makes are not
  there yet, and NULL in their place would be wrong, so that such a statement has to be refused;
- whether it uses whole rows, as in ``row_to_json(t)``: Multicorn2 names no column for these, so
  that they would come out as NULLs.

``debug_query_string`` (``src/include/tcop/tcopprot.h``) is the client's text; inside a
function it is the caller's.
"""

from __future__ import annotations

import ctypes
import re

# RETURNING outside of quotes, dollar quotes and comments.
_SKIPPED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
_RETURNING = re.compile(r"\breturning\b", re.IGNORECASE)


_WRITING = re.compile(r"\b(?:insert|update|delete|merge|call|do|execute)\b", re.IGNORECASE)
# Functions that commonly take a whole row. A column may be their argument just as well: then more
# is read than needed, which is only slower.
_WHOLE_ROWS = re.compile(
    r"\b(?:row_to_json|to_jsonb?|jsonb?_agg|array_agg|hstore|jsonb?_populate_record)\s*\(",
    re.IGNORECASE,
)
_ROLLBACK = re.compile(r"\s*(?:rollback|abort)(?:\s+(?:work|transaction))?\s*;?\s*", re.IGNORECASE)


def text() -> str:
    """The client's statement, empty outside of a backend."""
    try:
        pointer = ctypes.c_char_p.in_dll(ctypes.CDLL(None), "debug_query_string")
    except ValueError:
        return ""
    return (pointer.value or b"").decode("utf-8", "replace")


def may_use_whole_rows(statement: str) -> bool:
    """Whether a statement calls a function that may be given whole rows."""
    return bool(_WHOLE_ROWS.search(statement))


def may_write(statement: str) -> bool:
    """Whether a statement may change rows: then what it reads must not come from a cache.

    A change within a function that a SELECT calls is not seen.
    """
    return not statement or bool(_WRITING.search(_SKIPPED.sub(" ", statement)))


def is_rollback(statement: str) -> bool:
    """Whether a statement ends the whole transaction by taking it back."""
    return bool(_ROLLBACK.fullmatch(statement))


def has_returning(statement: str) -> bool:
    """Whether a statement's own text has a RETURNING clause."""
    return bool(_RETURNING.search(_SKIPPED.sub(" ", statement)))
