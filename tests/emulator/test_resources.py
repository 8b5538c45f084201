"""Every declared resource: its listing, its items and its part of the state agree."""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

import pytest

from bitbucket_fdw.emulator.faults import WAYS
from bitbucket_fdw.emulator.levels import PIPELINES_OFF
from bitbucket_fdw.emulator.resource import NEEDS_SLASH, Resource
from bitbucket_fdw.emulator.resources import RESOURCES
from tests.emulator.client import Client

Row = dict[str, Any]


@pytest.fixture
def api(api: Client) -> Client:
    """A client that holds the scopes of administrators too: some settings take them to be read."""
    api.read_as("ada-write")
    return api


def name_of(value: Any) -> str:
    return str(getattr(value, "name", value))


def over(resources: Any) -> Any:
    return pytest.mark.parametrize("resource", resources, ids=name_of)


LISTED = [resource for resource in RESOURCES if resource.listing]


def rows_of(api: Client, resource: Resource) -> list[Row]:
    """The rows of the sample data in ``acme``, those of its big repository first."""
    state = api.control.call("GET", f"state?collection={resource.name}")
    rows = [row for row in state[resource.name] if row.get("workspace", "acme") == "acme"]
    rows = [row for row in rows if row.get("caller", "ada") == "ada"]
    return sorted(rows, key=lambda row: row.get("repository") != "website")


def siblings(resource: Resource, rows: list[Row]) -> list[Row]:
    """The rows that have the parent of the first one."""
    address = resource.parent.address
    return [row for row in rows if address(row) == address(rows[0])]


def largest(resource: Resource) -> dict[str, int]:
    pages = resource.listing.pages
    return {} if pages.unpaged else {"pagelen": pages.largest}


def as_text(resource: Resource, documents: list[Any]) -> list[str]:
    """Documents as a listing shows them."""
    hidden, only = resource.listing.hidden, resource.listing.shown
    shown = (
        {k: v for k, v in d.items() if k not in hidden and (not only or k in only)}
        for d in documents
    )
    return sorted(spelled(document) for document in shown)


def spelled(document: Any) -> str:
    """A document as text, without the caller's user name, which stands in some addresses."""
    return re.sub(r"://\w+@", "://", json.dumps(document, sort_keys=True))


def listing_of(api: Client, resource: Resource, row: Row) -> str:
    """The address that answers the listing of a row's parent."""
    address = resource.addresses(row)["list"]
    if resource.redirect is None:
        return address
    response = api.get(address)
    assert response.status_code == 302
    return str(response.headers["Location"])


@over(LISTED)
def test_a_listing_has_the_documents_of_the_state(api: Client, resource: Resource) -> None:
    rows = rows_of(api, resource)
    expected = as_text(resource, [row["document"] for row in siblings(resource, rows)])
    found = as_text(resource, api.values(listing_of(api, resource, rows[0]), **largest(resource)))
    assert found
    if resource.rows is None:
        assert found == expected
    else:  # by default it may leave something out
        assert len(set(found)) == len(found)
        assert set(found) <= set(expected)


@over([resource for resource in RESOURCES if resource.over_all])
def test_the_listing_over_all_has_the_documents_of_every_parent(
    api: Client, resource: Resource
) -> None:
    rows = [row for row in rows_of(api, resource) if row["repository"] == "website"]
    found = api.values(resource.addresses(rows[0])["over_all"], **largest(resource))
    assert as_text(resource, found) == as_text(resource, [row["document"] for row in rows])
    assert found == list(resource.order(found))


@over([resource for resource in RESOURCES if resource.item])
def test_an_item_is_the_document_of_the_state(api: Client, resource: Resource) -> None:
    for row in rows_of(api, resource)[:3]:
        address = resource.addresses(row)["item"]
        response = api.get(address)
        assert response.status_code in (200, 302, 307)
        if response.status_code == 200:
            answer, document = response.json(), row["document"]
            if spelled(answer) != spelled(document):  # in a form that depends on no caller
                document = resource.shown(None, document)
            assert spelled(answer) == spelled(document)
        absent = f"{address.rpartition('/')[0]}/no-such"
        assert api.get(absent).status_code == 404


