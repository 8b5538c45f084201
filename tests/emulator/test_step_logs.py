"""Logs of steps: a redirect to a store that takes no credential."""

from __future__ import annotations

from typing import Any

import pytest
import requests

from tests.emulator.client import WEBSITE, Client

ANY = {"Accept": "application/octet-stream"}


def log_of(step: dict[str, Any]) -> str:
    return f"{WEBSITE}/pipelines/{step['pipeline']['uuid']}/steps/{step['uuid']}/log"


@pytest.fixture
def steps(api: Client) -> list[dict[str, Any]]:
    return api.state("pipeline_steps")


def test_a_log_lies_in_a_store_at_another_port(api: Client, steps: Any) -> None:
    step = next(s for s in steps if s["started_on"])
    response = api.send("GET", log_of(step), headers=ANY)
    there = response.headers["Location"]
    assert response.status_code == 307
    assert there.split("/")[2] != api.base.split("/")[2]
    kept = requests.get(there, timeout=20)
    assert kept.status_code == 200
    assert step["name"].encode() in kept.content
    assert kept.headers["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(
    ("more", "headers", "status"),
    [
        ("", {"Authorization": "Bearer x"}, 400),
        ("&fields=x", {}, 400),
        ("0", {}, 403),
    ],
)
def test_the_store_takes_its_own_addresses_alone(
    api: Client, steps: Any, more: str, headers: dict[str, str], status: int
) -> None:
    step = next(s for s in steps if s["started_on"])
    there = api.send("GET", log_of(step), headers=ANY).headers["Location"]
    assert requests.get(there + more, headers=headers, timeout=20).status_code == status


@pytest.mark.parametrize(
    ("accept", "status"),
    [
        ("*/*", 307),
        ("text/html, application/octet-stream;q=0.5", 307),
        ("application/json", 406),
        ("text/plain", 406),
    ],
)
def test_a_log_is_neither_json_nor_plain_text(
    api: Client, steps: Any, accept: str, status: int
) -> None:
    step = next(s for s in steps if s["started_on"])
    response = api.send("GET", log_of(step), headers={"Accept": accept})
    assert response.status_code == status


def test_a_step_that_has_not_begun_has_no_log(api: Client, steps: Any) -> None:
    step = next(s for s in steps if not s["started_on"])
    response = api.send("GET", log_of(step), headers=ANY)
    assert response.status_code == 404
    assert "does not exist" in response.json()["error"]["detail"]


def test_no_step_no_log(api: Client, steps: Any) -> None:
    step = {**steps[0], "uuid": "{00000000-0000-4000-8000-000000000000}"}
    response = api.send("GET", log_of(step), headers=ANY)
    assert response.status_code == 404
    assert "No step" in response.json()["error"]["detail"]
