"""Previews: what is foreseen of the requests that they take, and when they are refused."""

from __future__ import annotations

import pytest

from bitbucket_fdw.api import PreviewBudget
from bitbucket_fdw.errors import TooManyRequests
from bitbucket_fdw.pushdown import Qual, conditions_of, plan
from bitbucket_fdw.pushdown.plan import Kind
from bitbucket_fdw.pushdown.request import Request
from bitbucket_fdw.reading import costs
from bitbucket_fdw.tables import BY_NAME, TABLES, Table
from tests.support.fake_api import FakeApi, numbered
from tests.support.reading import AT, REPOSITORY, WORKSPACE, Session


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


def pull_requests(api: FakeApi, number: int, tasks: int, of: str = "website") -> None:
    """A repository with so many pull requests, and so many tasks on each."""
    at = f"/repositories/acme/{of}/pullrequests"
    api.collection(at, numbered(number, state="OPEN", task_count=tasks))
    for one in range(1, number + 1):
        api.collection(f"{at}/{one}/tasks", numbered(tasks, state="RESOLVED"))


def preview(session: Session, limit: int | None, most: int = 200, **asked: object) -> int:
    """How many rows a preview of the tasks gives."""
    budget = PreviewBudget(most, stops=limit is not None)
    asked = {"may_stop": limit is not None, "limit": limit, **asked}
    return len(session.values("id", "pull_request_tasks", preview=budget, **asked))


def test_what_is_rare_among_many_is_refused_with_the_first_requests(api, session):
    pull_requests(api, 300, 0)
    with pytest.raises(TooManyRequests) as caught:
        preview(session, 200)
    assert len(api.calls) <= 5
    assert "preview_requests is 200" in caught.value.message
    assert "requests were made" in caught.value.detail


def test_what_is_frequent_is_read_as_far_as_it_is_wanted(api, session):
    pull_requests(api, 300, 4)
    assert preview(session, 200) == 200
    assert len(api.calls) <= 60


def test_what_is_rare_among_few_is_read_to_its_end(api, session):
    pull_requests(api, 150, 0)
    assert preview(session, 200) == 0
    assert len(api.calls) == 153


def test_rare_rows_of_several_small_repositories_are_read_to_their_end(api, session):
    names = [f"r{n}" for n in range(6)]
    api.collection(
        "/repositories/acme", [{"slug": n, "full_name": f"acme/{n}"} for n in names], key="slug"
    )
    for name in names:
        pull_requests(api, 20, 0, name)
    assert preview(session, 200, bound=WORKSPACE) == 0
    assert len(api.calls) == 1 + 6 + 120


def test_nothing_is_read_ahead_of_a_preview_that_gets_to_its_end(api, session):
    pull_requests(api, 300, 1)
    assert preview(session, 20) == 20
    assert api.calls.count(f"GET {AT}/pullrequests") == 1


def test_what_only_turns_out_ends_at_the_limit(api, session):
    """Without a LIMIT of its own, as above conditions that PostgreSQL checks."""
    pull_requests(api, 300, 1)
    with pytest.raises(TooManyRequests, match="more than 40"):
        list(
            session.rows("pull_request_tasks", may_stop=True, preview=PreviewBudget(40, stops=True))
        )
    assert len(api.calls) == 40


def test_a_scan_of_all_parents_is_refused_without_a_limit_too(api, session):
    pull_requests(api, 300, 1)
    with pytest.raises(TooManyRequests):
        preview(session, None)
    assert len(api.calls) == 1


@pytest.mark.parametrize("where", [("pull_request_id", ">", 0), ("pull_request_id", "<>", 7)])
def test_a_condition_on_the_parents_is_enough_without_a_limit(api, session, where):
    pull_requests(api, 220, 1)
    rows = session.values(
        "id", "pull_request_tasks", where, preview=PreviewBudget(200, stops=False)
    )
    assert len(rows) >= 219


def test_a_listing_that_would_be_read_to_its_end_is_refused_by_its_size(api, session):
    api.collection(f"{AT}/pullrequests", numbered(300, state="OPEN"))
    with pytest.raises(TooManyRequests):
        list(session.rows("pull_requests", preview=PreviewBudget(5, stops=True)))
    assert len(api.calls) == 1
    rows = session.rows("pull_requests", preview=PreviewBudget(6, stops=True))
    assert len(list(rows)) == 300


def test_the_number_in_the_error_is_the_scans_and_not_the_limits(api, session):
    """The listing of commits has no size: its first page shows only that it is too many."""
    api.collection(f"{AT}/commits", [{"hash": f"{n:040x}"} for n in range(250)], size=False)
    with pytest.raises(TooManyRequests) as caught:
        session.values("key", "commit_statuses", preview=PreviewBudget(40, stops=False))
    guess = session.observations.of(session.client).sizes.guess
    estimated = costs.requests(planned(BY_NAME["commit_statuses"]), guess)
    assert estimated > 200
    assert f"would take about {estimated} requests" in caught.value.message


def test_an_estimate_that_has_turned_out_to_be_too_small_is_not_told():
    with pytest.raises(TooManyRequests, match="would take more than 40 requests"):
        PreviewBudget(40, stops=False).afford(41, lambda: 7)


def test_one_request_is_not_told_in_the_plural():
    with pytest.raises(TooManyRequests, match="would take about 1 request, and "):
        PreviewBudget(0, stops=False).afford(1)
    with pytest.raises(TooManyRequests, match="would take more than 1 request, and "):
        PreviewBudget(1, stops=False).afford(2, lambda: 1)


def planned(table: type[Table], *quals: tuple[str, str, object]):
    conditions, _ = conditions_of(
        [Qual(*qual) for qual in quals], {column.name: column for column in table.columns}
    )
    bound = REPOSITORY if table.level == "repository" else WORKSPACE
    names = frozenset(column.name for column in table.columns)
    return plan(Request(table, bound, conditions, columns=names))


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_plan_with_a_parent_asks_all_of_its_rows_unless_a_condition_chooses(table):
    whole = planned(table)
    if whole.kind is Kind.REFUSED or whole.parent is None:
        assert not whole.asks_every_parent
        return
    assert whole.asks_every_parent == (whole.parent.kind is Kind.COLLECTION)
    parameter, _ = table.parent.supplies[-1]
    column = table.column_of(parameter)
    if column is not None:
        sample = column.sample or column.data_type.sample
        assert not planned(table, (column.name, "=", sample)).asks_every_parent
