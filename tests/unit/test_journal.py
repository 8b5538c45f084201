"""What a transaction has sent or has yet to send, and each of its ends."""

from __future__ import annotations

import pytest

from bitbucket_fdw.errors import (
    BitbucketError,
    Cancelled,
    ConnectionFailure,
    NotFound,
    Rejected,
)
from bitbucket_fdw.tables import BY_NAME
from bitbucket_fdw.writing.journal import Journal, SendOutcome
from bitbucket_fdw.writing.requests import WriteRequest, delete, insert, undo, update

BOUND = {"workspace": "acme", "repository": "website"}
BRANCHES, PULLS, TAGS = (BY_NAME[name] for name in ("branches", "pull_requests", "tags"))
HASH = "a" * 40


def made(name: str = "one") -> WriteRequest:
    [request] = insert(BRANCHES, BOUND, {"name": name, "target_commit_hash": HASH})
    return request


def gone(name: str = "one", table=BRANCHES) -> WriteRequest:
    [request] = delete(table, BOUND, {**BOUND, "name": name})
    return request


def changed(number: int = 1, title: str = "new") -> WriteRequest:
    old = {**BOUND, "id": number, "title": "old", "state": "OPEN"}
    [request] = update(PULLS, BOUND, old, {"title": title})
    return request


class Sender:
    """Notes what it is given to send; fails where that is wanted."""

    def __init__(self, place: tuple[str, str] = ("api", "ada")) -> None:
        self.place = place
        self.sent: list[str] = []
        self.failing: dict[str, BitbucketError] = {}
        self.not_undoable = False

    def _note(self, request: WriteRequest) -> None:
        label = f"{request.method} {request.path.removeprefix('/repositories/acme/website/')}"
        self.sent.append(label)
        if label in self.failing:
            raise self.failing[label]

    def send(self, request: WriteRequest, waited: bool) -> SendOutcome:
        self._note(request)
        row = {**request.identity, **request.values}
        return SendOutcome(row, None if self.not_undoable else undo(request, row, BOUND))

    def take_back(self, request: WriteRequest) -> None:
        self._note(request)

    def fails(self, label: str, error: BitbucketError, unsettled: bool = False) -> None:
        error.unsettled = unsettled
        self.failing[label] = error


def rejected(message: str = "no") -> Rejected:
    return Rejected(message, method="POST", path="/x", status=400)


@pytest.fixture
def journal() -> Journal:
    return Journal()


@pytest.fixture
def sender() -> Sender:
    return Sender()


# --- sending at once ---


def test_after_commit_nothing_comes_back(journal, sender):
    journal.send(made(), sender, 1, True)
    journal.pre_commit()
    journal.commit()
    assert journal.rollback(1).undone == ()
    assert sender.sent == ["POST refs/branches"]


def test_a_rollback_takes_back_from_the_last_to_the_first(journal, sender):
    journal.send(made("one"), sender, 1, True)
    journal.send(changed(), sender, 1, True)
    journal.send(made("two"), sender, 1, True)
    sender.sent.clear()
    aftermath = journal.rollback(1)
    assert sender.sent == [
        "DELETE refs/branches/two",
        "PUT pullrequests/1",
        "DELETE refs/branches/one",
    ]
    assert aftermath.message is None
    assert len(aftermath.undone) == 3
    assert len(journal) == 0


def test_what_nobody_wants_back_stays_and_is_told(journal, sender):
    journal.send(made("one"), sender, 1, False)
    journal.send(made("two"), sender, 1, True)
    aftermath = journal.rollback(1)
    assert sender.sent[2:] == ["DELETE refs/branches/two"]
    assert aftermath.message == (
        "1 change stays at Bitbucket although the transaction was rolled back; 1 taken back"
    )
    assert aftermath.detail == ("1. branches: POST /repositories/acme/website/refs/branches (one)")


def test_what_bitbucket_cannot_take_back_is_told(journal, sender):
    sender.not_undoable = True
    journal.send(made("one"), sender, 1, True)
    journal.send(made("two"), sender, 1, True)
    aftermath = journal.rollback(1)
    assert aftermath.message.startswith("2 changes stay")
    assert "Bitbucket cannot take it back" in aftermath.detail


def test_a_change_that_was_refused_is_not_on_record(journal, sender):
    sender.fails("POST refs/branches", rejected())
    with pytest.raises(Rejected):
        journal.send(made(), sender, 1, True)
    assert len(journal) == 0
    assert journal.rollback(1).stays == ()


def test_a_change_whose_outcome_is_not_known_stays_and_is_told(journal, sender):
    sender.fails("POST refs/branches", rejected(), unsettled=True)
    with pytest.raises(Rejected):
        journal.send(made(), sender, 1, True)
    aftermath = journal.rollback(1)
    assert "not known whether it was applied" in aftermath.detail
    assert len(sender.sent) == 1  # nothing is done about it


