"""Listings read in this process: pages, their order, what is missing, and what they cost."""

import itertools
import time

import pytest

from bitbucket_fdw.errors import BadResponse, Rejected, ServerFailure, TooManyRequests
from bitbucket_fdw.pushdown import plan
from tests.support.fake_api import FakeApi, Reply, numbered
from tests.support.reading import AT, REPOSITORY, WORKSPACE, Session
from tests.support.waiting import wait_until

PULLS = f"{AT}/pullrequests"


def opened(number: int) -> str:
    return f"2026-01-{1 + number % 28:02}T00:00:00+00:00"


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.collection(
        PULLS,
        numbered(
            120,
            title=lambda n: f"title {n}",
            state=lambda n: "OPEN" if n % 3 else "MERGED",
            created_on=opened,
            reviewers=[],
            participants=[],
        ),
    )
    return made


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


# --- pages ---


def test_a_listing_is_read_page_by_page(api, session):
    assert session.values("id", "pull_requests") == list(range(1, 121))
    assert api.calls == [f"GET {PULLS}"] * 3
    assert sorted(request["page"] or "1" for request in api.received) == ["1", "2", "3"]


def test_nothing_is_requested_before_a_row_is_wanted(api, session):
    rows = iter(session.rows("pull_requests"))
    assert api.calls == []
    next(rows)
    assert len(api.calls) == 1


def test_who_stops_within_the_first_page_has_paid_for_one(api, session):
    list(itertools.islice(session.rows("pull_requests"), 50))
    assert len(api.calls) == 1


def test_a_limit_is_counted_here_and_shortens_the_page(api, session):
    assert session.values("id", "pull_requests", limit=7, offset=3) == list(range(4, 11))
    [request] = api.received
    assert request["pagelen"] == "10"


def test_only_what_is_wanted_is_asked_for(api, session):
    session.values("title", "pull_requests", limit=1)
    assert "values.title" in api.received[0]["fields"]
    assert "description" not in api.received[0]["fields"]


def test_without_a_next_link_it_is_read_on_by_number(api, session):
    api.collection(PULLS, numbered(120), next=False)
    assert len(session.values("id", "pull_requests")) == 120
    assert sorted(request["page"] or "1" for request in api.received) == ["1", "2", "3"]


def test_a_full_page_without_link_or_number_is_an_error_and_no_end(api, session):
    api.collection(PULLS, numbered(120), next=False, numbers=False)
    with pytest.raises(BadResponse, match="unexpected page"):
        session.values("id", "pull_requests")


def test_a_page_that_comes_again_is_an_error(api, session):
    def first(request):
        following = f"https://api.fake.example/2.0{PULLS}?page={len(api.received) + 1}"
        return {"values": [{"id": 1}], "next": following}

    api.fault(PULLS, first)
    with pytest.raises(BadResponse) as raised:
        session.values("id", "pull_requests")
    assert "earlier pages" in raised.value.detail


def test_rows_that_new_ones_move_to_the_next_page_come_once(api, session):
    listing = api.collection(PULLS, numbered(100))
    rows = iter(session.rows("pull_requests"))
    first = next(rows)["id"]
    listing.items.insert(0, {"id": 1000})
    assert [first, *(row["id"] for row in rows)] == list(range(1, 101))


def test_a_listing_that_loses_rows_meanwhile_is_said_to_be_short(api, session):
    listing = api.collection(PULLS, numbered(100))
    rows = iter(session.rows("pull_requests"))
    next(rows)
    del listing.items[:5]
    list(rows)
    assert len(session.doubts) == 0  # what the last page says is what was read or less
    api.fault(PULLS, {"values": [{"id": 1}], "size": 9})
    session.values("id", "pull_requests")
    assert "says that it has 9" in session.doubts[0]


def test_a_failure_on_a_later_page_is_an_error_and_no_end(api, session):
    api.fail(PULLS, 500, "broken", after=1)
    rows = iter(session.rows("pull_requests"))
    with pytest.raises(ServerFailure):
        list(rows)
    assert 2 <= len(api.calls) <= 3  # the third page may have been asked for beside the second


def test_who_goes_on_and_takes_every_row_has_all_pages_asked_for_at_once(api, session):
    rows = iter(session.rows("pull_requests"))
    list(itertools.islice(rows, 51))
    until = time.monotonic() + 10
    while len(api.received) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    assert sorted(request["page"] or "1" for request in api.received) == ["1", "2", "3"]


def test_pages_that_are_shorter_than_asked_for_are_all_read(api, session):
    api.collection(PULLS, numbered(35), longest=10)
    assert len(session.values("id", "pull_requests")) == 35
    assert len(api.calls) == 4


def test_a_page_length_that_is_refused_is_halved(api, session):
    def strict(request):
        if int(request["pagelen"]) > 25:
            return Reply({"type": "error", "error": {"message": "Invalid pagelen"}}, 400)
        return {"values": [{"id": 1}]}

    api.fault(PULLS, strict)
    assert session.values("id", "pull_requests") == [1]
    assert [request["pagelen"] for request in api.received] == ["50", "25"]


