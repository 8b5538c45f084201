"""Rows that an account identifies. It may be gone, or its UUID masked (seen live by users)."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bitbucket_fdw.errors import BadResponse
from bitbucket_fdw.pushdown import plan
from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.table import Table
from tests.support.fake_api import FakeApi
from tests.support.reading import AT, WORKSPACE, Session

BY_ACCOUNT = [t for t in TABLES if "user_uuid" in t.primary_key]
UUID = "{00000000-0000-0000-0000-000000000001}"
PLACE = {"workspace": "acme", "repository": "website", "project": "WEB"}

by_account = pytest.mark.parametrize("table", BY_ACCOUNT, ids=lambda table: table.name)


def item(table: type[Table], number: int, **account: Any) -> dict[str, Any]:
    """An item with what every item has, and an account without a UUID."""
    *above, _ = table.column("user_uuid").keys
    made: Any = {"type": "user", "display_name": "Former user", **account}
    for name in reversed(above):
        made = {name: [made] if name == table.collection.explode else made}
    always = table.key_column().path or ""
    return made if "display_name" in always else {**made, always: number}


def filled(path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda match: PLACE[match[1]], path)


def read(table: type[Table], *items: dict[str, Any]) -> tuple[list[dict[str, Any]], Session]:
    api = FakeApi.of_repositories("website")
    api.collection("/workspaces/acme/projects", [{"key": "WEB"}], key="key")
    api.on(filled(table.collection.path), {"values": list(items), "size": len(items)})
    session = Session.of(api)
    columns = ("user_uuid", "user_display_name")
    return list(session.rows(table.name, columns=columns, bound=WORKSPACE)), session


@by_account
def test_one_that_is_gone_or_masked_spoils_no_other_row(table):
    rows, session = read(
        table,
        item(table, 1, uuid=UUID),
        item(table, 2),
        item(table, 3, uuid="{masked}", display_name="Somebody"),
        item(table, 4, uuid="{masked}", display_name="Somebody else"),
    )
    names = ["Former user", "Former user", "Somebody", "Somebody else"]
    assert [row["user_display_name"] for row in rows] == names
    assert [row["user_uuid"] is None for row in rows] == [False, True, True, True]
    assert "user_uuid" in "".join(session.doubts)


@pytest.mark.parametrize("wrapped", [True, False], ids=["as listed", "bare"])
@pytest.mark.parametrize(
    "table", [t for t in BY_ACCOUNT if t.column("user_uuid").others], ids=lambda table: table.name
)
def test_one_is_found_by_its_uuid_wherever_the_answer_has_it(table, wrapped):
    account = {"uuid": UUID, "display_name": "Ada"}
    api = FakeApi.of_repositories("website")
    api.on(rf"{filled(table.collection.path)}/[^/]+", {"user": account} if wrapped else account)
    asked = (("project_key", "=", "WEB"), ("user_uuid", "=", UUID))
    session = Session.of(api)
    assert session.values("user_display_name", table.name, *asked, bound=WORKSPACE) == ["Ada"]


@by_account
def test_what_is_no_item_at_all_is_an_error(table):
    with pytest.raises(BadResponse):
        read(table, {"something": "else"})


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_list_of_elements_values_is_in_one_request(table):
    """An item would answer to several of them, once for each of its elements."""
    for column in table.columns:
        if column.filter is not None and column.filter.of_list:
            for number in (1, 50, 51, 500):
                values = [f"{n:08}-0000-0000-0000-000000000000" for n in range(number)]
                asked = Session.of(FakeApi()).request(
                    table.name, (column.name, ("=", True), values)
                )
                assert len(plan(asked).queries) == 1


def test_a_file_without_either_name_spoils_no_other_row():
    api = FakeApi.of_repositories("website")
    files = [
        {"status": "merge conflict", "old": None, "new": None},
        {"status": "added", "old": None, "new": {"path": "a"}},
    ]
    api.on(f"{AT}/pullrequests/1/diffstat", {"values": files, "size": 2})
    asked = ("pull_request_id", "=", 1)
    paths = Session.of(api).values("path", "pull_request_diffstat", asked)
    assert paths == [None, "a"]
