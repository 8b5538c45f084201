"""Every declaration of the emulator is complete, and no part of it is there for nothing."""

import ast
import inspect
from collections import Counter
from dataclasses import MISSING, fields
from typing import Any

import pytest

from bitbucket_fdw.emulator.bbql import Schema
from bitbucket_fdw.emulator.credentials import SAMPLES
from bitbucket_fdw.emulator.data import build
from bitbucket_fdw.emulator.resource import Choice, Item, Resource
from bitbucket_fdw.emulator.resources import RESOURCES, deployments, pull_request_activity
from bitbucket_fdw.emulator.sign_in.consumers import CONSUMERS

STORE = build("http://127.0.0.1:1/2.0", 1, "tiny")
ROWS = {resource.name: list(resource.state(STORE)) for resource in RESOURCES}
DOCUMENTS = {name: [row["document"] for row in rows] for name, rows in ROWS.items()}

# Seen only where it is asked for by name; tests/emulator/test_access.py asks.
ASKED_FOR = {("workspace_members", "user.email")}

each = pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.name)


def test_names_and_addresses_are_of_one_resource_each():
    assert max(Counter(resource.name for resource in RESOURCES).values()) == 1
    addresses = Counter(path for resource in RESOURCES for path in resource.templates().values())
    assert max(addresses.values()) == 1


@each
def test_it_can_be_reached_and_has_documents(resource: Resource):
    assert resource.templates()
    assert len(ROWS[resource.name]) > 1
    assert resource.new, "what it needs in new scopes"


@each
def test_some_credential_holds_its_scopes(resource: Resource):
    granted = {scope for sample in SAMPLES for scope in sample.scopes}
    granted |= {scope for consumer in CONSUMERS for scope in consumer.scopes}
    assert set(resource.classic.split()) <= granted
    assert {f"{scope}:bitbucket" for scope in resource.new.split()} <= granted


@each
def test_addresses_lead_to_one_document_each(resource: Resource):
    found = Counter(
        (resource.addresses(row).get("item"), row.get("caller")) for row in ROWS[resource.name]
    )
    if resource.item is not None:
        assert max(found.values()) == 1
    for row in ROWS[resource.name][:5]:
        assert not any("{" in address for address in resource.addresses(row).values())


def values(schema: Schema, name: str, resource: Resource) -> set[Any]:
    found = (schema[name].first(document) for document in DOCUMENTS[resource.name])
    return {repr(value) for value in found if value is not None}


@each
def test_what_it_filters_on_is_in_its_documents(resource: Resource):
    schema = (resource.listing and resource.listing.filters) or {}
    for name in schema:
        if (resource.name, name) not in ASKED_FOR:
            assert values(schema, name, resource), f"no document has {name}"


@each
def test_what_it_sorts_on_makes_an_order(resource: Resource):
    listing = resource.listing
    for name in (listing and listing.sorts) or {}:
        if listing.sorts[name].sortable:
            assert len(values(listing.sorts, name, resource)) > 1, f"{name} is always the same"
    assert not listing or listing.natural <= set(listing.sorts or ())


@each
def test_what_it_hides_and_chooses_by_is_in_its_documents(resource: Resource):
    documents = DOCUMENTS[resource.name]
    for name in resource.listing.hidden if resource.listing else ():
        assert any(name in document for document in documents)
    for name, choice in resource.choices.items():
        assert len({choice.value(document) for document in documents}) > 1, name


@each
def test_every_other_way_differs(resource: Resource):
    for kind, way in resource.ways.items():
        differs = [way.change(document) != document for document in DOCUMENTS[resource.name]]
        assert any(differs) or way.absent, kind
        assert way.meaning.endswith(".")


@each
def test_its_order_keeps_every_document(resource: Resource):
    documents = DOCUMENTS[resource.name]
    assert Counter(map(repr, resource.order(documents))) == Counter(map(repr, documents))


@pytest.mark.parametrize("kind", [Resource, Item, Choice], ids=lambda kind: kind.__name__)
def test_no_part_of_a_declaration_is_never_used(kind: type):
    declared: list[Any] = list(RESOURCES)
    if kind is Item:
        declared = [r.item for r in RESOURCES if isinstance(r.item, Item)]
    if kind is Choice:
        declared = [choice for resource in RESOURCES for choice in resource.choices.values()]
    for part in fields(kind):
        default = part.default if part.default_factory is MISSING else part.default_factory()
        assert any(getattr(one, part.name) != default for one in declared), part.name


def lines_of_code(source: str) -> int:
    """Lines of a module but for imports, its docstring, empty ones, and disputed forms (`ways`)."""
    module = ast.parse(source)
    left_out: list[ast.AST] = [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Import | ast.ImportFrom)
        or (isinstance(node, ast.keyword) and node.arg == "ways")
    ]
    if ast.get_docstring(module) is not None:
        left_out.append(module.body[0])
    skipped = {
        line
        for node in left_out
        for line in range(node.lineno, node.end_lineno + 1)  # type: ignore[attr-defined]
    }
    lines = enumerate(source.splitlines(), 1)
    return sum(bool(text.strip()) and number not in skipped for number, text in lines)


@pytest.mark.parametrize("module", [deployments, pull_request_activity], ids=lambda m: m.__name__)
def test_a_resource_with_its_sample_data_takes_thirty_lines(module: Any):
    assert lines_of_code(inspect.getsource(module)) <= 30 * len(module.RESOURCES)
