"""Properties that must hold for any input: quoting, marks, and partial responses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitbucket_fdw.emulator import bbql, fields
from bitbucket_fdw.emulator.errors import ApiError
from bitbucket_fdw.emulator.paging import PageMarks

NAMES = st.sampled_from(["a", "b", "c", "values"])
LEAVES = st.none() | st.integers(0, 3) | st.text(max_size=2)
DOCUMENTS = st.dictionaries(
    NAMES,
    st.recursive(
        LEAVES,
        lambda inner: st.dictionaries(NAMES, inner, max_size=3) | st.lists(inner, max_size=3),
        max_leaves=8,
    ),
    max_size=4,
)
PATHS = st.lists(st.lists(NAMES, min_size=1, max_size=3).map(".".join), min_size=1, max_size=4)


@given(st.text(max_size=30))
def test_any_text_survives_quoting(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    condition = bbql.parse(f'title = "{quoted}"')
    assert isinstance(condition, bbql.Condition)
    assert condition.literals == (text,)


@given(st.tuples(st.text('ab" ', max_size=9), st.text('ab" ', max_size=9)).map('"'.join))
def test_a_bare_quote_never_passes_for_part_of_a_string(text: str) -> None:
    with pytest.raises(ApiError):
        bbql.parse(f'title = "{text}" extra')


@given(st.text(max_size=20), st.integers(0, 2**31), st.integers(0, 2**31))
def test_marks_are_good_for_their_scope_only(scope: str, offset: int, other: int) -> None:
    marks = PageMarks(b"secret")
    mark = marks.make(scope, offset)
    assert marks.read(scope, mark) == offset
    with pytest.raises(ApiError):
        marks.read(scope + "x", mark)
    with pytest.raises(ApiError):
        marks.read(scope, f"{mark[:16]}{other:08x}" if mark[16:] != f"{other:08x}" else "00")


def reach(value: Any, path: list[str]) -> Any:
    """What a document has at a path, as nested lists where it has lists; ... where nothing."""
    if not path:
        return value
    if isinstance(value, list):
        return [reach(item, path) for item in value]
    if isinstance(value, dict):
        return reach(value[path[0]], path[1:]) if path[0] in value else ...
    return value  # a null or a number in place of the object


@given(DOCUMENTS, PATHS)
def test_a_bare_list_keeps_what_it_names(document: dict[str, Any], paths: list[str]) -> None:
    picked = fields.select(document, document, ",".join(paths), lambda condensed: condensed)
    for path in paths:
        assert reach(picked, path.split(".")) == reach(document, path.split("."))
    assert set(picked) <= {path.split(".")[0] for path in paths}


@given(DOCUMENTS, PATHS)
def test_taking_away_takes_only_that(document: dict[str, Any], paths: list[str]) -> None:
    spec = ",".join(f"-{path}" for path in paths)
    left = fields.select(document, document, spec, lambda condensed: condensed)
    for path in paths:
        if "." not in path:
            assert path not in left
    kept = set(document) - {path.split(".")[0] for path in paths}
    assert {name: left[name] for name in kept} == {name: document[name] for name in kept}


@given(DOCUMENTS)
def test_adding_everything_changes_nothing(document: dict[str, Any]) -> None:
    spec = ",".join(f"+{name}" for name in document) or "+a"
    assert fields.select(document, document, spec, lambda condensed: condensed) == document
