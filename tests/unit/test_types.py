"""Every PostgreSQL type that columns can have, by its row in tables/types.py alone."""

import ast
import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

import bitbucket_fdw
from bitbucket_fdw.foreign_tables.binding import TableBinding
from bitbucket_fdw.pushdown import Qual, conditions_of, plan
from bitbucket_fdw.pushdown.conditions import Condition
from bitbucket_fdw.pushdown.local_filter import looks_of
from bitbucket_fdw.pushdown.parent_filter import sieve_of
from bitbucket_fdw.pushdown.request import Request
from bitbucket_fdw.pushdown.shippable import ship
from bitbucket_fdw.pushdown.typed_values import row_shown, typed
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.tables.columns import Column, Filter
from bitbucket_fdw.tables.host_values import in_body
from bitbucket_fdw.tables.json_readers import BadValue
from bitbucket_fdw.tables.json_values import extractor
from bitbucket_fdw.tables.types import TYPES, Comparison

PACKAGE = Path(bitbucket_fdw.__file__).parent

# The JSON that a column of each type may get, with what hosts are handed for it.
GOOD = {
    "text": [("x", "x"), ("a\x00b", "a\ufffdb"), (7, "7"), ({"a": [1]}, '{"a": [1]}')],
    "bigint": [(7, 7), ("7", 7), (7.0, 7), (2**63 - 1, 2**63 - 1)],
    "integer": [(7, 7), ("-7", -7), (2**31 - 1, 2**31 - 1)],
    "numeric": [
        (7, "7"),
        (0.1, "0.1"),
        (1e300, "1e+300"),
        ("12345678901234567890.123456789", "12345678901234567890.123456789"),
        (Decimal("1.50"), "1.50"),
    ],
    "boolean": [(True, True), ("false", False)],
    "uuid": [
        ("{12345678-9ABC-def0-1234-56789abcdef0}", "12345678-9ABC-def0-1234-56789abcdef0"),
        ("12345678-9abc-def0-1234-56789abcdef0", "12345678-9abc-def0-1234-56789abcdef0"),
    ],
    "timestamptz": [
        ("2026-01-02T03:04:05.123456789Z", "2026-01-02T03:04:05.123456789Z"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:05+00:00"),
    ],
    "date": [("2026-01-02", "2026-01-02"), ("2026-01-02T23:00:00-08:00", "2026-01-02")],
    "interval": [
        (90, "90 seconds"),
        (0.25, "0.25 seconds"),
        (1e-7, "0.0000001 seconds"),
        ("-3", "-3 seconds"),
        ("PT1M30.5S", "PT1M30.5S"),
        ("P1DT2H", "P1DT2H"),
    ],
    "text[]": [([], []), (["a", None, "b\x00"], ["a", None, "b\ufffd"]), ([1, {}], ["1", "{}"])],
    "jsonb": [([1, "a"], '[1, "a"]'), ({"a": "\x00"}, '{"a": "\ufffd"}'), (True, "true")],
}
BAD = {
    "text": [],
    "bigint": ["x", 7.5, True, 2**63, [], "1e3", float("nan")],
    "integer": ["x", 2**31, True, {}],
    "numeric": ["x", True, [], {}, float("nan"), float("inf"), "1e99999", "", "0x1", 10**2000],
    "boolean": [1, "yes", [], "t"],
    "uuid": ["{masked}", "", 7, {}],
    "timestamptz": ["yesterday", 7, "2026-02-30", "2026-01-02T25:00:00Z", {}],
    "date": ["yesterday", 20260102, "2026-02-30", "0000-01-01", "02.01.2026", [], True],
    "interval": ["x", True, [], "", "P", "PT", "P1DT", 10**13, float("inf"), "1 day", "PT1H1D"],
    "text[]": ["a", {"a": 1}, 7, True],
    "jsonb": [],
}
# Values of conditions as Multicorn2 and the bundled host render them, with what is read of them;
# None for what is left to PostgreSQL.
READ = {
    "text": [("x", "x"), (7, None)],
    "bigint": [(7, 7), ("-7", -7), (7.0, 7), (7.5, None), (True, None)],
    "integer": [(7, 7), ("x", None)],
    "numeric": [
        (0.5, None),  # rounded by the host
        (7, Decimal(7)),
        (Decimal("1.50"), Decimal("1.5")),
        ("0.1", Decimal("0.1")),
        (Decimal("NaN"), None),
        ("NaN", None),
        (True, None),
    ],
    "boolean": [("t", True), ("f", False), (True, True), ("x", None)],
    "uuid": [
        ("12345678-9abc-def0-1234-56789abcdef0", UUID(int=0x123456789ABCDEF0123456789ABCDEF0))
    ],
    "timestamptz": [
        ("2026-01-02 03:04:05+01", datetime(2026, 1, 2, 2, 4, 5, tzinfo=timezone.utc)),
        ("02.01.2026 03:04:05 CET", None),
    ],
    "date": [
        (date(2026, 1, 2), date(2026, 1, 2)),
        ("2026-01-02", date(2026, 1, 2)),
        (datetime(2026, 1, 2), None),  # compares as of the session's zone
        ("02.01.2026", None),
        ("infinity", None),
        ("2026-02-30", None),
        ("10000-01-01", None),
    ],
    "interval": [
        ("00:01:30", timedelta(seconds=90)),
        ("1 day 02:00:00.5", timedelta(days=1, hours=2, seconds=0.5)),
        ("-00:00:01", timedelta(seconds=-1)),
        ("-1 days +02:00:00", None),
        (timedelta(seconds=1), timedelta(seconds=1)),
        ("1 mon", None),
        ("@ 1 day", None),
        ("P1D", None),
        ("999999999999 days", None),
        ("", None),
    ],
    "text[]": [
        (["a", None], ("a", None)),
        ([], ()),
        ([["a"]], None),
        ("{a}", None),
        ("a", None),
        ([1], None),
    ],
    "jsonb": [("{}", None), ({}, None)],
}
NAMES = tuple(TYPES)
SHIPPED = [name for name in NAMES if TYPES[name].comparison is not Comparison.LOCAL]


def column(name: str) -> Column:
    return Column("c", name, "c", "", filter=Filter("c"))


def cases(table):
    return [(name, *case) for name in NAMES for case in table[name]]


def flat(table):
    return [(name, case) for name in NAMES for case in table[name]]


def test_every_type_has_its_examples():
    assert set(GOOD) == set(BAD) == set(READ) == set(TYPES)
    assert all(row.name == name for name, row in TYPES.items())


def test_declarations_use_types_that_there_are():
    used = {column.type for table in TABLES for column in table.columns}
    assert used <= set(TYPES)
    sorted_by = [column for table in TABLES for column in table.columns if column.sort]
    assert sorted_by
    assert all(column.data_type.sort_key for column in sorted_by)


@pytest.mark.parametrize(("name", "value", "expected"), cases(GOOD))
def test_json_is_read(name, value, expected):
    assert extractor([column(name)])({"c": value}) == {"c": expected}


@pytest.mark.parametrize(("name", "value"), flat(BAD))
def test_json_of_another_type_is_an_error_that_names_the_column(name, value):
    with pytest.raises(BadValue, match=r"^c is "):
        extractor([column(name)], keys=frozenset({"c"}))({"c": value})


@pytest.mark.parametrize(("name", "value"), flat(BAD))
def test_a_column_shown_as_another_type_takes_anything(name, value):
    assert extractor([column(name)], loose=frozenset({"c"}))({"c": value})["c"] is not None


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("item", [{}, {"c": None}])
def test_absent_and_null_are_null(name, item):
    assert extractor([column(name)])(item) == {"c": None}


@pytest.mark.parametrize(("name", "value", "expected"), cases(READ))
@pytest.mark.parametrize("operator", ["=", "<", "<>", ">="])
def test_a_condition_is_read_or_left(name, operator, value, expected):
    typed_conditions, left = conditions_of([Qual("c", operator, value)], {"c": column(name)})
    if expected is None:
        assert not typed_conditions
        assert len(left) == 1
    else:
        negated = TYPES[name].comparison is Comparison.FLAG and operator == "<>"
        wanted = ("=", not expected) if negated else (operator, expected)
        assert [(c.op, c.value) for c in typed_conditions] == [wanted]


@pytest.mark.parametrize(("name", "value", "expected"), cases(READ))
def test_a_list_is_read_if_all_of_it_is(name, value, expected):
    typed_conditions, left = conditions_of(
        [Qual("c", ("=", True), [value, None])], {"c": column(name)}
    )
    assert [c.value for c in typed_conditions] == ([] if expected is None else [(expected,)])
    assert len(left) == (expected is None)


@pytest.mark.parametrize("name", NAMES)
def test_null_tests_are_read(name):
    quals = [Qual("c", "=", None), Qual("c", "<>", None)]
    typed_conditions, left = conditions_of(quals, {"c": column(name)})
    assert [c.op for c in typed_conditions] == ["is null", "is not null"]
    assert not left


@pytest.mark.parametrize("name", NAMES)
def test_not_in_is_read_where_the_type_says_so(name):
    row = TYPES[name]
    qual = Qual("c", ("<>", False), [row.sample])
    assert bool(conditions_of([qual], {"c": column(name)})[0]) is row.not_in


OPERATORS = ("=", "<>", "<", "<=", ">", ">=", "in", "not in", "is null", "is not null")


def condition(name: str, op: str) -> Condition:
    sample = TYPES[name].sample
    value = None if "null" in op else (sample,) if op.endswith("in") else sample
    return Condition(column(name), op, value)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in SHIPPED])
