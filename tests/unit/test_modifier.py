"""INSERT, UPDATE and DELETE of a foreign table, in this process: which row, and what is sent."""

import time

import pytest

from bitbucket_fdw.errors import (
    AlreadyExists,
    BitbucketError,
    Cancelled,
    InvalidValue,
    MissingValue,
    OutcomeUnknown,
    ReadOnly,
    Rejected,
    RowUnknown,
    ServerFailure,
    WriteError,
)
from tests.support.fake_api import FakeApi, Received, Reply, numbered
from tests.support.reading import AT, WORKSPACE
from tests.support.writing import Backend

BRANCHES, PULLS, PROJECTS = f"{AT}/refs/branches", f"{AT}/pullrequests", "/workspaces/acme/projects"
HASH = "a" * 40


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    branches = [
        {"name": name, "target": {"hash": HASH}, "default_merge_strategy": "squash"}
        for name in ("main", "one", "two")
    ]
    made.collection(BRANCHES, branches, key="name")
    made.collection(
        PULLS,
        numbered(
            3,
            title=lambda n: f"title {n}",
            description=lambda n: f"text {n}",
            state="OPEN",
            draft=False,
            close_source_branch=False,
            reviewers=[],
            source={"branch": {"name": "one"}},
            destination={"branch": {"name": "main"}},
            links=lambda n: {
                "html": {"href": f"https://bitbucket.org/acme/website/pull-requests/{n}"}
            },
        ),
        made=lambda item: {"state": "OPEN", "reviewers": [], **item},
    )
    project = {"key": "WEB", "name": "Web", "description": "", "is_private": True}
    made.collection(PROJECTS, [project], key="key")
    repository = {"slug": "website", "full_name": "acme/website", "mainbranch": {"name": "main"}}
    made.collection("/repositories/acme", [repository], key="slug")
    return made


@pytest.fixture
def backend(api: FakeApi) -> Backend:
    return Backend(api)


def writes(api: FakeApi) -> list[str]:
    return [call for call in api.calls if not call.startswith("GET")]


def titles(api: FakeApi) -> list[str]:
    return [api.answer(_get(f"{PULLS}/{n}")).body["title"] for n in (1, 2, 3)]


def _get(path: str) -> Received:
    return Received("GET", path)


# --- INSERT ---


def test_an_insert_is_sent_at_once_and_taken_back_by_a_rollback(api, backend):
    row = backend.table("branches").insert(name="new", target_commit_hash=HASH)
    assert (row["name"], row["workspace"], row["target_commit_hash"]) == ("new", "acme", HASH)
    assert writes(api) == [f"POST {BRANCHES}"]
    assert api.received[-1].body == {"name": "new", "target": {"hash": HASH}}
    assert backend.rollback().message is None
    assert writes(api)[1:] == [f"DELETE {BRANCHES}/new"]


def test_without_on_rollback_an_insert_stays_and_is_told(api, backend):
    backend.undo = False
    backend.table("branches").insert(name="new", target_commit_hash=HASH)
    assert backend.rollback().message.startswith("1 change stays")
    assert len(writes(api)) == 1


def test_in_mode_commit_nothing_is_sent_before(api, backend):
    backend.mode = "commit"
    branches = backend.table("branches")
    branches.insert(name="new", target_commit_hash=HASH)
    assert api.calls == []
    backend.commit()
    assert writes(api) == [f"POST {BRANCHES}"]
    backend.commit()
    assert len(writes(api)) == 1


def test_in_mode_commit_a_rollback_sends_nothing(api, backend):
    backend.mode = "commit"
    backend.table("branches").insert(name="new", target_commit_hash=HASH)
    assert backend.rollback().message is None
    backend.commit()
    assert api.calls == []


@pytest.mark.parametrize(
    ("values", "error"),
    [
        ({"name": "new"}, MissingValue),
        ({"target_commit_hash": HASH}, MissingValue),
        ({"name": "new", "target_commit_hash": HASH, "links_html_href": "x"}, ReadOnly),
        ({"name": "n", "target_commit_hash": HASH, "repository": "other"}, InvalidValue),
    ],
)
def test_a_row_that_bitbucket_does_not_take_is_refused_before_it_is_sent(
    api, backend, values, error
):
    with pytest.raises(error):
        backend.table("branches").insert(**values)
    assert api.calls == []


