"""The text of the statement that the client sent, and what can be told from it.

Multicorn2 does not tell some things about a statement, which are therefore read from its text. (The
bundled host tells them, and is asked instead: see ``capabilities``.) They are:

- whether the statement may change rows: then it must not read from a cache;
- whether it has RETURNING: in mode ``commit`` the values that Bitbucket makes do not exist yet, and
  NULL in their place would be wrong, so that such a statement has to be refused;
- which verbs change a table: what the table does not take is refused before anything is read;
- whether it has ON CONFLICT, which PostgreSQL accepts for foreign tables and then ignores;
- whether it compares texts by another type or collation;
- whether its LIMIT and OFFSET are handed over unchanged: Multicorn2 keeps 32 bits of them, and
  treats a negative one as if there was none;
- whether it relies on the ctid, which is the same for all rows on Multicorn2 (``ctid_uses``);
- whether a scan may end before all of its rows are read, because of EXISTS, a cursor, or a LIMIT
  above conditions that PostgreSQL checks: then a scan is not refused beforehand for the requests
  that it would take if it was read to its end;
- whether a LIMIT wants some of the rows, in whatever order: then a scan is given fewer requests;
- whether it uses whole rows, as in ``row_to_json(t)``: Multicorn2 names no column for these, so
  that their values would be NULL;
- whether it rolls back the whole transaction, and not just to a savepoint;
- whether it is EXPLAIN (ANALYZE): then a plan that is explained was executed before.

The text is the backend's ``debug_query_string`` (``src/include/tcop/tcopprot.h``). While a function
runs, it is the text of the statement that called the function.
"""

from __future__ import annotations

import ctypes
import functools
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Generic, TypeVar

from .backend import function, variable
from .ctid_uses import goes_by_ctid
from .prepared import prepared_text

T = TypeVar("T")

# Texts in quotes, in dollar quotes, and comments.
_SKIPPED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$", re.DOTALL
)
_TOKEN = re.compile(
    r"[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$"
    r"|(?P<name>\"(?:[^\"]|\"\")*\")|(?P<word>[^\W\d][\w$]*)|(?P<mark>[().;])",
    re.DOTALL,
)
_WRITING = re.compile(r"\b(?:insert|update|delete|merge|call|do|execute)\b", re.IGNORECASE)
# Functions that are often given a whole row. If the argument is a column instead, more is read than
# needed, which is only slower.
_WHOLE_ROWS = re.compile(
    r"\b(?:row_to_json|to_jsonb?|jsonb?_agg|array_agg|hstore|jsonb?_populate_record)\s*\(",
    re.IGNORECASE,
)
_LOOSE = re.compile(r"\b(?:citext|collate|bpchar|char(?:acter)?)\b", re.IGNORECASE)
# LIMIT or OFFSET with anything but a number of up to nine digits, which fits 32 bits; or EXECUTE,
# whose statement may have any.
_WIDE_LIMIT = re.compile(
    r"\b(?:limit|offset|fetch\s+(?:first|next))\b(?!\s*\d{1,9}(?![\w.]))|\bexecute\b",
    re.IGNORECASE,
)
_ROLLBACK = re.compile(
    r"\s*(?:rollback|abort)(?:\s+(?:work|transaction))?(?:\s+and(?:\s+no)?\s+chain)?\s*;?\s*",
    re.IGNORECASE,
)
_EXPLAIN_ANALYZE = re.compile(r"(?:^|;)\s*explain\b[^;]*?\banaly[sz]e\b", re.IGNORECASE)
_FETCH = re.compile(r"\s*(?:fetch|move)\b", re.IGNORECASE)
_PARENTHESES = re.compile(r"\([^()]*\)")
# What is certainly a LIMIT: NULL and ALL are none, and an expression may be NULL.
_CERTAINLY_LIMITED = re.compile(
    r"\b(?:limit\s*[\d$]|fetch\s+(?:first|next)\s+(?:[\d$]\d*\s+)?rows?\b)", re.IGNORECASE
)
_EXECUTES = re.compile(r"\s*(?:explain\b.*\b)?execute\b", re.IGNORECASE | re.DOTALL)
_LIMITED = re.compile(
    r"\b(?:limit\s+(?!\s*(?:all|null)\b)|fetch\s+(?:first|next)\b)", re.IGNORECASE
)
_EXISTS = re.compile(r"\bexists\s*\(", re.IGNORECASE)
_ORDER = re.compile(r"\border\s+by\b", re.IGNORECASE)
_READS_ALL = re.compile(
    r"\b(?:order\s+by|group\s+by|having|distinct|intersect|except|union(?!\s+all)|over|filter"
    r"|(?:count|sum|avg|min|max|\w+_agg|bool_and|bool_or|every|stddev\w*|var\w*)\s*\()",
    re.IGNORECASE,
)