@pytest.mark.parametrize("op", OPERATORS)
def test_what_postgresql_alone_compares_leads_to_nothing_here(name, op):
    given = condition(name, op)
    assert ship(given) is None
    assert not looks_of([given])
    assert not sieve_of([given])


@pytest.mark.parametrize("name", SHIPPED)
def test_equality_is_shipped_of_all_other_types(name):
    assert ship(condition(name, "=")) is not None


@pytest.mark.parametrize("name", NAMES)
def test_two_values_contradict_each_other_only_where_their_equality_is_known(name):
    # 0.1 from a list and 0.1 from a float are one numeric, whatever they are in Python.
    table = BY_NAME["branches"]
    other = Column("default_merge_strategy", name, "x", "")
    conditions = tuple(Condition(other, "=", value) for value in (TYPES[name].sample, object()))
    declared = [c if c.name != other.name else other for c in table.columns]
    changed = type("Changed", (table,), {"columns": tuple(declared)})
    planned = plan(Request(changed, conditions=conditions, columns=frozenset({"name"})))
    assert (planned.reason is None) is (TYPES[name].comparison is Comparison.LOCAL)


@pytest.mark.parametrize("name", NAMES)
def test_a_column_of_another_type_keeps_its_conditions_to_itself(name):
    for meant in TYPES[name].same_meaning:
        assert meant.partition("[")[0] not in ("json", "citext")
    table = BY_NAME["branches"]
    strange = TableBinding.of({"table": table.name}, {"name": ({}, "point")})
    assert not strange.pushable