# --- items ---


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"title": "no key"}, "no id"),
        ({"id": 1, "draft": "perhaps"}, "draft"),
        ("text", "in place of an object"),
        ({}, "empty object"),
        (None, "in place of an object"),
    ],
)
def test_an_item_that_is_none_is_an_error_and_no_row(api, session, item, why):
    api.fault(PULLS, {"values": [item]})
    with pytest.raises(BadResponse) as raised:
        session.values("draft", "pull_requests")
    assert why in raised.value.detail


def test_an_error_under_status_200_is_an_error(api, session):
    api.fault(PULLS, {"type": "error", "error": {"message": "Try later"}})
    with pytest.raises(BadResponse) as raised:
        session.values("id", "pull_requests")
    assert "Try later" in raised.value.detail


def test_what_a_listing_leaves_out_is_read_item_by_item(api, session):
    complete = [{"id": 1, "reviewers": [{"uuid": "{1}"}]}, {"id": 2, "reviewers": []}]
    api.collection(PULLS, complete)
    api.fault(PULLS, {"values": [{"id": 1}, complete[1]]})
    rows = list(session.rows("pull_requests", columns=("reviewers",)))
    assert [row["reviewers"] for row in rows] == ['[{"uuid": "{1}"}]', "[]"]
    assert api.calls == [f"GET {PULLS}", f"GET {PULLS}/1"]


def test_rows_within_items_come_one_by_one(api, session):
    person = {"user": {"uuid": "{00000000-0000-0000-0000-00000000000%d}"}}
    participants = [
        {"user": {"uuid": person["user"]["uuid"] % n}, "state": "approved"} for n in (1, 2)
    ]
    api.collection(PULLS, [{"id": 1, "participants": participants}, {"id": 2, "participants": []}])
    rows = list(session.rows("pull_request_participants", columns=("state", "pull_request_id")))
    assert [(row["pull_request_id"], row["user_uuid"][-1]) for row in rows] == [(1, "1"), (1, "2")]


def test_a_list_within_an_item_that_is_missing_is_an_error_or_asked_for(api, session):
    api.collection(PULLS, [{"id": 1}])
    with pytest.raises(BadResponse) as raised:
        session.values("state", "pull_request_participants")
    assert "no list of participants" in raised.value.detail


# --- order ---


def test_rows_come_in_the_order_that_bitbucket_was_asked_for(api, session):
    found = session.values("created_on", "pull_requests", sort="-created_on")
    assert found == sorted(found, reverse=True)
    assert all(request["sort"] == "-created_on" for request in api.received)


def test_an_order_that_is_not_kept_is_made_up_for_here(api, session):
    api.collection(PULLS, numbered(20, created_on=lambda n: opened(n * 7)), heeds=False)
    found = session.values("created_on", "pull_requests", sort="created_on")
    assert found == sorted(found)
    assert "did not sort by created_on" in session.warnings[0]
    # From the next statement on it is planned so.
    api.taken()
    session.values("created_on", "pull_requests", sort="created_on")
    assert api.received[0]["sort"] is None
    assert len(session.warnings) == 1


def test_a_sorted_column_that_is_missing_is_an_error(api, session):
    api.fault(PULLS, {"values": [{"id": 1}]})
    with pytest.raises(BadResponse) as raised:
        session.values("created_on", "pull_requests", sort="created_on")
    assert "Leave ORDER BY out" in raised.value.hint


# --- several places ---


def workspace(api: FakeApi, *sizes: int) -> None:
    """Repositories ``r0``, ``r1``, … with so many pull requests each."""
    api.collection(
        "/repositories/acme",
        [{"slug": f"r{n}", "full_name": f"acme/r{n}"} for n in range(len(sizes))],
        key="slug",
    )
    for n, size in enumerate(sizes):
        api.collection(
            f"/repositories/acme/r{n}/pullrequests",
            numbered(size, state="OPEN", created_on=lambda i, n=n: opened(i * (n + 3))),
        )


def test_each_repository_is_asked_and_named_in_its_rows(api, session):
    workspace(api, 2, 0, 3)
    rows = list(session.rows("pull_requests", bound=WORKSPACE, columns=("repository",)))
    assert [(row["repository"], row["id"]) for row in rows] == [
        *(("r0", n) for n in (1, 2)),
        *(("r2", n) for n in (1, 2, 3)),
    ]
    assert len(api.calls) == 4


def test_sorted_listings_are_merged(api, session):
    workspace(api, 60, 70, 5)
    for sort in ("created_on", "-created_on"):
        found = session.values("created_on", "pull_requests", bound=WORKSPACE, sort=sort)
        assert len(found) == 135
        assert found == sorted(found, reverse=sort.startswith("-"))


