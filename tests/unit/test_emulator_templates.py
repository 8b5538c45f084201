"""Templates of sample documents."""

import json

import pytest

from bitbucket_fdw.emulator.sample import Sample
from bitbucket_fdw.emulator.store import Store
from bitbucket_fdw.emulator.templates import Template

VALUES = (None, 0, 1.5, True, "", "$x", "text", [], [1, None], {}, {"uuid": "{1}"})


@pytest.mark.parametrize("value", VALUES, ids=json.dumps)
def test_a_name_alone_becomes_the_value_itself(value: object):
    made = Template('{"a": "$x", "b": {"c": ["$x", "$y.z"]}}').fill({"x": value, "y": {"z": value}})
    assert made == {"a": value, "b": {"c": [value, value]}}


def test_a_name_in_a_text_becomes_part_of_it():
    template = Template('{"a": "#$run.number of $$ and ${name}s"}')
    assert template.fill({"run": {"number": 7}, "name": "x"}) == {"a": "#7 of $ and xs"}


def test_what_is_not_there_is_left_out():
    template = Template('{"a": "$x", "b": ["$y.z", 1], "c": {"d": "$x.y"}, "e": null}')
    assert template.fill({"y": {}}) == {"b": [1], "c": {}, "e": None}


def test_a_text_about_what_is_not_there_is_an_error():
    with pytest.raises(KeyError, match=r"x\.y"):
        Template('{"a": "#$x.y"}').fill({"x": {}})


def test_a_text_that_is_no_json_is_an_error():
    with pytest.raises(json.JSONDecodeError):
        Template('{"a": }')


def test_one_template_makes_documents_apart_from_each_other():
    template = Template('{"a": {"b": [1]}}')
    first, second = template.fill({}), template.fill({})
    first["a"]["b"].append(2)
    assert second == {"a": {"b": [1]}}


def test_every_uuid_that_is_not_given_is_a_new_one():
    sample = Sample(Store(None), "seed")
    made = sample.document(Template('{"a": "$uuid", "b": "$uuid", "c": "$c"}'), c=1)
    assert made["a"] != made["b"]
    assert made["c"] == 1
    assert sample.document(Template('{"a": "$uuid"}'), uuid="{1}") == {"a": "{1}"}