@pytest.mark.parametrize(("name", "value", "expected"), cases(GOOD))
def test_what_was_read_compares_as_unchanged_and_shows_again(name, value, expected):
    c = column(name)
    first = typed(c, expected)
    again = typed(c, row_shown({"c": first})["c"])
    same = c.data_type.same
    assert same.same(first, again)
    assert same.marked(same.mark_of(first), again)
    assert not same.same(first, None)
    assert not same.marked(same.mark_of(None), first)


@pytest.mark.parametrize(
    ("name", "value", "host", "same"),
    [
        ("numeric", 0.1, 0.1, True),
        ("numeric", "0.12345678901234567890", float("0.12345678901234567890"), True),
        ("numeric", 0.1, 0.2, False),
        ("date", "2026-01-02", date(2026, 1, 2), True),
        ("date", "2026-01-02", date(2026, 1, 3), False),
        ("interval", 90, "00:01:30", True),
        ("interval", 90, "00:01:31", False),
        ("interval", 90, "@ 1 min 30 secs", True),  # another style: taken to be unchanged
        ("interval", "P1M", "1 mon", True),
        ("text[]", ["a", "b"], ["a", "b"], True),
        ("text[]", ["a", "b"], ["b", "a"], False),
        ("uuid", "{12345678-9ABC-DEF0-1234-56789ABCDEF0}", UUID(int=0), False),
        ("boolean", True, "t", True),
        ("boolean", True, "f", False),
        ("bigint", 7, "7", True),
        ("jsonb", {"a": 1}, '{"a":1}', True),
    ],
)
def test_a_value_of_the_host_is_told_from_the_one_that_was_read(name, value, host, same):
    c = column(name)
    old = typed(c, extractor([c])({"c": value})["c"])
    new = typed(c, host)
    assert c.data_type.same.same(old, new) is same
    assert c.data_type.same.marked(c.data_type.same.mark_of(old), new) is same


@pytest.mark.parametrize(("name", "value", "expected"), cases(GOOD))
def test_what_was_read_can_be_sent(name, value, expected):
    value = typed(column(name), expected)
    if isinstance(value, TYPES[name].body):
        json.dumps(in_body(value))
    else:
        assert isinstance(value, str)  # an interval of days and hours, a time in words


# --- the knowledge stands in one place ---

# What looks like a type's name and is something else: file, string, and why.
OTHERWISE_MEANT = {
    ("writing/own_rows.py", "uuid"): "a member of the API's accounts",
    ("writing/bodies.py", "uuid"): "a member of the API's accounts",
    ("writing/change_sender.py", "uuid"): "a member of the API's accounts",
    ("reference/pages.py", "text"): "what an option takes",
    ("reading/scan_requests.py", "text"): "what a notice says is cut short",
}


def named_types() -> set[tuple[str, str]]:
    """Where, outside of the declarations, a string is the name of a type."""
    found = set()
    spelled = set(TYPES) | {name for row in TYPES.values() for name in row.same_meaning}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if place.split("/")[0] in ("tables", "emulator"):
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found |= {
            (place, node.value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and node.value in spelled
        }
    return found


def test_no_type_is_named_outside_of_the_declarations():
    assert named_types() == set(OTHERWISE_MEANT)
