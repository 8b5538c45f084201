"""The receiving side of refs, statuses, projects and repositories, and what all writes share."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
import requests

from bitbucket_fdw.emulator.writes import ROUTES
from tests.emulator.client import WEBSITE, Client
from tests.emulator.test_writes import fields_of

BRANCHES = f"{WEBSITE}/refs/branches"
TAGS = f"{WEBSITE}/refs/tags"
PROJECTS = "/workspaces/acme/projects"


@pytest.mark.parametrize("name", ["feature/x#1", "100%", "機能/y", "a+b"])
def test_branches(api: Client, name: str) -> None:
    head = api.json(f"{WEBSITE}/commit/main")["hash"]
    body = {"name": name, "target": {"hash": head[:9]}}
    response = api.write("POST", BRANCHES, body)
    assert response.status_code == 201
    assert response.json()["target"]["hash"] == head
    found = api.json(response.headers["Location"])
    assert found["name"] == name
    assert api.write("POST", BRANCHES, body).status_code == 409
    assert api.write("DELETE", response.headers["Location"]).status_code == 204
    assert api.write("DELETE", response.headers["Location"]).status_code == 404


@pytest.mark.parametrize("name", ["", " ", "a b", "/a", "a/", "a..b", "a~1", "x.lock", "a\\b"])
def test_branch_names_that_git_refuses(api: Client, name: str) -> None:
    body = {"name": name, "target": {"hash": "main"}}
    assert fields_of(api.write("POST", BRANCHES, body)) == {"name"}


def test_refs_need_name_and_target(api: Client) -> None:
    assert fields_of(api.write("POST", BRANCHES, {})) == {"name", "target.hash"}
    body = {"name": "x", "target": {"hash": "f" * 40}}
    assert fields_of(api.write("POST", BRANCHES, body)) == {"target"}
    assert fields_of(api.write("POST", BRANCHES, {**body, "message": "x"})) == {"message"}


def test_refs_have_no_put(api: Client) -> None:
    assert api.write("PUT", f"{BRANCHES}/main", {"name": "x"}).status_code == 405


def test_the_main_branch_stays(api: Client) -> None:
    assert api.message(api.write("DELETE", f"{BRANCHES}/main"), 400)


def test_tags_get_a_message(api: Client) -> None:
    head = api.json(f"{WEBSITE}/commit/main")["hash"]
    made = api.write("POST", TAGS, {"name": "v9", "target": {"hash": "main"}}).json()
    assert made["message"] == f"Added tag v9 for changeset {head[:12]}"
    assert made["tagger"]["user"]["nickname"] == "ada"
    body = {"name": "v10", "target": {"hash": head}, "message": "Ten"}
    assert api.write("POST", TAGS, body).json()["message"] == "Ten"
    assert api.write("POST", TAGS, body).status_code == 409
    assert api.write("DELETE", f"{TAGS}/v10").status_code == 204
    assert api.write("DELETE", f"{TAGS}/v10").status_code == 404


def test_statuses_with_the_same_key_are_replaced(api: Client) -> None:
    path = f"{WEBSITE}/commit/main/statuses"
    body = {"key": "ci/é", "state": "INPROGRESS", "url": "https://ci.example/1"}
    assert api.write("POST", f"{path}/build", body).status_code == 201
    body |= {"state": "FAILED", "description": "3 failed"}
    assert api.write("POST", f"{path}/build", body).json()["state"] == "FAILED"
    keys = [row["key"] for row in api.values(path)]
    assert keys.count("ci/é") == 1
    item = api.values(path, q='key = "ci/é"')[0]["links"]["self"]["href"]
    changed = api.write("PUT", item, {"state": "SUCCESSFUL"}).json()
    assert changed["state"] == "SUCCESSFUL"
    assert changed["description"] == "3 failed"
    assert fields_of(api.write("PUT", item, {"key": "other"})) == {"key"}
    assert fields_of(api.write("POST", f"{path}/build", {"state": "GREAT", "url": "x"})) == {
        "key",
        "state",
        "url",
    }


def test_statuses_reach_pull_requests_by_refname(api: Client) -> None:
    pull = next(d for d in api.state("pull_requests") if d["state"] == "OPEN")
    digest = pull["source"]["commit"]["hash"]
    path = f"{WEBSITE}/commit/{digest}/statuses/build"
    body = {"key": "new", "state": "SUCCESSFUL", "url": "https://ci.example/1"}
    api.write("POST", path, body)
    listing = f"{WEBSITE}/pullrequests/{pull['id']}/statuses"
    assert "new" not in [row["key"] for row in api.values(listing)]
    api.write("POST", path, {**body, "refname": pull["source"]["branch"]["name"]})
    assert "new" in [row["key"] for row in api.values(listing)]


def test_projects(api: Client) -> None:
    made = api.write("POST", PROJECTS, {"key": "MARS", "name": "Mars"})
    assert made.status_code == 201
    assert made.json()["is_private"] is True
    assert api.write("POST", PROJECTS, {"key": "MARS", "name": "Again"}).status_code == 409
    changed = api.write("PUT", f"{PROJECTS}/MARS", {"description": "Red"}).json()
    assert (changed["name"], changed["description"]) == ("Mars", "Red")
    moved = api.write("PUT", f"{PROJECTS}/MARS", {"key": "ARES"})
    assert moved.headers["Location"].endswith("/projects/ARES")
    assert api.json(f"{PROJECTS}/ARES")["uuid"] == made.json()["uuid"]
    assert api.get(f"{PROJECTS}/MARS").status_code == 404
    assert api.write("PUT", f"{PROJECTS}/MARS", {"name": "New"}).status_code == 201
    assert api.write("DELETE", f"{PROJECTS}/ARES").status_code == 204
    assert api.write("DELETE", f"{PROJECTS}/ARES").status_code == 404
    assert api.write("DELETE", f"{PROJECTS}/WEB").status_code == 403


def test_projects_check_their_bodies(api: Client) -> None:
    assert fields_of(api.write("POST", PROJECTS, {})) == {"key", "name"}
    body = {"key": "low", "name": "", "is_private": "no", "uuid": "{1}"}
    assert fields_of(api.write("POST", PROJECTS, body)) == {"key", "name", "is_private", "uuid"}
    assert api.write("POST", PROJECTS, {"key": "B", "name": "B"}, "ben-write").status_code == 403


def test_moving_a_project_moves_its_repositories(api: Client) -> None:
    api.write("PUT", f"{PROJECTS}/WEB", {"key": "SHOP"})
    assert api.json(WEBSITE)["project"]["key"] == "SHOP"


def test_repositories(api: Client) -> None:
    path = "/repositories/acme/Brand-New"
    made = api.write("POST", path, {"project": {"key": "MOB"}, "has_issues": True})
    assert made.status_code == 200
    assert made.json()["slug"] == "brand-new"
    assert made.json()["name"] == "Brand-New"
    assert made.json()["mainbranch"] is None
    assert api.write("POST", path, {}).status_code == 400
    changed = api.write("PUT", path, {"description": "Nice", "project": {"key": "OPS"}}).json()
    assert (changed["description"], changed["project"]["key"]) == ("Nice", "OPS")
    assert fields_of(api.write("PUT", path, {"size": 1})) == {"size"}
    assert fields_of(api.write("PUT", path, {"project": {"key": "NO"}})) == {"project"}
    assert api.write("POST", f"{path}/issues", {"title": "First"}).json()["id"] == 1
    assert api.write("DELETE", path).status_code == 204
    assert api.get(path).status_code == 404


def test_deleting_a_parent_orphans_its_forks(api: Client) -> None:
    assert api.write("DELETE", WEBSITE).status_code == 204
    assert api.json("/repositories/acme/website-fork")["parent"] is None


# What all writes share


def test_readers_may_not_write(api: Client) -> None:
    body: dict[str, Any] = {"name": "x", "target": {"hash": "main"}}
    assert api.write("POST", BRANCHES, body, "ben-write").status_code == 403
    issue = {"title": "Readers may report"}
    assert api.write("POST", f"{WEBSITE}/issues", issue, "ben-write").status_code == 201
    assert api.write("PUT", f"{WEBSITE}/issues/1", issue, "ben-write").status_code == 403
    path = "/repositories/acme/mobile.app/refs/branches"
    assert api.write("POST", path, body, "ben-write").status_code == 404


@pytest.mark.parametrize(
    "endpoint",
    [e for _, _, e in ROUTES._endpoints if e.method != "GET"],
    ids=lambda e: f"{e.method} {e.template}",
)
def test_writes_want_a_credential_and_scopes(api: Client, endpoint: Any) -> None:
    path = endpoint.template.replace("{workspace}", "acme").replace("{repo_slug}", "website")
    path = path.replace("{name:path}", "x").replace("{project_key}", "WEB")
    path = path.replace("{commit}", "main").replace("{key}", "x")
    path = re.sub(r"\{\w+\}", "1", path)  # the rest are numbers
    assert api.write(endpoint.method, path, {}, None).status_code == 401
    if any(scope.startswith(("write", "admin", "delete")) for scope in endpoint.scopes.new):
        response = api.write(endpoint.method, path, {}, "ada-read")
        assert response.status_code == 403
        assert response.json()["error"]["detail"]["required"]
    if any(scope.startswith("read") for scope in endpoint.scopes.new):
        assert api.write(endpoint.method, path, {}, "ada-write-only").status_code == 403


def test_a_body_needs_a_length(api: Client) -> None:
    def chunks() -> Any:
        yield b'{"title": "x"}'

    response = api.send(
        "POST",
        f"{WEBSITE}/issues",
        "ada-write",
        data=chunks(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 411


def test_a_body_must_be_a_json_object(api: Client) -> None:
    for data, kind, status in (
        (b"{", "application/json", 400),
        (b"[]", "application/json", 400),
        (b"title=x", "application/x-www-form-urlencoded", 415),
    ):
        response = api.send(
            "POST", f"{WEBSITE}/issues", "ada-write", data=data, headers={"Content-Type": kind}
        )
        assert response.status_code == status


def test_the_log_holds_bodies(api: Client) -> None:
    body = {"title": "Kept"}
    api.write("POST", f"{WEBSITE}/issues", body)
    assert api.control.requests()[-1].raw["body"] == body


def test_a_write_is_seen_by_the_next_filtered_read(api: Client) -> None:
    query = 'title = "Fresh from the press"'
    assert api.values(f"{WEBSITE}/issues", q=query) == []
    api.write("POST", f"{WEBSITE}/issues", {"title": "Fresh from the press"})
    assert len(api.values(f"{WEBSITE}/issues", q=query)) == 1


def test_written_times_rise(api: Client) -> None:
    made = [
        api.write("POST", f"{WEBSITE}/issues", {"title": str(n)}).json()["created_on"]
        for n in range(5)
    ]
    assert made == sorted(set(made))


def test_fields_works_on_writes_too(api: Client) -> None:
    response = requests.post(
        f"{api.base}{WEBSITE}/issues?fields=id,title",
        data=json.dumps({"title": "x"}),
        headers={"Content-Type": "application/json"},
        auth=("ada@acme.example", "emulator-token-ada-write"),
        timeout=5,
    )
    assert response.status_code == 201
    assert set(response.json()) == {"id", "title"}
