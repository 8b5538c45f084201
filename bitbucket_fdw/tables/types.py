"""The PostgreSQL types that columns can have, one row per type with all that is known of it.

The functions that a row names are in modules beside this one: :mod:`.json_readers` for the API's
JSON, :mod:`.host_values` for values of conditions and of changed rows, :mod:`.sameness` for telling
whether a value was changed. A new type is a row in :data:`TYPES`, with functions where none fits.
"""

from __future__ import annotations

import enum
import uuid
from collections.abc import Callable
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

from . import host_values as host
from . import json_readers as read
from .sameness import EXACT, ROUNDED_NUMBER, ROUNDED_TIME, STYLED_LENGTH, Sameness


class Comparison(enum.Enum):
    """What comparisons of a type's values mean outside of PostgreSQL.

    It decides which conditions may be sent to Bitbucket (``pushdown.shippable``), which can be
    checked here (``pushdown.local_filter``), and which can drop a parent's row before its children
    are asked for (``pushdown.parent_filter``).
    """

    NUMBER = "whole numbers, which compare alike everywhere"
    FLAG = "true and false"
    IDENTITY = "equality alone has a meaning"
    TIME = "moments, which Bitbucket has with more digits than PostgreSQL"
    TEXT = "texts, whose equality and order depend on the collation"
    LOCAL = "PostgreSQL alone compares: nothing is known of how Bitbucket does"


class DataType(NamedTuple):
    """What is known of one PostgreSQL type.

    :param name: as declarations and CREATE FOREIGN TABLE write it.
    :param same_meaning: the types, by the names that hosts give them, whose comparisons mean the
        same. A column declared as another type can be read, but its conditions stay with
        PostgreSQL: '10' < '9' holds for text.
    :param json: from the JSON of an item to what hosts take; raises ``BadValue``.
    :param loose_json: the same, without checks, for a column that a foreign table shows with
        another type than the declared one.
    :param condition: from the value of a condition to the one to compare with; ``None`` in doubt.
    :param value: from a value of a row, or one that a statement writes, to what is compared and
        sent; raises :class:`ValueError` for a value that the type cannot have.
    :param comparison: what comparisons mean outside of PostgreSQL.
    :param sample: some value, as ``condition`` returns it, to estimate a plan before a value is
        known.
    :param same: how to tell whether a value was changed.
    :param body: the Python types that the result of ``value`` must have to be sent in a body.
    :param doubt: by how much the result of ``condition`` may be wrong.
    :param null_in_body: what is sent for NULL in a request's body.
    :param masked: whether Bitbucket shows something else instead of some values (``{masked}`` in
        place of an account's UUID, seen live). Such a value is left out of the row with a warning.
    :param path_form: from a value of a row to the text in a path, before percent-encoding.
    :param sort_key: from the JSON of an item to what orders a sorted listing; raises
        :class:`ValueError`. ``None`` for types that no listing may be declared to be sorted by.
    :param not_in: whether conditions with NOT IN are read.
    :param patterns: whether conditions with LIKE and regular expressions are read.
    :param collated: whether equality may depend on a collation, or on a type such as citext.
    :param respelled: whether Bitbucket may accept several spellings of one value (letter case).
    :param spread: whether a long list of values may be divided among several requests. Lists of
        texts may not: two spellings of one value could then bring the same row twice.
    """

    name: str
    same_meaning: tuple[str, ...]
    json: Callable[[Any], Any]
    loose_json: Callable[[Any], Any]
    condition: Callable[[Any], Any]
    value: Callable[[Any], Any]
    comparison: Comparison
    sample: Any
    same: Sameness = EXACT
    body: type | tuple[type, ...] = object
    doubt: Callable[[Any], timedelta] = host.certain
    null_in_body: Any = None
    masked: bool = False
    path_form: Callable[[Any], str] = str
    sort_key: Callable[[Any], Any] | None = None
    not_in: bool = False
    patterns: bool = False
    collated: bool = False
    respelled: bool = False
    spread: bool = False


