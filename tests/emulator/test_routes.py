"""Every reading endpoint, found from the declarations: it answers, and it is strict."""

from __future__ import annotations

import re
from functools import reduce
from operator import getitem
from typing import Any
from urllib.parse import quote

import pytest
from requests import Response

from bitbucket_fdw.emulator.endpoints import Endpoint
from bitbucket_fdw.emulator.reads import ROUTES
from bitbucket_fdw.emulator.resource import Resource
from bitbucket_fdw.emulator.resources import RESOURCES
from tests.emulator.client import Client

ENDPOINTS: list[Endpoint] = [endpoint for _, _, endpoint in ROUTES._endpoints]
LIVE = [e for e in ENDPOINTS if not e.gone]


@pytest.fixture
def api(api: Client) -> Client:
    """A client that holds the scopes of administrators too: some settings take them to be read."""
    api.read_as("ada-write")
    return api


_filled: dict[str, str] = {}


def _fill(api: Client, template: str) -> str:
    """An address with the path variables of something that is there; the data do not change."""
    if template not in _filled:
        _filled[template] = _find(api, template)
    return _filled[template]


def _find(api: Client, template: str) -> str:
    """The address of a collection or an item, or one below an item that answers something."""
    for resource in RESOURCES:
        for kind, own in resource.templates().items():
            if own == template:
                return resource.addresses(_rows(api, resource)[0])[kind]
    above = [r for r in RESOURCES if template.startswith(f"{r.templates().get('item')}/")]
    if not above:
        return _with_keys(api, template)
    nearest = max(above, key=lambda resource: len(resource.templates()["item"]))
    below = _with_keys(api, template.removeprefix(nearest.templates()["item"]))
    for row in _rows(api, nearest)[:200]:
        address = nearest.addresses(row)["item"] + below
        if _answers_something(api.get(address)):
            break
    return address


def _answers_something(response: Response) -> bool:
    """Whether there is an answer, and something in it if it is a list."""
    if response.status_code != 200:
        return response.status_code in (302, 307)
    if not response.headers["Content-Type"].startswith("application/json"):
        return True
    document = response.json()
    return not isinstance(document, dict) or bool(document.get("values", True))


# Path variables that take the key of something in a collection beside what the path leads to.
_KEYS = {
    "repo_slug": ("repositories", "slug"),
    "revision": ("branches", "name"),
    "selected_user": ("workspace_members", "user.uuid"),
    "spec": ("branches", "name"),
    "workspace": ("workspaces", "slug"),
}


def _with_keys(api: Client, template: str) -> str:
    """A template with the keys of what is in the workspace, and in its big repository."""

    def key(variable: re.Match[str]) -> str:
        collection, path = _KEYS[variable[1]]
        rows = _rows(api, next(r for r in RESOURCES if r.name == collection))
        return quote(reduce(getitem, path.split("."), rows[0]["document"]), safe="")

    return re.sub(r"\{(\w+)(?::path)?\}", key, template)


def _rows(api: Client, resource: Resource) -> list[dict[str, Any]]:
    """The rows of the state in the workspace, those of its big repository first."""
    rows = api.control.call("GET", f"state?collection={resource.name}")[resource.name]
    inside = [row for row in rows if row.get("workspace", "acme") == "acme"]
    inside = [row for row in inside if row.get("caller", "ada") == "ada"]
    return sorted(inside, key=lambda row: row.get("repository") != "website")


def _name(endpoint: Endpoint) -> str:
    return endpoint.template


@pytest.mark.parametrize("endpoint", LIVE, ids=_name)
def test_it_answers(api: Client, endpoint: Endpoint) -> None:
    path = _fill(api, endpoint.template)
    response = api.get(path)
    redirects = endpoint.template.endswith(("/diff", "/diffstat", "/patch", "{filename}"))
    expected = 302 if redirects else 307 if endpoint.template.endswith("/log") else 200
    assert response.status_code == expected, response.text[:300]
    if endpoint.listing is not None and expected == 200:
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
    path, plain, lacking = _fill(api, endpoint.template), Client(api.control), "ada-write-only"
    if set(endpoint.scopes.required("new")) <= set(plain.known[lacking]["scopes"]):
        lacking = "ada-read"
    response = plain.get(path, lacking)
    assert response.status_code == 403
    assert response.json()["error"]["detail"]["required"]
