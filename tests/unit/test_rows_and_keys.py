"""Items that stand for no row, rows that may lack their key, and filters by equality alone."""

import pytest

from bitbucket_fdw.api.credentials import Credential
from bitbucket_fdw.errors import BadResponse, InvalidValue
from bitbucket_fdw.pushdown import Condition, Request, plan
from bitbucket_fdw.pushdown.plan import Kind
from bitbucket_fdw.pushdown.shippable import ship
from bitbucket_fdw.reading.items import Items
from bitbucket_fdw.sign_in.schemes import SCHEMES
from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.endpoints import GUARDED, path_parameters
from bitbucket_fdw.writing.requests import update
from tests.support.fake_api import FakeApi
from tests.support.reading import Session

TOKEN = "access_token"
UUID = "00000000-0000-0000-0000-000000000001"
BOUND = {"workspace": "acme", "repository": "website"}
WITH_NOTHING = [table for table in TABLES if table.nothing]
MAYBE_KEYLESS = [t for t in TABLES if t.always and t.primary_key and t.key_column().path]
BY_EQUALITY = [(t, c) for t in TABLES for c in t.columns if c.filter and c.filter.equality]
OPERATORS = ("<>", "<", "<=", ">", ">=", "~~", "~~*", "is null", "is not null", "not in")


def named(value):
    return getattr(value, "name", None) or str(value)


def test_each_of_these_is_used():
    assert len(WITH_NOTHING) > 1
    assert len(MAYBE_KEYLESS) > 1
    assert len({table for table, _ in BY_EQUALITY}) > 1
    assert sum(not table.scopes.access_tokens for table in TABLES) > 1
    assert sum(table.for_whom is not None for table in TABLES) > 1


@pytest.mark.parametrize(("table", "column"), BY_EQUALITY, ids=named)
def test_only_equality_is_sent_where_nothing_else_was_seen_to_work(table, column):
    known = column.filter.values
    assert ship(Condition(column, "=", known[0])).exact
    assert ship(Condition(column, "in", known[:2])).exact
    for operator in OPERATORS:
        value = known if operator == "not in" else known[0]
        assert ship(Condition(column, operator, value)) is None, operator


@pytest.mark.parametrize("table", WITH_NOTHING, ids=named)
def test_what_stands_for_no_row_is_told_by_its_value_in_every_plan(table):
    name, _ = table.nothing
    assert table.column(name).path
    for columns in (frozenset(), frozenset({table.primary_key[-1]})):
        planned = plan(Request(table, BOUND, columns=columns))
        assert planned.kind is Kind.COLLECTION  # the size of the listing is no count of rows
        assert table.nothing in planned.hidden
        assert name in planned.columns
        [query] = planned.queries
        assert table.column(name).path in dict(query.parameters)["fields"]


@pytest.mark.parametrize("table", WITH_NOTHING, ids=named)
def test_an_answer_that_stands_for_no_row_needs_nothing_else(table):
    """It may not even say for whom."""
    name, value = table.nothing
    api = FakeApi.of_repositories("website")
    api.on("/.*/permissions-config/.*", {table.column(name).path: value})
    api.collection("/workspaces/acme/projects", [{"key": "WEB"}], key="key")
    key = UUID if table.primary_key[-1] == "user_uuid" else "developers"
    quals = [(table.primary_key[-1], "=", key)]
    if "project_key" in table.primary_key:
        quals.append(("project_key", "=", "WEB"))
    session = Session.of(api)
    assert session.values(name, table.name, *quals, bound=BOUND) == []
    assert [call for call in api.calls if key in call]
    assert session.doubts == []


@pytest.mark.parametrize("table", WITH_NOTHING, ids=named)
def test_to_set_what_stands_for_no_row_is_refused_with_the_way_to_do_it(table):
    name, value = table.nothing
    row = dict.fromkeys(table.primary_key, "x")
    with pytest.raises(InvalidValue) as caught:
        update(table, BOUND, row, {name: value})
    assert caught.value.hint.startswith("DELETE the row instead.")


@pytest.mark.parametrize("table", MAYBE_KEYLESS, ids=named)
def test_a_row_may_lack_a_key_that_is_not_what_every_item_has(table):
    key = table.column(table.primary_key[-1])
    planned = plan(Request(table, BOUND, (Condition(key, "is null", None),), columns=frozenset()))
    assert planned.kind is not Kind.NOTHING or not key.path
    if key.path and key is not table.key_column():
        items = Items(table, "/x", [key])
        item = {}
        place = item
        *above, last = table.key_column().keys
        for member in above:
            place = place.setdefault(member, {})
        place[last] = "somebody"
        assert items.row(items.single(item)) == {key.name: None}
        # What tells pull requests apart is there whoever takes part in them.
        assert (items.mark(item) is None) is (table.collection.explode is None)
        with pytest.raises(BadResponse):
            items.single({"x": 1})


def test_what_projects_have_is_left_out_by_project():
    below = [t for t in TABLES if "projects/{" in t.collection.path and t.parent.table.items]
    children = [t for t in below if t.parent.table.name == "projects"]
    assert children
    for table in children:
        assert [p for p in path_parameters(table.collection.path) if p in GUARDED][-1] == "project"


def test_only_the_scheme_of_access_tokens_is_one():
    assert Credential(TOKEN).is_access_token
    assert not any(Credential(scheme).is_access_token for scheme in SCHEMES if scheme != TOKEN)
