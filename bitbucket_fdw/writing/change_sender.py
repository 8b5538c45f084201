"""Sends the changes of one foreign table, and reads what is needed before and after each request.

That Bitbucket answered with success does not prove what it stored. A PUT may empty members that it
did not name, and some members are shown with the new value although the old one stays. Which ones
do, a table's declaration says; they are read again here, and put back or reported.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ..api import ScanContext
from ..errors import (
    BitbucketError,
    Cancelled,
    ChangedSince,
    Forbidden,
    MissingValue,
    NotStored,
    OutcomeUnknown,
    Rejected,
    RequestError,
    RowUnknown,
    TooManyRequests,
)
from ..pushdown.typed_values import row_shown, typed, typed_row
from ..reading.items import exploded
from ..tables.endpoints import path_parameters
from ..tables.host_values import shown
from ..tables.json_values import column_value, extractor
from ..tables.writing import Asked
from .bodies import is_shown
from .current_rows import CurrentRows
from .journal import SendOutcome
from .own_rows import OwnRows
from .requests import WriteRequest, asked_before, completed, putting_back, read_before, undo

_POLL = 1.0  # seconds between two looks at an answer that comes later
_LOOKS = 5  # at a row that does not show yet what was sent

Row = dict[str, Any]
Warn = Callable[[str], None]


class ChangeSender:
    """Sends requests for one foreign table.

    :param patience: seconds to wait for what Bitbucket finishes later.
    :param warn: sends the client a WARNING.
    """

    def __init__(
        self, current_rows: CurrentRows, own_rows: OwnRows | None, patience: float, warn: Warn
    ) -> None:
        self._current_rows = current_rows
        self._table = current_rows.table
        self._bound = current_rows.binding.bound
        self._own_rows = own_rows
        self._patience = patience
        self._warn = warn

    def send(self, request: WriteRequest, to_take_back: bool) -> SendOutcome:
        """Send a change, and read or put back what the declaration says.

        :param to_take_back: whether the change may have to be taken back.
        """
        request, present = self._completed(request)
        back = request.undo
        try:
            if self._own_rows:
                answer, back = self._own_rows.send(request, self.transmit, to_take_back)
            else:
                answer = self.transmit(request)
        except RequestError as error:
            row = self._settled(request, error)
            return SendOutcome(row_shown(row), nothing=True)
        row = self._row_after(request, answer)
        _require_row(request, row)
        try:
            return self._seen_to(request, present, row, back)
        except BitbucketError as error:
            error.unsettled = True
            raise

    def take_back(self, request: WriteRequest) -> None:
        """Send a request that takes back another one.

        Raises :class:`ChangedSince` if it would delete what somebody else has written.
        """
        if request.verb == "DELETE":
            self._require_as_made(request)
        request, _ = self._completed(request, undoing=True)
        self.transmit(request, undoing=True)
        if request.write.reads_back:
            self._read_back(request, undoing=True)

    def _require_as_made(self, request: WriteRequest) -> None:
        """Raise :class:`ChangedSince` if a row has other values than it was inserted with.

        Only what an INSERT gives is compared, as Bitbucket showed it then. Times would not do: the
        transaction's own changes to the row, and to what belongs to it, move them as well.
        """
        made, insert = request.identity, self._table.writes.insert
        if insert is None or not self._table.items:
            return
        key = self._table.primary_key
        fields = {
            field.column: field
            for field in insert.fields
            if made.get(field.column) is not None
            and self._table.column(field.column).path
            and field.column not in key
        }
        if not fields:
            return
        try:
            document = self._current_rows.document(made, tuple(fields), (), undoing=True)
        except RowUnknown:
            return  # the request finds out whether it is gone
        now = self._present(document, tuple(fields))
        other = [
            n for n, field in fields.items() if n in now and not is_shown(field, made[n], now[n])
        ]
        if other:
            raise ChangedSince(f"{', '.join(other)} changed meanwhile")

    def transmit(self, request: WriteRequest, undoing: bool = False) -> Any:
        """Send a request, and return the answer's JSON.

        If Bitbucket finishes the request later, this waits for the end and returns its JSON.
        """
        if request.method == "PUT" and request.verb != "INSERT" and self._table.writes.upserts:
            self._current_rows.read(request.identity, undoing)  # it must not be made again
        scan = self._current_rows.scan(undoing)
        try:
            answer = self._current_rows.send(request, scan)
        except RequestError as error:
            _advise(error, request)
            raise
        if answer.status == 202 and answer.location:
            return self._outcome(request, answer.location, scan)
        return answer.json

    # --- before ---

    def _completed(self, request: WriteRequest, undoing: bool = False) -> tuple[WriteRequest, Row]:
        """The request with the present values that it needs, and these values."""
        columns, asked = read_before(request), asked_before(request)
        if not columns and not asked:
            return request, {}
        columns = (*columns, *(name for ask in asked for name in self._row_columns(ask)))
        paths = [ask.path for ask in asked]
        document = self._current_rows.document(request.identity, columns, paths, undoing)
        present = self._present(document, columns)
        found = {}
        for ask in asked:
            found[ask.column] = column_value(document, tuple(ask.path.split(".")))
            if found[ask.column] is None:
                row = {**request.identity, **present}
                found[ask.column] = self._current_rows.elsewhere(ask, row)
            if found[ask.column] is None:
                raise MissingValue(
                    f"Bitbucket does not tell which {ask.column} is the default",
                    hint=f"Give it: SET {ask.column} = ….",
                )
        return completed(request, self._bound, present, found), present

    def _row_columns(self, ask: Asked) -> list[str]:
        """The columns that are the path parameters of the endpoint that tells a value."""
        named = path_parameters(ask.elsewhere)
        return [
            column.name for column in self._table.columns if column.path and column.name in named
        ]

    def _present(self, document: Any, columns: tuple[str, ...]) -> Row:
        """The typed values of an item's columns, without those that it does not have."""
        there = [
            column
            for column in map(self._table.column, columns)
            if column.present or _holds(document, column.keys)
        ]
        return typed_row(self._table, extractor(there)(document))

    # --- after ---

    def _row_after(self, request: WriteRequest, answer: Any) -> Row:
        if not request.write.reads_back:
            return self._row(request, answer)
        try:
            return self._read_back(request)
        except BitbucketError as error:
            error.unsettled = True
            raise

    def _read_back(self, request: WriteRequest, undoing: bool = False) -> Row:
        """The row after a change whose answer does not show it.

        Bitbucket may make the change a moment after it has answered. So the row is read again until
        it shows what was sent, a few times at most. Raises :class:`OutcomeUnknown` if it does not.
        """
        columns = tuple(column.name for column in self._table.columns if column.path)
        for look in range(_LOOKS):
            if look:
                self._current_rows.scan(undoing).pause(_POLL)
            document = self._current_rows.document(request.identity, columns, (), undoing)
            row = self._row(request, document)
            other = self._shown_otherwise(request, typed_row(self._table, row))
            if not other:
                return row
        raise _unseen(request, other)

    def _settled(self, request: WriteRequest, error: RequestError) -> Row:
        """The row, if the error only says that it has the wanted state already; else raises it."""
        transition = request.transition
        if transition is None or error.status not in transition.settled:
            raise error
        identity = request.identity
        try:
            if self._own_rows and request.verb == "INSERT":
                identity = self._own_rows.callers(identity)
            row = self._current_rows.read(identity)
        except Cancelled:
            raise
        except BitbucketError:
            raise error from None
        if row.get(transition.column) != transition.value:
            raise error
        return row

    def _seen_to(
        self, request: WriteRequest, present: Row, row: Row, back: WriteRequest | None
    ) -> SendOutcome:
        """The outcome of a change that was applied, after lost values were put back."""
        now = {**request.identity, **typed_row(self._table, row)}
        row = {**row, **self._kept(request, present, now)}
        taken_back_by = undo(request, now, self._bound) if back is None else back
        sent = SendOutcome(row, taken_back_by)
        other = self._shown_otherwise(request, now)
        if other:
            return replace(sent, error=_shown_otherwise(request, other))
        echoed = {n: v for n, v in request.values.items() if n in request.write.echoed}
        if not echoed:
            return sent
        stored = self._present(
            self._current_rows.document(request.identity, tuple(echoed), ()), tuple(echoed)
        )
        kept = {name: value for name, value in stored.items() if value != echoed[name]}
        if not kept:
            return sent
        return replace(
            sent,
            row={**row, **row_shown(kept)},
            nothing=echoed.keys() == request.values.keys(),
            error=_not_stored(request, kept),
        )

    def _shown_otherwise(self, request: WriteRequest, now: Row) -> Row:
        """The columns of which the answer does not show what was sent, with what it shows."""
        fields = request.write.sent
        return {
            name: now.get(name)
            for name in request.write.checked
            if name in request.values
            and not is_shown(fields[name], request.values[name], now.get(name))
        }

    def _kept(self, request: WriteRequest, present: Row, now: Row) -> Row:
        """Put back values that the request emptied without naming them; returns these columns."""
        lost = self._lost(request, present, now)
        if not lost:
            return {}
        again: Row = lost
        why = "it was lost again"
        try:
            back = putting_back(request, self._bound, now, lost)
            answer = self._row(back, self.transmit(back))
            again = self._lost(request, present, {**now, **typed_row(self._table, answer)})
        except Cancelled:
            self._warn_of_lost(request, lost, "the statement was cancelled")
            raise
        except BitbucketError as error:
            why = error.message
        if again:
            self._warn_of_lost(request, again, why)
            return {}
        return row_shown(lost)

    def _lost(self, request: WriteRequest, present: Row, now: Row) -> Row:
        """The earlier values of columns that hold less now."""
        names = [f.column for f in request.write.keeps if f.column not in request.values]
        before = {name: present[name] for name in names if present.get(name)}
        unseen = tuple(name for name in before if now.get(name) is None)
        if unseen:  # the answer does not show them, so that they may be empty now
            document = self._current_rows.document(request.identity, unseen, ())
            now = {**now, **self._present(document, unseen)}
        return {name: value for name, value in before.items() if _is_less(now.get(name), value)}

    def _warn_of_lost(self, request: WriteRequest, lost: Row, why: str) -> None:
        for name, value in lost.items():
            self._warn(
                f"{self._table.name}: {request.method} {request.path} emptied {name}, and it could "
                f"not be put back ({why}). It was: {shown(_named(value))}"
            )

    def _outcome(self, request: WriteRequest, location: str, scan: ScanContext) -> Any:
        """The row that a write leads to which Bitbucket finishes later."""
        try:
            return self._awaited(request, location, scan)
        except Rejected:
            raise  # Bitbucket has refused the write in the end
        except (RequestError, TooManyRequests) as error:
            if isinstance(error, OutcomeUnknown):
                raise
            raise _unfinished(request, str(error)) from None
        except BitbucketError as error:
            error.unsettled = True
            raise

    def _awaited(self, request: WriteRequest, location: str, scan: ScanContext) -> Any:
        client = self._current_rows.client
        url = client.absolute(location)
        until = scan.clock.now() + self._patience
        while True:
            status = scan.wait(scan.submit(client.get, url, scan)).json
            told = status if isinstance(status, dict) else {}
            if told.get("task_status") == "SUCCESS":
                return told.get("merge_result")
            if told.get("task_status") != "PENDING":
                raise _unfinished(request, f"Its task is {told.get('task_status')!r}.")
            if scan.clock.now() > until:
                raise _unfinished(request, f"It is not finished after {self._patience:g} seconds.")
            scan.pause(_POLL)

    def _row(self, request: WriteRequest, answer: Any) -> Row:
        """The row, or the part of it, that an answer shows."""
        table, part = self._table, request.write.answers
        if part is not None:
            answer = {part: answer}
        elif not isinstance(answer, dict) or request.verb == "DELETE":
            return {}
        member = table.collection.explode
        if member and not isinstance(answer.get(member), list):
            answer = {member: [answer]}
        # The answer to a change of a list's element does not say which item the list belongs to.
        in_path = {
            c.name for c in table.columns if c.param or (member and c.path and c.keys[0] != member)
        }
        columns = [
            column
            for column in table.columns
            if column.path and column.name not in in_path and part in (None, column.keys[0])
        ]
        for item in exploded(table, [answer]):
            row = extractor(columns, place=request.place)(item)
            return {**row, **{name: request.identity.get(name) for name in in_path}}
        return {}


