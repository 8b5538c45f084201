"""The log of pull requests: what it says is what their documents say."""

from __future__ import annotations

from collections import Counter
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.emulator.client import WEBSITE, Client
from tests.emulator.test_writes import PULLS, open_pull

FEED = f"{WEBSITE}/pullrequests/activity"
STATUSES = {"MERGED": "fulfilled", "DECLINED": "rejected", "SUPERSEDED": "superseded"}


def kind_of(entry: dict[str, Any]) -> str:
    [kind] = set(entry) - {"pull_request"}
    return kind


def date_of(entry: dict[str, Any]) -> str:
    detail = entry[kind_of(entry)]
    return str(detail.get("date") or detail["created_on"])


def test_it_tells_what_the_documents_tell(api: Client) -> None:
    entries = api.values(FEED, pagelen=50)
    by_pull: dict[int, list[Any]] = {}
    for entry in entries:
        by_pull.setdefault(entry["pull_request"]["id"], []).append(entry)
    kinds = Counter(map(kind_of, entries))
    assert set(kinds) == {"update", "approval", "changes_requested", "comment"}
    comments = api.control.call("GET", "state?collection=pull_request_comments")
    for document in api.state("pull_requests"):
        mine = by_pull[document["id"]]
        said = {entry["comment"]["id"] for entry in mine if "comment" in entry}
        assert said == {
            row["document"]["id"]
            for row in comments["pull_request_comments"]
            if (row["workspace"], row["repository"], row["pull_request_id"])
            == ("acme", "website", document["id"])
        }
        for kind, state in (("approval", "approved"), ("changes_requested",) * 2):
            given = [(e[kind]["user"]["uuid"], e[kind]["date"]) for e in mine if kind in e]
            assert sorted(given) == sorted(
                (person["user"]["uuid"], person["participated_on"])
                for person in document["participants"]
                if person["state"] == state
            )
        last = next(entry["update"] for entry in mine if "update" in entry)
        for name in ("title", "description", "state", "draft", "reason", "reviewers"):
            assert last[name] == document[name], name
        if document["state"] != "OPEN":
            status = {"old": "open", "new": STATUSES[document["state"]]}
            assert last["changes"]["status"] == status
            assert last["author"] == document["closed_by"]


def test_it_is_newest_first_whatever_is_asked(api: Client) -> None:
    found = api.values(FEED, pagelen=50)
    dates = [date_of(entry) for entry in found]
    assert dates == sorted(dates, reverse=True)
    assert api.values(FEED, pagelen=50, q="no such = query", sort="-nothing") == found


def test_its_pages_have_a_mark_of_their_own_and_no_size(api: Client) -> None:
    page = api.json(FEED)
    assert set(page) == {"pagelen", "values", "next"}
    assert (page["pagelen"], len(page["values"])) == (10, 10)
    query = parse_qs(urlsplit(page["next"]).query)
    assert set(query) == {"ctx"}
    for number in ("2", "x", query["ctx"][0][:-1]):
        assert api.message(api.get(FEED, ctx=number), 400) == "Invalid page"
    assert api.get(FEED, page="2").status_code == 400
    assert api.message(api.get(FEED, pagelen=51), 400) == "Invalid pagelen"


@pytest.mark.parametrize("verdict", ["approve", "request-changes"])
def test_what_is_written_is_in_it(api: Client, verdict: str) -> None:
    number = open_pull(api)["id"]
    path = f"{PULLS}/{number}/activity"

    def newest() -> Any:
        assert api.json(FEED)["values"][0] == api.json(path)["values"][0]
        return api.json(path)["values"][0]

    body = {"title": "Other", "description": "text"}
    assert api.write("PUT", f"{PULLS}/{number}", body).status_code == 200
    assert set(newest()["update"]["changes"]) == {"title", "description"}
    assert newest()["update"]["changes"]["title"]["new"] == "Other"
    api.write("POST", f"{PULLS}/{number}/{verdict}")
    assert kind_of(newest()) in ("approval", "changes_requested")
    api.write("POST", f"{PULLS}/{number}/comments", {"content": {"raw": "hm"}})
    assert newest()["comment"]["content"]["raw"] == "hm"
    api.write("POST", f"{PULLS}/{number}/decline", {"message": "no"})
    assert newest()["update"]["changes"] == {"status": {"old": "open", "new": "rejected"}}


def test_drafts_of_comments_are_their_authors(api: Client) -> None:
    number = open_pull(api)["id"]
    path = f"{PULLS}/{number}/activity"
    before = api.json(path, "ben-write")["values"]
    body = {"content": {"raw": "draft"}, "pending": True}
    assert api.write("POST", f"{PULLS}/{number}/comments", body).status_code == 201
    assert api.json(path)["values"][0]["comment"]["content"]["raw"] == "draft"
    assert api.json(path, "ben-write")["values"] == before