_debug_query_string = variable("debug_query_string", ctypes.c_char_p)
_trigger_depth = function("pg_trigger_depth", ctypes.c_int32, ctypes.c_void_p, absent=0)

transaction_start = function("GetCurrentTransactionStartTimestamp", ctypes.c_int64, absent=0)
"""When the transaction began, as PostgreSQL counts time; 0 outside of a backend."""

start = function("GetCurrentStatementStartTimestamp", ctypes.c_int64, absent=0)
"""When the client's statement began, as PostgreSQL counts time; 0 outside of a backend.

Queries in a function belong to the statement that calls the function. The time changes when a
procedure commits, and when a cursor or a client fetches more rows later.
"""


def text() -> str:
    """The text of the client's statement; empty outside of a backend.

    If it is EXECUTE, the text of the prepared statement comes before it.
    """
    own = (_debug_query_string() or b"").decode("utf-8", "replace")
    prepared = prepared_text(own)
    return f"{prepared};\n{own}" if prepared else own


class PerStatement(Generic[T]):
    """A value that is made anew for each statement of the client and for each transaction."""

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._value = make()
        self._of = (0, 0)

    def current(self) -> T:
        """The value of the statement that is running."""
        running = (start(), transaction_start())
        if running != self._of:
            self._of, self._value = running, self._make()
        return self._value


def trigger_depth() -> int:
    """How many triggers deep the present statement runs; 0 outside of a backend.

    This calls PostgreSQL's SQL function ``pg_trigger_depth``, which does not use its argument.
    """
    return int(_trigger_depth(None))


def may_use_whole_rows(statement: str) -> bool:
    """Whether a statement calls a function that may be given whole rows."""
    return bool(_WHOLE_ROWS.search(statement))


def may_compare_loosely(statement: str) -> bool:
    """Whether the statement may compare texts in a way that makes different ones equal."""
    return _LOOSE.search(_SKIPPED.sub(" ", statement)) is not None


def may_limit_widely(statement: str) -> bool:
    """Whether a LIMIT or OFFSET may be negative, or have more than 32 bits."""
    return _WIDE_LIMIT.search(_SKIPPED.sub(" ", statement)) is not None


def may_stop_early(statement: str) -> bool:
    """Whether a statement may end before its scans do: a fetch from a cursor, or a LIMIT.

    False if the text shows something that needs all rows before it gives the first one: an order, a
    group, an aggregate, or a set operation.
    """
    plain = _SKIPPED.sub(" ", statement)
    if _FETCH.match(plain):
        return True
    return bool(_LIMITED.search(plain)) and not _READS_ALL.search(plain)


def limits_rows(statement: str) -> bool:
    """Whether all that a statement reads is under a LIMIT, and nothing makes other rows of it.

    The LIMIT has to be the statement's own, not a subquery's, with a number or a parameter.
    False if that is not certain, or if there are several statements.
    """
    plain = _SKIPPED.sub(" ", statement)
    if _READS_ALL.search(_ORDER.sub(" ", plain)):
        return False
    replaced = 1
    while replaced:
        plain, replaced = _PARENTHESES.subn(" _ ", plain)
    statements = [part for part in plain.split(";") if part.strip()]
    if len(statements) == 2 and _EXECUTES.match(statements[1]):
        del statements[1]  # see text()
    if len(statements) != 1 or re.search("['\"()]", plain):
        return False
    return bool(_CERTAINLY_LIMITED.search(plain))


def has_exists(statement: str) -> bool:
    """Whether a statement has EXISTS.

    A scan for EXISTS needs no columns but those of its conditions. This tells it from other scans
    of the same statement.
    """
    return _EXISTS.search(_SKIPPED.sub(" ", statement)) is not None


def may_write(statement: str) -> bool:
    """Whether a statement may change rows: then what it reads must not come from a cache.

    A change within a function that a SELECT calls is not seen.
    """
    return not statement or bool(_WRITING.search(_SKIPPED.sub(" ", statement)))


def is_rollback(statement: str) -> bool:
    """Whether a statement rolls back the whole transaction."""
    return bool(_ROLLBACK.fullmatch(statement))


