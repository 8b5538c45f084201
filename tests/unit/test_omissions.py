"""What a statement says of rows that it has left out: once, at its end, and all at once."""

import pytest

from bitbucket_fdw.reading.omissions import NAMED, Omission, Omissions


def told(*omissions: Omission, tables: tuple[str, ...] = ("issues",)) -> list:
    gathered = Omissions()
    for omission in omissions:
        for table in tables:
            gathered.add(table, omission)
    return gathered.take(set())


def test_nothing_left_out_is_nothing_said():
    assert told() == []


@pytest.mark.parametrize(
    ("omission", "text", "mild"),
    [
        (Omission("missing", "repository", "acme/x"), 'repository "acme/x" is not there', False),
        (Omission("denied", "repository", "acme/x", "why"), 'skipped repository "acme/x"', False),
        (Omission("off", "Pipelines", "acme/x", "why"), 'without Pipelines: "acme/x"', False),
        (Omission("respelled", "repository", "X", "x"), '"X"', True),
        (Omission("unlisted", "commit", "abc"), "which no branch or tag reaches", True),
        (Omission("malformed", "hash", "abc", "hint"), 'no row can have hash "abc"', True),
    ],
)
def test_each_kind_is_said_in_its_words(omission, text, mild):
    [notice] = told(omission)
    assert notice.message.startswith("issues: ")
    assert text in notice.message
    assert notice.mild is mild


@pytest.mark.parametrize("kind", ["missing", "denied", "off", "respelled", "malformed", "cut"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\u2028", "\v", "\n\n"])
def test_a_name_is_shown_on_one_line(kind, end):
    name = f"{end}first{end}second{end}"
    [notice] = told(Omission(kind, "state", name, "why"))
    assert '" first second "' in notice.message
    assert len(notice.message.splitlines()) == 1


def test_many_of_a_kind_are_one_message_with_some_names():
    many = [Omission("denied", "repository", f"acme/r{n}", f"why {n}") for n in range(NAMED + 5)]
    [notice] = told(*many)
    assert f"{NAMED + 5} repositories" in notice.message
    assert "and 5 more" in notice.message
    assert len(notice.detail.splitlines()) == NAMED
    assert "on_denied" in notice.hint


def test_kinds_are_told_apart():
    kinds = [Omission("missing", "repository", "a"), Omission("denied", "repository", "b", "why")]
    assert len(told(*kinds)) == 2


def test_the_tables_that_were_read_are_named_once_each():
    [notice] = told(
        Omission("missing", "workspace", "acme"), tables=("issues", "issues", "branches")
    )
    assert notice.message.startswith("issues, branches: ")


def test_what_was_told_is_not_told_again():
    omissions, seen = Omissions(), set()
    omission = Omission("missing", "repository", "acme/x")
    omissions.add("issues", omission)
    assert len(omissions.take(seen)) == 1
    omissions.add("issues", omission)
    assert omissions.take(seen) == []
    omissions.add("issues", omission)
    assert len(omissions.take(set())) == 1  # the next statement
    assert omissions.take(set()) == []  # which says it once


def test_a_statement_that_failed_says_nothing():
    omissions = Omissions()
    omissions.add("issues", Omission("missing", "repository", "acme/x"))
    omissions.forget()
    assert omissions.take(set()) == []
