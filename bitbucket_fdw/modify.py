"""INSERT, UPDATE and DELETE of one foreign table.

The host tells a row to change by one column's value. Which row at Bitbucket that is, and what its
columns held, is known from the scan that found it: what a changing statement reads is remembered
until it ends, and a row whose columns are not among that is read again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from . import interrupts
from .api import Client, ScanContext
from .binding import TableBinding
from .errors import (
    AlreadyExists,
    BitbucketError,
    MissingValue,
    OutcomeUnknown,
    Rejected,
    RequestError,
    RowUnknown,
    TooManyRequests,
)
from .execution import Execution, Sizes, exploded
from .pushdown.conditions import Condition
from .pushdown.planner import plan
from .pushdown.request import Request
from .scans import SCANS
from .seen import SeenRows
from .tables.base import Column, Unique
from .tables.repositories import Repositories
from .transactions import JOURNAL
from .values import extractor
from .writes import WriteRequest, delete, insert, require, typed, undo, update, verbs

_POLL = 1.0  # seconds between two looks at an answer that comes later

Row = dict[str, Any]


class Modifier:
    """Writes for one foreign table; also the journal's sender.

    :param mode: ``immediate`` or ``commit``.
    :param undo_wanted: whether a rollback takes back what was sent.

    ``changing`` is whether a statement that may change rows has begun, ``admitted`` whether its
    clauses have been looked at, ``level`` how deep in subtransactions it runs.
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
        self._sizes = sizes
        self._mode = mode
        # What was sent at COMMIT is always taken back if something else fails.
        self._undo_wanted = undo_wanted or mode == "commit"
        self._seen = SeenRows(self._table.primary_key)
        self._rows = 0  # that the statement has changed, the present one among them
        self.changing = False
        self.admitted = False
        self.level = 1

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

        A row that may change is asked for its key, whatever else the statement needs of it.
        """
        if not self.changing or not {"UPDATE", "DELETE"} & set(verbs(self._table)):
            return request, None
        try:
            rowid = self.rowid
        except RowUnknown:
            return request, None
        if rowid.name not in request.columns:
            return request, None
        only = self._table.writes.only
        needed = (*self._table.primary_key, *(only[:1] if only else ()))
        request = replace(request, columns=request.columns.union(needed))
        return request, lambda row: self._seen.add(typed(rowid, row.get(rowid.name)), row)

    def _identity(self, row: Row) -> tuple[Any, ...]:
        row = {**row, **self._bound_values()}
        return tuple(typed(self._table.column(n), row.get(n)) for n in self._table.primary_key)

    def forget(self) -> None:
        """The statement has ended: what was read may be stale."""
        self._seen.clear()
        self._rows = 0
        self.changing = False
        self.admitted = False

    # --- the verbs ---

    def insert(self, values: Row) -> Row:
        """Insert a row; returns it as Bitbucket made it, or as given if it is sent at COMMIT."""
        with self._row_of_statement():
            requests = insert(self._table, self._binding.bound, self._typed(values))
            requests = [self._not_overwriting(request) for request in requests]
            return self._write(requests, {**values, **self._bound_values()})

    def update(self, rowid: Any, values: Row) -> Row:
        """Update the row told by ``rowid`` to ``values``; returns it as it is now."""
        with self._row_of_statement():
            require(self._table, "UPDATE")
            key, new = typed(self.rowid, rowid), self._typed(values)
            old = self._as_queued(self._old_row(key, new))
            if old is None:
                raise RowUnknown("the row was deleted earlier in this transaction")
            requests = update(self._table, self._binding.bound, old, new)
            if requests and self._table.writes.own:
                self._require_own(old, self._table.writes.own)
            changed = self._write(requests, values)
            for request in requests:  # a join may give the row again, as the scan found it
                old = {**old, **request.values}
            self._seen.add(key, old)
            return changed

    def delete(self, rowid: Any) -> None:
        """Delete the row told by ``rowid``; nothing happens if this transaction has done so."""
        with self._row_of_statement():
            require(self._table, "DELETE")
            key = typed(self.rowid, rowid)
            if self._seen.deleted(key):
                return
            old = self._as_queued(self._row_to_delete(key))
            if old is not None:
                requests = delete(self._table, self._binding.bound, old)
                if self._undo_wanted and self._table.writes.recreate:
                    full = self._settable(self._read(old))
                    [again] = insert(self._table, self._binding.bound, full)
                    requests = [replace(request, undo=again) for request in requests]
                self._write(requests, {})
            self._seen.delete(key)

    @contextlib.contextmanager
    def _row_of_statement(self) -> Iterator[None]:
        """An error in here says which row it was, and what went through before it."""
        self._rows += 1
        try:
            if self._mode == "immediate":
                SCANS.settle(self._table)
            yield
        except BitbucketError as error:
            which = f"Row {self._rows} of the statement." if self._rows > 1 else ""
            said = (error.detail, which, JOURNAL.sent_before())
            error.detail = " ".join(filter(None, said)) or None
            raise

    def _as_queued(self, row: Row) -> Row | None:
        """A row as what waits for COMMIT will leave it; ``None`` if that deletes it."""
        found: Row | None = row
        key = tuple(map(str, self._identity(row)))
        for request in JOURNAL.queued(self._table, key) if self._mode == "commit" else ():
            if request.verb == "DELETE":
                found = None
            else:
                found = {**(found or request.identity), **request.values}
        return found

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

    def send(self, request: WriteRequest, undoing: bool) -> Any:
        if self._mode == "commit" and not undoing:
            request = self._not_overwriting(request)  # looked for again: time has passed
        scan = self._scan(undoing)
        answer = scan.wait(
            scan.submit(
                self._client.send,
                request.method,
                request.path,
                request.body,
                request.repeatable,
                scan,
            )
        )
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

    def inverse(self, request: WriteRequest, answer: Any) -> WriteRequest | None:
        row = {**request.identity, **self._typed(self._row(request, answer))}
        return undo(request, row, self._binding.bound)

    def _scan(self, undoing: bool = False) -> ScanContext:
        interrupted = interrupts.cancelled if undoing else interrupts.pending
        return ScanContext(
            self._client.workers, self._client.settings.max_requests, interrupted, fresh=True
        )

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

    def _old_row(self, rowid: Any, new: Row) -> Row:
        """The row to change as it was read; ``new`` has a value for every column that is shown."""
        seen = [self._typed(row) for row in self._seen.candidates(rowid)]
        named = {name: new[name] for name in self._table.primary_key if name in new}
        matching = [row for row in seen if all(row[n] == value for n, value in named.items())]
        if len(matching) > 1:
            raise RowUnknown(f"{self.rowid.name} {rowid} stands for several rows")
        if matching and new.keys() <= matching[0].keys():
            return matching[0]
        if matching or not seen:
            known = matching[0] if matching else {}
            row = self._read({**self._bound_values(), **known, **named})
            if row[self.rowid.name] == rowid:
                return row
        raise RowUnknown(
            f"a row cannot change its key ({', '.join(self._table.primary_key)})",
            hint="Insert a new row and delete the old one instead.",
        )

    def _row_to_delete(self, rowid: Any) -> Row:
        candidates = self._seen.candidates(rowid)
        if len(candidates) > 1:
            raise RowUnknown(
                f"{self.rowid.name} {rowid} stands for several rows",
                hint=f"Delete them one by one: … WHERE {self._places()}.",
            )
        if candidates:
            row = self._typed(candidates[0])
        elif self._key_is_enough():
            row = {**self._bound_values(), self.rowid.name: rowid}
        else:
            raise RowUnknown(
                f"which row {self.rowid.name} {rowid} is cannot be told",
                hint=f"Delete them one by one: … WHERE {self._places()}.",
            )
        if self._table.writes.own:
            row = self._read(row)
            self._require_own(row, self._table.writes.own)
        return row

    def _places(self) -> str:
        """The conditions that name one row, but for what is bound."""
        return " AND ".join(
            f"{name} = …"
            for name in self._table.primary_key
            if self._table.column(name).param not in self._binding.bound
        )

    def _read(self, identity: Row) -> Row:
        """The row with that key as it is now."""
        table = self._table
        key = {
            name: typed(table.column(name), identity[name])
            for name in table.primary_key
            if identity.get(name) is not None
        }
        for row in self._found(key, frozenset(column.name for column in table.columns)):
            return row
        raise RowUnknown(
            "the row to change is not there any more",
            detail=", ".join(f"{name} {value}" for name, value in key.items()),
        )

    def _require_own(self, row: Row, column: str) -> None:
        scan = self._scan()
        url = self._client.url("/user", (("fields", "uuid"),))
        user = scan.wait(scan.submit(self._client.get, url, scan)).json
        mine = typed(self._table.column(column), str(user.get("uuid")).strip("{}"))
        if row.get(column) != mine:
            raise RowUnknown(
                "the row is another account's",
                hint=f"Only rows with {column} {mine} can be written with this credential.",
            )

    def _not_overwriting(self, request: WriteRequest) -> WriteRequest:
        """The request with what Bitbucket fills in; :class:`AlreadyExists` if Bitbucket would take
        the new row for an old one.
        """
        table, unique = self._table, self._table.writes.unique
        if unique is None or request.verb != "INSERT":
            return request
        new = {**request.identity, **self._bound_values()}
        if unique.default and new.get(unique.default[0]) is None:
            new[unique.default[0]] = self._of_repository(new, unique.default[1])
        place = {name: new[name] for name in table.primary_key[:-1]}
        for waiting in JOURNAL.queued(table):
            if waiting.verb == "INSERT" and self._collides(unique, place, new, waiting.identity):
                raise AlreadyExists("the transaction inserts such a row already")
        tests = {**place, **{name: new[name] for name in unique.columns}}
        if unique.where:
            tests[unique.where[0]] = unique.where[1]
        columns = frozenset({*table.primary_key, *tests, *filter(None, [unique.origin])})
        for row in self._found(tests, columns):
            if self._collides(unique, place, new, row):
                raise self._already_exists(unique, new, row)
        return replace(request, identity=new)

    def _collides(self, unique: Unique, place: Row, new: Row, old: Row) -> bool:
        """Whether Bitbucket would take a new row for an old one."""
        if unique.origin and _origin(unique.origin, new) != _origin(unique.origin, old):
            return False
        return all(old.get(name) == new.get(name) for name in (*place, *unique.columns))

    def _already_exists(self, unique: Unique, new: Row, old: Row) -> AlreadyExists:
        key = self._table.primary_key[-1]
        same = ", ".join(f"{name} {new[name]!r}" for name in unique.columns if name != key)
        state = f" is {unique.where[1]}" if unique.where else ""
        return AlreadyExists(
            f"{key} {old[key]!r}{state or ' exists already'}" + (f" with {same}" if same else ""),
            detail="Bitbucket would overwrite it.",
            hint=f"UPDATE it: … WHERE {key} = {old[key]!r}.",
        )

    def _found(self, tests: Row, columns: frozenset[str]) -> Iterator[Row]:
        """The rows whose columns have the values of ``tests``, read now."""
        table = self._table
        conditions = tuple(
            Condition(table.column(name), "=", value)
            for name, value in tests.items()
            if table.column(name).param not in self._binding.bound
        )
        request = Request(table, self._binding.bound, conditions, (), columns)
        execution = Execution(self._client, self._scan(), self._sizes)
        for row in execution.rows(plan(request)):
            row = {**self._bound_values(), **self._typed(row)}
            if all(row.get(name) == value for name, value in tests.items()):
                yield row

    def _of_repository(self, known: Row, column: str) -> Any:
        conditions = (Condition(Repositories.column("slug"), "=", known.get("repository")),)
        bound = {"workspace": known.get("workspace") or ""}
        request = Request(Repositories, bound, conditions, (), frozenset({"slug", column}))
        execution = Execution(self._client, self._scan(), self._sizes)
        for row in execution.rows(plan(request)):
            if row[column] is not None:
                return row[column]
        raise MissingValue(
            "the repository has no default branch to merge into",
            hint="Name the destination branch.",
        )

    # --- values ---

    def _typed(self, values: Mapping[str, Any]) -> Row:
        return {name: typed(self._table.column(name), value) for name, value in values.items()}

    def _bound_values(self) -> Row:
        """The bound path parameters under their columns' names."""
        found = {}
        for parameter, value in self._binding.bound.items():
            column = self._table.column_of(parameter)
            if column is not None:
                found[column.name] = value
        return found

    def _settable(self, row: Row) -> Row:
        write = self._table.writes.insert
        names = {field.column for field in write.fields} if write else set()
        return {
            name: value
            for name, value in row.items()
            if name in names | {"workspace", "repository"}
        }


def _origin(column: str, row: Row) -> str:
    """The full name of the repository a row comes from, its own where it names none."""
    named = row.get(column) or f"{row.get('workspace')}/{row.get('repository')}"
    return str(named).lower()


def _outcome_unknown(request: WriteRequest, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"it is not known whether {request.method} {request.path} was applied",
        method=request.method,
        path=request.path,
        detail=f"Bitbucket took it to finish it later. {why}",
        hint="SELECT the row before repeating it.",
    )