def explains_executed(statement: str) -> bool:
    """Whether a statement is EXPLAIN (ANALYZE)."""
    return bool(_EXPLAIN_ANALYZE.search(_SKIPPED.sub(" ", statement)))


class Present:
    """The statement that is running, and what its text says.

    Each question about the text is answered once and remembered: a nested loop scans again for each
    outer row, with the same text, which may be long.
    """

    @functools.cached_property
    def text(self) -> str:
        return text()

    @functools.cached_property
    def may_use_whole_rows(self) -> bool:
        return may_use_whole_rows(self.text)

    @functools.cached_property
    def may_compare_loosely(self) -> bool:
        return may_compare_loosely(self.text)

    @functools.cached_property
    def goes_by_ctid(self) -> bool:
        return goes_by_ctid(self.text)

    @functools.cached_property
    def may_limit_widely(self) -> bool:
        return may_limit_widely(self.text)

    @functools.cached_property
    def may_write(self) -> bool:
        return may_write(self.text)

    @functools.cached_property
    def may_stop_early(self) -> bool:
        return may_stop_early(self.text)

    @functools.cached_property
    def limits_rows(self) -> bool:
        return limits_rows(self.text)

    @functools.cached_property
    def has_exists(self) -> bool:
        return has_exists(self.text)

    @functools.cached_property
    def explains_executed(self) -> bool:
        return explains_executed(self.text)

    @functools.cached_property
    def is_rollback(self) -> bool:
        return is_rollback(self.text)


_present = PerStatement(Present)


def present() -> Present:
    """The statement that is running."""
    return _present.current()


@dataclass
class Change:
    """A change in a statement's text: INSERT, UPDATE or DELETE, its table's name, its clauses."""

    verb: str
    target: str
    returning: bool = False
    on_conflict: bool = False


def changes(statement: str) -> list[Change]:
    """The changes in a statement's own text, also those in WITH, in the order they stand there."""
    tokens = list(_tokens(statement))
    found: list[Change] = []
    # For each open parenthesis, the change whose clauses may follow in it: a query in WITH has its
    # own clauses.
    current: list[Change | None] = [None]
    for at, word in enumerate(tokens):
        following = tokens[at + 1] if at + 1 < len(tokens) else ""
        if word == "(":
            current.append(None)
        elif word == ")" and len(current) > 1:
            current.pop()
        elif word == ";":
            current = [None]
        elif _begins_change(tokens[at - 1] if at else "", word, following):
            began = Change(word.upper(), _target(tokens[at + 1 :]))
            found.append(began)
            current[-1] = began
        change = current[-1]
        if change is not None:
            change.returning |= word == "returning"
            change.on_conflict |= word == "on" and following == "conflict"
    return found


def verbs(statement: str, names: Collection[str]) -> frozenset[str]:
    """What a statement's own text does to tables of these names: INSERT, UPDATE or DELETE."""
    return frozenset(change.verb for change in changes(statement) if change.target in names)


def has_returning(statement: str, names: Collection[str] = ()) -> bool:
    """Whether a change has a RETURNING clause.

    :param names: names of the table. Only its changes count, or all changes if the statement has
        none of a table with these names.
    """
    return any(change.returning for change in _concerning(statement, names))


def has_on_conflict(statement: str, names: Collection[str] = ()) -> bool:
    """Whether an INSERT has an ON CONFLICT clause; ``names`` as above."""
    return any(change.on_conflict for change in _concerning(statement, names))


def _concerning(statement: str, names: Collection[str]) -> list[Change]:
    every = changes(statement)
    return [change for change in every if change.target in names] or every


def _tokens(statement: str) -> list[str]:
    """Words in lower case, names in double quotes as they are, and the punctuation that matters."""
    found = []
    for match in _TOKEN.finditer(statement):
        if match["word"]:
            found.append(match["word"].lower())
        elif match["name"] or match["mark"]:
            found.append(match[0])
    return found


def _begins_change(before: str, word: str, following: str) -> bool:
    if word == "insert":
        return following == "into"
    if word == "delete":
        return following == "from"
    # DO UPDATE SET and FOR [NO KEY] UPDATE begin no change of their own.
    return word == "update" and before not in ("do", "for", "key")


def _target(tokens: list[str]) -> str:
    """The last part of the table's name that follows, without its schema."""
    name = ""
    for at, word in enumerate(tokens):
        if word in ("into", "from", "only", "(", "."):
            continue
        name = word
        if at + 1 == len(tokens) or tokens[at + 1] != ".":
            break
    return name[1:-1].replace('""', '"') if name.startswith('"') else name
