"""Quals as hosts render them, read into typed conditions or left alone."""

import uuid
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from bitbucket_fdw.pushdown import Qual, conditions_of
from bitbucket_fdw.pushdown.conditions import without_implied
from bitbucket_fdw.tables.columns import Column

COLUMNS = {
    column.name: column
    for column in (
        Column("t", "text", "t", ""),
        Column("n", "bigint", "n", ""),
        Column("b", "boolean", "b", ""),
        Column("u", "uuid", "u", ""),
        Column("w", "timestamptz", "w", ""),
        Column("j", "jsonb", "j", ""),
    )
}
SOME_UUID = "12345678-9abc-def0-1234-56789abcdef0"


def read(*qual):
    conditions, left = conditions_of([Qual(*qual)], COLUMNS)
    assert len(conditions) + len(left) == 1
    return (conditions[0].op, conditions[0].value) if conditions else None


@pytest.mark.parametrize(
    ("qual", "expected"),
    [
        (("t", "=", "x"), ("=", "x")),
        (("t", "~~", "a%"), ("~~", "a%")),
        (("t", "~~*", "a%"), ("~~*", "a%")),
        (("t", "!~~", "a%"), ("!~~", "a%")),
        (("t", "~", "^a"), ("~", "^a")),
        (("t", ("<>", False), ["a", "b"]), ("not in", ("a", "b"))),
        (("t", "=", None), ("is null", None)),
        (("t", "<>", None), ("is not null", None)),
        (("t", ("=", True), ["a", None, "b", "a"]), ("in", ("a", "b"))),
        (("n", "=", 7), ("=", 7)),
        (("n", "=", "-7"), ("=", -7)),  # a bigint on Multicorn2
        (("n", ">", Decimal("7")), (">", 7)),
        (("n", ("=", True), []), ("in", ())),
        (("b", "=", "t"), ("=", True)),
        (("b", "=", "f"), ("=", False)),
        (("b", "=", True), ("=", True)),
        (("b", "<>", "t"), ("=", False)),  # NOT b; NULL meets neither
        (("u", "=", SOME_UUID), ("=", uuid.UUID(SOME_UUID))),
    ],
)
def test_a_qual_is_read(qual, expected):
    assert read(*qual) == expected


@pytest.mark.parametrize(
    "qual",
    [
        ("t", "!~~*", "a%"),  # NOT ILIKE
        ("t", "~*", "regex"),
        ("n", "~", "1"),
        ("t", ("=", False), ["a"]),  # = ALL
        ("t", ("<>", False), ["a", None]),  # never true
        ("w", ("<>", False), ["2024-03-04 10:02:03+00"]),
        ("t", ("<>", True), ["a"]),
        ("t", ("~~", True), ["a%"]),
        ("n", "=", Decimal("7.5")),
        ("n", "=", True),
        ("n", "=", "7.5"),
        ("n", "=", float("inf")),
        ("n", "=", Decimal("NaN")),
        ("n", ">", None),
        ("n", "=", object()),  # a value that is not known while planning
        ("u", "=", "no uuid"),
        ("u", ("=", True), [SOME_UUID, "no uuid"]),
        ("j", "=", "{}"),
        ("nowhere", "=", "x"),
    ],
)
def test_a_qual_in_doubt_is_left_to_postgresql(qual):
    assert read(*qual) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-04 10:02:03+00", (2024, 3, 4, 10, 2, 3, 0)),
        ("2024-03-04 10:02:03.5+00", (2024, 3, 4, 10, 2, 3, 500_000)),
        ("2024-03-04 10:02:03.123456+09", (2024, 3, 4, 1, 2, 3, 123_456)),
        ("2024-03-04 10:02:03-03:30", (2024, 3, 4, 13, 32, 3, 0)),
        ("1890-01-01 00:00:00+00:53:28", (1889, 12, 31, 23, 6, 32, 0)),
    ],
)
def test_times_are_read_in_any_zone(text, expected):
    assert read("w", ">=", text) == (">=", datetime(*expected).replace(tzinfo=timezone.utc))


