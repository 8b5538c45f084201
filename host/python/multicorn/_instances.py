"""The wrapper instances of this backend, and what PostgreSQL asks of one; private to the host.

The C code knows columns by their attribute number, a wrapper by their name: an Instance translates.
"""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

from . import ColumnDefinition, Execution, Levels, Options, Qual, Row, SortKey, get_class
from ._reports import failure
from ._transactions import Participant
from ._values import instant

__all__ = [
    "Instance",
    "Server",
    "current_instance",
    "forget_table",
    "make_instance",
    "tables_to_check",
]

READ_ONLY = "This FDW does not support the writable API"
# The attribute number of a system column.
CTID = -1
# When the rows of a scan are wanted, if not now: see Instance.start_scan().
AHEAD, IN_TURN, PERHAPS = 1, 2, 3
# As many as fit into one statement's parameters.
MAX_BATCH_SIZE = 65535

# A condition: attribute number, operator, value, whether it is plain, its moments, and whether the
# statement has it in another form.
HostQual: TypeAlias = tuple[int, str | tuple[str, bool], Any, bool, Any, int, int]
# A column to sort by: attribute number, descending, nulls first, collation.
HostSortKey: TypeAlias = tuple[int, int, int, str | None]
# A column: attribute number, and the arguments of its ColumnDefinition.
HostColumn: TypeAlias = tuple[int, str, int, int, str, str, dict[str, str]]


class Server(NamedTuple):
    """A foreign server, and the user mapping that is in effect on it.

    ``mapping_options`` is None where there is no mapping; for the rest see :class:`Levels`.
    """

    name: str
    options: dict[str, str]
    mapping_options: dict[str, str] | None
    user: str
    is_public: bool
    owns_server: bool

    @property
    def wrapper(self) -> str:
        """The wrapper's path, the server's alone: nobody else may choose what code to run."""
        wrapper = self.options.get("wrapper")
        if wrapper is None:
            raise failure(f'server "{self.name}" has no option "wrapper"', "HV002")
        return wrapper

    def options_for(self, table_options: dict[str, str]) -> Options:
        """Return the options of table, server and mapping, for the wrapper to keep."""
        levels = Levels(
            {name: value for name, value in self.options.items() if name != "wrapper"},
            None if self.mapping_options is None else dict(self.mapping_options),
            dict(table_options),
            self.user,
            self.is_public,
            self.owns_server,
        )
        return Options(levels)


class Scan(NamedTuple):
    """What a scan is to give; limit and offset are None where they are PostgreSQL's to apply."""

    quals: list[HostQual] | None  # None for no rows: one is a comparison with NULL
    columns: list[int]
    sort_keys: list[HostSortKey]
    limit: int | None
    offset: int | None
    may_stop: int  # whether rows may be left unread
    limit_level: int  # of the query that a LIMIT wants some rows of; 0 for none
    wanted_rows: int  # after which the reading ends; 0 if that is not known
    unseen: list[int]  # columns that nothing sees but the quals


class Recipe(NamedTuple):
    """What an instance is made from."""

    server: Server
    table_options: dict[str, str]
    columns: list[HostColumn]


