"""The glue to Multicorn: the only module that imports ``multicorn``.

The host calls the hooks of :class:`BitbucketFdw` while it plans and executes statements. Each hook
translates what it is given, asks the pure planner or the execution, and turns errors of this
package into PostgreSQL errors with detail and hint.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from logging import ERROR, WARNING
from typing import Any, NoReturn, TypeVar, cast

import multicorn
from multicorn import ColumnDefinition, ForeignDataWrapper, TableDefinition
from multicorn.utils import log_to_postgres

from . import (
    catalog,
    estimate,
    explain,
    foreign_schema,
    interrupts,
    options,
    services,
    sign_in,
    statement,
)
from .advice import advised
from .api import Budget, ScanContext, client_for, end_renewals
from .api.scan import Workers
from .binding import TableBinding
from .connection import client_of, settings_of
from .errors import BitbucketError, OptionError, ReadOnly, RowUnknown
from .execution import Execution, Row, Sizes
from .modify import Modifier
from .pushdown import Qual, plan
from .pushdown.request import Request
from .reader import Reader, known_refusals
from .scans import SCANS
from .statement import PerStatement
from .tables import Table
from .transactions import JOURNAL, Aftermath
from .wording import sayable
from .writes import check_clauses

F = TypeVar("F", bound=Callable[..., Any])

# Whichever table it is that has a token renewed, the end of the session waits for it.
interrupts.before_exit(end_renewals)


def report(error: BitbucketError, table: str | None) -> NoReturn:
    """Raise ``error`` as a PostgreSQL error; the host passes on its SQLSTATE if it can."""
    message = f"{table}: {error.message}" if table else error.message
    try:
        log_to_postgres(
            sayable(message), ERROR, hint=sayable(error.hint), detail=sayable(error.detail)
        )
    except Exception as raised:
        raised.sqlstate = error.sqlstate  # type: ignore[attr-defined]
        raise raised from None
    raise error  # not reached: at ERROR the host's function raises


def reporting(hook: F) -> F:
    """Turn this package's errors in a hook into PostgreSQL errors."""

    @functools.wraps(hook)
    def reported(self: Any, *args: Any, **kwargs: Any) -> Any:
        try:
            return hook(self, *args, **kwargs)
        except BitbucketError as error:
            report(advised(error, getattr(self, "table", None)), getattr(self, "name", None))

    return cast(F, reported)


