"""The Python side of Multicorn: what a foreign data wrapper subclasses and is handed.

The names, signatures and meanings are those of Multicorn2 3.2 (its ``doc/api.md``), so that a
wrapper runs on either. What goes beyond it is marked "Beyond Multicorn2" and is optional.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeAlias

from ._definitions import ColumnDefinition, TableDefinition

__all__ = [
    "ALL",
    "ANY",
    "CAPABILITIES",
    "UNBOUND",
    "ColumnDefinition",
    "Execution",
    "ForeignDataWrapper",
    "Levels",
    "Options",
    "Qual",
    "SortKey",
    "TableDefinition",
    "TransactionAwareForeignDataWrapper",
]
__version__ = "3.2"

ANY = object()
ALL = object()
UNBOUND = object()

#: Beyond Multicorn2: what this host tells a wrapper, so that none of it need be guessed. README.md
#: says what each name stands for.
CAPABILITIES = frozenset(
    {
        "clauses",
        "ctids",
        "early_stops",
        "executions",
        "instants",
        "join_conditions",
        "limit_levels",
        "limits",
        "list_keys",
        "plain_quals",
        "planning",
        "plan_nodes",
        "rollbacks",
        "unseen_columns",
        "wanted_rows",
        "whole_rows",
    }
)

Operator: TypeAlias = str | tuple[str, bool]
Row: TypeAlias = Mapping[str, Any] | Sequence[Any]

_READ_ONLY = "This FDW does not support the writable API"


class SortKey(NamedTuple):
    """One column of the order a query wants its rows in.

    ``attnum`` counts from 1; ``collate`` names the collation, None for the column's own.
    """

    attname: str
    attnum: int
    is_reversed: bool
    nulls_first: bool
    collate: str | None


class Qual:
    """One condition of a scan, ``field_name operator value``.

    ``operator`` is the operator's name (``"="``, ``"~~"`` for LIKE) or, for a comparison with an
    array, the pair of that name and True for ANY, False for ALL; ``value`` is then a list.
    ``IS NULL`` is ``=`` None and ``IS NOT NULL`` is ``<>`` None.
    """

    #: Beyond Multicorn2: False where the operator is not PostgreSQL's own on the column's own type,
    #: as after a cast to ``citext``, or where the collation makes different texts equal. A wrapper
    #: that goes by the operator's name should leave such a condition to PostgreSQL.
    plain: bool = True

    #: Beyond Multicorn2: for a column of type timestamptz, the moment in UTC that it is compared
    #: with, whatever the type of the value and the session's TimeZone and DateStyle; for a list
    #: operator the moments of all elements but NULLs. None where Python cannot hold one of them.
    instant: datetime | list[datetime] | None = None

    #: Beyond Multicorn2: for ``explain``, whether the value stands for one that only the execution
    #: knows, such as the key of a join; for a list operator it is a list of one such value.
    unknown: bool = False

    def __init__(self, field_name: str, operator: Operator, value: Any) -> None:
        self.field_name = field_name
        self.operator = operator
        self.value = value

    @property
    def is_list_operator(self) -> bool:
        """Whether the value is a list, compared element by element."""
        return isinstance(self.operator, tuple)

    @property
    def list_any_or_all(self) -> object | None:
        """ANY or ALL for a list operator, otherwise None."""
        if not isinstance(self.operator, tuple):
            return None
        return ANY if self.operator[1] else ALL

    def __repr__(self) -> str:
        if isinstance(self.operator, tuple):
            quantifier = "ANY" if self.operator[1] else "ALL"
            return f"{self.field_name} {self.operator[0]} {quantifier}({self.value})"
        return f"{self.field_name} {self.operator} {self.value}"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Qual):
            return False
        return (self.field_name, self.operator, self.value) == (
            other.field_name,
            other.operator,
            other.value,
        )

    def __hash__(self) -> int:
        return hash((self.field_name, self.operator, self.value))


class Execution:
    """Beyond Multicorn2: one execution of a query, from its start to its end; a cursor is one.

    A query in a STABLE or IMMUTABLE function, which sees its caller's snapshot, is part of the
    caller's execution. One in a VOLATILE function is an execution of its own.
    """

    def __init__(self, may_write: bool) -> None:
        #: Whether it, or an open one that it may be called by, changes or locks rows.
        self.may_write = may_write
        #: For wrappers, to keep what is true as long as it runs; each under a name of its own.
        self.kept: dict[str, Any] = {}


class Levels(NamedTuple):
    """Beyond Multicorn2: whose options are whose, and for whom the wrapper acts.

    ``user_mapping`` is None where the user has none, which is not the same as one without options.
    ``user`` is the role that the mapping was looked up for; with ``is_public`` the mapping (if
    any) is the one for PUBLIC, which only the server's owner can make. ``owns_server`` tells
    whether that role has the rights of the server's owner, as a superuser has.
    """

    server: dict[str, str]
    user_mapping: dict[str, str] | None
    table: dict[str, str]
    user: str
    is_public: bool
    owns_server: bool


class Options(dict[str, str]):
    """The options of table, server and user mapping, the later wins.

    Beyond Multicorn2, which has a plain dict: ``levels`` has them apart. Where it matters at which
    level an option stands, that is to be looked at here: ``validate_options`` is not always called.
    """

    def __init__(self, levels: Levels) -> None:
        super().__init__({**levels.table, **levels.server, **(levels.user_mapping or {})})
        self.levels = levels


class ForeignDataWrapper:
    """Base class of wrappers: one instance serves one foreign table in one backend."""

    #: Cost, in the planner's units, of getting to the first row.
    _startup_cost: int = 20

    #: Beyond Multicorn2: the execution that ``execute`` is called for. Set before each call, and
    #: to be read before its first row.
    execution: Execution | None = None

    #: Beyond Multicorn2: whether rows of the scan that ``execute`` is called for may be left
    #: unread. Set and to be read as ``execution`` is.
    may_stop: bool = False

    #: Beyond Multicorn2: the level in the statement of the scan's query, 1 for the outermost, if a
    #: LIMIT wants some of its rows; 0 otherwise. Set also before ``explain``.
    limit_level: int = 0

    #: Beyond Multicorn2: after how many rows the query ends the reading of the scan that
    #: ``explain`` is called for; 0 if that is not known, or if it is read to its end. Set before
    #: each call.
    wanted_rows: int = 0

    #: Beyond Multicorn2: of the columns that the scan asks for, those of which nothing sees a value
    #: but its quals. Any value will do that all of these quals let through. Set as ``limit_level``.
    unseen_columns: frozenset[str] = frozenset()

    #: Beyond Multicorn2: whether a plan is made only to be shown, by EXPLAIN without ANALYZE. Set
    #: before each call of ``get_rel_size``.
    plans_only: bool = False

    #: Beyond Multicorn2: whether there are several ways to run the query, between which sizes of
    #: tables decide. Set before each call of ``get_rel_size``.
    has_choices: bool = False

    #: Beyond Multicorn2: a dict for what the wrapper keeps about one scan of a plan. Set and to be
    #: read as ``execution`` is. All runs of the scan in one execution have the same one, and
    #: ``explain_analyze`` gets it.
    plan_node: dict[str, Any] | None = None

    def __init__(
        self, fdw_options: dict[str, str], fdw_columns: dict[str, ColumnDefinition]
    ) -> None:
        """Take the options of table, server and user mapping (the later wins) and the columns.

        The server's ``wrapper`` option is taken out before. Beyond Multicorn2: the options are an
        :class:`Options`.
        """

    # Planning

    def get_rel_size(self, quals: list[Qual], columns: set[str]) -> tuple[int, int]:
        """Return the expected number of rows and the width of a row in bytes.

        ``quals`` holds those whose value is known while planning.
        """
        return (100_000_000, len(columns) * 100)

    def get_path_keys(self) -> Sequence[tuple[Sequence[str], int]]:
        """Return ``(columns, rows)`` for each set of columns that can be looked up by equality.

        A join on all of a set's columns may then run one ``execute`` per outer row. Asked where
        the table is joined by a condition; by Multicorn2, always.
        """
        return []

    def can_sort(self, sortkeys: list[SortKey]) -> list[SortKey]:
        """Return the leading part of ``sortkeys`` in whose order ``execute`` can give its rows."""
        return []

    def can_limit(self, limit: int | None, offset: int | None) -> bool:
        """Say whether ``execute`` will apply LIMIT and OFFSET, which PostgreSQL then does not.

        Asked for a query without WHERE, and see ``exact_quals`` for one with. None means absent.
        """
        return False

    # def exact_quals(self, quals: list[Qual]) -> bool:
    #     Beyond Multicorn2; deliberately not defined here, so that only a wrapper that knows of
    #     it has it. "execute returns exactly the rows that satisfy every one of these quals."
    #     Where it returns True, and the quals are the whole WHERE clause with all values known
    #     while planning, can_limit is asked although there is a WHERE clause.

    # def begin_modify(
    #     self, operation: str, returning: frozenset[str] | None, on_conflict: bool
    # ) -> None:
    #     Beyond Multicorn2; not defined here either. Called before the first row of an "insert"
    #     (COPY FROM among them), "update" or "delete"; tells which columns RETURNING mentions, None
    #     if there is no such clause, and whether there is an ON CONFLICT clause, which PostgreSQL
    #     leaves to the wrapper.

    # @classmethod
    # def validate_options(cls, options: dict[str, str], level: str) -> None:
    #     Beyond Multicorn2; not defined here either. Called by CREATE and ALTER with the complete
    #     options of one object; level is "server", "user_mapping", "table" or "column". An
    #     exception refuses the command. README.md says when it is not called.

    # gives_ctid: bool
    #     Beyond Multicorn2; not defined here either. Where it is true, each row has its ctid, which
    #     no other row of the table has: a text such as '(42,1)', under that name in a mapping.
    #     "ctid" is then a column like any other, which execute is asked for and which quals and
    #     path keys may be about. Without it, a query that asks for the ctid is refused.

    # Scanning

    def execute(
        self,
        quals: list[Qual],
        columns: set[str],
        sortkeys: list[SortKey] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Iterable[Row] | None:
        """Return an iterable of rows, best a generator; None is no rows.

        A row is a mapping of column names, of at least ``columns``, or a sequence with every
        column of the table. PostgreSQL checks every qual again, so more rows than asked for are
        fine. ``sortkeys``, ``limit`` and ``offset`` are passed only where there are any.
        """
        return None

    def explain(
        self,
        quals: list[Qual],
        columns: set[str],
        sortkeys: list[SortKey] | None = None,
        verbose: bool = False,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Iterable[str]:
        """Return lines for EXPLAIN; ``verbose`` is EXPLAIN's VERBOSE."""
        return []

    def end_scan(self) -> None:
        """Be told that a scan ended."""

    # Modifying

    @property
    def rowid_column(self) -> str | None:
        """The column whose value tells ``update`` and ``delete`` which row is meant."""
        raise NotImplementedError(_READ_ONLY)

    @property
    def modify_batch_size(self) -> int:
        """How many rows at most one ``bulk_insert`` gets; 1 makes it ``insert``."""
        return 1

    def insert(self, values: dict[str, Any]) -> Mapping[str, Any] | None:
        """Insert a row; return it as it became, every column of it, or None if as given."""
        raise NotImplementedError(_READ_ONLY)

    def bulk_insert(self, all_values: list[dict[str, Any]]) -> Sequence[Mapping[str, Any]] | None:
        """Insert rows; return them as they became, in the same order, or None."""
        raise NotImplementedError(_READ_ONLY)

    def update(self, oldvalues: Any, newvalues: dict[str, Any]) -> Mapping[str, Any] | None:
        """Change the row whose rowid is ``oldvalues``; ``newvalues`` has every column."""
        raise NotImplementedError(_READ_ONLY)

    def delete(self, oldvalues: Any) -> Mapping[str, Any] | None:
        """Delete the row whose rowid is ``oldvalues``."""
        raise NotImplementedError(_READ_ONLY)

    def end_modify(self) -> None:
        """Be told that an INSERT, UPDATE or DELETE ended."""

    # Transactions

    def begin(self, serializable: int) -> None:
        """Be told that a transaction uses this table for the first time."""

    def pre_commit(self) -> None:
        """Be told that the transaction is about to commit; an exception aborts it instead."""

    def commit(self) -> None:
        """Be told that the transaction has committed; it is too late to fail."""

    def rollback(self) -> None:
        """Be told that the transaction has aborted; it is too late to fail."""

    # def begin_rollback(self) -> None:
    #     Beyond Multicorn2; not defined here either. Called when ROLLBACK begins to take back the
    #     whole transaction, before sub_rollback for its savepoints, and rollback for all of it.

    def sub_begin(self, level: int) -> None:
        """Be told of a savepoint; the outermost has level 2."""

    def sub_commit(self, level: int) -> None:
        """Be told that a savepoint is about to be released."""

    def sub_rollback(self, level: int) -> None:
        """Be told that a savepoint was rolled back to."""

    # IMPORT FOREIGN SCHEMA

    @classmethod
    def import_schema(
        cls,
        schema: str,
        srv_options: dict[str, str],
        options: dict[str, str],
        restriction_type: str | None,
        restricts: list[str],
    ) -> Iterable[TableDefinition]:
        """Return the tables of a remote schema.

        ``srv_options`` are those of the server and the current user's mapping (beyond Multicorn2 an
        :class:`Options`), ``options`` the statement's; ``restriction_type`` is "limit", "except" or
        None, ``restricts`` its tables.
        """
        raise NotImplementedError("This FDW does not support IMPORT FOREIGN SCHEMA")


