"""What EXPLAIN shows in place of values that only the execution knows, such as a join's keys.

The plan is made with values that no row has. The lines show a question mark in their place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..pushdown.conditions import Qual
from ..tables.columns import Column
from ..tables.types import Comparison

SHOWN = "?"
_NUMBERS = (2_147_483_646, 2_147_483_645)
_UUIDS = ("ffffffff-ffff-4fff-8fff-fffffffffffe", "ffffffff-ffff-4fff-8fff-fffffffffffd")
_TEXTS = ("\ue0fe", "\ue0fd")  # for private use: in no text that means something
_ANY = re.compile("|".join(rf"\{{?{value}\}}?" for value in (*_NUMBERS, *_UUIDS, *_TEXTS)))


def with_placeholders(
    quals: Iterable[tuple[Qual, bool]], columns: Mapping[str, Column], count: int
) -> Iterator[Qual]:
    """The conditions, with these values in place of those that are not known.

    :param quals: each with whether its value is not known.
    :param count: how many values a list has, 1 or 2.
    """
    for qual, unknown in quals:
        values = _placeholders(columns.get(qual.field_name), qual.value) if unknown else None
        if values is None:
            yield qual
        else:
            is_list = isinstance(qual.value, list)
            yield qual._replace(value=list(values[:count]) if is_list else values[0])


def _placeholders(column: Column | None, sample: Any) -> tuple[Any, ...] | None:
    """Two values for a column; ``None`` if it cannot have such values.

    :param sample: what the host shows for a value that is not known, or a list with it.
    """
    if isinstance(sample, list):
        sample = sample[0] if len(sample) == 1 else None
    if column is None or sample is None:
        return None
    if column.data_type.comparison is Comparison.IDENTITY:
        return _UUIDS
    if str(sample) == "0":
        return _NUMBERS
    some = column.pattern or (column.filter is not None and column.filter.values)
    return _TEXTS if sample == SHOWN and not some else None


def is_placeholder(value: Any) -> bool:
    """Whether a value stands for one that is not known."""
    return str(value) in {str(known) for known in (*_NUMBERS, *_UUIDS, *_TEXTS)}


def shown(line: str) -> str:
    """A line of EXPLAIN, with question marks in place of these values."""
    return _ANY.sub(SHOWN, line)
