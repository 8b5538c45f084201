"""The foreign data wrapper of all tables that show Bitbucket's entities.

The host calls the hooks of :class:`BitbucketFdw` while it plans and executes statements. Each hook
translates what it is given, asks the pure planner or the execution, and turns errors of this
package into PostgreSQL errors with detail and hint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from multicorn import ForeignDataWrapper

from .. import options
from ..api import PreviewBudget
from ..connection import client_of
from ..errors import BitbucketError, ReadOnly, RowUnknown
from ..foreign_tables.binding import TableBinding, check_table
from ..foreign_tables.ctids import NAME as CTID
from ..foreign_tables.ctids import Ctids
from ..postgres import interrupts, roles, statement_text
from ..postgres.encoding import sayable
from ..pushdown import Qual, plan
from ..pushdown.plan import Plan
from ..pushdown.request import Request
from ..reading import costs, explain
from ..reading.execution import Row
from ..reading.fallback import Reader
from ..reading.turns import Turns
from ..sign_in import schemes
from ..tables import Table
from ..writing.clauses import check_returning, refuse_on_conflict
from ..writing.modifier import Modifier, WatchedScan
from ..writing.requests import require, verbs
from .backend_state import STATE, begin_session
from .budgets import Budgets, question_of, turns_of
from .doubts import Doubts
from .estimates import Estimates, Keys, ListKeys
from .hints import advised
from .host import HOST, has_unknown_lists, kept_answers, quals_of, samples_of
from .mapping_user import mapping_user
from .reports import (
    conceal,
    enter_transaction,
    log_requests,
    notice,
    report,
    reporting,
    tell,
    tell_left_out,
    tell_notes,
    warn,
)
from .session_settings import chosen
from .watching import Watching


class BitbucketFdw(ForeignDataWrapper):  # type: ignore[misc, unused-ignore]
    """One foreign table of one user in one backend."""

    # From hosts that can tell it: what follows from conditions on expressions of a column.
    takes_implied_quals = True
    # And for estimates what follows from conditions whose value only the execution knows.
    takes_estimated_quals = True

    def __new__(cls, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> Any:
        # A server names one class for all its tables; what a table is stands in its own options.
        if "service" in fdw_options:
            from .sql_functions import ServiceFdw  # few sessions need it

            return ServiceFdw(fdw_options, fdw_columns)
        return super().__new__(cls)

    @reporting
    def __init__(self, fdw_options: Mapping[str, str], fdw_columns: Mapping[str, Any]) -> None:
        super().__init__(dict(fdw_options), dict(fdw_columns))
        begin_session()
        self.name = fdw_options.get("table")
        values = options.parse(fdw_options, options.SERVER, options.TABLE, options.MAPPING)
        self.binding = TableBinding.of(
            values,
            {name: (c.options or {}, c.type_name) for name, c in fdw_columns.items()},
        )
        self.table: type[Table] = self.binding.table
        user = mapping_user(fdw_options)
        self._mapped_role = user.role
        self.client = client_of(values, user, STATE.clients)
        self.client.notice = notice
        self.observed = STATE.observations.of(self.client)
        self._ctids = Ctids(self.binding)
        self._estimates = Estimates(self.binding, self._ctids, self.client, self.observed)
        self._budgets = Budgets(self.client.settings.max_requests, values["preview_requests"])
        self._watching = Watching(self.table.name, values["progress"], notice)
        self._doubts = Doubts(self.table.name, warn)
        self._rolling_back = False
        self._strict = values["on_denied"] == "error"
        self._startup_cost = costs.STARTUP_COST
        self._updatable = values["updatable"] is None
        self._choices = values
        self._modifier = Modifier(
            self.binding,
            self.client,
            self.observed,
            STATE.journal,
            STATE.open_scans,
            self._write_mode,
            lambda: bool(chosen("on_rollback", values["on_rollback"]) == "undo"),
            values["task_timeout"],
            warn,
            interrupts,
        )

    def _write_mode(self) -> str:
        return str(chosen("write_mode", self._choices["write_mode"]))

    @property
    def gives_ctid(self) -> bool:
        """Whether rows have a ctid; for hosts that ask for it."""
        return self._ctids.available

    # --- planning ---

    @reporting
    def get_rel_size(self, quals: list[Any], columns: Iterable[str]) -> tuple[int, int]:
        planned = plan(self._supposed(quals, columns))
        may_ask = self._choices["use_remote_estimate"] and HOST.tells_planning
        if may_ask and self.has_choices and not self.plans_only:
            self._estimates.ask_size(planned, self._asker())
        return self._estimates.size(planned)

    def _supposed(self, quals: list[Any], columns: Iterable[str]) -> Request:
        known = explain.with_samples(quals_of(quals), self.binding.pushable)
        return self._asked(list(known), columns, None, None, None)

    @reporting
    def get_path_keys(self) -> Keys:
        return self._estimates.path_keys()

    @reporting
    def get_list_keys(self, joined: frozenset[str], quals: list[Any]) -> ListKeys:
        """The keys that a join may hand over by lists. ``joined`` are the columns it compares."""
        return self._estimates.list_keys(joined, self._supposed(quals, self.binding.shown))

    @reporting
    def can_sort(self, sortkeys: list[Any]) -> list[Any]:
        # Only one key can be sent, and only a leading one is of use.
        refused = self.observed.refused
        return [k for k in sortkeys[:1] if self.binding.sort(k.attname, k.is_reversed, refused)]

    def can_limit(self, limit: int | None, offset: int | None) -> bool:
        # Asked only where no condition remains: rows are counted off here. OFFSET alone ends no
        # reading, and Multicorn2 plans a scan with it, and with LIMIT -1, as one of minus one row.
        return limit is not None and HOST.tells_limits()

    @reporting
    def exact_quals(self, quals: list[Any]) -> bool:
        """Whether every condition is applied exactly (an offer that not every host takes up)."""
        return plan(self._asked(quals_of(quals), (), None, None, None)).exact

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
        columns = list(columns)
        unseen: frozenset[str] = getattr(self, "unseen_columns", frozenset())

        def planned_with(values: int) -> Plan:
            known = samples_of(quals, self.binding.pushable, values)
            return plan(self._asked(known, columns, sortkeys, limit, offset, unseen))

        planned = planned_with(2)
        single = planned_with(1) if has_unknown_lists(quals) else None
        preview = self._preview(limit)
        held = preview is not None and (preview.stops or planned.asks_every_parent)
        most = preview.limit if held and preview is not None else None
        wanted = getattr(self, "wanted_rows", 0) or None
        lines = self._estimates.lines(planned, verbose, most, wanted, single)
        if HOST.shows_executed_plans():
            lines += explain.taken(self._watching.taken(None, question_of(quals, columns)))
        return [sayable(line) for line in lines]

    def explain_analyze(self, node: dict[str, Any], timing: bool) -> list[str]:
        """Lines for EXPLAIN (ANALYZE), on hosts that ask for them."""
        return explain.taken(self._watching.taken(node, None), timing)

    # --- reading ---

    def _asker(self) -> object:
        """Who may see what a scan asks.

        A view is read with its owner's rights. The addresses may have values of rows that it does
        not show, so that whoever uses it must not see them.
        """
        return None if roles.is_current(self._mapped_role) else self._mapped_role

    def execute(
        self,
        quals: list[Any],
        columns: Iterable[str],
        sortkeys: list[Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
        ahead: bool = False,
        turns: Turns | None = None,
    ) -> Iterator[Row]:
        """The rows. Read ``ahead``, an empty one comes first, when requests are on the way.

        With ``turns``, they are sent when the turn of these rows is near.
        """
        execution = getattr(self, "execution", None)
        may_stop = getattr(self, "may_stop", False)
        unseen: frozenset[str] = getattr(self, "unseen_columns", frozenset())
        fresh = self._modifier.changing or HOST.may_write(execution)
        question = question_of(quals, columns)
        tally, meanwhile = self._watching.begin(getattr(self, "plan_node", None), question)
        scan = self.client.scan(
            interrupts.pending,
            self._budgets.of(question),
            fresh=fresh,
            kept=None if fresh else kept_answers(execution),
            about=self.table.name,
            tally=tally,
            meanwhile=meanwhile,
            asker=self._asker(),
            preview=self._preview(limit),
            ahead=ahead,
        )

        def asked() -> tuple[Request, WatchedScan]:
            known = quals_of(quals)
            request = self._asked(known, columns, sortkeys, limit, offset, unseen)
            return self._modifier.watch(request, execution)

        try:
            request, watched = asked()
            reader = Reader(
                self.client,
                scan,
                self.observed,
                warn,
                STATE.omissions,
                self._strict,
                HOST.may_stop_early(may_stop, quals, columns),
                self._doubts.tell,
                turns,
            )
            if ahead:
                writes = STATE.clients.shared.writes.value
                reader.start(request)
                yield {}
                # Functions of the statement may have written meanwhile, and other scans learned.
                scan.begin()
                request, watched = asked()
                if STATE.clients.shared.writes.value != writes:
                    reader.forget_start()
            ctids = self._ctids.scan(watched.changing) if CTID in columns else None
            for row in watched.track(self.table, reader.rows(request)):
                shown = self.binding.rename(row)
                if ctids is not None:
                    shown[CTID] = ctids.of(row)
                yield shown
            tell_notes()
        except BitbucketError as error:
            tell_notes()
            given = {qual.field_name for qual in quals if qual.operator in ("=", ("=", True))}
            report(advised(error, self.table, self.binding.not_given(), given), self.name)
        except Exception as error:
            conceal(error)
            raise
        finally:
            # Reached also when the host drops the iterator early. Hook end_scan would not do:
            # it does not say which of several scans of the table has ended.
            scan.stop()

    def execute_ahead(self, quals: list[Any], columns: Iterable[str], **more: Any) -> Iterator[Row]:
        """As :meth:`execute`, for rows that are wanted later; on a host that knows of these."""
        rows = self.execute(quals, columns, **more, ahead=True)
        next(rows)
        return rows

    def execute_in_turn(
        self, quals: list[Any], columns: Iterable[str], certain: bool, **more: Any
    ) -> Iterator[Row]:
        """As :meth:`execute_ahead`, for one of several scans that are read one after another."""
        preview = self._preview(more.get("limit"))
        turns = turns_of(self.plan_node, preview, self.client.settings.concurrency, certain)
        return self.execute_ahead(quals, columns, **more, turns=turns)

    def _preview(self, limit: int | None) -> PreviewBudget | None:
        level, node = getattr(self, "limit_level", 0), getattr(self, "plan_node", None)
        return self._budgets.preview(limit, level, node)

    def end_scan(self) -> None:
        # The executor ends all scans of a statement, one after another: what they have left out
        # is complete.
        tell_left_out()
        log_requests()

    def _asked(
        self,
        asked: list[Qual],
        columns: Iterable[str],
        sortkeys: list[Any] | None,
        limit: int | None,
        offset: int | None,
        unseen: frozenset[str] = frozenset(),
    ) -> Request:
        if HOST.loses_ctids():
            raise self._ctids.refusal()
        with_ctid = CTID in columns
        columns = HOST.columns(columns, self.binding.shown)
        request = self.binding.request(
            [qual for qual in asked if qual.field_name != CTID],
            columns,
            [(key.attname, key.is_reversed) for key in sortkeys or ()],
            limit,
            offset or 0,
            self.observed.refused,
            unseen,
        )
        of_ctid = [qual for qual in asked if qual.field_name == CTID]
        return self._ctids.narrowed(request, of_ctid, with_ctid)

    # --- writing ---

    @property
    def rowid_column(self) -> str:
        return self._rowid_column()

    @reporting
    def _rowid_column(self) -> str:
        self._require_updatable()
        self._require_verb()
        # Hosts ask when a change is planned and when it begins: what is read from now on is
        # remembered.
        self._modifier.begin(statement_text.trigger_depth())
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
        enter_transaction()
        self._require_updatable()
        self._modifier.delete(rowid)

    def end_modify(self) -> None:
        self._modifier.statements.end(statement_text.trigger_depth())

    @reporting
    def begin_modify(
        self, operation: str, returning: Collection[str] | None, on_conflict: bool
    ) -> None:
        """Refuse what cannot be honoured; on a host that tells these clauses.

        :param returning: the columns that RETURNING names; ``None`` without it.
        """
        enter_transaction()
        self._require_updatable()
        require(self.table, operation.upper())
        refuse_on_conflict(on_conflict)
        if returning is not None and self._modifier.waits:
            shown = self.binding.shown
            columns = {shown[name].name if name in shown else name for name in returning}
            check_returning(self.table, operation, columns)
        self._modifier.statements.admit()
        self._modifier.run(getattr(self, "execution", None))

    def _admit(self, operation: str) -> None:
        """The same on other hosts, from the statement's text; once, since it may be long."""
        enter_transaction()
        self._require_updatable()
        if HOST.tells_clauses or self._modifier.statements.admitted:
            return
        text, names = statement_text.text(), (self.table.name, self.table.flat_name())
        refuse_on_conflict(statement_text.has_on_conflict(text, names))
        if self._modifier.waits and statement_text.has_returning(text, names):
            check_returning(self.table, operation, None)
        self._modifier.statements.admit()

    def _require_verb(self) -> None:
        """The same on hosts that do not tell the verb, as far as the statement's text tells it.

        Triggers and functions change tables that the text does not name, or not in that way.
        """
        if HOST.tells_clauses or statement_text.trigger_depth():
            return
        names = (self.table.name, self.table.flat_name())
        asked = statement_text.verbs(statement_text.text(), names)
        if asked and asked.isdisjoint(verbs(self.table)):
            require(self.table, min(asked))

    def _written(self, row: Row) -> Row:
        shown = {column.name for column in self.binding.shown.values()}
        result = self.binding.rename({name: row.get(name) for name in shown})
        ctid = self._ctids.of_written(row)
        return result if ctid is None else {**result, CTID: ctid}

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
        STATE.journal.sub_commit(level)

    def sub_rollback(self, level: int) -> None:
        # What was left out stays to be said: a function's block that caught an error is no end of
        # the statement around it.
        self._modifier.level = level - 1
        self._modifier.statements.rolled_back(level)
        # ROLLBACK of everything begins with what is innermost: it is told of once, at its end.
        if not HOST.rolls_back_everything(self._rolling_back):
            enter_transaction()
            tell(STATE.journal.rollback(level))

    @reporting
    def pre_commit(self) -> None:
        enter_transaction()
        STATE.journal.pre_commit()

    def commit(self) -> None:
        STATE.journal.commit()
        self._modifier.statements.rolled_back(1)

    def begin_rollback(self) -> None:
        """Be told that all savepoints and the transaction will be taken back, on a host that says
        so.
        """
        self._rolling_back = True

    def rollback(self) -> None:
        self._rolling_back = False
        STATE.omissions.forget()
        enter_transaction()
        tell(STATE.journal.rollback(1))
        self._modifier.statements.rolled_back(1)

    # --- declaring ---

    @classmethod
    def validate_options(cls, given: Mapping[str, str], level: str) -> None:
        """Check options at CREATE and ALTER, on hosts that ask."""
        try:
            schemes.check_options(given, level)
            if level == "table" and "table" in given:
                check_table(given["table"])
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
        from .importing import import_schema  # few sessions need it

        try:
            return import_schema(schema, srv_options, import_options, restriction_type, restricts)
        except BitbucketError as error:
            report(error, f'schema "{schema}"')
        finally:
            tell_notes()