def test_what_changed_nothing_is_not_on_record(journal, sender):
    sender.send = lambda request, waited: SendOutcome({}, nothing=True)
    journal.send(made(), sender, 1, True)
    assert len(journal) == 0


def test_an_error_after_a_change_leaves_it_on_record(journal, sender):
    sender.send = lambda request, waited: SendOutcome({}, gone(), error=rejected("kept"))
    with pytest.raises(Rejected, match="kept"):
        journal.send(made(), sender, 1, True)
    assert len(journal) == 1
    assert len(journal.rollback(1).undone) == 1


def test_an_error_says_what_went_through_before_it(journal, sender):
    assert journal.sent_before() == ""
    for number in range(25):
        journal.send(made(f"b{number}"), sender, 1, True)
    sender.fails("PUT pullrequests/1", rejected())
    with pytest.raises(Rejected):
        journal.send(changed(), sender, 1, True)
    said = journal.sent_before()
    assert said.startswith("Sent before it in this transaction: 1. branches: POST")
    assert "20. " in said
    assert "21. " not in said
    assert said.endswith("; and 5 more.")


# --- savepoints ---


def test_rollback_to_a_savepoint_takes_back_its_part_alone(journal, sender):
    journal.send(made("one"), sender, 1, True)
    journal.send(made("two"), sender, 2, True)
    journal.send(made("three"), sender, 3, True)
    sender.sent.clear()
    journal.rollback(2)
    assert sender.sent == ["DELETE refs/branches/three", "DELETE refs/branches/two"]
    sender.sent.clear()
    journal.rollback(1)
    assert sender.sent == ["DELETE refs/branches/one"]


def test_what_a_released_savepoint_has_sent_is_part_of_what_is_around_it(journal, sender):
    journal.send(made("one"), sender, 2, True)
    journal.enqueue(changed(), sender, 2)
    journal.sub_commit(2)
    assert journal.rollback(2).undone == ()
    assert len(journal) == 1
    assert journal.waits(sender.place)
    assert len(journal.rollback(1).undone) == 1
    assert not journal.waits(sender.place)


def test_what_waits_is_forgotten_with_its_savepoint(journal, sender):
    journal.enqueue(made("one"), sender, 1)
    journal.enqueue(made("two"), sender, 2)
    journal.rollback(2)
    journal.pre_commit()
    assert sender.sent == ["POST refs/branches"]
    assert [r.values["name"] for r in journal.queued(sender.place, BRANCHES)] == []


# --- waiting for COMMIT ---


def test_what_waits_is_sent_in_order_at_commit_and_not_twice(journal, sender):
    journal.enqueue(made("one"), sender, 1)
    journal.enqueue(changed(), sender, 1)
    assert sender.sent == []
    for _ in range(3):  # the host calls the hook once for each foreign table
        journal.pre_commit()
    journal.commit()
    assert sender.sent == ["POST refs/branches", "PUT pullrequests/1"]


def test_what_waits_is_told_by_table_row_place_and_time(journal, sender):
    elsewhere = Sender(("api", "ben"))
    journal.enqueue(changed(1, "first"), sender, 1)
    until = journal.position
    journal.enqueue(changed(1, "second"), sender, 1)
    journal.enqueue(changed(2), sender, 1)
    journal.enqueue(changed(1), elsewhere, 1)
    journal.enqueue(made(), sender, 1)

    def titles(requests):
        return [request.values["title"] for request in requests]

    assert titles(journal.queued(sender.place, PULLS)) == ["first", "second", "new"]
    assert titles(journal.queued(sender.place, PULLS, until)) == ["first"]
    key = ("acme", "website", "1")
    assert titles(journal.queued_for(sender.place, PULLS, key)) == ["first", "second"]
    assert titles(journal.queued_for(sender.place, PULLS, key, until)) == ["first"]
    assert titles(journal.queued_for(sender.place, PULLS, ("acme", "website", "9"))) == []


def test_a_failure_at_commit_takes_back_what_was_sent_before_it(journal, sender):
    journal.enqueue(made("one"), sender, 1)
    journal.enqueue(changed(), sender, 1)
    journal.enqueue(made("two"), sender, 1)
    sender.fails("PUT pullrequests/1", rejected())
    with pytest.raises(Rejected) as raised:
        journal.pre_commit()
    assert sender.sent == ["POST refs/branches", "PUT pullrequests/1", "DELETE refs/branches/one"]
    assert raised.value.detail == (
        "It was change 2 of 3 sent at COMMIT; 1 before it were taken back."
    )
    assert not journal.waits(sender.place)


