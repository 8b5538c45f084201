"""Verdicts on pull requests, and other changes of state: whose row it is, and what is put back."""

import uuid

import pytest

from bitbucket_fdw.errors import OutcomeUnknown, Rejected, RowUnknown
from tests.support.fake_api import FakeApi, Received, Reply, error
from tests.support.reading import AT
from tests.support.writing import Backend

PULL = f"{AT}/pullrequests/1"
ADA, BEN = (uuid.UUID(int=n) for n in (1, 2))


def account(who: uuid.UUID) -> dict:
    return {"uuid": f"{{{who}}}", "nickname": "ada" if who == ADA else "ben"}


class Reviews:
    """A pull request with participants, and an account that acts."""

    def __init__(self, api: FakeApi, caller: uuid.UUID = ADA) -> None:
        self.api = api
        self.caller = caller
        self.states: dict[uuid.UUID, str | None] = {ADA: None, BEN: "approved"}
        api.on("/user", lambda _: account(self.caller))
        api.on(f"{AT}/pullrequests", lambda _: {"values": [self.item()]})
        api.on(PULL, lambda _: self.item())
        for path, state in (("approve", "approved"), ("request-changes", "changes_requested")):
            api.on(f"{PULL}/{path}", lambda _, s=state: self.set(s), "POST")
            api.on(f"{PULL}/{path}", lambda _, s=state: self.withdraw(s), "DELETE")

    def item(self) -> dict:
        return {"id": 1, "participants": [self.participant(who) for who in self.states]}

    def participant(self, who: uuid.UUID) -> dict:
        state = self.states[who]
        return {"user": account(who), "state": state, "approved": state == "approved"}

    def set(self, state: str) -> dict:
        self.states[self.caller] = state
        return self.participant(self.caller)

    def withdraw(self, state: str) -> Reply:
        if self.states.get(self.caller) != state:
            return error(404, "No such verdict")
        self.states[self.caller] = None
        return Reply(None, 204)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def reviews(api: FakeApi) -> Reviews:
    return Reviews(api)


@pytest.fixture
def verdicts(api: FakeApi, reviews: Reviews):
    return Backend(api).table("pull_request_participants")


def backend_of(table) -> Backend:
    return table._backend


def changes(api: FakeApi) -> list[str]:
    return [call for call in api.calls if not call.startswith("GET")]


def test_a_verdict_is_given_and_withdrawn_by_a_rollback(api, reviews, verdicts):
    row = verdicts.insert(pull_request_id=1, state="approved")
    assert row["state"] == "approved"
    assert reviews.states[ADA] == "approved"
    assert backend_of(verdicts).rollback().message is None
    assert reviews.states[ADA] is None


def test_a_verdict_that_replaces_another_is_put_back_to_that(api, reviews, verdicts):
    reviews.states[ADA] = "changes_requested"
    verdicts.insert(pull_request_id=1, state="approved")
    backend_of(verdicts).rollback()
    assert reviews.states[ADA] == "changes_requested"


def test_ones_own_verdict_is_changed_and_withdrawn(api, reviews, verdicts):
    reviews.states[ADA] = "approved"
    mine = ("user_uuid", "=", str(ADA))
    verdicts.update(mine, state="changes_requested")
    assert reviews.states[ADA] == "changes_requested"
    verdicts.delete(mine)
    assert reviews.states[ADA] is None
    backend_of(verdicts).rollback()
    assert reviews.states[ADA] == "approved"


@pytest.mark.parametrize("verb", ["update", "delete"])
def test_anothers_verdict_is_refused_before_anything_is_sent(api, reviews, verdicts, verb):
    values = {"state": "changes_requested"} if verb == "update" else {}
    with pytest.raises(RowUnknown, match="another account's"):
        getattr(verdicts, verb)(("user_uuid", "=", str(BEN)), **values)
    assert changes(api) == []
    assert reviews.states[BEN] == "approved"


