"""The host around this interpreter, asked once; its conditions and answers in our own terms."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import multicorn

from ..api import KeptAnswers
from ..postgres.capabilities import Host
from ..pushdown import Qual
from ..pushdown.conditions import NOT_TOLD
from ..reading import explain
from ..reading.unknown_values import with_placeholders
from ..tables.columns import Column
from .backend_state import STATE

HOST = Host(getattr(multicorn, "CAPABILITIES", ()))


def quals_of(given: Iterable[Any]) -> list[Qual]:
    """A scan's conditions, with what is known of how they compare."""
    return [
        Qual(
            qual.field_name,
            qual.operator,
            qual.value,
            HOST.compares_plainly(qual),
            qual.instant if HOST.tells_instants else NOT_TOLD,
        )
        for qual in given
    ]


def samples_of(given: list[Any], columns: Mapping[str, Column], values: int) -> list[Qual]:
    """As :func:`quals_of`, for EXPLAIN: with something in place of values that are not known.

    :param values: how many a list has, 1 or 2.
    """
    unknown = [getattr(qual, "unknown", False) for qual in given]
    marked = zip(quals_of(given), unknown, strict=True)
    return list(explain.with_samples(with_placeholders(marked, columns, values), columns))


def has_unknown_lists(given: Iterable[Any]) -> bool:
    """Whether a condition is a list of which the values are not known."""
    return any(getattr(qual, "unknown", False) and isinstance(qual.value, list) for qual in given)


def kept_answers(execution: Any) -> KeptAnswers:
    """Where the execution that a scan is of keeps answers.

    :param execution: as the host gives it; ``None`` on hosts that do not.
    """
    if HOST.tells_executions and execution is not None:
        made = KeptAnswers(STATE.clients.shared.writes)
        kept: KeptAnswers = execution.kept.setdefault(__package__, made)
        return kept
    return STATE.kept_answers.current()
