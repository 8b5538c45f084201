"""Times: the same moments in every TimeZone and DateStyle, to the microsecond."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.string import TextLoader

from tests.sql.querying import Both, asked

ZONES = [
    "UTC",
    "Asia/Tokyo",
    "America/St_Johns",
    "Pacific/Apia",
    "Europe/Amsterdam",
    "<+0530>-05:30",
    "America/New_York",
]
STYLES = ["ISO, MDY", "ISO, DMY", "German", "SQL, MDY", "SQL, DMY", "Postgres, DMY"]


@pytest.fixture
def texts(sql: Both) -> Iterator[Both]:
    """Times are read as text: psycopg takes them in DateStyle ISO only."""
    sql.db.connection.adapters.register_loader("timestamptz", TextLoader)
    yield sql
    sql.db.connection.adapters.register_loader("timestamptz", TimestamptzLoader)


def moments(sql, table="pull_requests", column="created_on"):
    sql.db.execute("SET TimeZone = 'UTC'")
    return sql.db.column(
        f"SELECT {column}::text FROM website_x.{table} WHERE {column} IS NOT NULL "
        "ORDER BY id LIMIT 3"
    )


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("zone", ZONES)
def test_a_moment_is_found_in_every_zone_and_style(texts, zone, style):
    [moment, *_] = moments(texts)
    texts.db.execute(f"SET TimeZone = '{zone}'; SET DateStyle = '{style}'")
    for operator in ("=", ">=", "<=", "<", ">"):
        texts.query(
            f"SELECT id, created_on FROM pull_requests WHERE created_on {operator} '{moment}'"
        )
    found = texts.query(f"SELECT count(*) FROM pull_requests WHERE created_on = '{moment}'")
    assert found.rows[0][0] >= 1


@pytest.mark.parametrize("zone", ZONES)
def test_a_bound_is_shipped_as_the_same_moment_in_every_zone(texts, host, zone):
    texts.db.execute(f"SET TimeZone = '{zone}'")
    bound = "2025-03-30 01:30:00+00"
    result = texts.query(f"SELECT id FROM pull_requests WHERE created_on >= '{bound}'")
    [q] = {one.q for one in asked(result)}
    shipped = datetime.fromisoformat(q.removeprefix("created_on >= "))
    wider = datetime.fromisoformat(bound) - shipped
    if host == "bundled":
        assert wider == timedelta(milliseconds=1)
    else:  # beyond what it might be if it were a timestamp that Multicorn2 misread
        assert timedelta(hours=3) < wider < timedelta(hours=32)


@pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 does not tell which moment a date or a timestamp is",
)
@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("value", ["'2025-03-30'::date", "'2025-03-30 01:30:00'::timestamp"])
@pytest.mark.parametrize("generic", [False, True])
def test_a_date_is_shipped_as_the_moment_it_is_in_the_sessions_zone(texts, zone, value, generic):
    texts.db.execute(f"SET TimeZone = '{zone}'; SET search_path = website")
    moment = texts.db.value(f"SELECT ({value}::timestamptz AT TIME ZONE 'UTC')::text")
    statement = "SELECT id FROM pull_requests WHERE created_on >= "
    if generic:
        kind = value.rpartition("::")[2]
        texts.db.execute(
            f"SET plan_cache_mode = force_generic_plan; PREPARE d({kind}) AS {statement} $1"
        )
        result = texts.db.query(f"EXECUTE d({value})")
    else:
        result = texts.query(statement + value)
    [q] = {one.q for one in asked(result)}
    shipped = datetime.fromisoformat(q.removeprefix("created_on >= "))
    assert datetime.fromisoformat(f"{moment}+00:00") - shipped == timedelta(milliseconds=1)


@pytest.mark.parametrize("style", ["German", "SQL, DMY", "Postgres, MDY"])
def test_a_style_that_could_be_misread_is_not_read(texts, host, style):
    """Multicorn2 hands a time over as text, in the session's DateStyle."""
    texts.db.execute(f"SET TimeZone = 'Asia/Tokyo'; SET DateStyle = '{style}'")
    result = texts.query("SELECT id FROM pull_requests WHERE created_on >= '2025-03-04 00:00+00'")
    told = "created_on >= 2025-03-03T23:59:59.999000+00:00"
    assert {one.q for one in asked(result)} == {told if host == "bundled" else None}


