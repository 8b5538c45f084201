"""INSERT, UPDATE and DELETE of one foreign table.

The host tells a row to change by one column's value. Which row at Bitbucket that is, and what its
columns held, is known from the scan that found it: the last rows read are remembered until the
transaction ends, and a row that is not among them is read again.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from .api import Client, ScanContext
from .binding import TableBinding
from .errors import AlreadyExists, MissingValue, RowUnknown
from .execution import Execution, Sizes, exploded
from .pushdown.conditions import Condition
from .pushdown.planner import plan
from .pushdown.request import Request
from .tables.base import Column, Unique
from .tables.repositories import Repositories
from .transactions import JOURNAL
from .values import extractor
from .writes import WriteRequest, delete, insert, typed, undo, update, verbs

REMEMBERED = 2_000  # rows, whole; beyond it an update reads its row again
_POLL = 1.0  # seconds between two looks at an answer that comes later

Row = dict[str, Any]


class Modifier:
    """Writes for one foreign table; also the journal's sender.

    :param mode: ``immediate`` or ``commit``.
    :param undo_wanted: whether a rollback takes back what was sent.
    """

    def __init__(
        self,
        binding: TableBinding,
        client: Client,
        sizes: Sizes,
        mode: str,
        undo_wanted: bool,
        interrupted: Callable[[], bool],
    ) -> None:
        self._binding = binding
        self._table = binding.table
        self._client = client
        self._sizes = sizes
        self._mode = mode
        self._undo_wanted = undo_wanted
        self._interrupted = interrupted
        self._seen: OrderedDict[Any, list[Row]] = OrderedDict()
        self.level = 1

    # --- which row ---

    @property
    def rowid(self) -> Column:
        """The declared column by which the host tells rows apart.

        The key, where everything else of the path is bound; else the address of the row's page,
        which is unique across repositories.
        """
        shown = {column.name for column in self._binding.shown.values()}
        key = self._table.primary_key[-1]
        unique = "links_html_href"
        columns = (key, unique) if self._key_is_enough() else (unique, key)
        for name in columns:
            if name in shown:
                return self._table.column(name)
        raise RowUnknown(
            f"the foreign table has neither column {key} nor {unique}",
            hint="UPDATE and DELETE need one of them: ALTER FOREIGN TABLE … ADD COLUMN.",
        )

    def _key_is_enough(self) -> bool:
        return all(
            name == self._table.primary_key[-1]
            or self._table.column(name).param in self._binding.bound
            for name in self._table.primary_key
        )

    def watch(self, columns: frozenset[str]) -> Callable[[Row], None] | None:
        """What to call with each row that is read, or ``None`` if no change can follow."""
        if not {"UPDATE", "DELETE"} & set(verbs(self._table)):
            return None
        try:
            rowid = self.rowid
        except RowUnknown:
            return None
        if rowid.name not in columns:
            return None
        return lambda row: self._remember(typed(rowid, row.get(rowid.name)), row)

    def _remember(self, rowid: Any, row: Row) -> None:
        rows = self._seen.setdefault(rowid, [])
        if rows:
            key = self._identity(row)
            rows[:] = [other for other in rows if self._identity(other) != key]
            self._seen.move_to_end(rowid)
        rows.append(row)
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)

    def _identity(self, row: Row) -> tuple[Any, ...]:
        return tuple(typed(self._table.column(n), row.get(n)) for n in self._table.primary_key)

    def forget(self) -> None:
        """The transaction has ended: what was read may be stale."""
        self._seen.clear()

    # --- the verbs ---

    def insert(self, values: Row) -> Row:
        """Insert a row; returns it as Bitbucket made it, or as given if it is sent at COMMIT."""
        given = self._typed(values)
        requests = insert(self._table, self._binding.bound, given)
        if self._table.writes.unique:
            self._refuse_overwriting(self._table.writes.unique, given)
        return self._write(requests, {**values, **self._bound_values()})

    def update(self, rowid: Any, values: Row) -> Row:
        """Update the row told by ``rowid`` to ``values``; returns it as it is now."""
        new = self._typed(values)
        old = self._old_row(typed(self.rowid, rowid), new)
        requests = update(self._table, self._binding.bound, old, new)
        return self._write(requests, values)

    def delete(self, rowid: Any) -> None:
        """Delete the row told by ``rowid``."""
        old = self._row_to_delete(typed(self.rowid, rowid))
        requests = delete(self._table, self._binding.bound, old)
        if self._undo_wanted and self._table.writes.recreate:
            full = self._read(old)
            again = insert(self._table, self._binding.bound, self._settable(full))
            requests = [replace(request, undo=again[0]) for request in requests]
        self._write(requests, {})
        self._seen.pop(typed(self.rowid, rowid), None)

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

    def send(self, request: WriteRequest, interruptible: bool) -> Any:
        scan = self._scan(interruptible)
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
        while True:
            status = scan.wait(scan.submit(self._client.get, url, scan)).json
            state = status.get("task_status") if isinstance(status, dict) else None
            if state != "PENDING":
                return status.get("merge_result") if isinstance(status, dict) else None
            for _ in range(int(_POLL / 0.05)):
                scan.check()
                time.sleep(0.05)

    def inverse(self, request: WriteRequest, answer: Any) -> WriteRequest | None:
        row = {**request.identity, **self._typed(self._row(request, answer))}
        return undo(request, row, self._binding.bound)

    def _scan(self, interruptible: bool = True) -> ScanContext:
        interrupted = self._interrupted if interruptible else (lambda: False)
        return ScanContext(
            self._client.workers, self._client.settings.max_requests, interrupted, fresh=True
        )

    def _row(self, request: WriteRequest, answer: Any) -> Row:
        """The row that an answer shows, if it shows one."""
        if not isinstance(answer, dict) or request.verb == "DELETE":
            return {}
        if self._table.collection.explode and self._table.collection.explode not in answer:
            answer = {self._table.collection.explode: [answer]}
        in_path = {c.name for c in self._table.columns if c.param} | (
            {"pull_request_id"} if self._table.collection.explode else set()
        )
        columns = [c for c in self._table.columns if c.path and c.name not in in_path]
        for item in exploded(self._table, [answer]):
            row = extractor(columns)(item)
            return {**row, **{name: request.identity.get(name) for name in in_path}}
        return {}

    # --- reading what a change needs ---

    def _old_row(self, rowid: Any, new: Row) -> Row:
        key = self._identity({**self._bound_values(), **new})
        candidates = self._seen.get(rowid, [])
        for row in candidates:
            if self._identity(row) == key and new.keys() <= row.keys():
                return self._typed(row)
        if candidates and all(self._identity(row) != key for row in candidates):
            raise RowUnknown(
                f"a row cannot change its key ({', '.join(self._table.primary_key)})",
                hint="Insert a new row and delete the old one instead.",
            )
        return self._read({**self._bound_values(), **new})

    def _row_to_delete(self, rowid: Any) -> Row:
        candidates = self._seen.get(rowid, [])
        if len(candidates) > 1:
            raise RowUnknown(
                f"{self.rowid.name} {rowid} stands for several rows",
                hint="Narrow the DELETE down to one repository, or use the schema of that one.",
            )
        if candidates:
            row = self._typed(candidates[0])
        elif self._key_is_enough():
            row = {**self._bound_values(), self.rowid.name: rowid}
        else:
            raise RowUnknown(
                f"which row {self.rowid.name} {rowid} is cannot be told",
                hint="Delete fewer rows at a time, or use the schema of the one repository.",
            )
        if self._table.writes.own:
            row = self._read(row)
            self._require_own(row, self._table.writes.own)
        return row

    def _read(self, identity: Row) -> Row:
        """The row with that key as it is now."""
        table = self._table
        conditions = tuple(
            Condition(column, "=", typed(column, identity[name]))
            for name in table.primary_key
            if identity.get(name) is not None
            and (column := table.column(name)).param not in self._binding.bound
        )
        request = Request(
            table,
            self._binding.bound,
            conditions,
            (),
            frozenset(column.name for column in table.columns),
        )
        execution = Execution(self._client, self._scan(), self._sizes)
        wanted = {c.column.name: c.value for c in conditions}
        for row in execution.rows(plan(request)):
            known = {**self._bound_values(), **self._typed(row)}
            if all(known.get(name) == value for name, value in wanted.items()):
                return known
        raise RowUnknown(
            "the row to change is not there any more",
            detail=", ".join(f"{name} {value}" for name, value in wanted.items()),
        )

    def _require_own(self, row: Row, column: str) -> None:
        scan = self._scan()
        url = self._client.url("/user", (("fields", "uuid"),))
        user = scan.wait(scan.submit(self._client.get, url, scan)).json
        mine = typed(self._table.column(column), str(user.get("uuid")).strip("{}"))
        if row.get(column) != mine:
            raise RowUnknown(
                "the row is another account's",
                hint=f"Only rows with {column} {mine} can be deleted with this credential.",
            )

    def _refuse_overwriting(self, unique: Unique, given: Row) -> None:
        """Raise :class:`AlreadyExists` if Bitbucket would take the new row for an old one."""
        table, (state_column, state) = self._table, unique.where
        known = {**self._bound_values(), **{n: v for n, v in given.items() if v is not None}}
        if unique.default and known.get(unique.default[0]) is None:
            known[unique.default[0]] = self._of_repository(known, unique.default[1])
        tests = {name: known[name] for name in unique.columns}
        tests[state_column] = state
        places = {n: known.get(n) for n in table.primary_key[:-1]}
        conditions = tuple(
            Condition(table.column(name), "=", value)
            for name, value in {**tests, **places}.items()
            if table.column(name).param not in self._binding.bound
        )
        key = table.primary_key[-1]
        columns = frozenset({key, *tests, *places})
        request = Request(table, self._binding.bound, conditions, (), columns)
        execution = Execution(self._client, self._scan(), self._sizes)
        for row in execution.rows(plan(request)):
            if all(row.get(name) == value for name, value in tests.items()):
                pair = ", ".join(f"{name} {tests[name]!r}" for name in unique.columns)
                raise AlreadyExists(
                    f"number {row[key]} is {state} with the same {pair}",
                    detail="Bitbucket would overwrite it.",
                    hint=f"UPDATE it: … WHERE {key} = {row[key]}.",
                )

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
