"""What was written in the transaction, in order, and what becomes of it at its end.

HTTP has no rollback. One journal per backend keeps what was sent (mode ``immediate``) and what is
still to be sent (mode ``commit``), each with the nesting level of its (sub)transaction, so that
COMMIT, ROLLBACK and ROLLBACK TO SAVEPOINT can act on just their part. The host calls the hooks
once per foreign table; all but the first call find nothing left to do.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import (
    BitbucketError,
    Cancelled,
    ChangedSince,
    ConnectionFailure,
    NotFound,
    OutcomeUnknown,
)
from ..tables.table import Table
from .requests import WriteRequest

_LISTED = 20  # changes that an error names; the warning after a rollback names all


ApiAccount = tuple[str, str]
Key = tuple[str, ...]


@dataclass(frozen=True)
class SendOutcome:
    """What became of a request.

    :param row: the row, or the part of it, that Bitbucket shows now.
    :param undo: the request that takes this one back, if there is one.
    :param nothing: whether it changed nothing: the row had the new values already, or kept the old
        ones.
    :param error: an error to raise after the request was entered in the journal.
    """

    row: dict[str, Any]
    undo: WriteRequest | None = None
    nothing: bool = False
    error: BitbucketError | None = None


class Sender(Protocol):
    """Sends requests for one foreign table."""

    @property
    def place(self) -> ApiAccount:
        """Where and as whom it writes: the API's base URL, and the identity of the credential.

        Rows of two such places are different rows, even if they have the same key.
        """

    def send(self, request: WriteRequest, waited: bool) -> SendOutcome:
        """Send a change.

        :param waited: whether it has waited for COMMIT.

        Raises a :class:`BitbucketError`; its ``unsettled`` tells whether the change may have been
        applied nevertheless.
        """

    def take_back(self, request: WriteRequest) -> None:
        """Send a request that takes back another one."""


@dataclass
class SentRequest:
    """A request that was sent.

    ``known`` is whether its outcome is known. ``label`` says in messages what it did.
    """

    request: WriteRequest
    sender: Sender
    level: int
    undo_wanted: bool
    undo: WriteRequest | None = None
    known: bool = False
    label: str = ""

    @property
    def key(self) -> Key:
        """The row's key. That of an inserted row is taken from the request that would delete it."""
        request = self.undo if self.request.verb == "INSERT" and self.undo else self.request
        return _key(self.sender.place, request)


@dataclass
class WaitingRequest:
    """A request that waits for COMMIT. ``number`` is its number among all that have ever waited."""

    request: WriteRequest
    sender: Sender
    level: int
    number: int


