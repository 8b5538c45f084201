"""Filters and orders that Bitbucket refuses, or leaves out of account without a word."""

import pytest

from bitbucket_fdw.errors import BadResponse, Rejected, ServerFailure
from bitbucket_fdw.reading.streams import ListingRefused
from tests.support.fake_api import FakeApi, Reply, error, numbered
from tests.support.reading import AT, Session

PULLS = f"{AT}/pullrequests"
DRAFTS = ("draft", "=", True)


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.collection(
        PULLS,
        numbered(
            120,
            state=lambda n: "OPEN" if n % 2 else "MERGED",
            draft=lambda n: n % 5 == 0,
            created_on=lambda n: f"2026-01-{1 + n % 28:02}T00:00:00+00:00",
        ),
    )
    return made


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


def refuses(api: FakeApi, parameter: str, reply: Reply, within: str = "") -> None:
    """Have the listing refuse a query parameter, or one that has a text in it."""

    def answer(request):
        refused = request[parameter] is not None and within in request[parameter]
        return reply if refused else api.without_faults(request)

    api.fault(PULLS, answer)


def test_a_filter_travels(api, session):
    assert len(session.values("id", "pull_requests", DRAFTS)) == 24
    assert "draft" in api.received[0]["q"]


@pytest.mark.parametrize(
    ("reply", "certain"),
    [
        (error(400, "draft does not support filtering"), True),
        (error(400, "Invalid query"), True),
        (error(400, "no such luck"), False),
        (error(500, "Something went wrong"), False),
        (Reply(None, 400), False),
    ],
)
def test_a_filter_that_is_refused_is_done_without(api, session, reply, certain):
    refuses(api, "q", reply, within="draft")
    found = session.values("draft", "pull_requests", DRAFTS)
    assert len(found) == 120  # PostgreSQL tests them again
    assert "refused to filter by draft" in session.warnings[0]
    api.taken()
    session.values("draft", "pull_requests", DRAFTS)
    # What the answer says is about filters is remembered, and nothing else is.
    assert (api.received[0]["q"] is None or "draft" not in api.received[0]["q"]) == certain
    assert len(session.warnings) == (1 if certain else 2)


def test_only_the_filter_that_is_named_is_given_up(api, session):
    refuses(api, "q", error(400, "draft cannot be used"), within="draft")
    found = session.values("state", "pull_requests", DRAFTS, ("state", "=", "OPEN"))
    assert len(found) == 60
    assert set(found) == {"OPEN"}


def test_another_credential_of_the_same_api_need_not_learn_it_again(api, session):
    refuses(api, "q", error(400, "draft does not support filtering"), within="draft")
    session.values("id", "pull_requests", DRAFTS)
    api.taken()
    session.client = api.client(timeout=7)
    session.values("id", "pull_requests", DRAFTS)
    assert len(session.warnings) == 1


def test_a_limit_is_counted_after_a_filter_that_was_refused(api, session):
    refuses(api, "q", error(400, "draft does not support filtering"), within="draft")
    found = session.values("draft", "pull_requests", DRAFTS, limit=5, offset=2)
    assert found == [True] * 5


def test_an_order_that_is_refused_is_made_up_for(api, session):
    refuses(api, "sort", error(400, "Invalid sort field"))
    found = session.values("created_on", "pull_requests", sort="-created_on", limit=30)
    assert found == sorted(found, reverse=True)
    assert len(found) == 30
    assert "sort by created_on" in session.warnings[0]
    every = session.values("created_on", "pull_requests", sort="created_on")
    assert every == sorted(every)
    assert len(every) == 120


def test_a_filter_that_is_not_applied_is_noticed(api, session):
    api.collection(PULLS, numbered(30, draft=lambda n: n % 2 == 0), heeds=False)
    found = session.values("draft", "pull_requests", DRAFTS, limit=10)
    assert found == [True] * 10
    assert "did not filter by draft" in session.warnings[0]


def test_rows_that_have_gone_up_do_not_come_again(api, session):
    pages = [
        {"values": [{"id": 1, "draft": True}], "next": f"https://api.fake.example/2.0{PULLS}?p=2"},
        {"values": [{"id": 2, "draft": False}]},
    ]
    api.fault(PULLS, lambda _: pages[len(api.received) - 1])
    rows = iter(session.rows("pull_requests", DRAFTS, limit=10))
    next(rows)
    with pytest.raises(ListingRefused) as raised:
        list(rows)
    assert "Run the statement again" in raised.value.hint


def test_what_was_not_asked_for_cannot_be_refused(api, session):
    api.fail(PULLS, 400, "filter")
    with pytest.raises(Rejected):
        session.values("id", "pull_requests")
    assert session.warnings == []


def test_a_server_that_fails_is_not_read_whole_beyond_the_budget(api):
    api.fail(PULLS, 500, "broken", count=1)
    session = Session.of(api, max_requests=3)
    with pytest.raises(ServerFailure):
        session.values("id", "pull_requests", DRAFTS)
    assert len(api.calls) == 1


# --- counts ---


def test_a_count_takes_one_request(api, session):
    assert len(session.count("pull_requests")) == 120
    [request] = api.received
    assert "values" not in request["fields"] or "size" in request["fields"]


def test_a_count_under_a_filter_is_believed_after_a_look(api, session):
    assert len(session.count("pull_requests", DRAFTS)) == 24
    assert len(api.calls) == 1


def test_a_count_without_a_size_reads_the_items(api, session):
    api.collection(PULLS, numbered(120), size=False)
    assert len(session.count("pull_requests")) == 120
    assert len(api.calls) >= 3


def test_a_count_that_does_not_heed_the_filter_is_not_believed(api, session):
    api.collection(PULLS, numbered(30, draft=lambda n: n % 2 == 0), heeds=False)
    found = session.count("pull_requests", DRAFTS)
    assert len([row for row in found if row.get("draft", True)]) in (15, 30)
    assert "did not filter by draft" in session.warnings[0]


@pytest.mark.parametrize(
    "envelope",
    [
        {"size": 7},
        {"size": 7, "values": []},
        {"size": 7, "values": ["text"]},
        {"size": 1, "values": [{"id": 5, "draft": True}, {"id": 10, "draft": True}]},
        {"size": "many", "values": [{"id": 5, "draft": True}]},
    ],
)
def test_a_size_that_cannot_be_believed_is_counted_instead(api, session, envelope):
    api.fault(PULLS, envelope, count=1)
    assert len(session.count("pull_requests", DRAFTS)) == 24


def test_a_count_that_is_no_object_is_an_error(api, session):
    for answer in ([1], {"type": "error", "error": {"message": "no"}}):
        api.heal()
        api.fault(PULLS, Reply(answer))
        with pytest.raises(BadResponse):
            session.count("pull_requests")


def test_a_count_of_what_is_not_there_is_none(api, session):
    api.collection(
        "/repositories/acme", [{"slug": "website", "full_name": "acme/website"}], key="slug"
    )
    api.collection("/repositories/acme/website/issues", [])
    api.fail(f"{AT}/issues", 404)
    assert session.count("issues") == []
    assert session.notices()


def test_a_count_whose_filter_is_refused_reads_without(api, session):
    refuses(api, "q", error(400, "draft does not support filtering"), within="draft")
    found = session.count("pull_requests", DRAFTS)
    assert len(found) == 120
    assert session.warnings
