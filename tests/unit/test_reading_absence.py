"""What is not there, refuses, or is turned off: an error, or no rows and a warning."""

import pytest

from bitbucket_fdw.errors import BadResponse, Forbidden, Gone, NotFound
from tests.support.fake_api import FakeApi, Reply, numbered
from tests.support.reading import AT, WORKSPACE, Session

PULLS = f"{AT}/pullrequests"
OTHER = "/repositories/acme/other"
UUID = "{00000000-0000-0000-0000-000000000001}"


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi()
    repositories = [
        {"slug": "website", "full_name": "acme/website", "has_issues": True},
        {"slug": "other", "full_name": "acme/other", "has_issues": True},
        {"slug": "third", "full_name": "acme/third", "has_issues": False},
    ]
    made.collection("/repositories/acme", repositories, key="slug")
    made.collection(PULLS, numbered(3, state="OPEN"))
    made.collection(f"{OTHER}/pullrequests", numbered(2, state="OPEN"))
    made.collection("/repositories/acme/third/pullrequests", [])
    made.collection(f"{AT}/issues", numbered(2))
    made.collection(f"{OTHER}/issues", numbered(1))
    return made


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


def texts(session: Session) -> str:
    return "\n".join(f"{n.message} {n.detail or ''}" for n in session.notices())


# --- items ---


def test_an_item_is_found_by_its_key(api, session):
    assert session.values("id", "pull_requests", ("id", "=", 2)) == [2]
    assert api.calls == [f"GET {PULLS}"] or api.calls == [f"GET {PULLS}/2"]


def test_an_item_that_is_not_there_is_no_row_once_its_listing_answers(api, session):
    assert session.values("id", "issues", ("id", "=", 99)) == []
    assert api.taken() == [f"GET {AT}/issues/99", f"GET {AT}/issues"]
    # That the listing answers is known for a while.
    assert session.values("id", "issues", ("id", "=", 98)) == []
    assert api.taken() == [f"GET {AT}/issues/98"]
    api.clock.sleep(601)
    session.values("id", "issues", ("id", "=", 97))
    assert len(api.taken()) == 2
    assert session.notices() == []


def test_another_session_does_not_know_what_this_one_has_seen(api, session):
    session.values("id", "issues", ("id", "=", 99))
    api.taken()
    Session.of(api).rows("issues", ("id", "=", 99))
    assert Session.of(api).values("id", "issues", ("id", "=", 99)) == []
    assert len(api.taken()) == 2


def test_an_item_whose_whole_repository_is_not_there_is_an_error(api, session):
    bound = {"workspace": "acme", "repository": "nowhere"}
    with pytest.raises(NotFound):
        session.values("name", "branches", ("name", "=", "main"), bound=bound)


def test_an_answer_about_another_item_is_an_error(api, session):
    api.fault(f"{AT}/issues/1", {"id": 7})
    with pytest.raises(BadResponse) as raised:
        session.values("id", "issues", ("id", "=", 1))
    assert "the item with id 7" in raised.value.detail


def test_a_name_that_bitbucket_spells_otherwise_is_no_row(api, session):
    api.collection(f"{AT}/refs/branches", [{"name": "main"}], key="name")
    api.fault(f"{AT}/refs/branches/MAIN", {"name": "main"})
    assert session.values("name", "branches", ("name", "=", "MAIN")) == []
    [notice] = session.notices()
    assert '"MAIN"' in notice.message
    assert notice.mild


def test_an_item_that_is_no_object_is_an_error(api, session):
    for answer in ([1], "text", 7):
        api.heal()
        api.fault(f"{AT}/issues/1", Reply(answer if not isinstance(answer, str) else '"text"'))
        with pytest.raises(BadResponse):
            session.values("id", "issues", ("id", "=", 1))


# --- listings ---


def test_a_repository_that_options_name_has_to_be_there(api, session):
    bound = {"workspace": "acme", "repository": "nowhere"}
    for table in ("pull_requests", "branches"):
        with pytest.raises(NotFound):
            session.values("name" if table == "branches" else "id", table, bound=bound)


def test_a_repository_that_the_query_names_and_is_not_there_has_no_rows(api, session):
    where = ("repository", "=", "nowhere")
    assert session.values("id", "pull_requests", where, bound=WORKSPACE) == []
    assert "acme/nowhere" in texts(session)


@pytest.mark.parametrize("strict", [False, True])
def test_a_repository_that_refuses_is_left_out_with_a_warning_or_an_error(api, session, strict):
    api.fail(f"{OTHER}/pullrequests", 403, "No access")
    rows = session.rows("pull_requests", bound=WORKSPACE, columns=("repository",), strict=strict)
    if strict:
        with pytest.raises(Forbidden):
            list(rows)
        return
    assert {row["repository"] for row in rows} == {"website"}
    [notice] = session.notices()
    assert "acme/other" in notice.message
    assert "No access" in notice.detail
    assert not notice.mild
    assert len(api.calls) == 4  # the repositories, and each of them once


def test_a_feature_that_refuses_is_not_one_that_is_off(api, session):
    api.fail(f"{OTHER}/issues", 403, "No access")
    assert len(session.values("id", "issues", bound=WORKSPACE)) == 2
    [notice] = session.notices()
    assert notice.message.startswith("issues: skipped")