def test_an_insert_that_is_refused_is_said_with_its_row_and_what_came_before(api, backend):
    branches = backend.table("branches")
    api.fail(BRANCHES, 400, "That branch exists", method="POST", after=1)
    with branches.statement() as modifier:
        modifier.insert({"name": "a", "target_commit_hash": HASH})
        with pytest.raises(Rejected) as raised:
            modifier.insert({"name": "b", "target_commit_hash": HASH})
    assert "That branch exists" in raised.value.detail
    assert "Row 2 of the statement." in raised.value.detail
    assert "Sent before it in this transaction: 1." in raised.value.detail


def test_a_write_that_may_have_arrived_is_not_repeated(api):
    backend = Backend(api, retry_limit=3)
    api.fail(BRANCHES, 502, method="POST")
    with pytest.raises(OutcomeUnknown):
        backend.table("branches").insert(name="new", target_commit_hash=HASH)
    assert len(writes(api)) == 1
    assert "not known" in backend.rollback().detail


def test_a_write_that_was_certainly_not_applied_is_sent_again(api):
    backend = Backend(api, retry_limit=3)
    api.fail(BRANCHES, 429, method="POST", count=2, headers={"Retry-After": "30"})
    backend.table("branches").insert(name="new", target_commit_hash=HASH)
    assert len(writes(api)) == 3
    assert api.clock.pauses == [30.0, 30.0]


def test_a_cancel_while_a_change_is_under_way_leaves_it_in_doubt(api, backend):
    def slow(request):
        backend.interrupts.stop = True
        time.sleep(0.2)  # the statement looks every 50 ms whether it is to stop
        return api.without_faults(request)

    api.fault(BRANCHES, slow, method="POST")
    with pytest.raises(Cancelled):
        backend.table("branches").insert(name="new", target_commit_hash=HASH)
    assert "not known whether it was applied" in backend.rollback().detail


# --- UPDATE ---


def test_an_update_sends_what_changes_and_takes_back_what_it_was(api, backend):
    [row] = backend.table("projects", WORKSPACE).update(("key", "=", "WEB"), name="Site")
    assert row["name"] == "Site"
    assert writes(api) == [f"PUT {PROJECTS}/WEB"]
    assert api.received[-1].body == {"name": "Site"}
    backend.rollback()
    assert writes(api) == [f"PUT {PROJECTS}/WEB"] * 2
    assert api.received[-1].body == {"name": "Web"}


def test_an_update_that_changes_nothing_sends_nothing(api, backend):
    backend.table("projects", WORKSPACE).update(("key", "=", "WEB"), name="Web")
    assert writes(api) == []


def test_an_update_sends_along_what_a_put_would_empty(api, backend):
    backend.table("pull_requests").update(("id", "=", 2), draft=True)
    [put] = [request for request in api.received if request.method == "PUT"]
    assert put.body == {"title": "title 2", "description": "text 2", "draft": True}


def test_a_row_that_others_have_changed_meanwhile_keeps_their_change(api, backend):
    pulls = backend.table("pull_requests")
    with pulls.statement() as modifier:
        [row] = pulls.scan(("id", "=", 2), columns=("title", "draft"))
        api.answer(_put(f"{PULLS}/2", {"title": "theirs"}))
        modifier.update(2, {**row, "draft": True})
    assert titles(api)[1] == "theirs"


def _put(path: str, body: dict) -> Received:
    return Received("PUT", path, (), body)


def test_an_update_of_a_row_that_was_not_read_reads_it(api, backend):
    pulls = backend.table("pull_requests")
    with pulls.statement() as modifier:
        modifier.update(2, {"workspace": "acme", "repository": "website", "id": 2, "title": "new"})
    assert titles(api) == ["title 1", "new", "title 3"]


def test_an_update_of_a_row_that_is_not_there_is_an_error(api, backend):
    pulls = backend.table("pull_requests")
    with pulls.statement() as modifier, pytest.raises(RowUnknown, match="not there any more"):
        modifier.update(9, {"workspace": "acme", "repository": "website", "id": 9, "title": "new"})