# --- where the credential may not know whose it is ---


@pytest.fixture
def unknown(api: FakeApi, verdicts):
    api.fail("/user", 403, "not for access tokens")
    return verdicts


def test_what_was_not_meant_is_seen_by_the_answer_and_put_back(api, reviews, unknown):
    with pytest.raises(RowUnknown, match="another account's"):
        unknown.update(("user_uuid", "=", str(BEN)), state="changes_requested")
    assert reviews.states == {ADA: None, BEN: "approved"}
    assert changes(api) == [f"POST {PULL}/request-changes", f"DELETE {PULL}/request-changes"]


def test_what_was_meant_is_seen_to_be(api, reviews, unknown):
    reviews.states[ADA] = "approved"
    unknown.update(("user_uuid", "=", str(ADA)), state="changes_requested")
    assert reviews.states[ADA] == "changes_requested"
    unknown.delete(("user_uuid", "=", str(ADA)))
    assert reviews.states[ADA] is None


def test_a_withdrawal_of_the_wrong_verdict_is_seen_and_put_back(api, reviews, unknown):
    reviews.states[ADA] = "approved"
    with pytest.raises(RowUnknown, match="another account's"):
        unknown.delete(("user_uuid", "=", str(BEN)))
    assert reviews.states == {ADA: "approved", BEN: "approved"}


def test_a_withdrawal_by_who_has_none_is_refused(api, reviews, unknown):
    with pytest.raises(RowUnknown, match="another account's") as raised:
        unknown.delete(("user_uuid", "=", str(BEN)))
    assert "no such verdict itself" in raised.value.hint
    assert reviews.states[BEN] == "approved"


def test_what_cannot_be_put_back_is_told(api, reviews, unknown):
    api.fail(f"{PULL}/request-changes", 400, "no", method="DELETE")
    with pytest.raises(RowUnknown) as raised:
        unknown.update(("user_uuid", "=", str(BEN)), state="changes_requested")
    assert "its own is changes_requested" in raised.value.detail
    assert "not known" in backend_of(unknown).rollback().detail


def test_a_withdrawal_that_cannot_be_looked_at_is_not_known(api, reviews, unknown):
    reviews.states[ADA] = "approved"
    pulls = f"{AT}/pullrequests(/1)?"

    def deleted(request: Received) -> Reply:
        api.fail(pulls, 500)
        return api.without_faults(request)

    api.fault(f"{PULL}/approve", deleted, method="DELETE", count=1)
    with pytest.raises(OutcomeUnknown, match="whose verdict was withdrawn"):
        unknown.delete(("user_uuid", "=", str(ADA)))


# --- what is there already ---


def test_a_verdict_that_is_there_already_is_no_error(api, reviews, verdicts):
    reviews.states[ADA] = "approved"
    api.fail(f"{PULL}/approve", 409, "already", method="POST")
    row = verdicts.insert(pull_request_id=1, state="approved")
    assert row["state"] == "approved"
    assert backend_of(verdicts).rollback().undone == ()


def test_a_conflict_that_is_about_something_else_is_an_error(api, reviews, verdicts):
    api.fail(f"{PULL}/approve", 409, "merged", method="POST")
    with pytest.raises(Rejected):
        verdicts.insert(pull_request_id=1, state="approved")


# --- comments: resolved or not ---

COMMENTS = f"{PULL}/comments"


@pytest.fixture
def comments(api: FakeApi):
    api.collection(f"{AT}/pullrequests", [{"id": 1, "state": "OPEN"}])
    api.collection(COMMENTS, [{"id": 5, "content": {"raw": "text"}, "resolution": None}])
    return Backend(api).table("pull_request_comments")


def one(*more):
    return ("pull_request_id", "=", 1), ("id", "=", 5), *more


