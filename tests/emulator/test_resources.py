"""Every declared resource: its listing, its items and its part of the state agree."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bitbucket_fdw.emulator.faults import WAYS
from bitbucket_fdw.emulator.resource import NEEDS_SLASH, Resource
from bitbucket_fdw.emulator.resources import RESOURCES
from tests.emulator.client import Client

NAMES = [resource.name for resource in RESOURCES]


def rows_of(api: Client, resource: Resource) -> list[dict[str, Any]]:
    """The rows of the sample data in ``acme``."""
    state = api.control.call("GET", f"state?collection={resource.name}")
    return [row for row in state[resource.name] if row["workspace"] == "acme"]


def largest(resource: Resource) -> dict[str, int]:
    pages = resource.listing.pages
    return {} if pages.unpaged else {"pagelen": pages.largest}


def as_text(documents: list[Any]) -> list[str]:
    return sorted(json.dumps(document, sort_keys=True) for document in documents)


def test_names_are_of_one_resource_each() -> None:
    assert len(set(NAMES)) == len(NAMES)


@pytest.mark.parametrize("resource", RESOURCES, ids=NAMES)
def test_a_listing_has_the_documents_of_the_state(api: Client, resource: Resource) -> None:
    rows = rows_of(api, resource)
    assert rows, "a resource without a document shows nothing"
    first = rows[0]
    place = {name: value for name, value in first.items() if name != "document"}
    expected = [r["document"] for r in rows if {**r, "document": 0} == {**place, "document": 0}]
    found = api.values(resource.addresses(first)[0], **largest(resource))
    assert as_text(found) == as_text(expected)


@pytest.mark.parametrize("resource", [r for r in RESOURCES if r.over_all], ids=lambda r: r.name)
def test_the_listing_over_all_has_the_documents_of_every_parent(
    api: Client, resource: Resource
) -> None:
    rows = [row for row in rows_of(api, resource) if row["repository"] == "website"]
    found = api.values(resource.addresses(rows[0])[1], **largest(resource))
    assert as_text(found) == as_text([row["document"] for row in rows])
    assert found == list(resource.order(found))


@pytest.mark.parametrize("resource", [r for r in RESOURCES if r.item], ids=lambda r: r.name)
def test_an_item_is_the_document_of_the_state(api: Client, resource: Resource) -> None:
    for row in rows_of(api, resource)[:3]:
        assert api.json(resource.addresses(row)[-1]) == row["document"]
        absent = {**row, "document": {**row["document"], resource.item.member: "no-such"}}
        assert api.get(resource.addresses(absent)[-1]).status_code == 404


@pytest.mark.parametrize(
    ("resource", "way"),
    [(r, way) for r in RESOURCES for way in r.ways],
    ids=lambda value: getattr(value, "name", value),
)
def test_what_is_disputed_can_be_had_either_way(api: Client, resource: Resource, way: str) -> None:
    assert way in WAYS
    change, differs = resource.ways[way], False
    for address in resource.addresses(rows_of(api, resource)[0])[: 2 if resource.over_all else 1]:
        plain = api.values(address, **largest(resource))
        api.control.fault("*", kind=way, count=None)
        changed = api.values(address, **largest(resource))
        api.control.call("DELETE", "faults")
        assert changed == [change(document) for document in plain]
        differs |= changed != plain
    assert differs


@pytest.mark.parametrize(
    "resource", [r for r in RESOURCES if r.slash_disputed], ids=lambda r: r.name
)
def test_a_slash_at_the_end_may_be_needed(api: Client, resource: Resource) -> None:
    path = resource.addresses(rows_of(api, resource)[0])[0]
    assert api.json(path)["values"] == api.json(f"{path}/")["values"]
    api.control.fault("*", kind=NEEDS_SLASH, count=None)
    assert api.message(api.get(path), 404) == "Resource not found"
    assert api.pages(f"{path}/", pagelen=1)
