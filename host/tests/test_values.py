"""Values a wrapper returns, in every type, and the errors of wrong ones."""

import datetime
import uuid
from decimal import Decimal
from typing import Any

import pytest
from cluster import Session

UTC = datetime.timezone.utc


def stored(session: Session, type_name: str, expression: str) -> Any:
    """A Python expression's value, as text, after it went through a column of the type."""
    table = session.table(f"v {type_name}", rows=f"[({expression},)]")
    return session.value(f"SELECT v::text FROM {table}")


@pytest.mark.parametrize(
    ("type_name", "expression", "expected"),
    [
        ("bool", "True", "true"),
        ("bool", "False", "false"),
        ("bool", "'yes'", "true"),
        ("bool", "1", "true"),
        ("smallint", "-32768", "-32768"),
        ("int", "2147483647", "2147483647"),
        ("bigint", "-2**63", "-9223372036854775808"),
        ("int", "'12'", "12"),
        ("int", "Decimal('12')", "12"),
        ("float8", "1.5", "1.5"),
        ("float8", "7", "7"),
        ("float8", "float('inf')", "Infinity"),
        ("float8", "float('nan')", "NaN"),
        ("real", "1.5", "1.5"),
        ("numeric", "Decimal('1.50')", "1.50"),
        ("numeric", "Decimal('1E+3')", "1000"),
        ("numeric", "Decimal('NaN')", "NaN"),
        ("numeric", "12", "12"),
        ("numeric", "10**30", "1" + "0" * 30),
        ("numeric", "1.5", "1.5"),
        ("numeric(5,1)", "Decimal('1.25')", "1.3"),
        ("numeric(5,1)", "12", "12.0"),
        ("text", "'käse'", "käse"),
        ("text", "''", ""),
        ("text", "5", "5"),
        ("text", "1.5", "1.5"),
        ("text", "True", "True"),
        ("text", "datetime.datetime(2024, 1, 2, 3, 4)", "2024-01-02T03:04:00"),
        ("text", "[1, 'a']", "[1, 'a']"),
        ("varchar", "'abc'", "abc"),
        ("varchar(3)", "'abc'", "abc"),
        ("char(5)", "'abc'", "abc"),
        ("name", "'abc'", "abc"),
        ("bytea", "b'a\\x00b'", "\\x610062"),
        ("bytea", "'abc'", "\\x616263"),
        ("date", "datetime.date(2024, 2, 29)", "2024-02-29"),
        ("date", "datetime.date(1, 1, 1)", "0001-01-01"),
        ("date", "datetime.datetime(2024, 2, 29, 13, 14)", "2024-02-29"),
        ("date", "'2024-02-29'", "2024-02-29"),
        ("time", "datetime.time(1, 2, 3, 4)", "01:02:03.000004"),
        ("time(1)", "datetime.time(1, 2, 3, 460000)", "01:02:03.5"),
        ("timetz", "datetime.time(1, 2, tzinfo=UTC)", "01:02:00+00"),
        ("timestamp", "datetime.datetime(2024, 2, 29, 1, 2, 3, 4)", "2024-02-29 01:02:03.000004"),
        ("timestamp", "datetime.date(2024, 2, 29)", "2024-02-29 00:00:00"),
        ("timestamp", "datetime.datetime(9999, 12, 31, 23, 59)", "9999-12-31 23:59:00"),
        ("timestamp", "'2024-02-29T01:02:03'", "2024-02-29 01:02:03"),
        ("timestamp", "datetime.datetime(2024, 2, 29, 1, tzinfo=UTC)", "2024-02-29 01:00:00"),
        (
            "timestamp(1)",
            "datetime.datetime(2024, 2, 29, 1, 2, 3, 460000)",
            "2024-02-29 01:02:03.5",
        ),
        ("interval", "datetime.timedelta(2, 3, 4)", "2 days 00:00:03.000004"),
        ("interval", "datetime.timedelta(seconds=-1)", "-1 days +23:59:59"),
        ("interval", "datetime.timedelta(days=-3, microseconds=1)", "-3 days +00:00:00.000001"),
        ("interval(1)", "datetime.timedelta(seconds=3, milliseconds=460)", "00:00:03.5"),
        ("interval", "'1 mon 2 days'", "1 mon 2 days"),
        ("uuid", "uuid.UUID(int=5)", str(uuid.UUID(int=5))),
        ("uuid", f"'{{{uuid.UUID(int=5)}}}'", str(uuid.UUID(int=5))),
        ("json", "'{\"a\":  1}'", '{"a":  1}'),
        ("jsonb", "'{\"a\":  1}'", '{"a": 1}'),
        ("int[]", "[1, 2]", "{1,2}"),
        ("int[]", "[]", "{}"),
        ("int[]", "'{1,2}'", "{1,2}"),
        ("text[]", "['a,b', 'c\"d', '']", '{"a,b","c\\"d",""}'),
        ("bool[]", "[True, False]", "{t,f}"),
        ("int[]", "(1, 2)", "{1,2}"),
        ("date[]", "[datetime.date(2024, 1, 1)]", "{2024-01-01}"),
        ("bytea[]", "[b'a']", '{"\\\\x61"}'),
        ("inet", "'10.0.0.1'", "10.0.0.1/32"),
        ("int4range", "'[1,5)'", "[1,5)"),
    ],
)
def test_value(session: Session, type_name: str, expression: str, expected: str) -> None:
    assert stored(session, type_name, expression) == expected