def test_who_stops_after_the_first_repository_has_not_paid_for_all(api, session):
    workspace(api, *[3] * 20)
    list(itertools.islice(session.rows("pull_requests", bound=WORKSPACE, may_stop=True), 3))
    assert len(api.calls) <= 3
    # Whoever goes on has more of them under way, twice as many each time.
    api.taken()
    list(itertools.islice(session.rows("pull_requests", bound=WORKSPACE, may_stop=True), 4))
    session.client.workers.submit(int).result()  # whatever else was asked for came before
    assert len(api.calls) <= 5


def test_repositories_that_a_condition_rules_out_are_not_asked(api, session):
    workspace(api, 2, 2, 2)
    where = ("repository", ("=", True), ["r0", "r2"])
    assert len(session.values("id", "pull_requests", where, bound=WORKSPACE)) == 4
    assert not any("r1" in call for call in api.calls)


def test_more_repositories_than_requests_are_refused_before_the_first(api):
    workspace(api, *[1] * 30)
    session = Session.of(api, max_requests=10)
    with pytest.raises(TooManyRequests):
        session.values("id", "pull_requests", bound=WORKSPACE)
    assert api.calls == ["GET /repositories/acme"]


def test_more_pages_than_requests_are_an_error_at_the_first_too_many(api):
    session = Session.of(api, max_requests=2)
    with pytest.raises(TooManyRequests):
        session.values("id", "pull_requests")
    assert len(api.calls) == 2


# --- retries ---


def test_a_failure_is_repeated_without_waiting_for_real(api):
    session = Session.of(api, retry_limit=3)
    api.fail(PULLS, 503, count=2)
    assert len(session.values("id", "pull_requests")) == 120
    assert len(api.calls) == 5
    assert len(api.clock.pauses) == 2


def test_the_pause_that_is_asked_for_is_made(api):
    session = Session.of(api, retry_limit=3)
    api.fail(PULLS, 429, headers={"Retry-After": "17"}, count=1)
    session.values("id", "pull_requests", limit=1)
    assert api.clock.pauses == [17.0]


def test_what_is_certainly_wrong_is_not_repeated(api):
    session = Session.of(api, retry_limit=3)
    api.fail(PULLS, 400, "nonsense")
    with pytest.raises(Rejected):
        session.values("id", "pull_requests")
    assert len(api.calls) == 1


# --- what is learned ---


def test_the_size_of_a_listing_is_remembered_for_estimates(api, session):
    session.values("id", "pull_requests", limit=1)
    sizes = session.observations.of(session.client).sizes
    assert sizes.guess(plan(session.request("pull_requests", bound=REPOSITORY)), 1) == 120
    other = session.observations.of(api.client(base_url="https://other.example/2.0")).sizes
    assert other.guess(plan(session.request("pull_requests")), 1) != 120


# --- several listings ---


@pytest.mark.parametrize("may_stop", [False, True], ids=["all", "some"])
def test_other_listings_go_on_while_a_long_one_is_read(may_stop):
    slugs = [f"r{n}" for n in range(9)]
    api = FakeApi.of_repositories(*slugs)
    paths = [f"/repositories/acme/{slug}/pullrequests" for slug in slugs]
    for path in paths:
        api.collection(path, numbered(500 if path == paths[0] else 1))
    session = Session.of(api, concurrency=2)
    rows = iter(session.rows("pull_requests", bound=WORKSPACE, may_stop=may_stop))

    def asked() -> set[str]:
        return {path for path in paths if f"GET {path}" in api.calls}

    next(rows)
    wait_until(lambda: len(asked()) >= (1 if may_stop else 2), 30, lambda: f"{asked()}")
    for _ in itertools.islice(rows, 399):
        time.sleep(0.001)  # for the others to be answered
    assert asked() == set(paths[: 1 if may_stop else 4])  # twice as many as requests may be
    for _ in itertools.islice(rows, 100):
        time.sleep(0.001)
    # No further page of it is left to be asked for: there is room for first ones.
    assert asked() == set(paths[: 1 if may_stop else 6])
    assert len([*rows]) == len(slugs) - 1
    assert asked() == set(paths)


@pytest.mark.parametrize("may_stop", [False, True], ids=["all", "some"])
def test_parents_of_several_listings_are_read_side_by_side(may_stop):
    slugs = ["r0", "r1", "r2"]
    api = FakeApi.of_repositories(*slugs)
    for slug in slugs:
        at = f"/repositories/acme/{slug}/pullrequests"
        api.collection(at, numbered(1, comment_count=1))
        api.collection(f"{at}/1/comments", numbered(1))
    session = Session.of(api, concurrency=2)
    rows = iter(session.rows("pull_request_comments", bound=WORKSPACE, may_stop=may_stop))
    next(rows)

    def asked() -> list[str]:
        return sorted({call for call in api.calls if call.endswith("/pullrequests")})

    wait_until(lambda: len(asked()) == (1 if may_stop else 3), 30, lambda: f"{asked()}")
    assert len([*rows]) == 2
