"""What a statement reads while it changes rows: as they were, and as what waits will leave them."""

import pytest

from bitbucket_fdw.errors import RowUnknown, ServerFailure
from bitbucket_fdw.tables import BY_NAME
from bitbucket_fdw.writing.open_scans import OpenScans
from tests.support.fake_api import FakeApi, numbered
from tests.support.reading import AT
from tests.support.writing import Backend

BRANCHES, PULLS = f"{AT}/refs/branches", f"{AT}/pullrequests"
HASH = "a" * 40


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    branches = [{"name": f"b{n:02}", "target": {"hash": HASH}} for n in range(25)]
    made.collection(BRANCHES, branches, key="name", longest=10)
    made.collection(
        PULLS,
        numbered(
            5, title=lambda n: f"title {n}", description="", state="OPEN", draft=False, reviewers=[]
        ),
    )
    return made


@pytest.fixture
def backend(api: FakeApi) -> Backend:
    return Backend(api)


def names(rows) -> list[str]:
    return [row["name"] for row in rows]


# --- scans that are under way ---


def test_the_rest_of_a_scan_is_read_before_the_first_change(api, backend):
    branches = backend.table("branches")
    with branches.statement() as modifier:
        rows = branches.scan(columns=("name",))
        found = [next(rows)["name"]]
        modifier.delete(found[0])
        reads = len(api.calls)
        assert api.calls[-1] == f"DELETE {BRANCHES}/b00"
        for row in rows:
            found.append(row["name"])
            modifier.delete(row["name"])
    assert found == [f"b{n:02}" for n in range(25)]
    assert api._collections[BRANCHES].items == []
    assert f"GET {BRANCHES}" not in api.calls[reads:]


def test_an_insert_from_the_same_table_ends(api, backend):
    branches = backend.table("branches")
    with branches.statement() as modifier:
        for row in branches.scan(columns=("name", "target_commit_hash")):
            modifier.insert({"name": f"copy-{row['name']}", "target_commit_hash": HASH})
    assert len(api._collections[BRANCHES].items) == 50


def test_scans_of_tables_that_a_change_does_not_disturb_go_on_lazily():
    scans, read = OpenScans(), []

    def rows():
        for number in range(3):
            read.append(number)
            yield {"id": number}

    scan = scans.track(BY_NAME["issues"], rows())
    scans.settle(BY_NAME["branches"])
    assert read == []
    scans.settle(BY_NAME["issues"])
    assert read == [0, 1, 2]
    scans.settle(BY_NAME["issues"])
    assert [row["id"] for row in scan] == [0, 1, 2]
    assert read == [0, 1, 2]


def test_a_scan_that_leads_to_the_changed_rows_is_settled_too():
    scans, read = OpenScans(), []

    def rows():
        read.append(1)
        yield {"id": 1}

    held = scans.track(BY_NAME["pull_request_comments"], rows())
    scans.settle(BY_NAME["pull_requests"])
    assert read == [1]
    assert list(held) == [{"id": 1}]


def test_an_error_while_a_scan_is_read_ahead_comes_again_where_its_rows_end():
    scans = OpenScans()

    def rows():
        yield {"id": 1}
        raise ServerFailure("broken", method="GET", path="/x", status=500)

    scan = scans.track(BY_NAME["branches"], rows())
    with pytest.raises(ServerFailure):
        scans.settle(BY_NAME["branches"])
    assert next(scan) == {"id": 1}
    with pytest.raises(ServerFailure):
        next(scan)


def test_scans_that_nobody_holds_any_more_are_not_read():
    scans, read = OpenScans(), []
    scans.track(BY_NAME["branches"], iter(read.append(n) or {} for n in range(3)))
    scans.settle(BY_NAME["branches"])
    assert read == []


# --- rows as they were before the statement ---


def test_a_statement_that_reads_again_finds_rows_as_they_were(api, backend):
    pulls, execution = backend.table("pull_requests"), object()
    with pulls.statement(execution) as modifier:
        rows = list(pulls.scan(columns=("title", "draft"), execution=execution))
        for row in rows:
            modifier.update(row["id"], {**row, "title": f"changed {row['id']}"})
            again = list(pulls.scan(columns=("title",), execution=execution))
            assert [r["title"] for r in again] == [f"title {n}" for n in range(1, 6)]
    assert api._collections[PULLS].items[0]["title"] == "changed 1"


def test_rows_that_it_has_deleted_are_there_and_those_it_made_are_not(api, backend):
    branches, execution = backend.table("branches"), object()
    with branches.statement(execution) as modifier:
        list(branches.scan(columns=("name",), execution=execution))
        modifier.delete("b03")
        modifier.insert({"name": "new", "target_commit_hash": HASH})
        again = sorted(names(branches.scan(columns=("name",), execution=execution)))
        assert again == [f"b{n:02}" for n in range(25)]
        # A row that it made is not found by its key, and one that it deleted is.
        assert "new" not in names(branches.scan(("name", "=", "new"), execution=execution))


