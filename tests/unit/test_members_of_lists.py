"""Columns that take a member of one element of a list, by what kind the element is."""

import pytest

from bitbucket_fdw.tables import TABLES
from bitbucket_fdw.tables.json_readers import BadValue
from bitbucket_fdw.tables.json_values import extractor

COLUMNS = [(t, c) for t in TABLES for c in t.columns if c.member]
by_table = pytest.mark.parametrize(
    ("table", "column"), COLUMNS, ids=[f"{t.name}-{c.name}" for t, c in COLUMNS]
)


def read(column, elements):
    return extractor([column])({column.path: elements})[column.name]


@by_table
def test_the_element_is_found_by_its_kind(table, column):
    name, value, wanted = column.member
    element, other = {name: value, wanted: "right"}, {name: "another", wanted: "wrong"}
    for elements in ([element], [other, element], [element, other], [other, 7, None, element]):
        assert read(column, elements) == "right"


@by_table
def test_without_the_element_there_is_no_value(table, column):
    name, value, wanted = column.member
    for elements in (None, [], [{}], [{name: "another", wanted: "x"}], [{name: value}]):
        assert read(column, elements) is None


@by_table
@pytest.mark.parametrize("instead", ["x", 7, {"kind": "feature"}])
def test_something_else_than_a_list_is_an_error(table, column, instead):
    with pytest.raises(BadValue, match=column.name):
        read(column, instead)
