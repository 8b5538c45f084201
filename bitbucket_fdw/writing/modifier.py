"""INSERT, UPDATE and DELETE of one foreign table.

The host identifies a row to change by the value of one column. Which row at Bitbucket that is, and
which values it had, is known from the scan that found it: everything that a changing statement
reads is remembered until the statement ends. If needed columns were not read, the row is read
again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from ..api import Client
from ..errors import BitbucketError, RowUnknown, WriteError
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
from .requests import WriteRequest, delete, insert, require, update, verbs, writable
from .statement_rows import Statement, StatementRow, Statements
from .uniqueness import not_overwriting
from .waiting_rows import WaitingRows

Row = dict[str, Any]
Rows = Callable[[Iterator[Row]], Iterator[Row]]

_as_they_are: Rows = iter


@dataclass(frozen=True)
class WatchedScan:
    """Watches the rows of one scan on their way to the host.

    :param changing: whether the scan looks for rows to change.
    :param open_scans: the backend's scans that have not ended.
    """

    rows: Rows
    changing: bool
    open_scans: OpenScans

    def track(self, table: type[Table], rows: Iterator[Row]) -> Iterator[Row]:
        """The rows, such that the rest of them can be read before the first of them changes.

        Each row is remembered when it is handed to the host. So several rows that the host
        identifies by the same value can be changed one after the other. If a table can have rows
        with the same key, all rows are known before the first one changes.
        """
        if table.writes.told_apart:
            return self.open_scans.track(table, self.rows(rows))
        return self.rows(self.open_scans.track(table, rows))


class Modifier:
    """Writes for one foreign table; also the journal's sender.

    :param observed: what earlier reads have shown.
    :param journal: the journal of the backend's writes.
    :param open_scans: the backend's scans that have not ended.
    :param mode: returns ``immediate`` or ``commit``, the mode at the moment.
    :param undo_wanted: returns whether a rollback takes back what was sent.
    :param patience: seconds to wait for what Bitbucket finishes later.
    :param warn: sends the client a WARNING.
    :param interrupts: asks whether the statement should stop.

    ``statements`` are the statements that have begun. ``level`` is how deep in subtransactions the
    present one runs.
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
        """Whether changes wait for COMMIT now. Once one waits, all later ones wait as well."""
        return self._mode() == "commit" or self._journal.waits(self.place)

    @property
    def _takes_back(self) -> bool:
        # What was sent at COMMIT is always taken back if something else fails.
        return self._undo_wanted() or self.waits

    @property
    def _earlier_rows(self) -> EarlierRows | None:
        """The record of rows as they were before the statement; ``None`` if it needs none."""
        return None if self.waits else self._statement.earlier_rows

    @property
    def place(self) -> tuple[str, str]:
        return self._client.settings.base_url, self._client.credential.identity

    @property
    def changing(self) -> bool:
        """Whether a statement that may change rows has begun."""
        return bool(self.statements)

    def begin(self, depth: int) -> None:
        """Note that a statement that may change rows begins or is planned.

        :param depth: how many triggers deep it runs.
        """
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
        """The declared column by whose value the host identifies rows.

        It is the last part of the key. If that is unique only within a repository, and the table
        spans several of them, it is the address of the row's page instead. Raises
        :class:`RowUnknown` if no column identifies rows.
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
        """Note, as a statement begins, the execution that its scans belong to."""
        statement = self._statement
        statement.execution = execution
        statement.earlier_rows = EarlierRows(self._table, self.waiting_rows.key)

    def watch(self, request: Request, execution: Any = None) -> tuple[Request, WatchedScan]:
        """The request to read for a scan, and what watches its rows on their way to the host.

        The rows are shown as they were before the statement's own changes, and as the changes of
        earlier statements that wait for COMMIT will leave them. If rows may be changed, their key
        is read in any case, and the rows are remembered: the host hands back all columns, also
        those that the statement does not change, and new values may be made from old ones.
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
        columns = request.columns.union(needed)
        request = replace(request, columns=columns, unseen=frozenset())

        def remembered(rows: Iterator[Row]) -> Iterator[Row]:
            for row in seen_by(rows):
                found = typed_row(self._table, row)
                statement.seen.add(found.get(rowid), found)
                yield row

        return request, WatchedScan(remembered, True, self._open_scans)

    def _rowid_read(self, request: Request) -> str | None:
        """The column that identifies rows, if the scan reads it and the rows can be changed."""
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
        """Update the row that ``rowid`` identifies to ``values``; returns it as it is now.

        A join may give the same row several times. Like a row of a local table, it is updated only
        once in a statement; after that, it is returned as it became. A row that the statement has
        deleted stays deleted.
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
                return values  # this statement has deleted it: scans show no row deleted earlier
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
        """Delete the row that ``rowid`` identifies, unless this statement has changed it before."""
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
                    again = self._made_again(self._settable(old))
                    requests = [replace(request, undo=again) for request in requests]
                self._write(requests, {})
                if self._earlier_rows is not None:
                    self._earlier_rows.changed(found)
            self._statement.seen.delete(key)

    @contextlib.contextmanager
    def _row_of_statement(self) -> Iterator[None]:
        """Adds to an error which row failed, and which changes were sent before it."""
        statement = self._statement
        statement.rows += 1
        try:
            # Only when all rows were read is it known whether two of them have the same key.
            if not self.waits or self._table.writes.told_apart:
                self._open_scans.settle(self._table)
            yield
        except BitbucketError as error:
            which = f"Row {statement.rows} of the statement." if statement.rows > 1 else ""
            said = (error.detail, which, self._journal.sent_before())
            error.detail = " ".join(filter(None, said)) or None
            raise

    def _not_overwriting(self, request: WriteRequest, undoing: bool = False) -> WriteRequest:
        waiting = self._journal.queued(self.place, self._table)
        return not_overwriting(
            request, self._current_rows, waiting, self.waiting_rows.as_queued, undoing
        )

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
        if request.verb == "INSERT" and request.body is not None:
            # Somebody else may have made the row again, with other values.
            request = self._not_overwriting(request, undoing=True)
        self._change_sender.take_back(request)

    # --- reading what a change needs ---

    def _old_row(self, rowid: Any, new: Row) -> tuple[Row, Row]:
        """The row to change as it was, and the columns to change.

        :param new: a value for every column of the foreign table.

        If the statement has read more rows than are kept whole, only the key and marks of the row
        are known. They are enough to tell which columns change. The old values are then read again
        only if the change may have to be taken back.
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
        """The conditions that identify one row, without those that the table's options fix."""
        return " AND ".join(
            f"{name} = …"
            for name in self._table.primary_key
            if self._table.column(name).param not in self._binding.bound
        )

    # --- values ---

    def _typed(self, values: Row) -> Row:
        return typed_row(self._table, values)

    def _settable(self, row: Row) -> Row:
        """All that an INSERT can set of a row, as it is now at Bitbucket."""
        names = {*writable(self._table, "INSERT"), *SLUGS}
        if not names <= {*row, *self._table.primary_key}:
            row = self._current_rows.read(row)
        write = self._table.writes.insert
        absent = {field.column: field.absent for field in write.fields} if write else {}
        return {
            name: absent.get(name) if value is None else value
            for name, value in row.items()
            if name in names
        }

    def _made_again(self, row: Row) -> WriteRequest | None:
        """The request that makes a deleted row again.

        ``None`` if an INSERT would refuse what the row has, such as a value that is new at
        Bitbucket. That is no reason not to delete it.
        """
        try:
            [again] = insert(self._table, self._binding.bound, row)
        except WriteError:
            return None
        return again
