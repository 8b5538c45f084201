"""The sample data: the same for the same seed, and full of shapes that hurt."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest

from bitbucket_fdw.emulator import times
from bitbucket_fdw.emulator.data import build
from bitbucket_fdw.emulator.store import Repository
from tests.emulator.client import WEBSITE, Client

API = "http://127.0.0.1:1/2.0"


def website(seed: int = 1) -> Repository:
    return build(API, seed, "tiny").workspaces["acme"].repositories["website"]


def documents(repository: Repository) -> list[Any]:
    pulls = [pull.document for pull in repository.pull_requests.values()]
    return [*pulls, *(issue.document for issue in repository.issues.values())]


@pytest.fixture(scope="module")
def tiny() -> Repository:
    return website()


def test_the_seed_decides(tiny: Repository) -> None:
    assert documents(website(1)) == documents(tiny)
    assert documents(website(2)) != documents(tiny)


@pytest.mark.parametrize(
    ("scale", "repositories", "pull_requests"), [("tiny", 9, 150), ("small", 12, 3000)]
)
def test_scales(scale: Any, repositories: int, pull_requests: int) -> None:
    acme = build(API, 1, scale).workspaces["acme"]
    assert len(acme.repositories) == repositories
    assert len(acme.repositories["website"].pull_requests) == pull_requests


def test_accounts_may_be_missing_or_deleted(tiny: Repository) -> None:
    authors = [pull.document["author"] for pull in tiny.pull_requests.values()]
    assert None in authors
    assert {"type": "user", "display_name": "Former user"} in authors
    written = [commit.document["author"] for commit in tiny.commits.values()]
    assert any("user" not in author for author in written)


def test_pipelines_for_pull_requests_agree_with_them(tiny: Repository) -> None:
    found = 0
    for pipeline in tiny.pipelines.values():
        target = pipeline.document["target"]
        if target["type"] == "pipeline_pullrequest_target":
            found += 1
            pull = tiny.pull_requests[target["pullrequest"]["id"]]
            assert target["source"] == pull.document["source"]["branch"]["name"]
            assert target["commit"]["hash"] == pull.source_hash in tiny.commits
            assert target["commit"]["hash"].startswith(pull.document["source"]["commit"]["hash"])
            assert "ref_name" not in target
            opened, begun = (d["created_on"] for d in (pull.document, pipeline.document))
            assert times.parse(opened) < times.parse(begun)
        assert "html" not in pipeline.document["links"]
        assert "variables" not in pipeline.document
    assert found > 3


def test_pull_requests_take_every_course(tiny: Repository) -> None:
    found = [pull.document for pull in tiny.pull_requests.values()]
    assert {d["state"] for d in found} == {"OPEN", "MERGED", "DECLINED", "SUPERSEDED"}
    merged = [d for d in found if d["state"] == "MERGED"]
    assert any(d["merge_commit"] is None for d in merged)
    assert any(d["merge_commit"] for d in merged)
    assert any(d["source"]["repository"] is None for d in found)
    names = {d["source"]["repository"]["full_name"] for d in found if d["source"]["repository"]}
    assert "acme/website-fork" in names
    assert any(pull.conflicts for pull in tiny.pull_requests.values())


def test_comments_take_every_form(tiny: Repository) -> None:
    found = [c for pull in tiny.pull_requests.values() for c in pull.comments.values()]
    assert any(c["deleted"] for c in found)
    assert any("parent" in c for c in found)
    assert any("inline" in c for c in found)
    assert any("resolution" in c for c in found)


def test_titles_hold_what_breaks_quoting_and_encodings(tiny: Repository) -> None:
    text = "\n".join(d["title"] for d in documents(tiny))
    for needle in ('"', "\\", "%", "_", "'", "🚀"):
        assert needle in text
    assert any(unicodedata.bidirectional(c) == "AL" for c in text)
    assert any(unicodedata.combining(c) for c in text)
    assert "\x00" not in text


def test_times_come_in_every_form(tiny: Repository) -> None:
    times = [p.document["created_on"] for p in tiny.pipelines.values()]
    assert all(t.endswith("Z") for t in times)
    assert {len(t.partition(".")[2]) for t in times} == {4, 7, 10}
    dates = [c.document["date"] for c in tiny.commits.values()]
    assert any(not d.endswith("+00:00") for d in dates)
    edited = [i.document["edited_on"] for i in tiny.issues.values()]
    assert None in edited
    assert any(e and "+" not in e for e in edited)


def test_branches_have_names_that_need_encoding(tiny: Repository) -> None:
    names = "".join(tiny.branches)
    assert all(needle in names for needle in "/#%+")
    assert not names.isascii()


def test_steps_hold_a_registry_password(tiny: Repository) -> None:
    steps = [step for p in tiny.pipelines.values() for step in p.steps.values()]
    assert any("password" in step["image"] for step in steps)


def test_every_ref_and_parent_is_there(tiny: Repository) -> None:
    for ref in (*tiny.branches.values(), *tiny.tags.values()):
        assert ref["target"]["hash"] in tiny.commits
    for commit in tiny.commits.values():
        assert all(parent in tiny.commits for parent in commit.parents)


def test_repositories_of_awkward_names_and_kinds(api: Client) -> None:
    found = {row["slug"]: row for row in api.values("/repositories/acme", pagelen=100)}
    assert found["design-system"]["name"] == "Design-System"
    assert found["empty"]["mainbranch"] is None
    assert found["orphan-fork"]["parent"] is None
    assert found["website-fork"]["parent"]["full_name"] == "acme/website"
    long = [slug for slug in found if len(slug) > 63]
    assert len(long) == 2
    assert len({slug[:63] for slug in long}) == 1
    assert {"mobile.app", "mobile-app"} <= set(found)
    assert api.values("/repositories/acme/empty/commits") == []
    assert api.values("/repositories/acme/empty/refs/branches") == []
    assert api.get("/repositories/acme/empty/commits/main").status_code == 404


def test_two_workspaces_share_a_slug(api: Client) -> None:
    one, other = api.json(WEBSITE), api.json("/repositories/globex/website", "ben-write")
    assert one["uuid"] != other["uuid"]


def test_user_workspaces_have_no_name(api: Client) -> None:
    rows = api.values("/user/workspaces")
    assert [row["workspace"]["slug"] for row in rows] == ["acme", "globex"]
    assert all("name" not in row["workspace"] for row in rows)
    assert [r["administrator"] for r in rows] == [True, False]
    assert len(api.values("/user/workspaces", administrator="true")) == 1
