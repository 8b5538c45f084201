"""Bitbucket's query language: ``q`` parsed with a grammar and compiled to a predicate.

Stated (REST introduction, "Filter and sort API objects"): operators, literals, dotted paths, and
``= null`` for absence. Assumed, since no text settles it: a quote or backslash in a string is
escaped with a backslash; ``!=``, ``!~`` and ``NOT IN`` hold for absent values; a list of objects
matches when one of its members does; text is ordered by code point; a literal of another type
than its field is an error. Whether ``=`` on text minds case is a setting, because nobody knows.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from lark import Lark, Token, Transformer
from lark.exceptions import UnexpectedInput, VisitError

from bitbucket_fdw.emulator import times
from bitbucket_fdw.emulator.errors import Json, bad_request

Kind = Literal["text", "number", "boolean", "datetime", "rank", "named", "object"]
Predicate = Callable[[Json], bool]


@dataclass(frozen=True)
class Field:
    """A field that ``q`` can filter on and ``sort`` can sort on.

    :param kind: how values compare. ``rank`` is text with an order of its own. ``named`` is a
        nested object that equals the text of its ``name`` (stated by the example
        ``component = "UI"``). ``object`` is one that can only be compared with null (stated by the
        example ``assignee = null``).
    :param path: the names that lead to the value in the document.
    :param ranks: the values of a ``rank``, lowest first.
    :param sortable: whether a listing can be sorted on it.
    """

    kind: Kind
    path: tuple[str, ...]
    ranks: tuple[str, ...] = ()
    sortable: bool = True

    def values(self, document: Json) -> Iterator[Any]:
        """Every value that the path reaches; None where it leads nowhere."""
        return _reach(document, self.path)

    def first(self, document: Json) -> Any:
        """The first value that the path reaches."""
        return next(self.values(document), None)


Schema = Mapping[str, Field]


@dataclass(frozen=True)
class Dialect:
    """The settings for what is not established about Bitbucket."""

    case_sensitive: bool = True


@dataclass(frozen=True)
class Condition:
    """``field operator literals``; one literal, or a list for IN and NOT IN."""

    field: str
    operator: str
    literals: tuple[Any, ...]


@dataclass(frozen=True)
class Group:
    """Conditions joined by one connective, AND or OR."""

    connective: Literal["and", "or"]
    members: tuple[Any, ...]


class _Builder(Transformer[Token, Any]):
    """Parse tree to :class:`Condition` and :class:`Group`."""

    def start(self, children: list[Any]) -> Any:
        return children[0]

    def disjunction(self, children: list[Any]) -> Group:
        return Group("or", tuple(c for c in children if not isinstance(c, Token)))

    def conjunction(self, children: list[Any]) -> Group:
        return Group("and", tuple(c for c in children if not isinstance(c, Token)))

    def comparison(self, children: list[Any]) -> Condition:
        name, symbol, literal = children
        return Condition(str(name), str(symbol), (literal,))

    def membership(self, children: list[Any]) -> Condition:
        name, *rest = children
        negated = isinstance(rest[0], Token) and rest[0].type == "NOT"
        literals = tuple(item for item in rest if not isinstance(item, Token))
        return Condition(str(name), "not in" if negated else "in", literals)

    def text(self, children: list[Token]) -> str:
        return re.sub(r'\\(["\\])', r"\1", str(children[0])[1:-1])

    def datetime(self, children: list[Token]) -> datetime:
        return times.parse(str(children[0]))

    def number(self, children: list[Token]) -> int | float:
        text = str(children[0])
        return float(text) if "." in text else int(text)

    def true(self, _: list[Token]) -> bool:
        return True

    def false(self, _: list[Token]) -> bool:
        return False

    def null(self, _: list[Token]) -> None:
        return None


@lru_cache(maxsize=1)
def _parser() -> Lark:
    grammar = Path(__file__).with_name("bbql.lark").read_text(encoding="utf-8")
    return Lark(grammar, parser="lalr", maybe_placeholders=False)


def parse(text: str) -> Condition | Group:
    """Parse a ``q`` expression; raises a 400 ApiError when it is not one."""
    try:
        tree: Condition | Group = _Builder().transform(_parser().parse(text))
    except UnexpectedInput as problem:
        raise bad_request(f"Invalid query: unexpected input at {problem.column}") from None
    except VisitError as problem:
        raise bad_request(f"Invalid query: {problem.orig_exc}") from None
    return tree


def compile_query(text: str, schema: Schema, dialect: Dialect) -> Predicate:
    """Make of a query a function that says whether a document meets it.

    :param text: the value of ``q``.
    :param schema: the fields that the listing filters on.
    :param dialect: the settings for what is not established.
    :raises ApiError: 400 for a syntax error, a field that cannot be filtered, or a literal or
        operator that does not fit the field's type.
    """
    return _compile(parse(text), schema, dialect)


def _compile(node: Condition | Group, schema: Schema, dialect: Dialect) -> Predicate:
    if isinstance(node, Condition):
        return _compile_condition(node, schema, dialect)
    members = [_compile(member, schema, dialect) for member in node.members]
    if node.connective == "and":
        return lambda document: all(member(document) for member in members)
    return lambda document: any(member(document) for member in members)


def _compile_condition(node: Condition, schema: Schema, dialect: Dialect) -> Predicate:
    field = schema.get(node.field)
    if field is None:
        raise bad_request(f"Field '{node.field}' does not support filtering")
    test = _test(node, field, dialect)
    return lambda document: any(test(value) for value in field.values(document))


_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def _test(node: Condition, field: Field, dialect: Dialect) -> Callable[[Any], bool]:
    """The test of one value."""
    literals = [_literal(item, field, node, dialect) for item in node.literals]
    read = _reader(field, dialect)
    symbol = node.operator
    if symbol in ("=", "in"):
        return lambda value: read(value) in literals
    if symbol in ("!=", "not in"):
        return lambda value: read(value) not in literals
    literal = literals[0]
    if literal is None:
        raise bad_request(f"Operator '{symbol}' does not take null (field '{node.field}')")
    if symbol in ("~", "!~"):
        return _containment(node, field)
    compare = _ORDER[symbol]
    if field.kind in ("boolean", "named", "object"):
        raise bad_request(f"Operator '{symbol}' is not supported on field '{node.field}'")

    def ordered(value: Any) -> bool:
        actual = read(value)
        return actual is not None and compare(actual, literal)

    return ordered


def _containment(node: Condition, field: Field) -> Callable[[Any], bool]:
    if field.kind not in ("text", "rank", "named"):
        raise bad_request(f"Operator '{node.operator}' is not supported on field '{node.field}'")
    needle = str(node.literals[0]).lower()
    negated = node.operator == "!~"

    def contains(value: Any) -> bool:
        text = value.get("name") if isinstance(value, dict) else value
        return (text is not None and needle in text.lower()) is not negated

    return contains


def _literal(value: Any, field: Field, node: Condition, dialect: Dialect) -> Any:
    """A literal, checked against the field's type and brought into the form `_reader` gives."""
    if value is None:
        return None
    fits = {
        "text": isinstance(value, str),
        "rank": isinstance(value, str),
        "named": isinstance(value, str),
        "number": isinstance(value, (int, float)) and not isinstance(value, bool),
        "boolean": isinstance(value, bool),
        "datetime": isinstance(value, datetime),
        "object": False,
    }[field.kind]
    if not fits:
        raise bad_request(f"Field '{node.field}' cannot be compared with a {_type_name(value)}")
    if field.kind == "rank":
        if value not in field.ranks:
            raise bad_request(f"'{value}' is not a value of field '{node.field}'")
        return field.ranks.index(value)
    if isinstance(value, str) and not dialect.case_sensitive:
        return value.lower()
    return value


def _reader(field: Field, dialect: Dialect) -> Callable[[Any], Any]:
    """Brings a document's value into the form that literals have."""
    if field.kind == "datetime":
        return lambda value: None if value is None else times.parse(value)
    if field.kind == "rank":
        return lambda value: None if value is None else field.ranks.index(value)
    if field.kind == "named":
        return lambda value: _fold(None if value is None else value.get("name"), dialect)
    if field.kind == "text":
        return lambda value: _fold(value, dialect)
    return lambda value: value


def _fold(value: str | None, dialect: Dialect) -> str | None:
    return value if value is None or dialect.case_sensitive else value.lower()


def _type_name(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, str):
        return "string"
    return "datetime" if isinstance(value, datetime) else "number"


def _reach(value: Any, path: tuple[str, ...]) -> Iterator[Any]:
    for index, name in enumerate(path):
        if isinstance(value, list):
            if not value:
                yield None
            for item in value:
                yield from _reach(item, path[index:])
            return
        if not isinstance(value, dict):
            yield None
            return
        value = value.get(name)
    yield value