@dataclass(frozen=True)
class RollbackOutcome:
    """What to report after a rollback: which changes were taken back, and which ones stay."""

    undone: tuple[str, ...]
    stays: tuple[str, ...]

    @property
    def message(self) -> str | None:
        """The text of the warning; ``None`` if no change stays at Bitbucket."""
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
        self._entries: list[SentRequest] = []
        self._queue: list[WaitingRequest] = []
        self._queued_by_key: dict[Key, list[WaitingRequest]] = {}
        self.position = 0  # how many requests have ever waited
        self._failing: SentRequest | None = None
        self._transaction = 0

    def __len__(self) -> int:
        return len(self._entries)

    def enter(self, transaction: int) -> list[str]:
        """Begin a transaction, unless it is the present one; returns what the last one never sent.

        :param transaction: the time when the transaction began.

        Multicorn2 does not tell its wrappers of PREPARE TRANSACTION. Changes that wait for the
        COMMIT of such a transaction must not be sent with another transaction's COMMIT.
        """
        never_sent: list[str] = []
        if transaction != self._transaction:
            never_sent = [str(pending.request) for pending in self._queue]
            self.commit()
        self._transaction = transaction
        return never_sent

    # --- writing ---

    def send(
        self,
        request: WriteRequest,
        sender: Sender,
        level: int,
        undo_wanted: bool,
        waited: bool = False,
    ) -> dict[str, Any]:
        """Send a request now. Returns the row, or the part of it, that Bitbucket shows.

        It is entered in the journal first, so that it is not forgotten if it is cancelled.
        """
        entry = SentRequest(request, sender, level, undo_wanted, label=str(request))
        self._entries.append(entry)
        self._failing = entry
        try:
            sent = sender.send(request, waited)
        except BitbucketError as error:
            if not error.unsettled:
                self._entries.remove(entry)
            raise
        entry.known = True
        entry.label = _label(request, sent.row)
        entry.undo = sent.undo
        if sent.nothing:
            self._entries.remove(entry)
        if sent.error is not None:
            raise sent.error
        self._failing = None
        return sent.row

    def enqueue(self, request: WriteRequest, sender: Sender, level: int) -> None:
        """Keep a request to send it at COMMIT."""
        self.position += 1
        self._keep(WaitingRequest(request, sender, level, self.position))

    def waits(self, place: ApiAccount) -> bool:
        """Whether any request to that place waits for COMMIT."""
        return any(pending.sender.place == place for pending in self._queue)

    def queued(
        self, place: ApiAccount, table: type[Table], until: int | None = None
    ) -> Iterator[WriteRequest]:
        """What waits for COMMIT, in order: of a table.

        :param until: a ``position``; what was queued after it is left out.
        """
        for pending in self._queue:
            if until is not None and pending.number > until:
                return
            if pending.request.table is table and pending.sender.place == place:
                yield pending.request

    def queued_for(
        self, place: ApiAccount, table: type[Table], key: Key, until: int | None = None
    ) -> Iterator[WriteRequest]:
        """What waits for COMMIT, in order: of one row by its primary key.

        :param until: a ``position``; what was queued after it is left out.
        """
        for pending in self._queued_by_key.get((*place, table.name, *key), ()):
            if until is None or pending.number <= until:
                yield pending.request

    def _keep(self, pending: WaitingRequest) -> None:
        self._queue.append(pending)
        key = _key(pending.sender.place, pending.request)
        self._queued_by_key.setdefault(key, []).append(pending)

    def _keep_queued(self, queue: list[WaitingRequest]) -> None:
        self._queue, self._queued_by_key = [], {}
        for pending in queue:
            self._keep(pending)

    def sent_before(self) -> str:
        """A text for the error of a failed change: which changes were sent before it."""
        sent = [entry for entry in self._entries if entry is not self._failing]
        if not sent:
            return ""
        more = len(sent) - _LISTED
        rest = f"; and {more} more" if more > 0 else ""
        return f"Sent before it in this transaction: {_numbered(sent[:_LISTED], '; ')}{rest}."

    # --- the transaction's end ---

    def pre_commit(self) -> None:
        """Send the waiting requests. If one fails, take back what was sent, and raise the error."""
        queue = self._queue
        self._keep_queued([])
        for number, pending in enumerate(queue, 1):
            try:
                self.send(pending.request, pending.sender, 1, undo_wanted=True, waited=True)
            except Cancelled:
                raise  # PostgreSQL reports its own error; the rollback's warning lists the changes
            except BitbucketError as error:
                aftermath = self.rollback(1)
                error.detail = " ".join(
                    filter(None, (error.detail, _progress(number, len(queue), aftermath)))
                )
                raise

    def commit(self) -> None:
        """Forget the journal, since the transaction was committed."""
        self._entries.clear()
        self._keep_queued([])
        self._failing = None

    def sub_commit(self, level: int) -> None:
        """Make a subtransaction's entries part of the transaction around it."""
        for entry in self._entries:
            entry.level = min(entry.level, level - 1)
        for pending in self._queue:
            pending.level = min(pending.level, level - 1)

    def rollback(self, level: int) -> RollbackOutcome:
        """Forget waiting requests, and take back sent ones, of subtransactions at ``level`` or
        deeper.
        """
        self._keep_queued([pending for pending in self._queue if pending.level < level])
        lost = [entry for entry in self._entries if entry.level >= level]
        self._entries = [entry for entry in self._entries if entry.level < level]
        self._failing = None
        return _taken_back(lost)


