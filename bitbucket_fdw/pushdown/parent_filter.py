"""Conditions that are checked on a parent's rows before anything is asked for their children.

PostgreSQL checks the children's rows again, so that a parent may be kept in doubt. It may be
dropped only if PostgreSQL would certainly drop all of its children, in every locale and collation.
Each rule below says why that is so. Conditions without a rule are ignored.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

from ..tables.types import Comparison
from .conditions import Condition

Test = Callable[[Any], bool]

_ORDERED: dict[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

# The part of regular expressions that means the same in PostgreSQL and in Python, for texts in
# ASCII: characters, simple sets, alternatives, anchors, and a few quantifiers after a single
# character. Without quantified groups, matching cannot take long.
_ATOM = (
    r"(?:[A-Za-z0-9_ .-]|\\[-.+*?()\[\]{}|^$\\]"
    r"|\[\^?(?:[a-z]-[a-z]|[A-Z]-[A-Z]|[0-9]-[0-9]|[A-Za-z0-9_.])+-?\])"
)
_COMMON = re.compile(rf"(?:{_ATOM}[*+?]?|[()|^$])*")
_QUANTIFIED = re.compile(r"(?<!\\)[*+?]")
_MOST_QUANTIFIERS = 3


def sieve_of(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """The conditions that can be tested here. Equality is not one: it goes into the requests."""
    return tuple(
        condition
        for condition in conditions
        if condition.op not in ("=", "in") and _test(condition) is not None
    )


def passes(row: Mapping[str, Any], conditions: Iterable[Condition]) -> bool:
    """Whether a row's children may meet the conditions. True if a value is not known."""
    return all(may_meet(row.get(condition.column.name), condition) for condition in conditions)


def may_meet(value: Any, condition: Condition) -> bool:
    """Whether a value may meet a condition. True if there is no rule for the condition."""
    test = _test(condition)
    if value is None or test is None:
        return True
    typed = condition.column.data_type.condition(value)
    return typed is None or test(typed)


def _test(condition: Condition) -> Test | None:
    rule = _RULES.get(condition.column.data_type.comparison)
    return rule(condition) if rule else None


def _unequal(condition: Condition) -> Test | None:
    """The test for ``<>`` and NOT IN.

    Equality of numbers and UUIDs is the same everywhere. Texts that are equal here are also equal
    in every collation and type. So what is dropped here for being equal, PostgreSQL drops as well.
    """
    wanted = condition.value
    if condition.op == "<>":
        return lambda value: bool(value != wanted)
    if condition.op == "not in":
        return lambda value: value not in wanted
    return None


def _number(condition: Condition) -> Test | None:
    compare = _ORDERED.get(condition.op)
    if compare is None:
        return _unequal(condition)
    return lambda value: compare(value, condition.value)


def _text(condition: Condition) -> Test | None:
    """Patterns are only tried on texts in ASCII, which are the same in every encoding."""
    if condition.op in ("~~", "!~~", "~~*"):
        pattern = like_pattern(condition.value, fold=condition.op == "~~*")
        if pattern is None:
            return None
        if condition.op == "~~*":
            # Some locales fold "I" to another letter than "i". They match less than this test.
            return lambda value: not value.isascii() or matches_like(value.lower(), pattern)
        wanted = condition.op == "~~"
        return lambda value: not value.isascii() or matches_like(value, pattern) is wanted
    if condition.op in ("~", "!~"):
        expression = _expression(condition.value)
        if expression is None:
            return None
        found = condition.op == "~"
        return lambda value: not value.isascii() or (expression.search(value) is not None) is found
    return _unequal(condition)


@lru_cache(maxsize=64)
def like_pattern(text: str, *, fold: bool) -> tuple[str | None, ...] | None:
    """The characters of a LIKE pattern, with ``None`` for ``%`` and ``""`` for ``_``.

    Returns ``None`` for a pattern that PostgreSQL refuses, or that cannot be folded here.
    """
    if fold and not text.isascii():
        return None
    tokens: list[str | None] = []
    characters = iter(text.lower() if fold else text)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                return None
            tokens.append(escaped)
        else:
            tokens.append({"%": None, "_": ""}.get(character, character))
    return tuple(tokens)


def matches_like(value: str, tokens: tuple[str | None, ...]) -> bool:
    """Whether a text matches a pattern of :func:`like_pattern`."""
    at = token = 0
    star, resumed = -1, 0  # the position of the last "%", and the end of what it matches
    while at < len(value):
        if token < len(tokens) and tokens[token] is None:
            star, resumed = token, at
            token += 1
        elif token < len(tokens) and tokens[token] in ("", value[at]):
            at += 1
            token += 1
        elif star >= 0:
            resumed += 1
            at, token = resumed, star + 1
        else:
            return False
    return all(rest is None for rest in tokens[token:])


@lru_cache(maxsize=64)
def _expression(text: str) -> re.Pattern[str] | None:
    if not _COMMON.fullmatch(text) or len(_QUANTIFIED.findall(text)) > _MOST_QUANTIFIERS:
        return None
    # In Python, "$" also matches before a line break at the end of the text; r"\Z" does not.
    python = re.sub(r"(\\.|\[[^\]]*\])|\$", lambda m: m.group(1) or r"\Z", text)
    try:
        return re.compile(python, re.ASCII | re.DOTALL)
    except re.error:
        return None


_RULES: dict[Comparison, Callable[[Condition], Test | None]] = {
    Comparison.NUMBER: _number,
    Comparison.IDENTITY: _unequal,
    Comparison.TEXT: _text,
}