@over(LISTED)
def test_fields_trim_a_listing(api: Client, resource: Resource) -> None:
    row = rows_of(api, resource)[0]
    name = next(iter(row["document"]))
    page = api.json(listing_of(api, resource, row), fields=f"values.{name}")
    assert set(page) == {"values"}
    assert all(set(document) <= {name} for document in page["values"])
    assert any(name in document for document in page["values"])


@pytest.mark.parametrize(
    ("resource", "name"), [(r, name) for r in RESOURCES for name in r.choices], ids=name_of
)
def test_a_choice_keeps_the_documents_with_its_value(
    api: Client, resource: Resource, name: str
) -> None:
    choice = resource.choices[name]
    rows = rows_of(api, resource)
    values = [choice.value(row["document"]) for row in rows]
    rows = rows[next(i for i, value in enumerate(values) if value) :]
    wanted = choice.value(rows[0]["document"])
    text = wanted.isoformat() if isinstance(wanted, datetime) else str(wanted)
    assert choice.read(text) == wanted
    address = resource.addresses(rows[0])["list"]
    every = api.values(address, **largest(resource))
    found = api.values(address, **largest(resource), **{name: text})
    assert found == [document for document in every if choice.value(document) == wanted]
    assert found
    twice = api.get(address, **{name: [text, "no such value"]})
    if choice.repeatable:
        assert twice.json()["values"] == api.json(address, **{name: text})["values"]
    else:
        assert twice.status_code == 400


@pytest.mark.parametrize(
    ("resource", "way"),
    [(r, way) for r in RESOURCES for way in r.ways],
    ids=name_of,
)
def test_what_is_disputed_can_be_had_either_way(api: Client, resource: Resource, way: str) -> None:
    assert way in WAYS
    change, differs = resource.ways[way].change, False
    addresses = resource.addresses(rows_of(api, resource)[0])
    if resource.ways[way].absent:
        nobodys = addresses["item"].rpartition("/")[0] + "/nobody"
        assert api.get(nobodys).status_code == 404
        api.control.fault("*", kind=way, count=None)
        assert api.json(nobodys)
        api.control.call("DELETE", "faults")
        return

    def documents(address: str) -> list[Any]:
        if resource.listing is None:  # one document of each parent
            return [api.json(address)]
        return api.values(address, **largest(resource))

    kinds = ("list", "over_all") if resource.listing else ("item",)
    for address in (addresses[kind] for kind in kinds if kind in addresses):
        plain = documents(address)
        api.control.fault("*", kind=way, count=None)
        changed = documents(address)
        api.control.call("DELETE", "faults")
        assert changed == [change(document) for document in plain]
        differs |= changed != plain
    assert differs


@over([resource for resource in RESOURCES if resource.slash_disputed])
def test_a_slash_at_the_end_may_be_needed(api: Client, resource: Resource) -> None:
    path = resource.addresses(rows_of(api, resource)[0])["list"]
    assert api.json(path)["values"] == api.json(f"{path}/")["values"]
    api.control.fault("*", kind=NEEDS_SLASH, count=None)
    assert api.message(api.get(path), 404) == "Resource not found"
    assert api.pages(f"{path}/", pagelen=1)


@over([resource for resource in RESOURCES if resource.classic == "pipeline"])
def test_pipelines_may_be_switched_off(api: Client, resource: Resource) -> None:
    row = rows_of(api, resource)[0]
    api.control.fault("*", kind=PIPELINES_OFF, count=None)
    for address in resource.addresses(row).values():
        response = api.get(address)
        assert response.status_code == 404
        assert "not enabled" in response.json()["error"]["detail"]
    assert api.get(f"/repositories/acme/{row['repository']}").status_code == 200
    assert api.get(f"/repositories/acme/{row['repository']}/pullrequests").status_code == 200
