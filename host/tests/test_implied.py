"""What follows from conditions on expressions: never less than the condition, and little more."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta, timezone

import pytest
from cluster import Session

pytestmark = pytest.mark.beyond("tells nothing of conditions on expressions")

# Around these the clocks change, a day is left out, a unit begins, or nothing happens.
ANCHORS = {
    "2010-11-07T02:31": "America/St_Johns",  # from 00:01 back to 23:01 of the day before
    "2011-12-30T10:00": "Pacific/Apia",  # no 30 December
    "2018-11-04T03:00": "America/Sao_Paulo",  # no midnight
    "2024-03-10T07:00": "America/New_York",
    "2024-11-03T06:00": "America/New_York",
    "2024-03-31T01:00": "Antarctica/Troll",  # two hours
    "2024-04-06T15:00": "Australia/Lord_Howe",  # half an hour
    "2024-01-01T00:00": "UTC",
    "2000-01-01T00:00": "Asia/Kathmandu",
    "1900-01-01T00:00": "Europe/Amsterdam",  # seconds in its offset
    "2024-05-15T12:00": "<+0530>-05:30",
    "2024-11-03T20:00": "<A>100<B>-100,M3.2.0,M11.1.0",  # as far from UTC as rules can say
}
ZONES = sorted(set(ANCHORS.values()))
NEAR = [timedelta(minutes=30 * n) for n in (*range(-8, 9), *range(-54, 55, 3))] + [
    timedelta(days=n, microseconds=m) for n in (-400, -40, -9, -8, 0, 8, 9, 40) for m in (-1, 1)
]


def moments_near(anchors: Iterable[str]) -> list[str]:
    return sorted(
        {
            (datetime.fromisoformat(anchor).replace(tzinfo=timezone.utc) + near).isoformat()
            for anchor in anchors
            for near in NEAR
        }
    )


UNITS = ("second", "minute", "hour", "day", "week", "month", "quarter", "year", "decade", "century")
DAY = "{}::timestamptz::date"
EXPRESSIONS = [
    # The expression of a column, the same of the moment it is compared with, how much is too much.
    ("tz::date", DAY, 3),
    ("tz::date", "{}::timestamp", 3),
    ("tz::date", "{}::timestamptz", 3),
    ("tz::timestamp", "{}::timestamptz::timestamp", 2),
    ("tz::timestamp::date", DAY, 3),
    ("tz::date::timestamp", "{}::timestamptz::date::timestamp", 3),
    ("tz::date::timestamptz", "{}::timestamptz", 4),
    ("tz::timestamp::timestamptz", "{}::timestamptz", 3),
    *(
        (
            f"date_trunc('{unit}', {column})",
            f"date_trunc('{unit}', {{}}::timestamptz{suffix})",
            None,
        )
        for unit in UNITS
        for column, suffix in (("tz", ""), ("tz::timestamp", "::timestamp"))
    ),
    ("date_trunc('Month', tz)::date", "date_trunc('month', {}::timestamptz)::date", 35),
    ("date_trunc('month', tz::date)", "date_trunc('month', {}::timestamptz)", 35),
    *(
        (f"extract({field} from {column})", f"extract({field} from {{}}::timestamptz)", days)
        for field, days in (("year", 370), ("isoyear", 390), ("epoch", 2))
        for column in ("tz", "(tz AT TIME ZONE 'UTC')")
    ),
    ("extract(year from tz)::int", "extract(year from {}::timestamptz)::int", 370),
    ("extract(epoch from tz)::bigint", "extract(epoch from {}::timestamptz)::bigint", 1),
    ("date_part('year', tz)", "date_part('year', {}::timestamptz)", 370),
    ("date_part('year', tz::date)", "date_part('year', {}::timestamptz)", 370),
    ("extract(year from tz::date)", "extract(year from {}::timestamptz)", 370),
    *(
        (f"(tz AT TIME ZONE '{zone}'){cast}", f"({{}}::timestamptz AT TIME ZONE '{zone}'){cast}", 5)
        for zone in ("America/St_Johns", "pacific/apia", "UTC", "CET", "EST", "Europe/Amsterdam")
        for cast in ("", "::date")
    ),
    (
        "date_trunc('day', tz, 'Pacific/Apia')",
        "date_trunc('day', {}::timestamptz, 'Pacific/Apia')",
        5,
    ),
    (
        "(tz AT TIME ZONE 'UTC' AT TIME ZONE 'America/St_Johns')::date",
        "({}::timestamptz AT TIME ZONE 'UTC' AT TIME ZONE 'America/St_Johns')::date",
        4,
    ),
]


def both(session: Session, anchors: Iterable[str]) -> str:
    """Moments in table "here", and the name of a foreign table of the same.

    Its wrapper drops those that do not meet the quals, before PostgreSQL checks the rest.
    """
    moments = moments_near(anchors)
    session.execute("CREATE TABLE IF NOT EXISTS here (tz timestamptz); TRUNCATE here")
    session.execute("INSERT INTO here SELECT unnest(%s::timestamptz[])", [moments])
    return session.table(
        "tz timestamptz",
        implied="true",
        silent="true",
        moments=repr(moments),
        rows="[{'tz': m} for m in eval(self.options['moments']) if meets(quals, m)]",
    )


@pytest.mark.parametrize("zone", ZONES)
def test_a_range_loses_nothing_in_any_zone(session: Session, zone: str) -> None:
    session.execute(f"SET TimeZone = '{zone}'")
    anchors = [anchor for anchor, of in ANCHORS.items() if of == zone]
    table = both(session, anchors)
    asked = 0
    for left, right, _ in EXPRESSIONS:
        for anchor in anchors:
            for operator in ("=", "<", ">=") if asked % 2 else ("=", "<=", ">"):
                value = right.format(f"'{anchor}Z'")
                condition = f"{left} {operator} {value}"
                query = f"SELECT tz FROM {{}} WHERE {condition} ORDER BY 1"
                rows = session.rows(query.format("here"))
                assert session.rows(query.format(table)) == rows, condition
            asked += 1


@pytest.mark.parametrize(("left", "right", "days"), EXPRESSIONS, ids=[e[0] for e in EXPRESSIONS])
def test_a_range_is_not_much_wider_than_its_condition(
    session: Session, left: str, right: str, days: int | None
) -> None:
    session.execute("SET TimeZone = 'America/New_York'")
    table = session.table("tz timestamptz", implied="true")
    value = right.format("'2024-05-15T12:00Z'")
    # A condition on the expression of a wrapper's column that is told by two bounds.
    quals = session.quals(f"SELECT 1 FROM {table} WHERE {left} = {value}")
    assert [qual[:2] for qual in quals] == [["tz", ">="], ["tz", "<="]]
    low, high = (datetime.fromisoformat(f"{qual[2]}:00"[:32]) for qual in quals)
    if days is not None:
        assert high - low <= timedelta(days=days)
    # Beyond the bounds nothing is asked for, on the side that the comparison leaves open.
    for operator, bound in (("<", "<="), ("<=", "<="), (">", ">="), (">=", ">=")):
        (qual,) = session.quals(f"SELECT 1 FROM {table} WHERE {left} {operator} {value}")
        assert qual[:2] == ["tz", bound]
        (turned,) = session.quals(f"SELECT 1 FROM {table} WHERE {value} {operator} {left}")
        assert turned[1] != bound


def test_a_day_is_exact_far_from_a_change_of_the_clocks(session: Session) -> None:
    session.execute("SET TimeZone = 'America/New_York'")
    table = session.table("tz timestamptz", implied="true")
    quals = session.quals(f"SELECT 1 FROM {table} WHERE tz::date = '2024-07-15'")
    assert [qual[2] for qual in quals] == ["2024-07-15 00:00:00-04", "2024-07-16 00:00:00-04"]
    (qual,) = session.quals(f"SELECT 1 FROM {table} WHERE tz::date < '2024-07-15'")
    assert qual[2] == "2024-07-15 00:00:00-04"
    (qual,) = session.quals(f"SELECT 1 FROM {table} WHERE tz::date > '2024-07-15'")
    assert qual[2] == "2024-07-16 00:00:00-04"
    # A month more where they change, by as much.
    quals = session.quals(f"SELECT 1 FROM {table} WHERE tz::date = '2024-11-15'")
    assert [qual[2] for qual in quals] == ["2024-11-14 23:00:00-05", "2024-11-16 00:00:00-05"]


def test_lists_and_spans_and_parameters(session: Session) -> None:
    table = both(session, ("2010-11-07T02:31", "2011-12-30T10:00", "2024-01-01T00:00"))
    session.execute("SET TimeZone = 'America/St_Johns'; SET plan_cache_mode = force_generic_plan")
    for condition in (
        "tz::date IN ('2024-01-01', '2010-11-06', NULL)",
        "tz::date = ANY ('{}')",
        "tz::date = ANY ('{NULL}')",
        "tz::date BETWEEN '2010-11-06' AND '2010-11-07'",
        "tz::date NOT BETWEEN '2010-11-06' AND '2010-11-07'",
        "tz::date <> '2010-11-06'",
        "tz::date = NULL",
        "tz::date < 'infinity' AND tz::date >= '-infinity'",
        "tz::date = 'infinity'",
        "tz::date >= '4714-11-24 BC'",
        "tz::date <= '5874897-12-31'",
        "extract(year from tz) = 'NaN'",
        "extract(year from tz) < 'infinity'",
        "extract(year from tz) = 2024.5",
        # More digits than a double has.
        "extract(year from tz) > 2023.99999999999999999999",
        "extract(year from tz) < 2024.00000000000000000001",
        "NOT extract(year from tz) <= 2023.99999999999999999999",
        "2010.00000000000000000001 > extract(isoyear from tz)",
        "extract(year from tz) > 1e300",
        "extract(year from tz) BETWEEN -5 AND 10000",
        "date_part('epoch', tz) BETWEEN -1e300 AND 1e18",
        "tz::date = (SELECT date '2024-01-01')",
        "(tz::date = '2024-01-01') IS TRUE",
    ):
        rows = session.rows(f"SELECT tz FROM here WHERE {condition} ORDER BY 1")
        query = f"SELECT tz FROM {table} WHERE {condition} ORDER BY 1"
        assert session.rows(query) == rows, condition
    session.execute(f"PREPARE p(date) AS SELECT count(*) FROM {table} WHERE tz::date = $1")
    session.execute("PREPARE q(date) AS SELECT count(*) FROM here WHERE tz::date = $1")
    for zone in ("UTC", "Pacific/Apia"):
        session.execute(f"SET TimeZone = '{zone}'")
        for day in ("'2011-12-29'", "'2011-12-31'", "NULL"):
            assert session.rows(f"EXECUTE p({day})") == session.rows(f"EXECUTE q({day})")
    plan = session.plan(f"SELECT 1 FROM {table} WHERE tz::date = (SELECT date '2024-01-01')")
    assert "Foreign Scan" in plan


@pytest.mark.parametrize(
    ("condition", "qual"),
    [
        ("lower(t) = 'x'", ["t", "~~*", "x", "str"]),
        ("'x' = lower(t)", ["t", "~~*", "x", "str"]),
        ("lower(v) = '50%_\\'", ["v", "~~*", "50\\%\\_\\\\", "str"]),
        ("lower(t) LIKE '%x%'", ["t", "~~*", "%x%", "str"]),
    ],
)
def test_lower_case_implies_a_pattern(session: Session, condition: str, qual: list[str]) -> None:
    table = session.table("t text, v varchar(9)", implied="true")
    assert session.quals(f"SELECT 1 FROM {table} WHERE {condition}") == [qual]


@pytest.mark.parametrize(
    "condition",
    [
        "upper(t) = 'x'",
        "lower(t) <> 'x'",
        "lower(t) < 'x'",
        "lower(t) NOT LIKE 'x'",
        "lower(t) ~ 'x'",
        "lower(t) = t",
        "tz::date <> '2024-01-01'",
        "tz::date + 1 = '2024-01-01'",
        "tz::date = d",
        "tz::time = '10:00'",
        "ts::date = '2024-01-01'",
        "date_trunc('fortnight', tz) = '2024-01-01'",
        "date_trunc(t, tz) = '2024-01-01'",
        "extract(month from tz) = 5",
        "tz AT TIME ZONE t = '2024-01-01'",
        "tz AT TIME ZONE '<A>100' = '2024-01-01'",
        "tz AT TIME ZONE interval '5 hours' = '2024-01-01'",
        "NOT tz::date = ANY ('{2024-01-01}')",
        "tz::date > ALL ('{2024-01-01}')",
        "tz::date OPERATOR(own.=) date '2024-01-01'",
    ],
)
def test_from_others_nothing_is_concluded(session: Session, condition: str) -> None:
    session.execute(
        "CREATE SCHEMA IF NOT EXISTS own; DO $$ BEGIN CREATE OPERATOR own.= (LEFTARG = date,"
        " RIGHTARG = date, FUNCTION = date_eq); EXCEPTION WHEN duplicate_function THEN END $$"
    )
    table = session.table("t text, tz timestamptz, ts timestamp, d date", implied="true")
    assert session.quals(f"SELECT 1 FROM {table} WHERE {condition}") == []


def test_only_wrappers_that_take_them_are_told(session: Session) -> None:
    query = "SELECT 1 FROM {} WHERE tz::date = '2024-01-01'"
    told = session.table("tz timestamptz", implied="true")
    assert len(session.quals(query.format(told))) == 2
    assert session.quals(query.format(session.table("tz timestamptz"))) == []
    session.execute("SET multicorn.implied_conditions = off")
    assert session.quals(query.format(told)) == []


def test_a_limit_waits_for_the_condition_itself(session: Session) -> None:
    """What is implied is not all that the condition says."""
    session.execute(
        "DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'exact') THEN"
        " CREATE SERVER exact FOREIGN DATA WRAPPER multicorn"
        " OPTIONS (wrapper 'contract.ExactWrapper'); END IF; END $$"
    )
    table = session.table("tz timestamptz", server="exact", implied="true", limited="True")
    session.journal()
    session.execute(f"SELECT 1 FROM {table} WHERE tz::date = '2024-01-01' LIMIT 1")
    assert session.calls("can_limit") == []
    assert [call["limit"] for call in session.calls("execute")] in ([], [None])
