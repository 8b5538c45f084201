"""INSERT, UPDATE and DELETE of one foreign table.

The host tells a row to change by one column's value. Which row at Bitbucket that is, and what its
columns held, is known from the scan that found it: what a changing statement reads is remembered
until it ends, and a row whose columns are not among that is read again.
"""

from __future__ import annotations

import contextlib
import json
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from .api import Client, ScanContext
from .binding import TableBinding
from .changes import changed as changes
from .changes import typed, typed_row
from .errors import (
    BitbucketError,
    OutcomeUnknown,
    Rejected,
    RequestError,
    RowUnknown,
    TooManyRequests,
)
from .items import exploded
from .lookups import Lookups
from .overwriting import not_overwriting
from .pushdown.request import Request
from .scans import SCANS
from .seen import SeenRow, Statement, Statements
from .sizes import Sizes
from .tables.base import Column
from .transactions import JOURNAL
from .values import extractor
from .verdicts import Verdicts
from .writes import WriteRequest, delete, insert, require, undo, update, verbs

_POLL = 1.0  # seconds between two looks at an answer that comes later

Row = dict[str, Any]


class Modifier:
    """Writes for one foreign table; also the journal's sender.

    :param mode: ``immediate`` or ``commit``.
    :param undo_wanted: whether a rollback takes back what was sent.

    ``statements`` are those that have begun, ``level`` is how deep in subtransactions the present
    one runs.
    """

    def __init__(
        self,
        binding: TableBinding,
        client: Client,
        sizes: Sizes,
        mode: str,
        undo_wanted: bool,
    ) -> None:
        self._binding = binding
        self._table = binding.table
        self._client = client
        self._mode = mode
        # What was sent at COMMIT is always taken back if something else fails.
        self._undo_wanted = undo_wanted or mode == "commit"
        self._lookups = Lookups(binding, client, sizes)
        self._verdicts: Verdicts | None = None
        if self._table.writes.own:
            self._verdicts = Verdicts(self._lookups, self._undo_wanted)
        self.statements = Statements(self._table)
        self.level = 1

    @property
    def place(self) -> tuple[str, str]:
        return self._client.settings.base_url, self._client.credential.identity

    @property
    def changing(self) -> bool:
        """Whether a statement that may change rows has begun."""
        return bool(self.statements)

    def begin(self, depth: int) -> None:
        """A statement that may change rows begins, so many triggers deep, or is planned."""
        self.statements.begin(depth, self.level, JOURNAL.position)

    @property
    def _statement(self) -> Statement:
        if self.statements.current is None:
            self.begin(0)  # a host that has not asked for the row's column before
        assert self.statements.current is not None
        return self.statements.current

    # --- which row ---

    @property
    def rowid(self) -> Column:
        """The declared column by which the host tells rows apart.

        The last part of the key. Where that is unique within a repository only, and the table
        spans several, the address of the row's page is better.
        """
        shown = {column.name for column in self._binding.shown.values()}
        *place, key = self._table.primary_key
        address = "links_html_href"
        local = not self._key_is_enough() and {*place} <= {"workspace", "repository"}
        for name in (address, key) if local else (key, address):
            if name in shown:
                return self._table.column(name)
        raise RowUnknown(
            f"the foreign table has neither column {key} nor {address}",
            hint="UPDATE and DELETE need one of them: ALTER FOREIGN TABLE … ADD COLUMN.",
        )

    def _key_is_enough(self) -> bool:
        return all(
            name == self._table.primary_key[-1]
            or self._table.column(name).param in self._binding.bound
            for name in self._table.primary_key
        )

    def watch(self, request: Request) -> tuple[Request, Callable[[Row], None] | None]:
        """What to read for a scan, and what to call with each row; ``None`` if no change follows.

        A row that may change is asked for its key, whatever else the statement needs of it. It is
        completed to what earlier statements, whose changes wait for COMMIT, will make of it: the
        host hands back the columns that it does not change, and new values may be made from old.
        """
        statement = self.statements.current
        if statement is None or not {"UPDATE", "DELETE"} & set(verbs(self._table)):
            return request, None
        try:
            rowid = self.rowid
        except RowUnknown:
            return request, None
        if rowid.name not in request.columns:
            return request, None
        needed = (*self._table.primary_key, *self._table.writes.kept)
        request = replace(request, columns=request.columns.union(needed))

        def remember(row: Row) -> None:
            found = typed_row(self._table, row)
            if self._mode == "commit":
                waiting = self._as_queued(found, statement.since) or {}
                waiting = {n: v for n, v in waiting.items() if n in row and v != found[n]}
                row.update({name: _shown(value) for name, value in waiting.items()})
                found.update(waiting)
            statement.seen.add(found.get(rowid.name), found)

        return request, remember

    def _identity(self, row: Row) -> tuple[Any, ...]:
        row = {**row, **self._lookups.bound_values()}
        return tuple(typed(self._table.column(n), row.get(n)) for n in self._table.primary_key)

    # --- the verbs ---

    def insert(self, values: Row) -> Row:
        """Insert a row; returns it as Bitbucket made it, or as given if it is sent at COMMIT."""
        with self._row_of_statement():
            requests = insert(self._table, self._binding.bound, self._typed(values))
            requests = [self._not_overwriting(request) for request in requests]
            return self._write(requests, {**values, **self._lookups.bound_values()})

    def update(self, rowid: Any, values: Row) -> Row:
        """Update the row told by ``rowid`` to ``values``; returns it as it is now.

        A join may give a row again. As a row of a local table it is updated once in a statement:
        then it is returned as it became.
        """
        with self._row_of_statement():
            require(self._table, "UPDATE")
            key, new = typed(self.rowid, rowid), self._typed(values)
            again = self._updated_before(key, new)
            if again is not None:
                return {**values, **again}
            old, changed = self._old_row(key, new)
            now = self._as_queued(old)
            if now is None:
                raise RowUnknown("the row was deleted earlier in this transaction")
            requests = update(self._table, self._binding.bound, now, changed)
            if requests and self._verdicts:
                self._verdicts.require_own(now)
            written = self._write(requests, values)
            now_known = {**old, **changed}
            if changed:
                self._statement.seen.replace(key, now_known)
            self._statement.seen.mark_updated(key, now_known)
            return written

    def _updated_before(self, rowid: Any, new: Row) -> Row | None:
        """What is known of the row if this statement has updated it."""
        seen = self._statement.seen
        named = {name: new[name] for name in self._table.primary_key if name in new}
        rows = [row for row in seen.updated(rowid) if self._is(row, named)]
        return rows[0].known(self._table) if rows else None

    def delete(self, rowid: Any) -> None:
        """Delete the row told by ``rowid``; nothing happens if this statement has done so."""
        with self._row_of_statement():
            require(self._table, "DELETE")
            key = typed(self.rowid, rowid)
            if self._statement.seen.deleted(key):
                return
            old = self._as_queued(self._row_to_delete(key))
            if old is not None:
                requests = delete(self._table, self._binding.bound, old)
                if self._undo_wanted and self._table.writes.recreate:
                    full = self._settable(self._lookups.read(old))
                    [again] = insert(self._table, self._binding.bound, full)
                    requests = [replace(request, undo=again) for request in requests]
                self._write(requests, {})
            self._statement.seen.delete(key)

    @contextlib.contextmanager
    def _row_of_statement(self) -> Iterator[None]:
        """An error in here says which row it was, and what went through before it."""
        statement = self._statement
        statement.rows += 1
        try:
            if self._mode == "immediate":
                SCANS.settle(self._table)
            yield
        except BitbucketError as error:
            which = f"Row {statement.rows} of the statement." if statement.rows > 1 else ""
            said = (error.detail, which, JOURNAL.sent_before())
            error.detail = " ".join(filter(None, said)) or None
            raise

    def _as_queued(self, row: Row, until: int | None = None) -> Row | None:
        """A row as what waits for COMMIT will leave it; ``None`` if that deletes it.

        :param until: the journal's position that a statement began at, to leave out its changes.
        """
        if self._mode != "commit":
            return row
        found: Row | None = row
        key = tuple(map(str, self._identity(row)))
        for request in JOURNAL.queued_for(self.place, self._table, key, until):
            if request.verb == "DELETE":
                found = None
            else:
                found = {**(found or request.identity), **request.values}
        return found

    def _not_overwriting(self, request: WriteRequest) -> WriteRequest:
        waiting = JOURNAL.queued(self.place, self._table)
        return not_overwriting(request, self._lookups, waiting)

    def _write(self, requests: list[WriteRequest], row: Row) -> Row:
        for request in requests:
            if self._mode == "commit":
                JOURNAL.enqueue(request, self, self.level)
                continue
            answer = JOURNAL.send(request, self, self.level, self._undo_wanted)
            fresh = self._row(request, answer)
            row = {**row, **fresh} if fresh else row
        return row

    # --- sending, for the journal ---

    def send(self, request: WriteRequest) -> tuple[Any, WriteRequest | None]:
        if self._mode == "commit":
            request = self._not_overwriting(request)  # looked for again: time has passed
        if self._verdicts:
            return self._verdicts.send(request, self._transmit)
        answer = self._transmit(request)
        row = {**request.identity, **self._typed(self._row(request, answer))}
        return answer, undo(request, row, self._binding.bound)

    def take_back(self, request: WriteRequest) -> None:
        self._transmit(request, undoing=True)

    def _transmit(self, request: WriteRequest, undoing: bool = False) -> Any:
        """Send a request; the answer's JSON."""
        if request.method == "PUT" and self._table.writes.upserts:
            self._lookups.read(request.identity, undoing)  # it must not be made again
        scan = self._lookups.scan(undoing)
        answer = self._lookups.send(request, scan)
        if answer.status == 202 and answer.location:
            return self._outcome(request, answer.location, scan)
        return answer.json

    def _outcome(self, request: WriteRequest, location: str, scan: ScanContext) -> Any:
        """What came of a write that Bitbucket finishes later: the row it leads to."""
        url = self._client.absolute(location)
        try:
            while True:
                status = scan.wait(scan.submit(self._client.get, url, scan)).json
                told = status if isinstance(status, dict) else {}
                if told.get("task_status") == "SUCCESS":
                    return told.get("merge_result")
                if told.get("task_status") != "PENDING":
                    raise _outcome_unknown(request, f"Its task is {told.get('task_status')!r}.")
                for _ in range(int(_POLL / 0.05)):
                    scan.check()
                    time.sleep(0.05)
        except Rejected:
            raise  # it was refused in the end
        except (RequestError, TooManyRequests) as error:
            raise _outcome_unknown(request, str(error)) from None

    def _row(self, request: WriteRequest, answer: Any) -> Row:
        """The row, or the part of it, that an answer shows."""
        table, part = self._table, request.write.answers
        if part is not None:
            answer = {part: answer}
        elif not isinstance(answer, dict) or request.verb == "DELETE":
            return {}
        if table.collection.explode and table.collection.explode not in answer:
            answer = {table.collection.explode: [answer]}
        in_path = {c.name for c in table.columns if c.param} | (
            {"pull_request_id"} if table.collection.explode else set()
        )
        columns = [
            column
            for column in table.columns
            if column.path and column.name not in in_path and part in (None, column.keys[0])
        ]
        for item in exploded(table, [answer]):
            row = extractor(columns)(item)
            return {**row, **{name: request.identity.get(name) for name in in_path}}
        return {}

    # --- reading what a change needs ---

    def _old_row(self, rowid: Any, new: Row) -> tuple[Row, Row]:
        """The row to change as it was, and the columns that are to change.

        ``new`` has a value for every column that is shown. Where the statement has read more rows
        than are kept whole, what is left of one tells the changes; its values before them are only
        read again where they may have to come back.
        """
        seen = self.statements.candidates(rowid)
        named = {name: new[name] for name in self._table.primary_key if name in new}
        matching = [row for row in seen if self._is(row, named)]
        if len(matching) > 1:
            raise RowUnknown(f"{self.rowid.name} {rowid} stands for several rows")
        if matching or not seen:
            known = matching[0].known(self._table) if matching else {}
            changed = matching[0].changed(self._table, new) if matching else None
            if changed is not None and (matching[0].whole or not changed):
                return known, changed
            if changed is not None and not self._undo_wanted:
                same = {name: value for name, value in new.items() if name not in changed}
                return {**same, **known}, changed
            row = self._lookups.read({**self._lookups.bound_values(), **known, **named})
            if row[self.rowid.name] == rowid:
                return row, changes(self._table, row, new) if changed is None else changed
        raise RowUnknown(
            f"a row cannot change its key ({', '.join(self._table.primary_key)})",
            hint="Insert a new row and delete the old one instead.",
        )

    def _is(self, row: SeenRow, named: Row) -> bool:
        known = row.known(self._table)
        return all(known[name] == value for name, value in named.items())

    def _row_to_delete(self, rowid: Any) -> Row:
        candidates = self.statements.candidates(rowid)
        if len(candidates) > 1:
            raise RowUnknown(
                f"{self.rowid.name} {rowid} stands for several rows",
                hint=f"Delete them one by one: … WHERE {self._places()}.",
            )
        if candidates:
            row = candidates[0].known(self._table)
        elif self._key_is_enough():
            row = {**self._lookups.bound_values(), self.rowid.name: rowid}
        else:
            raise RowUnknown(
                f"which row {self.rowid.name} {rowid} is cannot be told",
                hint=f"Delete them one by one: … WHERE {self._places()}.",
            )
        if self._verdicts:
            row = self._lookups.read(row)
            self._verdicts.require_own(row)
        return row

    def _places(self) -> str:
        """The conditions that name one row, but for what is bound."""
        return " AND ".join(
            f"{name} = …"
            for name in self._table.primary_key
            if self._table.column(name).param not in self._binding.bound
        )

    # --- values ---

    def _typed(self, values: Row) -> Row:
        return typed_row(self._table, values)

    def _settable(self, row: Row) -> Row:
        write = self._table.writes.insert
        names = {field.column for field in write.fields} if write else set()
        return {
            name: value
            for name, value in row.items()
            if name in names | {"workspace", "repository"}
        }


def _shown(value: Any) -> Any:
    """A typed value as rows have them that were read: hosts take UUIDs and JSON as text."""
    if isinstance(value, uuid.UUID):
        return str(value)
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def _outcome_unknown(request: WriteRequest, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"it is not known whether {request.method} {request.path} was applied",
        method=request.method,
        path=request.path,
        detail=f"Bitbucket took it to finish it later. {why}",
        hint="SELECT the row before repeating it.",
    )
