"""Answers kept in memory: how many bytes of them, how long, and whose."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bitbucket_fdw.api import Answer, KeptAnswers, WriteCount
from bitbucket_fdw.api import kept as module
from bitbucket_fdw.errors import NotFound


def answer(body: object) -> Answer:
    content = json.dumps(body).encode()
    return Answer(body, len(content), content=content)


def keep(answers: KeptAnswers, key: str, body: object, whose: object = "me") -> None:
    answers.keep((whose, key), answer(body), answers.writes.value)


def found(answers: KeptAnswers, key: str, whose: object = "me") -> Any:
    it = answers.find((whose, key))
    return it.json if isinstance(it, Answer) else it


def test_an_answer_is_found_by_address_and_owner():
    answers = KeptAnswers(WriteCount())
    keep(answers, "/a", [1])
    assert found(answers, "/a") == [1]
    assert found(answers, "/b") is None
    assert found(answers, "/a", "somebody else") is None


def test_each_reader_has_json_of_its_own():
    answers = KeptAnswers(WriteCount())
    keep(answers, "/a", {"values": [1]})
    found(answers, "/a")["values"].append(2)
    assert found(answers, "/a") == {"values": [1]}


def test_the_oldest_make_room_for_new_ones():
    answers = KeptAnswers(WriteCount(), most=5_000)
    for number in range(20):
        keep(answers, f"/{number}", "x" * 400)
    kept = [number for number in range(20) if found(answers, f"/{number}") is not None]
    assert kept == list(range(20 - len(kept), 20))
    assert 3 <= len(kept) <= 8


def test_what_is_larger_than_all_of_it_is_not_kept_and_displaces_nothing():
    answers = KeptAnswers(WriteCount(), most=5_000)
    keep(answers, "/small", 1)
    keep(answers, "/large", "x" * 6_000)
    assert found(answers, "/small") == 1
    assert found(answers, "/large") is None


def test_many_small_ones_are_bounded_too():
    answers = KeptAnswers(WriteCount(), most=100_000)
    for number in range(10_000):
        keep(answers, f"/{number}", 1)
    assert sum(found(answers, f"/{number}") is not None for number in range(10_000)) < 200


def test_one_that_comes_again_counts_once():
    answers = KeptAnswers(WriteCount(), most=5_000)
    keep(answers, "/other", 1)
    for _ in range(100):
        keep(answers, "/a", "x" * 400)
    assert found(answers, "/other") == 1


def test_a_write_makes_all_of_them_old():
    writes = WriteCount()
    answers = KeptAnswers(writes)
    keep(answers, "/a", 1)
    before = writes.value
    writes.advance()
    assert found(answers, "/a") is None
    # Asked for before the write, answered after it.
    answers.keep(("me", "/a"), answer(1), before)
    assert found(answers, "/a") is None
    keep(answers, "/a", 2)
    assert found(answers, "/a") == 2


def test_they_grow_stale_where_that_is_asked_for(monkeypatch: pytest.MonkeyPatch):
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    answers, forever = KeptAnswers(WriteCount(), 5.0), KeptAnswers(WriteCount())
    for one in (answers, forever):
        keep(one, "/a", 1)
    now[0] += 4
    keep(answers, "/b", 2)
    assert (found(answers, "/a"), found(answers, "/b")) == (1, 2)
    now[0] += 2
    assert (found(answers, "/a"), found(answers, "/b")) == (None, 2)
    assert found(forever, "/a") == 1


def test_what_is_not_there_is_kept_as_an_error_of_its_own_for_each():
    answers = KeptAnswers(WriteCount())
    error = NotFound("gone", method="GET", path="/a", status=404, hint="look")
    answers.keep(("me", "/a"), error, answers.writes.value)
    first, second = (answers.find(("me", "/a")) for _ in range(2))
    assert isinstance(first, NotFound)
    assert isinstance(second, NotFound)
    assert (first.message, first.path, first.status, first.hint) == ("gone", "/a", 404, "look")
    first.detail = "more"
    assert second.detail is None
