"""Whether a condition may be sent to Bitbucket, and in which form.

PostgreSQL checks every condition again on the rows it gets. So it is safe to send a *wider* test,
which lets more rows through. A *narrower* one would lose rows without an error. Each rule below
says why its test is not narrower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from ..tables.columns import Filter
from ..tables.types import Comparison
from . import bbql
from .conditions import Condition

# Bitbucket's times have up to nine fraction digits, which PostgreSQL rounds to six. And Bitbucket
# may compare with fewer digits than it shows. So every bound on a time is moved outward by this.
TIME_SLACK = timedelta(milliseconds=1)

_EQUALITY = ("=", "in")

# ILIKE compares letters in lower case. These letters of ASCII are the lower or upper case of a
# letter outside of ASCII: the Kelvin sign (U+212A), and in some locales the I with a dot (U+0130)
# and the i without one (U+0131). It is not documented how Bitbucket folds those.
_FOLDED_BEYOND_ASCII = frozenset("iIkK")


@dataclass(frozen=True, slots=True)
class Shipment:
    """A BBQL term that is true for every row that meets the condition.

    ``exact`` says that it is true for no other rows. ``divided`` says that each request takes a
    part of the condition's list.
    """

    term: str
    exact: bool = False
    divided: bool = False


def ship(condition: Condition) -> Shipment | None:
    """The widest safe BBQL test for a condition, or ``None`` to leave it to PostgreSQL."""
    test = condition.column.filter
    if test is None or (test.equality and condition.op not in _EQUALITY):
        return None
    if test.of_list:
        return _of_list(test, condition)
    if condition.op == "is null":
        return Shipment(f"({test.absent})") if test.absent else None
    if condition.op == "is not null":
        # Bitbucket may show null where it stores "" or a default, and the other way round. So
        # "!= null" may be narrower than IS NOT NULL.
        return None
    rule = _RULES.get(condition.column.data_type.comparison)
    return rule(test, condition) if rule else None


def ship_narrower(condition: Condition) -> str | None:
    """A BBQL term that is true for no row but those that meet the condition; ``None`` if no useful
    one is known.

    With it, sizes tell how many rows meet a condition: as many as meet this term, if as many meet
    the wider one.
    """
    shipment, test = ship(condition), condition.column.filter
    if shipment is None or test is None or test.of_list:
        return None
    if shipment.exact:
        return shipment.term
    if condition.column.data_type.comparison is not Comparison.TIME:
        return None
    # What is true of the slack outward is true of it inward: see TIME_SLACK.
    slack = TIME_SLACK + condition.slack
    try:
        if condition.op in (">", ">="):
            return bbql.comparison(test.field, ">=", condition.value + slack)
        if condition.op in ("<", "<="):
            return bbql.comparison(test.field, "<=", condition.value - slack)
    except OverflowError:  # at the ends of the calendar
        return None
    return None


def _of_list(test: Filter, condition: Condition) -> Shipment | None:
    # The term holds for an item if it does for any element of its list, and the item is kept with
    # all of its elements. So equality is wider. "!=" would drop an item because of one element.
    rule = _RULES.get(condition.column.data_type.comparison)
    if rule is None or condition.op not in _EQUALITY:
        return None
    found = rule(test, condition)
    return replace(found, exact=False) if found else None


def _number(test: Filter, condition: Condition) -> Shipment | None:
    # Numbers and booleans compare the same way in PostgreSQL and at Bitbucket. A missing value
    # matches no comparison at Bitbucket either, except perhaps "!=", which is then wider.
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
    # Bitbucket has no order of UUIDs.
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
    # It is not documented whether "=" distinguishes letter case at Bitbucket. If it does, it is
    # exact; if not, it is wider. "!=" would be narrower in the second case, and so would "<" and
    # ">" with another collation. So these are not sent.
    if operator == "=":
        return _shipment(bbql.comparison(test.field, "=", value))
    if operator == "in":
        return _shipment(bbql.any_of(test.field, value))
    if operator in ("~~", "~~*"):
        piece = literal_piece(value, ascii_only=operator == "~~*")
        return _shipment(bbql.contains(test.field, piece)) if piece else None
    return None


def _closed_set(test: Filter, condition: Condition) -> Shipment | None:
    # All values of the set differ in more than letter case, so that equality is exact. A value that
    # is not in the set is not sent: Bitbucket might refuse it, or it might be a new one.
    if condition.op in _EQUALITY:
        given = condition.value if condition.op == "in" else (condition.value,)
        # No row has a value in other letter case, so that a list without it is as wide.
        wanted = tuple(v for v in given if condition.column.respelled(v) is None)
        if wanted and all(value in test.values for value in wanted):
            return _exact(bbql.any_of(test.field, wanted))
    if condition.op == "<>" and condition.value in test.values:
        return _shipment(bbql.comparison(test.field, "<>", condition.value))
    return None


def literal_piece(pattern: str, *, ascii_only: bool) -> str | None:
    """The longest stretch of a LIKE pattern that every match contains.

    BBQL's ``~`` ignores letter case, so that it is as wide as LIKE or wider. For ILIKE only ASCII
    is used, since the database's locale decides how other letters fold; and of ASCII not the
    letters that other letters may fold to. A quote or a backslash ends a stretch, because BBQL has
    no documented way to write it. So does a capital sigma, whose lower case depends on what
    follows.
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
