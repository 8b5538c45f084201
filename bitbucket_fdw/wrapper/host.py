"""The host around this interpreter, asked once; its conditions and answers in our own terms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import multicorn

from ..api import KeptAnswers
from ..postgres.capabilities import Host
from ..postgres.statement_text import PerStatement
from ..pushdown import Qual
from ..pushdown.conditions import NOT_TOLD

HOST = Host(getattr(multicorn, "CAPABILITIES", ()))

_STALE_AFTER = 5.0
"""Seconds that an answer is kept where executions cannot be told apart.

A function that looks at Bitbucket again and again until something happens runs within one statement
of the client's.
"""

_kept = PerStatement(lambda: KeptAnswers(_STALE_AFTER))


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


def kept_answers(execution: Any) -> KeptAnswers:
    """Where the execution that a scan is of keeps answers.

    :param execution: as the host gives it; ``None`` on hosts that do not.
    """
    if HOST.tells_executions and execution is not None:
        kept: KeptAnswers = execution.kept.setdefault(__package__, KeptAnswers())
        return kept
    return _kept.current()