def _require_row(request: WriteRequest, row: Row) -> None:
    """Raise :class:`OutcomeUnknown` if an answer does not show the row.

    It is then only known that Bitbucket did not refuse the change.
    """
    if request.verb == "DELETE":
        return
    table, part = request.table, request.write.answers
    if part is not None:
        if request.method == "DELETE" or any(row.get(n) for n in row if _below(request, n, part)):
            return
    else:
        # A row that is all there is at its address has no key in the answer.
        told = [n for n in table.primary_key if table.column(n).path] or [table.key_column().name]
        known = {n: typed(table.column(n), row.get(n)) for n in told}
        if all(value not in (None, "") for value in known.values()) and not _other_row(
            request, {n: value for n, value in known.items() if n in table.primary_key}
        ):
            return
    raise OutcomeUnknown(
        f"it is not known what {request.method} {request.path} did",
        method=request.method,
        path=request.path,
        detail="Bitbucket answered that it was done, but not with the row.",
        hint="SELECT the row before repeating it.",
    )


def _below(request: WriteRequest, name: str, part: str) -> bool:
    column = request.table.column(name)
    return bool(column.path) and column.keys[0] == part and len(column.keys) > 1


def _other_row(request: WriteRequest, known: Row) -> bool:
    """Whether an UPDATE's answer is about another row."""
    if request.verb == "INSERT":
        return False
    table, identity = request.table, request.identity
    return any(
        str(value).casefold() != str(typed(table.column(name), identity[name])).casefold()
        for name, value in known.items()
        if identity.get(name) is not None
    )


