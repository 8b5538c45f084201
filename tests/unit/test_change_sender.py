"""What is read around a change, and what its answer proves, in this process."""

import pytest

from bitbucket_fdw.errors import (
    BitbucketError,
    Cancelled,
    MissingValue,
    NotStored,
    OutcomeUnknown,
    Rejected,
)
from tests.support.fake_api import FakeApi, Reply
from tests.support.reading import AT
from tests.support.writing import BRANCHES, PULLS, Backend, got, put, repository, writes


@pytest.fixture
def api() -> FakeApi:
    return repository()


@pytest.fixture
def backend(api: FakeApi) -> Backend:
    return Backend(api)


# --- what was stored ---


def test_what_a_put_lost_without_naming_it_is_put_back(api, backend):
    reviewers = [{"uuid": "{00000000-0000-0000-0000-000000000001}"}]
    api.answer(put(f"{PULLS}/2", {"reviewers": reviewers}))
    kept = []

    def loses(request):
        kept.append(request.body)
        reply = api.without_faults(request)
        if len(kept) == 1:
            api.answer(put(f"{PULLS}/2", {"reviewers": []}))
            reply.body["reviewers"] = []
        return reply

    api.fault(f"{PULLS}/2", loses, method="PUT", count=1)
    backend.table("pull_requests").update(("id", "=", 2), title="new")
    found = api.answer(got(f"{PULLS}/2")).body
    assert (found["title"], found["reviewers"]) == ("new", reviewers)
    assert backend.warnings == []


@pytest.mark.parametrize("there", [True, False])
def test_a_permission_that_is_not_the_one_that_was_given_is_an_error(api, backend, there):
    """Whether somebody may write now must not rest on a success that changed nothing."""
    path = f"{AT}/permissions-config/groups"
    kept = {"permission": "read", "group": {"slug": "developers", "name": "Developers"}}
    api.on(path, {"values": [kept] if there else []})
    if there:
        api.on(f"{path}/developers", kept)
    api.on(f"{path}/developers", kept, method="PUT")
    api.on(f"{path}/developers", None, method="DELETE")
    permissions = backend.table("repository_group_permissions")
    where = [("group_slug", "=", "developers")] if there else []
    new = {} if there else {"group_slug": "developers"}
    give = permissions.update if there else permissions.insert
    with pytest.raises(NotStored, match="did not store permission") as caught:
        give(*where, **new, permission="admin")
    assert "shows: permission read" in (caught.value.detail or "")
    assert backend.rollback().stays == ()


def test_what_cannot_be_put_back_is_told_with_what_it_was(api, backend):
    reviewers = [{"uuid": "{00000000-0000-0000-0000-000000000001}"}]
    api.answer(put(f"{PULLS}/2", {"reviewers": reviewers}))

    def loses(request):
        reply = api.without_faults(request)
        reply.body = {**reply.body, "reviewers": []}
        return reply

    api.fault(f"{PULLS}/2", loses, method="PUT")
    api.fault(
        f"{PULLS}/2", lambda r: Reply({**api.without_faults(r).body, "reviewers": []}), after=2
    )
    backend.table("pull_requests").update(("id", "=", 2), title="new")
    [warning] = backend.warnings
    assert "emptied reviewers, and it could not be put back" in warning
    assert "00000000-0000-0000-0000-000000000001" in warning


def test_a_value_that_is_echoed_and_not_kept_is_an_error(api, backend):
    def echoes(request):
        reply = api.without_faults(request)
        api.answer(put(f"{PULLS}/2", {"close_source_branch": False}))
        return Reply({**reply.body, "close_source_branch": True})

    api.fault(f"{PULLS}/2", echoes, method="PUT", count=1)
    with pytest.raises(Exception, match="kept close_source_branch false"):
        backend.table("pull_requests").update(("id", "=", 2), close_source_branch=True)


def test_an_answer_without_the_row_proves_nothing(api, backend):
    for answer in ({}, [], Reply(None, 204), {"id": 99, "title": "another"}):
        api.heal()
        api.fault(f"{PULLS}/2", answer, method="PUT")
        with pytest.raises(OutcomeUnknown, match="not known what PUT"):
            backend.table("pull_requests").update(("id", "=", 2), title=f"new {answer}")


# --- merging: what is asked of Bitbucket, and answered later ---


def merge(api: FakeApi, *states: object, body: object = None) -> None:
    """Have a merge be taken on with 202, and its task go through states."""
    told = iter(states)
    location = f"https://api.fake.example/2.0{PULLS}/2/merge/task-status/1"
    api.on(f"{PULLS}/2/merge", Reply(body, 202, {"Location": location}), "POST")
    api.on(f"{PULLS}/2/merge/task-status/1", lambda _: next(told))


MERGED = {
    "task_status": "SUCCESS",
    "merge_result": {"id": 2, "state": "MERGED", "title": "title 2"},
}