@pytest.mark.parametrize("delta", ["-1 microsecond", "0", "1 microsecond", "1 millisecond"])
@pytest.mark.parametrize("operator", ["=", ">", ">=", "<", "<="])
def test_microseconds_count(texts, operator, delta):
    for moment in moments(texts):
        texts.query(
            f"SELECT id FROM pull_requests WHERE created_on {operator} "
            f"'{moment}'::timestamptz + interval '{delta}'"
        )


def test_nine_fraction_digits_round_as_postgresql_rounds(texts):
    started = "SELECT started_on::text FROM website_x.pipeline_steps WHERE started_on IS NOT NULL"
    assert texts.db.column(started)
    steps = texts.query("SELECT uuid, started_on FROM pipeline_steps")
    assert steps.rows


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/St_Johns"])
def test_times_without_a_zone_are_utc(texts, zone):
    """Some of the emulator's documents have none."""
    documents = texts.db.emulator.state()
    assert any(
        "+" not in text and not text.endswith("Z") and text.count("-") == 2
        for rows in documents.values()
        for row in rows
        for text in (
            row["document"].get("created_on"),
            row["document"].get("updated_on"),
            row["document"].get("date"),
        )
        if text
    )
    texts.db.execute(f"SET TimeZone = '{zone}'")
    for table in ("repositories", "branches", "tags", "commits", "pull_requests", "issues"):
        texts.query(f"SELECT * FROM {table}", on="acme")


@pytest.mark.parametrize("zone", ["UTC", "Pacific/Apia", "America/New_York"])
def test_days_begin_where_the_session_is(texts, zone):
    texts.db.execute(f"SET TimeZone = '{zone}'")
    texts.query("SELECT created_on::date AS day, count(*) FROM pull_requests GROUP BY 1 ORDER BY 1")
    texts.query("SELECT id FROM pull_requests WHERE created_on >= '2025-01-01'")
    texts.query("SELECT id FROM pull_requests WHERE created_on < '2025-01-01'::date")
    texts.query("SELECT id FROM pull_requests WHERE created_on > '2025-01-01'::timestamp")
    texts.query(
        "SELECT id FROM pull_requests WHERE created_on BETWEEN '2024-03-10' AND '2024-11-03'"
    )


@pytest.mark.parametrize(
    "moment",
    [
        "infinity",
        "-infinity",
        "4000-01-01 00:00+00 BC",
        "0001-01-01 00:00+14",
        "0001-01-01 00:00:00.0005+00",
        "9999-12-31 23:59:59.999999+00",
        "12000-01-01 00:00+00",
        "1890-01-01 00:00:00+00",
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Amsterdam", "America/St_Johns"])
def test_the_ends_of_the_calendar(texts, moment, zone):
    """Zones had odd seconds in their offsets once, and not every time has a place in BBQL."""
    texts.db.execute(f"SET TimeZone = '{zone}'")
    for operator in ("<", ">=", "="):
        texts.query(f"SELECT id FROM issues WHERE created_on {operator} '{moment}'")


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize(
    "value",
    [
        "(now() - interval '2 years')::timestamp",
        "(now() - interval '2 years')::date",
        "date_trunc('year', now())",
        "date_trunc('year', now())::date",
        "(SELECT CURRENT_DATE - 700)",
        "(SELECT LOCALTIMESTAMP - interval '700 days')",
        "to_timestamp(1735689600)",
        "make_timestamptz(2025, 1, 1, 0, 0, 0)",
    ],
)
def test_expressions_of_every_kind_of_time(texts, zone, value):
    """Multicorn2 misreads those that are neither constants nor of the column's type."""
    texts.db.execute(f"SET TimeZone = '{zone}'")
    for operator in ("<", ">="):
        texts.query(f"SELECT id FROM pull_requests WHERE created_on {operator} {value}")


@pytest.mark.skipif(
    "config.getoption('--host') != 'bundled'",
    reason="Multicorn2 3.2 fails on the words of SQL that stand for a value",
)
@pytest.mark.parametrize("value", ["CURRENT_DATE", "CURRENT_TIMESTAMP", "LOCALTIMESTAMP"])
def test_words_of_sql_that_stand_for_a_time(texts, value):
    for operator in ("<", ">="):
        texts.query(f"SELECT id FROM pull_requests WHERE created_on {operator} {value}")


def test_an_interval_before_now(texts):
    result = texts.query(
        "SELECT id FROM pull_requests WHERE updated_on > now() - interval '1 year'"
    )
    assert {one.q.split()[0] for one in asked(result)} == {"updated_on"}