def _is_less(now: Any, before: Any) -> bool:
    """Whether a value has lost something: a text is empty now, or a list lacks an element."""
    if isinstance(before, list):
        there = [_name_of(member) for member in now] if isinstance(now, list) else []
        return any(_name_of(member) not in there for member in before)
    return not now


def _name_of(member: Any) -> Any:
    if isinstance(member, dict):
        return member.get("uuid") or member.get("account_id") or json.dumps(member, sort_keys=True)
    return member


def _named(value: Any) -> Any:
    return [_name_of(member) for member in value] if isinstance(value, list) else value


def _holds(document: Any, keys: tuple[str, ...]) -> bool:
    for key in keys:
        if not isinstance(document, dict) or key not in document:
            return False
        document = document[key]
    return True


def _unfinished(request: WriteRequest, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"it is not known whether {request.method} {request.path} was applied",
        method=request.method,
        path=request.path,
        detail=f"Bitbucket took it to finish it later. {why}",
        hint="SELECT the row before repeating it.",
    )


def _advise(error: RequestError, request: WriteRequest) -> None:
    """Add to an error what the declaration says of answers of its status."""
    if isinstance(error, Forbidden) and error.scope_missing:
        return
    advice = [text for status, text in request.write.advice if status == error.status]
    error.hint = " ".join(filter(None, (*advice, error.hint))) or None


