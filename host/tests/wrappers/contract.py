"""Wrappers that do what their options say, and write down what they are asked.

Options of a table: "rows" is a Python expression for what execute() returns; "returns" one for
what the writing hooks return; "fail" names a hook that raises "exception" (an expression), "hang"
one that waits to be canceled; "silent" keeps out of the journal. That is a file of JSON lines,
named by the environment.
"""

import ctypes
import datetime
import functools
import gc
import itertools
import json
import operator
import os
import signal
import threading
import time
import uuid
from collections import ChainMap, OrderedDict, UserDict, UserList, defaultdict, namedtuple
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

from multicorn import (
    ColumnDefinition,
    ForeignDataWrapper,
    TableDefinition,
    TransactionAwareForeignDataWrapper,
)
from multicorn.utils import check_interrupts, log_to_postgres

UTC = datetime.timezone.utc


def note(hook, **arguments):
    with Path(os.environ["MULTICORN_TEST_JOURNAL"]).open("a") as journal:
        journal.write(json.dumps({"hook": hook, **arguments}, default=repr) + "\n")


def describe_quals(quals):
    return [
        [q.field_name, q.operator, q.value, type(q.value).__name__]
        + ([] if getattr(q, "plain", True) else ["not plain"])
        for q in quals
    ]


COMPARED = {"=": operator.eq, "<=": operator.le, ">=": operator.ge}


parsed = functools.cache(datetime.datetime.fromisoformat)


def meets(quals, moment):
    """Whether a moment, in ISO's form, meets the quals on a column of times."""
    return all(
        q.operator not in COMPARED
        or q.instant is None
        or COMPARED[q.operator](parsed(moment), q.instant)
        for q in quals
    )


def holds(qual, row):
    """Whether a row meets an equality, a list or IS NULL; true of any other qual."""
    value = row[qual.field_name]
    if qual.operator == "=" and qual.value is None:
        return value is None
    if qual.operator == "=":
        return value is not None and str(value) == str(qual.value)
    if qual.operator == ("=", True):
        return value is not None and str(value) in map(str, qual.value)
    return True


def describe_keys(keys):
    return [[k.attname, k.attnum, k.is_reversed, k.nulls_first, k.collate] for k in keys or []]


def wait_for_cancel():
    """Wait for an interrupt as a wrapper would that must not be jumped out of."""
    pending = [
        ctypes.c_int.in_dll(ctypes.CDLL(None), name)
        for name in ("QueryCancelPending", "ProcDiePending")
    ]
    for _ in range(3000):
        if any(flag.value & 0xFF for flag in pending):
            raise RuntimeError("interrupted")
        time.sleep(0.01)
    raise AssertionError("nobody interrupted this")


class Kept:
    """Something whose end can be seen."""


class PlainWrapper(ForeignDataWrapper):
    """Leaves every hook but execute() to the base class."""

    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.options = options
        self.columns = columns
        self.takes_implied_quals = "implied" in options
        self.takes_estimated_quals = "estimated" in options

    def evaluate(self, option, default="None", **names):
        scope = {**globals(), **names, "self": self}
        return eval(self.options.get(option, default), scope)

    def execute(self, quals, columns, sortkeys=None, limit=None, offset=None):
        if "silent" not in self.options:
            note(
                "execute",
                quals=describe_quals(quals),
                columns=sorted(columns),
                sortkeys=describe_keys(sortkeys),
                limit=limit,
                offset=offset,
            )
        return self.evaluate(
            "rows",
            "[]",
            quals=quals,
            columns=columns,
            sortkeys=sortkeys,
            limit=limit,
            offset=offset,
        )


