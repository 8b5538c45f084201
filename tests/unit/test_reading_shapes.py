"""Endpoints that answer something else than pages, read in process: arrays, objects, narrower
listings."""

import pytest

from bitbucket_fdw.errors import BadResponse, Forbidden, NotFound
from bitbucket_fdw.tables import BY_NAME
from bitbucket_fdw.tables.columns import column
from bitbucket_fdw.tables.endpoints import Collection, Shape
from bitbucket_fdw.tables.repositories import OF_REPOSITORY
from bitbucket_fdw.tables.shared_columns import repository_columns
from bitbucket_fdw.tables.table import Scopes, Table
from tests.support.fake_api import FakeApi, Reply
from tests.support.reading import AT, WORKSPACE, Session

OTHER = "/repositories/acme/other"
_AT = "/repositories/{workspace}/{repository}"
ARRAY, OBJECT = f"{AT}/checks", f"{AT}/config"


class Checks(Table):
    name = "checks"
    scopes = Scopes()
    collection = Collection(f"{_AT}/checks", None, size=False, shape=Shape.ARRAY)
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository", "name")
    columns = (*repository_columns(), column("name", "text", "Name"), column("ok", "boolean", "Ok"))


class Config(Table):
    name = "config"
    scopes = Scopes()
    collection = Collection(f"{_AT}/config", None, size=False, shape=Shape.OBJECT)
    parent = OF_REPOSITORY
    primary_key = ("workspace", "repository")
    always = "enabled"
    columns = (*repository_columns(), column("enabled", "boolean", "Is on"))


@pytest.fixture
def api() -> FakeApi:
    return FakeApi.of_repositories("website", "other")


@pytest.fixture
def session(api, monkeypatch) -> Session:
    for table in (Checks, Config):
        monkeypatch.setitem(BY_NAME, table.name, table)
    return Session.of(api)


def fields(api: FakeApi, path: str) -> set[str]:
    return {str(r["fields"]) for r in api.received if r.path == path}


# --- arrays ---


def test_the_items_of_an_array_are_rows(api, session):
    api.on(ARRAY, [{"name": "a", "ok": True}, {"name": "b", "ok": False}])
    assert session.values("ok", "checks") == [True, False]
    assert fields(api, ARRAY) == {"name,ok"}
    assert len(api.received) == 1


def test_where_an_array_was_expected_a_page_is_read_as_well(api, session):
    page = {"values": [{"name": "a"}], "next": None}
    api.on(ARRAY, page)
    assert session.values("name", "checks") == ["a"]


def test_an_empty_array_is_no_row(api, session):
    api.on(ARRAY, [])
    assert session.values("name", "checks") == []


@pytest.mark.parametrize("answer", [{}, "x", 7, None, {"values": 1}, [7], [{}], [None], ["x"]])
def test_what_is_no_array_of_items_is_an_error(api, session, answer):
    api.on(ARRAY, lambda _: Reply(answer))
    with pytest.raises(BadResponse):
        session.values("name", "checks")


def test_an_array_of_a_repository_that_is_gone_is_an_error(api, session):
    with pytest.raises(NotFound):
        session.values("name", "checks")


# --- objects ---


@pytest.mark.parametrize("enabled", [True, False])
def test_an_object_is_one_row(api, session, enabled):
    api.on(OBJECT, {"type": "config", "enabled": enabled})
    assert session.values("enabled", "config") == [enabled]
    assert fields(api, OBJECT) == {"enabled"}


def test_an_object_that_is_not_there_is_no_row_if_its_repository_is(api, session):
    assert session.values("enabled", "config") == []
    assert session.notices() == []
    assert api.taken() == [f"GET {OBJECT}", f"GET {AT}"]


def test_an_object_of_a_repository_that_is_gone_is_an_error(api, session):
    with pytest.raises(NotFound):
        session.values("enabled", "config", bound={"workspace": "acme", "repository": "nowhere"})


def test_an_object_that_refuses_is_an_error(api, session):
    api.fail(OBJECT, 403)
    with pytest.raises(Forbidden):
        session.values("enabled", "config")


def test_of_several_repositories_some_have_the_object(api, session):
    api.on(f"{OTHER}/config", {"enabled": True})
    rows = list(session.rows("config", columns=("enabled", "repository"), bound=WORKSPACE))
    assert [(row["repository"], row["enabled"]) for row in rows] == [("other", True)]
    assert session.notices() == []


@pytest.mark.parametrize("answer", [[], "x", 7, None, {}, {"values": []}, {"other": 1}])
def test_what_is_no_such_object_is_an_error(api, session, answer):
    api.on(OBJECT, lambda _: Reply(answer))
    with pytest.raises(BadResponse):
        session.values("enabled", "config")


@pytest.mark.parametrize("shape", [Shape.ARRAY, Shape.OBJECT])
@pytest.mark.parametrize("more", [{"q": True}, {"size": True}, {"pagelen": 100}])
def test_what_has_no_pages_is_not_declared_to_have_any(shape, more):
    with pytest.raises(ValueError, match="no pages"):
        Collection("/x", **{"pagelen": None, "size": False, **more}, shape=shape)


# --- narrower listings ---

FEED = f"{AT}/pullrequests/activity"
ACTIVITY = "pull_request_activity"


def entry(number: int) -> dict:
    return {"pull_request": {"id": number}, "approval": {"date": "2026-01-01T00:00:00Z"}}


def test_a_narrower_listing_is_read_where_a_condition_names_its_key(api, session):
    api.collection(f"{AT}/pullrequests/7/activity", [entry(7), entry(7)], size=False)
    assert session.values("kind", ACTIVITY, ("pull_request_id", "=", 7)) == ["approval"] * 2
    assert api.taken() == [f"GET {AT}/pullrequests/7/activity"]


def test_several_values_are_a_listing_each(api, session):
    for number in (7, 8):
        api.collection(f"{AT}/pullrequests/{number}/activity", [entry(number)], size=False)
    wanted = ("pull_request_id", ("=", True), [7, 8])
    assert session.values("pull_request_id", ACTIVITY, wanted) == [7, 8]


def test_what_has_no_narrower_listing_has_no_rows_if_the_feed_answers(api, session):
    api.collection(FEED, [entry(7)], size=False)
    assert session.values("kind", ACTIVITY, ("pull_request_id", "=", 9)) == []
    assert session.notices() == []
    assert api.taken() == [f"GET {AT}/pullrequests/9/activity", f"GET {FEED}"]


def test_where_the_feed_is_gone_too_it_is_an_error(api, session):
    with pytest.raises(NotFound):
        session.values("kind", ACTIVITY, ("pull_request_id", "=", 9), bound=nowhere())


def nowhere() -> dict[str, str]:
    return {"workspace": "acme", "repository": "nowhere"}


def test_each_repository_of_a_workspace_is_asked_for_its_own(api, session):
    for at in (AT, OTHER):
        api.collection(f"{at}/pullrequests/activity", [], size=False)
    api.collection(f"{OTHER}/pullrequests/7/activity", [entry(7)], size=False)
    rows = list(
        session.rows(
            ACTIVITY,
            ("pull_request_id", ("=", True), [7, 9]),
            columns=("repository", "pull_request_id"),
            bound=WORKSPACE,
        )
    )
    assert [(row["repository"], row["pull_request_id"]) for row in rows] == [("other", 7)]