def _whole_numbers(name: str, reader: Callable[[Any], int]) -> DataType:
    return DataType(
        name,
        same_meaning=("bigint", "integer", "smallint"),
        json=reader,
        loose_json=read.as_it_is,
        condition=host.whole_condition,
        value=host.otherwise_as_it_is(host.whole_condition),
        comparison=Comparison.NUMBER,
        sample=1,
        body=int,
        sort_key=read.whole_number,
        not_in=True,
        spread=True,
    )


_ROWS = (
    DataType(
        "text",
        same_meaning=("text", "character varying"),
        json=read.text,
        loose_json=read.text,
        condition=host.text_condition,
        value=host.text_value,
        comparison=Comparison.TEXT,
        sample="x",
        body=str,
        null_in_body="",
        not_in=True,
        patterns=True,
        collated=True,
        respelled=True,
    ),
    _whole_numbers("bigint", read.whole_number),
    _whole_numbers("integer", read.small_number),
    DataType(
        "numeric",
        same_meaning=("numeric",),
        json=read.decimal,
        loose_json=read.as_it_is,
        condition=host.decimal_condition,
        value=host.decimal_value,
        # Hosts round the values of conditions to floats.
        comparison=Comparison.LOCAL,
        sample=Decimal("1.5"),
        same=ROUNDED_NUMBER,
        body=Decimal,
    ),
    DataType(
        "boolean",
        same_meaning=("boolean",),
        json=read.boolean,
        loose_json=read.as_it_is,
        condition=host.boolean_condition,
        value=host.boolean_value,
        comparison=Comparison.FLAG,
        sample=True,
        body=bool,
    ),
    DataType(
        "uuid",
        same_meaning=("uuid",),
        json=read.uuid,
        loose_json=read.loose_uuid,
        condition=host.uuid_condition,
        value=host.otherwise_as_it_is(host.uuid_condition),
        comparison=Comparison.IDENTITY,
        sample=uuid.UUID(int=0),
        body=uuid.UUID,
        masked=True,
        path_form=lambda value: f"{{{value}}}",
        not_in=True,
        spread=True,
    ),
    DataType(
        "timestamptz",
        same_meaning=("timestamp with time zone",),
        json=read.time,
        loose_json=read.loose_time,
        condition=host.time_condition,
        value=host.time_value,
        comparison=Comparison.TIME,
        sample=datetime(2000, 1, 1, tzinfo=timezone.utc),
        same=ROUNDED_TIME,
        doubt=host.time_doubt,
        sort_key=read.instant,
    ),
    DataType(
        "date",
        same_meaning=("date",),
        json=read.day,
        loose_json=read.text,
        condition=host.date_condition,
        value=host.otherwise_as_it_is(host.date_condition),
        # No source says how Bitbucket compares dates.
        comparison=Comparison.LOCAL,
        sample=date(2000, 1, 1),
        body=date,
    ),
    DataType(
        "interval",
        same_meaning=("interval",),
        json=read.duration,
        loose_json=read.text,
        condition=host.interval_condition,
        value=host.otherwise_as_it_is(host.interval_condition),
        comparison=Comparison.LOCAL,
        sample=timedelta(seconds=1),
        same=STYLED_LENGTH,
        body=timedelta,
    ),
    DataType(
        "text[]",
        same_meaning=("text[]", "character varying[]"),
        json=read.text_list,
        loose_json=read.loose_list,
        condition=host.texts_condition,
        value=host.otherwise_as_it_is(host.texts_condition),
        comparison=Comparison.LOCAL,
        sample=("x",),
        body=tuple,
        collated=True,
    ),
    DataType(
        "jsonb",
        same_meaning=(),
        json=read.document,
        loose_json=read.document,
        condition=lambda _: None,
        value=host.document_value,
        comparison=Comparison.LOCAL,
        sample=None,
    ),
)

TYPES: dict[str, DataType] = {row.name: row for row in _ROWS}
"""The types, by the names that declarations use."""
