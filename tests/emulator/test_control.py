"""The request log, faults, state and reset."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest
import requests

from bitbucket_fdw.emulator.faults import KINDS
from tests.emulator.client import WEBSITE, Client


def test_the_log_shows_what_was_asked(api: Client) -> None:
    api.control.clear()
    response = api.get(f"{WEBSITE}/issues", q='title = "ä b"', pagelen=5)
    entry = api.control.requests()[0].raw
    assert entry["method"] == "GET"
    assert entry["path"] == "/2.0/repositories/acme/website/issues"
    assert entry["query"] == "q=title+%3D+%22%C3%A4+b%22&pagelen=5"
    assert entry["status"] == 200
    assert entry["response_bytes"] == len(response.content)
    assert entry["credential"] == "ada-read"
    assert "authorization" in entry["request_headers"]


def test_the_log_never_holds_a_secret(api: Client) -> None:
    api.get(WEBSITE)
    api.get(WEBSITE, "workspace")
    text = requests.get(f"{api.control.root}/_emulator/requests", timeout=5).text
    assert "emulator-token" not in text
    assert "Basic" not in text


def test_the_log_can_be_read_from_a_point_on(api: Client) -> None:
    api.get(WEBSITE)
    last = api.control.requests()[-1].raw["sequence"]
    api.get(f"{WEBSITE}/forks")
    rows = api.control.call("GET", f"requests?since={last}")["requests"]
    assert [row["path"] for row in rows] == ["/2.0/repositories/acme/website/forks"]


def test_the_log_counts_what_runs_at_once(api: Client) -> None:
    api.control.fault("*/forks", kind="slow", delay_ms=400, count=3)
    threads = [threading.Thread(target=api.get, args=(f"{WEBSITE}/forks",)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(r.raw["in_flight"] for r in api.control.requests()) == 3


def test_what_nobody_waits_for_any_more_is_not_under_way_after_a_reset(api: Client) -> None:
    api.control.fault("*/forks", kind="slow", delay_ms=5_000)
    with pytest.raises(requests.Timeout):
        requests.get(f"{api.control.root}/2.0{WEBSITE}/forks", timeout=0.3)
    api.get(WEBSITE)
    assert api.control.requests()[-1].raw["in_flight"] == 2
    api.control.reset()
    api.get(WEBSITE)
    assert api.control.requests()[-1].raw["in_flight"] == 1


def test_a_fault_strikes_count_times_after_letting_some_through(api: Client) -> None:
    api.control.fault("*/issues", kind="status", status=503, after=1, count=2)
    statuses = [api.get(f"{WEBSITE}/issues").status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    faults = api.control.call("GET", "faults")["faults"]
    assert [fault["hits"] for fault in faults] == [2]


def test_a_fault_minds_method_path_and_query(api: Client) -> None:
    api.control.fault("re:/issues/[0-9]+$", kind="status", method="GET", count=None)
    api.control.fault("*/forks", kind="status", query="*pagelen=7*", count=None)
    assert api.get(f"{WEBSITE}/issues").status_code == 200
    assert api.get(f"{WEBSITE}/issues/1").status_code == 503
    assert api.write("PUT", f"{WEBSITE}/issues/1", {"title": "t"}).status_code == 200
    assert api.get(f"{WEBSITE}/forks", pagelen=7).status_code == 503
    assert api.get(f"{WEBSITE}/forks", pagelen=8).status_code == 200
    api.control.clear_faults()
    assert api.get(f"{WEBSITE}/issues/1").status_code == 200


def test_429_with_and_without_retry_after(api: Client) -> None:
    api.control.fault("*", kind="status", status=429)
    api.control.fault("*", kind="status", status=429, retry_after=3)
    without, with_header = api.get(WEBSITE), api.get(WEBSITE)
    assert without.status_code == with_header.status_code == 429
    assert "Retry-After" not in without.headers
    assert without.headers["Content-Type"].startswith("text/plain")
    assert with_header.headers["Retry-After"] == "3"


@pytest.mark.parametrize(
    ("form", "content_type"),
    [("json", "application/json"), ("text", "text/plain"), ("html", "text/html"), ("empty", "")],
)
def test_error_bodies_take_several_forms(api: Client, form: str, content_type: str) -> None:
    api.control.fault("*", kind="status", status=555, form=form)
    response = api.get(WEBSITE)
    assert response.status_code == 555
    assert response.headers.get("Content-Type", "").startswith(content_type)
    assert bool(response.content) == (form != "empty")


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "m", "fields": ["title"]}},
        {"type": "error", "error": {"message": "m", "fields": "title: bad", "detail": "d"}},
        ["not", "an", "object"],
    ],
)
def test_error_bodies_can_be_given(api: Client, body: Any) -> None:
    api.control.fault("*", kind="status", status=400, body=body)
    response = api.get(WEBSITE)
    assert response.status_code == 400
    assert response.json() == body


def test_reset_breaks_the_connection(api: Client) -> None:
    api.control.fault("*", kind="reset")
    with pytest.raises(requests.ConnectionError):
        api.get(WEBSITE)
    assert api.get(WEBSITE).status_code == 200


def test_truncate_breaks_in_the_middle(api: Client) -> None:
    api.control.fault("*", kind="truncate")
    with pytest.raises(requests.exceptions.ChunkedEncodingError):
        api.get(WEBSITE)


def test_cut_json_is_no_json(api: Client) -> None:
    api.control.fault("*", kind="cut_json")
    response = api.get(WEBSITE)
    assert response.status_code == 200
    with pytest.raises(requests.JSONDecodeError):
        response.json()


def test_expire_answers_401_for_a_while(api: Client) -> None:
    api.control.fault("*", kind="expire")
    assert api.get(WEBSITE).status_code == 401
    assert api.get(WEBSITE).status_code == 200


@pytest.mark.parametrize(("when", "applied"), [("before", False), ("after", True)])
def test_a_lost_answer_may_hide_a_write(api: Client, when: str, applied: bool) -> None:
    api.control.fault("*/issues", kind="reset", method="POST", when=when)
    with pytest.raises(requests.ConnectionError):
        api.write("POST", f"{WEBSITE}/issues", {"title": "Was it written?"})
    titles = [document["title"] for document in api.state("issues")]
    assert ("Was it written?" in titles) is applied


def test_a_write_can_outlast_the_client(api: Client) -> None:
    api.control.fault("*/issues", kind="slow", method="POST", delay_ms=1500)
    with pytest.raises(requests.Timeout):
        requests.post(
            f"{api.base}{WEBSITE}/issues",
            json={"title": "Written all the same"},
            auth=("ada@acme.example", "emulator-token-ada-write"),
            timeout=0.2,
        )
    assert "Written all the same" in [d["title"] for d in api.state("issues")]


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "status"},
        {"pattern": "*", "kind": "no such"},
        {"pattern": "*", "kind": "status", "surprise": 1},
        {"pattern": "*", "kind": "status", "form": "xml"},
        {"pattern": "*", "kind": "status", "when": "never"},
        {"pattern": "*", "kind": "status", "count": "2"},
        {"pattern": "*", "kind": "status", "after": -1},
        {"pattern": "re:(", "kind": "status"},
        [],
    ],
)
def test_faults_are_checked(api: Client, body: Any) -> None:
    response = requests.post(f"{api.control.root}/_emulator/faults", json=body, timeout=5)
    assert response.status_code == 400


def test_every_fault_kind_is_described() -> None:
    from bitbucket_fdw.emulator import faults

    for kind in KINDS:
        assert f"``{kind}``" in (faults.__doc__ or "")


def test_state_shows_what_items_show(api: Client) -> None:
    for number in (1, 2, 3):
        shown = api.state("pull_requests")[number - 1]
        assert shown == api.json(f"{WEBSITE}/pullrequests/{number}")
    assert api.state("issues") == api.values(f"{WEBSITE}/issues", sort="id", pagelen=100)


def test_state_covers_every_collection(api: Client) -> None:
    state = api.control.state()
    assert {"workspaces", "workspace_members", "projects", "repositories"} <= set(state)
    row = state["pull_request_comments"][0]
    assert set(row) == {"workspace", "repository", "pull_request_id", "document"}
    path = f"/repositories/{row['workspace']}/{row['repository']}"
    path += f"/pullrequests/{row['pull_request_id']}/comments/{row['document']['id']}"
    assert api.json(path) == row["document"]


def test_reset_brings_back_the_beginning(api: Client) -> None:
    before = api.state("issues")
    assert api.write("DELETE", f"{WEBSITE}/issues/1").status_code == 204
    api.control.fault("*", kind="status", count=None)
    assert len(api.state("issues")) == len(before) - 1
    api.control.reset()
    assert api.state("issues") == before
    assert api.get(WEBSITE).status_code == 200


def test_what_a_reset_brings_back_is_what_a_start_makes(emulator_factory: Any) -> None:
    """All of it, and again after a change."""
    api = Client(emulator_factory())
    made = api.control.state()
    for number in (1, 2):
        assert api.write("DELETE", f"{WEBSITE}/issues/{number}").status_code == 204
        assert api.control.state() != made
        api.control.reset()
        assert api.control.state() == made


def test_unknown_control_endpoints(api: Client) -> None:
    root = f"{api.control.root}/_emulator"
    assert requests.get(f"{root}/nothing", timeout=5).status_code == 404
    assert requests.post(f"{root}/state", timeout=5).status_code == 404
    assert requests.get(f"{root}/requests?since=x", timeout=5).status_code == 400
    assert requests.post(f"{root}/faults", data=b"{", timeout=5).status_code == 400


def test_latency_delays_the_api_only(emulator_factory: Any) -> None:
    api = Client(emulator_factory(latency=300))
    started = time.monotonic()
    api.get(WEBSITE)
    assert time.monotonic() - started >= 0.3
    entry = api.control.requests()[0].raw
    assert entry["duration_ms"] >= 300
