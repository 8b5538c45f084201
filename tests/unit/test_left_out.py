"""What a statement says of rows that it has left out: once, at its end, and all at once."""

import pytest

from bitbucket_fdw.reading.left_out import NAMED, Fact, LeftOut


def told(*facts: Fact, tables: tuple[str, ...] = ("issues",)) -> list:
    left_out = LeftOut()
    for fact in facts:
        for table in tables:
            left_out.add(table, fact)
    return left_out.take(set())


def test_nothing_left_out_is_nothing_said():
    assert told() == []


@pytest.mark.parametrize(
    ("fact", "text", "mild"),
    [
        (Fact("missing", "repository", "acme/x"), 'repository "acme/x" is not there', False),
        (Fact("denied", "repository", "acme/x", "why"), 'skipped repository "acme/x"', False),
        (Fact("off", "Pipelines", "acme/x", "why"), 'without Pipelines: "acme/x"', False),
        (Fact("respelled", "repository", "X", "x"), '"X"', True),
        (Fact("unlisted", "commit", "abc"), "which no branch or tag reaches", True),
    ],
)
def test_each_kind_is_said_in_its_words(fact, text, mild):
    [notice] = told(fact)
    assert notice.message.startswith("issues: ")
    assert text in notice.message
    assert notice.mild is mild


def test_many_of_a_kind_are_one_message_with_some_names():
    facts = [Fact("denied", "repository", f"acme/r{n}", f"why {n}") for n in range(NAMED + 5)]
    [notice] = told(*facts)
    assert f"{NAMED + 5} repositories" in notice.message
    assert "and 5 more" in notice.message
    assert len(notice.detail.splitlines()) == NAMED
    assert "on_denied" in notice.hint


def test_kinds_are_told_apart():
    kinds = [Fact("missing", "repository", "a"), Fact("denied", "repository", "b", "why")]
    assert len(told(*kinds)) == 2


def test_the_tables_that_were_read_are_named_once_each():
    [notice] = told(Fact("missing", "workspace", "acme"), tables=("issues", "issues", "branches"))
    assert notice.message.startswith("issues, branches: ")


def test_what_was_told_is_not_told_again():
    left_out, seen = LeftOut(), set()
    fact = Fact("missing", "repository", "acme/x")
    left_out.add("issues", fact)
    assert len(left_out.take(seen)) == 1
    left_out.add("issues", fact)
    assert left_out.take(seen) == []
    left_out.add("issues", fact)
    assert len(left_out.take(set())) == 1  # the next statement


def test_a_statement_that_failed_says_nothing():
    left_out = LeftOut()
    left_out.add("issues", Fact("missing", "repository", "acme/x"))
    left_out.forget()
    assert left_out.take(set()) == []