def test_a_row_cannot_change_its_key(api, backend):
    with pytest.raises(RowUnknown, match="cannot change its key"):
        backend.table("pull_requests").update(("id", "=", 2), id=7)
    assert writes(api) == []


def test_a_join_that_gives_a_row_twice_updates_it_once(api, backend):
    pulls = backend.table("pull_requests")
    with pulls.statement() as modifier:
        [row] = pulls.scan(("id", "=", 2), columns=("title",))
        first = modifier.update(2, {**row, "title": "first"})
        again = modifier.update(2, {**row, "title": "second"})
    assert (first["title"], again["title"]) == ("first", "first")
    assert len(writes(api)) == 1


def test_only_rows_in_the_right_state_can_be_changed(api, backend):
    api.answer(_put(f"{PULLS}/3", {"state": "MERGED"}))
    api.taken()
    with pytest.raises(WriteError, match="cannot be changed"):
        backend.table("pull_requests").update(("id", "=", 3), title="new")
    assert writes(api) == []


def test_a_state_that_none_can_ask_for_is_refused(api, backend):
    with pytest.raises(InvalidValue, match="MERGED, DECLINED"):
        backend.table("pull_requests").update(("id", "=", 2), state="SUPERSEDED")


def test_what_a_put_lost_without_naming_it_is_put_back(api, backend):
    reviewers = [{"uuid": "{00000000-0000-0000-0000-000000000001}"}]
    api.answer(_put(f"{PULLS}/2", {"reviewers": reviewers}))
    kept = []

    def loses(request):
        kept.append(request.body)
        reply = api.without_faults(request)
        if len(kept) == 1:
            api.answer(_put(f"{PULLS}/2", {"reviewers": []}))
            reply.body["reviewers"] = []
        return reply

    api.fault(f"{PULLS}/2", loses, method="PUT", count=1)
    backend.table("pull_requests").update(("id", "=", 2), title="new")
    found = api.answer(_get(f"{PULLS}/2")).body
    assert (found["title"], found["reviewers"]) == ("new", reviewers)
    assert backend.warnings == []


def test_what_cannot_be_put_back_is_told_with_what_it_was(api, backend):
    reviewers = [{"uuid": "{00000000-0000-0000-0000-000000000001}"}]
    api.answer(_put(f"{PULLS}/2", {"reviewers": reviewers}))

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
        api.answer(_put(f"{PULLS}/2", {"close_source_branch": False}))
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


def test_a_put_that_would_make_a_row_is_not_sent_for_one_that_is_gone(api, backend):
    projects = backend.table("projects", WORKSPACE)
    with projects.statement() as modifier:
        [row] = projects.scan(("key", "=", "WEB"), columns=("name",))
        api._collections[PROJECTS].items.clear()
        with pytest.raises(RowUnknown):
            modifier.update("WEB", {**row, "name": "Site"})
    assert writes(api) == []


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


# --- DELETE ---


def test_a_delete_is_taken_back_by_making_the_row_anew(api, backend):
    branches = backend.table("branches")
    branches.delete(("name", "=", "one"))
    assert writes(api) == [f"DELETE {BRANCHES}/one"]
    said = backend.rollback()
    assert said.message is None or "stays" in said.message


def test_a_delete_that_says_404_is_an_error(api, backend):
    branches = backend.table("branches")
    for backend.undo, said in ((True, "not there any more"), (False, "404")):
        items = api.collection(BRANCHES, [{"name": "one", "target": {"hash": HASH}}], key="name")
        with branches.statement() as modifier:
            list(branches.scan(("name", "=", "one"), columns=("name",)))
            items.items.clear()
            with pytest.raises(BitbucketError, match=said):
                modifier.delete("one")


def test_a_row_that_was_deleted_is_not_deleted_again(api, backend):
    branches = backend.table("branches")
    with branches.statement() as modifier:
        list(branches.scan(columns=("name",)))
        modifier.delete("one")
        modifier.delete("one")
    assert len(writes(api)) == 1


