"""ILIKE: which letters a search by Bitbucket may leave out, by the collations of a real server."""

from __future__ import annotations

import string

import pytest

from bitbucket_fdw.pushdown.shippable import literal_piece
from tests.sql.querying import only
from tests.support.database import Database

IMPORT = 'IMPORT FOREIGN SCHEMA "acme/website" LIMIT TO (issues) FROM SERVER bitbucket INTO public'
COLLATIONS = ("und-x-icu", "tr-x-icu", "az-x-icu", "lt-x-icu", "el-x-icu", "C", "C.utf8", "default")
BEYOND_ASCII = (
    "SELECT chr(code) AS character FROM generate_series(128, 1114111) AS code "
    "WHERE code NOT BETWEEN 55296 AND 57343"
)


@pytest.mark.parametrize("collation", COLLATIONS)
def test_no_shipped_letter_is_matched_by_one_beyond_ascii(db: Database, collation: str) -> None:
    """PostgreSQL compares the small letters of both sides."""
    if not db.value("SELECT count(*) FROM pg_collation WHERE collname = %s", [collation]):
        pytest.skip("the server has no such collation")
    folding = set(
        db.column(
            "SELECT DISTINCT letter FROM (SELECT regexp_split_to_table(lower(character COLLATE "
            f"\"{collation}\"), '') AS letter FROM ({BEYOND_ASCII}) every OFFSET 0) folded "
            "WHERE letter ~ '^[a-z]$'"
        )
    )
    leaving = {
        letter
        for letter in string.ascii_letters
        if not db.value(f"SELECT lower('{letter}' COLLATE \"{collation}\")").isascii()
    }
    assert folding <= {"i", "k"}
    assert leaving <= {"I"}
    for letter in string.ascii_letters:
        kept = letter.lower() not in {"i", "k"}
        assert (literal_piece(letter, ascii_only=True) is not None) == kept


@pytest.mark.parametrize(
    ("title", "condition", "q"),
    [
        ("ten d\u0131g\u0131ts", "title ILIKE '%DIGITS%' COLLATE \"tr-x-icu\"", 'title ~ "TS"'),
        ("ten D\u0130G\u0130TS", "title ILIKE '%digits%' COLLATE \"tr-x-icu\"", 'title ~ "ts"'),
        ("ten \u212aelvin", "title ILIKE '%ten kelvin%'", 'title ~ "ten"'),
        ("a \u017fharp note", "title NOT ILIKE '%sharp%'", None),
    ],
)
def test_what_postgresql_finds_is_found(
    db: Database, host: str, title: str, condition: str, q: str | None
) -> None:
    if "icu" in condition:
        db.require_icu()
    db.execute(IMPORT)
    db.execute("INSERT INTO issues (title) VALUES (%s)", [title])
    found = db.query(f"SELECT title FROM issues WHERE {condition}")
    assert (title,) in found.rows
    # Multicorn2 does not tell which collation a comparison goes by, so that none is shipped there.
    if host == "bundled" or "COLLATE" not in condition:
        assert only(found).q == q
