"""INSERT, UPDATE and DELETE of one foreign table.

The host tells a row to change by one column's value. Which row at Bitbucket that is, and what its
columns held, is known from the scan that found it: what a changing statement reads is remembered
until it ends, and a row whose columns are not among that is read again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..api import Client
from ..errors import BitbucketError, RowUnknown
from ..foreign_tables.binding import TableBinding
from ..pushdown.request import Request
from ..pushdown.typed_values import row_shown, typed, typed_row
from ..reading.observations import Observed
from ..tables.columns import Column
from ..tables.endpoints import SLUGS
from ..tables.table import Table
from .change_sender import ChangeSender, Warn
from .changed_columns import changed as changes
from .current_rows import CurrentRows, Interrupts
from .earlier_rows import EarlierRows
from .journal import Journal, SendOutcome
from .open_scans import OpenScans
from .own_rows import OwnRows
from .requests import WriteRequest, delete, insert, require, update, verbs
from .statement_rows import Statement, StatementRow, Statements
from .uniqueness import not_overwriting
from .waiting_rows import WaitingRows

Row = dict[str, Any]
Rows = Callable[[Iterator[Row]], Iterator[Row]]

_as_they_are: Rows = iter


@dataclass(frozen=True)
class WatchedScan:
    """What a scan's rows become on their way to the host.

    :param changing: whether they are found to be changed.
    :param open_scans: those of the backend.
    """

    rows: Rows
    changing: bool
    open_scans: OpenScans

    def track(self, table: type[Table], rows: Iterator[Row]) -> Iterator[Row]:
        """The rows on their way, to be settled before the first of them changes.

        They are remembered as they go up, so that rows which the host tells by one value can be
        changed one after the other. Where rows of one key have to be told apart, all of them are
        known once the first one is to change.
        """
        if table.writes.told_apart:
            return self.open_scans.track(table, self.rows(rows))
        return self.rows(self.open_scans.track(table, rows))


class Modifier:
    """Writes for one foreign table; also the journal's sender.

    :param observed: what reads have shown, for these to go by.
    :param journal: of the backend's writes.
    :param open_scans: those of the backend.
    :param mode: tells whether it is ``immediate`` or ``commit`` at the moment.
    :param undo_wanted: whether a rollback takes back what was sent.
    :param patience: seconds to wait for what Bitbucket finishes later.
    :param warn: sends the client a WARNING.
    :param interrupts: asks whether the statement should stop.

    ``statements`` are those that have begun, ``level`` is how deep in subtransactions the present
    one runs.
    """

    def __init__(
        self,
        binding: TableBinding,
        client: Client,
        observed: Observed,
        journal: Journal,
        open_scans: OpenScans,
        mode: Callable[[], str],
        undo_wanted: Callable[[], bool],
        patience: float,
        warn: Warn,
        interrupts: Interrupts,
    ) -> None:
        self._binding = binding
        self._table = binding.table
        self._client = client
        self._journal = journal
        self._open_scans = open_scans
        self._mode = mode
        self._undo_wanted = undo_wanted
        self._current_rows = CurrentRows(binding, client, observed, interrupts)
        self._own_rows: OwnRows | None = None
        if self._table.writes.own:
            self._own_rows = OwnRows(self._current_rows)
        self._change_sender = ChangeSender(self._current_rows, self._own_rows, patience, warn)
        self.statements = Statements(self._table)
        self.waiting_rows = WaitingRows(
            self._table, journal, self.place, self._current_rows.bound_values()
        )
        self.level = 1

    @property
    def waits(self) -> bool:
        """Whether changes wait for COMMIT now: once one does, those after it do, too."""
        return self._mode() == "commit" or self._journal.waits(self.place)

    @property
    def _takes_back(self) -> bool:
        # What was sent at COMMIT is always taken back if something else fails.
        return self._undo_wanted() or self.waits

    @property
    def _earlier_rows(self) -> EarlierRows | None:
        """Where rows are noted as they were before the statement, if it may read them again."""
        return None if self.waits else self._statement.earlier_rows

    @property
    def place(self) -> tuple[str, str]:
        return self._client.settings.base_url, self._client.credential.identity

    @property
    def changing(self) -> bool:
        """Whether a statement that may change rows has begun."""
        return bool(self.statements)

    def begin(self, depth: int) -> None:
        """A statement that may change rows begins, so many triggers deep, or is planned."""
        self.statements.begin(depth, self.level, self._journal.position)

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
        spans several, the address of the row's page is better. :class:`RowUnknown` if nothing tells
        them apart.
        """
        if not self._table.primary_key:
            raise RowUnknown(f"nothing identifies a row of {self._table.name}")
        shown = {column.name for column in self._binding.shown.values()}
        *place, key = self._table.primary_key
        page = self._table.page()
        address = page.name if page else key
        local = not self._key_is_enough() and {*place} <= {*SLUGS}
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

    def run(self, execution: Any) -> None:
        """Be told what the present statement's scans have in common, as it begins."""
        statement = self._statement
        statement.execution = execution
        statement.earlier_rows = EarlierRows(self._table, self.waiting_rows.key)

    def watch(self, request: Request, execution: Any = None) -> tuple[Request, WatchedScan]:
        """What to read for a scan, and what its rows become on their way to the host.

        They are as the statement's own changes found them, and as earlier statements, whose
        changes wait for COMMIT, will leave them. Of rows that may change the key is read, whatever
        else the statement needs of them, and they are remembered: the host hands back the columns
        that it does not change, and new values may be made from old.
        """
        statement, seen_by = self.statements.current, _as_they_are
        if self.waiting_rows:
            since = self._journal.position if statement is None else statement.since
            request, seen_by = self.waiting_rows.seen_by(request, since)
        elif (
            statement is not None
            and statement.earlier_rows
            and execution is not None
            and statement.execution is execution
        ):
            request, seen_by = statement.earlier_rows.seen_by(request)
        rowid = self._rowid_read(request)
        if statement is None or rowid is None:
            return request, WatchedScan(seen_by, False, self._open_scans)
        needed = (*self._table.primary_key, *self._table.writes.kept)
        request = replace(request, columns=request.columns.union(needed))

        def remembered(rows: Iterator[Row]) -> Iterator[Row]:
            for row in seen_by(rows):
                found = typed_row(self._table, row)
                statement.seen.add(found.get(rowid), found)
                yield row

        return request, WatchedScan(remembered, True, self._open_scans)

    def _rowid_read(self, request: Request) -> str | None:
        """The column that tells rows apart, if rows that a scan reads it of can be changed."""
        if not {"UPDATE", "DELETE"} & set(verbs(self._table)):
            return None
        try:
            rowid = self.rowid.name
        except RowUnknown:
            return None
        return rowid if rowid in request.columns else None

    # --- the verbs ---

    def insert(self, values: Row) -> Row:
        """Insert a row; returns it as Bitbucket made it, or as given if it is sent at COMMIT."""
        with self._row_of_statement():
            requests = insert(self._table, self._binding.bound, self._typed(values))
            requests = [self._not_overwriting(request) for request in requests]
            written = self._write(requests, {**values, **self._current_rows.bound_values()})
            if self._table.writes.insert is not None and self._earlier_rows is not None:
                self._earlier_rows.made(written)
            return written

    def update(self, rowid: Any, values: Row) -> Row:
        """Update the row told by ``rowid`` to ``values``; returns it as it is now.

        A join may give a row again. As a row of a local table it is updated once in a statement:
        then it is returned as it became. A row that the statement has deleted stays so.
        """
        with self._row_of_statement():
            require(self._table, "UPDATE")
            key, new = typed(self.rowid, rowid), self._typed(values)
            again = self._updated_before(key, new)
            if again is not None:
                return {**values, **row_shown(again)}
            old, changed = self._old_row(key, new)
            now = self.waiting_rows.as_queued(old)
            if now is None:
                return values  # scans show no row that an earlier statement has deleted
            requests = update(self._table, self._binding.bound, now, changed)
            if requests and self._own_rows:
                self._own_rows.require_own(now)
            written = self._write(requests, values)
            if requests and self._earlier_rows is not None:
                self._earlier_rows.changed(old)
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
        """Delete the row told by ``rowid``; nothing happens if this statement has changed it."""
        with self._row_of_statement():
            require(self._table, "DELETE")
            key = typed(self.rowid, rowid)
            if self._statement.seen.deleted(key):
                return
            found = self._row_to_delete(key)
            named = {name: found[name] for name in self._table.primary_key if name in found}
            if any(self._is(row, named) for row in self._statement.seen.updated(key)):
                return
            old = self.waiting_rows.as_queued(found)
            if old is not None:
                requests = delete(self._table, self._binding.bound, old)
                if self._takes_back and self._table.writes.recreate:
                    full = self._settable(self._current_rows.read(old))
                    [again] = insert(self._table, self._binding.bound, full)
                    requests = [replace(request, undo=again) for request in requests]
                self._write(requests, {})
                if self._earlier_rows is not None:
                    self._earlier_rows.changed(found)
            self._statement.seen.delete(key)

    @contextlib.contextmanager
    def _row_of_statement(self) -> Iterator[None]:
        """An error in here says which row it was, and what went through before it."""
        statement = self._statement
        statement.rows += 1
        try:
            # Whether rows are told apart shows once all of them were seen.
            if not self.waits or self._table.writes.told_apart:
                self._open_scans.settle(self._table)
            yield
        except BitbucketError as error:
            which = f"Row {statement.rows} of the statement." if statement.rows > 1 else ""
            said = (error.detail, which, self._journal.sent_before())
            error.detail = " ".join(filter(None, said)) or None
            raise

    def _not_overwriting(self, request: WriteRequest) -> WriteRequest:
        waiting = self._journal.queued(self.place, self._table)
        return not_overwriting(request, self._current_rows, waiting, self.waiting_rows.as_queued)

    def _write(self, requests: list[WriteRequest], row: Row) -> Row:
        for request in requests:
            if self.waits:
                self._journal.enqueue(request, self, self.level)
                continue
            row = {**row, **self._journal.send(request, self, self.level, self._takes_back)}
        return row

    # --- sending, for the journal ---

    def send(self, request: WriteRequest, waited: bool) -> SendOutcome:
        if waited:
            request = self._not_overwriting(request)  # looked for again: time has passed
        return self._change_sender.send(request, waited or self._takes_back)

    def take_back(self, request: WriteRequest) -> None:
        self._change_sender.take_back(request)

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
            if changed is not None and not self._takes_back:
                same = {name: value for name, value in new.items() if name not in changed}
                return {**same, **known}, changed
            row = self._current_rows.read({**self._current_rows.bound_values(), **known, **named})
            if row[self.rowid.name] == rowid:
                return row, changes(self._table, row, new) if changed is None else changed
        raise RowUnknown(
            f"a row cannot change its key ({', '.join(self._table.primary_key)})",
            hint="Insert a new row and delete the old one instead.",
        )

    def _is(self, row: StatementRow, named: Row) -> bool:
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
            row = {**self._current_rows.bound_values(), self.rowid.name: rowid}
        else:
            raise RowUnknown(
                f"which row {self.rowid.name} {rowid} is cannot be told",
                hint=f"Delete them one by one: … WHERE {self._places()}.",
            )
        if self._own_rows:
            row = self._current_rows.read(row)
            self._own_rows.require_own(row)
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
        return {name: value for name, value in row.items() if name in names | {*SLUGS}}
