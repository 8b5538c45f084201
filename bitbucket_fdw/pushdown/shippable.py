"""Whether a condition may be shipped to Bitbucket, and as what.

PostgreSQL rechecks every condition on the rows it gets. Shipping a *wider* test is therefore safe;
a *narrower* one would silently lose rows. Each rule below argues why it is not narrower.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from ..tables.columns import Filter
from ..tables.types import Comparison
from . import bbql
from .conditions import Condition

# PostgreSQL rounds Bitbucket's up to nine fraction digits to six, and Bitbucket may compare at a
# coarser grain than it shows, so that every bound on a time is moved outward by this much.
TIME_SLACK = timedelta(milliseconds=1)

_EQUALITY = ("=", "in")

# ILIKE compares small letters. Of all letters beyond ASCII these alone have a small form within it,
# or the other way round: the Kelvin sign (U+212A), and in some locales the i with and without a dot
# (U+0130, U+0131). How Bitbucket folds them is not documented.
_FOLDED_BEYOND_ASCII = frozenset("iIkK")


@dataclass(frozen=True, slots=True)
class Shipment:
    """A BBQL term that holds for at least the rows the condition holds for.

    ``exact`` states that it holds for no others. A list is ``divided`` if each request takes a
    part of it.
    """

    term: str
    exact: bool = False
    divided: bool = False


def ship(condition: Condition) -> Shipment | None:
    """The widest safe BBQL test for a condition, or ``None`` to leave it to PostgreSQL."""
    test = condition.column.filter
    if test is None:
        return None
    if condition.op == "is null":
        return Shipment(f"({test.absent})") if test.absent else None
    if condition.op == "is not null":
        # Bitbucket may store "" or a default where it shows null, so that "!= null" is not known
        # to be as wide as NOT NULL.
        return None
    rule = _RULES.get(condition.column.data_type.comparison)
    return rule(test, condition) if rule else None


def _number(test: Filter, condition: Condition) -> Shipment | None:
    # Numbers and booleans compare alike on both sides, and a missing one matches no comparison
    # there either, except perhaps for "!=", which makes that one wider.
    if condition.op == "in":
        return _exact(bbql.any_of(test.field, condition.value))
    if condition.op == "not in":
        return None
    term = bbql.comparison(test.field, condition.op, condition.value)
    return _shipment(term, exact=condition.op != "<>")


def _boolean(test: Filter, condition: Condition) -> Shipment | None:
    if condition.op == "=":
        return _exact(bbql.comparison(test.field, "=", condition.value))
    return None


def _uuid(test: Filter, condition: Condition) -> Shipment | None:
    # Greater and less mean nothing at Bitbucket for a UUID.
    if condition.op == "=":
        return _exact(bbql.comparison(test.field, "=", condition.value))
    if condition.op == "in":
        return _exact(bbql.any_of(test.field, condition.value))
    return None


def _time(test: Filter, condition: Condition) -> Shipment | None:
    operator, value = condition.op, condition.value
    slack = TIME_SLACK + condition.slack
    try:
        if operator in (">", ">="):
            return _shipment(bbql.comparison(test.field, ">=", value - slack))
        if operator in ("<", "<="):
            return _shipment(bbql.comparison(test.field, "<=", value + slack))
        if operator == "=" or (operator == "in" and value):
            times = value if operator == "in" else (value,)
            low = bbql.comparison(test.field, ">=", min(times) - slack)
            high = bbql.comparison(test.field, "<=", max(times) + slack)
            return Shipment(f"{low} AND {high}")
    except OverflowError:  # at the ends of the calendar
        return None
    return None


def _text(test: Filter, condition: Condition) -> Shipment | None:
    operator, value = condition.op, condition.value
    if test.values:
        return _closed_set(test, condition)
    # Whether "=" minds letter case at Bitbucket is not documented: if it does, it is exact, if
    # not, it is wider. Its negation would be narrower in that case, and so would order tests
    # under another collation: neither is shipped.
    if operator == "=":
        return _shipment(bbql.comparison(test.field, "=", value))
    if operator == "in":
        return _shipment(bbql.any_of(test.field, value))
    if operator in ("~~", "~~*"):
        piece = literal_piece(value, ascii_only=operator == "~~*")
        return _shipment(bbql.contains(test.field, piece)) if piece else None
    return None


def _closed_set(test: Filter, condition: Condition) -> Shipment | None:
    # All values of the set differ beyond letter case, so that equality is exact. A value outside
    # it might be refused by Bitbucket, or be a new one that we do not know yet: left alone.
    if condition.op in _EQUALITY:
        wanted = condition.value if condition.op == "in" else (condition.value,)
        if wanted and all(value in test.values for value in wanted):
            return _exact(bbql.any_of(test.field, wanted))
    if condition.op == "<>" and condition.value in test.values:
        return _shipment(bbql.comparison(test.field, "<>", condition.value))
    return None


def literal_piece(pattern: str, *, ascii_only: bool) -> str | None:
    """The longest stretch of a LIKE pattern that every match contains.

    ``~`` asks for it letter case aside, which is as wide as LIKE or wider. For ILIKE only ASCII
    is used, since how other letters fold depends on the database's locale, and of ASCII not the
    letters that one beyond it may fold to. Quotes and backslashes end a stretch, because BBQL has
    no documented way to write them, and so does a capital sigma, whose small letter depends on
    what follows it.
    """
    pieces = [""]
    characters = iter(pattern)
    for character in characters:
        if character == "\\":
            character = next(characters, "")
            special = False
        else:
            special = character in "%_"
        if (
            special
            or character in '"\\\u03a3'
            or ord(character) < 32
            or (ascii_only and (not character.isascii() or character in _FOLDED_BEYOND_ASCII))
        ):
            pieces.append("")
        else:
            pieces[-1] += character
    return max((piece.strip() for piece in pieces), key=len) or None


def _shipment(term: str | None, exact: bool = False) -> Shipment | None:
    return None if term is None else Shipment(term, exact)


def _exact(term: str | None) -> Shipment | None:
    return _shipment(term, exact=True)


_RULES = {
    Comparison.NUMBER: _number,
    Comparison.FLAG: _boolean,
    Comparison.IDENTITY: _uuid,
    Comparison.TIME: _time,
    Comparison.TEXT: _text,
}