class Instance(Participant):
    """A wrapper instance, as the C code sees it."""

    def __init__(self, recipe: Recipe, generation: int) -> None:
        server, table_options, columns = recipe
        # Copies of the options: what the wrapper does with its own is no change of the recipe.
        definitions = OrderedDict(
            (c[1], ColumnDefinition(*c[1:-1], options=dict(c[-1]))) for c in columns
        )
        wrapper_class = get_class(server.wrapper)
        super().__init__(wrapper_class(server.options_for(table_options), definitions))
        self.recipe = recipe
        self.generation = generation  # of the catalogs, when the recipe was last compared
        self.names = {column[0]: column[1] for column in columns}
        if getattr(self.wrapper, "gives_ctid", False):
            self.names[CTID] = "ctid"
        self.takes_implied = bool(getattr(self.wrapper, "takes_implied_quals", False))
        self.attnums = {name: attnum for attnum, name in self.names.items()}

    # Planning

    def rel_size(
        self,
        quals: list[HostQual],
        estimated: list[HostQual],
        columns: list[int],
        plans_only: int,
        has_choices: int,
    ) -> tuple[float, float, float]:
        """Return the wrapper's estimates: rows, width of a row in bytes, startup cost.

        ``estimated`` are quals of which only the execution will know the value.
        """
        self.wrapper.plans_only = bool(plans_only)
        self.wrapper.has_choices = bool(has_choices)
        self._require_ctid(CTID in columns)
        known = self._known_quals(quals, estimated)
        size = self.wrapper.get_rel_size(known, self._names(columns))
        try:
            rows, width = size
        except (TypeError, ValueError):
            message = "get_rel_size must return a tuple of two numbers, rows and width"
            raise failure(message) from None
        return float(rows), float(width), float(self.wrapper._startup_cost)

    def _known_quals(self, quals: list[HostQual], estimated: list[HostQual]) -> list[Qual]:
        """Return the quals that a wrapper is told for its estimates."""
        takes_estimated = getattr(self.wrapper, "takes_estimated_quals", False)
        return self._quals(quals + estimated if takes_estimated else quals)

    def lookup_keys(self) -> list[tuple[list[int], float]]:
        """Return the wrapper's path keys, those of known columns, with the rows of a look-up."""
        return [
            ([self.attnums[column] for column in columns], float(rows))
            for columns, rows in self.wrapper.get_path_keys()
            if columns and all(column in self.attnums for column in columns)
        ]

    def list_keys(
        self, joined: list[int], quals: list[HostQual], estimated: list[HostQual]
    ) -> list[tuple[list[int], int, float, float]]:
        """Return the keys of which the wrapper takes several at once, as get_list_keys() does.

        ``joined`` are the columns that a join compares with others. The quals are those of
        ``rel_size``.
        """
        get_list_keys = getattr(self.wrapper, "get_list_keys", None)
        if get_list_keys is None:
            return []
        return [
            ([self.attnums[column] for column in columns], int(most), float(one), float(full))
            for columns, most, one, full in get_list_keys(
                frozenset(self._names(joined)), self._known_quals(quals, estimated)
            )
            if columns and most > 1 and all(self.attnums.get(c, CTID) != CTID for c in columns)
        ]

    def sort_order(self, wanted: list[HostSortKey]) -> list[int]:
        """Return which of the wanted sort keys, by index, the wrapper sorts by, in its order."""
        index = {key[0]: i for i, key in enumerate(wanted)}
        accepted = self.wrapper.can_sort(self._sort_keys(wanted)) or ()
        return [index[key.attnum] for key in accepted if key.attnum in index]

    def can_limit(
        self, quals: list[HostQual] | None, limit: int | None, offset: int | None
    ) -> bool:
        """Say whether the wrapper applies LIMIT and OFFSET, and what is to come before: WHERE.

        ``quals`` are all of WHERE; None if that has other conditions as well.
        """
        if quals is None or len(self._quals(quals)) < len(quals):
            return False
        if quals:
            exact_quals = getattr(self.wrapper, "exact_quals", None)
            if exact_quals is None or not exact_quals(self._quals(quals)):
                return False
        return bool(self.wrapper.can_limit(limit, offset))

    # Scanning

    def can_start_ahead(self) -> bool:
        """Say whether the wrapper can begin with a scan before its first row is wanted."""
        return hasattr(self.wrapper, "execute_ahead")

    def takes_turns(self) -> bool:
        """Say whether the wrapper can begin with scans that are read one after another."""
        return hasattr(self.wrapper, "execute_in_turn")

    def start_scan(
        self,
        arguments: tuple[Any, ...],
        execution: Execution,
        plan_node: dict[str, Any],
        when: int,
    ) -> Iterator[Row]:
        """Return the iterator of a Scan's rows.

        They are wanted now (0), later (1), or in turn, after those of the scans before it (2), or
        perhaps then (3), if the query does not end before.
        """
        scan = Scan(*arguments)
        if scan.quals is None:
            return iter(())
        self.wrapper.execution = execution
        self.wrapper.may_stop = bool(scan.may_stop)
        self.wrapper.limit_level = scan.limit_level
        self.wrapper.unseen_columns = frozenset(self._names(scan.unseen))
        self.wrapper.plan_node = plan_node
        quals, columns = self._quals(scan.quals), self._names(scan.columns)
        more = self._keywords(scan)
        try:
            if when in (IN_TURN, PERHAPS):
                rows = self.wrapper.execute_in_turn(quals, columns, when == IN_TURN, **more)
            else:
                execute = self.wrapper.execute_ahead if when == AHEAD else self.wrapper.execute
                rows = execute(quals, columns, **more)
        except Exception as error:
            if when not in (IN_TURN, PERHAPS):
                raise
            return _failing(error)  # if ever its rows are wanted
        return iter(() if rows is None else rows)

    def explain(
        self,
        arguments: tuple[Any, ...],
        verbose: int,
        plan_node: dict[str, Any] | None,
        timing: int,
    ) -> list[str]:
        """Return the wrapper's lines for EXPLAIN.

        ``plan_node`` is what runs of the scan were told; None if it was not to be run.
        """
        scan = Scan(*arguments)
        self.wrapper.limit_level = scan.limit_level
        self.wrapper.wanted_rows = scan.wanted_rows
        self.wrapper.unseen_columns = frozenset(self._names(scan.unseen))
        lines = self.wrapper.explain(
            self._quals(scan.quals or []),
            self._names(scan.columns),
            verbose=bool(verbose),
            **self._keywords(scan),
        )
        result = [] if lines is None else [str(line) for line in lines]
        explain_analyze = getattr(self.wrapper, "explain_analyze", None)
        if plan_node is not None and explain_analyze is not None:
            result += [str(line) for line in explain_analyze(plan_node, bool(timing)) or ()]
        return result

    def end_scan(self) -> None:
        self.wrapper.end_scan()

    # Modifying

    def rowid_attnum(self) -> int:
        """Return the attribute number of the wrapper's rowid column."""
        name = self.wrapper.rowid_column
        if name is None:
            raise failure(READ_ONLY)
        attnum = self.attnums.get(str(name), CTID)
        if attnum == CTID:
            raise failure("The rowid attribute does not exist", "HV005")
        return attnum

    def has_ctid(self) -> bool:
        """Say whether the wrapper's rows have a ctid."""
        return CTID in self.names

    def _require_ctid(self, wanted: int) -> None:
        if wanted and not self.has_ctid():
            raise failure(
                "the ctid of this foreign table's rows is not known",
                "0A000",
                "Use the columns that identify a row instead.",
            )

    def start_modify(
        self,
        operation: str,
        returning: list[int] | None,
        on_conflict: int,
        may_batch: int,
        execution: Execution,
    ) -> tuple[int, int]:
        """Return the rowid column's attribute number, 0 for an insert, and the size of batches.

        ``returning`` has the columns that RETURNING mentions, 0 for the whole row; None without it.
        """
        self._require_ctid(returning is not None and CTID in returning)
        self.modified = True
        self.wrapper.execution = execution
        if operation == "insert":
            attnum = 0
            if self.wrapper.rowid_column is None:
                raise failure(READ_ONLY)
        else:
            attnum = self.rowid_attnum()
        begin_modify = getattr(self.wrapper, "begin_modify", None)
        if begin_modify is not None:
            begin_modify(operation, self._returned(returning), bool(on_conflict))
        size = self.wrapper.modify_batch_size
        if size is None or not may_batch:
            return attnum, 1
        return attnum, max(1, min(operator.index(size), MAX_BATCH_SIZE))

    def _returned(self, attnums: list[int] | None) -> frozenset[str] | None:
        if attnums is None:
            return None
        columns = {attnum for attnum in self.names if attnum > 0} if 0 in attnums else set()
        return frozenset(self.names[n] for n in columns.union(attnums) if n in self.names)

    def insert(self, values: dict[str, Any]) -> Any:
        return self.wrapper.insert(values)

    def bulk_insert(self, rows: list[dict[str, Any]]) -> list[Any] | None:
        """Insert rows; return them as they became, or None."""
        results = self.wrapper.bulk_insert(rows)
        if results is None:
            return None
        results = list(results)
        if len(results) != len(rows):
            raise failure("Returned list size does not match number of inserted values")
        return results

    def update(self, rowid: Any, values: dict[str, Any]) -> Any:
        return self.wrapper.update(rowid, values)

    def delete(self, rowid: Any) -> Any:
        return self.wrapper.delete(rowid)

    def end_modify(self) -> None:
        self.wrapper.end_modify()

    # From attribute numbers to names

    def _names(self, columns: list[int]) -> set[str]:
        """Without dropped columns, which are among those of a whole row."""
        return {self.names[attnum] for attnum in columns if attnum in self.names}

    def _quals(self, quals: list[HostQual]) -> list[Qual]:
        """Without those of another form, for a wrapper that does not take them."""
        result = []
        for attnum, comparison, value, plain, moment, found, unknown in quals:
            if found and not self.takes_implied:
                continue
            qual = Qual(self.names[attnum], comparison, value)
            if not plain:
                qual.plain = False
            if moment is not None:
                qual.instant = instant(moment)
            if unknown:
                qual.unknown = True
            result.append(qual)
        return result

    def _sort_keys(self, keys: list[HostSortKey]) -> list[SortKey]:
        return [
            SortKey(self.names[attnum], attnum, bool(descending), bool(nulls_first), collation)
            for attnum, descending, nulls_first, collation in keys
        ]

    def _keywords(self, scan: Scan) -> dict[str, Any]:
        """Return, of the optional arguments, only those there is something to say with."""
        keywords: dict[str, Any] = {}
        if scan.sort_keys:
            keywords["sortkeys"] = self._sort_keys(scan.sort_keys)
        if scan.limit is not None:
            keywords["limit"] = scan.limit
        if scan.offset is not None:
            keywords["offset"] = scan.offset
        return keywords


