"""Listings that refuse for reasons of their own, filters of lists, and look-ups by first digits."""

from __future__ import annotations

import pytest

from bitbucket_fdw.errors import NotFound, NotReady, Rejected, TooManyRequests
from bitbucket_fdw.pushdown import plan
from bitbucket_fdw.reading import costs
from bitbucket_fdw.reading.sizes import Sizes
from bitbucket_fdw.tables import TABLES
from tests.support.fake_api import BASE, FakeApi, Reply, numbered
from tests.support.reading import AT, WORKSPACE, Session

PULLS = f"{AT}/pullrequests"
UNLISTABLE = [(t, status) for t in TABLES if t.unlistable for status in t.unlistable.statuses]
SET_UP = [table for table in TABLES if table.set_up]
UUID, OTHER = (f"{{00000000-0000-0000-0000-00000000000{n}}}" for n in (1, 2))
DIGEST = "0123456789abcdef0123456789abcdef01234567"
LOOK_UPS = [(table, c) for table in TABLES for c in table.columns if c.begins]


@pytest.fixture
def api() -> FakeApi:
    made = FakeApi.of_repositories("website", "other")
    made.collection(PULLS, numbered(3, state="OPEN"))
    made.collection("/repositories/acme/other/pullrequests", [])
    return made


@pytest.fixture
def session(api: FakeApi) -> Session:
    return Session.of(api)


def own(table, number=r"\d+"):
    """The path of the table's listing of a pull request, as a regular expression."""
    return f"{PULLS}/{number}/{table.collection.path.rpartition('/')[2]}"


def said(session: Session) -> str:
    return "\n".join(f"{n.message} {n.detail or ''}" for n in session.notices())


# --- listings that refuse where there is nothing to list ---

each = pytest.mark.parametrize(
    ("table", "status"), UNLISTABLE, ids=lambda v: getattr(v, "name", str(v))
)


@each
@pytest.mark.parametrize("bound", [None, WORKSPACE], ids=["repository", "workspace"])
def test_one_that_is_there_has_no_rows_and_is_named(api, session, table, status, bound):
    api.on(own(table), {"values": [], "size": 0})
    api.fail(own(table, "2"), status, "Nothing to compare")
    more = {} if bound is None else {"bound": bound}
    assert list(session.rows(table.name, **more)) == []
    told = said(session)
    assert f"{table.name}: no rows of {table.unlistable.what}: " in told
    assert '"acme/website/2"' in told
    assert "Nothing to compare" in told


@each
def test_in_a_fan_out_nothing_is_asked_again(api, session, table, status):
    api.fail(own(table), status)
    list(session.rows(table.name))
    assert len(api.calls) == 1 + 3  # the pull requests, and the listing of each


@each
def test_one_that_the_query_names_is_looked_up(api, session, table, status):
    """What it belongs to may not be there at all: then there is nothing to warn of."""
    api.fail(own(table), status)
    key = ("pull_request_id", "=", 2)
    assert list(session.rows(table.name, key)) == []
    assert "acme/website/2" in said(session)
    assert f"GET {PULLS}/2" in api.taken()
    assert list(session.rows(table.name, ("pull_request_id", "=", 99))) == []
    assert said(session) == ""


@each
def test_counting_is_no_other_matter(api, session, table, status):
    api.fail(own(table), status)
    assert session.count(table.name, ("pull_request_id", "=", 2)) == []
    assert "acme/website/2" in said(session)


@pytest.mark.parametrize("table", [t for t, s in UNLISTABLE if s == 400], ids=lambda t: t.name)
@pytest.mark.parametrize("key", [True, False], ids=["rows", "a count"])
def test_a_refusal_of_the_request_itself_says_nothing_of_the_pull_request(api, session, table, key):
    api.fail(own(table), 400, "Invalid pagelen")
    for asked in ((), (("pull_request_id", "=", 2),)):
        with pytest.raises(Rejected, match="Invalid pagelen"):
            list(session.rows(table.name, *asked, key=key))


@each
def test_every_other_refusal_is_an_error(api, session, table, status):
    for other in {400, 404, 422} - set(table.unlistable.statuses):
        api.heal()
        api.fail(own(table), other)
        with pytest.raises((Rejected, NotFound)):
            list(session.rows(table.name))


# --- listings that have to be set up, and answers that are not ready ---


@pytest.mark.parametrize("table", SET_UP, ids=lambda table: table.name)
def test_what_nobody_has_set_up_is_an_error_where_the_repository_is_bound(api, session, table):
    api.collection(f"{AT}/commits", [{"hash": DIGEST}], key="hash")
    api.collection(f"{AT}/commit", [{"hash": DIGEST}], key="hash")
    api.fail(f"{AT}/commit/{DIGEST}/.+", 404, "Not set up")
    for quals in ((), (("commit_hash", "=", DIGEST),)):
        with pytest.raises(NotFound) as refused:
            list(session.rows(table.name, *quals))
        assert refused.value.hint == table.set_up


