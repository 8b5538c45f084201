"""Endpoints of odd shapes, as declared: unions, values at several places, narrower listings."""

import pytest

from bitbucket_fdw.errors import BadResponse
from bitbucket_fdw.foreign_tables.binding import TableBinding
from bitbucket_fdw.pushdown import Condition, Request, plan
from bitbucket_fdw.pushdown.planner import MAX_ITEMS
from bitbucket_fdw.reading import costs, explain
from bitbucket_fdw.reading.items import Items
from bitbucket_fdw.tables import BY_NAME, TABLES
from bitbucket_fdw.tables.endpoints import path_parameters
from bitbucket_fdw.tables.json_values import OTHER, extractor
from bitbucket_fdw.writing.requests import verbs

ACTIVITY = BY_NAME["pull_request_activity"]
DEPLOYMENTS = BY_NAME["deployments"]
BOUND = {"workspace": "acme", "repository": "website"}
UNIONS = [(t, c) for t in TABLES for c in t.columns if c.union]
SEVERAL = [(t, c) for t in TABLES for c in t.columns if c.others]
NARROWER = [(t, n) for t in TABLES for n in t.narrower]


def planned(table, bound, *conditions):
    columns = frozenset(column.name for column in table.columns)
    return plan(Request(table, bound, conditions, columns=columns))