@pytest.mark.parametrize(
    "text",
    [
        "04.03.2024 10:02:03.456789 JST",
        "Mon Mar 04 10:02:03 2024 UTC",
        "infinity",
        "0044-03-15 00:00:00+00 BC",
        "10000-01-01 00:00:00+00",
        "2024-02-30 00:00:00+00",
        "0001-01-01 00:00:00+14",
        "2024-01-01 00:00:00+30",
    ],
)
def test_times_in_doubt_are_left_to_postgresql(text):
    assert read("w", ">=", text) is None


@pytest.mark.parametrize(
    "value",
    [
        date(2024, 3, 4),
        datetime(2024, 3, 4),
    ],
)
@pytest.mark.parametrize("zone", [-7 * 24 + 1, -12, 0, 5.75, 14, 7 * 24 - 1])
def test_a_value_without_zone_may_stand_for_its_instant_in_any(value, zone):
    [[condition], _] = conditions_of([Qual("w", ">=", value)], COLUMNS)
    meant = datetime(2024, 3, 4, 0, 0, 0, 999_999, timezone.utc) - timedelta(hours=zone)
    assert abs(condition.value - meant) <= condition.slack


def test_a_list_of_dates_keeps_its_slack():
    [[condition], _] = conditions_of(
        [Qual("w", ("=", True), [date(2024, 3, 4), None, date(2024, 5, 6)])], COLUMNS
    )
    assert len(condition.value) == 2
    assert condition.slack >= timedelta(days=7)


def test_a_time_with_a_zone_needs_no_slack():
    moment = datetime(2024, 3, 4, 10, 2, 3, tzinfo=timezone.utc)
    [[condition], _] = conditions_of([Qual("w", "=", moment)], COLUMNS)
    assert (condition.value, condition.slack) == (moment, timedelta(0))


@pytest.mark.parametrize(
    ("text", "slack"),
    [
        ("2024-03-04 10:02:03+00", timedelta(hours=3)),
        ("2024-03-04 10:02:03+09", timedelta(hours=21)),
        ("2024-03-04 10:02:03-03:30", timedelta(hours=10)),
    ],
)
def test_a_time_as_text_may_be_a_timestamp_misread_by_multicorn2(text, slack):
    [[condition], _] = conditions_of([Qual("w", "=", text)], COLUMNS)
    assert condition.slack == slack
    [[condition], _] = conditions_of([Qual("w", ("=", True), [text])], COLUMNS)
    assert condition.slack == slack


@pytest.mark.parametrize(
    "text",
    ["2000-01-01 00:00:00.009194+00", "2000-01-01 09:00:00.009194+09", "1999-12-31 23:59:00+00"],
)
def test_a_time_that_may_be_a_date_misread_by_multicorn2_is_left(text):
    assert read("w", "<", text) is None


def test_a_comparison_that_is_not_what_its_name_says_is_left_alone():
    quals = [
        Qual("t", "=", "x", False),
        Qual("n", "=", 3, False),
        Qual("t", ("=", True), ["x"], False),
    ]
    assert conditions_of(quals, COLUMNS) == ((), tuple(quals))


def test_in_doubt_text_is_left_alone_but_for_addresses():
    repository = Column("repository", "text", None, "", param="repository")
    quals = [Qual("t", "=", "x", None), Qual("n", "=", 3, None), Qual("repository", "=", "x", None)]
    # A slug is in lower case; equal to this one, in another way, may be one that is.
    quals += [Qual("repository", "=", "X", None), Qual("repository", "~~", "x", None)]
    typed, left = conditions_of(quals, {**COLUMNS, "repository": repository})
    assert [condition.column.name for condition in typed] == ["n", "repository"]
    assert left == (quals[0], *quals[3:])


@pytest.mark.parametrize(
    ("quals", "left"),
    [
        ([("t", "<>", None), ("t", "=", "x")], ["="]),
        ([("n", ">", 3), ("n", "<>", None)], [">"]),
        ([("n", ("<>", False), [1, 2]), ("n", "<>", None)], ["not in"]),
        ([("t", "<>", None), ("n", "=", 1)], ["is not null", "="]),
        ([("t", "<>", None), ("t", "=", None)], ["is not null", "is null"]),
        ([("w", "<>", None)], []),
    ],
)
def test_a_test_for_null_is_left_out_where_another_condition_implies_it(quals, left):
    conditions, _ = conditions_of([Qual(*qual) for qual in quals], COLUMNS)
    assert [c.op for c in without_implied(conditions, [COLUMNS["w"]])] == left