def test_a_merge_asks_for_the_branchs_strategy_and_waits_for_its_end(api, backend):
    merge(api, {"task_status": "PENDING"}, {"task_status": "PENDING"}, MERGED)
    [row] = backend.table("pull_requests").update(("id", "=", 2), state="MERGED")
    [post] = [request for request in api.received if request.method == "POST"]
    assert post.body["merge_strategy"] == "squash"
    assert post["async"] == "true"
    assert row["state"] == "MERGED"
    assert 1.9 < api.clock.seconds - 1000 < 2.5  # two pauses of a second, none of them real
    assert "Bitbucket cannot take it back" in backend.rollback().detail


@pytest.mark.parametrize("body", [{}, {"task_status": "PENDING"}, {"id": 2}, "<p>later</p>", "[]"])
def test_what_the_answer_to_a_merge_that_is_done_later_says_does_not_count(api, backend, body):
    merge(api, {"task_status": "PENDING"}, MERGED, body=body)
    [row] = backend.table("pull_requests").update(("id", "=", 2), state="MERGED")
    assert row["state"] == "MERGED"


def test_a_merge_with_a_strategy_asks_for_none(api, backend):
    merge(api, MERGED)
    backend.table("pull_requests").update(
        ("id", "=", 2), state="MERGED", merge_strategy="fast_forward"
    )
    assert f"GET {BRANCHES}/main" not in api.calls


def test_a_merge_without_any_strategy_to_be_had_is_not_sent(api, backend):
    api.collection(BRANCHES, [], key="name")
    with pytest.raises(MissingValue, match="merge_strategy is the default"):
        backend.table("pull_requests").update(("id", "=", 2), state="MERGED")
    assert writes(api) == []


@pytest.mark.parametrize(
    ("states", "why"),
    [
        ([{"task_status": "LOST"}], "Its task is 'LOST'."),
        ([["no object"]], "Its task is None."),
        ([{"task_status": "PENDING"}] * 20, "not finished after 5 seconds"),
    ],
)
def test_a_merge_of_which_no_end_is_seen_is_not_known(api, backend, states, why):
    merge(api, *states)
    with pytest.raises(OutcomeUnknown) as raised:
        backend.table("pull_requests").update(("id", "=", 2), state="MERGED")
    assert why in raised.value.detail
    assert "not known" in backend.rollback().detail


def test_a_merge_that_is_refused_in_the_end_was_not_done(api, backend):
    merge(api, Reply({"type": "error", "error": {"message": "conflicts"}}, 409))
    with pytest.raises(Rejected) as raised:
        backend.table("pull_requests").update(("id", "=", 2), state="MERGED")
    assert "conflicts" in raised.value.detail
    assert backend.rollback().stays == ()


def test_a_merge_whose_task_cannot_be_asked_for_is_not_known(api, backend):
    merge(api, Reply(None, 500))
    with pytest.raises(OutcomeUnknown):
        backend.table("pull_requests").update(("id", "=", 2), state="MERGED")


def test_a_cancel_while_a_merge_goes_on_leaves_it_in_doubt(api, backend):
    def told(_):
        backend.interrupts.stop = True
        return {"task_status": "PENDING"}

    merge(api)
    api._handlers[-1] = (*api._handlers[-1][:2], told)
    with pytest.raises(Cancelled):
        backend.table("pull_requests").update(("id", "=", 2), state="MERGED")
    assert "not known" in backend.rollback().detail


# --- changes that are only taken on ---

UUID = "{00000000-0000-0000-0000-000000000007}"
ENVIRONMENT = f"/repositories/acme/website/environments/{UUID}"


def environment(name: str) -> dict[str, object]:
    return {"uuid": UUID, "name": name, "restrictions": {"admin_only": False}}


@pytest.mark.parametrize("stale", [0, 1, 3])
def test_a_change_that_is_seen_later_is_waited_for(api, backend, stale):
    names = iter(["old", *["old"] * stale, "new"])
    api.on(f"{ENVIRONMENT}/changes/", Reply(None, 202), "POST")
    api.on(ENVIRONMENT, lambda _: environment(next(names)))
    [row] = backend.table("environments").update(("uuid", "=", UUID), name="new")
    assert row["name"] == "new"
    assert stale <= api.clock.seconds - 1000 < stale + 0.5


def test_a_change_that_is_never_seen_is_an_error_after_some_looks(api, backend):
    api.on(f"{ENVIRONMENT}/changes/", Reply(None, 202), "POST")
    api.on(ENVIRONMENT, environment("old"))
    with pytest.raises(OutcomeUnknown, match="not known whether POST"):
        backend.table("environments").update(("uuid", "=", UUID), name="new")
    assert api.clock.seconds - 1000 < 10
    assert sum(request.method == "POST" for request in api.received) == 1


def test_a_row_that_cannot_be_read_afterwards_may_have_been_changed(api, backend):
    answers = iter([environment("old"), *[Reply({}, 403)] * 9])
    api.on(f"{ENVIRONMENT}/changes/", Reply(None, 202), "POST")
    api.on(ENVIRONMENT, lambda _: next(answers))
    with pytest.raises(BitbucketError) as caught:
        backend.table("environments").update(("uuid", "=", UUID), name="new")
    assert caught.value.unsettled
