"""Cursors of psqlODBC that change rows, by SQLSetPos, with the settings of docs/odbc.md."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from devkit.tree import BUNDLED

from tests.clients.conftest import add_dsn

PROGRAM = Path(__file__).with_name("odbc") / "setpos.py"
UPDATABLE = {"UpdatableCursors": "1", "UnknownsAsLongVarchar": "1"}
SUCCESS, ERROR = 0, -1
R = "/2.0/repositories/acme/website"

bundled = pytest.mark.skipif(
    f"config.getoption('--host') != '{BUNDLED}'", reason="Multicorn2 hands over no system columns"
)


@pytest.fixture
def setpos(site):
    """Run steps on the rows of a query: what each said, the rows at last, and the writes."""
    site.db.execute("CREATE SCHEMA acme")
    site.db.execute('IMPORT FOREIGN SCHEMA "acme" FROM SERVER bitbucket INTO acme')
    for schema in ("website", "acme"):
        settings = {**UPDATABLE, "ConnSettings": f"SET search_path TO {schema}"}
        add_dsn(site.odbc, f"{schema}_grid", **settings)
        add_dsn(site.odbc, f"{schema}_fetch", **settings, UseDeclareFetch="1", Fetch="10")

    def run(dsn, query, *steps):
        done = site.run([sys.executable, str(PROGRAM), f"DSN={dsn}", query, *steps])
        assert (done.status, done.errors) == (0, "")
        writes = [(r.method, r.path) for r in done.requests if r.method != "GET"]
        return done.json["said"], done.json["rows"], writes

    return run


def stored(site, collection):
    found = site.db.emulator.call("GET", f"state?collection={collection}&repository=acme/website")
    return [row["document"] for row in found[collection]]


@bundled
@pytest.mark.parametrize("kind", ["grid", "fetch"])
def test_rows_told_by_a_number(site, setpos, kind):
    before = {issue["id"]: issue["title"] for issue in stored(site, "issues")}
    said, rows, writes = setpos(
        f"website_{kind}",
        "SELECT id, title FROM issues WHERE id < 9 ORDER BY id",
        *("update 2 new title", "delete 3", "refresh 1", "update 5 another", "add fresh"),
    )
    assert [result for result, _, _ in said] == [SUCCESS] * 5
    assert writes == [
        ("PUT", f"{R}/issues/2"),
        ("DELETE", f"{R}/issues/3"),
        ("PUT", f"{R}/issues/5"),
        ("POST", f"{R}/issues"),
    ]
    assert rows[1] == ["2", "new title"]
    expected = {**before, 2: "new title", 5: "another", max(before) + 1: "fresh"}
    del expected[3]
    assert {issue["id"]: issue["title"] for issue in stored(site, "issues")} == expected


@bundled
@pytest.mark.parametrize("kind", ["grid", "fetch"])
def test_rows_told_by_two_parts(site, setpos, kind):
    said, _, writes = setpos(
        f"acme_{kind}",
        "SELECT id, title FROM issues WHERE repository = 'website' AND id < 5 ORDER BY id",
        *("update 2 new title", "delete 3"),
    )
    assert [result for result, _, _ in said] == [SUCCESS] * 2
    assert writes == [("PUT", f"{R}/issues/2"), ("DELETE", f"{R}/issues/3")]


@bundled
def test_rows_told_by_a_name(site, setpos):
    names = sorted(tag["name"] for tag in stored(site, "tags"))
    said, _, writes = setpos(
        "website_grid", 'SELECT message, name FROM tags ORDER BY name COLLATE "C"', "delete 2"
    )
    assert said[0][0] == SUCCESS
    assert len(writes) == 1
    assert sorted(tag["name"] for tag in stored(site, "tags")) == [names[0], *names[2:]]


@pytest.mark.skipif(f"config.getoption('--host') == '{BUNDLED}'", reason="rows have a ctid there")
def test_without_a_ctid_rows_are_shown_and_no_change_is_sent(setpos):
    said, rows, writes = setpos(
        "website_grid",
        "SELECT id, title FROM issues WHERE id < 9 ORDER BY id",
        *("update 2 new title", "delete 3"),
    )
    assert len(rows) == 8
    assert [result for result, _, _ in said] == [ERROR] * 2
    assert "rows cannot be told by their ctid here" in said[0][1][0]
    assert writes == []
