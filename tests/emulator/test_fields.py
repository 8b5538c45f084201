"""``fields``: bare lists, adding, taking away, wildcards, and what lists leave out."""

from __future__ import annotations

import pytest

from tests.emulator.client import WEBSITE, Client

PULLS = f"{WEBSITE}/pullrequests"


def test_a_bare_list_gives_only_those(api: Client) -> None:
    page = api.json(PULLS, fields="values.id,values.author.nickname,size")
    assert set(page) == {"values", "size"}
    assert all(set(row) == {"id", "author"} for row in page["values"])


def test_a_bare_list_must_name_next(api: Client) -> None:
    assert "next" not in api.json(PULLS, fields="values.id", pagelen=5)
    assert "next" in api.json(PULLS, fields="values.id,next", pagelen=5)


def test_next_keeps_fields(api: Client) -> None:
    pages = api.pages(PULLS, fields="values.id,next", pagelen=10)
    assert len(pages) > 2
    assert all(set(row) == {"id"} for page in pages for row in page["values"])


def test_absent_objects_stay_null(api: Client) -> None:
    rows = api.values(f"{WEBSITE}/issues", fields="values.assignee.uuid,next", pagelen=100)
    assert {"assignee": None} in rows
    assert any(row["assignee"] for row in rows)


def test_taking_away(api: Client) -> None:
    row = api.json(PULLS, fields="-values.links,-values.author.links")["values"][0]
    assert "links" not in row
    assert "title" in row
    document = api.json(f"{WEBSITE}/issues/7", fields="-links.*")
    assert document["links"] == {}


@pytest.mark.parametrize("name", ["reviewers", "participants", "rendered"])
def test_lists_leave_some_fields_out_unless_asked(api: Client, name: str) -> None:
    assert name not in api.json(PULLS)["values"][0]
    added = api.json(PULLS, fields=f"+values.{name}")
    assert name in added["values"][0]
    assert "title" in added["values"][0]
    assert "next" in added
    bare = api.json(PULLS, fields=f"values.{name}")
    assert set(bare["values"][0]) == {name}
    assert name in api.json(f"{PULLS}/1")


def test_a_plus_that_was_not_encoded_matches_nothing(api: Client) -> None:
    response = api.send("GET", f"{PULLS}?fields=+values.reviewers")
    assert response.json() == {}


def test_plus_reaches_into_condensed_objects(api: Client) -> None:
    extra = "values.destination.repository.owner.display_name"
    plain = api.json(PULLS)["values"][0]["destination"]["repository"]
    assert "owner" not in plain
    row = api.json(PULLS, fields=f"+{extra}")["values"][0]
    assert row["destination"]["repository"]["owner"] == {"display_name": "Acme Ltd. ☂"}
    assert row["destination"]["repository"]["full_name"] == "acme/website"


def test_wildcards(api: Client) -> None:
    row = api.json(PULLS, fields="values.*")["values"][0]
    assert {"reviewers", "participants", "title", "links"} <= set(row)
    row = api.json(f"{PULLS}/1", fields="links.*.href,id")
    assert set(row) == {"links", "id"}
    assert all(set(link) == {"href"} for link in row["links"].values())
    row = api.json(f"{PULLS}/1", fields="-*,+id,+title")
    assert set(row) == {"id", "title"}


def test_unknown_names_are_ignored(api: Client) -> None:
    assert api.json(f"{PULLS}/1", fields="id,no.such.field") == {"id": 1}
    assert api.json(f"{PULLS}/1", fields="nothing") == {}


def test_fields_works_on_every_kind_of_item(api: Client) -> None:
    assert api.json("/user", fields="nickname") == {"nickname": "ada"}
    assert api.json(f"{WEBSITE}/refs/branches/main", fields="target.author.raw,name")["name"]
    commit = api.json(f"{WEBSITE}/commit/main", fields="hash,parents.hash")
    assert set(commit["parents"][0]) == {"hash"}
