"""Every reading endpoint, found from the declarations: it answers, and it is strict."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import pytest

from bitbucket_fdw.emulator.endpoints import Endpoint
from bitbucket_fdw.emulator.reads import ROUTES
from bitbucket_fdw.emulator.resource import Resource
from bitbucket_fdw.emulator.resources import RESOURCES
from tests.emulator.client import Client

ENDPOINTS: list[Endpoint] = [endpoint for _, _, endpoint in ROUTES._endpoints]
LIVE = [e for e in ENDPOINTS if not e.gone]


_filled: dict[str, str] = {}


def _fill(api: Client, template: str) -> str:
    """An address with the path variables of something that is there; the data do not change."""
    if template not in _filled:
        _filled[template] = _find(api, template)
    return _filled[template]


def _find(api: Client, template: str) -> str:
    for resource in RESOURCES:
        for kind, own in resource.templates().items():
            if own == template:
                return resource.addresses(_row(api, resource))[kind]
    pull = next(p for p in api.state("pull_requests") if p["source"]["repository"])
    values: dict[str, Any] = {
        "workspace": "acme",
        "repo_slug": "website",
        "pull_request_id": pull["id"],
        "commit": pull["source"]["commit"]["hash"],
        "revision": "main",
        "spec": "main",
        "selected_user": api.json("/user")["uuid"],
    }
    if "steps" in template:
        step = next(s for s in api.state("pipeline_steps") if s["started_on"])
        values.update(step_uuid=step["uuid"], pipeline_uuid=step["pipeline"]["uuid"])
    if "statuses" in template:
        named = {s["commit"]["hash"][:12] for s in api.state("commit_statuses")}
        values["pull_request_id"] = next(
            p["id"]
            for p in api.state("pull_requests")
            if p["source"]["commit"] and p["source"]["commit"]["hash"] in named
        )
    return re.sub(r"\{(\w+)(:path)?\}", lambda m: quote(str(values[m.group(1)]), safe=""), template)


def _row(api: Client, resource: Resource) -> dict[str, Any]:
    """A row of the state that can be asked for, of the big repository if it is of one."""
    rows = api.control.call("GET", f"state?collection={resource.name}")[resource.name]
    inside = [row for row in rows if row["workspace"] == "acme"]
    found: dict[str, Any] = min(inside, key=lambda row: row.get("repository") != "website")
    return found


def _name(endpoint: Endpoint) -> str:
    return endpoint.template


@pytest.mark.parametrize("endpoint", LIVE, ids=_name)
def test_it_answers(api: Client, endpoint: Endpoint) -> None:
    path = _fill(api, endpoint.template)
    response = api.get(path)
    redirects = endpoint.template.endswith(("/diff", "/diffstat", "/patch", "{filename}"))
    expected = 302 if redirects else 307 if endpoint.template.endswith("/log") else 200
    assert response.status_code == expected, response.text[:300]
    if endpoint.listing is not None:
        page = response.json()
        assert isinstance(page["values"], list)
        assert page["values"], "nothing to see"


@pytest.mark.parametrize("endpoint", LIVE, ids=_name)
def test_it_refuses_unknown_parameters(api: Client, endpoint: Endpoint) -> None:
    path = _fill(api, endpoint.template)
    assert "surprise" in api.message(api.get(path, surprise="1"), 400)


@pytest.mark.parametrize(
    "endpoint", [e for e in LIVE if e.listing and e.listing.filters], ids=_name
)
def test_its_filters_hold_over_every_document(api: Client, endpoint: Endpoint) -> None:
    """``x = null`` and ``x != null`` part the list in two, for every field it filters on."""
    path = _fill(api, endpoint.template)
    length = {"pagelen": 50}
    if endpoint.template.endswith(("/pullrequests", "/pullrequests/{selected_user}")):
        total = len(api.values(path, **length, q="id > 0"))
    else:
        total = len(api.values(path, **length))
    assert endpoint.listing is not None
    assert endpoint.listing.filters is not None
    for name in endpoint.listing.filters:
        if name in ("user.email", "reviewers.uuid", "reviewers.nickname", "reviewers.account_id"):
            continue  # these are asked for in their own way, tested elsewhere
        absent = len(api.values(path, **length, q=f"{name} = null"))
        present = len(api.values(path, **length, q=f"{name} != null"))
        assert absent + present == total, name


@pytest.mark.parametrize("endpoint", [e for e in LIVE if e.listing and e.listing.sorts], ids=_name)
def test_it_sorts_on_every_field_it_declares(api: Client, endpoint: Endpoint) -> None:
    path = _fill(api, endpoint.template)
    assert endpoint.listing is not None
    for name, field in (endpoint.listing.sorts or {}).items():
        expected = 200 if field.sortable else 400
        assert api.get(path, sort=f"-{name}").status_code == expected, name


@pytest.mark.parametrize("endpoint", LIVE, ids=_name)
def test_it_wants_its_scopes(api: Client, endpoint: Endpoint) -> None:
    if not endpoint.scopes.new:
        pytest.skip("no scope is documented")
    response = api.get(_fill(api, endpoint.template), "ada-write-only")
    assert response.status_code == 403
    assert response.json()["error"]["detail"]["required"]
