"""Commits: found by hash only if their listing has them, newest first, and by many parents."""

import pytest

from bitbucket_fdw.errors import BadResponse, NotFound
from tests.support.fake_api import FakeApi
from tests.support.reading import AT, WORKSPACE, Session

HASHES = [f"{n:040x}" for n in range(1, 8)]
STRAY = "f" * 40


class History:
    """A line of commits; branches point at some of them, and a stray one is reached by none."""

    def __init__(self, api: FakeApi) -> None:
        self.api = api
        self.heads = [HASHES[6], HASHES[3]]
        repository = {"slug": "website", "full_name": "acme/website", "mainbranch": {"name": "m/x"}}
        api.collection("/repositories/acme", [repository], key="slug")
        api.on(f"{AT}/refs", lambda _: {"values": [{"target": {"hash": h}} for h in self.heads]})
        api.on(f"{AT}/commits", self.log)
        for digest in (*HASHES, STRAY):
            api.on(f"{AT}/commit/{digest}", {"hash": digest, "message": "text"})

    def log(self, request):
        """As ``git log``: what is included and not excluded, newest first."""
        included = [value for name, value in request.query if name == "include"]
        excluded = [value for name, value in request.query if name == "exclude"]
        if STRAY in included:
            found = [STRAY]
        else:
            wanted = [HASHES.index(h) for h in included if h in HASHES] or [len(HASHES) - 1]
            hidden = [HASHES.index(h) for h in excluded if h in HASHES]
            last = max(hidden, default=-1)
            found = [h for n, h in enumerate(HASHES) if last < n <= max(wanted)][::-1]
        return {"values": [{"hash": digest} for digest in found]}


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


@pytest.fixture
def history(api: FakeApi) -> History:
    return History(api)


@pytest.fixture
def session(api: FakeApi, history: History) -> Session:
    return Session.of(api)


def of(digest: str):
    return ("hash", "=", digest)


@pytest.mark.parametrize("digest", [HASHES[6], HASHES[0]])
def test_a_commit_that_a_branch_reaches_is_found_by_its_hash(session, digest):
    assert session.values("hash", "commits", of(digest)) == [digest]


def test_a_commit_that_none_reaches_is_no_row(session):
    assert session.values("hash", "commits", of(STRAY)) == []
    [notice] = session.notices()
    assert "no branch or tag reaches" in notice.message
    assert notice.mild


def test_what_was_listed_needs_no_second_look(api, session):
    session.values("hash", "commits")
    api.taken()
    session.values("hash", "commits", of(HASHES[2]))
    assert api.taken() == [f"GET {AT}/commit/{HASHES[2]}"]
    # For a minute: a branch may be gone by then.
    api.clock.sleep(61)
    session.values("hash", "commits", of(HASHES[2]))
    assert len(api.taken()) == 3


def test_many_refs_are_asked_for_in_several_addresses(api, history, session):
    history.heads = [f"{n:040x}" for n in range(1000, 1150)]
    assert session.values("hash", "commits", of(STRAY)) == []
    excluded = [sum(name == "exclude" for name, _ in r.query) for r in api.received]
    assert [count for count in excluded if count] == [60, 60, 30]


def test_refs_that_say_nothing_of_their_commits_are_an_error(api, session):
    api.fault(f"{AT}/refs", {"values": [{"name": "main"}]})
    with pytest.raises(BadResponse) as raised:
        session.values("hash", "commits", of(HASHES[0]))
    assert "None of the refs" in raised.value.detail


def test_a_commit_that_is_not_there_is_no_row(session):
    assert session.values("hash", "commits", of("e" * 40)) == []
    assert session.notices() == []


def test_what_stands_below_a_commit_is_there_only_if_that_is_listed(api, session):
    for digest in (HASHES[1], STRAY):
        api.collection(f"{AT}/commit/{digest}/comments", [{"id": 1}])
    found = session.values("id", "commit_comments", ("commit_hash", "=", HASHES[1]))
    assert found == [1]
    assert session.values("id", "commit_comments", ("commit_hash", "=", STRAY)) == []


def test_without_a_hash_every_commit_is_asked(api, session):
    for digest in HASHES:
        api.collection(f"{AT}/commit/{digest}/comments", [{"id": int(digest, 16)}])
    found = session.values("id", "commit_comments")
    assert found == [7, 6, 5, 4, 3, 2, 1]


def test_the_default_branch_is_asked_for_by_its_name(api, session):
    assert session.values("hash", "default_branch_commits") == HASHES[::-1]
    assert api.calls == [f"GET {AT}", f"GET {AT}/commits"]
    assert api.received[1]["include"] == "m/x"


def test_a_repository_without_a_default_branch_has_no_commits_of_it(api, session):
    repository = {"slug": "website", "full_name": "acme/website", "mainbranch": None}
    api.collection("/repositories/acme", [repository], key="slug")
    assert session.values("hash", "default_branch_commits") == []


def test_commits_in_a_repository_that_is_not_there_are_an_error(session):
    bound = {"workspace": "acme", "repository": "nowhere"}
    with pytest.raises(NotFound):
        session.values("hash", "commits", of(HASHES[0]), bound=bound)
    assert session.values("hash", "commits", ("repository", "=", "nowhere"), bound=WORKSPACE) == []