@pytest.mark.parametrize(
    ("type_name", "expression", "expected"),
    [
        ("text[]", "[['a', 'b'], 'c']", """{"['a', 'b']",c}"""),
        ("varchar[]", "[['a'], ['b', 1]]", """{['a'],"['b', 1]"}"""),
        ("text[][]", "[['a', 'b'], ['c', 'd']]", "{{a,b},{c,d}}"),
        ("text[][]", "[['a', [1]], ['c', 'd']]", "{{a,[1]},{c,d}}"),
        ("text[][]", "['a', 'b']", "{a,b}"),
        ("jsonb[]", "[[1, 2], [3]]", '{"[1, 2]",[3]}'),
        ("int[][]", "[[1, 2], [3, 4]]", "{{1,2},{3,4}}"),
        ("text", "['a', ['b']]", "['a', ['b']]"),
    ],
)
def test_nested_lists(session: Session, type_name: str, expression: str, expected: str) -> None:
    """What is nested deeper than the column was declared is an element."""
    assert stored(session, type_name, expression) == expected


@pytest.mark.beyond("writes Python's text of these")
@pytest.mark.parametrize(
    ("type_name", "expression", "expected"),
    [
        ("json", "{'a': [1, None, True]}", '{"a": [1, null, true]}'),
        ("jsonb", "{'a': [1, None, True], 'ü': 'ü'}", '{"a": [1, null, true], "ü": "ü"}'),
        ("jsonb", "[1, 'a']", '[1, "a"]'),
        ("jsonb", "True", "true"),
        ("jsonb", "{'d': datetime.date(2024, 1, 1)}", '{"d": "2024-01-01"}'),
        ("jsonb[]", "[{'a': 1}, None]", '{"{\\"a\\": 1}",NULL}'),
        ("int[]", "[1, None]", "{1,NULL}"),
        ("text[]", "['NULL', None]", '{"NULL",NULL}'),
        ("int[]", "[[1, 2], [3, 4]]", "{{1,2},{3,4}}"),
        ("int", "True", "1"),
        ("bytea", "bytearray(b'ab')", "\\x6162"),
        ("bytea", "memoryview(b'ab')", "\\x6162"),
    ],
)
def test_value_beyond(session: Session, type_name: str, expression: str, expected: str) -> None:
    assert stored(session, type_name, expression) == expected


@pytest.mark.parametrize("zone", ["UTC", "Asia/Tokyo", "America/New_York"])
@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("datetime.datetime(2024, 7, 1, 12, tzinfo=UTC)", "2024-07-01 12:00:00"),
        (
            "datetime.datetime(2024, 7, 1, 12, 0, 0, 5,"
            " datetime.timezone(datetime.timedelta(hours=-3, minutes=-30)))",
            "2024-07-01 15:30:00.000005",
        ),
        (
            "datetime.datetime(2024, 7, 1, 12,"
            " tzinfo=__import__('zoneinfo').ZoneInfo('Europe/Berlin'))",
            "2024-07-01 10:00:00",
        ),
        (
            "datetime.datetime(1850, 7, 1, 12,"
            " tzinfo=__import__('zoneinfo').ZoneInfo('Europe/Berlin'))",
            "1850-07-01 11:06:32",
        ),
        ("'2024-07-01T12:00:00.123456+02:00'", "2024-07-01 10:00:00.123456"),
    ],
)
def test_timestamptz(session: Session, zone: str, expression: str, expected: str) -> None:
    session.execute(f"SET TimeZone = '{zone}'")
    table = session.table("v timestamptz", rows=f"[({expression},)]")
    assert session.value(f"SELECT (v AT TIME ZONE 'UTC')::text FROM {table}") == expected


def test_timestamptz_without_zone_is_in_the_session_zone(session: Session) -> None:
    table = session.table(
        "v timestamptz", rows="[(datetime.datetime(2024, 7, 1, 12),), (datetime.date(2024, 1, 1),)]"
    )
    session.execute("SET TimeZone = 'America/New_York'")
    values = session.rows(f"SELECT (v AT TIME ZONE 'UTC')::text FROM {table}")
    assert values == [("2024-07-01 16:00:00",), ("2024-01-01 05:00:00",)]


