"""Telling the wrapper instances in use of the transaction; private to the host."""

from __future__ import annotations

from typing import Any

from ._reports import failure, warn

__all__ = ["Participant", "transaction_event"]


class Participant:
    """A wrapper instance, and its part in the current transaction."""

    def __init__(self, wrapper: Any) -> None:
        self.wrapper = wrapper
        self.depth = 0  # the transaction nesting it has been told of; 0 is none
        self.modified = False  # whether it has changed rows in this transaction

    def begin(self, level: int, serializable: int) -> None:
        """Bring an instance that is about to be used up to the current transaction."""
        if self.depth == 0:
            self.wrapper.begin(serializable)
            self.depth = 1
            self.modified = False
            _participants.append(self)
        while self.depth < level:
            # Counted before: one that failed half-way is rolled back.
            self.depth += 1
            self.wrapper.sub_begin(self.depth)


# In the order in which they began. This also keeps, until the end of its transaction, an instance
# that has been replaced.
_participants: list[Participant] = []


def transaction_event(event: str, level: int) -> None:
    """Tell the participants of an event, "prepare" or named as the hook that they have for it.

    ``level`` is the nesting of the (sub)transaction. Until the commit a hook may fail, and the
    transaction with it. After it, and while aborting, PostgreSQL cannot take an error any more.
    """
    if event == "begin_rollback":
        for participant in _participants:
            if hasattr(participant.wrapper, event):
                _call_late(participant, event)
    elif event in ("sub_commit", "sub_rollback"):
        _end_subtransaction(event, level)
    elif event in ("commit", "rollback"):
        _end_transaction(event)
    else:
        if event == "prepare":
            _refuse_changes()
        for participant in _participants:
            participant.wrapper.pre_commit()


def _refuse_changes() -> None:
    """A prepared transaction may be committed by another backend, which has not the instances.

    One that only read has nothing left to commit.
    """
    if any(participant.modified for participant in _participants):
        raise failure(
            "cannot PREPARE a transaction that has changed multicorn foreign tables", "0A000"
        )


def _end_transaction(hook: str) -> None:
    ended = _participants[:]
    _participants.clear()
    for participant in ended:
        participant.depth = 0
        _call_late(participant, hook)


def _end_subtransaction(hook: str, level: int) -> None:
    for participant in _participants:
        if participant.depth < level:
            continue
        if hook == "sub_commit":
            participant.wrapper.sub_commit(level)
        else:
            _call_late(participant, hook, level)
        participant.depth = level - 1


def _call_late(participant: Participant, hook: str, *arguments: int) -> None:
    try:
        getattr(participant.wrapper, hook)(*arguments)
    except BaseException as exc:
        warn(exc)