class TransactionAwareForeignDataWrapper(ForeignDataWrapper):
    """A wrapper that collects its changes, for ``pre_commit`` to send."""

    #: ("insert", values), ("update", (oldvalues, newvalues)) or ("delete", oldvalues), in order.
    current_transaction_state: list[tuple[str, Any]]

    def __init__(
        self, fdw_options: dict[str, str], fdw_columns: dict[str, ColumnDefinition]
    ) -> None:
        super().__init__(fdw_options, fdw_columns)
        self._init_transaction_state()

    def _init_transaction_state(self) -> None:
        self.current_transaction_state = []

    def insert(self, values: dict[str, Any]) -> Mapping[str, Any] | None:
        self.current_transaction_state.append(("insert", values))
        return None

    def update(self, oldvalues: Any, newvalues: dict[str, Any]) -> Mapping[str, Any] | None:
        self.current_transaction_state.append(("update", (oldvalues, newvalues)))
        return None

    def delete(self, oldvalues: Any) -> Mapping[str, Any] | None:
        self.current_transaction_state.append(("delete", oldvalues))
        return None

    def rollback(self) -> None:
        self._init_transaction_state()


def get_class(path: str) -> Any:
    """Import the class a server's ``wrapper`` option names, such as ``package.module.Class``."""
    module, _, name = path.rpartition(".")
    if not module:
        raise ImportError(f"{path!r} is not of the form package.module.Class")
    return getattr(importlib.import_module(module), name)
