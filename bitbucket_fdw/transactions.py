"""What was written in the transaction, in order, and what becomes of it at its end.

HTTP has no rollback. One journal per backend keeps what was sent (mode ``immediate``) and what is
still to be sent (mode ``commit``), each with the nesting level of its (sub)transaction, so that
COMMIT, ROLLBACK and ROLLBACK TO SAVEPOINT can act on just their part. The host calls the hooks
once per foreign table; all but the first call find nothing left to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from .errors import BitbucketError, OutcomeUnknown
from .writes import WriteRequest


class Sender(Protocol):
    """Sends requests for one foreign table."""

    def send(self, request: WriteRequest, interruptible: bool) -> Any:
        """Send it and return the answer's JSON; raises a ``RequestError``."""

    def inverse(self, request: WriteRequest, answer: Any) -> WriteRequest | None:
        """The request that takes it back, if there is one."""


@dataclass
class Entry:
    """A request that was sent.

    ``known`` is whether its outcome is; ``label`` says what it did, for messages.
    """

    request: WriteRequest
    sender: Sender
    level: int
    undo_wanted: bool
    undo: WriteRequest | None = None
    known: bool = False
    label: str = ""


@dataclass
class Pending:
    """A request that waits for COMMIT."""

    request: WriteRequest
    sender: Sender
    level: int


@dataclass(frozen=True)
class Aftermath:
    """What is to be said after a rollback: entries taken back, and those that stay, in order."""

    undone: tuple[str, ...]
    stays: tuple[str, ...]

    @property
    def message(self) -> str | None:
        """The warning's text, ``None`` if nothing stays at Bitbucket."""
        if not self.stays:
            return None
        count = len(self.stays)
        subject = "1 change stays" if count == 1 else f"{count} changes stay"
        taken_back = f"; {len(self.undone)} taken back" if self.undone else ""
        return f"{subject} at Bitbucket although the transaction was rolled back{taken_back}"

    @property
    def detail(self) -> str:
        """The changes that stay, numbered in the order they were sent."""
        return "\n".join(f"{n}. {text}" for n, text in enumerate(self.stays, 1))


class Journal:
    """The backend's writes of the current transaction."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._queue: list[Pending] = []

    def __len__(self) -> int:
        return len(self._entries)

    # --- writing ---

    def send(self, request: WriteRequest, sender: Sender, level: int, undo_wanted: bool) -> Any:
        """Send now. The entry is made first, so that a cancelled request is not forgotten."""
        entry = Entry(request, sender, level, undo_wanted, label=str(request))
        self._entries.append(entry)
        try:
            answer = sender.send(request, True)
        except OutcomeUnknown:
            raise
        except BitbucketError as error:
            if not _was_cancelled(error):
                self._entries.remove(entry)
            raise
        entry.known = True
        entry.undo = sender.inverse(request, answer)
        entry.label = _label(request, answer)
        return answer

    def enqueue(self, request: WriteRequest, sender: Sender, level: int) -> None:
        """Keep for COMMIT."""
        self._queue.append(Pending(request, sender, level))

    # --- the transaction's end ---

    def pre_commit(self) -> None:
        """Send what waits. If one fails, what was sent is taken back and the error raised."""
        queue, self._queue = self._queue, []
        for number, pending in enumerate(queue, 1):
            try:
                self.send(pending.request, pending.sender, 1, undo_wanted=True)
            except BitbucketError as error:
                aftermath = self.rollback(1)
                error.detail = " ".join(
                    filter(None, (error.detail, _progress(number, len(queue), aftermath)))
                )
                raise

    def commit(self) -> None:
        """The transaction was committed: nothing can come back any more."""
        self._entries.clear()
        self._queue.clear()

    def sub_commit(self, level: int) -> None:
        """A subtransaction became part of the one around it."""
        for entry in self._entries:
            entry.level = min(entry.level, level - 1)
        for pending in self._queue:
            pending.level = min(pending.level, level - 1)

    def rollback(self, level: int) -> Aftermath:
        """Forget what waits and take back what can be, from ``level`` inwards."""
        self._queue = [pending for pending in self._queue if pending.level < level]
        lost = [entry for entry in self._entries if entry.level >= level]
        self._entries = [entry for entry in self._entries if entry.level < level]
        undone: list[str] = []
        stays: list[str] = []
        for entry in reversed(lost):
            why = _take_back(entry)
            (undone if why is None else stays).append(entry.label + (f" ({why})" if why else ""))
        return Aftermath(tuple(reversed(undone)), tuple(reversed(stays)))


def _take_back(entry: Entry) -> str | None:
    """Undo one request; why it stays, ``None`` if it does not, an empty text if nobody asked."""
    if not entry.known:
        return "it is not known whether it was applied"
    if not entry.undo_wanted:
        return ""
    if entry.undo is None:
        return "Bitbucket cannot take it back"
    try:
        entry.sender.send(entry.undo, False)
    except BitbucketError as error:
        return f"taking it back failed: {error.message}"
    if entry.request.verb == "INSERT" and entry.undo.write is entry.request.table.writes.withdraw:
        return "withdrawn, since it cannot be deleted"
    return None


def _was_cancelled(error: BitbucketError) -> bool:
    return error.sqlstate == "57014"


def _label(request: WriteRequest, answer: Any) -> str:
    made = answer.get("id") or answer.get("name") if isinstance(answer, dict) else None
    return f"{request} ({made})" if request.verb == "INSERT" and made else str(request)


def _progress(number: int, count: int, aftermath: Aftermath) -> str:
    said = f"It was change {number} of {count} sent at COMMIT; {len(aftermath.undone)} before it "
    said += "were taken back." if not aftermath.stays else "were taken back, these stay: "
    return said + "; ".join(aftermath.stays)


JOURNAL = Journal()