def at(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


# --- unions ---


@pytest.mark.parametrize(("table", "column"), UNIONS, ids=str)
def test_the_member_that_is_there_is_the_kind(table, column):
    read = extractor([column])
    for path in column.union:
        member = path.partition(".")[0]
        assert read(at(path, "x")) == {column.name: member}
        assert read({member: {}}) == {column.name: member}  # there, and all of it left out
        assert read({member: None}) == {column.name: OTHER}
    assert read({}) == {column.name: OTHER}
    assert column.path in {path.partition(".")[0] for path in column.union}


@pytest.mark.parametrize(("table", "column"), UNIONS, ids=str)
def test_something_small_of_each_member_is_asked_for(table, column):
    [query] = plan(Request(table, BOUND, columns=frozenset({column.name}))).queries
    asked = dict(query.parameters)["fields"].split(",")
    assert {f"values.{path}" for path in column.union} <= set(asked)
    assert f"values.{column.path}" not in asked


def test_an_entry_of_each_kind_has_its_time_and_its_account():
    who = {"uuid": "{00000000-0000-4000-8000-000000000001}", "nickname": "n"}
    columns = [ACTIVITY.column(name) for name in ("kind", "occurred_on", "user_nickname")]
    items = Items(ACTIVITY, "/x", columns)
    entries = {
        "update": {"date": "2026-01-01T00:00:00Z", "author": who},
        "approval": {"date": "2026-01-01T00:00:00Z", "user": who},
        "changes_requested": {"date": "2026-01-01T00:00:00Z", "user": who},
        "comment": {"created_on": "2026-01-01T00:00:00Z", "user": who},
    }
    for kind, entry in entries.items():
        [item] = items.listed([{"pull_request": {"id": 7}, kind: entry}])
        assert items.row(item) == {
            "kind": kind,
            "occurred_on": "2026-01-01T00:00:00Z",
            "user_nickname": "n",
        }
    [item] = items.listed([{"pull_request": {"id": 7}, "task": {}}])
    assert items.row(item) == {"kind": OTHER, "occurred_on": None, "user_nickname": None}


def test_an_entry_of_no_pull_request_is_an_error():
    items = Items(ACTIVITY, "/x", [ACTIVITY.column("kind")])
    for item in ({"update": {}}, {"pull_request": {}}, {}, None, "x"):
        with pytest.raises(BadResponse):
            items.listed([item])


# --- values that stand at one of several places ---


@pytest.mark.parametrize(("table", "column"), SEVERAL, ids=str)
def test_the_first_place_that_has_a_value_counts(table, column):
    read = extractor([column])
    value = GOOD[column.type]
    paths = (column.path, *column.others)
    for path in paths:
        assert read(at(path, value))[column.name] is not None
    assert read({}) == {column.name: None}
    [query] = plan(Request(table, BOUND, columns=frozenset({column.name}))).queries
    asked = dict(query.parameters)["fields"].split(",")
    assert set(paths) <= {name.removeprefix("values.") for name in asked}


GOOD = {
    "text": "x",
    "uuid": "{00000000-0000-4000-8000-000000000001}",
    "timestamptz": "2026-01-01T00:00:00Z",
}


def test_the_newer_name_goes_before_the_older_one():
    read = extractor([DEPLOYMENTS.column("release_name")])
    item = {"release": {"name": "new"}, "deployable": {"name": "old"}}
    assert read(item) == {"release_name": "new"}


# --- narrower listings ---


def bound_for(table):
    """The place that the table's own listing takes."""
    return {name: BOUND[name] for name in path_parameters(table.collection.path)}


def some_keys(column, count):
    return tuple(map(str if column.type == "text" else int, range(count)))


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
def test_a_narrower_listing_takes_one_parameter_more(table, narrower):
    more = set(path_parameters(narrower.path)) - set(table.parameters())
    assert more == {narrower.parameter}
    assert table.column(narrower.key).path


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
@pytest.mark.parametrize("op", ["=", "in"])
def test_a_condition_leads_to_the_narrower_listing(table, narrower, op):
    key = table.column(narrower.key)
    values = some_keys(key, 2 if op == "in" else 1)
    asked = values if op == "in" else values[0]
    result = planned(table, bound_for(table), Condition(key, op, asked))
    assert result.path == narrower.path
    assert result.combinations == len(values)
    assert result.exact
    assert explain.lines(result, lambda *_: 1.0, verbose=True)[0].startswith("Bitbucket: GET ")
    assert costs.requests(result, lambda *_: 1.0) == len(values)


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
def test_without_such_a_condition_the_whole_is_read(table, narrower):
    key = table.column(narrower.key)
    seven = some_keys(key, 8)[-1]
    many = Condition(key, "in", some_keys(key, 99))
    for conditions in ((), (Condition(key, ">", seven),), (many,)):
        result = planned(table, bound_for(table), *conditions)
        assert result.path == table.collection.path
        assert not any(binding.parameter == narrower.parameter for binding in result.bindings)
    assert MAX_ITEMS < 99


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
def test_each_parent_is_asked_for_its_narrower_listing(table, narrower):
    """Where nothing says which parent is meant."""
    key = table.column(narrower.key)
    above = dict(list(bound_for(table).items())[:-1])
    result = planned(table, above, Condition(key, "=", *some_keys(key, 1)))
    assert result.path == narrower.path
    assert result.parent is not None
    assert [binding.parameter for binding in result.bindings] == [narrower.parameter]
    assert costs.places(result, lambda *_: 5.0) == 5


@pytest.mark.parametrize(("table", "narrower"), NARROWER, ids=str)
def test_a_join_can_go_by_the_narrower_listing(table, narrower):
    columns = {column.name: ({}, column.type) for column in table.columns}
    binding = TableBinding.of({"table": table.name, **BOUND}, columns)
    assert (narrower.key,) in [key for key, _ in costs.path_keys(binding, lambda *_: 100.0)]


# --- rows that nothing identifies ---


def test_tables_without_a_key_can_only_be_read():
    keyless = [table for table in TABLES if not table.primary_key]
    assert keyless
    for table in keyless:
        assert not verbs(table)
        assert not table.items
        assert not table.collection.unique
        assert table.key_column().name == table.always


ONLY_ASKED = [(table, column) for table in TABLES for column in table.columns if column.asked]


@pytest.mark.parametrize(("table", "column"), ONLY_ASKED, ids=str)
def test_a_listing_that_leaves_out_what_it_was_asked_for_is_incomplete(table, column):
    """Also if the whole object is left out in which the member would be."""
    items = Items(table, "/x", [column])
    rows_in = {table.collection.explode: []} if table.collection.explode else {}
    assert items.incomplete(rows_in)
    assert not items.incomplete({**rows_in, **at(column.path, "x")})
