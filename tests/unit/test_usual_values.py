"""Values in the forms that Bitbucket writes are read by a shorter way, to the same end.

Whatever is read by the shorter way has to be what the longer one accepts, and come out alike.
"""

from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_fdw.tables import json_readers
from bitbucket_fdw.tables.json_readers import BadValue, instant

YEARS = ("1000", "1900", "2000", "2023", "2024", "2999")
ZONES = ("Z", "+00:00", "-00:00", "+14:59", "-14:00", "+05:45")


def is_day(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%d")
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("year", YEARS)
def test_every_day_is_read_and_nothing_else(year: str) -> None:
    for month in range(14):
        for day in range(33):
            written = f"{year}-{month:02}-{day:02}"
            value = f"{written}T23:59:59.123456+00:00"
            if is_day(written):
                assert json_readers.time(value) == value
            else:
                with pytest.raises(BadValue, match="no time"):
                    json_readers.time(value)


@given(
    st.from_regex(
        r"[0-9]{4}-[01][0-9]-[0-3][0-9][Tt ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{1,9})?"
        r"(Z|z|[+-][0-2][0-9]:?[0-6][0-9])?",
        fullmatch=True,
    )
)
def test_a_time_is_what_the_general_rules_take(value: str) -> None:
    try:
        instant(value)
    except ValueError:
        with pytest.raises(BadValue):
            json_readers.time(value)
    else:
        assert json_readers.time(value) == json_readers.loose_time(value)


@pytest.mark.parametrize("zone", ZONES)
def test_a_time_is_handed_on_as_it_is(zone: str) -> None:
    for fraction in ("", ".1", ".123456789"):
        value = f"2024-02-29T00:00:00{fraction}{zone}"
        assert json_readers.time(value) == value
        assert instant(value)


@pytest.mark.parametrize(
    "value",
    [
        "2024-01-01T00:00:00Z\n",
        "\n2024-01-01T00:00:00Z",
        "２024-01-01T00:00:00Z",  # noqa: RUF001 - a digit that is none of ASCII
        "2023-02-29T00:00:00Z",
        "2024-01-01T24:00:01Z",
        "2024-01-01T00:60:00Z",
    ],
)
def test_what_looks_like_a_time_is_none(value: str) -> None:
    with pytest.raises(BadValue):
        json_readers.time(value)


@given(st.text(alphabet="0123456789abcdefABCDEFg-{}", min_size=30, max_size=40) | st.uuids())
def test_a_uuid_is_what_the_general_rules_take(value: object) -> None:
    for written in (str(value), f"{{{value}}}", f"{{{value}", str(value).upper()):
        bare = json_readers.loose_uuid(written)
        if json_readers._UUID.fullmatch(bare):
            assert json_readers.uuid(written) == bare
        else:
            with pytest.raises(BadValue):
                json_readers.uuid(written)


@given(st.text())
def test_a_text_can_be_kept_by_postgresql(value: str) -> None:
    read = json_readers.text(value)
    read.encode()
    assert "\x00" not in read
    assert len(read) == len(value)
    if value.isascii() and "\x00" not in value:
        assert read == value


@pytest.mark.parametrize("value", [True, False, 2**31, -(2**31) - 1, 1.5, "1x", None, [], {}])
def test_what_is_no_small_number_is_an_error(value: object) -> None:
    with pytest.raises(BadValue):
        json_readers.small_number(value)


@pytest.mark.parametrize("value", [0, -1, 2**31 - 1, -(2**31), "7", 7.0])
def test_a_small_number_is_an_integer(value: Any) -> None:
    read = json_readers.small_number(value)
    assert type(read) is int
    assert read == int(value)