def test_a_thread_is_resolved_and_taken_back(api, comments):
    resolution = {"type": "comment_resolution", "created_on": "2026-01-01T00:00:00+00:00"}
    api.on(f"{COMMENTS}/5/resolve", resolution, "POST")
    api.on(f"{COMMENTS}/5/resolve", Reply(None, 204), "DELETE")
    [row] = comments.update(*one(), resolved=True)
    assert row["resolved"] is True
    assert backend_of(comments).rollback().message is None
    assert changes(api) == [f"POST {COMMENTS}/5/resolve", f"DELETE {COMMENTS}/5/resolve"]


def test_a_thread_that_is_resolved_already_is_looked_at(api, comments):
    api.fail(f"{COMMENTS}/5/resolve", 409, "resolved", method="POST")
    with pytest.raises(Rejected):
        comments.update(*one(), resolved=True)
    now = {"id": 5, "content": {"raw": "text"}, "resolution": {"type": "comment_resolution"}}

    def resolved(_: Received) -> Reply:
        api.collection(COMMENTS, [now])
        return error(409, "resolved")

    api.heal()
    api.fault(f"{COMMENTS}/5/resolve", resolved, method="POST")
    [row] = comments.update(*one(), resolved=True)
    assert row["resolved"] is True
    assert backend_of(comments).rollback().undone == ()


def test_an_answer_to_a_comment_is_written_where_that_one_stands(api, comments):
    api.collection(COMMENTS, [], made=lambda item: {**item, "deleted": False})
    row = comments.insert(pull_request_id=1, content_raw="text", parent_id=5)
    assert row["parent_id"] == 5
    assert api.received[-1].body == {"content": {"raw": "text"}, "parent": {"id": 5}}
    backend_of(comments).rollback()
    assert api.calls[-1] == f"DELETE {COMMENTS}/1"


# --- statuses: rows that several may have one key of ---

STATUSES = f"{AT}/commit/{'a' * 40}/statuses"


@pytest.fixture
def statuses(api: FakeApi):
    made = {"state": "FAILED", "url": "https://x.example", "created_on": "2026-01-01T00:00:00Z"}
    api.collection(STATUSES, [{"key": "ci", **made}, {"key": "two", **made}], key="key")
    api.on(f"{STATUSES}/build", lambda r: Reply({**made, **r.body}, 201), "POST")
    api.on(f"{STATUSES}/build/(ci|two)", lambda r: {**made, "key": r.path[-2:], **r.body}, "PUT")
    api.on(
        f"{STATUSES}/build/(ci|two)",
        lambda r: next(i for i in api._collections[STATUSES].items if r.path.endswith(i["key"])),
    )
    api.collection(f"{AT}/refs", [{"name": "main", "target": {"hash": "a" * 40}}], key="name")
    return Backend(api).table("commit_statuses")


def test_a_status_that_is_there_is_not_overwritten_by_an_insert(api, statuses):
    with pytest.raises(Exception, match="'ci' exists already"):
        statuses.insert(commit_hash="a" * 40, key="ci", state="FAILED", url="https://y.example")
    row = statuses.insert(commit_hash="a" * 40, key="new", state="FAILED", url="https://y.example")
    assert row["key"] == "new"
    assert backend_of(statuses).rollback().stays  # Bitbucket deletes none


def test_a_status_is_updated_with_what_the_schema_requires(api, statuses):
    statuses.update(("commit_hash", "=", "a" * 40), ("key", "=", "ci"), state="SUCCESSFUL")
    [put] = [request for request in api.received if request.method == "PUT"]
    assert put.body == {"key": "ci", "state": "SUCCESSFUL"}


def test_rows_that_cannot_be_told_apart_are_not_changed(api, statuses):
    item = dict(api._collections[STATUSES].items[0], created_on="2026-02-02T00:00:00Z")
    api._collections[STATUSES].items.append(item)
    with pytest.raises(RowUnknown, match="stands for several rows"):
        statuses.update(("commit_hash", "=", "a" * 40), state="SUCCESSFUL")
    assert changes(api) == []