def test_timestamptz_with_a_precision(session: Session) -> None:
    value = "datetime.datetime(2024, 7, 1, 12, 0, 0, 460000, UTC)"
    table = session.table("v timestamptz(1)", rows=f"[({value},)]")
    session.execute("SET TimeZone = 'America/New_York'; SET DateStyle = 'SQL, DMY'")
    assert session.value(f"SELECT (v AT TIME ZONE 'UTC')::time::text FROM {table}") == "12:00:00.5"


@pytest.mark.beyond("reads all parts of a negative interval as negative")
@pytest.mark.parametrize("style", ["postgres", "sql_standard", "iso_8601"])
def test_interval_in_every_style(session: Session, style: str) -> None:
    """Negative, fractional and long ones, against what PostgreSQL itself makes of the numbers."""
    session.execute(f"SET IntervalStyle = '{style}'")
    parts = [(-1, 86399, 999999), (0, 0, 1), (-999999999, 0, 0), (365, 3661, 500000)]
    rows = ", ".join(f"(datetime.timedelta({d}, {s}, {u}), {d}, {s}, {u})" for d, s, u in parts)
    table = session.table("v interval, d int, s int, u int", rows=f"[{rows}]")
    expected = "make_interval(days => d, secs => s) + u * interval '1 microsecond'"
    same = f"extract(epoch FROM v) = extract(epoch FROM {expected}) AND extract(day FROM v) = d"
    assert session.rows(f"SELECT {same} FROM {table}") == [(True,)] * len(parts)


@pytest.mark.parametrize("expression", ["'abcdef'", "12345"])
@pytest.mark.beyond("lets longer strings than the column's type into it")
def test_length_of_varchar(session: Session, expression: str) -> None:
    table = session.table("v varchar(3)", rows=f"[({expression},)]")
    assert session.error(f"SELECT * FROM {table}").sqlstate == "22001"


@pytest.mark.parametrize(
    ("type_name", "expression", "sqlstate", "part"),
    [
        ("int", "'abc'", "22P02", '"abc"'),
        ("int", "1.5", "22P02", '"1.5"'),
        ("int", "2**31", "22003", '"2147483648"'),
        ("smallint", "40000", "22003", '"40000"'),
        ("bigint", "2**63", "22003", '"9223372036854775808"'),
        ("bigint", "-2**70", "22003", str(-(2**70))),
        ("bool", "'maybe'", "22P02", '"maybe"'),
        ("numeric(3,1)", "1000", "22003", "numeric field overflow"),
        ("float8", "'x'", "22P02", '"x"'),
        ("uuid", "'x'", "22P02", '"x"'),
        ("json", "'{'", "22P02", "json"),
        ("date", "'x'", "22007", '"x"'),
        ("timestamptz", "'x'", "22007", '"x"'),
        ("int[]", "'x'", "22P02", '"x"'),
        ("int[]", "['x']", "22P02", '"x"'),
        ("inet", "'x'", "22P02", '"x"'),
    ],
)
def test_wrong_value(
    session: Session, type_name: str, expression: str, sqlstate: str, part: str
) -> None:
    table = session.table(f"good int, bad {type_name}", rows=f"[(1, {expression})]")
    error = session.error(f"SELECT * FROM {table}")
    assert error.sqlstate == sqlstate
    assert part in error.message_primary
    if session.cluster.host == "bundled":
        assert f'column "bad" of foreign table "{table}"' in error.context
        # A column that is not asked for is not converted.
        assert session.rows(f"SELECT good FROM {table}") == [(1,)]


@pytest.mark.beyond("crashes, or stores it")
@pytest.mark.parametrize(
    ("type_name", "expression", "sqlstate", "part"),
    [
        ("real", "1e300", "22003", "out of range"),
        ("text", "'a\\0b'", "22021", "null character"),
        ("varchar(5)", "'a\\0b'", "22021", "null character"),
        ("text[]", "['a\\0b']", "22021", "null character"),
        ("text", "b'\\xff'", "22021", "0xff"),
        ("text", "b'a\\0b'", "22021", "0x00"),
        ("text", "'\\ud800'", "HV000", "UnicodeEncodeError"),
        ("text", "Loud()", "HV000", "Error in python: ValueError"),
        ("int", "Loud()", "HV000", "Error in python: ValueError"),
        ("int[]", "[[1, 2], [3]]", "2202E", "same length"),
        ("int[]", "[[1, 2], 3]", "2202E", "same length"),
        ("int[]", "[1, [2]]", "22P02", '"[2]"'),
        ("int[]", "[[[[[[[[1]]]]]]]]", "54000", "too many"),
        ("jsonb", "{'a': float('nan')}", "22P02", "json"),
        ("jsonb", "{(1, 2): 3}", "HV000", "TypeError"),
        ("jsonb", "(lambda x: x.append(x) or x)([])", "HV000", "ValueError"),
        ("date", "datetime", "22007", "module"),
    ],
)
def test_wrong_value_beyond(
    session: Session, type_name: str, expression: str, sqlstate: str, part: str
) -> None:
    table = session.table(f"good int, bad {type_name}", rows=f"[(1, {expression})]")
    error = session.error(f"SELECT * FROM {table}")
    assert (error.sqlstate, part in error.message_primary) == (sqlstate, True)
    assert f'column "bad" of foreign table "{table}"' in error.context
    assert session.rows(f"SELECT good FROM {table}") == [(1,)]


