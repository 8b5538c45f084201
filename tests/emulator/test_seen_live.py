"""What users saw of Bitbucket itself, 2026, and the emulator does alike."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from bitbucket_fdw.emulator.credentials import AnonymousHour
from tests.emulator.client import WEBSITE, Client
from tests.emulator.test_writes import PULLS, open_pull


def test_who_shows_no_credential_has_sixty_requests_an_hour(api: Client) -> None:
    path = "/repositories/acme/design-system"
    assert [api.get(path, None).status_code for _ in range(61)] == [200] * 60 + [429]
    refused = api.get(path, None)
    assert refused.text == "Rate limit for this resource has been exceeded"
    assert "Retry-After" not in refused.headers
    assert api.get(path).status_code == 200
    api.control.reset()
    assert api.get(path, None).status_code == 200


def test_the_hour_is_the_one_before() -> None:
    now = 0.0
    hour = AnonymousHour(lambda: now)
    for _ in range(30):
        assert hour.spend()
    now = 1800.0
    assert [hour.spend() for _ in range(31)] == [True] * 30 + [False]
    now = 3600.0
    assert [hour.spend() for _ in range(31)] == [True] * 30 + [False]


@pytest.mark.parametrize("path", ["approve", "request-changes", "decline"])
def test_a_type_of_content_without_content_is_refused(api: Client, path: str) -> None:
    url = f"{PULLS}/{open_pull(api)['id']}/{path}"
    typed = {"Content-Type": "application/json"}
    assert api.send("POST", url, "ada-write", headers=typed).status_code == 400
    assert api.send("POST", url, "ada-write").status_code == 200


def test_an_empty_object_is_content(api: Client) -> None:
    url = f"{PULLS}/{open_pull(api)['id']}/approve"
    assert api.send("POST", url, "ada-write", json={}).status_code == 200


def test_a_comment_changes_when_its_pull_request_was_updated(api: Client) -> None:
    url = f"{PULLS}/{open_pull(api)['id']}"
    times = [api.json(url)["updated_on"]]

    def moved(response: requests.Response) -> None:
        assert response.status_code in (200, 201, 204)
        times.append(api.json(url)["updated_on"])

    made = api.write("POST", f"{url}/comments", {"content": {"raw": "one"}})
    moved(made)
    comment = f"{url}/comments/{made.json()['id']}"
    moved(api.write("PUT", comment, {"content": {"raw": "two"}}))
    moved(api.write("DELETE", comment))
    assert times == sorted(set(times))


LISTINGS: dict[str, tuple[str, ...]] = {
    f"{WEBSITE}/pullrequests": ("id", "created_on", "updated_on"),
    f"{WEBSITE}/pullrequests/1/comments": ("id", "created_on", "updated_on"),
    f"{WEBSITE}/pullrequests/1/tasks": ("id", "created_on"),
    f"{WEBSITE}/refs/branches": ("name", "target.date"),
    f"{WEBSITE}/refs/tags": ("name", "target.date"),
    f"{WEBSITE}/pipelines": ("created_on", "creator.uuid"),
    f"{WEBSITE}/deployments": (),
    "/repositories/acme": ("name", "created_on", "updated_on"),
    "/workspaces/acme/projects": ("name", "created_on", "updated_on"),
}
REFUSED = ("title", "state", "target.hash", "completed_on", "last_update_time", "full_name", "size")


@pytest.mark.parametrize("path", LISTINGS)
def test_listings_are_sorted_by_what_was_seen_to_work_and_nothing_else(
    api: Client, path: str
) -> None:
    for name in (*LISTINGS[path], *REFUSED):
        answer = api.get(path, sort=name)
        if name in LISTINGS[path]:
            assert answer.status_code == 200, name
        else:
            assert api.message(answer, 400) == "Invalid sort attribute", name


@pytest.mark.parametrize("path", ["pipelines", "deployments"])
def test_q_does_nothing_where_it_was_seen_to_do_nothing(api: Client, path: str) -> None:
    url = f"{WEBSITE}/{path}"
    assert api.values(url, q='no_such = "x"') == api.values(url)


def test_links_of_pipelines_do_not_repeat_the_sort(api: Client) -> None:
    selected = {"trigger_type": "PUSH", "pagelen": 20}
    page = api.json(f"{WEBSITE}/pipelines", sort="-created_on", **selected)
    assert "sort" not in page["next"]
    assert "trigger_type=PUSH" in page["next"]
    assert page["next"].endswith("page=2")
    numbers = [pipeline["build_number"] for pipeline in api.json(page["next"])["values"]]
    assert numbers == sorted(numbers)


def test_projects_are_filtered_although_that_is_not_documented(api: Client) -> None:
    url = "/workspaces/acme/projects"
    everything = api.values(url)
    newest = max(project["updated_on"] for project in everything)
    found = api.values(url, q=f"updated_on >= {newest}")
    assert found == [project for project in everything if project["updated_on"] == newest]
    assert 0 < len(found) < len(everything)


def test_pull_requests_show_twelve_digits_of_a_hash(api: Client) -> None:
    seen = 0
    for document in api.state("pull_requests"):
        commits = [document["merge_commit"], document["source"]["commit"]]
        commits.append(document["destination"]["commit"])
        hashes = [commit["hash"] for commit in commits if commit]
        assert {len(digest) for digest in hashes} <= {12}
        seen += len(hashes)
    assert seen > 200


def test_the_answer_of_a_merge_has_the_whole_hash(api: Client) -> None:
    url = f"{PULLS}/{open_pull(api)['id']}"
    merged = api.write("POST", f"{url}/merge", {}).json()["merge_commit"]["hash"]
    assert len(merged) == 40
    assert api.json(url)["merge_commit"]["hash"] == merged[:12]
    assert api.json(f"{WEBSITE}/commit/{merged[:12]}")["hash"] == merged


def test_a_pipeline_has_no_page(api: Client) -> None:
    for document in api.state("pipelines"):
        assert "html" not in document["links"]


@pytest.mark.parametrize("committers", ["absent", "present"])
def test_commits_tell_their_committer_or_not(emulator_factory: Any, committers: str) -> None:
    api = Client(emulator_factory(committers=committers))
    for commit in api.values(f"{WEBSITE}/commits", pagelen=100):
        assert commit["committer"] == (commit["author"] if committers == "present" else {})


@pytest.mark.parametrize("nickname", ["ada", "ben"])
def test_an_address_to_clone_from_has_the_name_of_the_caller(api: Client, nickname: str) -> None:
    web, ssh = api.json(WEBSITE, f"{nickname}-write")["links"]["clone"]
    assert web["href"] == f"https://{nickname}@bitbucket.org/acme/website.git"
    assert ssh["href"] == "git@bitbucket.org:acme/website.git"
    [repository] = api.values("/repositories/acme", f"{nickname}-write", q='name = "Website"')
    assert repository["links"]["clone"] == [web, ssh]


def test_who_is_no_administrator_does_not_see_the_second_factors_of_others(api: Client) -> None:
    path = "/workspaces/acme/members"
    shown = [m["user"]["has_2fa_enabled"] for m in api.values(path, "ada-read")]
    assert {*shown} == {True, False}
    assert {m["user"]["has_2fa_enabled"] for m in api.values(path, "ben-write")} == {None}