def _shown_otherwise(request: WriteRequest, shown_now: Row) -> NotStored:
    columns = ", ".join(f"{name} {shown(_named(value))}" for name, value in shown_now.items())
    return NotStored(
        f"Bitbucket did not store {', '.join(shown_now)} as given",
        method=request.method,
        path=request.path,
        detail=f"Its answer to {request.method} {request.path} shows: {columns}.",
        hint="Other columns of the row may have changed. SELECT the row, and change it in another "
        "way, or delete it and insert it anew.",
    )


def _unseen(request: WriteRequest, shown_now: Row) -> OutcomeUnknown:
    columns = ", ".join(f"{name} {shown(_named(value))}" for name, value in shown_now.items())
    return OutcomeUnknown(
        f"it is not known whether {request.method} {request.path} was applied",
        method=request.method,
        path=request.path,
        detail="Bitbucket took the change on. "
        f"The row, read {_LOOKS} times since, shows: {columns}.",
        hint="SELECT the row before repeating it.",
    )


def _not_stored(request: WriteRequest, kept: Row) -> NotStored:
    columns = ", ".join(f"{name} {str(value).lower()}" for name, value in kept.items())
    others = [f.column for f in request.write.fields if f.column not in kept]
    return NotStored(
        f"Bitbucket kept {columns}",
        method=request.method,
        path=request.path,
        detail=f"It answered {request.method} {request.path} with the new value, which is not what "
        "it stored.",
        hint=f"It stores one together with another change: SET {next(iter(kept))} = …, and a new "
        f"value of {', '.join(others)}.",
    )
