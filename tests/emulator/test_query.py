"""``q`` over HTTP: operators, types, null, quoting, and what cannot be filtered or sorted."""

from __future__ import annotations

from typing import Any

import pytest

from tests.emulator.client import WEBSITE, Client

ISSUES = f"{WEBSITE}/issues"


def ids(api: Client, q: str, path: str = ISSUES) -> set[int]:
    return {value["id"] for value in api.values(path, q=q, pagelen=50)}


def expected(api: Client, test: Any, collection: str = "issues") -> set[int]:
    return {document["id"] for document in api.state(collection) if test(document)}


@pytest.mark.parametrize(
    ("q", "test"),
    [
        ('state = "open"', lambda d: d["state"] == "open"),
        ('state != "open"', lambda d: d["state"] != "open"),
        ("id > 40", lambda d: d["id"] > 40),
        ("id >= 40 AND id < 43", lambda d: 40 <= d["id"] < 43),
        ("id IN (1, 2, 99)", lambda d: d["id"] in (1, 2, 99)),
        ("id NOT IN (1, 2)", lambda d: d["id"] not in (1, 2)),
        ('state in ("open","on hold")', lambda d: d["state"] in ("open", "on hold")),
        ('title ~ "SEARCH"', lambda d: "search" in d["title"].lower()),
        ('title !~ "search"', lambda d: "search" not in d["title"].lower()),
        ("assignee = null", lambda d: d["assignee"] is None),
        ("assignee != null", lambda d: d["assignee"] is not None),
        ("component.name = null", lambda d: d["component"] is None),
        ('component = "UI"', lambda d: (d["component"] or {}).get("name") == "UI"),
        ('component != "UI"', lambda d: (d["component"] or {}).get("name") != "UI"),
        (
            'assignee.nickname = "ada"',
            lambda d: (d["assignee"] or {}).get("nickname") == "ada",
        ),
        ("votes = 17", lambda d: d["votes"] == 17),
        ("created_on >= 2025-01-01", lambda d: d["created_on"] >= "2025"),
        ("edited_on = null", lambda d: d["edited_on"] is None),
        (
            'priority >= "critical"',
            lambda d: d["priority"] in ("critical", "blocker"),
        ),
        (
            'id = 1 OR id = 2 AND state = "open"',
            lambda d: d["id"] == 1 or (d["id"] == 2 and d["state"] == "open"),
        ),
        (
            '(id = 1 OR id = 2) and kind = "bug"',
            lambda d: d["id"] in (1, 2) and d["kind"] == "bug",
        ),
    ],
)
def test_operators(api: Client, q: str, test: Any) -> None:
    assert ids(api, q) == expected(api, test)


def test_quotes_and_backslashes_are_escaped_with_a_backslash(api: Client) -> None:
    quoted = expected(api, lambda d: d["title"] == 'Say "hello" to new users')
    assert quoted
    assert ids(api, 'title = "Say \\"hello\\" to new users"') == quoted
    backslashed = expected(api, lambda d: d["title"] == "Escape C:\\temp\\new in paths")
    assert backslashed
    assert ids(api, 'title = "Escape C:\\\\temp\\\\new in paths"') == backslashed


@pytest.mark.parametrize(
    "q",
    [
        'title = "Say "hello" to new users"',
        'title = "C:\\temp"',
        'title = "open',
        "title = open",
        "title = 'open'",
        'title == "x"',
        'title "x"',
        'NOT title = "x"',
        'title = "x" AND',
        '(title = "x"',
        'title IN "x"',
        "title IN ()",
        "id = ",
        "",
        "created_on > 2024-01-01T00:00:00 00:00",
        "created_on > 2024-13-01",
        "created_on > 2024-01-01 10:00:00",
        "assignee = NULL",
        'values.title = "x"',
    ],
)
def test_syntax_errors(api: Client, q: str) -> None:
    assert api.get(ISSUES, q=q).status_code == 400


@pytest.mark.parametrize(
    "q",
    [
        'id = "1"',
        "title = 1",
        'created_on > "2024-01-01"',
        'id ~ "1"',
        "title > null",
        'state = "opened"',
        "title = true",
        "component > null",
        'assignee > "x"',
        'assignee = "ada"',
        'assignee ~ "ada"',
    ],
)
def test_type_errors(api: Client, q: str) -> None:
    assert api.get(ISSUES, q=q).status_code == 400


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (ISSUES, "watches"),
        (f"{WEBSITE}/pullrequests", "closed_on"),
        (f"{WEBSITE}/pullrequests", "participants.user.uuid"),
        (f"{WEBSITE}/pullrequests", "description"),
        ("/repositories/acme", "slug"),
        (f"{WEBSITE}/refs/branches", "target.parents.hash"),
        ("/workspaces/acme/members", "user.display_name"),
    ],
)
def test_fields_that_cannot_be_filtered(api: Client, path: str, name: str) -> None:
    message = api.message(api.get(path, q=f'{name} = "x"'), 400)
    assert message == f"Field '{name}' does not support filtering"