def _taken_back(lost: list[SentRequest]) -> RollbackOutcome:
    """Take back changes, from the last to the first."""
    outcomes: dict[int, str | None] = {}  # why each change stays; None: it was taken back
    deleted: dict[Key, list[int]] = {}  # rows that stay deleted, and the changes of each
    short_lived = _short_lived(lost)
    given_up: str | None = None
    for n, entry in reversed(list(enumerate(lost))):
        since = deleted.get(entry.key) if entry.known and entry.undo_wanted else None
        if since is not None and entry.request.verb == "INSERT":
            # The row was inserted and deleted, so that nothing of it is left.
            outcomes.update(dict.fromkeys((n, *deleted.pop(entry.key))))
            continue
        back = False
        if since is not None and entry.request.verb == "UPDATE":
            why: str | None = "the row was deleted"  # not sent: a PUT might create the row
            since.append(n)
        elif n in short_lived:
            why = ""  # settled when the loop reaches the row's INSERT
        else:
            why = _why_it_stays(entry)
            if why is None:
                back, why, given_up = _take_back(entry, given_up)
        outcomes[n] = why
        if entry.request.verb == "DELETE" and not back:
            deleted[entry.key] = [n]
    labels = [(entry.label, outcomes[n]) for n, entry in enumerate(lost)]
    return RollbackOutcome(
        tuple(label for label, why in labels if why is None),
        tuple(f"{label} ({why})" if why else label for label, why in labels if why is not None),
    )


def _short_lived(lost: list[SentRequest]) -> set[int]:
    """The entries that delete a row which an earlier entry inserted. It need not be made again."""
    inserted: set[Key] = set()
    found = set()
    for n, entry in enumerate(lost):
        if not (entry.known and entry.undo_wanted):
            continue
        if entry.request.verb == "INSERT" and entry.undo is not None:
            inserted.add(entry.key)
        elif entry.request.verb == "DELETE" and entry.key in inserted:
            inserted.discard(entry.key)
            found.add(n)
    return found


def _why_it_stays(entry: SentRequest) -> str | None:
    """Why a change cannot be taken back; ``None`` if it can."""
    if not entry.known:
        return _UNKNOWN
    if not entry.undo_wanted:
        return ""
    return None if entry.undo else "Bitbucket cannot take it back"


_UNKNOWN = "it is not known whether it was applied"


def _take_back(entry: SentRequest, given_up: str | None) -> tuple[bool, str | None, str | None]:
    """Take back one request.

    :param given_up: a reason not to try it, from an earlier failure.

    Returns whether it was taken back, what to report about it, and a reason not to try others.
    """
    assert entry.undo is not None
    if given_up:
        return False, given_up, given_up
    writes = entry.request.table.writes
    try:
        entry.sender.take_back(entry.undo)
    except NotFound as error:
        if entry.undo.method == "DELETE":
            return True, None, None  # the row is not there any more
        return False, f"taking it back failed: {error.message}", None
    except ChangedSince as error:
        return False, f"left there: {error.message}", None
    except BitbucketError as error:
        # A rollback cannot fail. It should also not wait for minutes for each of many changes.
        hopeless = isinstance(error, (Cancelled, ConnectionFailure, OutcomeUnknown))
        skipped = f"not taken back after that failed for another: {error.message}"
        return False, f"taking it back failed: {error.message}", skipped if hopeless else None
    if entry.request.verb == "INSERT" and entry.undo.write is writes.withdraw:
        return True, "withdrawn, since it cannot be deleted", None
    if entry.request.verb == "DELETE" and writes.anew:
        return True, f"made anew: {writes.anew}", None
    return True, None, None


def _key(place: ApiAccount, request: WriteRequest) -> Key:
    return (*place, request.table.name, *request.key)


def _label(request: WriteRequest, row: dict[str, Any]) -> str:
    made = row.get("id") or row.get("name")
    return f"{request} ({made})" if request.verb == "INSERT" and made else str(request)


def _numbered(entries: Iterable[SentRequest], separator: str) -> str:
    doubts = (f"{e.label} ({_UNKNOWN})" if not e.known else e.label for e in entries)
    return separator.join(f"{n}. {text}" for n, text in enumerate(doubts, 1))


def _progress(number: int, count: int, aftermath: RollbackOutcome) -> str:
    said = f"It was change {number} of {count} sent at COMMIT"
    if number == 1 and not aftermath.stays:
        return f"{said}."
    said += f"; {len(aftermath.undone)} before it were taken back"
    return f"{said}, these stay: {'; '.join(aftermath.stays)}." if aftermath.stays else f"{said}."