@pytest.mark.parametrize("table", SET_UP, ids=lambda table: table.name)
@pytest.mark.parametrize("key", [True, False], ids=["rows", "a count"])
def test_a_fan_out_skips_the_repository_and_asks_no_more_of_it(api, table, key):
    session = Session.of(api, concurrency=2)
    hashes = [f"{n:040x}" for n in range(1, 40)]
    api.collection(f"{AT}/commits", [{"hash": h} for h in hashes], key="hash", longest=100)
    api.collection("/repositories/acme/other/commits", [{"hash": DIGEST}], key="hash")
    api.fail(f"{AT}/commit/[^/]+/pullrequests", 404, "Not set up")
    api.on("/repositories/acme/other/commit/.*/pullrequests", {"values": [{"id": 7}], "size": 1})
    rows = list(session.rows(table.name, bound=WORKSPACE, key=key))
    assert [row.get("id") for row in rows] == [7 if key else None]
    assert len([call for call in api.calls if call.startswith(f"GET {AT}/commit/")]) <= 2
    told = said(session)
    assert '"acme/website"' in told
    assert table.set_up in told


@pytest.mark.parametrize("bound", [None, WORKSPACE], ids=["repository", "workspace"])
def test_an_answer_that_is_being_prepared_is_an_error_and_no_empty_result(api, session, bound):
    api.collection(f"{AT}/commits", [{"hash": DIGEST}], key="hash")
    api.collection("/repositories/acme/other/commits", [], key="hash")
    api.fault(f"{AT}/commit/.*", Reply({"values": []}, 202))
    more = {} if bound is None else {"bound": bound}
    with pytest.raises(NotReady) as refused:
        list(session.rows("commit_pull_requests", **more))
    assert refused.value.sqlstate == "55000"
    assert "Try again" in refused.value.hint


def test_it_is_an_error_of_every_endpoint_and_not_asked_again_at_once(api):
    session = Session.of(api, retry_limit=3)
    api.fault(PULLS, Reply(None, 202))
    with pytest.raises(NotReady):
        list(session.rows("pull_requests"))
    assert len(api.calls) == 1


# --- filters of the elements of a list ---


def test_a_filter_of_a_lists_elements_keeps_whole_items_and_is_not_believed(api, session):
    people = [{"uuid": UUID}, {"uuid": OTHER}]
    seen = []

    def pulls(request):
        seen.append(request["q"])
        return {"values": [{"id": 1, "reviewers": people}], "size": 1}

    api.fault(PULLS, pulls)
    rows = list(session.rows("pull_request_reviewers", ("user_uuid", "=", UUID)))
    assert seen == [f'reviewers.uuid = "{UUID}"']
    assert len(rows) == 2  # PostgreSQL drops what does not meet the condition
    # LIMIT counts rows here: those that meet it.
    rows = list(session.rows("pull_request_reviewers", ("user_uuid", "=", OTHER), limit=1))
    assert [str(row["user_uuid"]) for row in rows] == [OTHER.strip("{}")]
    assert session.warnings == []


@pytest.mark.parametrize(
    ("qual", "sent"),
    [
        (("user_uuid", ("=", True), [UUID, OTHER]), True),
        (("user_account_id", "=", "557058:x"), True),
        (("user_account_id", "~~", "%55%"), False),
        (("user_account_id", "<>", "x"), False),
        (("user_uuid", "<>", UUID), False),
        (("user_uuid", "<>", None), False),
        (("user_nickname", "=", "ada"), False),
    ],
)
def test_only_equality_of_a_lists_element_is_sent(api, session, qual, sent):
    planned = plan(session.request("pull_request_reviewers", qual))
    assert bool(planned.queries[0].q) is sent
    assert not planned.exact


def test_whatever_filters_a_list_says_so():
    for table in TABLES:
        member = table.collection.explode
        for column in table.columns:
            if column.filter is not None:
                inside = member is not None and column.keys[0] == member
                assert column.filter.of_list is inside, f"{table.name}.{column.name}"


# --- look-ups by the beginning of a value ---


def test_a_commit_is_found_by_its_first_digits(api, session):
    api.on(f"{AT}/commit/{DIGEST[:12]}", {"hash": DIGEST})
    asked = ("hash_prefix", "=", DIGEST[:12])
    [row] = session.rows("commits_by_prefix", asked, columns=("hash",))
    assert (row["hash_prefix"], row["hash"]) == (DIGEST[:12], DIGEST)
    assert api.calls == [f"GET {AT}/commit/{DIGEST[:12]}"]


