"""Whether a value that a statement hands over is the one that was read before.

Hosts hand over every column of a changed row, and most columns still have the values that were
read. But values of some types come back in another form: PostgreSQL rounds times, and shows times
and intervals in the session's style. A value whose form cannot be read counts as unchanged.

Instead of a value that was read, often only its *mark* is kept: a 64-bit number, like a hash, which
takes less memory. Values are typed, as :mod:`.host_values` returns them.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any, NamedTuple

_ROUNDING = 1_000_000  # microseconds: times that differ by less count as the same
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
_ANY = -(2**63)  # the mark of a value that cannot be read


class Sameness(NamedTuple):
    """How to compare two values of a type, and two marks.

    :param values: whether two values are the same; neither is ``None``.
    :param mark: a 64-bit number for a value.
    :param marks: whether two marks may be of the same value; neither is of ``None``.
    """

    values: Callable[[Any, Any], bool]
    mark: Callable[[Any], int]
    marks: Callable[[int, int], bool]

    def same(self, old: Any, new: Any) -> bool:
        """Whether two values are the same; either may be ``None``, which stands for NULL."""
        if old is None or new is None:
            return old is None and new is None
        return self.values(old, new)

    def mark_of(self, value: Any) -> int:
        """The mark of a value, which may be ``None``."""
        return _NULL if value is None else self.mark(value)

    def marked(self, mark: int, value: Any) -> bool:
        """Whether a value may be the same as the one that had this mark."""
        other = self.mark_of(value)
        return mark == other if _NULL in (mark, other) else self.marks(mark, other)


def _equal(old: Any, new: Any) -> bool:
    if isinstance(old, (list, dict)):  # Python takes 0 within them for false
        return _as_text(old) == _as_text(new)
    return bool(old == new)


def _as_text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _hash(value: Any) -> int:
    if isinstance(value, (list, dict)):
        return hash(_as_text(value))
    return hash((type(value).__name__, value))


def _same_mark(old: int, new: int) -> bool:
    return old == new


_NULL = _hash(None)


def _near(old: int, new: int) -> bool:
    return _ANY in (old, new) or abs(old - new) < _ROUNDING


def _moment(value: Any) -> int:
    # Text is a time in a form that could not be read. A date has no time zone.
    if not isinstance(value, datetime) or value.tzinfo is None:
        return _ANY
    return (value - _EPOCH) // _MICROSECOND


def _moments(old: Any, new: Any) -> bool:
    if not (isinstance(old, datetime) and isinstance(new, datetime)):
        return True
    return abs(old - new) < _ROUNDING * _MICROSECOND


def _length(value: Any) -> int:
    return value // _MICROSECOND if isinstance(value, timedelta) else _ANY


def _lengths(old: Any, new: Any) -> bool:
    return _either_or_equal(_length(old), _length(new))


def _either_or_equal(old: int, new: int) -> bool:
    return _ANY in (old, new) or old == new


def _as_float(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float, Decimal)) else value


EXACT = Sameness(_equal, _hash, _same_mark)
"""For types whose values come back unchanged."""

ROUNDED_TIME = Sameness(_moments, _moment, _near)
"""For times, which PostgreSQL rounds to microseconds and hosts show in the session's DateStyle."""

STYLED_LENGTH = Sameness(_lengths, _length, _either_or_equal)
"""For intervals, which hosts show in the session's IntervalStyle."""

ROUNDED_NUMBER = Sameness(
    lambda old, new: bool(_as_float(old) == _as_float(new)),
    lambda value: _hash(_as_float(value)),
    _same_mark,
)
"""For numbers that hosts hand over as floats."""