def test_a_scope_that_is_missing_is_an_error_whatever_the_repository(api, session):
    headers = {"X-Accepted-OAuth-Scopes": "pullrequest", "X-OAuth-Scopes": "repository"}
    api.fail(f"{OTHER}/pullrequests", 403, "No scope", headers=headers)
    with pytest.raises(Forbidden):
        session.values("id", "pull_requests", bound=WORKSPACE)


def test_a_bound_repository_that_refuses_is_an_error(api, session):
    api.fail(PULLS, 403)
    with pytest.raises(Forbidden):
        session.values("id", "pull_requests")


def test_an_endpoint_that_is_gone_is_an_error(api, session):
    api.fail(PULLS, 410, "Gone")
    with pytest.raises(Gone):
        session.values("id", "pull_requests")


@pytest.mark.parametrize("status", [404, 410])
def test_a_feature_that_is_off_has_no_rows_and_a_warning(api, session, status):
    api.fail(f"{AT}/issues", status, "Repository has no issue tracker.")
    assert session.values("id", "issues") == []
    assert '"acme/website"' in texts(session)
    assert session.notices() == []  # it is said once


def test_a_feature_of_a_repository_that_is_not_there_is_an_error(api, session):
    bound = {"workspace": "acme", "repository": "nowhere"}
    with pytest.raises(NotFound):
        session.values("id", "issues", bound=bound)


def test_repositories_that_say_they_lack_the_feature_are_not_asked(api, session):
    assert len(session.values("id", "issues", bound=WORKSPACE)) == 3
    assert not any("third" in call for call in api.calls)


def test_an_empty_repository_has_no_commits(api, session):
    assert session.values("hash", "commits") == []
    assert api.calls == [f"GET {AT}/commits", f"GET {AT}"]


def test_commits_that_cannot_be_had_of_a_repository_with_a_branch_are_an_error(api, session):
    listed = api.collection("/repositories/acme", [], key="slug")
    listed.items.append(
        {"slug": "website", "full_name": "acme/website", "mainbranch": {"name": "main"}}
    )
    with pytest.raises(NotFound):
        session.values("hash", "commits")


def test_what_belongs_to_an_item_that_is_not_there_has_no_rows(api, session):
    api.fail(f"{PULLS}/77/comments", 404, "No such pull request")
    assert session.values("id", "pull_request_comments", ("pull_request_id", "=", 77)) == []
    assert session.notices() == []


def test_comments_of_an_item_that_is_there_and_that_refuse_are_an_error(api, session):
    api.fail(f"{PULLS}/1/comments", 404, "No such thing")
    with pytest.raises(NotFound):
        session.values("id", "pull_request_comments", ("pull_request_id", "=", 1))


# --- spelling ---


@pytest.mark.parametrize("given", ["Website", UUID])
def test_a_slug_is_spelled_as_bitbucket_does_or_there_are_no_rows(api, session, given):
    api.fault(
        f"/repositories/acme/{given}".replace("{", r"\{").replace("}", r"\}"), {"slug": "website"}
    )
    where = ("repository", "=", given)
    assert session.values("id", "pull_requests", where, bound=WORKSPACE) == []
    assert f'"{given}"' in texts(session)
    assert len(api.taken()) == 1
    assert session.values("id", "pull_requests", where, bound=WORKSPACE) == []
    assert api.taken() == []  # it is known how it is spelled


def test_what_is_written_in_lower_case_is_not_asked_for_its_spelling(api, session):
    where = ("repository", "=", "website")
    assert len(session.values("id", "pull_requests", where, bound=WORKSPACE)) == 3
    assert api.calls == [f"GET {PULLS}"]


def test_a_list_of_names_in_the_wrong_case_is_told(api, session):
    where = ("slug", ("=", True), ["WEBSITE", "other"])
    found = session.values("slug", "repositories", where, bound=WORKSPACE)
    assert found == ["other"]


# --- a form of the address that is in dispute ---

NOT_HOSTED = {"type": "error", "error": {"message": "There is no API hosted at this URL."}}


def test_an_address_that_is_not_hosted_is_asked_for_in_its_other_form(api, session):
    page = {"values": [{"uuid": UUID, "build_number": 1}], "size": 1}
    api.fault(f"{AT}/pipelines/?", lambda r: Reply(NOT_HOSTED, 404) if r.path[-1] == "/" else page)
    assert session.values("build_number", "pipelines") == [1]
    assert session.values("build_number", "pipelines") == [1]
    assert api.calls == [f"GET {AT}/pipelines/", f"GET {AT}/pipelines", f"GET {AT}/pipelines"]


def test_an_address_that_has_neither_form_is_not_asked_for_without_end(api, session):
    api.fault(f"{AT}/pipelines/?", Reply(NOT_HOSTED, 404))
    assert session.values("build_number", "pipelines") == []
    assert "without Pipelines" in texts(session)
    assert api.calls == [f"GET {AT}/pipelines/", f"GET {AT}/pipelines", f"GET {AT}"]


def test_a_count_is_asked_for_in_the_other_form_as_well(api, session):
    page = {"values": [{"uuid": UUID, "build_number": 1}], "size": 12}
    api.fault(f"{AT}/pipelines/?", lambda r: Reply(NOT_HOSTED, 404) if r.path[-1] == "/" else page)
    assert len(list(session.count("pipelines"))) == 12
    assert api.calls == [f"GET {AT}/pipelines/", f"GET {AT}/pipelines"]
