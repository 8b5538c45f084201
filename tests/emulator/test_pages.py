"""The envelope: page lengths, opaque marks, iterator-like lists, and where ``next`` is missing."""

from __future__ import annotations

from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest

from tests.emulator.client import WEBSITE, Client


def test_pages_hold_everything_once_in_order(api: Client) -> None:
    pages = api.pages(f"{WEBSITE}/issues", pagelen=20)
    assert [len(page["values"]) for page in pages] == [20, 20, 5]
    assert [page["page"] for page in pages] == [1, 2, 3]
    assert {page["size"] for page in pages} == {45}
    numbers = [value["id"] for page in pages for value in page["values"]]
    assert numbers == sorted(range(1, 46), reverse=True)
    back = api.json(pages[2]["previous"])
    assert back["values"] == pages[1]["values"]


def test_default_page_length_is_ten(api: Client) -> None:
    assert len(api.json(f"{WEBSITE}/issues")["values"]) == 10


@pytest.mark.parametrize(
    ("path", "largest"),
    [
        (f"{WEBSITE}/pullrequests", 50),
        (f"{WEBSITE}/issues", 100),
        (f"{WEBSITE}/pipelines", 100),
        (f"{WEBSITE}/commits", 100),
        ("/repositories/acme", 100),
        ("/workspaces/acme/members", 100),
    ],
)
def test_page_length_has_a_maximum(api: Client, path: str, largest: int) -> None:
    assert api.get(path, pagelen=largest).status_code == 200
    assert api.message(api.get(path, pagelen=largest + 1), 400) == "Invalid pagelen"


@pytest.mark.parametrize("pagelen", ["0", "-1", "ten", "", "1.0", "\uff11"])
def test_page_length_must_be_a_positive_number(api: Client, pagelen: str) -> None:
    assert api.message(api.get(f"{WEBSITE}/issues", pagelen=pagelen), 400) == "Invalid pagelen"


def test_next_carries_the_parameters_and_an_opaque_mark(api: Client) -> None:
    page = api.json(f"{WEBSITE}/pullrequests", pagelen=5, q='title ~ "a"', sort="-id")
    query = parse_qs(urlsplit(page["next"]).query)
    assert query["q"] == ['title ~ "a"']
    assert query["pagelen"] == ["5"]
    assert query["sort"] == ["-id"]
    assert len(query["page"][0]) == 24


@pytest.mark.parametrize("page", ["2", "1", "0", "x", "", "00" * 12])
def test_marks_cannot_be_guessed(api: Client, page: str) -> None:
    assert api.message(api.get(f"{WEBSITE}/issues", page=page), 400) == "Invalid page"


def test_a_mark_holds_only_for_the_link_it_came_in(api: Client) -> None:
    link = api.json(f"{WEBSITE}/issues", pagelen=5)["next"]
    mark = parse_qs(urlsplit(link).query)["page"][0]
    assert api.get(f"{WEBSITE}/issues", page=mark, pagelen=5).status_code == 200
    assert api.get(f"{WEBSITE}/issues", page=mark, pagelen=6).status_code == 400
    assert api.get(f"{WEBSITE}/issues", page=mark).status_code == 400
    assert api.get(f"{WEBSITE}/pullrequests", page=mark, pagelen=5).status_code == 400


def test_commits_are_iterator_like(api: Client) -> None:
    pages = api.pages(f"{WEBSITE}/commits", pagelen=50)
    assert len(pages) > 3
    for page in pages:
        assert set(page) <= {"pagelen", "values", "next"}


def test_commits_come_children_first(api: Client) -> None:
    seen: set[str] = set()
    for commit in api.values(f"{WEBSITE}/commits", pagelen=100):
        assert not {parent["hash"] for parent in commit["parents"]} & seen
        seen.add(commit["hash"])


def test_commits_include_and_exclude(api: Client) -> None:
    everything = {c["hash"] for c in api.values(f"{WEBSITE}/commits", pagelen=100)}
    main = {c["hash"] for c in api.values(f"{WEBSITE}/commits/main", pagelen=100)}
    others = {c["hash"] for c in api.values(f"{WEBSITE}/commits", pagelen=100, exclude="main")}
    assert main < everything
    assert others == everything - main
    branch = next(
        b
        for b in api.values(f"{WEBSITE}/refs/branches", pagelen=100)
        if b["target"]["hash"] in others
    )
    both = {
        c["hash"]
        for c in api.values(f"{WEBSITE}/commits", include=[branch["name"], "main"], pagelen=100)
    }
    assert main | {branch["target"]["hash"]} <= both
    assert api.get(f"{WEBSITE}/commits/nowhere").status_code == 404


def test_commits_of_a_path(api: Client) -> None:
    whole = api.values(f"{WEBSITE}/commits", pagelen=100)
    part = api.values(f"{WEBSITE}/commits", pagelen=100, path="src/search")
    assert 0 < len(part) < len(whole)


def test_pipelines_take_numbers_and_are_empty_past_the_end(api: Client) -> None:
    second = api.json(f"{WEBSITE}/pipelines", page=2, pagelen=10)
    assert [row["build_number"] for row in second["values"]] == list(range(11, 21))
    assert api.json(f"{WEBSITE}/pipelines", page=99, pagelen=10)["values"] == []


def test_a_listing_may_lose_next(api: Client) -> None:
    api.control.fault("*/pipelines", kind="no_next")
    page = api.json(f"{WEBSITE}/pipelines")
    assert "next" not in page
    assert page["size"] == 60 > len(page["values"])
    assert "next" in api.json(f"{WEBSITE}/pipelines")


def test_steps_come_all_at_once(api: Client) -> None:
    numbers = range(1, 20)
    lengths = {
        len(api.json(f"{WEBSITE}/pipelines/{n}/steps", pagelen=1)["values"]) for n in numbers
    }
    assert max(lengths) == 3


def test_commit_pull_requests_default_to_thirty(api: Client) -> None:
    pull = api.state("pull_requests")[0]
    digest = pull["source"]["commit"]["hash"]
    page = api.json(f"{WEBSITE}/commit/{digest}/pullrequests")
    assert page["pagelen"] == 30
    assert pull["id"] in [row["id"] for row in page["values"]]


def test_page_numbers_can_be_switched_on(emulator_factory) -> None:
    api = Client(emulator_factory(page_numbers="accepted"))
    second = api.json(f"{WEBSITE}/issues", page=2, pagelen=20)
    assert second["values"][0]["id"] == 25
    assert api.get(f"{WEBSITE}/issues", page=0).status_code == 400


def test_links_can_have_page_numbers_where_a_listing_tells_its_size(emulator_factory) -> None:
    api = Client(emulator_factory(page_numbers="linked"))
    link = api.json(f"{WEBSITE}/issues", pagelen=20)["next"]
    assert dict(parse_qsl(urlsplit(link).query)) == {"pagelen": "20", "page": "2"}
    assert api.json(link)["values"] == api.json(f"{WEBSITE}/issues", page=2, pagelen=20)["values"]
    marked = api.json(f"{WEBSITE}/commits", pagelen=20)["next"]
    assert not dict(parse_qsl(urlsplit(marked).query))["page"].isdigit()