def test_what_is_named_like_it_is_no_row_and_is_told(api, session):
    api.on(f"{AT}/commit/20260101", {"hash": DIGEST})
    assert session.values("hash", "commits_by_prefix", ("hash_prefix", "=", "20260101")) == []
    [doubt] = session.doubts
    assert "20260101" in doubt
    assert DIGEST in doubt


@pytest.mark.parametrize("digits", ["012345", "0123456G", "ABCDEF01", "../../x", DIGEST + "0", ""])
def test_what_cannot_be_a_hash_is_not_asked(api, session, digits):
    assert session.values("hash", "commits_by_prefix", ("hash_prefix", "=", digits)) == []
    assert api.calls == []


def test_unknown_digits_are_no_row_and_other_errors_stay(api, session):
    assert session.values("hash", "commits_by_prefix", ("hash_prefix", "=", "0" * 12)) == []
    assert session.notices() == []
    api.fail(f"{AT}/commit/.*", 400, "Bad revision")
    with pytest.raises(Rejected):
        session.values("hash", "commits_by_prefix", ("hash_prefix", "=", "0" * 12))


def test_digits_are_looked_up_in_every_repository_if_none_is_named(api, session):
    api.on(f"{AT}/commit/{DIGEST[:7]}", {"hash": DIGEST})
    asked = ("hash_prefix", ("=", True), [DIGEST[:7]])
    rows = session.values("repository", "commits_by_prefix", asked, bound=WORKSPACE)
    assert rows == ["website"]
    assert f"GET /repositories/acme/other/commit/{DIGEST[:7]}" in api.calls


def test_more_than_an_items_list_of_digits_are_all_read(api, session):
    digests = [f"{n:040x}" for n in range(2**150, 2**150 + 70)]
    api.on(f"{AT}/commit/.*", lambda request: {"hash": request.path.rpartition("/")[2]})
    found = session.values("hash", "commits_by_prefix", ("hash_prefix", ("=", True), digests))
    assert sorted(found) == digests


# --- prices ---


def test_a_redirect_is_part_of_the_price(api):
    session = Session.of(api, max_requests=5)
    guess = Sizes().guess
    for table in TABLES:
        if table.collection.redirects:
            one = plan(session.request(table.name, ("pull_request_id", "=", 1)))
            assert costs.requests(one, guess) == 2
            with pytest.raises(TooManyRequests):
                list(session.rows(table.name))
            assert api.taken() == [f"GET {PULLS}"]


# --- redirects ---


def test_the_next_page_is_where_the_redirect_led_and_counts_as_one_request(api):
    session = Session.of(api, max_requests=3)
    target = f"{AT}/diffstat/acme/website:0123456789ab%0D0123456789ab"
    there = f"{BASE}{target}?from_pullrequest_id=2&topic=true"
    api.on(f"{PULLS}/2/diffstat", lambda _: Reply(None, 302, {"Location": there}))
    files = [
        {"status": "removed", "new": None, "old": {"path": "a"}},
        {"status": "added", "new": {"path": "b"}, "old": None},
    ]
    seen = []

    def page(request):
        seen.append(request)
        more = {} if request["page"] else {"next": f"{there}&page=xyz"}
        item = files[1 if request["page"] else 0]
        return {"values": [item], "size": 2, "pagelen": 1, **more}

    api.on(r".*/diffstat/acme/website.*", page)
    asked = ("pull_request_id", "=", 2)
    assert session.values("path", "pull_request_diffstat", asked) == ["a", "b"]
    assert len(api.calls) == 3
    assert seen[0]["pagelen"] == "100"
    assert "values.new.path" in seen[0]["fields"]
    assert seen[0]["from_pullrequest_id"] == "2"
    with pytest.raises(TooManyRequests):
        list(Session.of(api, max_requests=2).rows("pull_request_diffstat", asked))


def test_members_that_a_listing_leaves_out_are_read_from_the_pull_request(api, session):
    """``fields`` may be left out of account: then the items are short."""
    api.on(f"{AT}/commit/{DIGEST}", {"hash": DIGEST})
    api.on(f"{AT}/refs", {"values": [{"target": {"hash": DIGEST}}]})
    api.on(f"{AT}/commit/{DIGEST}/pullrequests", {"values": [{"id": 2}], "size": 1})
    asked = ("commit_hash", "=", DIGEST)
    assert session.values("state", "commit_pull_requests", asked) == ["OPEN"]
    assert f"GET {PULLS}/2" in api.taken()
    assert session.values("id", "commit_pull_requests", asked) == [2]
    assert f"GET {PULLS}/2" not in api.taken()