# By the OIDs of table and user.
_instances: dict[tuple[int, int], Instance] = {}
_last_check = -1


def _failing(error: Exception) -> Iterator[Row]:
    yield from ()  # makes this a generator, which raises only when a row is asked for
    raise error


def current_instance(
    relid: int, userid: int, generation: int, level: int, serializable: int
) -> Instance | None:
    """Return a table's instance for a user, told of the transaction.

    None if there is none, or the catalogs have changed since it was last compared with them.
    """
    instance = _instances.get((relid, userid))
    if instance is None or instance.generation != generation:
        return None
    if instance.depth != level:
        instance.begin(level, serializable)
    return instance


def make_instance(
    relid: int,
    userid: int,
    generation: int,
    server: tuple[Any, ...],
    table_options: dict[str, str],
    columns: list[HostColumn],
) -> None:
    """Make the instance for a table and user, unless there is one made from the same."""
    key = (relid, userid)
    recipe = Recipe(Server(*server), table_options, columns)
    instance = _instances.get(key)
    if instance is not None and instance.recipe == recipe:
        instance.generation = generation
        return
    # The old one goes also if the new one cannot be made.
    _instances.pop(key, None)
    _instances[key] = Instance(recipe, generation)


def tables_to_check(generation: int) -> list[int]:
    """Return the tables that may have been dropped, once for each generation of the catalogs."""
    global _last_check
    if generation == _last_check:
        return []
    _last_check = generation
    return list({relid for relid, _ in _instances})


def forget_table(relid: int) -> None:
    """Let go of the instances of a table that has been dropped."""
    for key in [key for key in _instances if key[0] == relid]:
        del _instances[key]