def test_times_compare_as_instants(api: Client) -> None:
    document = api.state("issues")[20]
    created = document["created_on"]
    assert document["id"] in ids(api, f"created_on = {created}")
    assert document["id"] not in ids(api, f"created_on > {created}")
    shifted = created.replace("+00:00", "-00:01")  # the same wall clock is a later instant
    assert document["id"] in ids(api, f"created_on < {shifted}")


def test_times_without_a_zone_are_utc(api: Client) -> None:
    bare = [d for d in api.state("issues") if d["edited_on"] and "+" not in d["edited_on"]]
    assert bare
    assert bare[0]["id"] in ids(api, f"edited_on = {bare[0]['edited_on']}+00:00")


def test_reviewers_match_when_one_of_them_does(api: Client) -> None:
    found = ids(api, 'reviewers.nickname = "ada"', f"{WEBSITE}/pullrequests")
    assert found == expected(
        api,
        lambda d: any(r["nickname"] == "ada" for r in d["reviewers"]),
        "pull_requests",
    )


def test_text_equality_minds_case_by_default(api: Client) -> None:
    title = 'title = "speed up the login page"'
    assert not ids(api, title)


def test_text_equality_may_ignore_case(emulator_factory) -> None:
    api = Client(emulator_factory(text_equality="insensitive"))
    title = api.state("issues")[0]["title"]
    assert 1 in ids(api, f'title = "{title.upper()}"')
    assert 1 in ids(api, f'title IN ("{title.upper()}")')


def test_pull_requests_are_open_by_default_and_q_makes_state_void(api: Client) -> None:
    path = f"{WEBSITE}/pullrequests"
    every = api.state("pull_requests")
    opened = {d["id"] for d in every if d["state"] == "OPEN"}
    assert {v["id"] for v in api.values(path, pagelen=50)} == opened
    merged = {v["id"] for v in api.values(path, pagelen=50, state=["MERGED", "DECLINED"])}
    assert merged == {d["id"] for d in every if d["state"] in ("MERGED", "DECLINED")}
    assert len(api.values(path, pagelen=50, state="OPEN", q="id > 0")) == 150
    assert len(ids(api, 'state = "OPEN"', path)) == len(opened)
    assert api.get(path, state="open").status_code == 400


def test_pipelines_ignore_q_and_honour_parameters(api: Client) -> None:
    path = f"{WEBSITE}/pipelines"
    every = api.state("pipelines")
    assert len(api.values(path, q="this is not a query", pagelen=100)) == len(every)
    failed = [d for d in every if (d["state"].get("result") or {}).get("name") == "FAILED"]
    assert len(api.values(path, status="FAILED", pagelen=100)) == len(failed) > 0
    both = api.values(path, status=["FAILED", "PENDING"], pagelen=100)
    assert len(both) > len(failed)
    assert api.values(path, status="NO_SUCH_STATUS") == []
    branches = api.values(path, **{"target.ref_type": "BRANCH"}, pagelen=100)
    assert 0 < len(branches) < len(every)
    assert api.values(path, **{"target.ref_type": "branch"}) == []
    digest = every[0]["target"]["commit"]["hash"]
    assert api.values(path, **{"target.commit.hash": digest})
    assert api.values(path, **{"target.commit.hash": digest[:12]}) == []
    assert api.get(path, sort="build_number").status_code == 400


def test_pipelines_are_oldest_first_unless_sorted(api: Client) -> None:
    path = f"{WEBSITE}/pipelines"
    assert [v["build_number"] for v in api.json(path)["values"]] == list(range(1, 11))
    assert api.json(path, sort="-created_on")["values"][0]["build_number"] == 60


@pytest.mark.parametrize("sort", ["created_on", "-created_on", "votes", "-assignee.nickname"])
def test_sorting(api: Client, sort: str) -> None:
    rows = api.values(ISSUES, sort=sort, pagelen=100)
    path = sort.removeprefix("-").split(".")

    def key(row: Any) -> Any:
        for name in path:
            row = None if row is None else row.get(name)
        return row

    values = [key(row) for row in rows]
    present = [value for value in values if value is not None]
    assert present == sorted(present, reverse=sort.startswith("-"))
    assert len(rows) == 45


@pytest.mark.parametrize("sort", ["title,id", "content", "--id", "no_such", "reporter", ""])
def test_sort_takes_one_sortable_field(api: Client, sort: str) -> None:
    assert api.message(api.get(ISSUES, sort=sort), 400) == "Invalid sort attribute"


def test_refs_sort_naturally_only_when_asked(api: Client) -> None:
    def versions(**parameters: Any) -> list[str]:
        return [v["name"] for v in api.values(f"{WEBSITE}/refs/tags", pagelen=100, **parameters)]

    lexical, natural = versions(), versions(sort="name")
    assert lexical == sorted(lexical)
    assert sorted(natural) == lexical
    assert natural != lexical
    assert natural.index("v1.3") < natural.index("v1.12") < natural.index("v2.0")
    assert versions(sort="-name") == natural[::-1]