class Wrapper(PlainWrapper):
    def __init__(self, options, columns):
        super().__init__(options, columns)
        self._startup_cost = int(options.get("startup_cost", "20"))
        self.note(
            "init",
            options=options,
            columns=[
                [c.column_name, c.type_oid, c.typmod, c.type_name, c.base_type_name, c.options]
                for c in columns.values()
            ],
        )

    def note(self, hook, **arguments):
        if "silent" not in self.options:
            note(hook, table=self.options.get("label"), **arguments)
        if self.options.get("fail") == hook:
            raise self.evaluate("exception", "ValueError('failed in ' + hook)", hook=hook)
        if self.options.get("hang") == hook:
            wait_for_cancel()
        if self.options.get("check_interrupts") == hook:
            for _ in range(3000):
                check_interrupts()
                time.sleep(0.01)

    def get_rel_size(self, quals, columns):
        self.note(
            "get_rel_size",
            quals=describe_quals(quals),
            columns=sorted(columns),
            plans_only=getattr(self, "plans_only", None),
            has_choices=getattr(self, "has_choices", None),
        )
        return self.evaluate("size", "(1000, 10)")

    def get_path_keys(self):
        self.note("get_path_keys")
        return self.evaluate("path_keys", "[]")

    def get_list_keys(self, joined, quals):
        self.note("get_list_keys", joined=sorted(joined), quals=describe_quals(quals))
        return self.evaluate("list_keys", "[]")

    def can_sort(self, sortkeys):
        self.note("can_sort", sortkeys=describe_keys(sortkeys))
        return self.evaluate("sortable", "[]", sortkeys=sortkeys)

    def can_limit(self, limit, offset):
        self.note("can_limit", limit=limit, offset=offset)
        return self.evaluate("limited", "False")

    def execute(self, quals, columns, sortkeys=None, limit=None, offset=None):
        rows = super().execute(quals, columns, sortkeys, limit, offset)
        self.note("after_execute")
        return self.iterate(rows) if self.options.get("noted") else rows

    def iterate(self, rows):
        """Note the first row and the end, however that comes."""
        try:
            for row in rows:
                self.note("iterate")
                yield row
        finally:
            note("close")

    def explain(self, quals, columns, sortkeys=None, verbose=False, limit=None, offset=None):
        self.note(
            "explain",
            quals=describe_quals(quals),
            columns=sorted(columns),
            sortkeys=describe_keys(sortkeys),
            verbose=verbose,
            limit=limit,
            offset=offset,
            wanted=getattr(self, "wanted_rows", None),
        )
        return self.evaluate("lines", "[]", quals=quals, columns=columns, verbose=verbose)

    def explain_analyze(self, plan_node, timing):
        return self.evaluate("analyzed", "[]", plan_node=plan_node, timing=timing)

    def end_scan(self):
        self.note("end_scan")

    @property
    def rowid_column(self):
        self.note("rowid_column")
        return self.options.get("rowid", "id")

    @property
    def modify_batch_size(self):
        self.note("modify_batch_size")
        return int(self.options.get("batch", "1"))

    def insert(self, values):
        self.note("insert", values=values, types={k: type(v).__name__ for k, v in values.items()})
        return self.evaluate("returns", values=values)

    def bulk_insert(self, all_values):
        self.note("bulk_insert", values=all_values)
        return self.evaluate("returns", values=all_values)

    def update(self, oldvalues, newvalues):
        self.note("update", rowid=oldvalues, values=newvalues)
        return self.evaluate("returns", values=newvalues)

    def delete(self, oldvalues):
        self.note("delete", rowid=oldvalues)
        return self.evaluate("returns", values=None)

    def end_modify(self):
        self.note("end_modify")

    def begin(self, serializable):
        self.note("begin", serializable=serializable)

    def pre_commit(self):
        self.note("pre_commit")

    def commit(self):
        self.note("commit")

    def rollback(self):
        self.note("rollback")

    def sub_begin(self, level):
        self.note("sub_begin", level=level)

    def sub_commit(self, level):
        self.note("sub_commit", level=level)

    def sub_rollback(self, level):
        self.note("sub_rollback", level=level)

    def begin_rollback(self):
        self.note("begin_rollback")

    @classmethod
    def import_schema(cls, schema, srv_options, options, restriction_type, restricts):
        note(
            "import_schema",
            schema=schema,
            srv_options=srv_options,
            options=options,
            restriction_type=restriction_type,
            restricts=restricts,
        )
        if "fail" in options:
            raise ValueError("failed in import_schema")
        columns = [
            ColumnDefinition("id", type_name="integer", options={"key": "it's"}),
            ColumnDefinition('odd "name"', type_name="character varying(12)"),
        ]
        return [
            TableDefinition(name, columns=columns, options={"label": f"{schema}'s {name}"})
            for name in ("one", "two", "Three and more")
        ]