def test_a_table_that_takes_no_verb_says_so_for_a_row(api, backend):
    with pytest.raises(ReadOnly, match="takes no DELETE"):
        backend.table("pull_requests").delete(("id", "=", 1))
    with pytest.raises(ReadOnly, match="takes no INSERT"):
        backend.table("pipelines").insert(build_number=1)
    assert writes(api) == []


# --- which row ---


def test_a_row_is_told_by_its_address_where_the_key_is_not_enough(backend):
    assert backend.table("pull_requests").modifier.rowid.name == "id"
    assert backend.table("pull_requests", WORKSPACE).modifier.rowid.name == "links_html_href"
    assert backend.table("branches", without=("name",)).modifier.rowid.name == "links_html_href"
    with pytest.raises(RowUnknown, match="neither column name nor links_html_href"):
        _ = backend.table("branches", without=("name", "links_html_href")).modifier.rowid


def test_a_value_that_stands_for_two_rows_tells_none(api, backend):
    other = "/repositories/acme/other"
    api._collections["/repositories/acme"].items.append(
        {"slug": "other", "full_name": "acme/other"}
    )
    api.collection(f"{other}/pullrequests", numbered(3, title="theirs", state="OPEN"))
    pulls = backend.table("pull_requests", WORKSPACE, without=("links_html_href",))
    with pulls.statement() as modifier:
        rows = list(pulls.scan(("id", "=", 1), columns=("id", "title", "workspace", "repository")))
        assert len(rows) == 2
        with pytest.raises(RowUnknown, match="stands for several rows"):
            modifier.update(1, {"id": 1, "title": "new"})
        # With its place given it is one row again.
        modifier.update(1, {**rows[0], "title": "new"})
    assert len(writes(api)) == 1


# --- what would be overwritten ---


def test_a_pull_request_that_is_open_already_is_a_unique_violation(api, backend):
    with pytest.raises(AlreadyExists, match="is OPEN with source_branch_name 'one'"):
        backend.table("pull_requests").insert(title="new", source_branch_name="one")
    assert writes(api) == []


def test_another_pull_request_is_opened_with_the_branch_that_was_filled_in(api, backend):
    row = backend.table("pull_requests").insert(title="new", source_branch_name="two")
    assert row["title"] == "new"
    assert f"GET {AT}" in api.calls or "GET /repositories/acme/website" in api.calls


def test_what_waits_counts_as_a_row_that_is_there(api, backend):
    backend.mode = "commit"
    pulls = backend.table("pull_requests")
    pulls.insert(title="new", source_branch_name="two")
    with pytest.raises(AlreadyExists, match="inserts such a row already"):
        pulls.insert(title="again", source_branch_name="two")


def test_what_waits_to_be_closed_is_no_row_any_more(api, backend):
    backend.mode = "commit"
    pulls = backend.table("pull_requests")
    for number in (1, 2, 3):
        pulls.update(("id", "=", number), state="DECLINED")
    pulls.insert(title="new", source_branch_name="one")
    assert backend.journal.waits(pulls.modifier.place)


def test_a_repository_without_a_branch_to_merge_into_needs_one_named(api, backend):
    api._collections["/repositories/acme"].items[0].pop("mainbranch")
    with pytest.raises(MissingValue, match="no default branch"):
        backend.table("pull_requests").insert(title="new", source_branch_name="two")


# --- failures while reading what a change needs ---


def test_a_change_whose_row_cannot_be_read_is_not_sent(api, backend):
    pulls = backend.table("pull_requests")
    with pulls.statement() as modifier:
        [row] = pulls.scan(("id", "=", 2), columns=("title",))
        api.fail(f"{PULLS}/2", 500)
        with pytest.raises(ServerFailure):
            modifier.update(2, {**row, "title": "new"})
    assert writes(api) == []


def test_a_cancel_before_a_change_leaves_nothing_behind(api, backend):
    pulls = backend.table("pull_requests")
    with pulls.statement() as modifier:
        [row] = pulls.scan(("id", "=", 2), columns=("title",))
        backend.interrupts.stop = True
        api.fault(f"{PULLS}/2", lambda r: time.sleep(0.2) or api.without_faults(r))
        with pytest.raises(Cancelled):
            modifier.update(2, {**row, "title": "new"})
    assert writes(api) == []
    assert backend.rollback().stays == ()
