"""The table that CONTRIBUTING.md adds is one: its two declarations are read as they are shown."""

import re

import pytest

from bitbucket_fdw.emulator.data import build
from bitbucket_fdw.emulator.reads import ROUTES
from bitbucket_fdw.emulator.resource import Resource
from bitbucket_fdw.emulator.resources import RESOURCES
from bitbucket_fdw.emulator.routes import Routes
from bitbucket_fdw.reference.pages import table_page
from bitbucket_fdw.tables import BY_NAME
from bitbucket_fdw.tables.table import FAMILIES, Table
from tests.docs.pages import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def shown(name, package):
    """What a block defines, read as a module of a package."""
    found = re.search(rf"<!-- example: {name} -->\n```python\n(.*?)```", TEXT, re.DOTALL)
    assert found is not None
    namespace = {"__package__": package, "__name__": f"{package}.example"}
    exec(found[1], namespace)
    return namespace


@pytest.fixture(scope="module")
def table():
    defined = shown("table", "bitbucket_fdw.tables").values()
    [found] = [
        value
        for value in defined
        if isinstance(value, type) and issubclass(value, Table) and value is not Table
    ]
    return found


@pytest.fixture(scope="module")
def resource():
    [found] = shown("resource", "bitbucket_fdw.emulator.resources")["RESOURCES"]
    assert isinstance(found, Resource)
    return found


def test_the_table_is_a_complete_declaration(table):
    assert table.family in FAMILIES
    page = table_page(table)
    assert all(f"`{column.name}`" in page for column in table.columns)
    assert table.examples


def test_neither_side_has_it_already(table, resource):
    # Who follows the page would declare it twice, and other tests would fail.
    assert table.name not in BY_NAME, "show another table on the page: this one is there now"
    assert resource.name not in {other.name for other in RESOURCES}
    address = f"{resource.parent.template}{resource.path}"
    route, _, methods = ROUTES.find("GET", address.format(workspace="acme", repo_slug="website"))
    assert route is None
    assert not methods


def test_both_sides_agree_on_the_address_and_on_members(table, resource):
    routes = Routes()
    resource.declare(routes)
    address = f"{resource.parent.template}{resource.path}"
    assert address.replace("repo_slug", "repository") == table.collection.path
    store = build("http://127.0.0.1/2.0", 1, "tiny")
    resource.fill(store, 1)
    documents = [row["document"] for row in resource.state(store)]
    assert documents
    for column in table.columns:
        if column.path:
            assert any(found(document, column.path) is not None for document in documents)


def found(document, path):
    for name in path.split("."):
        document = document.get(name) if isinstance(document, dict) else None
    return document
