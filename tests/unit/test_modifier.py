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
from tests.support.fake_api import FakeApi, numbered
from tests.support.reading import AT, WORKSPACE
from tests.support.writing import (
    BRANCHES,
    HASH,
    PROJECTS,
    PULLS,
    Backend,
    got,
    put,
    repository,
    writes,
)


@pytest.fixture
def api() -> FakeApi:
    return repository()


@pytest.fixture
def backend(api: FakeApi) -> Backend:
    return Backend(api)


def titles(api: FakeApi) -> list[str]:
    return [api.answer(got(f"{PULLS}/{n}")).body["title"] for n in (1, 2, 3)]


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
        api.answer(put(f"{PULLS}/2", {"title": "theirs"}))
        modifier.update(2, {**row, "draft": True})
    assert titles(api)[1] == "theirs"


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
    api.answer(put(f"{PULLS}/3", {"state": "MERGED"}))
    api.taken()
    with pytest.raises(WriteError, match="cannot be changed"):
        backend.table("pull_requests").update(("id", "=", 3), title="new")
    assert writes(api) == []


def test_a_state_that_none_can_ask_for_is_refused(api, backend):
    with pytest.raises(InvalidValue, match="MERGED, DECLINED"):
        backend.table("pull_requests").update(("id", "=", 2), state="SUPERSEDED")


def test_a_put_that_would_make_a_row_is_not_sent_for_one_that_is_gone(api, backend):
    projects = backend.table("projects", WORKSPACE)
    with projects.statement() as modifier:
        [row] = projects.scan(("key", "=", "WEB"), columns=("name",))
        api._collections[PROJECTS].items.clear()
        with pytest.raises(RowUnknown):
            modifier.update("WEB", {**row, "name": "Site"})
    assert writes(api) == []


# --- DELETE ---


def test_a_delete_is_taken_back_by_making_the_row_anew(api, backend):
    branches = backend.table("branches")
    branches.delete(("name", "=", "one"))
    assert writes(api) == [f"DELETE {BRANCHES}/one"]
    said = backend.rollback()
    assert said.message is None or "stays" in said.message


@pytest.mark.parametrize(
    ("match", "again"),
    [("glob", "glob"), (None, "glob"), ("a way that is new at Bitbucket", None)],
)
def test_a_row_that_an_insert_would_not_take_is_deleted(api, backend, match, again):
    """What cannot be made anew is said after a rollback, and is no reason to keep the row."""
    path = f"{AT}/branch-restrictions"
    rule = {"kind": "delete", "branch_match_kind": match, "pattern": "main"}
    api.collection(path, [{"id": 7, **{n: v for n, v in rule.items() if v is not None}}])
    backend.table("branch_restrictions").delete(("id", "=", 7))
    assert writes(api) == [f"DELETE {path}/7"]
    said = backend.rollback()
    if again is None:
        assert len(writes(api)) == 1
        assert "cannot take it back" in said.stays[0]
    else:
        assert "made anew" in said.stays[0]
        assert api.received[-1].body == {**rule, "branch_match_kind": again}


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
