"""The receiving side of pull requests, issues and what is said on them."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.emulator.client import WEBSITE, Client

PULLS = f"{WEBSITE}/pullrequests"
ISSUES = f"{WEBSITE}/issues"


def fields_of(response: requests.Response) -> set[str]:
    """The names of the fields that a 400 complains about."""
    assert response.status_code == 400, (response.status_code, response.text[:300])
    return set(response.json()["error"]["fields"])


def open_pull(api: Client, **wanted: Any) -> dict[str, Any]:
    """An open pull request of the website that can be merged."""
    for row in api.control.call("GET", "state?collection=pull_requests&repository=acme/website")[
        "pull_requests"
    ]:
        document = row["document"]
        merged = document["state"] == "OPEN" and not row["conflicts"]
        if merged and all(document[key] == value for key, value in wanted.items()):
            return dict(document)
    raise LookupError("no such pull request")


def new_branch(api: Client, name: str) -> str:
    """A new branch whose head the main branch has not."""
    unmerged = api.values(f"{WEBSITE}/commits", exclude="main", pagelen=100)[0]["hash"]
    body = {"name": name, "target": {"hash": unmerged}}
    assert api.write("POST", f"{WEBSITE}/refs/branches", body).status_code == 201
    return name


def new_pull(api: Client, branch: str, **more: Any) -> requests.Response:
    body = {"title": "New", "source": {"branch": {"name": branch}}, **more}
    return api.write("POST", PULLS, body)


# Pull requests


def test_opening_needs_little_and_defaults_the_rest(api: Client) -> None:
    response = new_pull(api, new_branch(api, "feature/new"))
    assert response.status_code == 201
    made = response.json()
    assert made["id"] == 151
    assert made["state"] == "OPEN"
    assert made["destination"]["branch"]["name"] == "main"
    assert made["author"]["nickname"] == "ada"
    assert response.headers["Location"].endswith("/pullrequests/151")
    assert api.json(f"{PULLS}/151") == made
    assert api.json(PULLS)["values"][0]["id"] == 151


def test_opening_takes_everything_that_is_documented(api: Client) -> None:
    ben = api.values("/workspaces/acme/members")[1]["user"]
    response = new_pull(
        api,
        new_branch(api, "feature/full"),
        description="Why *not*",
        destination={"branch": {"name": "release/1"}},
        close_source_branch=True,
        draft=True,
        reviewers=[{"uuid": ben["uuid"]}],
    )
    made = response.json()
    assert made["summary"]["raw"] == made["description"] == "Why *not*"
    assert made["destination"]["branch"]["name"] == "release/1"
    assert made["close_source_branch"] is made["draft"] is True
    assert [r["nickname"] for r in made["reviewers"]] == ["ben"]
    assert made["participants"][0]["role"] == "REVIEWER"


def test_opening_reports_each_bad_field(api: Client) -> None:
    branch = new_branch(api, "feature/bad")
    assert fields_of(api.write("POST", PULLS, {})) == {"title", "source.branch.name"}
    bad = {"title": " ", "source": "x"}
    assert fields_of(api.write("POST", PULLS, bad)) == {"title", "source", "source.branch.name"}
    assert fields_of(new_pull(api, branch, state="OPEN", id=7)) == {"state", "id"}
    assert fields_of(new_pull(api, branch, draft="yes")) == {"draft"}
    assert fields_of(new_pull(api, "no/such/branch")) == {"source"}
    assert fields_of(new_pull(api, branch, destination={"branch": {"name": "nope"}})) == {
        "destination"
    }
    assert fields_of(new_pull(api, branch, reviewers=[{"uuid": "{nobody}"}])) == {"reviewers"}
    ada = api.json("/user")["uuid"]
    assert fields_of(new_pull(api, branch, reviewers=[{"uuid": ada}])) == {"reviewers"}
    assert len(api.state("pull_requests")) == 150, "a refused one must leave nothing behind"


def test_opening_twice_overwrites_the_open_one(api: Client) -> None:
    branch = new_branch(api, "feature/twice")
    first = new_pull(api, branch, description="first").json()
    second = new_pull(api, branch, title="Second").json()
    assert second["id"] == first["id"]
    assert api.json(f"{PULLS}/{first['id']}")["title"] == "Second"
    other = new_pull(api, branch, destination={"branch": {"name": "release/1"}}).json()
    assert other["id"] != first["id"]
    assert api.write("POST", f"{PULLS}/{first['id']}/decline").status_code == 200
    assert new_pull(api, branch).json()["id"] not in (first["id"], other["id"])


def test_there_must_be_something_to_merge(api: Client) -> None:
    body = {"name": "same", "target": {"hash": "main"}}
    assert api.write("POST", f"{WEBSITE}/refs/branches", body).status_code == 201
    assert "no changes" in api.message(new_pull(api, "same"), 400)


def test_changing_is_partial(api: Client) -> None:
    before = open_pull(api)
    path = f"{PULLS}/{before['id']}"
    after = api.write("PUT", path, {"title": "Changed"}).json()
    assert after["title"] == "Changed"
    for name in ("description", "reviewers", "destination", "close_source_branch", "draft"):
        assert after[name] == before[name]
    assert after["updated_on"] > before["updated_on"]
    assert api.write("PUT", path, {"description": ""}).json()["description"] == ""
    assert api.write("PUT", path, {"description": None}).status_code == 400
    assert fields_of(api.write("PUT", path, {"title": None})) == {"title"}
    assert fields_of(api.write("PUT", path, {"state": "MERGED"})) == {"state"}
    assert fields_of(api.write("PUT", path, {"source": {"branch": {"name": "main"}}})) == {"source"}


@pytest.mark.parametrize("state", ["MERGED", "DECLINED", "SUPERSEDED"])
def test_what_is_closed_stays_as_it_is(api: Client, state: str) -> None:
    number = next(d["id"] for d in api.state("pull_requests") if d["state"] == state)
    path = f"{PULLS}/{number}"
    assert "closed" in api.message(api.write("PUT", path, {"title": "x"}), 400)
    for verb in ("merge", "decline", "approve", "request-changes"):
        assert "closed" in api.message(api.write("POST", f"{path}/{verb}"), 400)


def test_merging(api: Client) -> None:
    before = open_pull(api, close_source_branch=True)
    tip = api.json(f"{WEBSITE}/refs/branches/main")["target"]["hash"]
    body = {"merge_strategy": "merge_commit", "message": "Merge it"}
    merged = api.write("POST", f"{PULLS}/{before['id']}/merge", body).json()
    assert merged["state"] == "MERGED"
    assert merged["closed_by"]["nickname"] == "ada"
    head = api.json(f"{WEBSITE}/refs/branches/main")["target"]
    assert head["message"] == "Merge it"
    assert head["hash"].startswith(merged["merge_commit"]["hash"])
    assert head["parents"][0]["hash"] == tip
    assert len(head["parents"]) == 2
    assert api.json(f"{WEBSITE}/commits/main")["values"][0]["hash"] == head["hash"]


def test_merging_may_close_the_branch(api: Client) -> None:
    branch = new_branch(api, "feature/gone")
    number = new_pull(api, branch).json()["id"]
    body = {"close_source_branch": True, "merge_strategy": "squash"}
    assert api.write("POST", f"{PULLS}/{number}/merge", body).status_code == 200
    assert api.get(f"{WEBSITE}/refs/branches/{branch}").status_code == 404
    assert len(api.json(f"{WEBSITE}/commit/main")["parents"]) == 1


def test_merging_checks_its_body_and_conflicts(api: Client) -> None:
    path = f"{PULLS}/{open_pull(api)['id']}/merge"
    assert fields_of(api.write("POST", path, {"merge_strategy": "magic"})) == {"merge_strategy"}
    assert fields_of(api.write("POST", path, {"message": "x" * 131073})) == {"message"}
    rows = api.control.call("GET", "state?collection=pull_requests")["pull_requests"]
    number = next(
        r["document"]["id"] for r in rows if r["conflicts"] and r["repository"] == "website"
    )
    assert "conflicts" in api.message(api.write("POST", f"{PULLS}/{number}/merge"), 409)


@pytest.mark.parametrize("way", ["async", "slow"])
def test_a_merge_may_take_its_time(api: Client, way: str) -> None:
    number = open_pull(api)["id"]
    query = "?async=true" if way == "async" else ""
    if way == "slow":
        api.control.fault("*/merge", kind="merge_later")
    response = api.write("POST", f"{PULLS}/{number}/merge{query}")
    assert response.status_code == 202
    task = response.headers["Location"]
    assert api.json(f"{PULLS}/{number}")["state"] == "OPEN"
    assert api.json(task)["task_status"] == "PENDING"
    done = api.json(task)
    assert done["task_status"] == "SUCCESS"
    assert done["merge_result"]["state"] == "MERGED"
    assert api.json(f"{PULLS}/{number}")["state"] == "MERGED"
    other = task.replace(f"/{number}/", f"/{open_pull(api)['id']}/")
    assert api.json(other)["task_status"] == "PENDING"  # for ever, as seen live by users


def test_declining_keeps_the_message_as_reason(api: Client) -> None:
    number = open_pull(api)["id"]
    declined = api.write("POST", f"{PULLS}/{number}/decline", {"message": "Not now"}).json()
    assert declined["state"] == "DECLINED"
    assert declined["reason"] == "Not now"
    activity = api.json(f"{PULLS}/{number}/activity")["values"][0]
    assert activity["update"]["state"] == "DECLINED"


def test_verdicts(api: Client) -> None:
    path = f"{PULLS}/{open_pull(api)['id']}"

    def mine() -> Any:
        people = api.json(path)["participants"]
        return next((p["state"] for p in people if p["user"].get("nickname") == "ada"), None)

    api.write("DELETE", f"{path}/approve")
    api.write("DELETE", f"{path}/request-changes")
    approved = api.write("POST", f"{path}/approve").json()
    assert approved["approved"] is True
    assert mine() == "approved"
    api.write("POST", f"{path}/request-changes")
    assert mine() == "changes_requested"
    assert api.write("DELETE", f"{path}/approve").status_code == 404
    assert api.write("DELETE", f"{path}/request-changes").status_code == 204
    assert mine() is None


# Comments and tasks


def test_pull_request_comments(api: Client) -> None:
    pull = open_pull(api)
    path = f"{PULLS}/{pull['id']}/comments"
    body = {"content": {"raw": "Hm"}, "inline": {"path": "README.md", "to": 3}}
    made = api.write("POST", path, body)
    assert made.status_code == 201
    comment = made.json()
    assert comment["inline"] == {"from": None, "to": 3, "path": "README.md"}
    reply = api.write("POST", path, {"content": {"raw": "Yes"}, "parent": {"id": comment["id"]}})
    assert reply.json()["parent"]["id"] == comment["id"]
    assert api.json(f"{PULLS}/{pull['id']}")["comment_count"] == pull["comment_count"] + 2
    item = f"{path}/{comment['id']}"
    assert api.write("PUT", item, {"content": {"raw": "Ah"}}).json()["content"]["raw"] == "Ah"
    assert api.write("DELETE", item).status_code == 204
    gone = api.json(item)
    assert gone["deleted"] is True
    assert gone["content"]["raw"] == ""
    assert api.json(f"{PULLS}/{pull['id']}")["comment_count"] == pull["comment_count"] + 1
    assert api.write("PUT", item, {"content": {"raw": "Back"}}).status_code == 400


def test_comments_check_their_bodies(api: Client) -> None:
    path = f"{PULLS}/{open_pull(api)['id']}/comments"
    assert fields_of(api.write("POST", path, {})) == {"content.raw"}
    assert fields_of(api.write("POST", path, {"content": {"raw": "  "}})) == {"content.raw"}
    assert fields_of(api.write("POST", path, {"content": "x"})) >= {"content"}
    body = {"content": {"raw": "x"}, "inline": {"to": 1}}
    assert fields_of(api.write("POST", path, body)) == {"inline.path"}
    body = {"content": {"raw": "x"}, "parent": {"id": 1}}
    assert api.write("POST", path, body).status_code == 404
    body = {"content": {"raw": "x"}, "created_on": "2020-01-01"}
    assert fields_of(api.write("POST", path, body)) == {"created_on"}


def test_only_author_and_administrator_change_a_comment(api: Client) -> None:
    path = f"{PULLS}/{open_pull(api)['id']}/comments"
    item = api.write("POST", path, {"content": {"raw": "Mine"}}).json()["id"]
    body = {"content": {"raw": "Yours"}}
    assert api.write("PUT", f"{path}/{item}", body, "ben-write").status_code == 403
    bens = api.write("POST", path, body, "ben-write").json()["id"]
    assert api.write("PUT", f"{path}/{bens}", body, "ben-write").status_code == 200
    assert api.write("PUT", f"{path}/{bens}", body, "ada-write").status_code == 200


def test_resolving(api: Client) -> None:
    path = f"{PULLS}/{open_pull(api)['id']}/comments"
    body = {"content": {"raw": "x"}, "inline": {"path": "README.md", "to": 1}}
    item = f"{path}/{api.write('POST', path, body).json()['id']}"
    resolved = api.write("POST", f"{item}/resolve")
    assert resolved.json()["user"]["nickname"] == "ada"
    assert api.json(item)["resolution"] == resolved.json()
    assert api.write("POST", f"{item}/resolve").status_code == 409
    assert api.write("DELETE", f"{item}/resolve").status_code == 204
    assert api.write("DELETE", f"{item}/resolve").status_code == 404
    plain = f"{path}/{api.write('POST', path, {'content': {'raw': 'x'}}).json()['id']}"
    assert api.write("POST", f"{plain}/resolve").status_code == 403


def test_tasks(api: Client) -> None:
    pull = open_pull(api, task_count=0)
    path = f"{PULLS}/{pull['id']}/tasks"
    made = api.write("POST", path, {"content": {"raw": "Do it"}}).json()
    item = f"{path}/{made['id']}"
    assert made["state"] == "UNRESOLVED"
    assert api.json(f"{PULLS}/{pull['id']}")["task_count"] == 1
    done = api.write("PUT", item, {"state": "RESOLVED"}).json()
    assert done["resolved_by"]["nickname"] == "ada"
    assert done["resolved_on"]
    assert done["content"]["raw"] == "Do it"
    again = api.write("PUT", item, {"state": "UNRESOLVED", "content": {"raw": "Again"}}).json()
    assert again["resolved_on"] is None
    assert fields_of(api.write("PUT", item, {"state": "DONE"})) == {"state"}
    assert fields_of(api.write("POST", path, {"content": {"raw": "x"}, "type": "task"})) == {"type"}
    body = {"content": {"raw": "x"}, "comment": {"id": 1}}
    assert fields_of(api.write("POST", path, body)) == {"comment"}
    assert api.write("DELETE", item).status_code == 204
    assert api.get(item).status_code == 404


def test_commit_comments_go_unless_they_have_replies(api: Client) -> None:
    path = f"{WEBSITE}/commit/main/comments"
    one = api.write("POST", path, {"content": {"raw": "One"}}).json()
    item = f"{path}/{one['id']}"
    changed = api.write("PUT", item, {"content": {"raw": "Two"}})
    assert changed.status_code == 201
    body = {"content": {"raw": "Reply"}, "parent": {"id": one["id"]}}
    reply = api.write("POST", path, body).json()
    assert api.write("DELETE", item).status_code == 204
    assert api.json(item)["deleted"] is True
    assert api.write("DELETE", f"{path}/{reply['id']}").status_code == 204
    assert api.get(f"{path}/{reply['id']}").status_code == 404


# Issues


def test_reporting_an_issue(api: Client) -> None:
    made = api.write("POST", ISSUES, {"title": "It broke"})
    assert made.status_code == 201
    issue = made.json()
    assert issue["id"] == 46
    assert (issue["state"], issue["kind"], issue["priority"]) == ("new", "bug", "major")
    assert issue["reporter"]["nickname"] == "ada"
    assert issue["assignee"] is None
    assert api.json(f"{ISSUES}/46") == issue


def test_changing_an_issue_is_partial_and_null_clears(api: Client) -> None:
    ada = api.json("/user")["account_id"]
    body = {
        "title": "All of it",
        "content": {"raw": "Text"},
        "kind": "task",
        "priority": "blocker",
        "state": "open",
        "assignee": {"account_id": ada},
        "component": {"name": "UI"},
        "milestone": {"name": "M1"},
        "version": {"name": "1.0"},
    }
    path = f"{ISSUES}/{api.write('POST', ISSUES, body).json()['id']}"
    made = api.json(path)
    assert made["assignee"]["nickname"] == "ada"
    assert made["component"]["name"] == "UI"
    api.write("PUT", path, {"priority": "minor"})
    after = api.json(path)
    assert after["priority"] == "minor"
    assert {k: v for k, v in after.items() if k not in ("priority", "updated_on")} == {
        k: v for k, v in made.items() if k not in ("priority", "updated_on")
    }
    cleared = {"assignee": None, "component": None, "milestone": None, "version": {"name": None}}
    api.write("PUT", path, {**cleared, "content": {"raw": ""}})
    after = api.json(path)
    assert [after[name] for name in cleared] == [None] * 4
    assert after["content"]["raw"] == ""


def test_issues_check_their_bodies(api: Client) -> None:
    assert fields_of(api.write("POST", ISSUES, {})) == {"title"}
    bad = {"title": "x", "kind": "crime", "priority": 1, "votes": 3}
    assert fields_of(api.write("POST", ISSUES, bad)) == {"kind", "priority", "votes"}
    for name in ("component", "milestone", "version"):
        assert fields_of(api.write("POST", ISSUES, {"title": "x", name: {"name": "?"}})) == {name}
    body = {"title": "x", "assignee": {"account_id": "nobody"}}
    assert fields_of(api.write("POST", ISSUES, body)) == {"assignee"}
    assert fields_of(api.write("PUT", f"{ISSUES}/1", {"state": None})) == {"state"}
    assert api.write("PUT", f"{ISSUES}/999", {"title": "x"}).status_code == 404


def test_deleting_an_issue(api: Client) -> None:
    assert api.write("DELETE", f"{ISSUES}/5").status_code == 204
    assert api.get(f"{ISSUES}/5").status_code == 404
    assert api.write("DELETE", f"{ISSUES}/5").status_code == 404


def test_issue_comments(api: Client) -> None:
    made = api.write("POST", f"{ISSUES}/1/comments", {"content": {"raw": "Me too"}}).json()
    item = f"{ISSUES}/1/comments/{made['id']}"
    assert made["updated_on"] is None
    assert api.write("PUT", item, {"content": {"raw": "Not me"}}).json()["updated_on"]
    assert api.write("DELETE", item).status_code == 204
    assert api.get(item).status_code == 404


def test_a_new_destination_takes_the_title(api: Client) -> None:
    before = open_pull(api)
    path, to = f"{PULLS}/{before['id']}", {"destination": {"branch": {"name": "release/1"}}}
    assert fields_of(api.write("PUT", path, to)) == {"title"}
    assert api.write("PUT", path, {**to, "title": before["title"]}).status_code == 200


def test_close_source_branch_alone_is_echoed_and_not_kept(api: Client) -> None:
    before = open_pull(api)
    path, other = f"{PULLS}/{before['id']}", not before["close_source_branch"]
    for more in ({}, {"title": before["title"]}):
        change = {"close_source_branch": other, **more}
        assert api.write("PUT", path, change).json()["close_source_branch"] is other
        assert api.json(path)["close_source_branch"] is not other
    api.write("PUT", path, {"close_source_branch": other, "title": "Changed"})
    assert api.json(path)["close_source_branch"] is other


def test_a_put_may_replace_everything(api: Client) -> None:
    before = open_pull(api)
    path = f"{PULLS}/{before['id']}"
    api.control.fault("*/pullrequests/*", kind="put_replaces", method="PUT", count=2)
    assert fields_of(api.write("PUT", path, {"draft": True})) == {"title"}
    after = api.write("PUT", path, {"title": "t"}).json()
    assert (after["description"], after["reviewers"]) == ("", [])