class BitbucketFdw(ForeignDataWrapper):  # type: ignore[misc, unused-ignore]
    """One foreign table of one user in one backend."""

    def __new__(cls, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> Any:
        # A server names one class for all its tables; what a table is stands in its own options.
        if "service" in fdw_options:
            return ServiceFdw(fdw_options, fdw_columns)
        return super().__new__(cls)

    @reporting
    def __init__(self, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> None:
        super().__init__(dict(fdw_options), dict(fdw_columns))
        self.name = fdw_options.get("table")
        values = options.parse(fdw_options, options.SERVER, options.TABLE, options.MAPPING)
        self.binding = TableBinding.of(
            values,
            {name: (c.options or {}, c.type_name) for name, c in fdw_columns.items()},
        )
        self.table: type[Table] = self.binding.table
        self.client = client_of(values)
        self.sizes = Sizes.of(self.client)
        self._budgets: PerStatement[dict[Any, Budget]] = PerStatement(dict)
        self._missing: PerStatement[set[str]] = PerStatement(set)
        self._startup_cost = estimate.STARTUP_COST
        self._updatable = values["updatable"] is None
        self._write_mode: str = values["write_mode"]
        self._modifier = Modifier(
            self.binding,
            self.client,
            self.sizes,
            self._write_mode,
            values["on_rollback"] == "undo",
        )

    # --- planning ---

    @reporting
    def get_rel_size(self, quals: list[Any], columns: Iterable[str]) -> tuple[int, int]:
        planned = plan(self._request(quals, columns))
        rows = max(1, round(estimate.rows(planned, self.sizes.guess)))
        return rows, estimate.width(planned, self.sizes.guess)

    @reporting
    def get_path_keys(self) -> list[tuple[tuple[str, ...], int]]:
        # Multicorn2 3.2 loses the conditions of a join that are not part of the key: ON a.id = b.id
        # AND a.x = b.x would return rows for which only the first holds.
        if not getattr(multicorn, "JOIN_CONDITIONS_KEPT", False):
            return []
        return estimate.path_keys(self.binding, self.sizes.guess)

    @reporting
    def can_sort(self, sortkeys: list[Any]) -> list[Any]:
        # Only one key can be sent, and only a leading one is of use.
        refused = known_refusals(self.client)
        return [k for k in sortkeys[:1] if self.binding.sort(k.attname, k.is_reversed, refused)]

    def can_limit(self, limit: int | None, offset: int | None) -> bool:
        # Asked only where no condition remains: rows are counted off here.
        return True

    @reporting
    def exact_quals(self, quals: list[Any]) -> bool:
        """Whether every condition is applied exactly (an offer that not every host takes up)."""
        return plan(self._request(quals, ())).exact

    @reporting
    def explain(
        self,
        quals: list[Any],
        columns: Iterable[str],
        sortkeys: list[Any] | None = None,
        verbose: bool = False,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[str]:
        planned = plan(self._request(quals, columns, sortkeys, limit, offset))
        return [sayable(line) for line in explain.lines(planned, self.sizes.guess, verbose)]

    # --- reading ---

    def execute(
        self,
        quals: list[Any],
        columns: Iterable[str],
        sortkeys: list[Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Iterator[Row]:
        scan = ScanContext(
            self.client.workers,
            self._budget(quals, columns),
            interrupts.pending,
            fresh=self._modifier.changing or statement.may_write(statement.text()),
        )
        try:
            request = self._request(quals, columns, sortkeys, limit, offset)
            request, remember = self._modifier.watch(request)
            reader = Reader(self.client, scan, self.sizes, self._warn, self._warn_of_missing)
            for row in SCANS.track(self.table, reader.rows(request)):
                if remember is not None:
                    remember(row)
                yield self.binding.rename(row)
        except BitbucketError as error:
            report(advised(error, self.table), self.name)
        finally:
            # Reached also when the host drops the iterator early. Hook end_scan would not do:
            # it does not say which of several scans of the table has ended.
            scan.stop()

    def _budget(self, quals: list[Any], columns: Iterable[str]) -> Budget:
        """One for all scans of a statement that ask the same but for the values.

        These are a join's or a subquery's for each row of another table: the host does not say so.
        """
        asked = (frozenset(columns), tuple((qual.field_name, qual.operator) for qual in quals))
        fresh = Budget(self.client.settings.max_requests)
        return self._budgets.current().setdefault(asked, fresh)

    def _warn(self, message: str) -> None:
        log_to_postgres(sayable(message), WARNING)

    def _warn_of_missing(self, message: str) -> None:
        """Of the first one in a statement: a join may come upon many."""
        said = self._missing.current()
        if not said:
            said.add(message)
            self._warn(f"{self.table.name}: {message}")

    def _request(
        self,
        quals: Iterable[Any],
        columns: Iterable[str],
        sortkeys: list[Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Request:
        text = statement.text()
        if statement.may_use_whole_rows(text):
            columns = self.binding.shown
        plain = None if statement.may_compare_loosely(text) else True
        return self.binding.request(
            [Qual(q.field_name, q.operator, q.value, getattr(q, "plain", plain)) for q in quals],
            columns,
            [(key.attname, key.is_reversed) for key in sortkeys or ()],
            limit,
            offset or 0,
            known_refusals(self.client),
        )

    # --- writing ---

    @property
    def rowid_column(self) -> str:
        return self._rowid_column()

    @reporting
    def _rowid_column(self) -> str:
        self._require_updatable()
        # Hosts ask when a change is planned and when it begins: what is read from now on is
        # remembered.
        self._modifier.begin(statement.trigger_depth())
        try:
            return self.binding.spelled(self._modifier.rowid.name)
        except RowUnknown:
            # Hosts ask before an INSERT too, which needs none; others fail at their first row.
            return next(iter(self.binding.shown))

    @reporting
    def insert(self, values: Mapping[str, Any]) -> Row:
        self._admit("insert")
        given = {name: value for name, value in values.items() if value is not None}
        return self._written(self._modifier.insert(self.binding.declared(given)))

    @reporting
    def update(self, rowid: Any, newvalues: Mapping[str, Any]) -> Row:
        self._admit("update")
        return self._written(self._modifier.update(rowid, self.binding.declared(newvalues)))

    @reporting
    def delete(self, rowid: Any) -> None:
        _enter_transaction()
        self._require_updatable()
        self._modifier.delete(rowid)

    def end_modify(self) -> None:
        self._modifier.statements.end(statement.trigger_depth())

    @reporting
    def begin_modify(self, operation: str, returning: bool, on_conflict: bool) -> None:
        """Refuse what cannot be honoured; on a host that tells these clauses."""
        self._require_updatable()
        check_clauses(operation, returning, on_conflict, self._write_mode)
        self._modifier.statements.admit()

    def _admit(self, operation: str) -> None:
        """The same on other hosts, from the statement's text; once, since it may be long."""
        _enter_transaction()
        self._require_updatable()
        if self._modifier.statements.admitted:
            return
        text, names = statement.text(), (self.table.name, self.table.flat_name())
        returning = statement.has_returning(text, names)
        on_conflict = statement.has_on_conflict(text, names)
        check_clauses(operation, returning, on_conflict, self._write_mode)
        self._modifier.statements.admit()

    def _written(self, row: Row) -> Row:
        shown = {column.name for column in self.binding.shown.values()}
        return self.binding.rename({name: row.get(name) for name in shown})

    def _require_updatable(self) -> None:
        if not self._updatable:
            raise ReadOnly(
                "the foreign table is read-only",
                hint="Option updatable is false on it or on its server.",
            )

    # --- transactions ---

    def begin(self, serializable: int) -> None:
        self._modifier.level = 1

    def sub_begin(self, level: int) -> None:
        self._modifier.level = level

    def sub_commit(self, level: int) -> None:
        self._modifier.level = level - 1
        JOURNAL.sub_commit(level)

    def sub_rollback(self, level: int) -> None:
        self._modifier.level = level - 1
        self._modifier.statements.rolled_back(level)
        # ROLLBACK of everything begins with what is innermost: it is told of once, at its end.
        if not statement.is_rollback(statement.text()):
            _enter_transaction()
            _tell(JOURNAL.rollback(level))

    @reporting
    def pre_commit(self) -> None:
        _enter_transaction()
        JOURNAL.pre_commit()

    def commit(self) -> None:
        JOURNAL.commit()
        self._modifier.statements.rolled_back(1)

    def rollback(self) -> None:
        _enter_transaction()
        _tell(JOURNAL.rollback(1))
        self._modifier.statements.rolled_back(1)

    # --- declaring ---

    @classmethod
    def validate_options(cls, given: Mapping[str, str], level: str) -> None:
        """Check options at CREATE and ALTER, on hosts that ask."""
        try:
            sign_in.check_options(given, level)
        except BitbucketError as error:
            report(error, None)

    @classmethod
    def import_schema(
        cls,
        schema: str,
        srv_options: Mapping[str, str],
        import_options: Mapping[str, str],
        restriction_type: str | None,
        restricts: list[str],
    ) -> list[Any]:
        try:
            return _import(schema, srv_options, import_options, restriction_type, restricts)
        except BitbucketError as error:
            report(error, f'schema "{schema}"')


class CatalogFdw(ForeignDataWrapper):  # type: ignore[misc, unused-ignore]
    """The table declarations, for the extension's ``bitbucket.tables``; nothing is requested.

    The rows come from this package and not from the extension's script, so that they are those of
    the version in use.
    """

    @reporting
    def __init__(self, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> None:
        super().__init__(dict(fdw_options), dict(fdw_columns))
        self._table = fdw_options.get("table", "")
        self._rows = catalog.rows(self._table)

    @classmethod
    def validate_options(cls, given: Mapping[str, str], level: str) -> None:
        """Take the catalog's own tables, and whatever :class:`BitbucketFdw` takes.

        A host is not told the server that a table is of, and refuses what no class takes.
        """
        if level != "table" or given.get("table") not in catalog.NAMES:
            BitbucketFdw.validate_options(given, level)

    def get_rel_size(self, quals: list[Any], columns: Iterable[str]) -> tuple[int, int]:
        # The host's own guess, a hundred million rows, would have every query compiled by JIT.
        return len(self._rows), 100

    def execute(self, quals: list[Any], *_: Any, **__: Any) -> Iterator[Mapping[str, Any]]:
        """Every row, whatever is asked: PostgreSQL filters them."""
        if self._table == catalog.OPTION_CHECKS:
            asked = {q.field_name: q.value for q in quals if q.operator == "="}
            return catalog.option_faults(asked.get("level"), asked.get("options"))
        return iter(self._rows)


class ServiceFdw(ForeignDataWrapper):  # type: ignore[misc, unused-ignore]
    """A service behind one of the extension's functions; see ``services``.

    It acts when a scan of it is executed, never while one is planned or explained.
    """

    @reporting
    def __init__(self, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> None:
        super().__init__(dict(fdw_options), dict(fdw_columns))
        self._values = options.parse(fdw_options, options.SERVER, options.TABLE, options.MAPPING)
        self._service = services.find(self._values["service"])

    def get_rel_size(self, quals: list[Any], columns: Iterable[str]) -> tuple[int, int]:
        return 10, 100

    def explain(self, *_: Any, **__: Any) -> list[str]:
        return [f"Bitbucket: service {self._service}"]

    @reporting
    def execute(self, quals: list[Any], columns: Iterable[str], *_: Any, **__: Any) -> list[Row]:
        given = [q.value for q in quals if (q.field_name, q.operator) == ("argument", "=")]
        if len(given) != 1 or given[0] is None:
            raise OptionError(
                f"service {self._service} takes one argument",
                hint="It is meant to be used by the functions of schema bitbucket.",
            )
        settings = settings_of(self._values)
        workers = Workers(1)
        scan = ScanContext(workers, settings.max_requests, interrupts.pending)
        call = services.Call(self._values, functools.partial(client_for, settings), scan)
        try:
            results = scan.wait(scan.submit(services.run, self._service, call, given[0]))
        finally:
            scan.stop()
            workers.abandon()
        return [{"argument": given[0], "result": result} for result in results]


def _import(
    schema: str,
    srv_options: Mapping[str, str],
    import_options: Mapping[str, str],
    restriction_type: str | None,
    restricts: list[str],
) -> list[Any]:
    values = options.parse(import_options, options.IMPORT)
    client = client_of(options.parse(srv_options, options.SERVER, options.MAPPING))
    workspace, repository = foreign_schema.parse_schema(schema)
    _warn_of_unknown_tables(schema, restricts, repository, values["names"])
    wanted = foreign_schema.restriction(restriction_type, restricts)
    issues = values["issues"] == "always"
    if values["issues"] == "auto":
        scan = ScanContext(client.workers, client.settings.max_requests, interrupts.pending)
        sizes = Sizes.of(client)
        issues = Execution(client, scan, sizes).has_issues(workspace, repository)
    tables = foreign_schema.foreign_tables(
        workspace,
        repository,
        names=values["names"],
        wanted=lambda name: wanted(name) and (issues or not foreign_schema.is_issue_table(name)),
    )
    return [
        TableDefinition(
            table.name,
            columns=[
                ColumnDefinition(c.name, type_name=c.column.type, options=c.options)
                for c in table.columns
            ],
            options=table.options,
        )
        for table in tables
    ]


def _warn_of_unknown_tables(
    schema: str, listed: list[str], repository: str | None, names: str
) -> None:
    """No error: LIMIT TO and EXCEPT may name what is not there, as with any wrapper."""
    for name, meant in foreign_schema.unknown_tables(listed, repository, names).items():
        log_to_postgres(
            sayable(f'schema "{schema}" has no table "{name}"'),
            WARNING,
            hint=f'Perhaps you meant "{meant}".' if meant else "See bitbucket.tables.",
        )


def _enter_transaction() -> None:
    """Let the journal know the transaction; warn of changes that one before it lost."""
    lost = JOURNAL.enter(statement.transaction_start())
    if lost:
        log_to_postgres(
            f"{'1 change' if len(lost) == 1 else f'{len(lost)} changes'} of a prepared transaction "
            "will never be sent",
            WARNING,
            detail="\n".join(f"{number}. {change}" for number, change in enumerate(lost, 1)),
            hint="Do not PREPARE transactions that write to Bitbucket.",
        )


def _tell(aftermath: Aftermath) -> None:
    """Warn of changes that a rollback could not take back."""
    if aftermath.message:
        log_to_postgres(sayable(aftermath.message), WARNING, detail=sayable(aftermath.detail))
