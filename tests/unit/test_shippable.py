"""What is shipped as which BBQL, and what must not be."""

import uuid
from datetime import datetime, timedelta, timezone

import pytest

from bitbucket_fdw.pushdown.conditions import Condition
from bitbucket_fdw.pushdown.shippable import literal_piece, ship
from bitbucket_fdw.tables.columns import Column, Filter

TEXT = Column("title", "text", "title", "", filter=Filter("title"))
STATE = Column("state", "text", "state", "", filter=Filter("state", values=("OPEN", "MERGED")))
NUMBER = Column("id", "bigint", "id", "", filter=Filter("id"))
FLAG = Column("draft", "boolean", "draft", "", filter=Filter("draft"))
UUID = Column("author_uuid", "uuid", "author.uuid", "", filter=Filter("author.uuid"))
TIME = Column("created_on", "timestamptz", "created_on", "", filter=Filter("created_on"))
PLAIN = Column("reason", "text", "reason", "")
ABSENT = Column("x", "text", "x", "", filter=Filter("x", absent="x = null"))

SOME_UUID = uuid.UUID("12345678-9abc-def0-1234-56789abcdef0")
NOON = datetime(2024, 3, 4, 12, 0, 0, 123_456, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("column", "op", "value", "term", "exact"),
    [
        (TEXT, "=", "it's 100%", 'title = "it\'s 100%"', False),
        (TEXT, "=", "", 'title = ""', False),
        (TEXT, "in", ("a", "b"), 'title IN ("a", "b")', False),
        (TEXT, "in", ("a",), 'title = "a"', False),
        (TEXT, "~~", "%fix_the build%", 'title ~ "the build"', False),
        (TEXT, "~~*", "Fix%", 'title ~ "F"', False),
        (STATE, "=", "OPEN", 'state = "OPEN"', True),
        (STATE, "in", ("OPEN", "MERGED"), 'state IN ("OPEN", "MERGED")', True),
        (STATE, "<>", "OPEN", 'state != "OPEN"', False),
        (NUMBER, "=", 7, "id = 7", True),
        (NUMBER, ">=", -7, "id >= -7", True),
        (NUMBER, "<>", 7, "id != 7", False),
        (NUMBER, "in", (1, 2), "id IN (1, 2)", True),
        (FLAG, "=", True, "draft = true", True),
        (UUID, "=", SOME_UUID, f'author.uuid = "{{{SOME_UUID}}}"', True),
        (TIME, ">", NOON, "created_on >= 2024-03-04T12:00:00.122456+00:00", False),
        (TIME, "<=", NOON, "created_on <= 2024-03-04T12:00:00.124456+00:00", False),
        (
            TIME,
            "=",
            NOON,
            "created_on >= 2024-03-04T12:00:00.122456+00:00 AND "
            "created_on <= 2024-03-04T12:00:00.124456+00:00",
            False,
        ),
        (ABSENT, "is null", None, "(x = null)", False),
    ],
)
def test_shipped(column, op, value, term, exact):
    shipment = ship(Condition(column, op, value))
    assert (shipment.term, shipment.exact) == (term, exact)


@pytest.mark.parametrize(
    ("op", "term"),
    [
        (">", "created_on >= 2024-02-26T12:00:00.122456+00:00"),
        ("<=", "created_on <= 2024-03-11T12:00:00.124456+00:00"),
        (
            "=",
            "created_on >= 2024-02-26T12:00:00.122456+00:00 AND "
            "created_on <= 2024-03-11T12:00:00.124456+00:00",
        ),
    ],
)
def test_a_time_that_is_not_known_exactly_is_asked_for_wider(op, term):
    shipment = ship(Condition(TIME, op, NOON, timedelta(days=7)))
    assert (shipment.term, shipment.exact) == (term, False)


@pytest.mark.parametrize(
    ("column", "op", "value"),
    [
        (TEXT, "<>", "x"),  # narrower if Bitbucket's = ignores case
        (TEXT, "<", "x"),  # another collation
        (TEXT, "=", 'say "x"'),  # no documented way to write a quote
        (TEXT, "=", "back\\slash"),
        (TEXT, "in", ("a", 'b"')),
        (TEXT, "~~", "%"),
        (TEXT, "~~", "_%_"),
        (TEXT, "~~*", "%é%"),  # folding depends on the locale
        (TEXT, "is null", None),  # Bitbucket may have "" there
        (TEXT, "is not null", None),
        (STATE, "=", "open"),  # not of the closed set, might be refused
        (STATE, "=", "AJAR"),  # may be new, and known to Bitbucket
        (STATE, "in", ("OPEN", "AJAR")),
        (STATE, "~~", "OP%"),
        (FLAG, "<>", True),
        (UUID, ">", SOME_UUID),
        (TIME, "<>", NOON),
        (TIME, "<", datetime.max.replace(tzinfo=timezone.utc)),
        (PLAIN, "=", "x"),
    ],
)
def test_not_shipped(column, op, value):
    assert ship(Condition(column, op, value)) is None


@pytest.mark.parametrize(
    ("pattern", "piece"),
    [
        ("abc", "abc"),
        ("%ab%abc%a", "abc"),
        (r"100\%", "100%"),
        (r"a\_b%", "a_b"),
        (r"a\\b%", "a"),
        ('say "hello"', "hello"),
        ("  %", None),
        ("% fix %", "fix"),
        ("", None),
        ("%the \u03a3 name%", "name"),  # its small letter depends on what follows
    ],
)
def test_the_longest_literal_piece_of_a_pattern(pattern, piece):
    assert literal_piece(pattern, ascii_only=False) == piece


@pytest.mark.parametrize(
    ("pattern", "piece"),
    [
        ("%rework%", "rewor"),  # the Kelvin sign's small letter is k
        ("%King%", "ng"),
        ("%I%", None),  # in Turkish its small letter has no dot, and that of a dotted one is i
        ("%fix%", "f"),
        ("%naïve text%", "ve text"),
        ("%strasse%", "strasse"),  # a sharp s is small already, and no two letters
    ],
)
def test_the_longest_piece_of_a_pattern_that_is_matched_letter_case_aside(pattern, piece):
    assert literal_piece(pattern, ascii_only=True) == piece


def test_only_letters_that_nothing_beyond_ascii_folds_to_are_part_of_such_a_piece():
    """By Unicode's own small letters; the tests on a server ask its collations."""
    folded = {
        letter
        for code in range(128, 0x110000)
        for letter in chr(code).lower()
        if letter.isascii() and letter.isalpha()
    }
    assert folded == {"i", "k"}
    for letter in folded:
        assert literal_piece(letter, ascii_only=True) is None
        assert literal_piece(letter.upper(), ascii_only=True) is None
