"""What each way of writing promises, on plain dictionaries, for the property test.

It knows nothing of requests, journals or queues. A promise is told by what Bitbucket holds once a
transaction or a part of it has ended:

- ``warn``: whatever a statement did, whether it was rolled back or not.
- ``undo``: the same, but a rollback brings back what was there when the part began, except for
  rows that were deleted since; of these only branches can be made again.
- ``commit``: nothing before COMMIT. It then applies every change in order; if one fails, what was
  there before comes back, with the exception above.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

Key = tuple[Any, ...]
Row = dict[str, Any]
State = dict[str, dict[Key, Row]]

TABLES = ("issues", "issue_comments", "branches", "projects")
COMES_BACK = "branches"


class Refused(Exception):
    """The change is an error."""


def delete(state: State, table: str, key: Key) -> None:
    """Delete a row, and the comments of an issue with it."""
    state[table].pop(key, None)
    if table == "issues":
        comments = state["issue_comments"]
        for below in [below for below in comments if below[0] == key[0]]:
            del comments[below]


def insert(state: State, table: str, key: Key, row: Row) -> None:
    if key in state[table] or (table == "issue_comments" and key[:1] not in state["issues"]):
        raise Refused
    state[table][key] = dict(row)


def update(state: State, table: str, key: Key, values: Row) -> None:
    if key not in state[table]:
        raise Refused
    state[table][key].update(values)


class Part:
    """A transaction or a savepoint: what was there when it began, what has been deleted since."""

    def __init__(self, name: str, state: State, queued: int) -> None:
        self.name = name
        self.before = copy.deepcopy(state)
        self.deleted: list[tuple[str, Key]] = []
        self.queued = queued

    def restored(self) -> State:
        """What was there when it began, as far as it can come back."""
        state = copy.deepcopy(self.before)
        for table, key in self.deleted:
            delete(state, table, key)
        return state


class Model:
    """Bitbucket's rows, and the open transaction with its savepoints."""

    def __init__(self, mode: str, state: State) -> None:
        self.mode = mode
        self.state = state
        self.parts: list[Part] = []
        self.failed = False
        self.queue: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        self._new = 0

    # --- statements ---

    def begin(self) -> None:
        self.parts = [Part("", self.state, 0)]
        self.failed = False

    def change(self, function: Callable[..., None], table: str, key: Key, *rest: Any) -> None:
        """One changed row; :class:`Refused` if the statement is an error."""
        if self.mode == "commit":
            # What waits to be deleted is not there any more.
            if function is insert or not self._queued_deletion(table, key):
                self.queue.append((function, (table, key, *rest)))
            return
        self._apply(function, table, key, *rest)

    def _apply(self, function: Callable[..., None], table: str, key: Key, *rest: Any) -> None:
        if function is delete and key not in self.state[table]:
            raise Refused
        function(self.state, table, key, *rest)
        if function is delete and table != COMES_BACK:
            for part in self.parts:
                part.deleted.append((table, key))

    def _queued_deletion(self, table: str, key: Key) -> bool:
        last = [f for f, (t, k, *_) in self.queue if (t, k) == (table, key) and f is not update]
        return bool(last) and last[-1] is delete

    def fail(self) -> None:
        """A statement was an error: its part of the transaction is over."""
        self.failed = True
        self._roll_back(self.parts[-1])

    def savepoint(self, name: str) -> None:
        self.parts.append(Part(name, self.state, len(self.queue)))

    def has_savepoint(self, name: str) -> bool:
        return any(part.name == name for part in self.parts[1:])

    def release(self, name: str) -> None:
        while self.parts.pop().name != name:
            pass

    def rollback_to(self, name: str) -> None:
        while self.parts[-1].name != name:
            self._roll_back(self.parts.pop())
        self._roll_back(self.parts[-1])
        self.parts[-1] = Part(name, self.state, len(self.queue))
        self.failed = False

    def _roll_back(self, part: Part) -> None:
        del self.queue[part.queued :]
        if self.mode == "undo":
            self.state = part.restored()

    def rollback(self) -> None:
        for part in reversed(self.parts):
            self._roll_back(part)
        self.parts = []
        self.failed = False

    def commit(self) -> None:
        """:class:`Refused` if a queued change fails."""
        if self.failed:
            self.rollback()
            return
        whole = Part("", self.state, 0)
        queue, self.queue = self.queue, []
        self.parts = [whole]
        try:
            for function, arguments in queue:
                self._apply(function, *arguments)
        except Refused:
            self.state = whole.restored()
            raise
        finally:
            self.parts = []
