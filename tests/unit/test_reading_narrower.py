"""Listings that are read where a condition gives their key, such as those of one pull request."""

import pytest

from bitbucket_fdw.errors import Gone, TooManyRequests
from bitbucket_fdw.tables import BY_NAME
from tests.support.fake_api import FakeApi
from tests.support.reading import AT, WORKSPACE, Session

TABLE = "pull_request_activity"
FEED = f"{AT}/pullrequests/activity"
ONE = f"{AT}/pullrequests/7/activity"
ENTRY = {"pull_request": {"id": 7}, "approval": {"date": "2026-01-01T00:00:00Z"}}


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.collection(FEED, [ENTRY], key="none")
    made.collection(ONE, [ENTRY], key="none")
    return made


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


def test_what_is_not_there_has_no_rows(session):
    assert session.values("kind", TABLE, ("pull_request_id", "=", 8)) == []


def test_a_narrower_listing_that_is_gone_is_an_error_and_no_empty_result(api, session):
    api.fail(ONE, 410)
    with pytest.raises(Gone):
        session.values("kind", TABLE, ("pull_request_id", "=", 7))


def test_more_narrower_listings_than_requests_are_refused_before_the_first():
    api = FakeApi()
    slugs = [f"r{n}" for n in range(4)]
    repositories = [{"slug": slug, "full_name": f"acme/{slug}"} for slug in slugs]
    api.collection("/repositories/acme", repositories, key="slug")
    session = Session.of(api, max_requests=10)
    with pytest.raises(TooManyRequests):
        session.values("kind", TABLE, ("pull_request_id", ("=", True), [1, 2, 3]), bound=WORKSPACE)
    assert api.calls == ["GET /repositories/acme"]


def test_the_size_of_one_listing_is_remembered_as_its_own(session):
    sizes = session.observations.of(session.client).sizes
    session.values("kind", TABLE, ("pull_request_id", "=", 7))
    assert sizes.seen(BY_NAME[TABLE], ONE) == 1
    assert sizes.seen(BY_NAME[TABLE], FEED) is None
