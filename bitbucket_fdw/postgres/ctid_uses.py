"""Whether a statement relies on the ctid of rows, told from its text.

This is for hosts on which all rows of a foreign table have the same ctid. Only to show the ctid
does no harm, and drivers do so with every query: ``SELECT id, ctid FROM t``. Every other use would
take all rows for the one that was meant: a condition, a join, DISTINCT or GROUP BY, a subquery
whose rows are searched, a table that is made from the rows.

The text does not tell which table a ctid belongs to, so that the ctid of a local table counts as
well. The text is only examined for statements that read a foreign table, and a wrong guess the
other way would change rows that nobody meant. The text of views and functions is not seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"(?P<skipped>\s+|--[^\n]*|/\*.*?\*/)"
    r"|(?P<literal>[eE]'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|(?P<tag>\$\w*\$).*?(?P=tag))"
    r"|(?P<name>\"(?:[^\"]|\"\")*\")|(?P<word>[^\W\d][\w$]*)|(?P<mark>.)",
    re.DOTALL,
)
_LITERAL = "''"
_CTID = '"ctid"'  # the token for ctid, with or without quotes in the statement
_VERBS = ("select", "insert", "update", "delete", "values", "table", "merge")
_BEFORE_VERB = ("explain", "prepare", "declare", "with", *_VERBS)
# Words that end a select list, and words that compare its rows with one another.
_AFTER_LIST = ("from", "where", "order", "limit", "offset", "fetch", "for", "window", "having")
_UNITING = ("distinct", "group", "union", "intersect", "except", "into")

Tokens = list[tuple[str, int]]
"""Words in lower case, names in double quotes, and punctuation; each with its parenthesis depth."""


def goes_by_ctid(statement: str) -> bool:
    """Whether the statement uses a ctid for more than to show it."""
    if "ctid" not in statement.lower():
        return False
    return any(map(_goes_by_ctid, _statements(statement)))


def _statements(text: str) -> Iterator[Tokens]:
    """The tokens of each of a text's statements."""
    tokens: Tokens = []
    depth = 0
    for part in _tokens(text):
        if part == ";" and depth == 0:
            yield tokens
            tokens = []
            continue
        depth -= part in (")", "]")
        tokens.append((part, depth))
        depth += part in ("(", "[")
    yield tokens


def _tokens(text: str) -> Iterator[str]:
    for match in _TOKEN.finditer(text):
        if match["literal"]:
            yield _LITERAL
        elif match["word"]:
            word = match["word"].lower()
            yield _CTID if word == "ctid" else word
        elif not match["skipped"]:
            yield match[0]


def _goes_by_ctid(tokens: Tokens) -> bool:
    if tokens and tokens[0][0] == "do":
        return True  # the body of DO is a text, whose statements are not looked at here
    mentions = {
        at
        for at, (token, _) in enumerate(tokens)
        if token == _CTID and (at == 0 or tokens[at - 1][0] != "as")
    }
    return bool(mentions - _shown(tokens))


def _shown(tokens: Tokens) -> set[int]:
    """The positions of ctids that are items of the list of what the statement returns."""
    outer = {token for token, depth in tokens if depth == 0}
    start = next((at for at, pair in enumerate(tokens) if pair[0] in _VERBS and pair[1] == 0), None)
    if start is None or tokens[0][0] not in _BEFORE_VERB or outer.intersection(_UNITING[:-1]):
        return set()
    verb = tokens[start][0]
    if verb == "select" and "into" not in outer:
        end = _next(tokens, start, _AFTER_LIST)
        return _items(tokens, start + 1, end)
    if verb in ("insert", "update", "delete"):
        return _items(tokens, _next(tokens, start, ("returning",)) + 1, len(tokens))
    return set()


def _next(tokens: Tokens, start: int, words: tuple[str, ...]) -> int:
    found = (at for at in range(start, len(tokens)) if tokens[at] in [(w, 0) for w in words])
    return next(found, len(tokens))


def _items(tokens: Tokens, start: int, end: int) -> set[int]:
    """The positions of ctids that are list items by themselves.

    Such an item stands between commas, and may have a table's name, a cast and a label.
    """
    found: set[int] = set()
    item: list[int] = []
    for at in range(start, end + 1):
        if at < end and tokens[at] != (",", 0):
            item.append(at)
            continue
        if all(_is_plain(*tokens[part]) for part in item):
            found.update(part for part in item if tokens[part][0] == _CTID)
        item = []
    return found


def _is_plain(token: str, depth: int) -> bool:
    return depth == 0 and (token in (".", ":") or token[0] in '"_' or token[0].isalpha())