def test_null(session: Session) -> None:
    table = session.table("a int, b text, c int[], d jsonb", rows="[(None,) * 4, {}]")
    assert session.rows(f"SELECT * FROM {table}") == [(None,) * 4] * 2


def test_domain(session: Session) -> None:
    session.execute("CREATE DOMAIN positive AS int CHECK (VALUE > 0)")
    good = session.table("v positive", rows="[(5,), ('6',), (None,)]")
    bad = session.table("v positive", rows="[(-5,)]")
    assert session.rows(f"SELECT v FROM {good}") == [(5,), (6,), (None,)]
    assert session.error(f"SELECT v FROM {bad}").sqlstate == "23514"
    # A failed check must leave the domain usable.
    assert session.rows(f"SELECT v FROM {good} LIMIT 1") == [(5,)]


@pytest.mark.beyond("cannot make arrays of a domain")
def test_domain_over_typmod_and_array(session: Session) -> None:
    session.execute(
        "CREATE DOMAIN short AS varchar(3);"
        "CREATE DOMAIN pair AS int[] CHECK (cardinality(VALUE) = 2)"
    )
    table = session.table("s short, p pair", rows="[('abc', [1, 2])]")
    assert session.rows(f"SELECT * FROM {table}") == [("abc", [1, 2])]
    assert (
        session.error(f"SELECT * FROM {session.table('p pair', rows='[([1],)]')}").sqlstate
        == "23514"
    )
    assert (
        session.error(f"""SELECT * FROM {session.table("s short", rows="[('abcd',)]")}""").sqlstate
        == "22001"
    )


def test_domain_whose_check_scans_a_foreign_table(session: Session) -> None:
    allowed = session.table("id int", rows="[(1,), (2,)]")
    session.execute(
        f"CREATE FUNCTION is_allowed(int) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN"
        f" RETURN EXISTS (SELECT FROM {allowed} WHERE id = $1); EXCEPTION WHEN division_by_zero"
        " THEN RETURN false; END $$; CREATE DOMAIN allowed AS int CHECK (is_allowed(VALUE))"
    )
    table = session.table("v allowed", rows="[(1,), (2,)]")
    assert session.rows(f"SELECT v FROM {table}") == [(1,), (2,)]
    table = session.table("v allowed", rows="[(1,), (3,)]")
    assert session.error(f"SELECT v FROM {table}").sqlstate == "23514"
    session.execute("DROP DOMAIN allowed CASCADE")


def test_enum_composite_and_hstore_like(session: Session) -> None:
    session.execute("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TYPE duo AS (a int, b text)")
    table = session.table("m mood, d duo", rows="[('ok', '(1,x)')]")
    assert session.rows(f"SELECT m::text, (d).b FROM {table}") == [("ok", "x")]
    assert (
        session.error(f"""SELECT * FROM {session.table("m mood", rows="[('bad',)]")}""").sqlstate
        == "22P02"
    )


@pytest.mark.beyond("writes no quotes")
def test_dict_as_hstore_text(session: Session) -> None:
    assert stored(session, "text", "{'a': 'x\"y', 'b': None}") == '"a"=>"x\\"y", "b"=>NULL'


def test_large_values(session: Session) -> None:
    table = session.table("t text, b bytea", rows="[('x' * 5_000_000, b'y' * 5_000_000)]")
    assert session.rows(f"SELECT length(t), length(b) FROM {table}") == [(5_000_000, 5_000_000)]
    assert session.value(f"SELECT count(*) FROM {table} WHERE t LIKE 'xx%'") == 1


def test_values_pass_through_a_plain_table(session: Session) -> None:
    """What was stored outlives the scan's memory."""
    table = session.table(
        "i int, t text, n numeric, a int[]",
        rows="({'i': k, 't': 'x' * k, 'n': Decimal(k) / 8, 'a': [k] * 3} for k in range(2000))",
    )
    session.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table} ORDER BY i DESC")
    rows = session.rows("SELECT i, length(t), n, a FROM kept ORDER BY i")
    assert rows == [(k, k, Decimal(k) / 8, [k] * 3) for k in range(2000)]
