"""Reads rows as they are now at Bitbucket, for what must be known before a change is sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from ..api import Answer, Client, Delivery, ScanContext
from ..errors import BadResponse, BitbucketError, MissingValue, NotFound, RowUnknown
from ..foreign_tables.binding import TableBinding
from ..pushdown.conditions import Condition
from ..pushdown.planner import plan
from ..pushdown.request import Request
from ..pushdown.typed_values import typed, typed_row
from ..reading.execution import Execution
from ..reading.observations import Observed
from ..tables.addresses import fill, path_text
from ..tables.endpoints import SLUGS, path_parameters
from ..tables.json_values import column_value
from ..tables.table import Table
from ..tables.writing import Asked, Default
from .requests import WriteRequest

Row = dict[str, Any]


class Interrupts(Protocol):
    """How to ask whether the statement should stop."""

    def pending(self) -> bool:
        """Whether it should stop: because of a cancel, a time-out, or the end of the session."""

    def cancelled(self) -> bool:
        """Whether it was cancelled. (When a session ends, changes are still taken back.)"""


class CurrentRows:
    """Reads rows of one foreign table, and sends what changes them.

    Nothing comes from the cache. Taking back changes goes on although the statement was cancelled
    before; only another cancel ends it.
    """

    def __init__(
        self, binding: TableBinding, client: Client, observed: Observed, interrupts: Interrupts
    ) -> None:
        self.binding = binding
        self.client = client
        self._observed = observed
        self._interrupts = interrupts

    @property
    def table(self) -> type[Table]:
        return self.binding.table

    def scan(self, undoing: bool = False) -> ScanContext:
        """A context to wait for answers in, which ends when the statement is cancelled."""
        interrupted = self._interrupts.cancelled if undoing else self._interrupts.pending
        return self.client.scan(interrupted, fresh=True, about=self.table.name)

    def send(self, request: WriteRequest, scan: ScanContext) -> Answer:
        """Send a change and wait for its answer.

        Raises a ``RequestError``. The attribute ``unsettled`` of any error tells whether the change
        may have been applied nevertheless.
        """
        delivery = Delivery()
        url = self.client.url(request.path, request.write.query)
        try:
            return scan.wait(
                scan.submit(
                    self.client.send,
                    request.method,
                    url,
                    request.body,
                    request.repeatable,
                    scan,
                    delivery,
                )
            )
        except BitbucketError as error:
            error.unsettled = delivery.give_up()
            raise

    def document(
        self, identity: Row, columns: Iterable[str], paths: Iterable[str], undoing: bool = False
    ) -> Any:
        """The JSON of a row's item as it is now, with the members for these columns and JSON paths.

        Raises :class:`RowUnknown` if there is no such row.
        """
        items = self.table.items[:1]  # none where the collection is the one item there is
        template = items[0].path if items else self.table.collection.path
        keys = {item.parameter: item.key for item in items}
        declared = [self.table.column(name).path for name in columns]
        fields = sorted({*filter(None, declared), *paths})
        scan = self.scan(undoing)
        path = self._path(template, identity, keys)
        url = self.client.url(path, (("fields", ",".join(fields)),))
        try:
            found = scan.wait(scan.submit(self.client.get, url, scan)).json
        except NotFound:
            raise self._gone(
                {name: identity.get(name) for name in self.table.primary_key}
            ) from None
        if not isinstance(found, dict):
            raise BadResponse(
                f"GET {path} was answered with unexpected JSON",
                method="GET",
                path=path,
                detail="It is no object.",
            )
        return found

    def elsewhere(self, ask: Asked, row: Row) -> Any:
        """A value from the endpoint that tells it if the item does not; ``None`` if it does not
        tell it either.
        """
        scan = self.scan()
        path = self._path(ask.elsewhere, row, {})
        url = self.client.url(path, (("fields", ask.elsewhere_path),))
        try:
            found = scan.wait(scan.submit(self.client.get, url, scan)).json
        except NotFound:
            return None
        return column_value(found, tuple(ask.elsewhere_path.split(".")))

    def _path(self, template: str, row: Row, keys: dict[str, str]) -> str:
        """A path whose parameters are columns of a row."""
        known = {**row, **self.bound_values()}
        parameters = {}
        for parameter in path_parameters(template):
            column = self.table.column_of(parameter)
            name = column.name if column else keys.get(parameter, parameter)
            parameters[parameter] = path_text(known[name])
        return fill(template, parameters)

    def read(self, identity: Row, undoing: bool = False) -> Row:
        """The row with that key. Raises :class:`RowUnknown` if there is none."""
        key = {
            name: typed(self.table.column(name), identity[name])
            for name in self.table.primary_key
            if identity.get(name) is not None
        }
        columns = frozenset(column.name for column in self.table.columns)
        for row in self.found(key, columns, undoing):
            return row
        raise self._gone(key)

    def _gone(self, key: Row) -> RowUnknown:
        return RowUnknown(
            "the row to change is not there any more",
            detail=", ".join(f"{name} {value}" for name, value in key.items() if value is not None),
        )

    def found(self, tests: Row, columns: frozenset[str], undoing: bool = False) -> Iterator[Row]:
        """The rows whose columns have the values of ``tests``."""
        # Slugs are treated as if the table's options named them: they may be in any spelling, and
        # it is an error if they do not exist.
        slugs = {c.param: c.name for c in self.table.columns if c.param in SLUGS}
        places = {p: str(tests[name]) for p, name in slugs.items() if p and name in tests}
        bound = {**places, **self.binding.bound}
        conditions = tuple(
            Condition(self.table.column(name), "=", value)
            for name, value in tests.items()
            if self.table.column(name).param not in bound
        )
        request = Request(self.table, bound, conditions, (), columns)
        execution = Execution(self.client, self.scan(undoing), self._observed)
        for row in execution.rows(plan(request)):
            row = {**self.bound_values(), **typed_row(self.table, row)}
            if all(row.get(name) == value for name, value in tests.items()):
                yield row

    def filled_in(self, known: Row, default: Default) -> Any:
        """The value that Bitbucket fills in, from the row that the new one belongs to.

        Raises :class:`MissingValue` if that row has no value.
        """
        above = self.table.parent
        assert above is not None
        bound = {}
        for parameter, supplier in above.supplies:
            own, target = self.table.column_of(parameter), above.table.column(supplier).param
            if own is not None and target is not None:
                bound[target] = str(known.get(own.name) or "")
        needed = frozenset({above.table.key_column().name, default.of_parent})
        request = Request(above.table, bound, columns=needed)
        execution = Execution(self.client, self.scan(), self._observed)
        for row in execution.rows(plan(request)):
            if row[default.of_parent] is not None:
                return row[default.of_parent]
        raise MissingValue(default.missing, hint=default.hint)

    def bound_values(self) -> Row:
        """The values of path parameters that the table's options fix, by column name."""
        found = {}
        for parameter, value in self.binding.bound.items():
            column = self.table.column_of(parameter)
            if column is not None:
                found[column.name] = value
        return found
