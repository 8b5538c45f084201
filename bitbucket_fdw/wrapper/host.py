"""The host around this interpreter, asked once; its conditions and answers in our own terms."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import multicorn

from ..api import KeptAnswers
from ..postgres.capabilities import Host
from ..pushdown import Qual
from ..pushdown.conditions import NOT_TOLD
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


def kept_answers(execution: Any) -> KeptAnswers:
    """Where the execution that a scan is of keeps answers.

    :param execution: as the host gives it; ``None`` on hosts that do not.
    """
    if HOST.tells_executions and execution is not None:
        made = KeptAnswers(STATE.clients.shared.writes)
        kept: KeptAnswers = execution.kept.setdefault(__package__, made)
        return kept
    return STATE.kept_answers.current()
