"""Items that a listing wraps, with something beside them that the single item does not tell."""

import pytest

from bitbucket_fdw.api import Credential
from bitbucket_fdw.errors import Forbidden
from tests.support.fake_api import FakeApi
from tests.support.reading import WORKSPACE, Session

TABLE = "workspaces"
LISTING, ITEM = "/user/workspaces", "/workspaces/acme"
ACME = {"slug": "acme", "uuid": "{00000000-0000-4000-8000-000000000001}", "name": "Acme"}
BASE = {name: ACME[name] for name in ("slug", "uuid")}
ALL = {"slug": "acme", "name": "Acme", "administrator": True}


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    made.on(LISTING, {"values": [{"administrator": True, "workspace": BASE}]})
    made.on(ITEM, ACME)
    return made


def read(session: Session, *quals, **more):
    return [
        {name: row[name] for name in ALL}
        for row in session.rows(TABLE, *quals, columns=tuple(ALL), **more)
    ]


@pytest.mark.parametrize("bound", [{}, WORKSPACE], ids=["all", "one"])
def test_a_row_has_what_stands_beside_the_item_and_what_only_the_item_has(api, bound):
    assert read(Session.of(api), bound=bound) == [ALL]
    found = [call.partition("?")[0] for call in api.calls]
    assert found == [f"GET {path}" for path in ((ITEM, LISTING) if bound else (LISTING, ITEM))]


def test_others_of_the_listing_are_no_rows(api):
    """Where it ignores the condition, or knows workspaces by more than one name."""
    other = {"slug": "globex", "uuid": "{00000000-0000-4000-8000-000000000002}"}
    entries = [{"administrator": n == 1, "workspace": w} for n, w in enumerate((other, BASE))]
    api.fault(LISTING, {"values": entries})
    by_uuid = ACME["uuid"].strip("{}")
    api.on(f"/workspaces/.*{by_uuid}.*", ACME)
    assert read(Session.of(api), bound=WORKSPACE) == [ALL]
    [row] = read(Session.of(api), bound={"workspace": ACME["uuid"]})
    assert row["administrator"] is True


def test_a_workspace_that_the_listing_has_not_is_a_row_and_a_warning(api):
    api.fault(LISTING, {"values": []})
    session = Session.of(api)
    assert read(session, bound=WORKSPACE) == [{**ALL, "administrator": None}]
    assert session.doubts == [f"GET {LISTING} lists no slug acme, so that administrator is NULL"]


def test_the_item_alone_is_read_where_it_has_all_that_is_wanted(api):
    session = Session.of(api)
    [row] = session.rows(TABLE, columns=("name",), bound=WORKSPACE)
    assert row["name"] == "Acme"
    assert [call.partition("?")[0] for call in api.calls] == [f"GET {ITEM}"]


def by_token(api: FakeApi) -> Session:
    """A session with an access token, which the listing refuses."""
    api.fail(LISTING, 403)
    return Session(api, api.client(Credential.bearer("access_token", "a-long-token")))


def test_an_access_token_reads_the_item_and_is_told_what_is_missing(api):
    session = by_token(api)
    assert read(session, bound=WORKSPACE) == [{**ALL, "administrator": None}]
    assert session.warnings == ["workspaces: access tokens are not told administrator; it is NULL"]


def test_no_row_is_judged_by_what_an_access_token_is_not_told(api):
    with pytest.raises(Forbidden):
        read(by_token(api), ("administrator", "=", False), bound=WORKSPACE)


def test_a_listing_that_refuses_an_access_token_is_an_error_where_no_item_is_named(api):
    with pytest.raises(Forbidden):
        read(by_token(api), bound={})


def test_another_credential_that_is_refused_is_an_error(api):
    api.fail(LISTING, 403)
    with pytest.raises(Forbidden):
        read(Session.of(api), bound=WORKSPACE)