def test_another_execution_finds_them_as_they_are(api, backend):
    branches, execution = backend.table("branches"), object()
    with branches.statement(execution) as modifier:
        list(branches.scan(columns=("name",), execution=execution))
        modifier.delete("b03")
        assert "b03" not in names(branches.scan(columns=("name",), execution=object()))


def test_a_limit_counts_the_rows_as_they_were(api, backend):
    branches, execution = backend.table("branches"), object()
    with branches.statement(execution) as modifier:
        list(branches.scan(columns=("name",), execution=execution))
        modifier.delete("b00")
        found = names(branches.scan(columns=("name",), execution=execution, limit=24, offset=1))
        assert len(found) == 24


def test_an_order_is_kept_among_rows_that_are_put_back(api, backend):
    pulls, execution = backend.table("pull_requests"), object()
    with pulls.statement(execution) as modifier:
        rows = list(pulls.scan(columns=("title",), execution=execution))
        modifier.update(3, {**rows[2], "title": "x"})
        again = pulls.scan(columns=("title",), execution=execution, sort="-id")
        assert [row["id"] for row in again] == [5, 4, 3, 2, 1]


def test_a_column_that_was_not_read_before_the_change_is_an_error(api, backend):
    pulls, execution = backend.table("pull_requests"), object()
    with pulls.statement(execution) as modifier:
        [row] = pulls.scan(("id", "=", 2), columns=("title",), execution=execution)
        modifier.update(2, {**row, "title": "new"})
        with pytest.raises(RowUnknown, match="what they were is not known"):
            list(pulls.scan(columns=("description", "draft"), execution=execution))


# --- rows as what waits will leave them ---


@pytest.fixture
def waiting(backend: Backend) -> Backend:
    backend.mode = "commit"
    return backend


def test_a_transaction_sees_what_it_has_changed_and_not_sent(api, waiting):
    pulls = waiting.table("pull_requests")
    pulls.update(("id", "=", 2), title="new")
    found = [row["title"] for row in pulls.scan(columns=("title",))]
    assert found == ["title 1", "new", "title 3", "title 4", "title 5"]
    assert not any(call.startswith("PUT") for call in api.calls)
    waiting.commit()
    assert api._collections[PULLS].items[1]["title"] == "new"


def test_what_waits_to_be_deleted_is_not_there(api, waiting):
    branches = waiting.table("branches")
    branches.delete(("name", "=", "b03"))
    assert "b03" not in names(branches.scan(columns=("name",)))
    assert names(branches.scan(("name", "=", "b03"))) == []
    assert len(api._collections[BRANCHES].items) == 25


def test_a_condition_on_what_waits_is_tested_here(api, waiting):
    pulls = waiting.table("pull_requests")
    pulls.update(("id", "=", 2), draft=True)
    api.taken()
    found = [row["id"] for row in pulls.scan(("draft", "=", True), limit=5)]
    assert found == [2]
    assert all("draft" not in (request["q"] or "") for request in api.received)


def test_a_limit_is_counted_among_what_is_left(waiting):
    branches = waiting.table("branches")
    branches.delete(("name", "=", "b00"))
    assert names(branches.scan(columns=("name",), limit=3, offset=1)) == ["b02", "b03", "b04"]


def test_a_statement_does_not_see_its_own_changes_that_wait(waiting):
    pulls = waiting.table("pull_requests")
    with pulls.statement() as modifier:
        rows = list(pulls.scan(columns=("title",)))
        modifier.update(1, {**rows[0], "title": "new"})
        assert next(iter(pulls.scan(columns=("title",))))["title"] == "title 1"
    assert next(iter(pulls.scan(columns=("title",))))["title"] == "new"


def test_changes_of_one_row_add_up(api, waiting):
    pulls = waiting.table("pull_requests")
    pulls.update(("id", "=", 2), title="new")
    pulls.update(("id", "=", 2), draft=True)
    [row] = pulls.scan(("id", "=", 2), columns=("title", "draft"))
    assert (row["title"], row["draft"]) == ("new", True)
    waiting.commit()
    item = api._collections[PULLS].items[1]
    assert (item["title"], item["draft"]) == ("new", True)


def test_a_row_that_waits_to_be_deleted_cannot_be_updated(waiting):
    branches = waiting.table("branches")
    branches.delete(("name", "=", "b03"))
    comments = waiting.table("pull_requests")
    assert comments.update(("id", "=", 9), title="x") == []


def test_once_something_waits_what_follows_waits_too(api, waiting):
    pulls = waiting.table("pull_requests")
    pulls.update(("id", "=", 2), title="new")
    waiting.mode = "immediate"
    assert pulls.modifier.waits
    pulls.update(("id", "=", 3), title="newer")
    assert not any(call.startswith("PUT") for call in api.calls)
    waiting.commit()
    assert not pulls.modifier.waits


def test_a_failure_at_commit_puts_back_what_was_sent(api, waiting):
    pulls = waiting.table("pull_requests")
    pulls.update(("id", "=", 2), title="new")
    pulls.update(("id", "=", 3), title="newer")
    api.fail(f"{PULLS}/3", 400, "no", method="PUT")
    with pytest.raises(Exception, match="400"):
        waiting.commit()
    assert api._collections[PULLS].items[1]["title"] == "title 2"