def test_a_failure_at_commit_tells_what_stays(journal, sender):
    journal.enqueue(made("one"), sender, 1)
    journal.enqueue(changed(), sender, 1)
    sender.fails("PUT pullrequests/1", rejected())
    sender.fails("DELETE refs/branches/one", rejected("not now"))
    with pytest.raises(Rejected) as raised:
        journal.pre_commit()
    assert "these stay: branches: POST" in raised.value.detail
    assert "not now" in raised.value.detail


def test_the_first_of_a_commit_says_only_which_it_was(journal, sender):
    journal.enqueue(changed(), sender, 1)
    sender.fails("PUT pullrequests/1", rejected())
    with pytest.raises(Rejected) as raised:
        journal.pre_commit()
    assert raised.value.detail == "It was change 1 of 1 sent at COMMIT."


def test_a_cancel_at_commit_leaves_the_rest_to_the_rollback(journal, sender):
    journal.enqueue(made("one"), sender, 1)
    journal.enqueue(made("two"), sender, 1)
    send = sender.send
    sender.send = lambda request, waited: (
        (_ for _ in ()).throw(Cancelled("stop"))
        if request.values["name"] == "two"
        else send(request, waited)
    )
    with pytest.raises(Cancelled):
        journal.pre_commit()
    assert len(journal.rollback(1).undone) == 1


# --- transactions that are told apart by their start ---


def test_what_waited_for_another_transaction_is_not_sent_with_this_one(journal, sender):
    assert journal.enter(7) == []
    journal.enqueue(made(), sender, 1)
    assert journal.enter(7) == []
    lost = journal.enter(8)
    assert lost == ["branches: POST /repositories/acme/website/refs/branches"]
    journal.pre_commit()
    assert sender.sent == []


# --- taking back ---


def test_a_row_that_came_and_went_needs_nothing(journal, sender):
    journal.send(made("one"), sender, 1, True)
    journal.send(gone("one"), sender, 1, True)
    sender.sent.clear()
    aftermath = journal.rollback(1)
    assert sender.sent == []
    assert len(aftermath.undone) == 2


def test_a_change_of_a_row_that_was_deleted_is_not_put_back(journal, sender):
    # A PUT might make the row anew.
    journal.send(changed(), sender, 1, True)
    [removed] = [gone("x")]
    object.__setattr__(removed, "table", PULLS)
    object.__setattr__(removed, "identity", {**BOUND, "id": 1})
    journal.send(removed, sender, 1, True)
    sender.sent.clear()
    aftermath = journal.rollback(1)
    assert sender.sent == []
    assert "the row was deleted" in aftermath.detail


def test_what_is_gone_already_counts_as_taken_back(journal, sender):
    journal.send(made("one"), sender, 1, True)
    sender.fails(
        "DELETE refs/branches/one", NotFound("gone", method="DELETE", path="/x", status=404)
    )
    aftermath = journal.rollback(1)
    assert aftermath.stays == ()


def test_a_change_that_cannot_be_put_back_stays(journal, sender):
    journal.send(changed(), sender, 1, True)
    sender.fails("PUT pullrequests/1", NotFound("gone", method="PUT", path="/x", status=404))
    aftermath = journal.rollback(1)
    assert "taking it back failed: gone" in aftermath.detail


@pytest.mark.parametrize("hopeless", [False, True])
def test_one_that_fails_does_not_keep_the_others_unless_nothing_works(journal, sender, hopeless):
    journal.send(made("one"), sender, 1, True)
    journal.send(made("two"), sender, 1, True)
    error = (
        ConnectionFailure("no answer", method="DELETE", path="/x")
        if hopeless
        else rejected("no answer")
    )
    sender.fails("DELETE refs/branches/two", error)
    aftermath = journal.rollback(1)
    assert ("DELETE refs/branches/one" in sender.sent) != hopeless
    assert len(aftermath.stays) == (2 if hopeless else 1)
    if hopeless:
        assert "not taken back after that failed for another" in aftermath.detail


def test_what_is_made_anew_or_withdrawn_is_said_to_be(journal, sender):
    [tag] = delete(TAGS, BOUND, {**BOUND, "name": "v1"})
    [again] = insert(TAGS, BOUND, {"name": "v1", "target_commit_hash": HASH})
    sender.send = lambda request, waited: SendOutcome({}, again)
    journal.send(tag, sender, 1, True)
    pull = insert(PULLS, BOUND, {"title": "t", "source_branch_name": "s"})[0]
    row = {**BOUND, "id": 5, "title": "t", "state": "OPEN"}
    sender.send = lambda request, waited: SendOutcome(row, undo(request, row, BOUND))
    journal.send(pull, sender, 1, True)
    aftermath = journal.rollback(1)
    assert sender.sent[0] == "POST pullrequests/5/decline"
    assert sender.sent[1] == "POST refs/tags"
    assert "withdrawn, since it cannot be deleted" in aftermath.detail
    assert "made anew: an annotated tag" in aftermath.detail