class LevelsWrapper(Wrapper):
    """Looks at which level an option stands."""

    def __init__(self, options, columns):
        super().__init__(options, columns)
        note("levels", levels=options.levels._asdict())

    @classmethod
    def import_schema(cls, schema, srv_options, options, restriction_type, restricts):
        note("levels", levels=srv_options.levels._asdict())
        return []


class ExactWrapper(Wrapper):
    """Applies its quals exactly, if its option "exact" says so."""

    def exact_quals(self, quals):
        self.note("exact_quals", quals=describe_quals(quals))
        return self.evaluate("exact", "True", quals=quals)


class CtidWrapper(Wrapper):
    """Gives its rows a ctid, if its option "ctid" says so."""

    @property
    def gives_ctid(self):
        return self.evaluate("ctid", "True")


class CuriousWrapper(Wrapper):
    """Wants to know what a statement does with the rows it changes."""

    def begin_modify(self, operation, returning, on_conflict):
        columns = None if returning is None else sorted(returning)
        self.note("begin_modify", clauses=[operation, columns, on_conflict])
        if on_conflict:
            raise ValueError("no conflicts, please")


class ValidatingWrapper(Wrapper):
    """Knows the options of each level, and refuses others."""

    @classmethod
    def validate_options(cls, options, level):
        note("validate_options", options=options, level=level)
        for name in options:
            if not name.startswith(level):
                log_to_postgres(
                    f'invalid option "{name}"', 40, hint=f"Options of a {level} start with {level}."
                )


class OtherValidating(Wrapper):
    """Takes options of its own only."""

    @classmethod
    def validate_options(cls, options, level):
        if not all(name.startswith("other_") for name in options):
            log_to_postgres("not other_", 40)


class CollectingWrapper(TransactionAwareForeignDataWrapper):
    rowid_column = "id"

    def execute(self, quals, columns):
        return [{"id": 1}]

    def pre_commit(self):
        note("collected", changes=self.current_transaction_state)


class MessagingWrapper(ForeignDataWrapper):
    """Reports one message for every row: level, message, hint, detail."""

    def __init__(self, options, columns):
        super().__init__(options, columns)
        self.options = options

    def execute(self, quals, columns):
        level, message, hint, detail = eval(self.options["message"])
        try:
            log_to_postgres(message, level, hint, detail)
        finally:
            note("unwound")
        return [{"id": 1}]


class EagerWrapper(PlainWrapper):
    """Begins with a scan before its rows are wanted; tells of that, and of when they are."""

    begun = itertools.count(1)

    def execute(self, *args, **kwargs):
        note("read", scan=None, table=self.options["label"])
        return self.evaluate("rows", "[]")

    def execute_ahead(self, *args, **kwargs):
        scan = next(self.begun)
        note("ahead", scan=scan, table=self.options["label"])
        return self.later(scan)

    def later(self, scan):
        note("read", scan=scan, table=self.options["label"])
        yield from self.evaluate("rows")


class Loud:
    """An object whose text cannot be had."""

    def __str__(self):
        raise ValueError("no text")


def objects():
    """How many objects the garbage collector tracks."""
    return len(gc.get_objects())


def in_thread(function):
    """What a function raises, or None, in another thread."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(function).exception()


def counting_rows(wanted):
    """Rows that tell how often worker threads have run so far."""
    ticks = itertools.count()
    stop = threading.Event()

    def tick():
        while not stop.wait(0.01):
            next(ticks)

    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    threads = [threading.Thread(target=tick, daemon=True) for _ in range(4)]
    for thread in threads:
        thread.start()
    signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
    try:
        for _ in range(wanted):
            yield (next(ticks),)
    finally:
        stop.set()


def the_rows(rows):
    """Rows of JSON with the Python values that a wrapper for such columns would give."""
    for row in rows:
        for name, kind in (("d", datetime.date), ("ts", datetime.datetime)):
            row[name] = row[name] and kind.fromisoformat(row[name])
        row["num"] = row["num"] and Decimal(row["num"])
    return rows


# For the expressions in options.
__all__ = [
    "UTC",
    "ChainMap",
    "Decimal",
    "Loud",
    "OrderedDict",
    "UserDict",
    "UserList",
    "defaultdict",
    "itertools",
    "namedtuple",
    "the_rows",
    "uuid",
]
