"""Warnings that an answer may be incomplete."""

from __future__ import annotations

from collections.abc import Callable

from ..postgres.statement_text import PerStatement

MOST = 20
"""Warnings of one statement about one foreign table."""


class Doubts:
    """Tells each doubt once in a statement: a join may read the same listing many times.

    :param table: its name.
    :param warn: sends the client a WARNING.
    """

    def __init__(self, table: str, warn: Callable[[str], None]) -> None:
        self._table = table
        self._warn = warn
        self._told: PerStatement[set[str]] = PerStatement(set)

    def tell(self, message: str) -> None:
        """Warn of it, unless the statement was told already, or of too many."""
        told = self._told.current()
        if message not in told and len(told) < MOST:
            told.add(message)
            self._warn(f"{self._table}: {message}")
